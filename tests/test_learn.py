"""`huafeng learn`: a style of one's own, from a picture or a folder of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Run
from PIL import Image

from huafeng import Edit, Photo, Style, Stylizer, parse_styles
from huafeng.errors import DataError, TrainingError
from huafeng.pixels import U8, resize
from huafeng.training import learn_art as learn
from huafeng.training.learn_art import Lesson, options
from huafeng.training.recipes.fast_style import FastStyleOptions

QUICK = ("--minutes", "0.05")


@pytest.fixture
def works(tmp_path: Path, coffee: U8, chelsea: U8, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two pictures; lessons of a few steps of small crops."""
    folder = tmp_path / "works"
    folder.mkdir()
    Image.fromarray(resize(coffee, 300, 200)).save(folder / "cup.png")
    Image.fromarray(resize(chelsea, 150, 100)).save(folder / "cat.jpg")

    def quick(lesson: Lesson, tell: Callable[[str], None]) -> FastStyleOptions:
        return replace(options(lesson, tell), crop_px=128, batch=2, check_every=6)

    monkeypatch.setattr(learn, "options", quick)
    return folder


def test_a_folder_becomes_a_style(huafeng: Run, works: Path, styles_folder: Path, astronaut: U8) -> None:
    card = (
        "--title",
        "My Cups",
        "--title-zh",
        "杯",
        "--author",
        "A. Nobody",
        "--licence",
        "CC0-1.0",
        "--provenance",
        "own photos",
    )
    before = sorted(Path().iterdir())
    preview = works.parent / "so-far.png"
    ran = huafeng("learn", str(works), "--kind", "art", "--as", "cups", "--preview", str(preview), *card, *QUICK)
    assert ran.code == 0, ran.err
    with Image.open(preview) as samples:  # a photo and what has become of it
        assert samples.width == 2 * samples.height
    path = styles_folder / "cups.style"
    assert ran.out == f"{path}\n"
    assert "Use it: huafeng apply cups PHOTO" in ran.err
    assert "Traceback" not in ran.err
    assert sorted(Path().iterdir()) == before  # nothing is left beside it
    style = Style.load(path)
    assert (style.name, style.kind) == ("cups", "translator")
    found = style.card
    assert (found.title_en, found.title_zh, found.author) == ("My Cups", "杯", "A. Nobody")
    assert (found.licence, found.provenance, found.trained_on) == ("CC0-1.0", "own photos", "2 pictures: works")
    assert style.thumbnail is not None
    assert path.stat().st_size < 2_000_000

    photo = Photo.from_array(resize(astronaut, 120, 90))
    stylizer = Stylizer(threads=1)
    learned = stylizer.apply(photo, Edit(parse_styles("cups"))).pixels.astype(int)
    at_once = stylizer.apply(photo, Edit(parse_styles(f"{works}/"))).pixels
    assert np.abs(learned - photo.pixels).mean() > 2
    assert (learned != at_once).any()


def test_one_picture_photos_of_ones_own_and_a_file(huafeng: Run, works: Path, tmp_path: Path, rocket: U8) -> None:
    (tmp_path / "photos").mkdir()
    for i in range(2):
        Image.fromarray(resize(rocket, 200 + 20 * i, 160)).save(tmp_path / "photos" / f"{i}.png")
    out = tmp_path / "new" / "mine.style"
    arguments = (str(works / "cup.png"), "--as", "cup", "--photos", str(tmp_path / "photos"), "-o", str(out), *QUICK)
    ran = huafeng("learn", *arguments)
    assert ran.code == 0, ran.err
    assert f"Use it: huafeng apply {out} PHOTO" in ran.err
    style = Style.load(out)
    assert (style.name, style.card.title_en, style.card.trained_on) == ("cup", "cup", "1 picture: cup")
    assert style.card.author == style.card.licence == "unknown"

    first = out.read_bytes()
    again = huafeng("learn", *arguments)
    assert (again.code, out.read_bytes() == first) == (2, True)
    assert f"{out} exists already: choose another name, or allow it to be replaced (--force)." in again.err
    forced = huafeng("learn", *arguments, "--force", "--author", "Me")
    assert forced.code == 0, forced.err
    assert Style.load(out).card.author == "Me"


