"""Looks out and in: what is written is read by others as it was meant, and theirs become styles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import Run

from huafeng.cube import read_cube, read_hald, write_cube, write_hald
from huafeng.look import Lut, apply_lut
from huafeng.photo import Photo
from huafeng.pixels import U8
from huafeng.style import Style


def look(size: int) -> Lut:
    """A strong look that treats no channel like another: curves, a turn of hues, a split of tones."""
    colors = Lut.identity(size).table.astype(np.float64)
    r, g, b = np.moveaxis(colors, -1, 0)
    mixed = np.stack([0.9 * r**0.8 + 0.1 * g, 0.15 * r + 0.8 * g**1.2, 0.1 + 0.5 * b + 0.3 * g * b + 0.1 * np.sin(3 * r)], -1)
    return Lut(np.clip(mixed, 0, 1).astype(np.float32))


def through_ffmpeg(pixels: U8, folder: Path, lut: Lut, interpolation: str) -> U8:
    """A photo through the .cube in ffmpeg's filter lut3d."""
    pytest.importorskip("av", reason="PyAV, which brings ffmpeg's filters, is not installed")
    import av
    import av.filter

    path = folder / "look.cube"
    path.write_text(write_cube(lut, title="look"))
    graph = av.filter.Graph()
    height, width = pixels.shape[:2]
    source = graph.add_buffer(width=width, height=height, format="rgb24", time_base=1)  # type: ignore[arg-type]
    quoted = path.as_posix().replace(":", "\\:")
    middle = graph.add("lut3d", f"file='{quoted}':interp={interpolation}")
    sink = graph.add("buffersink")
    source.link_to(middle)
    middle.link_to(sink)
    graph.configure()
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    frame.pts = 0
    graph.push(frame)
    result = graph.pull()
    assert isinstance(result, av.VideoFrame)
    return np.asarray(result.to_ndarray(format="rgb24"), np.uint8)


@pytest.mark.parametrize("size", [17, 33, 65])
def test_ffmpeg_reads_a_cube_as_we_do(tmp_path: Path, astronaut: U8, size: int) -> None:
    lut = look(size)
    ours = apply_lut(astronaut, lut, threads=1).astype(int)
    assert np.abs(ours - astronaut).mean() > 8  # the look is not a faint one
    trilinear = np.abs(ours - through_ffmpeg(astronaut, tmp_path, lut, "trilinear"))
    assert trilinear.max() <= 1  # ffmpeg cuts fractions off, Pillow rounds them
    tetrahedral = np.abs(ours - through_ffmpeg(astronaut, tmp_path, lut, "tetrahedral"))  # its default
    assert tetrahedral.max() <= 2


def test_a_cube_becomes_a_style_and_leaves_unchanged(huafeng: Run) -> None:
    lut = look(33)
    Path("Film Nr 5.cube").write_text(write_cube(lut, title="film"))
    assert huafeng("cube", "Film Nr 5.cube", "-o", "My Film.style") == (0, "My Film.style\n", "")
    style = Style.load("My Film.style")
    assert (style.name, style.kind, style.card.title_en) == ("my-film", "look", "Film Nr 5")
    assert np.abs(style.tensors["lut"] - lut.table).max() <= 1 / 2048
    assert huafeng("cube", "My Film.style", "-o", "again.cube").code == 0
    assert np.abs(read_cube(Path("again.cube").read_text()).table - lut.table).max() <= 1 / 2048 + 1e-6


@pytest.mark.parametrize("size", [17, 33, 65])
def test_the_sizes_that_programs_take(huafeng: Run, size: int) -> None:
    Path("film.cube").write_text(write_cube(look(17), title="film"))
    assert huafeng("cube", "film.cube", "-o", f"{size}.cube", "--size", str(size)).code == 0
    table = read_cube(Path(f"{size}.cube").read_text()).table
    assert np.abs(table - look(17).resampled(size).table).max() <= 2e-6


def test_a_haldclut_becomes_a_style_and_leaves_unchanged(huafeng: Run) -> None:
    pixels = write_hald(look(16), 4)
    Photo.from_array(pixels).save("hald.png")
    assert huafeng("cube", "hald.png", "-o", "hald.style").code == 0
    assert Style.load("hald.style").tensors["lut"].shape == (16, 16, 16, 3)
    assert huafeng("cube", "hald.style", "-o", "again.png", "--size", "16").code == 0
    assert np.array_equal(Photo.open("again.png").pixels, pixels)
    assert huafeng("cube", "hald.style", "-o", "small.style", "--size", "9").code == 0
    assert Style.load("small.style").tensors["lut"].shape == (9, 9, 9, 3)
    assert read_hald(Photo.open("again.png").pixels).size == 16


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_cubes_as_other_systems_save_them(huafeng: Run, encoding: str, end: str) -> None:
    lut = look(5)
    Path("film.cube").write_bytes(("# 胶片\n" + write_cube(lut, title="胶片")).replace("\n", end).encode(encoding))
    assert huafeng("cube", "film.cube", "-o", "film.style").code == 0
    assert np.abs(Style.load("film.style").tensors["lut"] - lut.table).max() <= 1 / 2048


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "not a text file"),
        (b"LUT_3D_SIZE 3\n0 0 0\n", "the file ends too soon"),
        (b"LUT_3D_SIZE 2\n" + b"0 0 0\n" * 9, "line 10 is one too many"),
        (b"LUT_3D_SIZE 2\n" + b"0 0 0\n" * 7 + b"0 nan 0\n", "Line 9"),
        (b"LUT_3D_SIZE 2\n" + b"0 0 0\n" * 7 + b"0 inf 0\n", "Line 9"),
        (b"LUT_3D_SIZE 1000000000\n", "from 2 to 129"),
        (b"DOMAIN_MIN -1e308 0 0\nLUT_3D_SIZE 2\n" + b"0 0 0\n" * 8, "no range"),
    ],
)
def test_a_bad_cube_leaves_nothing(huafeng: Run, data: bytes, words: str) -> None:
    Path("bad.cube").write_bytes(data)
    ran = huafeng("cube", "bad.cube", "-o", "out.style")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("Error: ") and ran.err.count("\n") == 1
    assert words in ran.err
    assert not Path("out.style").exists()


def test_a_1d_cube_becomes_a_style(huafeng: Run) -> None:
    Path("curve.cube").write_text("LUT_1D_SIZE 3\n0 0 0\n0.7 0.5 0.4\n1 1 0.9\n")
    assert huafeng("cube", "curve.cube", "-o", "curve.style").code == 0
    table = Style.load("curve.style").tensors["lut"]
    np.testing.assert_allclose(table[32, 32, 32], [0.7, 0.5, 0.4], atol=1 / 512)  # baked; the style keeps the curve beside it


def test_a_photo_is_no_table(huafeng: Run, astronaut: U8) -> None:
    Photo.from_array(astronaut).save("photo.png")  # 512 x 512, as a HaldCLUT of level 8
    ran = huafeng("cube", "photo.png", "-o", "x.cube")
    assert ran.code == 2
    assert "photo.png holds no colour table" in ran.err
    assert not Path("x.cube").exists()
