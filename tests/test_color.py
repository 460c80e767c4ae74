"""CIELAB and CIEDE2000, against published numbers and a second implementation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import deltaE_ciede2000, rgb2lab

from huafeng.color import ciede2000, lab_to_srgb, srgb_to_lab

# of the 34 pairs of Sharma, Wu & Dalal, Color Research & Application 30 (2005), table 1
SHARMA = [
    ((50.0000, 2.6772, -79.7751), (50.0000, 0.0000, -82.7485), 2.0425),
    ((50.0000, -1.3802, -84.2814), (50.0000, 0.0000, -82.7485), 1.0000),
    ((50.0000, 0.0000, 0.0000), (50.0000, -1.0000, 2.0000), 2.3669),
    ((50.0000, 2.4900, -0.0010), (50.0000, -2.4900, 0.0009), 7.1792),
    ((50.0000, 2.4900, -0.0010), (50.0000, -2.4900, 0.0011), 7.2195),
    ((50.0000, 2.5000, 0.0000), (73.0000, 25.0000, -18.0000), 27.1492),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ((90.9257, -0.5406, -0.9208), (88.6381, -0.8985, -0.7239), 1.5381),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]

levels = st.tuples(*[st.integers(0, 255)] * 3)


@pytest.fixture(scope="module")
def colors():
    return np.random.default_rng(0).integers(0, 256, (5000, 3)).astype(np.uint8)


@pytest.mark.parametrize(("one", "two", "expected"), SHARMA)
def test_the_published_numbers(one, two, expected):
    assert ciede2000(np.array(one), np.array(two)) == pytest.approx(expected, abs=1e-4)
    assert ciede2000(np.array(two), np.array(one)) == pytest.approx(expected, abs=1e-4)
    assert ciede2000(np.array(one, np.float32), np.array(two, np.float32)) == pytest.approx(expected, abs=1e-3)


def test_known_colours():
    lab = srgb_to_lab(np.array([[0, 0, 0], [255, 255, 255], [255, 0, 0]], np.uint8))
    assert lab.dtype == np.float32
    assert lab == pytest.approx(np.array([[0, 0, 0], [100, 0, 0], [53.24, 80.09, 67.20]]), abs=0.03)


def test_grey_has_no_colour():
    grey = np.arange(256, dtype=np.uint8)[:, None].repeat(3, 1)
    assert np.abs(srgb_to_lab(grey)[:, 1:]).max() < 1e-3


def test_a_second_implementation_agrees(colors):
    lab, theirs = srgb_to_lab(colors), rgb2lab(colors)
    assert np.abs(lab - theirs).max() < 0.05  # scikit-image's matrix has more digits
    other = lab[::-1]
    assert ciede2000(lab, other) == pytest.approx(deltaE_ciede2000(lab, other), abs=2e-3)


def test_floats_are_what_levels_are(colors):
    assert srgb_to_lab(colors / 255) == pytest.approx(srgb_to_lab(colors), abs=1e-3)
    assert srgb_to_lab(colors / 255).dtype == np.float64
    assert srgb_to_lab((colors / 255).astype(np.float32)).dtype == np.float32


@given(levels)
def test_there_and_back(color):
    lab = srgb_to_lab(np.array(color, np.uint8))
    assert 255 * lab_to_srgb(lab) == pytest.approx(np.array(color), abs=0.01)
    assert lab_to_srgb(lab).dtype == np.float32


@given(levels, levels)
def test_a_difference_is_none_for_the_same_colour_and_alike_both_ways(one, other):
    first, second = (srgb_to_lab(np.array(color) / 255) for color in (one, other))
    assert ciede2000(first, first) == 0
    assert ciede2000(first, second) >= 0
    assert ciede2000(first, second) == pytest.approx(ciede2000(second, first), abs=1e-6)
