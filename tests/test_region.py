from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from huafeng.edit import BoxRegion, MaskRegion
from huafeng.errors import RegionError
from huafeng.pixels import U8
from huafeng.region import MaskResized, region_mask

sides = st.integers(1, 90)
feathers = st.one_of(st.just(0.0), st.floats(0.001, 0.5))


def blank(width: int, height: int) -> U8:
    return np.zeros((height, width, 3), np.uint8)


def saved(path: Path, pixels: Any) -> str:
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)
    return str(path)


def test_a_hard_box() -> None:
    mask = region_mask(BoxRegion(0.25, 0.5, 0.75, 1.0, feather=0.0), blank(8, 4))
    expected = np.zeros((4, 8), np.uint8)
    expected[2:, 2:6] = 255
    assert mask.dtype == np.uint8
    assert np.array_equal(mask, expected)


@pytest.mark.parametrize("place", [(0.0, 1e-6), (0.5, 0.500001), (0.999999, 1.0)])
def test_a_tiny_box_covers_one_pixel(place: tuple[float, float]) -> None:
    low, high = place
    assert region_mask(BoxRegion(low, low, high, high, feather=0.0), blank(7, 5)).sum() == 255


@settings(max_examples=40, deadline=None)
@given(sides, sides, feathers)
def test_a_box_of_the_whole_photo_is_255_everywhere(width: int, height: int, feather: float) -> None:
    mask = region_mask(BoxRegion(0.0, 0.0, 1.0, 1.0, feather), blank(width, height))
    assert mask.shape == (height, width)
    assert (mask == 255).all()


@pytest.mark.parametrize("feather", [0.02, 0.1])  # sigma 6 at full size, sigma 30 at a seventh of it
def test_the_feather_is_a_gaussian_of_that_sigma(feather: float) -> None:
    width, height = 500, 301
    sigma = feather * height
    mask = region_mask(BoxRegion(0.5, 0.0, 1.0, 1.0, feather), blank(width, height))
    # A Gaussian over a step is its integral: 50 % at the edge, 15.9 % one sigma outside, 84.1 % one sigma inside.
    across = [np.interp(250 + offset - 0.5, np.arange(width), mask[height // 2]) for offset in (-sigma, 0, sigma)]
    np.testing.assert_allclose(across, [40.5, 127.5, 214.5], atol=5)
    assert (mask[:, -1] == 255).all()  # the photo's own edge is not feathered
    assert np.ptp(mask.astype(int), axis=0).max() == 0
    assert (np.diff(mask[0].astype(int)) >= 0).all()


@settings(max_examples=10, deadline=None)
@given(feathers, st.booleans())
def test_masks_of_one_value_stay_so(tmp_path_factory: pytest.TempPathFactory, feather: float, white: bool) -> None:
    path = saved(tmp_path_factory.getbasetemp() / "flat.png", np.full((37, 61), 255 * white))
    assert (region_mask(MaskRegion(path, feather), blank(61, 37)) == 255 * white).all()


def test_a_mask_counts_by_lightness(tmp_path: Path) -> None:
    path = saved(tmp_path / "mask.png", [[[255, 255, 255], [0, 255, 0], [0, 0, 0]]])
    # green's luma is 0.587 * 255 = 149.7
    assert region_mask(MaskRegion(path, 0.0), blank(3, 1)).tolist() == [[255, 150, 0]]


def test_a_mask_counts_by_its_alpha_as_well(tmp_path: Path) -> None:
    brush = [[[255, 255, 255, 255], [255, 255, 255, 0], [255, 255, 255, 102], [0, 0, 0, 255]]]
    path = saved(tmp_path / "brush.png", brush)
    assert region_mask(MaskRegion(path, 0.0), blank(4, 1)).tolist() == [[255, 0, 102, 0]]


def test_a_mask_of_another_size_is_resized_and_says_so(tmp_path: Path) -> None:
    path = saved(tmp_path / "small.png", [[0, 255], [0, 255]])
    with pytest.warns(MaskResized, match="is 2 x 2 pixels: resized to the photo's 40 x 20") as caught:
        mask = region_mask(MaskRegion(path, 0.0), blank(40, 20))
    assert caught[0].filename == __file__
    assert mask.shape == (20, 40)
    assert (mask[:, :8] == 0).all() and (mask[:, -8:] == 255).all()


def test_a_mask_of_the_right_size_says_nothing(tmp_path: Path) -> None:
    path = saved(tmp_path / "mask.png", np.eye(6) * 255)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(region_mask(MaskRegion(path, 0.0), blank(6, 6)), np.eye(6) * 255)


def test_a_mask_that_is_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    path.write_text("not a picture")
    for missing_or_text in (path, tmp_path / "nowhere.png"):
        with pytest.raises(RegionError, match=r"The mask cannot be used: .*png"):
            region_mask(MaskRegion(str(missing_or_text)), blank(10, 10))
