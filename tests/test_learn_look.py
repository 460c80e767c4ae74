"""`huafeng learn` for looks: a photographer's colour and tone, from a folder of finished pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from PIL import Image
from safetensors.numpy import load_file

from huafeng import Photo, Style, lookposterior
from huafeng.color import ciede2000, srgb_to_lab
from huafeng.look import Lut, apply_lut
from huafeng.lookgroups import parted
from huafeng.looklearner import WEIGHTS, learn_lut, moments_of
from huafeng.lookmoments import glimpse
from huafeng.pixels import U8
from huafeng.training.finished import is_drawn
from huafeng.training.learn_look import with_neutral_greys, without_color

AGREED = ("--consent", "photos of scikit-image")


@pytest.fixture(autouse=True)
def quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Derivatives of a few photos: what a look is like is for the benchmark."""
    monkeypatch.setattr(lookposterior, "SLOPES_OF", 8)


def warm() -> Lut:
    """A warm, faded look with less colour."""
    nodes = Lut.identity(17).table
    luma = nodes @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    faded = luma[..., None] + 0.6 * (nodes - luma[..., None])
    return Lut(np.clip(faded * (0.9, 0.85, 0.7) + (0.1, 0.08, 0.08), 0, 1).astype(np.float32))


@pytest.fixture(scope="session")
def photos(astronaut: U8, chelsea: U8, coffee: U8, rocket: U8) -> list[U8]:
    """Sixteen different parts of four photos."""
    parts = []
    for photo in (astronaut, chelsea, coffee, rocket):
        h, w = photo.shape[0] // 2, photo.shape[1] // 2
        parts += [np.ascontiguousarray(photo[y : y + h, x : x + w]) for y in (0, h) for x in (0, w)]
    return parts


def save(folder: Path, pictures: list[U8], lut: Lut | None = None, suffix: str = ".png") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for k, picture in enumerate(pictures):
        done = picture if lut is None else apply_lut(picture, lut, threads=1)
        Image.fromarray(done).save(folder / f"{k:02}{suffix}")
    return folder


@pytest.fixture
def finished(tmp_path: Path, photos: list[U8]) -> Path:
    return save(tmp_path / "finished", photos, warm())


def difference(lut: Lut, other: Lut, photos: list[U8]) -> float:
    """Median CIEDE2000 on photos."""
    pixels = np.concatenate([p[::7, ::7].reshape(-1, 3) for p in photos])[None]
    first, second = (srgb_to_lab(apply_lut(pixels, x, threads=1)[0].astype(np.float32) / 255) for x in (lut, other))
    return float(np.median(ciede2000(first, second)))


def test_a_folder_becomes_a_look_with_a_card(huafeng: Run, finished: Path, styles_folder: Path, photos: list[U8]) -> None:
    said = ("--title", "Warm", "--title-zh", "暖", "--author", "A. Nobody", "--licence", "CC0-1.0")
    ran = huafeng("learn", str(finished), "--as", "warm", *said, *AGREED)
    assert ran.code == 0, ran.err
    path = styles_folder / "warm.style"
    assert ran.out == f"{path}\n"
    style = Style.load(path)
    assert (style.kind, style.card.title_en, style.card.title_zh) == ("look", "Warm", "暖")
    assert style.card.consent == "photos of scikit-image"
    assert style.card.trained_on == "16 pictures: finished"
    assert path.stat().st_size <= 500_000
    with Image.open(styles_folder / "warm.png") as card:
        assert card.width >= 1200
    lut = Lut(style.tensors["lut"])
    assert lut.size == 33
    assert difference(lut, warm(), photos) < 0.75 * difference(Lut.identity(33), warm(), photos)
    Image.fromarray(photos[0]).save("photo.png")
    assert huafeng("apply", "warm", "photo.png").code == 0
    assert huafeng("cube", "warm", "-o", "warm.cube").code == 0


