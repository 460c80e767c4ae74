"""Tables of other programs, against this file's own float64 evaluation: within 0.51 of a level, for every colour tried."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from huafeng import Edit, Library, Photo, Stylizer
from huafeng.cube import read_exact
from huafeng.errors import LutError, StyleError
from huafeng.exactlut import ExactLut, apply_exact
from huafeng.style import Style

U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]


def trilinear(table: F64, place: F64) -> F64:
    """The textbook sum over eight corners: positions [P, 3] in 0..1 -> [P, 3]."""
    last = len(table) - 1
    place = np.clip(place, 0, 1) * last
    below = np.minimum(place.astype(int), last - 1)
    part = place - below
    result = np.zeros(place.shape)
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(corner, part, 1 - part), axis=-1, keepdims=True)
        result += weight * table[tuple((below + corner).T)]
    return result


def tetrahedral(table: F64, place: F64) -> F64:
    """The six cases written out (Sakamoto and Itooka, US patent 4,275,413)."""
    last = len(table) - 1
    result = np.zeros(place.shape)
    for i, (x, y, z) in enumerate(np.clip(place, 0, 1) * last):
        a, b, c = (min(int(v), last - 1) for v in (x, y, z))
        x, y, z = x - a, y - b, z - c
        t = table[a : a + 2, b : b + 2, c : c + 2]
        if x > y > z:
            result[i] = (1 - x) * t[0, 0, 0] + (x - y) * t[1, 0, 0] + (y - z) * t[1, 1, 0] + z * t[1, 1, 1]
        elif x > z > y:
            result[i] = (1 - x) * t[0, 0, 0] + (x - z) * t[1, 0, 0] + (z - y) * t[1, 0, 1] + y * t[1, 1, 1]
        elif z > x > y:
            result[i] = (1 - z) * t[0, 0, 0] + (z - x) * t[0, 0, 1] + (x - y) * t[1, 0, 1] + y * t[1, 1, 1]
        elif z > y > x:
            result[i] = (1 - z) * t[0, 0, 0] + (z - y) * t[0, 0, 1] + (y - x) * t[0, 1, 1] + x * t[1, 1, 1]
        elif y > z > x:
            result[i] = (1 - y) * t[0, 0, 0] + (y - z) * t[0, 1, 0] + (z - x) * t[0, 1, 1] + x * t[1, 1, 1]
        else:
            result[i] = (1 - y) * t[0, 0, 0] + (y - x) * t[0, 1, 0] + (x - z) * t[1, 1, 0] + z * t[1, 1, 1]
    return result


@pytest.fixture(scope="module")
def pixels() -> U8:
    """uint8 [90, 100, 3]: random colours, greys among them."""
    found = np.random.default_rng(5).integers(0, 256, (90, 100, 3), np.uint8)
    found[:3] = np.resize(np.arange(256, dtype=np.uint8), 300).reshape(3, 100, 1)
    return found


def close(result: U8, expected: F64) -> None:
    assert np.abs(result.reshape(-1, 3) - np.clip(expected, 0, 1) * 255).max() <= 0.51


def cube(head: str, rows: F64) -> ExactLut:
    return read_exact(io.StringIO(head + "".join("%.7f %.7f %.7f\n" % tuple(row) for row in rows)))  # noqa: UP031


def red_fastest(table: F64) -> F64:
    return table.transpose(2, 1, 0, 3).reshape(-1, 3)


def wild_table(size: int) -> F64:
    """Values from -0.5 to 1.5: contrast that is meant to be clipped behind the interpolation."""
    axis = np.linspace(0, 1, size)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)
    return 2 * grid - 0.5 + 0.1 * np.sin(7 * grid[..., [1, 2, 0]])


@pytest.mark.parametrize("size", [2, 9, 33, 129])
def test_values_beyond_0_to_1_are_clipped_after_the_interpolation(size: int, pixels: U8) -> None:
    table = wild_table(size)
    lut = cube(f"LUT_3D_SIZE {size}\n", red_fastest(table))
    close(apply_exact(pixels, lut, threads=2), trilinear(table, pixels.reshape(-1, 3) / 255))


def test_tetrahedral(pixels: U8) -> None:
    table = wild_table(5)
    result = apply_exact(pixels, ExactLut.of(table), threads=1, interpolation="tetrahedral")
    close(result, tetrahedral(table, pixels.reshape(-1, 3) / 255))


def test_a_large_photo_goes_through_each_colour_once(pixels: U8) -> None:
    table = wild_table(7)
    large = np.tile(pixels, (5, 5, 1))
    small = apply_exact(pixels, ExactLut.of(table), threads=1)
    assert np.array_equal(apply_exact(large, ExactLut.of(table), threads=3), np.tile(small, (5, 5, 1)))


def test_a_curve_has_its_own_size(pixels: U8) -> None:
    curve = np.linspace(0, 1, 1021) ** (1 / 2.2)
    lut = cube("LUT_1D_SIZE 1021\n", np.repeat(curve[:, None], 3, 1))
    place = pixels.reshape(-1, 3) / 255
    close(apply_exact(pixels, lut, threads=1), np.interp(place, np.linspace(0, 1, 1021), curve))
    assert apply_exact(np.array([[[1, 2, 3]]], np.uint8), lut, threads=1).tolist() == [[[21, 28, 34]]]  # 255 (1/255)^(1/2.2)


def test_shaper_and_table(pixels: U8) -> None:
    curve, table = np.linspace(0, 1, 300) ** 3, wild_table(17)
    rows = np.concatenate([np.repeat(curve[:, None], 3, 1), red_fastest(table)])
    lut = cube("LUT_1D_SIZE 300\nLUT_3D_SIZE 17\n", rows)
    place = np.interp(pixels.reshape(-1, 3) / 255, np.linspace(0, 1, 300), curve)
    close(apply_exact(pixels, lut, threads=1), trilinear(table, place))


def test_a_domain_off_the_grid(pixels: U8) -> None:
    table = wild_table(9)
    lut = cube("LUT_3D_SIZE 9\nDOMAIN_MIN 0.013 -0.1 0.2\nDOMAIN_MAX 0.877 1.3 1\n", red_fastest(table))
    low, high = np.array([0.013, -0.1, 0.2]), np.array([0.877, 1.3, 1])
    close(apply_exact(pixels, lut, threads=1), trilinear(table, (pixels.reshape(-1, 3) / 255 - low) / (high - low)))


@pytest.mark.parametrize("side", ["IN", "OUT", "IN OUT"])
def test_video_range(side: str, pixels: U8) -> None:
    """As Resolve's manual says it: black and white are at 16 and 235 before, or behind, the table."""
    table = wild_table(9) * 0.5 + 0.2
    head = "".join(f"LUT_{one}_VIDEO_RANGE\n" for one in side.split())
    place = pixels.reshape(-1, 3) / 255
    result = trilinear(table, (place * 219 + 16) / 255 if "IN" in side else place)
    expected = (result * 255 - 16) / 219 if "OUT" in side else result
    close(apply_exact(pixels, cube(head + "LUT_3D_SIZE 9\n", red_fastest(table)), threads=1), expected)


