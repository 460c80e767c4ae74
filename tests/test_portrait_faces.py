"""Faces painted more gently than what is around them."""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from huafeng import Edit, Library, Photo, Stylizer, faces, parse_styles
from huafeng.art import Generator
from huafeng.errors import DataError, EditError
from huafeng.faces import FEATHER, Frame, find_frames, manner, place_of
from huafeng.library import BUILT_IN
from huafeng.pixels import U8, resize

needs_opencv = pytest.mark.skipif(importlib.util.find_spec("cv2") is None, reason="OpenCV is not installed")


@pytest.fixture(scope="module")
def stylizer() -> Stylizer:
    return Stylizer(Library([BUILT_IN]), threads=1)


@pytest.fixture
def no_opencv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("HUAFENG_MODELS", str(tmp_path / "none"))
    monkeypatch.setitem(sys.modules, "cv2", None)
    faces.cascade.cache_clear()
    yield
    faces.cascade.cache_clear()


def painted(stylizer: Stylizer, pixels: U8, gentleness: float, style: str = "monet") -> U8:
    return stylizer.apply(Photo.from_array(pixels), Edit(parse_styles(style), faces=gentleness)).pixels


def inside(pixels: U8, frame: Frame) -> U8:
    x, y, width, height = (round(number) for number in frame)
    return pixels[y : y + height, x : x + width]


@pytest.mark.parametrize(
    ("gentleness", "width", "stroke", "strength"),
    [
        (0, 50, 1, 1),
        (1, 300, 0.5, 0.7),  # painted 600 px wide
        (1, 600, 1, 0.7),
        (1, 2000, 1, 0.7),  # large enough already
        (1, 20, 0.25, 0.7),  # no finer
        (0.5, 150, 0.5, 0.85),
    ],
)
def test_manner(gentleness: float, width: float, stroke: float, strength: float) -> None:
    assert manner(gentleness, width) == pytest.approx((stroke, strength))


def test_an_ellipse_around_the_frame() -> None:
    rows, columns, mask = place_of(Frame(300, 200, 100, 120), 1000, 800)
    # middle (350, 266), radii 45 and 66, and two thirds more
    assert (columns, rows) == (slice(275, 425), slice(156, 376))
    assert mask.shape == (220, 150)
    assert mask[266 - 156, 350 - 275] == 255
    assert mask[266 - 156, 350 - 275 + 44] == 255
    assert mask[266 - 156, 350 - 275 + 60] == pytest.approx(127, abs=6)  # half of the way through the edge
    assert mask[0, 0] == 0


@settings(deadline=None)
@given(
    x=st.floats(0, 900),
    y=st.floats(0, 700),
    size=st.floats(20, 2000),
    width=st.integers(950, 1300),
    height=st.integers(750, 900),
)
@example(882.0, 0.0, 1913.0, 950, 751)
def test_places_lie_in_the_photo_and_have_no_visible_edge(x: float, y: float, size: float, width: int, height: int) -> None:
    rows, columns, mask = place_of(Frame(x, y, size, size), width, height)
    assert 0 <= rows.start < rows.stop <= height
    assert 0 <= columns.start < columns.stop <= width
    assert mask.shape == (rows.stop - rows.start, columns.stop - columns.start)
    feather = 0.45 * size * FEATHER  # px
    steepest = 255 * 1.5 / feather  # of a smooth step, levels a pixel
    for axis in (0, 1):
        assert np.abs(np.diff(mask.astype(int), axis=axis)).max(initial=0) <= math.ceil(1.5 * steepest + 2)  # whole levels
    borders = {0: (rows.start, mask[0]), height: (rows.stop, mask[-1])}
    for end, (edge, line) in borders.items():
        if edge != end:  # not the photo's own edge
            assert line.max() <= 255 * 3 / feather**2 + 2  # a pixel from the end of a smooth step


@needs_opencv
def test_a_face_is_found_at_any_size(astronaut: U8) -> None:
    (small,) = find_frames(astronaut)
    (large,) = find_frames(resize(astronaut, 1536, 1536))
    assert np.abs(np.array(large) / 3 - small).max() < 0.1 * small.width


@needs_opencv
def test_a_face_comes_nearer_to_the_photo_and_nothing_else_changes(stylizer: Stylizer, astronaut: U8) -> None:
    (frame,) = find_frames(astronaut)
    plain, half, gentle = (painted(stylizer, astronaut, gentleness) for gentleness in (0, 0.5, 1))
    away = [np.abs(inside(result, frame).astype(int) - inside(astronaut, frame)).mean() for result in (plain, half, gentle)]
    assert away[0] > away[1] > away[2] > 0.4 * away[0]  # 0.7 of the strength, of a change that finer strokes make smaller
    rows, columns, mask = place_of(frame, 512, 512)
    touched = (gentle != plain).any(-1)
    assert touched[rows, columns][mask == 255].mean() > 0.9
    touched[rows, columns] &= mask == 0
    assert not touched.any()


