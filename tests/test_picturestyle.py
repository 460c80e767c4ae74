"""Any picture, or a folder of pictures, where a style's name would stand."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from conftest import Run
from PIL import Image

from huafeng import Library, Style, picturestyle
from huafeng.art import QUIET, Generator
from huafeng.errors import PhotoError, StyleError, StyleNotFound
from huafeng.library import BASE_FILE, BUILT_IN
from huafeng.picturestyle import MOST_PICTURES, pictures_in
from huafeng.pixels import F32, U8, resize


@pytest.fixture
def album(tmp_path: Path, astronaut: U8, chelsea: U8, coffee: U8) -> Path:
    """cup.jpg, cat.png, portrait.png of 512 x 512 px (as a HaldCLUT of level 8), and a folder `works` of two of them."""
    folder = tmp_path / "pictures"
    (folder / "works").mkdir(parents=True)
    Image.fromarray(resize(coffee, 120, 80)).save(folder / "cup.jpg", quality=95)
    Image.fromarray(resize(chelsea, 90, 60)).save(folder / "cat.png")
    Image.fromarray(astronaut).save(folder / "portrait.png")
    for name in ("cup.jpg", "cat.png"):
        (folder / "works" / name).write_bytes((folder / name).read_bytes())
    return folder


@pytest.fixture
def library() -> Library:
    return Library([BUILT_IN])


def code(style: Style) -> F32:
    return style.tensors["code"]


def read(*paths: Path) -> F32:
    """The code that the base generator reads off the files' pixels."""
    generator = Generator.open(BUILT_IN / BASE_FILE, threads=1)
    return generator.code_of([np.asarray(Image.open(path)) for path in paths], np.array([QUIET], np.float32))


@pytest.mark.parametrize("file", ["cup.jpg", "cat.png", "portrait.png"])
def test_a_picture_is_an_art(library: Library, album: Path, file: str) -> None:
    style = library.get(album / file)
    assert (style.kind, style.name, set(style.tensors)) == ("art", Path(file).stem, {"code", "quiet"})
    assert style.card.base_sha256 == library.base_sha256()
    assert style.card.trained_on == "read off 1 picture by the style encoder"
    np.testing.assert_allclose(code(style), read(album / file), atol=1e-5)


def test_a_folder_is_read_as_one_style(library: Library, album: Path) -> None:
    (album / "works" / "notes.txt").write_text("not a picture")
    (album / "works" / ".hidden.jpg").write_bytes(b"a file system's litter")
    (album / "works" / "folder.png").mkdir()
    (album / "works" / "damaged.jpg").write_bytes((album / "cup.jpg").read_bytes()[:700])
    style = library.get(f"{album / 'works'}/")
    assert (style.kind, style.name) == ("art", "works")
    np.testing.assert_allclose(code(style), read(album / "cup.jpg", album / "cat.png"), atol=1e-5)


def test_of_very_many_pictures_some_are_taken_evenly(tmp_path: Path) -> None:
    for number in range(MOST_PICTURES * 2 + 1):
        (tmp_path / f"{number:04}.jpg").touch()
    taken = [int(path.stem) for path in pictures_in(tmp_path)]
    assert len(taken) <= MOST_PICTURES
    assert set(np.diff([*taken, MOST_PICTURES * 2 + 1])) <= {2, 3}
    assert taken[0] == 0


def test_a_picture_is_read_once_until_it_changes(library: Library, album: Path) -> None:
    first = library.get(album / "cup.jpg")
    assert library.get(str(album / "cup.jpg")) is first
    (album / "cup.jpg").write_bytes((album / "cat.png").read_bytes())
    os.utime(album / "cup.jpg", ns=(0, 0))
    np.testing.assert_allclose(code(library.get(album / "cup.jpg")), read(album / "cat.png"), atol=1e-5)


def test_a_folder_is_read_once_until_it_changes(library: Library, album: Path) -> None:
    works = album / "works"
    first = library.get(works)
    assert library.get(works) is first
    (works / "cat.png").rename(works / "zoo.png")
    renamed = library.get(works)
    np.testing.assert_allclose(code(renamed), code(first), atol=1e-5)
    (works / "zoo.png").unlink()
    np.testing.assert_allclose(code(library.get(works)), read(album / "cup.jpg"), atol=1e-5)


