"""The only place that knows value ranges and layouts.

Photos are uint8 [H, W, 3] in sRGB. Networks see float32 [1, 3, H, W] in 0..1 (RGB). Masks are uint8 [H, W], 255 = styled.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
Array = NDArray[Any]


def to_network(pixels: U8) -> F32:
    """uint8 [H, W, 3] -> float32 [1, 3, H, W] in 0..1."""
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))[None]
    return np.multiply(planes, np.float32(1 / 255), dtype=np.float32)


def from_network(planes: F32) -> U8:
    """float32 [1, 3, H, W], clipped to 0..1 -> uint8 [H, W, 3], rounded to nearest."""
    scaled = np.clip(planes[0], 0.0, 1.0) * np.float32(255) + np.float32(0.5)
    return np.ascontiguousarray(scaled.astype(np.uint8).transpose(1, 2, 0))


def resize(pixels: U8, width: int, height: int) -> U8:
    """uint8 [H, W] or [H, W, 3] -> the same at height x width; area-true when shrinking, bicubic when growing."""
    if pixels.shape[:2] == (height, width):
        return pixels
    shrinking = width * height < pixels.shape[0] * pixels.shape[1]
    image = Image.fromarray(pixels)
    how = Image.Resampling.BOX if shrinking else Image.Resampling.BICUBIC
    if shrinking:  # reducing by whole factors first keeps Lanczos cheap on large photos
        return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0))
    return np.asarray(image.resize((width, height), how))


def blend(under: U8, over: U8, amount: float | U8) -> U8:
    """under + (over - under) * amount, rounded; `amount` is 0..1, or a mask uint8 [H, W] (255 = over).

    An amount of 0 returns `under` exactly, an amount of 1 (255) returns `over` exactly.
    """
    if isinstance(amount, np.ndarray):
        mask = Image.fromarray(amount)
    else:
        if amount <= 0.0:
            return under
        if amount >= 1.0:
            return over
        mask = Image.new("L", (under.shape[1], under.shape[0]), round(amount * 255))
    return np.asarray(Image.composite(Image.fromarray(over), Image.fromarray(under), mask))