def test_a_damaged_picture_among_good_ones_is_named_and_passed_over(huafeng: Run, works: Path, styles_folder: Path) -> None:
    (works / "cut.jpg").write_bytes((works / "cat.jpg").read_bytes()[:700])
    (works / "text.png").write_text("no picture")
    (works / "notes.txt").write_text("not even that")
    ran = huafeng("learn", str(works), "--kind", "art", "--as", "cups", *QUICK)
    assert ran.code == 0, ran.err
    assert "1 of 4 pictures cannot be read and is left out: text.png." in ran.err  # cut.jpg has a sound header
    assert Style.load(styles_folder / "cups.style").kind == "translator"


def test_mistakes(huafeng: Run, works: Path, styles_folder: Path) -> None:
    (works / "empty").mkdir()
    (works / "cut").mkdir()
    (works / "cut" / "cut.jpg").write_bytes((works / "cat.jpg").read_bytes()[:700])
    cup = str(works / "cup.png")
    for arguments, told in (
        ((str(works / "gone.jpg"), "--as", "x"), "gone.jpg"),
        ((str(works / "empty"), "--as", "x"), "has no pictures in it"),
        ((str(works / "cut"), "--kind", "art", "--as", "x"), "cut.jpg is cut off or damaged"),
        ((str(works / "cut"), "--as", "x"), "None of the pictures can be read"),
        ((str(works / "cut" / "cut.jpg"), "--as", "x"), "cut.jpg is cut off or damaged"),
        ((cup, "--as", "My Style"), "'My Style' is not a name that can be used"),
        ((cup, "--as", "x", "-o", "x.png"), "x.png is no name for a style file: end it in .style."),
        ((cup, "--as", "dark"), "dark.style exists already: choose another name"),
        ((cup, "--as", "monet"), "'monet' is a built-in style: give yours another name."),
        ((cup, "--as", "x", "-o", str(works / "cup.png" / "x.style")), "cup.png is not a folder"),
        ((cup, "--as", "x", "--photos", str(works / "gone")), "gone"),
        ((cup, "--as", "x", "--photos", str(works / "empty")), "has no pictures in it"),
        ((cup, "--as", "x", "--features", "nothing.pth"), "nothing.pth"),
        ((cup, "--as", "x", "--kind", "look"), "look"),
        ((cup, "--as", "x", "--minutes", "0"), "--minutes"),
        ((cup,), "--as"),
    ):
        ran = huafeng("learn", *arguments, *(() if "--minutes" in arguments else QUICK))
        assert (ran.code, ran.out, "Traceback" in ran.err) == (2, "", False), (arguments, ran.err)
        last = ran.err.splitlines()[-1]
        assert last.startswith("Error: "), (arguments, ran.err)
        assert told in last, (arguments, ran.err)
    assert sorted(path.name for path in styles_folder.iterdir()) == ["dark.style", "negative.style"]
    assert list(Path().iterdir()) == []


def test_a_lesson_is_fast_style_from_the_base(works: Path) -> None:
    made = options(Lesson(works, "x"), lambda text: None)
    assert (made.recipe, made.init, made.style.works) == ("fast-style", "base", works.absolute())
    (works / "none").mkdir()
    with pytest.raises(DataError, match="has no pictures in it"):
        options(Lesson(works / "none", "x"), lambda text: None)


def test_without_sample_photos_a_folder_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(path.is_file() for path in learn.sample_photos())
    monkeypatch.setitem(sys.modules, "skimage", None)
    monkeypatch.setitem(sys.modules, "skimage.data", None)
    with pytest.raises(TrainingError, match=r"--photos DIR"):
        learn.sample_photos()


def test_without_torch_the_extra_is_named(works: Path) -> None:
    code = "import sys; sys.modules['torch'] = None; from huafeng import cli; sys.exit(cli.run(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "learn", str(works), "--kind", "art", "--as", "x"]
    ran = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300, check=False)
    assert ran.returncode == 2
    assert ran.stderr == 'Error: Learning needs torch: pip install "huafeng[train]".\n'
