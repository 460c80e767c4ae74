"""Looks leave skin its colour, and nothing else."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from huafeng import Edit, Library, Photo, Style, Stylizer, faces, parse_styles
from huafeng.color import ciede2000, lab_to_srgb, srgb_to_lab
from huafeng.errors import DataError
from huafeng.look import Lut, apply_lut, sample_grid
from huafeng.skin import CAP, capped, colors_kept, find_skin

needs_opencv = pytest.mark.skipif(not faces.has_opencv(), reason="OpenCV is not installed")

IDENTITY = Lut.identity(9).table
GREY = Lut(np.repeat(IDENTITY @ np.array([[0.3], [0.6], [0.1]], np.float32), 3, -1))


def tinted(red, green, blue):
    return Lut(np.clip(IDENTITY * np.array([red, green, blue], np.float32), 0, 1).astype(np.float32))


def shift(before, after):
    return ciede2000(srgb_to_lab(before), srgb_to_lab(after))


def graded(lut, color):
    """A colour [1, 1, 3] of 0..255 by a look, as floats 0..1: without rounding to levels."""
    red, green, blue = (np.array([level]) / 255 for level in color[0, 0])
    return sample_grid(lut.table, (red, green, blue))[0, 0]


@pytest.fixture(scope="module")
def skin(astronaut):
    return find_skin(astronaut)


@pytest.fixture
def stylizer(tmp_path, styles_folder):
    card = Library([styles_folder]).get("negative").card
    Style("teal", "look", {"lut": tinted(0.6, 0.95, 1.0).table}, card).save(styles_folder / "teal.style")
    Style("grey", "look", {"lut": GREY.table}, card).save(styles_folder / "grey.style")
    return Stylizer(Library([styles_folder]), threads=1)


factors = st.floats(0, 2)


@settings(max_examples=15, deadline=None)
@given(st.tuples(factors, factors, factors), st.floats(0.5, 12), st.sampled_from([0.3, 1.0]))
@example((0.0, 1.453125, 0.375), 9.4375, 1.0)
def test_no_colour_of_skin_moves_further_than_the_cap(factor, cap, strength):
    random = np.random.default_rng(0)
    tones = np.stack([random.uniform(*ends, (1, 2000)) for ends in ((25, 90), (4, 28), (4, 34))], -1)
    colors = np.rint(255 * np.clip(lab_to_srgb(tones), 0, 1)).astype(np.uint8)
    full = apply_lut(colors, capped(tinted(*factor), cap, strength), threads=1).astype(float)
    result = colors + strength * (full - colors)
    assert shift(colors, result / 255).max() < 1.02 * cap + 1


def test_small_shifts_stay_and_large_ones_come_near_the_cap():
    skin_tone = np.rint(255 * lab_to_srgb(np.array([[[65.0, 18.0, 20.0]]]))).astype(np.uint8)
    for factor, cap, least, most in ((0.995, 10, 0.9, 1.01), (0.4, 4, 0, 1.05)):
        look = tinted(factor, 1, 1)
        full = shift(skin_tone, graded(look, skin_tone))
        held = shift(skin_tone, graded(capped(look, cap), skin_tone))
        assert held <= min(full * most, cap * most)
        assert held >= least * full
        assert held > 0.9 * min(full, cap)


def test_a_cap_of_0_changes_nothing_and_a_wide_one_everything():
    look = tinted(0.7, 1, 0.8)
    assert np.abs(capped(look, 0).table - Lut.identity(33).table).max() < 1e-6
    assert np.abs(capped(look, 10_000).table - look.resampled(33).table).max() < 1e-3


def test_at_half_strength_a_look_may_be_twice_as_strong():
    look, tone = tinted(0.4, 1, 1), np.array([[[200, 150, 130]]], np.uint8)
    for strength in (0.25, 1.0):
        moved = tone / 255 + strength * (graded(capped(look, 4, strength), tone) - tone / 255)
        assert shift(tone, moved) == pytest.approx(4, abs=0.25)


def test_a_capped_look_is_smooth():
    ramp = np.linspace(0.2, 1, 400)[:, None] * np.array([1.0, 0.78, 0.68])  # one tone of skin in all lights
    table = capped(tinted(0.3, 1, 1), 4)
    found = np.stack([graded(table, 255 * color[None, None])[0] for color in ramp])
    assert (np.diff(found, axis=0) > -1e-4).all()
    assert np.abs(np.diff(found, n=2, axis=0)).max() < 2e-3


def test_monochrome_looks_are_told_by_the_hues_that_they_keep():
    sepia = Lut(GREY.table * np.array([1.0, 0.85, 0.65], np.float32))
    assert colors_kept(Lut.identity(5)) == pytest.approx(1, abs=1e-3)
    assert colors_kept(GREY) < 0.01
    assert colors_kept(sepia) < 0.05
    assert 0.3 < colors_kept(Lut((IDENTITY + GREY.table) * np.float32(0.5))) < 0.7


@needs_opencv
def test_the_skin_of_a_portrait(astronaut, skin):
    assert skin.shape == astronaut.shape[:2]
    assert skin.dtype == np.uint8
    face = next(iter(faces.find_frames(astronaut)))
    inner = skin[round(face.y + 0.3 * face.height) :, :][: round(0.5 * face.height)]
    inner = inner[:, round(face.x + 0.3 * face.width) : round(face.x + 0.7 * face.width)]
    assert inner.mean() > 240
    assert skin[240:].max() < 10  # the orange suit
    assert skin[:, 320:].max() < 10  # a wall of the same tone
    assert skin[:60].max() < 10  # hair
    assert 0.02 < (skin > 127).mean() < 0.06


@needs_opencv
def test_no_face_no_skin(coffee, rocket, chelsea):
    for photo in (coffee, rocket, chelsea):
        assert not find_skin(photo).any()


@needs_opencv
def test_a_grey_photo_has_no_skin(astronaut):
    assert not find_skin(np.asarray(Image.fromarray(astronaut).convert("L").convert("RGB"))).any()


@needs_opencv
@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (3, 5)])
def test_the_smallest_photos(size):
    assert find_skin(np.full((*size, 3), 180, np.uint8)).tolist() == np.zeros(size, int).tolist()


@needs_opencv
def test_sixteen_faces(astronaut):
    face = np.asarray(Image.fromarray(astronaut[20:220, 120:320]).resize((120, 120)))
    crowd = np.tile(face, (4, 4, 1))
    mask = find_skin(crowd)
    found = [mask[y : y + 120, x : x + 120][45:75, 45:75].mean() for y in range(0, 480, 120) for x in range(0, 480, 120)]
    assert len(faces.find_frames(crowd)) >= 12
    assert np.median(found) > 200


@needs_opencv
def test_skin_stays_within_the_cap_and_all_else_is_the_plain_look(stylizer, astronaut, skin):
    photo = Photo.from_array(astronaut)
    plain = stylizer.apply(photo, Edit(parse_styles("teal"), skin="off")).pixels
    asked: tuple[tuple[float | str, float], ...] = (("auto", CAP), (2.0, 2.0))
    for cap, limit in asked:
        spared = stylizer.apply(photo, Edit(parse_styles("teal"), skin=cap)).pixels
        assert (spared[skin == 0] == plain[skin == 0]).all()
        moved = shift(astronaut, spared)[skin == 255]
        assert np.median(shift(astronaut, plain)[skin == 255]) > 2 * limit
        assert moved.max() < limit + 1
        assert np.median(moved) > 0.7 * limit


@needs_opencv
def test_the_cap_holds_at_part_of_the_strength(stylizer, astronaut, skin):
    edit = Edit(parse_styles("teal"), skin=2.0, strength=0.6)
    moved = shift(astronaut, stylizer.apply(Photo.from_array(astronaut), edit).pixels)[skin == 255]
    assert 1.4 < np.median(moved) < 2.1
    assert moved.max() < 3


@needs_opencv
def test_no_coloured_skin_in_a_grey_picture(stylizer, astronaut):
    result = stylizer.apply(Photo.from_array(astronaut), Edit(parse_styles("grey"), skin=4)).pixels.astype(int)
    assert np.ptp(result, axis=-1).max() <= 1


@needs_opencv
def test_no_border_is_seen(stylizer, astronaut):
    """Where the photo is even, its soft skin mask draws no edge."""
    mask = find_skin(astronaut).astype(int)
    assert max(np.abs(np.diff(mask, axis=axis)).max() for axis in (0, 1)) < 90


def test_without_opencv(stylizer, astronaut, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    faces.cascade.cache_clear()
    photo, edit = Photo.from_array(astronaut), Edit(parse_styles("teal"))
    plain = stylizer.apply(photo, replace(edit, skin="off")).pixels
    assert np.array_equal(stylizer.apply(photo, edit).pixels, plain)
    with pytest.raises(DataError, match=r"huafeng\[portrait\]"):
        stylizer.apply(photo, replace(edit, skin=4))
    faces.cascade.cache_clear()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("-1", "skin is -1, it must be between 0 and 100"),
        ("much", "skin is 'much', it must be a number between 0 and 100 or 'auto' or 'off'"),
        ("nan", "skin is nan, it must be between 0 and 100"),
    ],
)
def test_the_command_line_refuses(huafeng, astronaut, typed, said):
    Image.fromarray(astronaut[:64, :64]).save("photo.png")
    ran = huafeng("apply", "negative", "photo.png", "--skin", typed)
    assert ran.code == 2
    assert said in " ".join(ran.err.split())


@needs_opencv
def test_the_command_line_applies_and_saves(huafeng, astronaut):
    Image.fromarray(astronaut).save("photo.png")
    results = {}
    for skin in ("off", "0", "auto"):
        ran = huafeng("apply", "negative", "photo.png", "--skin", skin, "-o", f"{skin}.png", "--save-edit")
        assert ran.code == 0, ran.err
        results[skin] = np.asarray(Image.open(f"{skin}.png"))
        saved = Edit.from_json(Path(f"{skin}.png.edit.json").read_text(encoding="utf-8"))
        assert saved.skin == (0.0 if skin == "0" else skin)
    assert np.abs(255 - astronaut.astype(int) - results["off"]).max() <= 1
    assert np.abs(astronaut.astype(int) - results["0"])[find_skin(astronaut) == 255].max() <= 2
    assert not np.array_equal(results["auto"], results["off"])
