from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from huafeng.cube import read_hald
from huafeng.errors import LutError
from huafeng.look import Lut, apply_lut, sample_grid
from huafeng.pixels import U8, Array

HALDS = Path(__file__).parents[2] / "shared" / "data" / "looks"
EVERY_COLOR = np.arange(1 << 24, dtype="<u4").view(np.uint8).reshape(4096, 4096, 4)[..., :3]


def random_lut(seed: int, size: int) -> Lut:
    return Lut(np.random.default_rng(seed).random((size, size, size, 3), dtype=np.float32))


def random_pixels(seed: int, height: int, width: int) -> U8:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def one(color: tuple[int, int, int], lut: Lut) -> list[int]:
    return apply_lut(np.array([[color]], np.uint8), lut, threads=1)[0, 0].tolist()


def trilinear(pixels: U8, table: Array) -> Array:
    """The textbook sum over the eight corners, for pixels uint8 [..., 3] -> 0..255."""
    last = len(table) - 1
    place = pixels / 255 * last
    below = np.minimum(place.astype(int), last - 1)
    part = place - below
    result = np.zeros(pixels.shape)
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(corner, part, 1 - part), axis=-1, keepdims=True)
        result += weight * table[tuple(np.moveaxis(below + corner, -1, 0))]
    return result * 255


def test_a_table_of_two_nodes_inverts() -> None:
    assert one((0, 100, 255), Lut(1 - Lut.identity(2).table)) == [255, 155, 0]


def test_the_axes_are_red_green_blue() -> None:
    swapped = Lut(Lut.identity(2).table[..., [2, 0, 1]])  # out = (blue, red, green)
    assert one((10, 20, 30), swapped) == [30, 10, 20]


def test_trilinear_by_hand() -> None:
    table = np.zeros((2, 2, 2, 3), np.float32)
    table[1, 1, 0] = 1.0
    table[0, 0, 1] = 0.5
    # (51, 102, 204) is (0.2, 0.4, 0.8): 0.2 * 0.4 * 0.2 * 1 + 0.8 * 0.6 * 0.8 * 0.5 = 0.208, and * 255 = 53.04
    assert one((51, 102, 204), Lut(table)) == [53, 53, 53]


@pytest.mark.parametrize("size", [2, 33, 64, 129])
def test_the_identity_changes_no_color_at_all(size: int) -> None:
    assert np.array_equal(apply_lut(EVERY_COLOR, Lut.identity(size), threads=2), EVERY_COLOR)


@pytest.mark.parametrize("size", [2, 9, 65])
def test_equals_the_textbook(size: int) -> None:
    pixels, lut = random_pixels(1, 300, 400), random_lut(2, size)
    assert np.abs(apply_lut(pixels, lut, threads=2) - trilinear(pixels, lut.table)).max() < 0.6  # Pillow's steps are 1/64


def test_a_large_photo_equals_pillow_with_and_without_memo(astronaut: U8) -> None:
    photo = np.asarray(Image.fromarray(astronaut).resize((1500, 1100)))
    lut = random_lut(3, 17)
    cube = ImageFilter.Color3DLUT(17, lut.table.transpose(2, 1, 0, 3))
    for pixels in (photo, random_pixels(4, 1100, 1500)):  # the noise fills the cube and gets no memo
        expected = np.asarray(Image.fromarray(pixels).filter(cube))
        assert np.array_equal(apply_lut(pixels, lut, threads=3), expected)


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 700), st.integers(1, 1200), st.integers(1, 5), st.integers(0, 99))
def test_neither_strips_nor_threads_change_the_result(height: int, width: int, threads: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 16, (height, width, 3), dtype=np.uint8) * 17
    lut = random_lut(seed, 5)
    result = apply_lut(pixels, lut, threads=threads)
    # Each pixel is on its own: sixteen levels per channel can be looked up.
    levels = np.arange(16, dtype=np.uint8) * 17
    every = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(1, -1, 3)
    table = apply_lut(every, lut, threads=1).reshape(16, 16, 16, 3)
    red, green, blue = np.moveaxis(pixels // 17, -1, 0)
    assert np.array_equal(result, table[red, green, blue])


def test_views_are_taken_and_the_photo_is_left_alone(chelsea: U8) -> None:
    lut = random_lut(5, 4)
    view = chelsea[::2, ::-3]
    before = view.copy()
    assert np.array_equal(apply_lut(view, lut, threads=2), apply_lut(before, lut, threads=1))
    assert np.array_equal(view, before)


@pytest.mark.parametrize("pixels", [np.zeros((2, 2, 4), np.uint8), np.zeros((2, 2, 3)), np.zeros((0, 2, 3), np.uint8)])
def test_apply_refuses_what_are_no_pixels(pixels: U8) -> None:
    with pytest.raises(ValueError, match=r"uint8 \[H, W, 3\]"):
        apply_lut(pixels, Lut.identity(2), threads=1)


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        (np.zeros((3, 3, 3, 3)), "float32"),
        ([[[]]], "not list"),
        (np.zeros((3, 3, 3), np.float32), "shape"),
        (np.zeros((3, 3, 4, 3), np.float32), "shape"),
        (np.zeros((3, 3, 3, 4), np.float32), "shape"),
        (np.zeros((1, 1, 1, 3), np.float32), "from 2 to 129"),
        (np.zeros((130, 130, 130, 3), np.float32), "from 2 to 129"),
        (np.full((2, 2, 2, 3), np.nan, np.float32), "from 0 to 1"),
        (np.full((2, 2, 2, 3), np.inf, np.float32), "from 0 to 1"),
        (np.full((2, 2, 2, 3), -0.01, np.float32), "from 0 to 1"),
    ],
)
def test_a_bad_table_is_refused(table: Any, complaint: str) -> None:
    with pytest.raises(LutError, match=complaint):
        Lut(table)


