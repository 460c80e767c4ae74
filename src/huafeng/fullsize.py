"""From the working size back to the photo's own size, with the photo's own fine detail.

The detail is what shrinking took away: the photo's luminance minus that of its shrunk copy, enlarged again. Faint detail
(sensor noise) is left out, so that flat paint stays flat.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from huafeng.pixels import U8, in_strips

I16 = NDArray[np.int16]

NOISE = 3  # detail up to this many of 255 levels is taken for noise
STRIP = 256  # rows at a time


def enlarge(painted: U8, photo: U8, working: U8, detail: float, *, threads: int = 1) -> U8:
    """Painted picture uint8 [h, w, 3] -> uint8 [H, W, 3], the photo's size.

    `photo` uint8 [H, W, 3]; `working` uint8 [h, w, 3] is the shrunk photo that was painted; `detail` in 0..1 says how much of
    the photo's fine luminance detail comes back. Works in strips: memory is the result's, plus a few rows a thread.
    """
    height, width = photo.shape[:2]
    if painted.shape == photo.shape:
        return painted
    shrunk = height * width > painted.shape[0] * painted.shape[1]
    result = np.empty_like(photo)
    small, luma = Image.fromarray(painted), Image.fromarray(working).convert("L")

    def strip(top: int, bottom: int) -> None:
        rows = rows_of(small, top, bottom, width, height)
        if detail > 0 and shrunk:
            light = np.asarray(Image.fromarray(photo[top:bottom]).convert("L"), dtype=np.int16)
            fine = light - rows_of(luma, top, bottom, width, height)
            fine -= np.clip(fine, -NOISE, NOISE)
            fine = np.rint(fine * np.float32(detail)).astype(np.int16)
            rows = np.clip(rows + fine[:, :, None], 0, 255)
        result[top:bottom] = rows

    in_strips(strip, height, STRIP, threads)
    return result


def keep_colors(styled: U8, photo: U8, *, threads: int = 1) -> U8:
    """The styled picture's luminance with the photo's own colour (YCbCr chroma); both uint8 [H, W, 3]."""
    result = np.empty_like(photo)

    def strip(top: int, bottom: int) -> None:
        luma = Image.fromarray(styled[top:bottom]).convert("L")
        _, blue, red = Image.fromarray(photo[top:bottom]).convert("YCbCr").split()
        result[top:bottom] = np.asarray(Image.merge("YCbCr", (luma, blue, red)).convert("RGB"))

    in_strips(strip, photo.shape[0], STRIP, threads)
    return result


def rows_of(image: Image.Image, top: int, bottom: int, width: int, height: int) -> I16:
    """Rows top..bottom of `image` enlarged to width x height, without enlarging the rest: [bottom - top, width(, 3)]."""
    scale = image.height / height
    margin = math.ceil(4 / scale)  # Pillow reads nothing outside the box: take in the bicubic kernel's reach
    # STRIP rows at least: Pillow orders its two passes by the size, and a short last strip would be rounded otherwise
    first, last = max(0, min(top, bottom - STRIP) - margin), min(height, bottom + margin)
    box = (0.0, first * scale, float(image.width), min(last * scale, float(image.height)))
    grown = image.resize((width, last - first), Image.Resampling.BICUBIC, box=box)
    return np.asarray(grown, dtype=np.int16)[top - first : bottom - first]
