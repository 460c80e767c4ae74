"""Faces in photo and result, on a portrait."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from huafeng import faces
from huafeng.errors import DataError
from huafeng.evaluation.faces import Face, Faces, face_figures, find_faces

needs_opencv = pytest.mark.skipif(not faces.has_opencv(), reason="OpenCV is not installed")


@pytest.fixture(scope="module")
def found(astronaut):
    return find_faces(astronaut)


@needs_opencv
def test_a_portrait_has_one_face_with_two_eyes(found):
    assert len(found) == 1
    face = found[0]
    assert 160 < face.x < 200
    assert 50 < face.y < 90
    left, right = face.eyes
    assert left[0] < face.x + face.width / 2 < right[0]
    assert face.y < left[1] < face.y + 0.6 * face.height


@needs_opencv
def test_nothing_moved(astronaut, found):
    assert face_figures(astronaut, astronaut) == Faces(1.0, 0.0)
    assert face_figures(astronaut, astronaut, found) == Faces(1.0, 0.0)


@needs_opencv
def test_a_shifted_face(astronaut, found):
    shifted = np.roll(astronaut, 10, axis=1)
    figures = face_figures(astronaut, shifted, found)
    assert figures.kept == 1
    assert figures.shift == pytest.approx(10 / found[0].width, abs=0.03)


@needs_opencv
def test_a_face_that_went_elsewhere_or_away(astronaut, found):
    for result in (np.roll(astronaut, 150, axis=1), gaussian_filter(astronaut, (20, 20, 0)), np.zeros_like(astronaut)):
        figures = face_figures(astronaut, result, found)
        assert figures.kept == 0
        assert math.isnan(figures.shift)


@needs_opencv
def test_half_of_the_faces(astronaut, found):
    elsewhere = Face(400, 400, 80, 80)
    assert face_figures(astronaut, astronaut, [*found, elsewhere]) == Faces(0.5, 0.0)


@needs_opencv
def test_photos_without_faces(coffee, rocket):
    for photo in (coffee, rocket):
        figures = face_figures(photo, photo)
        assert math.isnan(figures.kept)
        assert math.isnan(figures.shift)


def test_without_opencv(astronaut, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    faces.cascade.cache_clear()
    assert not faces.has_opencv()
    with pytest.raises(DataError, match=r"huafeng\[portrait\]"):
        find_faces(astronaut)
    faces.cascade.cache_clear()
