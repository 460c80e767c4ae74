import json
import math
from pathlib import Path

import numpy as np
import pytest
from conftest import Run
from PIL import Image
from test_style import look

from huafeng.errors import DataError, StyleError
from huafeng.library import BUILT_IN, Library
from huafeng.look import Lut, apply_lut
from huafeng.photo import Photo
from huafeng.pixels import F32, U8
from huafeng.recommend import Colors, colors_of, compared, effect, recommend

CUBE = Lut.identity(5).table


def warm(table: F32) -> F32:
    return np.clip(table * np.array([1.1, 0.95, 0.6], np.float32), 0, 1).astype(np.float32)


@pytest.fixture
def looks(tmp_path: Path) -> Library:
    """Four looks: one that changes nothing, and warm, negative, and burnt ones."""
    folder = tmp_path / "looks"
    folder.mkdir()
    tables = {"plain": CUBE, "warm": warm(CUBE), "negative": 1 - CUBE, "burnt": np.clip(CUBE * 3, 0, 1).astype(np.float32)}
    for name, table in tables.items():
        look(name=name, tensors={"lut": table}).save(folder / f"{name}.style")
    return Library([folder])


def test_what_keeps_a_photo_sound_comes_before_what_breaks_it(looks: Library, coffee: U8) -> None:
    advice = recommend(Photo.from_array(coffee), library=looks)
    names = [one.name for one in advice]
    assert names[0] == "plain"
    assert names.index("warm") < min(names.index("negative"), names.index("burnt"))
    assert advice[0].distance < 0.5
    assert [one.distance for one in advice] == sorted(one.distance for one in advice)
    reasons = {one.name: one.reason for one in advice}
    assert "colours near the photo's (by 0)" in reasons["plain"]
    assert "would become plain black or white" in reasons["burnt"]
    assert "shapes get hard to read" in reasons["negative"]


def test_liked_pictures_bring_the_look_that_they_have_to_the_top(looks: Library, tmp_path: Path, coffee: U8) -> None:
    for name in ("warm", "negative"):
        (tmp_path / name).mkdir()
        for place in (0, 40, 80):
            lut = Lut(looks.get(name).tensors["lut"])
            picture = np.ascontiguousarray(coffee[place : place + 300, place : place + 400])
            Image.fromarray(apply_lut(picture, lut, threads=1)).save(tmp_path / name / f"{place}.png")
        (tmp_path / name / "broken.jpg").write_bytes(b"no picture")
        advice = recommend(Photo.from_array(coffee), like=tmp_path / name, library=looks)
        assert advice[0].name == name
        assert "your pictures in colour" in advice[0].reason
        assert "strokes" not in advice[0].reason  # a look has none


def test_the_reason_names_what_the_liked_pictures_are_like(looks: Library, tmp_path: Path, coffee: U8) -> None:
    Image.fromarray(apply_lut(coffee, Lut(warm(CUBE)), threads=1)).save(tmp_path / "liked.png")
    advice = recommend(Photo.from_array(coffee), like=tmp_path / "liked.png", library=looks)
    assert advice[0].name == "warm"
    assert advice[0].figures["color_distance"] < 1
    assert "close to your pictures in colour" in advice[0].reason
    assert "warm" in advice[0].reason
    assert "cooler" in next(one.reason for one in advice if one.name == "negative")


def test_arts_are_judged_by_their_strokes_as_well(tmp_path: Path, coffee: U8) -> None:
    Image.fromarray(coffee).save(tmp_path / "liked.png")
    folder = tmp_path / "arts"
    folder.mkdir()
    for name in ("monet.style", "base.safetensors"):
        (folder / name).symlink_to(BUILT_IN / name)
    (one,) = recommend(Photo.from_array(coffee), like=tmp_path / "liked.png", library=Library([folder]))
    assert one.kind == "art"
    color, code = one.figures["color_distance"] / 20, one.figures["code_distance"]
    assert one.distance == pytest.approx(math.hypot(color, code))
    assert code > 0


