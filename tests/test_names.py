"""What people type: names, paths and words that look like something else."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from conftest import Ran, Run
from numpy.typing import NDArray
from PIL import Image

from huafeng import Photo
from huafeng.edit import parse_styles
from huafeng.errors import RecipeError
from huafeng.training.options import build
from huafeng.training.recipefile import change, read_recipe

U8 = NDArray[np.uint8]
INVERT = "LUT_3D_SIZE 2\n1 1 1\n0 1 1\n1 0 1\n0 0 1\n1 1 0\n0 1 0\n1 0 0\n0 0 0\n"


@pytest.fixture
def photo(huafeng: Run, coffee: U8) -> Path:
    """A photo in the working folder."""
    Photo.from_array(coffee[:60, :80]).save("a.png")
    return Path("a.png")


def refused(ran: Ran, sentence: str) -> None:
    assert ran.code == 2
    assert sentence in ran.err


@pytest.mark.usefixtures("photo")
@pytest.mark.parametrize("name", ["Kodak 4 +.cube", "a+b.cube", "+.cube", "x:2+y.cube"])
def test_a_plus_in_a_files_name(huafeng: Run, name: str) -> None:
    Path(name).write_text(INVERT)
    assert huafeng("apply", name, "a.png", "-o", "out.png", "--skin", "off").code == 0
    assert np.array_equal(Photo.open("out.png").pixels, 255 - Photo.open("a.png").pixels)


def test_a_plus_in_a_mix() -> None:
    there = {"a+b.cube", "c +.png"}
    mix = parse_styles("a+b.cube:2+monet+c +.png:0.5+ink:3", there.__contains__)
    assert [(one.style, one.weight) for one in mix] == [("a+b.cube", 2), ("monet", 1), ("c +.png", 0.5), ("ink", 3)]


def test_a_gif_of_one_frame(huafeng: Run, photo: Path) -> None:
    Image.open(photo).convert("P").save("b.GIF")
    Path("x.cube").write_text(INVERT)
    assert huafeng("apply", "x.cube", "b.GIF").out == "b.GIF -> b-x.png\n"
    assert Photo.open("b-x.png").pixels.shape == (60, 80, 3)


@pytest.mark.parametrize(
    ("name", "result"),
    [("b.jfif", "b-x.jfif"), ("b.JPE", "b-x.JPE"), ("b.jps", "b-x.jpg"), ("b.mpo", "b-x.jpg"), ("b.TIF", "b-x.TIF"),
     ("b.JPEG", "b-x.JPEG"), ("b.avifs", "b-x.jpg")],
)  # fmt: skip
def test_suffixes(huafeng: Run, photo: Path, name: str, result: str) -> None:
    kind = {"tif": "TIFF", "avifs": "AVIF"}.get(name[2:].lower(), "JPEG")
    Path("in").mkdir()
    Image.open(photo).save(Path("in") / name, kind)
    Path("x.cube").write_text(INVERT)
    ran = huafeng("apply", "x.cube", "in", "-o", "out")
    assert (ran.code, [path.name for path in Path("out").iterdir()]) == (0, [result])


@pytest.mark.parametrize("name", ["b.heif", "b.hif", "b.HEIC"])
def test_suffixes_of_heic(huafeng: Run, name: str, heic_bytes: bytes) -> None:
    Path(name).write_bytes(heic_bytes)
    Path("x.cube").write_text(INVERT)
    assert huafeng("apply", "x.cube", name).out == f"{name} -> b-x.jpg\n"


@pytest.mark.usefixtures("photo")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["giverny", ""], "name is empty"),
        (["giverny", "https://example.org/a.jpg"], "is an address, and Huafeng fetches nothing: download the photo"),
        (["giverny", "clip.MP4"], "is a video, and this is for still pictures"),
        (["giverny", "a.png", "--strength", "much"], "it must be a number"),
        (["giverny", "a.png", "--jobs", "1.5"], "it must be a whole number"),
        (["giverny", "a.png", "--interpolation", "cubic"], "tetrahedral"),
        (["./preset.xmp", "a.png"], "preset or an edit of Lightroom"),
        (["old.look", "a.png"], "look of IRIDAS SpeedGrade"),
    ],
)
def test_what_it_cannot_be_is_said(huafeng: Run, arguments: list[str], sentence: str) -> None:
    for name in ("preset.xmp", "old.look"):
        Path(name).write_text("<x/>")
    ran = huafeng("apply", *arguments)
    refused(ran, sentence)
    assert "parse" not in ran.err


def test_a_folder_of_folders(huafeng: Run, photo: Path) -> None:
    for place in ("all/one", "all/two/deep", "all/.hidden"):
        Path(place).mkdir(parents=True)
        (Path(place) / "a.png").write_bytes(photo.read_bytes())
    Path("x.cube").write_text(INVERT)
    refused(huafeng("apply", "x.cube", "all"), "has no pictures in it, but folders: --recursive")
    assert huafeng("apply", "x.cube", "all", "--recursive", "-o", "all/out").code == 0
    found = sorted(path.relative_to("all/out").as_posix() for path in Path("all/out").rglob("*.png"))
    assert found == ["one/a-x.png", "two/deep/a-x.png"]
    again = huafeng("apply", "x.cube", "all", "--recursive", "-o", "all/out", "--force")
    assert again.out.count("->") == 2  # its own results are not photos


def test_names_that_differ_in_case_only(huafeng: Run, photo: Path) -> None:
    """On a disk that knows no case their results would be one file."""
    data = photo.read_bytes()
    photo.unlink()
    for name in ("img.png", "IMG.png"):
        Path(name).write_bytes(data)
    if len(list(Path().glob("*.png"))) < 2:
        pytest.skip("this disk knows no case")
    Path("x.cube").write_text(INVERT)
    assert huafeng("apply", "x.cube", ".", "-o", "out").code == 0
    results = [path.name.lower() for path in Path("out").iterdir()]
    assert len(results) == len(set(results)) == 2


# -------------------- YAML


@pytest.mark.parametrize("word", ["007", "on", "2024", "2024-01-01", "1e3", "0x10", "no"])
def test_words_that_yaml_takes_for_something_else(tmp_path: Path, word: str) -> None:
    import dataclasses

    @dataclasses.dataclass(frozen=True)
    class Options:
        name: str
        places: tuple[Path, ...]
        title: str | None = None
        steps: int = 1

    (tmp_path / "r.yaml").write_text(f"name: {word}\nplaces: [{word}, a]\ntitle: {word}\nsteps: 2024\n")
    made = build(Options, read_recipe(tmp_path / "r.yaml"))
    assert (made.name, made.places, made.title, made.steps) == (word, (Path(word), Path("a")), word, 2024)
    assert type(made.name) is str
    changed = build(Options, change({"name": "a", "places": []}, [f"name={word}", "title=null", f"places=[{word}]"]))
    assert (changed.name, changed.title, changed.places) == (word, None, (Path(word),))


def test_a_yaml_that_would_fill_any_memory_is_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)]
    (tmp_path / "r.yaml").write_text("\n".join(lines))
    with pytest.raises(RecipeError, match="alias"):
        read_recipe(tmp_path / "r.yaml")


# -------------------- masks


def test_the_alpha_of_a_cut_out_is_the_mask(huafeng: Run, photo: Path, coffee: U8) -> None:
    cut = np.dstack([coffee[:60, :80], np.zeros((60, 80), np.uint8)])
    cut[:, 40:, 3] = 255
    out = io.BytesIO()
    Image.fromarray(cut).save(out, "PNG")
    Path("m.png").write_bytes(out.getvalue())
    Path("x.cube").write_text(INVERT)
    assert huafeng("apply", "x.cube", "a.png", "--mask", "m.png", "--feather", "0", "--skin", "off", "-o", "o.png").code == 0
    before, after = Photo.open("a.png").pixels, Photo.open("o.png").pixels
    assert np.array_equal(after[:, :40], before[:, :40])
    assert np.array_equal(after[:, 40:], 255 - before[:, 40:])