def test_threads_share_a_picture(library: Library, album: Path) -> None:
    paths = [album / "cup.jpg", album / "cat.png"] * 3
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(library.get, paths))
    for style, path in zip(found, paths, strict=True):
        np.testing.assert_allclose(code(style), code(library.get(path)), atol=1e-5)


def test_what_cannot_be_read_is_told_in_a_sentence(library: Library, album: Path) -> None:
    (album / "empty").mkdir()
    (album / "empty" / "notes.txt").write_text("not a picture")
    (album / "spoilt").mkdir()
    for name in ("cut.jpg", "cut.png", "cut.tif"):
        (album / name).write_bytes((album / "cup.jpg").read_bytes()[:700])
        with pytest.raises(PhotoError, match="cut off or damaged"):
            library.get(album / name)
    (album / "text.png").write_text("no picture")
    with pytest.raises(PhotoError):
        library.get(album / "text.png")
    (album / "cut.jpg").rename(album / "spoilt" / "cut.jpg")
    with pytest.raises(StyleError, match="no pictures to take a style from"):
        library.get(album / "spoilt")
    with pytest.raises(StyleError, match=r"^The folder .*empty has no pictures in it to take a style from\.$"):
        library.get(album / "empty")
    with pytest.raises(StyleNotFound, match=r"There is no style file .*gone\.jpg\.$"):
        library.get(album / "gone.jpg")


def test_a_base_without_an_encoder_says_so(album: Path, tmp_path: Path) -> None:
    tensors = safetensors.numpy.load((BUILT_IN / BASE_FILE).read_bytes())
    bare = {name: value for name, value in tensors.items() if "encoder" not in name}
    assert len(bare) < len(tensors)
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / BASE_FILE).write_bytes(safetensors.numpy.save(bare))
    with pytest.raises(StyleError, match=r"^This base generator was trained without an encoder: it cannot take a style from"):
        Library([tmp_path / "bare"]).get(album / "cup.jpg")
    with pytest.raises(StyleError, match="is missing: install Huafeng again"):
        Library([tmp_path]).get(album / "cup.jpg")


def test_a_picture_is_applied_from_the_command_line(huafeng: Run, album: Path, rocket: U8) -> None:
    photo = resize(rocket, 150, 100)
    Image.fromarray(photo).save("rocket.png")
    cup, works = str(album / "cup.jpg"), f"{album / 'works'}/"
    for style, name in ((cup, "cup"), (works, "works"), (f"great-wave:2+{cup}", "great-wave+cup")):
        ran = huafeng("apply", style, "rocket.png")
        assert ran.code == 0, ran.err
        result = np.asarray(Image.open(f"rocket-{name}.png")).astype(int)
        assert result.shape == photo.shape
        assert np.abs(result - photo).mean() > 2
    pictures = [Path(f"rocket-{name}.png").read_bytes() for name in ("cup", "works", "great-wave+cup")]
    assert len(set(pictures)) == 3


def test_mistakes_with_pictures_on_the_command_line(huafeng: Run, album: Path, rocket: U8) -> None:
    Image.fromarray(resize(rocket, 60, 40)).save("rocket.png")
    (album / "empty").mkdir()
    (album / "cut.jpg").write_bytes((album / "cup.jpg").read_bytes()[:700])
    for style, told in (
        (f"{album / 'empty'}/", "has no pictures in it to take a style from"),
        (str(album / "cut.jpg"), "is cut off or damaged"),
        (str(album / "gone.jpg"), "There is no style file"),
        (f"{album / 'gone'}/", "There is no style file"),
    ):
        ran = huafeng("apply", style, "rocket.png")
        assert (ran.code, ran.err.count("Error: "), "Traceback" in ran.err) == (2, 1, False), ran.err
        assert told in ran.err
    assert [path.name for path in Path().iterdir()] == ["rocket.png"]
    shown = huafeng("styles", str(album / "cup.jpg"))
    assert shown.code == 0, shown.err
    assert "read off 1 picture by the style encoder" in shown.out


def test_a_folder_is_read_once_for_all_photos(huafeng: Run, album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []

    def counted(path: Path, base: Path) -> Style:
        read.append(path)
        return picturestyle.read_pictures(path, base)

    monkeypatch.setattr("huafeng.library.read_pictures", counted)
    ran = huafeng("apply", f"{album}/works/", str(album / "cup.jpg"), str(album / "cat.png"), "-o", str(album / "out"))
    assert ran.code == 0, ran
    assert read == [album / "works"]
