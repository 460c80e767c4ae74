"""Planes: float32 [..., h, w], a picture's channels one after another, and the few operations that all filters share."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from huafeng.pixels import F32, U8, Array

_CONTRAST = 0.3  # of a luminance that may be stretched wholly
_DIRECT = 3.0  # px: a wider Gaussian is taken of a reduced plane


def planes_of(pixels: U8) -> F32:
    """uint8 [h, w, 3] -> float32 [3, h, w] in 0..1."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32) / np.float32(255)


def pixels_of(planes: Array) -> U8:
    """Float32 [3, h, w] in 0..1, or [h, w], clipped -> uint8 [h, w, 3] or [h, w]."""
    levels = (np.clip(planes, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(1, 2, 0)) if planes.ndim == 3 else levels


def luma(planes: F32) -> F32:
    """[3, h, w] -> [h, w] (ITU-R 601)."""
    return np.float32(0.299) * planes[0] + np.float32(0.587) * planes[1] + np.float32(0.114) * planes[2]


def scaled(plane: F32, width: int, height: int) -> F32:
    """[h, w] -> [height, width]: bicubic where it grows, a triangle over what shrinks."""
    grows = width > plane.shape[1]
    image = Image.fromarray(plane)
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC if grows else Image.Resampling.BILINEAR))


def blur(planes: F32, sigma: float) -> F32:
    """A Gaussian of `sigma` px over [..., h, w], whose edges are continued outwards."""
    if planes.ndim > 2:
        return np.stack([blur(plane, sigma) for plane in planes])
    if sigma < 0.2:
        return planes
    height, width = planes.shape
    factor = min(sigma / 2, min(height, width) / 8) if sigma > _DIRECT else 1.0
    if factor <= 1:
        return _convolved(_convolved(planes, sigma, 0), sigma, 1)
    small = scaled(planes, max(1, round(width / factor)), max(1, round(height / factor)))
    triangle = factor**2 / 6  # the variance that shrinking has brought
    return scaled(blur(small, (sigma**2 - triangle) ** 0.5 * small.shape[1] / width), width, height)


def _convolved(plane: F32, sigma: float, axis: int) -> F32:
    reach = max(1, math.ceil(2.6 * sigma))
    weights = np.exp(-0.5 * (np.arange(reach + 1) / sigma) ** 2)
    weights = (weights / (weights[0] + 2 * weights[1:].sum())).astype(np.float32)
    size = plane.shape[axis]
    padded = np.pad(plane, [(reach, reach) if place == axis else (0, 0) for place in range(2)], mode="edge")

    def moved(by: int) -> F32:
        return padded[reach + by : reach + by + size] if axis == 0 else padded[:, reach + by : reach + by + size]

    result = weights[0] * plane
    both = np.empty_like(plane)
    for by in range(1, reach + 1):
        np.add(moved(by), moved(-by), out=both)
        both *= weights[by]
        result += both
    return result


def smoothstep(values: Array, low: float | Array, high: float | Array) -> F32:
    """0 below `low`, 1 above `high`, a smooth step between them: t^2 (3 - 2 t)."""
    t = np.clip((values - low) / np.maximum(np.subtract(high, low, dtype=np.float32), np.float32(1e-6)), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def stretched(light: F32, percent: float) -> F32:
    """[h, w] in 0..1 with `percent` of its pixels below 0 and above 1, clipped; little contrast is stretched little."""
    low, high = np.percentile(light[::4, ::4], (percent, 100 - percent)).astype(np.float32)
    share = np.float32(min(1.0, (high - low) / _CONTRAST))
    whole = np.clip((light - low) / max(high - low, np.float32(_CONTRAST)), 0, 1)
    return np.asarray(light + share * (whole - light), np.float32)


def saturated(planes: F32, factor: float | F32) -> F32:
    """[3, h, w] with its colours' distance from grey times `factor`."""
    light = luma(planes)
    return np.asarray(light + (planes - light) * factor, np.float32)


def gradient(plane: F32) -> tuple[Array, Array]:
    """Central differences down and across, per px; edges are continued outwards."""
    framed = np.pad(plane, 1, mode="edge")
    return (framed[2:, 1:-1] - framed[:-2, 1:-1]) / 2, (framed[1:-1, 2:] - framed[1:-1, :-2]) / 2


def moved(planes: F32, right: Array, down: Array) -> F32:
    """[C, h, w] read at places that lie `right` and `down` px away (to the nearest pixel)."""
    channels, height, width = planes.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    at_x = np.clip(np.rint(x + right), 0, width - 1).astype(np.int32)
    at_y = np.clip(np.rint(y + down), 0, height - 1).astype(np.int32)
    return planes.reshape(channels, -1).take(at_y * np.int32(width) + at_x, axis=1)
