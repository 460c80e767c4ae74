"""Whether faces are still faces: a Haar cascade's detections (Viola & Jones, CVPR 2001) in photo and result. Needs OpenCV."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from huafeng.faces import Frame, cascade, cascade_frames, grey
from huafeng.pixels import U8, resize

if TYPE_CHECKING:
    import cv2

OVERLAP = 0.4  # intersection over union from which on it is the same face
FACE_WIDTH = 160  # px at which eyes are sought
UPPER = 0.6  # of the face, where eyes are


@dataclass(frozen=True)
class Face:
    """A face's frame in the picture's pixels, and the centres (x, y) of its left and right eye if both were found."""

    x: float
    y: float
    width: float
    height: float
    eyes: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Faces:
    """Figures of one photo's faces.

    Args:
        kept: share (0..1) of the photo's faces that the result has, too; NaN without a face.
        shift: mean way of their frames' corners and eyes, in parts of the face's width; NaN where none was kept.
    """

    kept: float
    shift: float


def find_faces(picture: U8) -> list[Face]:
    """Frontal faces in uint8 [H, W, 3], from a tenth of the short side on; largest first.

    Raises:
        DataError: OpenCV is not installed.
    """
    eyes = cascade("haarcascade_eye", threading.get_ident())
    return [Face(*frame, _eyes(picture, frame, eyes)) for frame in cascade_frames(picture)]


def face_figures(photo: U8, result: U8, faces: Sequence[Face] | None = None) -> Faces:
    """How many of the photo's faces the result keeps in their places, and how far they moved.

    Args:
        photo, result: uint8 [H, W, 3] of equal size.
        faces: the photo's, where they were found before.

    Raises:
        DataError: OpenCV is not installed.
    """
    faces = find_faces(photo) if faces is None else faces
    if not faces:
        return Faces(np.nan, np.nan)
    found = find_faces(result)
    shifts = []
    for face in faces:
        again = max(found, key=lambda other: _overlap(face, other), default=None)
        if again is not None and _overlap(face, again) >= OVERLAP:
            shifts.append(_shift(face, again))
    return Faces(len(shifts) / len(faces), float(np.mean(shifts)) if shifts else np.nan)


def _eyes(picture: U8, frame: Frame, detector: cv2.CascadeClassifier) -> tuple[tuple[float, float], ...]:
    """Centres of the largest eye in either half of the frame's upper part; none where one is missing."""
    x, y, width, height = (round(number) for number in frame)
    part = picture[y : y + round(height * UPPER), x : x + width]
    scale = FACE_WIDTH / part.shape[1]
    shades = grey(resize(part, FACE_WIDTH, round(part.shape[0] * scale)))
    least = FACE_WIDTH // 8
    boxes = np.array(detector.detectMultiScale(shades, 1.1, 3, minSize=(least, least))).reshape(-1, 4).tolist()
    middles = [(left + wide / 2, top + high / 2, wide) for left, top, wide, high in boxes]
    halves = [[m for m in middles if (m[0] < FACE_WIDTH / 2) is left] for left in (True, False)]
    if not all(halves):
        return ()
    chosen = [max(half, key=lambda middle: middle[2]) for half in halves]
    return tuple((x + across / scale, y + down / scale) for across, down, _ in chosen)


def _overlap(one: Face, two: Face) -> float:
    """Intersection over union of the frames."""
    across = min(one.x + one.width, two.x + two.width) - max(one.x, two.x)
    down = min(one.y + one.height, two.y + two.height) - max(one.y, two.y)
    common = max(across, 0.0) * max(down, 0.0)
    return common / (one.width * one.height + two.width * two.height - common)


def _shift(one: Face, two: Face) -> float:
    """Mean way from one's points to two's, in parts of one's width."""
    before, after = (
        [(f.x, f.y), (f.x + f.width, f.y), (f.x, f.y + f.height), (f.x + f.width, f.y + f.height)] for f in (one, two)
    )
    if one.eyes and two.eyes:
        before, after = before + list(one.eyes), after + list(two.eyes)
    return float(np.linalg.norm(np.subtract(after, before), axis=1).mean()) / one.width