@needs_opencv
def test_strokes_in_a_face_are_smaller(stylizer: Stylizer, astronaut: U8, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = []
    paint = Generator.paint

    def spy(self: Generator, pixels: U8, *args: Any, **kwargs: Any) -> U8:
        shapes.append(pixels.shape)
        return paint(self, pixels, *args, **kwargs)

    monkeypatch.setattr(Generator, "paint", spy)
    (frame,) = find_frames(astronaut)
    assert frame.width < 150  # so that strokes are the finest that there are: a quarter
    painted(stylizer, astronaut, 1)
    height, width = place_of(frame, 512, 512).mask.shape
    assert shapes == [(512, 512, 3), (4 * height, 4 * width, 3)]


@needs_opencv
def test_a_large_face_keeps_its_strokes(stylizer: Stylizer, astronaut: U8, monkeypatch: pytest.MonkeyPatch) -> None:
    (frame,) = find_frames(astronaut)
    monkeypatch.setattr(faces, "PAINTED_PX", frame.width)
    plain, gentle = (painted(stylizer, astronaut, gentleness) for gentleness in (0, 1))
    rows, columns, mask = place_of(frame, 512, 512)
    middle = mask == 255
    expected = 0.3 * astronaut[rows, columns][middle] + 0.7 * plain[rows, columns][middle]
    assert np.abs(gentle[rows, columns][middle] - expected).max() < 2


@needs_opencv
def test_without_a_face_nothing_changes(stylizer: Stylizer, coffee: U8) -> None:
    assert np.array_equal(painted(stylizer, coffee, 1), painted(stylizer, coffee, 0))


def test_only_who_asks_for_it_needs_opencv(stylizer: Stylizer, astronaut: U8, no_opencv: None) -> None:
    small = np.ascontiguousarray(astronaut[:128, 150:278])
    assert painted(stylizer, small, 0).shape == small.shape
    with pytest.raises(
        DataError, match=r'^Faces need a finder: huafeng models --install, or OpenCV 4: pip install "huafeng\[portrait\]"\.$'
    ):
        painted(stylizer, small, 0.5)


@needs_opencv
def test_faces_are_painted_gently_unless_told_otherwise(stylizer: Stylizer, astronaut: U8) -> None:
    small = np.ascontiguousarray(astronaut[:256, 100:356])
    usual = stylizer.apply(Photo.from_array(small), Edit(parse_styles("monet"))).pixels
    assert np.array_equal(usual, painted(stylizer, small, faces.GENTLE))
    assert (usual != painted(stylizer, small, 0)).any()


def test_without_opencv_they_are_painted_as_everything_else(stylizer: Stylizer, astronaut: U8, no_opencv: None) -> None:
    small = np.ascontiguousarray(astronaut[:128, 150:278])
    usual = stylizer.apply(Photo.from_array(small), Edit(parse_styles("monet"))).pixels
    assert np.array_equal(usual, painted(stylizer, small, 0))


def test_the_edit_has_it() -> None:
    edit = Edit(parse_styles("monet"), faces=0.5)
    assert Edit.from_json(edit.to_json()) == edit
    assert Edit(parse_styles("monet")).faces == "auto"
    with pytest.raises(EditError, match="faces is 2, it must be between 0 and 1"):
        Edit(parse_styles("monet"), faces=2)


@needs_opencv
def test_the_command_has_it(huafeng, astronaut: U8) -> None:
    Image.fromarray(astronaut[:256, 100:356]).save("her.png")
    assert huafeng("apply", "monet", "her.png", "--faces", "0").code == 0
    assert huafeng("apply", "monet", "her.png", "--faces", "1", "-o", "gentle.png").code == 0
    plain, gentle = (np.asarray(Image.open(name)) for name in ("her-monet.png", "gentle.png"))
    assert (plain != gentle).any()


def test_the_command_says_what_to_install(huafeng, astronaut: U8, no_opencv: None) -> None:
    Image.fromarray(astronaut[:64, :64]).save("her.png")
    ran = huafeng("apply", "monet", "her.png", "--faces", "1")
    assert ran.code == 2
    assert 'pip install "huafeng[portrait]"' in ran.err
    assert len(ran.err.strip().splitlines()) <= 2
