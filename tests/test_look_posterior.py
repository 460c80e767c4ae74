"""The likeliest look: moments of colours, photo by photo, and what a folder's say of the grade over it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from safetensors.numpy import load_file

from huafeng.color import ciede2000, srgb_to_lab
from huafeng.look import Lut, apply_lut
from huafeng.lookguess import NODES, Guess
from huafeng.looklearner import WEIGHTS
from huafeng.lookmoments import DIRECTIONS, Glimpse, glimpse, moments, places, threes, unit
from huafeng.lookposterior import WIDTH, Prior, independent, likeliest
from huafeng.pixels import F32, U8
from huafeng.training.gradeprior import grade_prior
from huafeng.training.grades import random_grades


@pytest.fixture(scope="module")
def prior() -> Prior:
    """The shipped one, in small."""
    held = load_file(WEIGHTS)
    return Prior(held["fields"][:12].astype(np.float32), held["photos"][::8])


def seen(parts: list[U8], lut: Lut | None = None) -> list[Glimpse]:
    return [glimpse(apply_lut(part, lut, threads=1) if lut else part) for part in parts]


def difference(one: Lut, other: Lut, parts: list[U8]) -> float:
    colors = np.concatenate([part[::8, ::8].reshape(-1, 3) for part in parts[::4]])[None]
    first, second = (srgb_to_lab(apply_lut(colors, x, threads=1)[0].astype(np.float32) / 255) for x in (one, other))
    return float(np.median(ciede2000(first, second)))


def test_moments_of_a_grey_photo_by_hand() -> None:
    """All pixels are 0.5: half of them count as beyond a threshold there, and steps are the rounding, 0.01."""
    (found,) = moments(np.full((1, 2, 6, 3, 3), 0.5, np.float32))
    usual = 13 * 20 + 5**3 + 6 * 9 + 6 * 5
    bends = 4 * 9 + 2 * 9 + 2 * 9 + 4 * 9
    assert found.shape == (2 * usual + bends + 12 * 5 + 3 * 9 + 4 + 4 * 9 + 2 * 5,)
    red = found[: 13 * 20].reshape(13, 20)[np.flatnonzero((DIRECTIONS == (1, 0, 0)).all(1))[0]]
    # thresholds of red lie at 0.025, 0.075, ...: the tenth, 0.475, half a width of 0.05 below
    assert red[9] == pytest.approx(1 / (1 + math.exp(-0.5 / 0.6)), abs=1e-5)
    assert red[10] == pytest.approx(1 - red[9], abs=1e-5)
    density = found[260:385].reshape(5, 5, 5)
    assert density[2, 2, 2] == pytest.approx(1.0)
    assert density[1, 2, 3] == pytest.approx(math.exp(-2), abs=1e-5)
    lightness = found[385:394]
    assert lightness[4] == pytest.approx(math.log((0.01 + 0.002) / 1.02), abs=1e-4)
    assert lightness[3] == pytest.approx(math.log((0.01 * math.exp(-1) + 0.002) / (math.exp(-1) + 0.02)), abs=1e-4)
    fine = found[2 * usual :]
    assert np.allclose(fine[:72], 0, atol=1e-6)  # nothing bends, nothing leans
    greys = fine[bends + 60 : bends + 87].reshape(3, 9)
    assert np.allclose(greys[:2], 0, atol=1e-6)  # without a tint
    assert greys[2, 4] == pytest.approx(math.log(1.003), abs=1e-4)
    assert np.allclose(fine[-46:-10], 0.5, atol=1e-6)  # quantiles of lightness, red, green, blue


def test_a_bend_by_hand() -> None:
    """Ramps of step h around 0.5 through x^2: the middle lies h^2 below the mean of the others, the ramp is 2 h long."""
    h = 0.1
    ramp = np.array([0.5 - h, 0.5, 0.5 + h], np.float32)
    photo = np.broadcast_to(ramp[:, None], (1, 2, 5, 3, 3)).astype(np.float32)
    usual = 13 * 20 + 5**3 + 6 * 9 + 6 * 5
    assert np.allclose(moments(photo)[0, 2 * usual :][:9], 0, atol=1e-6)  # straight
    (found,) = moments(photo**2)
    low, middle, high = ramp.astype(float) ** 2
    bend, square = middle - (low + high) / 2, (high - low) ** 2
    assert bend == pytest.approx(-(h**2), rel=1e-5)
    level = (low + middle + high) / 3
    near = math.exp(-(((level - 0.25) * 8) ** 2))  # of the third of nine levels
    counts = square / (square + 4 * bend**2 + 1e-3)
    wanted = bend * counts * near / (square * counts * near + 2e-4)
    assert found[2 * usual + 2] == pytest.approx(wanted, rel=1e-4)


def test_moments_are_of_sets_of_pixels(parts: list[U8]) -> None:
    photos = unit(places(seen(parts)))
    order = np.random.default_rng(0).permutation(photos.shape[2])
    assert np.allclose(moments(photos[:, :, order]), moments(photos), atol=1e-4)
    assert np.allclose(moments(photos[:3]), moments(photos)[:3], atol=1e-5)  # photo by photo


def test_a_steeper_curve_makes_larger_steps(parts: list[U8]) -> None:
    """Contrast doubled in the middle: neighbours there differ by about twice as much, and log 2 = 0.69."""
    photos = unit(places(seen(parts)))
    steeper = np.clip(2 * photos - 0.5, 0, 1).astype(np.float32)
    at = slice(385 + 4, 385 + 5)
    rise = float((moments(steeper)[:, at] - moments(photos)[:, at]).mean())
    assert 0.3 < rise < 0.8


def test_threes_are_neighbours() -> None:
    row, column = np.mgrid[0:20, 0:30]
    where = np.stack([row, column, 0 * row], -1).astype(np.uint8)[None]
    first, middle, last = (threes(where, 500, 3)[0, :, k].astype(int) for k in range(3))
    assert {tuple(s) for s in (middle - first)} == {(1, 0, 0), (0, 1, 0)}
    assert np.array_equal(last - middle, middle - first)
    assert len({tuple(m) for m in middle}) > 250


def test_a_glimpse_of_small_and_odd_pictures() -> None:
    for size in ((1, 1), (1, 900), (700, 2), (33, 40)):
        one = glimpse(np.full((*size, 3), (9, 80, 200), np.uint8))
        assert one.far.shape == (32, 32, 3) and one.close.shape == (384, 3, 3)
        assert (one.far == (9, 80, 200)).all() and (one.close == (9, 80, 200)).all()


def guessed(lut: Lut, doubt: float) -> Guess:
    return Guess(lut, np.full(12, doubt, np.float32))


def test_a_grade_is_found_and_none_is_not(parts: list[U8], prior: Prior) -> None:
    identity = Lut.identity(33)
    nodes = identity.table
    look = Lut(np.clip(nodes**1.25 * (1.0, 0.93, 0.82) + (0.03, 0.03, 0.06), 0, 1).astype(np.float32))
    plain = places(seen(parts))
    before, after = moments(unit(plain)), moments(unit(places(seen(parts, look))))
    quite = 1 / math.sqrt(WIDTH)  # as wide as grades vary
    own = likeliest(guessed(identity, quite), prior, plain, after)
    wrong = difference(identity, look, parts)
    assert difference(own, look, parts) < 0.5 * wrong
    assert difference(likeliest(guessed(identity, quite), prior, plain, before), identity, parts) < 0.1 * wrong
    assert np.array_equal(likeliest(guessed(identity, quite), prior, plain, after).table, own.table)
    sure = likeliest(guessed(identity, 0.01), prior, plain, after)  # a guess without doubts stays
    assert difference(sure, identity, parts) < 0.1 * wrong


def test_a_look_that_is_very_strong_stays_as_it_was_guessed(parts: list[U8], prior: Prior) -> None:
    found = moments(unit(places(seen(parts))))
    negative = Lut(1 - Lut.identity(33).table)
    assert likeliest(guessed(negative, 4.0), prior, prior.photos, found) is negative
    mild = Lut.identity(33)
    assert likeliest(guessed(mild, 4.0), prior, prior.photos, found) is not mild


def test_pictures_that_are_alike_count_less() -> None:
    """Unlike ones, each along an axis of its own, and then each of them twice, and then all alike."""
    unlike = np.concatenate([np.eye(8), -np.eye(8)]).astype(np.float32)
    count = independent(unlike, np.eye(8))
    assert count == pytest.approx(16 / 2)  # r = 1 with itself, -1 with its opposite
    assert independent(np.concatenate([unlike, unlike]), np.eye(8)) == pytest.approx(count)
    assert independent(np.ones((5, 8), np.float32), np.eye(8)) == pytest.approx(5)  # nothing is known of their differences


def test_what_no_grade_explains_stays_in_bounds(prior: Prior) -> None:
    """Pictures of one colour: whatever is said of them, the table holds colours."""
    flat = moments(unit(places([glimpse(np.full((40, 40, 3), (250, 3, 120), np.uint8))] * 9)))
    table = likeliest(guessed(Lut.identity(33), 4.0), prior, prior.photos, flat).table
    assert np.isfinite(table).all() and table.min() >= 0 and table.max() <= 1


def test_the_prior_is_made_of_principal_components() -> None:
    """Offsets of the grades have the variances that it says, and components of one grade do not go with another's."""
    import torch

    colors = torch.rand(4000, 3, generator=torch.Generator().manual_seed(0))
    draw = torch.Generator().manual_seed(5)
    components, variances = grade_prior(colors, random_grades(500, NODES, draw), draw)
    assert components.shape == (160, NODES, NODES, NODES, 3)
    assert bool((variances[:-1] >= variances[1:]).all()) and float(variances[-1]) > 0
    flat: F32 = components.flatten(1).numpy()
    # in the space where colours count as often as photos have them, components are orthogonal and of length 1
    from huafeng.training.tables import density

    frequency = density(colors, NODES).flatten()
    weight = ((frequency / frequency.mean()).clamp_max(10.0) + 0.3).sqrt().repeat_interleave(3).numpy()
    gram = (flat * weight) @ (flat * weight).T
    assert np.allclose(gram, np.eye(160), atol=1e-3)