def test_the_way_of_a_file(tmp_path: Path, pixels: U8) -> None:
    """From the file through the library; a .style made of it keeps the table; a mix is near to it."""
    table = wild_table(9)
    rows = "".join("%.7f %.7f %.7f\n" % tuple(row) for row in red_fastest(table))  # noqa: UP031
    (tmp_path / "a.cube").write_text("LUT_3D_SIZE 9\n" + rows)
    stylizer, photo = Stylizer(Library([]), threads=1), Photo.from_array(pixels)

    def graded(name: str, **options: object) -> U8:
        edit = Edit.from_json(f'{{"version": 1, "styles": [{{"style": "{tmp_path / name}"}}], "skin": "off"}}')
        from dataclasses import replace

        return stylizer.apply(photo, replace(edit, **options)).pixels  # type: ignore[arg-type]

    expected = trilinear(table, pixels.reshape(-1, 3) / 255)
    close(graded("a.cube"), expected)
    stylizer.library.get(tmp_path / "a.cube").save(tmp_path / "b.style")
    close(graded("b.style"), expected)
    close(graded("a.cube", interpolation="tetrahedral"), tetrahedral(table, pixels.reshape(-1, 3) / 255))


def test_damaged_exact_tables_are_refused(tmp_path: Path) -> None:
    sound = Library([]).get(_written(tmp_path))
    for change in ({"inputs": np.zeros((255, 3), np.float32)}, {"inputs": np.full((256, 3), 2, np.float32)},
                   {"exact": np.zeros((3, 3, 3), np.float32)}):  # fmt: skip
        with pytest.raises(StyleError, match="table cannot be used"):
            Style(sound.name, "look", {**sound.tensors, **change}, sound.card)
    with pytest.raises(LutError):
        ExactLut(np.zeros((256, 3), np.float32), np.full((2, 2, 2, 3), np.nan, np.float32))


