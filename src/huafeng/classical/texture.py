"""Textures without chance: a hash of each lattice point's place, so that the same photo gives the same bits.

Integer hash: a finalizer of the kind of MurmurHash3 (Appleby). Noise out of lattice values: Perlin, SIGGRAPH 1985.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from huafeng.pixels import F32, Array


def hashed(x: Array, y: Array, seed: int) -> F32:
    """Numbers in 0..1 out of whole-numbered places, evenly spread; `x` and `y` are broadcast against each other."""
    value = x.astype(np.uint32) * np.uint32(0x9E3779B1) ^ (y.astype(np.uint32) + np.uint32(seed)) * np.uint32(0x85EBCA77)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        value = (value ^ (value >> np.uint32(shift))) * np.uint32(factor)
    value ^= value >> np.uint32(16)
    return (value >> np.uint32(8)).astype(np.float32) / np.float32(2**24)


def white(size: tuple[int, int], seed: int) -> F32:
    """White noise of `size` (height, width), mean 0, deviation 1 (evenly spread)."""
    height, width = size
    values = hashed(np.arange(width)[None], np.arange(height)[:, None], seed)
    return (values - np.float32(0.5)) * np.float32(12**0.5)


def clouds(size: tuple[int, int], cell: float, seed: int, octaves: int = 1) -> F32:
    """Smooth noise of `size` (height, width) about 0, deviation about 1: values every `cell` px, half of it, and so on."""
    height, width = size
    total, power = np.zeros(size, np.float32), 0.0
    for octave in range(octaves):
        step = max(1.0, cell / 2**octave)
        rows, columns = int(height / step) + 3, int(width / step) + 3
        lattice = Image.fromarray(white((rows, columns), seed + octave))
        box = (1.0, 1.0, 1 + width / step, 1 + height / step)
        total += np.asarray(lattice.resize((width, height), Image.Resampling.BICUBIC, box=box)) / 2**octave
        power += 0.5 / 4**octave  # bicubic interpolation keeps about half of the variance
    return total / np.float32(power**0.5)


def hatching(size: tuple[int, int], pitch: float, length: float, angle: float, seed: int) -> F32:
    """Strokes of one hand in one direction: noise of `size` (height, width), mean 0, deviation about 1.

    `pitch` px: between strokes; `length` px: sigma of a mean along them; `angle`: radians, clockwise from the right.
    """
    height, width = size
    across, squeezed = max(1.0, pitch / 2), max(1.0, length / 4)
    side = float(np.hypot(height, width))
    rows, columns = int(side / across) + 4, int(side / squeezed) + 4
    noise = white((rows, columns), seed)
    weights = np.exp(-0.5 * (np.arange(-9, 10) * squeezed / length) ** 2)
    weights /= np.sqrt((weights**2).sum())
    strokes = sum(weight * np.roll(noise, by, 1) for weight, by in zip(weights.astype(np.float32), range(-9, 10), strict=True))
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    middle_x, middle_y = (
        columns / 2 - (cos * width + sin * height) / 2 / squeezed,
        rows / 2 - (cos * height - sin * width) / 2 / across,
    )
    turned = (cos / squeezed, sin / squeezed, middle_x, -sin / across, cos / across, middle_y)
    image = Image.fromarray(np.asarray(strokes, np.float32))
    result = np.asarray(image.transform((width, height), Image.Transform.AFFINE, turned, Image.Resampling.BICUBIC))
    return result / result.std()
