"""Faces, subject and background as regions of an edit."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image

from huafeng import Edit, faces, models
from huafeng.edit import BackgroundRegion, FaceRegion, SubjectRegion
from huafeng.errors import DataError, RegionError
from huafeng.guided import RADIUS, box_mean, follow_edges
from huafeng.region import region_mask
from huafeng.subject import find_subject, mask_of, network_input

needs_opencv = pytest.mark.skipif(not faces.available(), reason="nothing that finds faces is installed")
needs_network = pytest.mark.skipif(not models.ready(models.SUBJECT), reason="needs huafeng models --install")


def disc(side=240, radius=60, color=(200, 40, 40), ground=(60, 90, 160)):
    """A disc on an even ground, uint8 [side, side, 3], and where it is."""
    across = np.arange(side) + 0.5 - side / 2
    inside = np.hypot(across[:, None], across) < radius
    noise = np.random.default_rng(0).integers(-6, 7, (side, side, 3))
    picture = np.where(inside[..., None], np.array(color), np.array(ground)) + noise
    return picture.astype(np.uint8), inside


class RedStandsOut:
    """In the network's place: what is red is salient."""

    outputs = ("map", "side")

    def run(self, inputs):
        red, green, _ = inputs["input.1"][0]
        return {"map": 1 / (1 + np.exp(-3 * (red - green)))[None, None], "side": np.zeros(1)}


@pytest.fixture
def red(monkeypatch):
    monkeypatch.setattr(models, "session", lambda model: RedStandsOut())


def test_what_the_network_is_given():
    given = network_input(np.full((640, 480, 3), (100, 50, 200), np.uint8))
    assert given.shape == (1, 3, 320, 320)
    assert given.dtype == np.float32
    # over the largest value: 0.5, 0.25, 1; then (0.5 - 0.485) / 0.229 and so on
    assert given[0, :, 300, 5] == pytest.approx([0.06550, -0.91964, 2.64], abs=1e-3)
    assert np.isfinite(network_input(np.zeros((40, 40, 3), np.uint8))).all()


def test_a_map_goes_from_none_to_all():
    salient = np.full((10, 10), 0.1, np.float32)
    salient[:5], salient[5] = 0.9, 0.5
    mask = mask_of(salient)
    assert (mask[0, 0], mask[5, 0], mask[9, 0]) == (255, 128, 0)  # 0.4 of 0.8 is half


@pytest.mark.parametrize(("level", "text"), [(0.0, "Nothing stands out"), (0.4, "Nothing"), (0.8, "fills the whole photo")])
def test_an_even_map_is_no_subject(level, text):
    with pytest.raises(RegionError, match=f"{text}.*--box or --mask"):
        mask_of(np.full((320, 320), level, np.float32))


def test_a_subject_has_the_edges_of_the_photo(red):
    picture, inside = disc(500, 120)
    found = find_subject(picture, threads=2)
    assert found.shape == inside.shape
    assert found.dtype == np.uint8
    assert ((found > 127) == inside).mean() > 0.995
    assert np.array_equal(region_mask(BackgroundRegion(), picture), 255 - found)


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (20, 60)])
def test_a_photo_that_is_too_small(red, size):
    with pytest.raises(RegionError, match="too small to find a subject in; use --box or --mask"):
        find_subject(np.full((*size, 3), 128, np.uint8))


def test_without_the_network_one_sentence_says_how_to_get_it(huafeng, astronaut, tmp_path, monkeypatch):
    monkeypatch.setenv("HUAFENG_MODELS", str(tmp_path / "none"))
    Image.fromarray(astronaut[:64, :64]).save("photo.png")
    for part in ("subject", "background"):
        ran = huafeng("apply", "negative", "photo.png", "--region", part, "-o", "x.png")
        assert ran.code == 2
        assert "huafeng models --install" in ran.err
        assert "Traceback" not in ran.err


@needs_network
def test_a_person_with_hair_and_body(astronaut):
    subject = find_subject(astronaut)
    assert subject[80:150, 200:250].min() > 200  # the face
    assert subject[35:60, 200:260].mean() > 230  # hair
    assert subject[300:450, 100:250].mean() > 230  # the suit
    assert subject[:100, :100].max() < 50  # the flag
    assert np.array_equal(find_subject(astronaut, threads=2), subject)


@needs_network
def test_a_cat_and_a_cup(chelsea, coffee):
    assert find_subject(chelsea)[100:200, 150:250].mean() > 240
    cup = find_subject(coffee)
    assert cup[150:250, 200:400].mean() > 240
    assert cup[:40].mean() < 40


