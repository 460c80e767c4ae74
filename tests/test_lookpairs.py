"""Looks from photos before and after: found, registered, and what lies between them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import Run
from PIL import Image

from huafeng import Style
from huafeng.color import ciede2000, srgb_to_lab
from huafeng.look import Lut, apply_lut
from huafeng.looklearner import WEIGHTS, load_learner
from huafeng.pixels import F32, U8, resize
from huafeng.training.lookpairs import enough, find_pairs, named
from huafeng.training.lookregression import Samples, explain
from huafeng.training.pictures import open_pictures
from huafeng.training.registration import register

AGREED = ("--consent", "photos of scikit-image")


def film() -> Lut:
    """Crossed curves, warm lights, less colour."""
    nodes = Lut.identity(17).table
    luma = nodes @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    soft = luma[..., None] + 0.7 * (nodes - luma[..., None])
    curve = soft + (0.12, 0.05, -0.08) * np.sin(np.pi * (soft - 0.25))
    return Lut(np.clip(curve, 0, 1).astype(np.float32))


def difference(lut: Lut, other: Lut, photos: list[U8]) -> float:
    """Mean CIEDE2000 over pixels, median over photos."""

    def one(photo: U8) -> float:
        first, second = (srgb_to_lab(apply_lut(photo[::5, ::5], x, threads=1) / np.float32(255)) for x in (lut, other))
        return float(ciede2000(first, second).mean())

    return float(np.median([one(np.ascontiguousarray(photo)) for photo in photos]))


def cropped(photo: U8, left: float, top: float, share: float, scale: float = 1.0) -> U8:
    height, width = photo.shape[:2]
    part = photo[int(top * height) :, int(left * width) :][: int(share * height), : int(share * width)]
    return resize(np.ascontiguousarray(part), round(part.shape[1] * scale), round(part.shape[0] * scale))


def save(path: Path, picture: U8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, quality=92)
    return path


@pytest.fixture(scope="module")
def fields() -> F32:
    return load_learner(WEIGHTS)[1].fields


def test_a_part_in_other_colours_and_size_is_registered(coffee: U8) -> None:
    """The corner lies at a fifth of the width and an eighth of the height, and 0.6 of both are shown, at 0.8 of the size."""
    after = cropped(apply_lut(coffee, film(), threads=1), 0.2, 0.125, 0.6, 0.8)
    seen = register(coffee, after)
    assert seen is not None
    assert seen.share == pytest.approx(0.36, abs=0.02)
    error = np.abs(apply_lut(seen.before, film(), threads=1).astype(int) - seen.after)[seen.both]
    assert np.median(error) <= 2


def test_other_photos_are_no_pair(coffee: U8, chelsea: U8, rocket: U8) -> None:
    for before, after in ((coffee, chelsea), (chelsea, rocket), (rocket, coffee)):
        assert register(before, after) is None


def test_names() -> None:
    after = ["a/IMG_1.jpg", "img_2-edit.jpg", "IMG_3 (1).jpg", "other.jpg", "twice.jpg"]
    before = ["IMG_2.png", "img_1.tif", "IMG_3.jpg", "x/twice.jpg", "y/twice.jpg"]
    assert named(after, before) == {0: 1, 1: 0, 2: 2}


def test_pairs_are_found_by_names_and_by_what_they_show(
    tmp_path: Path, coffee: U8, chelsea: U8, rocket: U8, astronaut: U8
) -> None:
    """One by name, one whole and one cropped by content; a name that lies, and a photo without its own."""
    for name, photo in (("one", coffee), ("two", chelsea), ("three", rocket), ("four", astronaut)):
        save(tmp_path / "before" / f"{name}.png", photo)
    save(tmp_path / "after" / "four.png", np.ascontiguousarray(chelsea[:, ::-1]))
    done = [apply_lut(photo, film(), threads=1) for photo in (coffee, chelsea, astronaut)]
    save(tmp_path / "after" / "one-edit.jpg", done[0])
    save(tmp_path / "after" / "p.jpg", done[1])
    save(tmp_path / "after" / "q.jpg", cropped(done[2], 0.1, 0.05, 0.7))
    after, before = (open_pictures(tmp_path / where, print) for where in ("after", "before"))
    pairs = find_pairs(after, before)
    assert {after.names[p.after]: before.names[p.before] for p in pairs} == {
        "one-edit.jpg": "one.png", "p.jpg": "two.png", "q.jpg": "four.png"
    }  # fmt: skip


def test_three_pairs_or_half_of_the_pictures(coffee: U8) -> None:
    seen = register(coffee, coffee)
    assert seen is not None
    pairs = [(0, 0, seen)] * 3
    assert enough(pairs, 100) and enough(pairs[:1], 2)  # type: ignore[arg-type]
    assert not enough(pairs[:1], 3) and not enough([], 1)  # type: ignore[arg-type]


def points(lut: Lut, count: int, pair: int, stops: float = 0.0) -> tuple[F32, F32]:
    """Random colours, and what was made of them after so many stops more."""
    draw = np.random.default_rng(pair)
    before = draw.uniform(0.02, 0.7, (count, 3)).astype(np.float32)
    from huafeng.colortable import sample

    return before, sample(lut.table, before * np.float32(2 ** (stops / 2.2))).astype(np.float32)


def as_samples(parts: list[tuple[F32, F32]]) -> Samples:
    before, after = (np.concatenate(x) for x in zip(*parts, strict=True))
    pair = np.repeat(np.arange(len(parts)), [len(b) for b, _ in parts])
    return Samples(before, after, np.ones(len(pair), np.float32), pair, np.arange(len(pair)) % 4 == 0)


def test_local_edits_do_not_count(fields: F32) -> None:
    """A fifth of all pixels, each brightened by 0.2: a plain mean would be off by 0.04."""
    before, after = points(film(), 4000, 0)
    edited = after.copy()
    edited[::5] += np.float32(0.2)
    found = explain(as_samples([(before, edited)]), fields)
    from huafeng.colortable import sample

    assert np.abs(sample(found.table, before) - after).mean() < 0.004
    assert found.edited[0] == pytest.approx(0.2, abs=0.03)


def test_the_exposure_of_each_picture_is_taken_out(fields: F32) -> None:
    stops = [-0.5, 0.0, 0.4, 0.0, 0.0]
    found = explain(as_samples([points(film(), 1200, k, s) for k, s in enumerate(stops)]), fields)
    assert found.corrected == "exposure"
    assert found.stops[:, 0] == pytest.approx(stops, abs=0.05)
    assert explain(as_samples([points(film(), 1200, k) for k in range(5)]), fields).corrected == ""


def test_a_folder_of_pairs_becomes_their_look(
    huafeng: Run, tmp_path: Path, parts: list[U8], styles_folder: Path, coffee: U8, chelsea: U8
) -> None:
    for k, part in enumerate(parts[:48:6]):
        save(tmp_path / "raw" / f"{k}.png", part)
        done = apply_lut(part, film(), threads=1)
        if k == 1:
            done = done.copy()
            done[:60, :60] //= 2
        save(tmp_path / "done" / f"{k}.png", done)
    ran = huafeng("learn", str(tmp_path / "done"), "--from", str(tmp_path / "raw"), "--as", "film", *AGREED)
    assert ran.code == 0, ran.err
    assert "Learned from 8 pairs" in ran.err and "local edits" in ran.err and "1.png" in ran.err
    lut = Lut(Style.load(styles_folder / "film.style").tensors["lut"])
    assert difference(lut, film(), [coffee, chelsea]) < 0.15 * difference(Lut.identity(17), film(), [coffee, chelsea])


def test_one_pair(huafeng: Run, tmp_path: Path, coffee: U8, chelsea: U8, styles_folder: Path) -> None:
    before = save(tmp_path / "before.jpg", coffee)
    after = save(tmp_path / "after.jpg", cropped(apply_lut(coffee, film(), threads=1), 0.1, 0.1, 0.8))
    ran = huafeng("learn", str(after), "--from", str(before), "--as", "film", *AGREED)
    assert ran.code == 0, ran.err
    assert "Learned from 1 pair of" in ran.err
    lut = Lut(Style.load(styles_folder / "film.style").tensors["lut"])
    assert difference(lut, film(), [chelsea]) < 0.5 * difference(Lut.identity(17), film(), [chelsea])
    # the same picture twice: no look at all
    ran = huafeng("learn", str(before), "--from", str(before), "--as", "same", *AGREED)
    assert ran.code == 0, ran.err
    same = Lut(Style.load(styles_folder / "same.style").tensors["lut"])
    assert difference(same, Lut.identity(33), [chelsea]) < 0.3


def test_what_is_no_pair_is_told(huafeng: Run, tmp_path: Path, coffee: U8, chelsea: U8, parts: list[U8]) -> None:
    one, other = save(tmp_path / "one.png", coffee), save(tmp_path / "other.png", chelsea)
    ran = huafeng("learn", str(one), "--from", str(other), "--as", "no", *AGREED)
    assert ran.code == 2
    assert "they are no pair" in ran.err and "at least 8" in ran.err and "Traceback" not in ran.err
    for k in range(16):
        save(tmp_path / ("done" if k % 2 else "raw") / f"{k}.png", parts[3 * k])
    ran = huafeng("learn", str(tmp_path / "done"), "--from", str(tmp_path / "raw"), "--as", "no", *AGREED)
    assert ran.code == 0, ran.err
    assert "No pictures have their own photo before" in ran.err


def test_cmyk_and_sixteen_bit(huafeng: Run, tmp_path: Path, coffee: U8) -> None:
    """Both are read as sRGB; a CMYK file is one of the pair."""
    grey = coffee.mean(2).astype(np.uint16) * 257
    Image.fromarray(grey).save(tmp_path / "before.png")
    Image.fromarray(coffee).convert("CMYK").save(tmp_path / "after.jpg", quality=95)
    ran = huafeng("learn", str(tmp_path / "after.jpg"), "--from", str(tmp_path / "before.png"), "--as", "odd", *AGREED)
    assert ran.code == 0, ran.err
    assert "Learned from 1 pair of" in ran.err