def test_a_preview_is_renewed_while_it_learns(
    huafeng: Run, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preview = tmp_path / "so-far.png"
    written = []
    save = Photo.save

    def saved(photo: Photo, path: Path, **options: Any) -> None:
        written.append(path)
        save(photo, path, **options)

    monkeypatch.setattr(Photo, "save", saved)
    ran = huafeng("learn", str(finished), "--as", "warm", "--preview", str(preview), *AGREED)
    assert ran.code == 0, ran.err
    assert written.count(preview) >= 2 and written[-1].name == "warm.png"
    with Image.open(preview) as card:
        assert card.width >= 1200
    again = huafeng("learn", str(finished), "--as", "warmer", "--preview", str(preview), *AGREED)
    assert again.code == 2 and "so-far.png" in again.err
    wrong = huafeng("learn", str(finished), "--as", "warmer", "--preview", "so-far.jpg", *AGREED)
    assert wrong.code == 2 and ".png" in wrong.err


def test_the_same_folder_gives_the_same_look(huafeng: Run, finished: Path, styles_folder: Path) -> None:
    for name in ("one", "two"):
        assert huafeng("learn", str(finished), "--as", name, *AGREED).code == 0
    first, second = (Style.load(styles_folder / f"{name}.style").tensors["lut"] for name in ("one", "two"))
    assert np.array_equal(first, second)


def test_a_look_needs_no_torch(finished: Path, tmp_path: Path) -> None:
    import subprocess
    import sys

    code = "import sys; sys.modules['torch'] = None; from huafeng.cli import main; main()"
    arguments = ("learn", str(finished), "--as", "warm", "-o", str(tmp_path / "warm.style"), *AGREED)
    ran = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_untouched_photos_are_the_neutral_side(huafeng: Run, tmp_path: Path, photos: list[U8], styles_folder: Path) -> None:
    """The learner is told what was there before: photos that were all too dark by themselves are no dark look."""
    dark = [(p * 0.5).astype(np.uint8) for p in photos]
    folder = save(tmp_path / "dark", dark)
    assert huafeng("learn", str(folder), "--as", "alone", *AGREED).code == 0
    assert huafeng("learn", str(folder), "--as", "told", "--from", str(save(tmp_path / "before", dark)), *AGREED).code == 0
    alone, told = (Lut(Style.load(styles_folder / f"{name}.style").tensors["lut"]) for name in ("alone", "told"))
    identity = Lut.identity(33)
    assert difference(told, identity, dark) < difference(alone, identity, dark)


def test_a_black_and_white_folder(huafeng: Run, tmp_path: Path, photos: list[U8], styles_folder: Path) -> None:
    grey = [np.repeat(p.mean(2, keepdims=True).astype(np.uint8), 3, 2) for p in photos]
    ran = huafeng("learn", str(save(tmp_path / "grey", grey)), "--as", "grey", *AGREED)
    assert ran.code == 0
    assert "black and white: so is the look" in ran.err
    table = Style.load(styles_folder / "grey.style").tensors["lut"]
    assert float(np.ptp(table, axis=-1).max()) < 1e-3
    mixed = save(tmp_path / "mixed", [*grey[:8], *photos[8:]])
    assert "8 of 16 pictures are black and white" in huafeng("learn", str(mixed), "--as", "mixed", *AGREED).err


def test_a_folder_of_two_looks_is_told(huafeng: Run, tmp_path: Path, photos: list[U8], finished: Path) -> None:
    night = Lut(np.clip(Lut.identity(17).table ** 1.6 * (0.6, 0.8, 0.7) + (0.0, 0.12, 0.25), 0, 1).astype(np.float32))
    both = [picture if k % 2 else apply_lut(picture, night, threads=1) for k, picture in enumerate(photos)]
    ran = huafeng("learn", str(save(tmp_path / "both", both)), "--as", "both", *AGREED)
    assert ran.code == 0
    assert "seems to hold two looks" in ran.err and "(00.png, 02.png, 04.png" in ran.err
    for folder, name in ((finished, "one"), (save(tmp_path / "plain", photos), "none")):
        assert "two looks" not in huafeng("learn", str(folder), "--as", name, *AGREED).err


def test_points_are_parted_where_they_fall_apart() -> None:
    """Three of eight lie elsewhere; of ten in one place but for one, no group is large enough."""
    points = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [0.5, 0], [7, 8], [8, 7], [8, 8]], np.float32)
    found = parted(points)
    assert found is not None and found.tolist() == [False] * 5 + [True] * 3
    assert parted(np.array([[0.0]] * 9 + [[9.0]], np.float32)) is None


def test_below_eight_pictures_it_asks_for_force(huafeng: Run, tmp_path: Path, photos: list[U8], styles_folder: Path) -> None:
    few = save(tmp_path / "few", photos[:3], warm())
    ran = huafeng("learn", str(few), "--as", "few", *AGREED)
    assert ran.code == 2
    assert "at least 8" in ran.err and "--force" in ran.err
    assert not (styles_folder / "few.style").exists()
    assert huafeng("learn", str(few), "--as", "few", "--force", *AGREED).code == 0


def test_one_photo_wants_force_as_well(huafeng: Run, tmp_path: Path, photos: list[U8]) -> None:
    one = save(tmp_path / "one", photos[:1])
    assert huafeng("learn", str(one / "00.png"), "--kind", "look", "--as", "one", *AGREED).code == 2
    assert huafeng("learn", str(one / "00.png"), "--kind", "look", "--as", "one", "--force", *AGREED).code == 0