@needs_opencv
def test_faces_are_soft_ellipses(astronaut):
    mask = region_mask(FaceRegion(), astronaut)
    frame = next(iter(faces.find_frames(astronaut)))
    y, x = round(frame.y + frame.height / 2), round(frame.x + frame.width / 2)
    assert mask[y, x] == 255
    assert mask[y, x + round(1.2 * frame.width)] == mask[y + round(1.4 * frame.height), x] == 0
    assert max(np.abs(np.diff(mask.astype(int), axis=axis)).max() for axis in (0, 1)) < 20


@needs_opencv
def test_no_face():
    with pytest.raises(RegionError, match="--box or --mask"):
        region_mask(FaceRegion(), np.full((300, 200, 3), 128, np.uint8))


@needs_opencv
def test_a_frame_inside_another_is_not_a_second_face(astronaut):
    frames = faces.find_frames(np.tile(astronaut[:256, 96:352], (2, 2, 1)))
    centres = [(frame.x + frame.width / 2, frame.y + frame.height / 2) for frame in frames]
    assert len(frames) == 4
    assert len({(x > 256, y > 256) for x, y in centres}) == 4


def test_a_mean_over_squares_goes_on_beyond_the_rim():
    ramp = np.broadcast_to(np.arange(20, dtype=np.float32), (12, 20))
    mean = box_mean(ramp)
    assert mean[:, RADIUS:-RADIUS] == pytest.approx(ramp[:, RADIUS:-RADIUS], abs=1e-5)
    # at the rim 0 0 0 0 0 1 2 3 4: 10 / 9
    assert mean[:, 0] == pytest.approx(10 / 9, abs=1e-5)


def test_a_coarse_mask_takes_the_edges_of_the_large_picture():
    large, inside = disc(480, 120)
    small = np.asarray(Image.fromarray(large).resize((120, 120), Image.Resampling.BOX))
    coarse = np.asarray(Image.fromarray(np.uint8(255 * inside)).resize((120, 120), Image.Resampling.NEAREST))
    found = follow_edges(coarse, small, large, threads=2)
    assert np.array_equal(found, follow_edges(coarse, small, large))
    assert ((found > 127) != inside).mean() < 0.002
    plain = np.asarray(Image.fromarray(coarse).resize((480, 480), Image.Resampling.BILINEAR))
    assert np.abs(found / 255.0 - inside).mean() < 0.5 * np.abs(plain / 255.0 - inside).mean()


def test_without_a_finder(astronaut, monkeypatch, tmp_path):
    monkeypatch.setenv("HUAFENG_MODELS", str(tmp_path))
    monkeypatch.setitem(sys.modules, "cv2", None)
    faces.cascade.cache_clear()
    for region in (FaceRegion(), SubjectRegion(), BackgroundRegion()):
        with pytest.raises(DataError, match="huafeng models --install"):
            region_mask(region, astronaut)
    faces.cascade.cache_clear()


@pytest.mark.parametrize("region", [FaceRegion(), SubjectRegion(0.1), BackgroundRegion(0.5)])
def test_json(region):
    edit = Edit.from_json('{"version": 1, "styles": [{"style": "monet"}]}')
    with_region = Edit(edit.styles, region=region)
    assert Edit.from_json(with_region.to_json()) == with_region


def test_the_command_line(huafeng, red):
    picture, _ = disc()
    Image.fromarray(picture).save("photo.png")
    ran = huafeng("apply", "negative", "photo.png", "--region", "background", "--skin", "off", "-o", "x.png")
    assert ran.code == 0, ran.err
    result = np.asarray(Image.open("x.png")).astype(int)
    middle, corner = np.s_[100:140, 100:140], np.s_[:30, :30]
    assert np.abs(result[middle] - picture[middle]).max() <= 1
    assert np.abs(255 - picture[corner].astype(int) - result[corner]).max() <= 8  # all but a trace


@needs_opencv
def test_the_command_line_says_that_there_is_no_face(huafeng, coffee):
    Image.fromarray(coffee).save("photo.png")
    ran = huafeng("apply", "negative", "photo.png", "--region", "face", "-o", "x.png")
    assert ran.code == 2
    assert "No face was found" in ran.err


def test_one_region_at_a_time(huafeng, astronaut):
    Image.fromarray(astronaut[:64, :64]).save("photo.png")
    ran = huafeng("apply", "negative", "photo.png", "--region", "face", "--box", "0,0,1,1", "--mask", "photo.png")
    assert ran.code == 2
    assert "--region and --mask and --box are given together, one is allowed" in " ".join(ran.err.split())
