"""From the filter's own size to the photo's: colours softly, edges of ink crisply, grain as fine as the photo's pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from huafeng.classical.planes import pixels_of
from huafeng.classical.texture import clouds, white
from huafeng.fullsize import STRIP, rows_of
from huafeng.pixels import F32, U8, Array, in_strips

TILE = 1024  # px: of the grain, which has nothing coarse in it that would be seen again
Color = Sequence[int]


def grain_tile(scale: float, seed: int) -> F32:
    """A square of fine grain for a photo `scale` times as large as the filter's picture: mean 0, deviation about 1."""
    cell = max(1.0, scale)
    return 0.75 * clouds((TILE, TILE), 1.6 * cell, seed) + 0.45 * white((TILE, TILE), seed + 7)


def crisp(field: F32, width: int, height: int, *, softness: float = 1.0, threads: int = 1) -> U8:
    """How much ink lies at each pixel of the large picture: uint8 [height, width].

    `field` [h, w] is positive where there is ink, and grows by about one a pixel at its edges; it is enlarged and then cut at
    0 by a step of `softness` px of the large picture.
    """
    scale = width / field.shape[1]
    steep = scale / (softness * 48)  # of a level of the field, as it is stored in a byte
    small = Image.fromarray(np.clip(np.rint(128 + 48 * field), 0, 255).astype(np.uint8))
    t = np.clip((np.arange(256) - 128) * min(steep, 1 / 24) + 0.5, 0, 1)
    table = np.rint(255 * t * t * (3 - 2 * t)).astype(np.uint8)
    result = np.empty((height, width), np.uint8)

    def strip(top: int, bottom: int) -> None:
        result[top:bottom] = table.take(_rows(small, top, bottom, width, height))

    in_strips(strip, height, STRIP, threads)
    return result


def enlarged(planes: Array, width: int, height: int, *, threads: int = 1) -> U8:
    """[3, h, w] in 0..1 -> uint8 [height, width, 3]."""
    small = Image.fromarray(pixels_of(planes))
    result = np.empty((height, width, 3), np.uint8)

    def strip(top: int, bottom: int) -> None:
        result[top:bottom] = _rows(small, top, bottom, width, height)

    in_strips(strip, height, STRIP, threads)
    return result


def pencilled(pencil: F32, width: int, height: int, paper: Color, lead: Color, grain_px: float, *, threads: int = 1) -> U8:
    """Graphite [h, w] (0 = bare paper, 1 = black) on rough paper: uint8 [height, width, 3].

    The paper's grain, of `grain_px` of the small picture, is laid at full size: lead catches on its hills, most in half tones.
    """
    cell = grain_px * width / pencil.shape[1]
    grain = np.rint(42 * min(1.0, cell) * grain_tile(max(1.0, cell), 31)).astype(np.int16)
    grain = np.tile(grain, (1, -(-width // TILE)))[:, :width]
    level = np.arange(256)
    catching = np.rint(230 * np.sin(np.pi * level / 255) + 20).astype(np.int16)
    tables = [np.rint(np.linspace(light, dark, 256)).astype(np.uint8) for light, dark in zip(paper, lead, strict=True)]
    small = Image.fromarray(pixels_of(pencil))
    result = np.empty((height, width, 3), np.uint8)

    def strip(top: int, bottom: int) -> None:
        rows = _rows(small, top, bottom, width, height)
        rough = grain.take(np.arange(top, bottom) % TILE, axis=0)
        rows = np.clip(rows + ((catching.take(rows) * rough) >> 8), 0, 255)
        for channel, table in enumerate(tables):
            result[top:bottom, :, channel] = table.take(rows)

    in_strips(strip, height, STRIP, threads)
    return result


def _rows(small: Image.Image, top: int, bottom: int, width: int, height: int) -> U8:
    """Rows of a picture that has the size width x height, or is brought to it."""
    if small.size == (width, height):
        return np.asarray(small)[top:bottom]
    return np.clip(rows_of(small, top, bottom, width, height), 0, 255).astype(np.uint8)
