"""The only place that knows value ranges and layouts.

Photos are uint8 [H, W, 3] in sRGB; the generator's graphs take and give them so, and change to floats inside. Masks are
uint8 [H, W], 255 = styled. Colour tables are float32 in 0..1.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
Array = NDArray[Any]


def resize(pixels: U8, width: int, height: int) -> U8:
    """uint8 [H, W] or [H, W, 3] -> the same at height x width; Lanczos when shrinking, bicubic when growing."""
    if pixels.shape[:2] == (height, width):
        return pixels
    image = Image.fromarray(pixels)
    if width * height > pixels.shape[0] * pixels.shape[1]:
        return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
    # reducing by whole factors first keeps Lanczos cheap on large photos
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=1.3))


def blend(under: U8, over: U8, amount: float | U8, *, threads: int = 1) -> U8:
    """under + (over - under) * amount, rounded; both uint8 [H, W, 3], `amount` 0..1 or a mask uint8 [H, W] (255 = over).

    An amount of 0 returns `under` exactly, an amount of 1 (255) returns `over` exactly.
    """
    if isinstance(amount, float | int):
        if amount <= 0 or amount >= 1:
            return under if amount <= 0 else over
        amount = np.full(under.shape[:2], round(amount * 255), np.uint8)
    mask, result = amount[:, :, None], np.empty_like(under)

    def strip(top: int, bottom: int) -> None:
        share = mask[top:bottom].astype(np.uint16)
        sum255 = under[top:bottom] * (255 - share) + over[top:bottom] * share + np.uint16(128)
        result[top:bottom] = (sum255 + (sum255 >> 8)) >> 8  # = round(sum255 / 255), without a division

    in_strips(strip, under.shape[0], 16, threads)  # few rows: they stay in the cache
    return result


def in_strips(work: Callable[[int, int], None], height: int, rows: int, threads: int) -> None:
    """Call `work(top, bottom)` for strips of `rows` rows that cover the height, each row once, over threads."""
    tops = range(0, height, rows)
    if threads <= 1 or len(tops) == 1:
        for top in tops:
            work(top, min(top + rows, height))
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda top: work(top, min(top + rows, height)), tops))
