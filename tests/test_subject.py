"""Faces, subject and background as regions of an edit."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image

from huafeng import Edit, faces
from huafeng.edit import BackgroundRegion, FaceRegion, SubjectRegion
from huafeng.errors import DataError, RegionError
from huafeng.guided import follow_edges
from huafeng.region import region_mask

needs_opencv = pytest.mark.skipif(not faces.available(), reason="OpenCV is not installed")


def disc(side=240, radius=60, color=(200, 40, 40), ground=(60, 90, 160)):
    """A disc on an even ground, uint8 [side, side, 3], and where it is."""
    across = np.arange(side) + 0.5 - side / 2
    inside = np.hypot(across[:, None], across) < radius
    noise = np.random.default_rng(0).integers(-6, 7, (side, side, 3))
    picture = np.where(inside[..., None], np.array(color), np.array(ground)) + noise
    return picture.astype(np.uint8), inside


@pytest.fixture(scope="module")
def subject(astronaut):
    return region_mask(SubjectRegion(), astronaut)


@needs_opencv
def test_a_person_with_hair_and_body(astronaut, subject):
    assert subject.shape == astronaut.shape[:2]
    assert subject[80:150, 200:250].min() > 200  # the face
    assert subject[35:60, 200:260].min() > 200  # hair
    assert subject[300:450, 100:250].mean() > 230  # the suit
    assert subject[:200, 400:].max() < 50  # the shuttle
    assert subject[:100, :100].max() < 50  # the flag


@needs_opencv
def test_background_is_the_rest(astronaut, subject):
    assert np.array_equal(region_mask(BackgroundRegion(), astronaut), 255 - subject)


@needs_opencv
def test_the_same_every_time(astronaut, subject):
    assert np.array_equal(region_mask(SubjectRegion(), astronaut, threads=2), subject)


@needs_opencv
def test_faces_are_soft_ellipses(astronaut):
    mask = region_mask(FaceRegion(), astronaut)
    frame = next(iter(faces.find_frames(astronaut)))
    y, x = round(frame.y + frame.height / 2), round(frame.x + frame.width / 2)
    assert mask[y, x] == 255
    assert mask[y, x + round(1.2 * frame.width)] == mask[y + round(1.4 * frame.height), x] == 0
    assert max(np.abs(np.diff(mask.astype(int), axis=axis)).max() for axis in (0, 1)) < 20


@needs_opencv
def test_without_a_face_what_stands_out():
    picture, inside = disc()
    mask = region_mask(SubjectRegion(), picture)
    assert ((mask > 127) == inside).mean() > 0.995
    assert mask[:20].max() == 0


@needs_opencv
@pytest.mark.parametrize("region", [FaceRegion(), SubjectRegion(), BackgroundRegion()])
@pytest.mark.parametrize("size", [(1, 1), (1, 900), (40, 60), (300, 200)])
def test_nothing_to_find(region, size):
    with pytest.raises(RegionError, match="--box or --mask"):
        region_mask(region, np.full((*size, 3), 128, np.uint8))


@needs_opencv
def test_noise_has_no_subject():
    noise = np.random.default_rng(0).integers(0, 256, (150, 150, 3)).astype(np.uint8)
    with pytest.raises(RegionError, match="--box or --mask"):
        region_mask(SubjectRegion(), noise)


@needs_opencv
def test_a_frame_inside_another_is_not_a_second_face(astronaut):
    frames = faces.find_frames(np.tile(astronaut[:256, 96:352], (2, 2, 1)))
    centres = [(frame.x + frame.width / 2, frame.y + frame.height / 2) for frame in frames]
    assert len(frames) == 4
    assert len({(x > 256, y > 256) for x, y in centres}) == 4


@needs_opencv
def test_a_coarse_mask_takes_the_edges_of_the_large_picture():
    large, inside = disc(480, 120)
    small = np.asarray(Image.fromarray(large).resize((120, 120), Image.Resampling.BOX))
    coarse = np.asarray(Image.fromarray(np.uint8(255 * inside)).resize((120, 120), Image.Resampling.NEAREST))
    found = follow_edges(coarse, small, large, threads=2)
    assert np.array_equal(found, follow_edges(coarse, small, large))
    assert ((found > 127) != inside).mean() < 0.002
    plain = np.asarray(Image.fromarray(coarse).resize((480, 480), Image.Resampling.BILINEAR))
    assert np.abs(found / 255.0 - inside).mean() < 0.5 * np.abs(plain / 255.0 - inside).mean()


def test_without_opencv(astronaut, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    faces.cascade.cache_clear()
    for region in (FaceRegion(), SubjectRegion(), BackgroundRegion()):
        with pytest.raises(DataError, match=r"huafeng\[portrait\]"):
            region_mask(region, astronaut)
    faces.cascade.cache_clear()


@pytest.mark.parametrize("region", [FaceRegion(), SubjectRegion(0.1), BackgroundRegion(0.5)])
def test_json(region):
    edit = Edit.from_json('{"version": 1, "styles": [{"style": "monet"}]}')
    with_region = Edit(edit.styles, region=region)
    assert Edit.from_json(with_region.to_json()) == with_region


@needs_opencv
def test_the_command_line(huafeng, astronaut, subject):
    Image.fromarray(astronaut).save("photo.png")
    ran = huafeng("apply", "negative", "photo.png", "--region", "background", "--skin", "off", "-o", "x.png")
    assert ran.code == 0, ran.err
    result = np.asarray(Image.open("x.png")).astype(int)
    assert (result[subject == 255] == astronaut[subject == 255]).all()
    assert np.abs(255 - astronaut.astype(int) - result)[subject == 0].max() <= 1


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