def test_people_want_consent(huafeng: Run, tmp_path: Path, astronaut: U8, styles_folder: Path) -> None:
    pytest.importorskip("cv2", reason="finding people needs OpenCV (extra `portrait`)")
    faces = [np.ascontiguousarray(astronaut[k : k + 400, 20 * k // 4 : 20 * k // 4 + 400]) for k in range(0, 40, 4)]
    folder = save(tmp_path / "people", [np.roll(f, 1, 2) if k % 2 else f for k, f in enumerate(faces)])
    ran = huafeng("learn", str(folder), "--as", "people", "--force")
    assert ran.code == 2
    assert "--consent" in ran.err
    assert not list(styles_folder.glob("people*"))
    assert huafeng("learn", str(folder), "--as", "people", "--force", *AGREED).code == 0


def test_screenshots_duplicates_and_damaged_files(huafeng: Run, finished: Path) -> None:
    page = np.full((300, 400, 3), 235, np.uint8)
    page[40:60, 30:300] = 30
    Image.fromarray(page).save(finished / "screenshot.png")
    (finished / "again.png").write_bytes((finished / "00.png").read_bytes())
    (finished / "damaged.png").write_bytes((finished / "01.png").read_bytes()[:2000])
    (finished / "nothing.jpg").write_bytes(b"")
    ran = huafeng("learn", str(finished), "--as", "warm", *AGREED)
    assert ran.code == 0, ran.err
    assert "screenshots or drawings and are left out: screenshot.png" in ran.err
    assert "Near duplicates count once: 1 of " in ran.err
    assert "nothing.jpg" in ran.err
    assert "damaged.png" in ran.err


def test_only_screenshots(huafeng: Run, tmp_path: Path) -> None:
    pages = [np.full((200, 300, 3), 200 + k, np.uint8) for k in range(9)]
    ran = huafeng("learn", str(save(tmp_path / "pages", pages)), "--as", "pages", *AGREED)
    assert ran.code == 2
    assert "no photos" in ran.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--kind", "look", "--photos", "."), "--photos is for --kind art"),
        (("--kind", "art", "--neutral-greys"), "--neutral-greys is for --kind look"),
        (("--from", "nowhere"), "nowhere"),
        (("-o", "warm.txt"), "end it in .style"),
    ],
)
def test_what_cannot_be(huafeng: Run, finished: Path, arguments: tuple[str, ...], told: str) -> None:
    consent = () if "art" in arguments else AGREED
    ran = huafeng("learn", str(finished), "--as", "warm", *arguments, *consent)
    assert ran.code == 2
    assert told in ran.err
    assert "Traceback" not in ran.err


def test_a_style_or_a_card_that_is_there_stays(huafeng: Run, finished: Path, styles_folder: Path) -> None:
    (styles_folder / "warm.png").write_bytes(b"mine")
    assert huafeng("learn", str(finished), "--as", "warm", *AGREED).code == 2
    assert (styles_folder / "warm.png").read_bytes() == b"mine"
    assert not (styles_folder / "warm.style").exists()


def test_a_folder_without_a_look_is_changed_less_than_by_matching_colors(photos: list[U8]) -> None:
    """Sixteen parts of four photos have colours of their own, which means and deviations take for a look."""
    seen = [glimpse(p) for p in photos]
    usual = load_file(WEIGHTS)["photos"].reshape(-1, 3) / 255
    own = np.stack([one.far for one in seen]).reshape(-1, 3) / 255
    table = (Lut.identity(33).table - usual.mean(0)) * own.std(0) / usual.std(0) + own.mean(0)
    matched = Lut(np.clip(table, 0, 1).astype(np.float32))
    identity = Lut.identity(33)
    assert difference(learn_lut(moments_of(seen)), identity, photos) < 0.8 * difference(matched, identity, photos)


def test_neutral_greys() -> None:
    lut = with_neutral_greys(warm())
    greys = lut.table[np.arange(17), np.arange(17), np.arange(17)]
    assert float(np.ptp(greys, axis=1).max()) < 1e-5
    assert np.allclose(lut.table[16, 0, 0], warm().table[16, 0, 0], atol=1e-5)  # full colours stay
    assert float(np.ptp(without_color(warm()).table, axis=-1).max()) == 0


def test_drawings_and_photos(photos: list[U8]) -> None:
    assert not any(is_drawn(p) for p in photos)
    assert is_drawn(np.full((50, 60, 3), 128, np.uint8))
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, np.arange(64) // 16 % 2 == 0] = (200, 30, 30)
    assert is_drawn(stripes)


def test_the_learner_is_small_and_holds_no_picture() -> None:
    assert WEIGHTS.stat().st_size < 7_200_000
    photos = load_file(WEIGHTS)["photos"]  # threes of neighbours from here and there
    assert photos.shape[1:] == (2, 64, 3, 3) and photos.nbytes < 1_000_000
