"""Looks as chains of a matrix, curves and a matrix."""

from __future__ import annotations

import numpy as np
import pytest

from huafeng.color import ciede2000, srgb_to_lab
from huafeng.colortable import sample
from huafeng.look import Lut, apply_lut
from huafeng.lookchain import COUNT, KNOTS, PARTS, applied, as_lut, likeliest_chain, nearest, usual
from huafeng.looklearner import WEIGHTS, learn_lut, load_learner, moments_of, usual_moments
from huafeng.lookmoments import glimpse, moments, places, unit
from huafeng.lookposterior import F64
from huafeng.pixels import F32, U8, Array


def chain(before: Array, slopes: Array, ends: Array, after: Array, offset: float = 0.0) -> F64:
    return np.concatenate([np.ravel(before), np.ravel(slopes), np.ravel(ends), np.ravel(after), np.full(3, offset)])


PLAIN = chain(np.eye(3), np.zeros((3, KNOTS)), np.tile([0.0, 1.0], (3, 1)), np.eye(3))


def colors() -> F32:
    return np.random.default_rng(1).random((500, 3), np.float32)


def difference(one: F32, other: F32) -> float:
    return float(np.median(ciede2000(srgb_to_lab(one), srgb_to_lab(other))))


def test_a_chain_by_hand() -> None:
    assert len(PLAIN) == COUNT == PARTS[-1] + 3
    assert applied(PLAIN, colors()) == pytest.approx(colors(), abs=1e-6)
    # red and blue change places, black is 0.1 and white 0.5, then all of it 0.2 higher
    swapped = chain(np.eye(3)[::-1], np.zeros((3, KNOTS)), np.tile([0.1, 0.5], (3, 1)), np.eye(3), 0.2)
    assert applied(swapped, np.array([[1, 0.5, 0]], np.float32))[0] == pytest.approx([0.3, 0.5, 0.7], abs=1e-6)
    # one segment of eight rises as much as the seven others together
    steep = np.zeros((3, KNOTS))
    steep[:, 2] = np.log(7)
    eighths = np.array([[2, 3, 4]], np.float32) / np.float32(8)
    bent = applied(chain(np.eye(3), steep, np.tile([0.0, 1.0], (3, 1)), np.eye(3)), eighths)
    assert bent[0] == pytest.approx([2 / 14, 9 / 14, 10 / 14], abs=1e-6)


def test_chains_stay_within_what_can_be_shown_and_rise() -> None:
    draw = np.random.default_rng(2)
    mean, precision = usual()
    spread = np.linalg.cholesky(np.linalg.inv(precision))
    greys = np.repeat(np.linspace(0, 1, 33, dtype=np.float32)[:, None], 3, 1)
    for _ in range(20):
        one = mean + spread @ draw.normal(size=COUNT)
        made = applied(one, colors())
        assert made.min() >= 0 and made.max() <= 1
        one[: PARTS[0]] = np.eye(3).ravel()
        one[PARTS[2] : PARTS[3]] = np.eye(3).ravel()
        assert np.diff(applied(one, greys), axis=0).min() >= -1e-6


def test_usual_matrices_keep_greys_and_move_other_colors() -> None:
    """Deviations of rows' sums: lighter or darker, and tinted; of what one channel takes of another: 0.12 and a fade."""
    mean, precision = usual()
    spread = np.linalg.inv(precision)
    for start, total, of_rows, fade in (
        (0, 1.0, np.hypot(0.04, 0.02), 0.15),
        (PARTS[2], 0.96, 0.96 * np.hypot(0.05, 0.03), 0.3),
    ):
        for row in range(3):
            places = slice(start + 3 * row, start + 3 * row + 3)
            assert mean[places].sum() == pytest.approx(total)
            assert np.sqrt(spread[places, places].sum()) == pytest.approx(of_rows, rel=1e-6)
        red_from_green = spread[start + 1, start + 1]
        assert red_from_green == pytest.approx(0.12**2 + (0.6 * fade) ** 2, rel=0.01)


def test_the_nearest_chain_to_a_chain_is_that_chain() -> None:
    mean, precision = usual()
    one = mean + np.linalg.cholesky(np.linalg.inv(precision)) @ np.random.default_rng(3).normal(size=COUNT)
    table = as_lut(one, 33)
    wrong = difference(applied(mean, colors()), applied(one, colors()))
    assert wrong > 5
    assert difference(applied(nearest(table, colors()), colors()), applied(one, colors())) < 0.1 * wrong


@pytest.fixture(scope="module")
def look() -> Lut:
    return as_lut(usual()[0], 33)


@pytest.fixture(scope="module")
def each(parts: list[U8], look: Lut) -> F32:
    """Moments of the parts under the look."""
    return moments_of([glimpse(apply_lut(part, look, threads=1)) for part in parts])


def off(lut: Lut, look: Lut, parts: list[U8]) -> float:
    shown = np.concatenate([part[::8, ::8].reshape(-1, 3) for part in parts]).astype(np.float32) / 255
    return difference(sample(lut.table, shown), sample(look.table, shown))


def test_the_likeliest_chain_finds_what_lies_over_photos(parts: list[U8], look: Lut, each: F32) -> None:
    before = [glimpse(part) for part in parts]
    draws, general = [places(before, k) for k in range(2)], load_learner(WEIGHTS)[1].photos[::4]
    found = likeliest_chain(Lut.identity(33), draws, general, each)
    assert off(as_lut(found, 33), look, parts) < 0.4 * off(Lut.identity(33), look, parts)
    assert np.array_equal(found, likeliest_chain(Lut.identity(33), draws, general, each))


def test_many_untouched_photos_bring_a_look_nearer(parts: list[U8], look: Lut, each: F32) -> None:
    """The same photos once, and three times: from 100 on a chain is sought as well, and this look is one."""
    before = [glimpse(part) for part in parts]
    few, many = learn_lut(each, before), learn_lut(each, before * 3)
    assert off(many, look, parts) < 0.8 * off(few, look, parts)


def test_few_untouched_photos_say_little_of_what_photos_are_like(parts: list[U8]) -> None:
    """Sixty photos in the mean lie halfway between their own mean and that of photos in general."""
    prior = load_learner(WEIGHTS)[1]
    some = np.resize(places([glimpse(part) for part in parts]), (60, 2, 64, 3, 3))
    own, general = (moments(unit(photos)).mean(0) for photos in (some, prior.photos))
    assert np.allclose(usual_moments(prior, some), (own + general) / 2, atol=1e-4)
    assert np.allclose(usual_moments(prior, prior.photos), general, atol=1e-4)
    assert np.array_equal(usual_moments(prior), general)


def test_few_pictures_are_left_to_the_network(each: F32) -> None:
    for count, left in ((19, True), (20, False)):
        fitted, guessed = (learn_lut(each[:count], fit=fit).table for fit in (True, False))
        assert np.array_equal(fitted, guessed) == left
