"""How much of a result is merely its photo, recoloured: all of a colour filter's, about nothing of an unrelated picture."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from huafeng.pixels import U8

F64 = NDArray[np.float64]

FEED_PX = 160  # short side of a photo in a feed
DEGREE = 3
RIDGE = 1e-6  # times the count of pixels: keeps the map smooth where a photo's colours hardly vary


def recoloured(photo: U8, result: U8, short_side_px: int | None = None) -> float:
    """Share of the result's variance (RGB) that the best cubic colour map of the photo explains (R^2, by ridge regression).

    A curve, a table, a tint are nearly such maps, so that 1 is a filter; shapes that were simplified, contours that were drawn
    anew and strokes are not.

    Args:
        photo, result: uint8 [H, W, 3] of equal size.
        short_side_px: to which both are shrunk first, by means over areas; None: as they are.

    Returns:
        The share, at most 1 and hardly below 0; NaN where the result is of one colour, which leaves nothing to explain.
    """
    x, y = (np.moveaxis(_shrunk(picture, short_side_px), -1, 0).reshape(3, -1) / 255 for picture in (photo, result))
    if not np.ptp(y, axis=1).any():
        return np.nan
    terms = _monomials(x)
    weights = np.linalg.solve(terms @ terms.T + RIDGE * terms.shape[1] * np.eye(len(terms)), terms @ y.T)
    left = y - (weights.T @ terms).clip(0, 1)  # as colours are
    return 1 - float(np.square(left).sum() / np.square(y - y.mean(1, keepdims=True)).sum())


def _monomials(x: F64) -> F64:
    """[3, N] -> [20, N]: all products of at most DEGREE of the three values."""
    found: dict[tuple[int, ...], F64] = {(): np.ones(x.shape[1])}
    for degree in range(1, DEGREE + 1):
        found |= {c: found[c[:-1]] * x[c[-1]] for c in combinations_with_replacement(range(3), degree)}
    return np.stack(list(found.values()))


def _shrunk(picture: U8, short_side_px: int | None) -> U8:
    height, width = picture.shape[:2]
    scale = (short_side_px or min(height, width)) / min(height, width)
    if scale >= 1:
        return picture
    size = round(width * scale), round(height * scale)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
