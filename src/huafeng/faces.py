"""Where frontal faces are in a photo, and how gently they are painted. Needs OpenCV (the extra `portrait`).

Found by a Haar cascade (Viola & Jones, "Rapid Object Detection using a Boosted Cascade of Simple Features", CVPR 2001):
quick and small, but blind for profiles and for faces that are turned or covered.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from huafeng.errors import DataError
from huafeng.pixels import F32, U8, resize

if TYPE_CHECKING:
    import cv2

SIDE = 384  # px, short side at which faces are sought
SMALLEST = 0.1  # of the short side
NEIGHBOURS = 6  # detections that must agree
OVERLAP = 0.1  # of a frame within a larger one: then it is part of that face, or of the chin and collar below

PAINTED_PX = 600  # width at which a face is painted: on a smaller one strokes cover eyes and mouth
FINEST = 0.25  # strokes at least this large, compared to elsewhere: finer ones show nothing of the style
STRENGTH = 0.7  # of the style, inside a face
GENTLE = 0.75  # unless the edit says how gently: eyes and mouths stay clear, and a face still belongs to its picture
FEATHER = 2 / 3  # of the ellipse's radius: a third of its size
MASK_PX = 256  # more would not be seen in so soft a mask


class Frame(NamedTuple):
    """The frame of a face, from brow to chin, in the photo's pixels."""

    x: float
    y: float
    width: float
    height: float


class Place(NamedTuple):
    """The part of a photo that a face and its soft edge take: rows, columns, and mask uint8 [rows, columns], 255 = face."""

    rows: slice
    columns: slice
    mask: U8


class Manner(NamedTuple):
    """How a face is painted: the size of its strokes, compared to elsewhere, and the strength of the style, both 0..1."""

    stroke: float
    strength: float


def find_frames(picture: U8) -> list[Frame]:
    """Frontal faces in uint8 [H, W, 3], from a tenth of the short side on; largest first.

    Raises:
        DataError: OpenCV is not installed.
    """
    faces = cascade("haarcascade_frontalface_default", threading.get_ident())
    height, width = picture.shape[:2]
    scale = min(1.0, SIDE / min(height, width))
    step = max(1, int(0.25 / scale))  # every so many pixels are enough to shrink from, and cheap on large photos
    small = grey(resize(picture[::step, ::step], round(width * scale), round(height * scale)))
    least = round(SMALLEST * min(small.shape))
    found = np.array(faces.detectMultiScale(small, 1.1, NEIGHBOURS, minSize=(least, least))).reshape(-1, 4) / scale
    frames: list[Frame] = []
    for frame in sorted((Frame(*numbers) for numbers in found.tolist()), key=lambda frame: -frame.width):
        if all(_shared(frame, larger) <= OVERLAP for larger in frames):
            frames.append(frame)
    return frames


def face_mask(pixels: U8) -> U8:
    """The faces in uint8 [H, W, 3], each as a soft ellipse: a mask uint8 [H, W], 255 = face; all 0 where there are none.

    Raises:
        DataError: OpenCV is not installed.
    """
    height, width = pixels.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    for frame in find_frames(pixels):
        place = place_of(frame, width, height)
        mask[place.rows, place.columns] = np.maximum(mask[place.rows, place.columns], place.mask)
    return mask


def place_of(frame: Frame, width: int, height: int) -> Place:
    """Where in a photo of width x height a face is: an ellipse around the frame, its edge a smooth step outwards."""
    middle = np.array([frame.y + 0.55 * frame.height, frame.x + 0.5 * frame.width])  # a frame has more brow than chin
    radii = np.array([0.55 * frame.height, 0.45 * frame.width])
    reach = radii * (1 + FEATHER)
    first = np.maximum(np.floor(middle - reach), 0).astype(int)
    last = np.minimum(np.ceil(middle + reach), (height, width)).astype(int)
    down, across = (_steps(*axis) for axis in zip(first, last, middle, radii, strict=True))
    inward = np.clip((1 + FEATHER - np.hypot(down[:, None], across)) / FEATHER, 0, 1)
    mask = np.rint(255 * inward**2 * (3 - 2 * inward)).astype(np.uint8)
    rows, columns = (slice(int(start), int(stop)) for start, stop in zip(first, last, strict=True))
    return Place(rows, columns, resize(mask, columns.stop - columns.start, rows.stop - rows.start))


def manner(gentleness: float, painted_px: float) -> Manner:
    """How a face is painted that is `painted_px` wide at the working size; gentleness 0..1, 0 = as everything else."""
    stroke = min(1.0, max(FINEST, painted_px / PAINTED_PX))
    return Manner(stroke**gentleness, 1 - (1 - STRENGTH) * gentleness)


@cache
def cascade(name: str, thread: int) -> cv2.CascadeClassifier:
    """One a thread: a classifier keeps its scaled picture, and two threads in one crash the process.

    Raises:
        DataError: OpenCV is not installed, or has no cascades.
    """
    try:
        import cv2.data

        return cv2.CascadeClassifier(f"{cv2.data.haarcascades}{name}.xml")
    except (ImportError, AttributeError) as error:  # OpenCV 5 has no cascades
        raise DataError('Faces need OpenCV 4: pip install "huafeng[portrait]".') from error


def available() -> bool:
    """Whether faces can be sought: OpenCV is there, and has its cascades."""
    try:
        cascade("haarcascade_frontalface_default", threading.get_ident())
    except DataError:
        return False
    return True


def grey(picture: U8) -> U8:
    """uint8 [H, W, 3] -> [H, W], as the cascades want it."""
    import cv2

    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def _shared(frame: Frame, other: Frame) -> float:
    """The share of a frame that lies in another one."""
    across = min(frame.x + frame.width, other.x + other.width) - max(frame.x, other.x)
    down = min(frame.y + frame.height, other.y + other.height) - max(frame.y, other.y)
    return max(0.0, across) * max(0.0, down) / (frame.width * frame.height)


def _steps(first: int, last: int, middle: float, radius: float) -> F32:
    """Distances from the middle in radii, at most MASK_PX of them, evenly from pixel `first` to before `last`."""
    count = max(1, min(MASK_PX, last - first))
    at = first + (np.arange(count) + 0.5) * (last - first) / count
    return ((at - middle) / radius).astype(np.float32)
