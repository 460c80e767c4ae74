"""Coarse masks made to follow the photo's own edges.
The guided filter (He, Sun & Tang, TPAMI 2013): in every small window the mask is a linear function of the photo's colour. The
functions are found on a small picture and used on the large one (He & Sun, "Fast Guided Filter", 2015).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from huafeng.pixels import F32, U8, in_strips

Places = NDArray[np.intp]

RADIUS = 4  # px of the small picture
SMOOTH = 3e-4  # variance of colour (0..1) that is no edge
VEIL = 0.08  # so little is none, and so little from full is full
STRIP = 64


def follow_edges(mask: U8, small: U8, pixels: U8, *, threads: int = 1) -> U8:
    """A mask of a small picture, as one of the large picture whose edges it follows.

    Args:
        mask: uint8 [h, w].
        small: uint8 [h, w, 3].
        pixels: uint8 [H, W, 3], the same picture.
        threads: how many share the work at full size.

    Returns:
        uint8 [H, W].
    """
    full = np.float32(255)
    terms = _terms(mask.astype(np.float32) / full, small.astype(np.float32) / full)
    height, width = pixels.shape[:2]
    result = np.empty((height, width), np.uint8)
    left, right, part = _between(np.arange(width), width, terms.shape[1])

    def strip(top: int, bottom: int) -> None:
        above, below, share = _between(np.arange(top, bottom), height, terms.shape[0])
        rows = terms[above] + share[:, None, None] * (terms[below] - terms[above])
        rows = rows[:, left] + part[:, None] * (rows[:, right] - rows[:, left])
        value = np.einsum("hwc,hwc->hw", rows[..., :3], pixels[top:bottom], dtype=np.float32) / 255 + rows[..., 3]
        result[top:bottom] = np.rint(255 * np.clip((value - VEIL) / (1 - 2 * VEIL), 0, 1))

    in_strips(strip, height, STRIP, threads)
    return result


def _terms(mask: F32, guide: F32) -> F32:
    """mask = a . colour + b: a and b as [h, w, 4]."""
    mean = box_mean
    color, level = mean(guide), mean(mask)
    together = mean(guide * mask[..., None]) - color * level[..., None]
    spread = np.empty((*mask.shape, 3, 3), np.float32)
    for one in range(3):
        for other in range(one, 3):
            moment = mean(guide[..., one] * guide[..., other]) - color[..., one] * color[..., other]
            spread[..., one, other] = spread[..., other, one] = moment
    slopes = np.linalg.solve(spread + SMOOTH * np.eye(3, dtype=np.float32), together[..., None])[..., 0]
    offset = level - (slopes * color).sum(-1)
    return mean(np.concatenate([slopes, offset[..., None]], -1).astype(np.float32))


def box_mean(values: F32) -> F32:
    """The mean of [h, w] or [h, w, C] over squares of 2 RADIUS + 1, the rim repeated outwards."""
    size = 2 * RADIUS + 1
    for axis in (0, 1):
        around = [(RADIUS + 1, RADIUS) if at == axis else (0, 0) for at in range(values.ndim)]
        sums = np.cumsum(np.pad(values, around, mode="edge"), axis=axis, dtype=np.float64)
        length = values.shape[axis]
        last, first = (np.take(sums, np.arange(length) + start, axis=axis) for start in (size, 0))
        values = ((last - first) / size).astype(np.float32)
    return values


def _between(at: Places, length: int, small: int) -> tuple[Places, Places, F32]:
    """Pixels of a line of `length` on one of `small`: the neighbours before and after, and how far towards the latter."""
    place = np.clip((at + 0.5) * small / length - 0.5, 0, small - 1)
    before = place.astype(np.intp)
    return before, np.minimum(before + 1, small - 1), (place - before).astype(np.float32)