def test_a_lut_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        Lut.identity(2).table[0, 0, 0] = 1


@pytest.mark.parametrize("size", [1, 130])
def test_sizes_out_of_range_are_refused(size: int) -> None:
    with pytest.raises(LutError, match=f"not {size}"):
        Lut.identity(3).resampled(size)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.integers(2, 9), st.integers(2, 4))
def test_resampling_to_a_finer_grid_and_back_is_exact(seed: int, size: int, factor: int) -> None:
    lut = random_lut(seed, size)
    finer = lut.resampled((size - 1) * factor + 1)
    np.testing.assert_allclose(finer.table[::factor, ::factor, ::factor], lut.table, atol=1e-6)
    np.testing.assert_allclose(finer.resampled(size).table, lut.table, atol=1e-6)
    assert lut.resampled(size) is lut


def test_a_lut_too_large_for_pillow_is_resampled() -> None:
    pixels = random_pixels(6, 50, 50)
    smooth = Lut(Lut.identity(129).table ** 2)
    assert np.abs(apply_lut(pixels, smooth, threads=1) - trilinear(pixels, smooth.table)).max() < 0.6


def test_sample_grid_by_hand_and_beyond_the_ends() -> None:
    table = Lut.identity(3).table
    grid = sample_grid(table, (np.array([-1.0, 0.25]), np.array([0.5, 2.0]), np.array([0.0, 1.0])))
    np.testing.assert_allclose(grid[1, 1, 0], [0.25, 1.0, 0.0])
    np.testing.assert_allclose(grid[0, 0, 1], [0.0, 0.5, 1.0])


def test_strength_by_hand() -> None:
    half = Lut(1 - Lut.identity(2).table).with_strength(0.5)
    np.testing.assert_allclose(half.table, 0.5)
    quarter = Lut(np.ones((2, 2, 2, 3), np.float32)).with_strength(0.25)
    np.testing.assert_allclose(quarter.table[0, 1, 0], [0.25, 1, 0.25])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.integers(2, 9))
def test_strength_0_is_the_identity_and_1_the_look(seed: int, size: int) -> None:
    lut = random_lut(seed, size)
    assert np.array_equal(lut.with_strength(0).table, Lut.identity(size).table)
    assert lut.with_strength(1) is lut


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.floats(0, 1), st.floats(0, 1))
def test_more_strength_is_never_less_change(seed: int, one_strength: float, other_strength: float) -> None:
    lut = random_lut(seed, 4)
    weak, strong = sorted((one_strength, other_strength))
    identity = Lut.identity(4).table
    weaker, stronger = (np.abs(lut.with_strength(s).table - identity) for s in (weak, strong))
    assert (weaker <= stronger + 1e-6).all()


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_strengths_out_of_range_are_refused(strength: float) -> None:
    with pytest.raises(LutError, match="from 0 to 1"):
        Lut.identity(2).with_strength(strength)


def test_a_mix_is_the_weighted_mean_at_the_largest_size() -> None:
    black = Lut(np.zeros((2, 2, 2, 3), np.float32))
    mixed = Lut.mixed([3, 1], [black, Lut.identity(5)])
    np.testing.assert_allclose(mixed.table, Lut.identity(5).table / 4)


def test_a_mix_of_one_look_with_itself_is_that_look() -> None:
    lut = random_lut(7, 6)
    np.testing.assert_allclose(Lut.mixed([0.2, 5, 0], [lut, lut, Lut.identity(2)]).table, lut.table, atol=1e-6)


@pytest.mark.parametrize(
    ("weights", "count"), [([], 0), ([1], 2), ([1, 1], 1), ([0, 0], 2), ([1, -1], 2), ([1, float("nan")], 2)]
)
def test_bad_mixes_are_refused(weights: list[float], count: int) -> None:
    with pytest.raises(LutError, match="mix"):
        Lut.mixed(weights, [Lut.identity(2)] * count)


@pytest.mark.skipif(not HALDS.is_dir(), reason="needs the HaldCLUTs in ../shared/data/looks")
@pytest.mark.parametrize("name", ["fuji_velvia_50", "kodak_portra_400", "cp_teal_orange", "polaroid_669"])
def test_a_film_look_equals_its_hald_looked_up(name: str, astronaut: U8) -> None:
    hald = np.asarray(Image.open(HALDS / f"{name}.png").convert("RGB"))
    expected = trilinear(astronaut, hald.reshape(144, 144, 144, 3).transpose(2, 1, 0, 3) / 255)
    difference = np.abs(apply_lut(astronaut, read_hald(hald), threads=2) - expected)
    # 2/255 and the rounding; few colours lie in the folds that some films have between two of the 65 nodes.
    assert np.percentile(difference, 99.9) < 2.5
    assert difference.max() < 6
    assert difference.mean() < 0.4