def _written(folder: Path) -> Path:
    (folder / "a.cube").write_text("LUT_1D_SIZE 2\n0 0 0\n1 1 1\n")
    return folder / "a.cube"


# -------------------- HaldCLUTs


def identity_hald(level: int, dtype: type) -> NDArray[np.uint8]:
    size = level**2
    ramp: NDArray[np.uint8] = np.rint(np.linspace(0, np.iinfo(dtype).max, size)).astype(dtype)
    blue, green, red = np.meshgrid(ramp, ramp, ramp, indexing="ij")
    return np.stack([red, green, blue], -1).reshape(level**3, level**3, 3)


def applied(path: Path, pixels: U8) -> U8:
    from dataclasses import replace

    from huafeng.edit import StyleWeight

    edit = replace(Edit((StyleWeight(str(path)),)), skin="off")
    return Stylizer(Library([]), threads=1).apply(Photo.from_array(pixels), edit).pixels


@pytest.mark.parametrize("level", [2, 4, 5, 8, 12])
def test_the_identity_of_16_bit_changes_nothing(tmp_path: Path, level: int, pixels: U8) -> None:
    tifffile = pytest.importorskip("tifffile", reason="tifffile (it comes with the extra `demo`) writes the case")
    tifffile.imwrite(tmp_path / "id.tif", identity_hald(level, np.uint16), photometric="rgb")
    assert np.array_equal(applied(tmp_path / "id.tif", pixels), pixels)


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tiff", "a.gif"])
def test_any_lossless_format(tmp_path: Path, name: str, pixels: U8) -> None:
    image = Image.fromarray(255 - identity_hald(4, np.uint8))
    if name == "a.gif":
        image = Image.fromarray(np.repeat(np.asarray(image)[..., :1], 3, -1)).convert("L")
    image.save(tmp_path / name, lossless=True) if name == "a.webp" else image.save(tmp_path / name)
    result = applied(tmp_path / name, pixels)
    assert np.abs(result[..., 0].astype(int) - (255 - pixels[..., 0])).max() <= 1


def test_it_is_data_whatever_its_profile_says(tmp_path: Path, pixels: U8) -> None:
    from test_color_tags import gama, png

    (tmp_path / "a.png").write_bytes(png(identity_hald(4, np.uint8), gama(1.0)))
    assert np.array_equal(applied(tmp_path / "a.png", pixels), pixels)


def test_a_lossy_one_is_a_grade_with_a_warning(tmp_path: Path, pixels: U8) -> None:
    Image.fromarray(identity_hald(8, np.uint8)).save(tmp_path / "a.jpg", quality=95)
    with pytest.warns(UserWarning, match="taken as a HaldCLUT, but its format has changed its numbers"):
        result = applied(tmp_path / "a.jpg", pixels)
    assert np.abs(result.astype(int) - pixels).mean() < 12  # painted it would be 60


@pytest.mark.parametrize("level", [4, 8])
@pytest.mark.parametrize("kind", ["solarised", "turned hues", "one tone"])
def test_tables_unlike_the_untouched_one(tmp_path: Path, level: int, kind: str) -> None:
    hald = identity_hald(level, np.uint8)
    table = {
        "solarised": np.abs(2 * hald.astype(int) - 255).astype(np.uint8),
        "turned hues": np.dstack([255 - hald[..., 1], np.abs(2 * hald[..., 2].astype(int) - 255), hald[..., 0] // 2]),
        "one tone": np.full_like(hald, 90),
    }[kind].astype(np.uint8)
    Image.fromarray(table).save(tmp_path / "a.png")
    assert Library([]).get(tmp_path / "a.png").kind == "look"


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket"])
@pytest.mark.parametrize("side", [64, 125, 216, 343, 512])
def test_square_pictures_are_no_tables(name: str, side: int, request: pytest.FixtureRequest) -> None:
    from huafeng.lookfile import is_table

    photo = request.getfixturevalue(name)
    picture = np.asarray(Image.fromarray(photo).resize((side, side)))
    assert not is_table(picture)
    assert not is_table(np.ascontiguousarray(picture[::-1].swapaxes(0, 1)))
