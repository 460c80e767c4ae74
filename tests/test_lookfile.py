"""Looks from elsewhere: .cube files and HaldCLUTs given where a style's name would stand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from huafeng import Edit, Library, Photo, StyleWeight, Stylizer
from huafeng.cube import write_cube, write_hald
from huafeng.errors import LutError, StyleNotFound
from huafeng.look import Lut

SWAPPED = Lut(np.ascontiguousarray(Lut.identity(9).table[..., ::-1]))  # red <-> blue


def test_cube_and_hald_are_applied_like_any_style(tmp_path: Path) -> None:
    (tmp_path / "Film Nr 5.cube").write_text(write_cube(SWAPPED, title="swap"))
    Image.fromarray(write_hald(SWAPPED, 4)).save(tmp_path / "hald.png")
    photo = Photo.from_array(np.full((8, 8, 3), (250, 100, 10), np.uint8))
    stylizer = Stylizer(Library([tmp_path]), threads=1)
    for name in ("Film Nr 5.cube", "hald.png"):
        result = stylizer.apply(photo, Edit((StyleWeight(str(tmp_path / name)),)))
        assert np.abs(result.pixels.astype(int) - (10, 100, 250)).max() <= 1
    assert stylizer.library.get(tmp_path / "Film Nr 5.cube").name == "film-nr-5"


@pytest.mark.parametrize(
    ("file", "name", "title"),
    [
        ("黑金.cube", "黑金", "黑金"),
        ("青 橙 (2).cube", "青-橙-2", "青 橙 (2)"),
        ("Ａé.cube", "aé", "Ａé"),
        ("()--.cube", "style", "()--"),
        ("a\x1b[31m.cube", "a-31m", "a?[31m"),
        ("x" * 250 + ".cube", "x" * 64, "x" * 250),
    ],
)
def test_the_file_names_the_look(tmp_path: Path, file: str, name: str, title: str) -> None:
    (tmp_path / file).write_text(write_cube(SWAPPED, title="swap"))
    look = Library([]).get(tmp_path / file)
    assert (look.name, look.card.title_en) == (name, title)


GREY = Lut(np.repeat(Lut.identity(9).table.mean(3, keepdims=True), 3, 3))
NEGATIVE = Lut(1 - Lut.identity(9).table)
DARK = Lut(Lut.identity(9).table ** np.float32(3))
STEPS = Lut(np.round(Lut.identity(9).table * 3) / np.float32(3))


@pytest.mark.parametrize("lut", [SWAPPED, GREY, NEGATIVE, DARK, STEPS], ids=["swapped", "grey", "negative", "dark", "steps"])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF"])
def test_a_haldclut_is_a_look_and_not_a_picture(tmp_path: Path, lut: Lut, suffix: str) -> None:
    path = tmp_path / f"film{suffix}"
    Image.fromarray(write_hald(lut, 4)).save(path)
    look = Library([tmp_path]).get(path)
    assert look.kind == "look"
    assert np.abs(look.tensors["lut"] - lut.resampled(16).table).max() <= 1 / 255


def test_what_is_no_look_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.cube").write_text("LUT_3D_SIZE 2\n0 0 0\n")
    library = Library([tmp_path])
    with pytest.raises(LutError):
        library.get(tmp_path / "bad.cube")
    with pytest.raises(StyleNotFound):
        library.get(tmp_path / "absent.cube")