def test_effects_by_hand() -> None:
    photo = np.full((40, 40, 3), 119, np.uint8)  # lightness 50
    photo[:, 20:] = 198  # lightness 80
    styled = photo.copy()
    styled[:4] = 255
    done = effect(photo, styled)
    assert done.clipped == pytest.approx(0.1)
    assert done.skin is None
    still = effect(photo, photo)
    assert (still.clipped, still.moved) == (0, 0)
    assert still.contrast == pytest.approx(15, abs=0.3)
    assert still.readable == pytest.approx(1, abs=1e-4)
    assert still.chroma == pytest.approx(0, abs=0.1)
    assert effect(photo, 255 - photo).readable == pytest.approx(-1, abs=1e-4)
    assert effect(photo, np.full_like(photo, 90)).readable == 0


def test_skin_counts_where_there_is_some_and_colour_is_left() -> None:
    photo = np.full((40, 40, 3), (200, 150, 120), np.uint8)
    styled = photo.copy()
    styled[:10] = (120, 150, 200)
    skin = np.zeros((40, 40), bool)
    skin[:10] = True
    # lightness 66, a 15, b 24 -> 61, 2, -28: far beyond what anybody would call the same skin
    assert (effect(photo, styled, skin).skin or 0) > 30
    assert effect(photo, styled, ~skin).skin == 0
    assert effect(photo, styled).skin is None
    grey = np.repeat(styled[..., :1], 3, axis=2)
    assert effect(photo, grey, skin).skin is None  # black-and-white is no fault of the skin


def test_colors_by_hand() -> None:
    grey = np.full((8, 8, 3), 119, np.uint8)
    np.testing.assert_allclose(colors_of(grey), [50, 0, 0, 0, 0], atol=0.2)
    blue = Colors(30, 0, -20, 20, 10)
    assert compared(blue, Colors(30, 0, 4, 20, 10)) == ["cooler"]
    assert compared(Colors(50, 0, 0, 10, 20), Colors(41, 0, -16, 10, 20)) == ["warmer", "lighter"]
    assert compared(blue, blue) == []


def test_a_damaged_style_is_told_and_left_out(looks: Library, coffee: U8) -> None:
    (looks.folders[0] / "broken.style").write_bytes(b"nothing")
    told: list[str] = []
    assert len(recommend(Photo.from_array(coffee), library=looks, told=told.append)) == 4
    assert len(told) == 1
    assert "broken" in told[0]


def test_mistakes_are_told_in_one_sentence(looks: Library, tmp_path: Path, coffee: U8) -> None:
    photo, empty = Photo.from_array(coffee), tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(StyleError, match="no style that can be used"):
        recommend(photo, library=Library([empty]))
    with pytest.raises(DataError, match="no picture in it"):
        recommend(photo, like=empty, library=looks)
    with pytest.raises(DataError, match="There is no folder"):
        recommend(photo, like=tmp_path / "nowhere", library=looks)


def test_small_and_narrow_photos_are_ranked(looks: Library) -> None:
    for size in ((1, 1), (900, 3)):
        assert len(recommend(Photo.from_array(np.full((*size, 3), 90, np.uint8)), library=looks)) == 4


def test_the_command(huafeng: Run, coffee: U8, monkeypatch: pytest.MonkeyPatch, styles_folder: Path) -> None:
    monkeypatch.setattr("huafeng.library.BUILT_IN", styles_folder / "none")
    Image.fromarray(coffee).save("cup.png")
    ran = huafeng("recommend", "cup.png", "--top", "1")
    assert ran.code == 0
    assert len(ran.out.strip().splitlines()) == 2  # a heading, and the best
    facts = json.loads(huafeng("recommend", "cup.png", "--json").out)
    assert {one["name"] for one in facts} == {"negative", "dark"}
    assert all(one["reason"] and one["figures"] for one in facts)
    assert huafeng("recommend", "nowhere.png") == (2, "", "Error: There is no file nowhere.png.\n")
    assert huafeng("recommend", "cup.png", "--like", "nowhere").code == 2
