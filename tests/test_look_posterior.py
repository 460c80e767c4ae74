"""The likeliest look: moments of colours, photo by photo, and what a folder's say of the grade over it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from safetensors.numpy import load_file

from huafeng.color import ciede2000, srgb_to_lab
from huafeng.look import Lut, apply_lut
from huafeng.looklearner import WEIGHTS, thumbnail
from huafeng.lookmoments import DIRECTIONS, moments, neighbours
from huafeng.lookposterior import NODES, Prior, likeliest
from huafeng.pixels import F32, U8
from huafeng.training.gradeprior import grade_prior


@pytest.fixture(scope="module")
def thumbs(astronaut: U8, chelsea: U8, coffee: U8, rocket: U8) -> U8:
    """Thumbnails of 48 parts of four photos [48, 32, 32, 3]."""
    parts = []
    for photo in (astronaut, chelsea, coffee, rocket):
        height, width = photo.shape[0] // 3, photo.shape[1] // 4
        parts += [photo[height * k // 4 :, :][:height, width * (k % 4) :][:, :width] for k in range(12)]
    return np.stack([thumbnail(np.ascontiguousarray(p)) for p in parts])


@pytest.fixture(scope="module")
def prior() -> Prior:
    """The shipped one, in small."""
    held = load_file(WEIGHTS)
    return Prior(held["prior.components"][:12].astype(np.float32), held["prior.variances"][:12], held["prior.photos"][::6])


def graded(thumbs: U8, lut: Lut) -> U8:
    return np.stack([apply_lut(t, lut, threads=1) for t in thumbs])


def difference(one: Lut, other: Lut, thumbs: U8) -> float:
    first, second = (srgb_to_lab(graded(thumbs[::4], x).reshape(-1, 3).astype(np.float32) / 255) for x in (one, other))
    return float(np.median(ciede2000(first, second)))


def test_moments_of_a_grey_photo_by_hand() -> None:
    """All pixels are 0.5: half of them count as beyond a threshold there, and steps are the rounding, 0.01."""
    (found,) = moments(np.full((1, 6, 2, 3), 0.5, np.float32))
    assert found.shape == (13 * 20 + 5**3 + 6 * 9 + 6 * 5,)
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


def test_moments_are_means_over_pixels(thumbs: U8) -> None:
    pairs = neighbours(thumbs, 50, 0).astype(np.float32) / np.float32(255)
    order = np.random.default_rng(0).permutation(50)
    assert np.allclose(moments(pairs[:, order]), moments(pairs), atol=1e-4)
    assert np.allclose(moments(pairs[:3]), moments(pairs)[:3], atol=1e-5)  # photo by photo


def test_a_steeper_curve_makes_larger_steps(thumbs: U8) -> None:
    """Contrast doubled in the middle: neighbours there differ by about twice as much, and log 2 = 0.69."""
    pairs = neighbours(thumbs, 200, 0).astype(np.float32) / np.float32(255)
    steeper = np.clip(2 * pairs - 0.5, 0, 1).astype(np.float32)
    at = slice(385 + 4, 385 + 5)
    rise = float((moments(steeper)[:, at] - moments(pairs)[:, at]).mean())
    assert 0.3 < rise < 0.8


def test_neighbours_are_neighbours() -> None:
    row, column = np.mgrid[0:20, 0:30]
    places = np.stack([row, column, 0 * row], -1).astype(np.uint8)[None]
    first, second = (neighbours(places, 500, 3)[0, :, k].astype(int) for k in (0, 1))
    steps = {tuple(s) for s in (second - first)}
    assert steps == {(1, 0, 0), (0, 1, 0)}
    assert len({tuple(f) for f in first}) > 250


def test_a_grade_is_found_and_none_is_not(thumbs: U8, prior: Prior) -> None:
    identity = Lut.identity(33)
    nodes = identity.table
    look = Lut(np.clip(nodes**1.25 * (1.0, 0.93, 0.82) + (0.03, 0.03, 0.06), 0, 1).astype(np.float32))
    own = likeliest(identity, prior, graded(thumbs, look), thumbs)
    wrong = difference(identity, look, thumbs)
    assert difference(own, look, thumbs) < 0.5 * wrong
    assert difference(likeliest(identity, prior, thumbs, thumbs), identity, thumbs) < 0.1 * wrong
    again = likeliest(identity, prior, graded(thumbs, look), thumbs)
    assert np.array_equal(again.table, own.table)


def test_a_guess_that_no_grade_explains_stays_in_bounds(thumbs: U8, prior: Prior) -> None:
    """Pictures of one colour: whatever is said of them, the table holds colours."""
    flat = np.full((9, 32, 32, 3), (250, 3, 120), np.uint8)
    negative = Lut(1 - Lut.identity(33).table)
    for guess in (Lut.identity(33), negative):
        table = likeliest(guess, prior, flat).table
        assert np.isfinite(table).all() and table.min() >= 0 and table.max() <= 1


def test_the_prior_is_made_of_principal_components() -> None:
    """Offsets of the grades have the variances that it says, and components of one grade do not go with another's."""
    import torch

    colors = torch.rand(4000, 3, generator=torch.Generator().manual_seed(0))
    components, variances = grade_prior(colors, count=500)
    assert components.shape == (64, NODES, NODES, NODES, 3)
    assert bool((variances[:-1] >= variances[1:]).all()) and float(variances[-1]) > 0
    flat: F32 = components.flatten(1).numpy()
    # in the space where colours count as often as photos have them, components are orthogonal and of length 1
    from huafeng.training.tables import density

    frequency = density(colors, NODES).flatten()
    weight = ((frequency / frequency.mean()).clamp_max(10.0) + 0.3).sqrt().repeat_interleave(3).numpy()
    gram = (flat * weight) @ (flat * weight).T
    assert np.allclose(gram, np.eye(64), atol=1e-3)
