"""Where faces are in a photo, and how gently they are painted.

Found by CenterFace (Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point", 2019) where it is
installed (`models.py`), in profile and on close-ups as well. Else by OpenCV's Haar cascade (Viola & Jones, "Rapid Object
Detection using a Boosted Cascade of Simple Features", CVPR 2001; the extra `portrait`), which is blind for these.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from huafeng import models
from huafeng.errors import DataError
from huafeng.pixels import F32, U8, resize

if TYPE_CHECKING:
    import cv2

SIDE = 384  # px, short side at which faces are sought
CLOSE_UP_SIDE = 160  # px, the same for faces that fill the picture or reach beyond it
STRIDE = 32  # px; CenterFace's pictures have multiples of it as sides
CELL = 4  # px of CenterFace's maps
SURE = 0.5  # CenterFace's confidence
SAME = 0.3  # intersection over union from which on two of its frames are one face
NARROWEST = 0.05  # of the short side
SMALLEST = 0.1  # the same for the cascade, which sees faces everywhere below
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
    """Faces in uint8 [H, W, 3], largest first: CenterFace's if that is installed, else the cascade's.

    Raises:
        DataError: neither is there.
    """
    return center_frames(picture) if models.ready(models.FACES) else cascade_frames(picture)


def center_frames(picture: U8) -> list[Frame]:
    """Faces in uint8 [H, W, 3] that CenterFace finds, from a twentieth of the short side on; largest first.

    Frames are squares of the area that the network gives: about those of the cascade.

    Raises:
        DataError: it is not installed.
    """
    session = models.session(models.FACES)
    height, width = picture.shape[:2]
    found: list[tuple[float, Frame]] = []
    for side in (SIDE, CLOSE_UP_SIDE):
        scale = side / min(height, width)
        sides = [STRIDE * max(1, round(length * scale / STRIDE)) for length in (width, height)]
        pixels = resize(picture, *sides).astype(np.float32).transpose(2, 0, 1)[None]
        heat, size, offset, _ = session.run({"input.1": pixels}).values()
        found += decode(heat[0, 0], size[0], offset[0], width / sides[0], height / sides[1])
    frames: list[Frame] = []
    for _, frame in sorted(found, reverse=True):
        if frame.width >= NARROWEST * min(height, width) and all(_union(frame, other) < SAME for other in frames):
            frames.append(frame)
    return sorted(frames, key=lambda frame: -frame.width)


def decode(heat: F32, size: F32, offset: F32, across: float, down: float) -> list[tuple[float, Frame]]:
    """Confidences and frames out of CenterFace's maps.

    Args:
        heat: confidence 0..1 that a face's middle is in the cell [h, w].
        size: logarithms of height and width in cells [2, h, w].
        offset: where in the cell the middle is, down and across [2, h, w].
        across, down: the photo's pixels in a pixel of the network's picture.
    """
    rows, columns = np.nonzero(heat > SURE)
    tall, wide = CELL * np.exp(size[:, rows, columns].astype(np.float64)) * [[down], [across]]
    y = CELL * down * (rows + offset[0, rows, columns] + 0.5)
    x = CELL * across * (columns + offset[1, rows, columns] + 0.5)
    side = np.sqrt(tall * wide)
    corners = np.stack([x - side / 2, y - side / 2, side, side], 1)
    return [(float(sure), Frame(*corner)) for sure, corner in zip(heat[rows, columns], corners.tolist(), strict=True)]


def cascade_frames(picture: U8) -> list[Frame]:
    """Frontal faces in uint8 [H, W, 3] that the cascade finds, from a tenth of the short side on; largest first.

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
        DataError: there is nothing that finds faces.
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
        raise DataError(f'Faces need a finder: {models.INSTALL}, or OpenCV 4: pip install "huafeng[portrait]".') from error


def available() -> bool:
    """Whether faces can be sought: CenterFace is installed, or OpenCV is there with its cascades."""
    return models.ready(models.FACES) or has_opencv()


def has_opencv() -> bool:
    """Whether OpenCV is there, with its cascades."""
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


def _union(frame: Frame, other: Frame) -> float:
    """Intersection over union."""
    common = _shared(frame, other) * frame.width * frame.height
    return common / (frame.width * frame.height + other.width * other.height - common)


def _steps(first: int, last: int, middle: float, radius: float) -> F32:
    """Distances from the middle in radii, at most MASK_PX of them, evenly from pixel `first` to before `last`."""
    count = max(1, min(MASK_PX, last - first))
    at = first + (np.arange(count) + 0.5) * (last - first) / count
    return ((at - middle) / radius).astype(np.float32)
