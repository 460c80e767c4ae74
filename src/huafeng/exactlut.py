"""Colour tables of other programs, evaluated as they do: curves at their own size, clipped after the interpolation."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from huafeng.errors import LutError
from huafeng.look import APPLIED_SIZE, MAX_SIZE, Lut, sample_grid
from huafeng.pixels import F32, U8, Array

LARGEST = 256  # nodes per axis
_LEVELS = 256  # of a photo's channel: all that comes before the table is one position for each
_FARTHEST = 1e4  # of a table's values, beyond which they are all the same: clipped
_CHUNK = 1 << 16  # colours at a time, per thread
_FEW = 1 << 17  # pixels; with more, each colour is worked out once


@dataclass(frozen=True, eq=False)
class ExactLut:
    """A 3D table behind a curve for each channel.

    inputs: float32 [256, 3], where each level of red, green, blue lies on the table's axes, 0..1.
    table: float32 [N, N, N, 3] indexed [r, g, b], N in 2..256; values may be beyond 0..1.

    Raises:
        LutError: another shape or type, or values that are not finite.
    """

    inputs: F32
    table: F32

    def __post_init__(self) -> None:
        inputs, table = self.inputs, self.table
        size = len(table)
        if table.dtype != np.float32 or table.shape != (size, size, size, 3) or not 2 <= size <= LARGEST:
            raise LutError(f"A colour table must be float32 [N, N, N, 3] with N from 2 to {LARGEST}, not {list(table.shape)}.")
        if inputs.dtype != np.float32 or inputs.shape != (_LEVELS, 3):
            raise LutError(f"A colour table's inputs must be float32 [256, 3], not {list(inputs.shape)}.")
        if not (np.isfinite(table).all() and inputs.min() >= 0 and inputs.max() <= 1):  # NaN fails as well
            raise LutError("A colour table must hold finite numbers, its inputs numbers from 0 to 1.")

    @classmethod
    def of(cls, table: Array, inputs: Array | None = None) -> ExactLut:
        """Of floats of any type; positions beyond 0..1 are clipped, None is the photo's own levels."""
        if inputs is None:
            inputs = np.repeat(np.linspace(0, 1, _LEVELS)[:, None], 3, 1)
        values = np.clip(np.nan_to_num(table, nan=0.0), -_FARTHEST, _FARTHEST)
        return cls(np.clip(inputs, 0, 1).astype(np.float32), np.ascontiguousarray(values, np.float32))

    def plain(self) -> Lut:
        """The same as one table over 0..1: the table itself where that is all, else baked into 65 nodes per axis or more."""
        levels = np.linspace(0, 1, _LEVELS)
        untouched = np.abs(self.inputs - levels[:, None]).max() < 1e-6
        if untouched and len(self.table) <= MAX_SIZE:
            return Lut(np.clip(self.table, 0, 1))
        nodes = np.linspace(0, 1, min(max(APPLIED_SIZE, len(self.table)), MAX_SIZE) if not untouched else APPLIED_SIZE)
        red, green, blue = (np.interp(nodes, levels, self.inputs[:, channel]) for channel in range(3))
        return Lut(sample_grid(np.clip(self.table, 0, 1), (red, green, blue)))


def apply_exact(pixels: U8, lut: ExactLut, *, threads: int, interpolation: str = "trilinear") -> U8:
    """Every pixel of uint8 [H, W, 3] through the table, "trilinear" or "tetrahedral", in float32; clipped at the end."""
    table = lut.table.reshape(-1, 3)
    place = lut.inputs.astype(np.float64) * (len(lut.table) - 1)  # [256, 3]
    below = np.minimum(place.astype(np.int64), len(lut.table) - 2)
    part = (place - below).astype(np.float32)
    strides = np.array([len(lut.table) ** 2, len(lut.table), 1])
    look_up = _tetrahedral if interpolation == "tetrahedral" else _trilinear

    def run(colors: U8) -> U8:
        base = sum(below[colors[:, c], c] * strides[c] for c in range(3))
        parts = np.stack([part[colors[:, c], c] for c in range(3)], 1)
        values = look_up(table, np.asarray(base), parts, strides)
        return (np.clip(values, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)

    def all_of(colors: U8) -> U8:
        chunks = [colors[start : start + _CHUNK] for start in range(0, len(colors), _CHUNK)]
        with ThreadPoolExecutor(threads) as pool:
            return np.concatenate(list(pool.map(run, chunks)))

    flat = pixels.reshape(-1, 3)
    if len(flat) <= _FEW:
        return all_of(flat).reshape(pixels.shape)
    codes = flat[:, 0].astype(np.uint32) << 16 | flat[:, 1].astype(np.uint32) << 8 | flat[:, 2]
    seen = np.zeros(1 << 24, bool)
    seen[codes] = True
    distinct = np.flatnonzero(seen)
    colors = np.stack([distinct >> 16, distinct >> 8 & 255, distinct & 255], 1).astype(np.uint8)
    memo = np.empty((1 << 24, 3), np.uint8)
    memo[distinct] = all_of(colors)
    return memo[codes].reshape(pixels.shape)


def _trilinear(table: F32, base: Array, parts: F32, strides: Array) -> F32:
    """The textbook sum over the eight corners, axis by axis."""
    red, green, blue = (parts[:, c, None] for c in range(3))

    def along_blue(offset: int) -> F32:
        low = table[base + offset]
        return np.asarray(low + (table[base + offset + strides[2]] - low) * blue)

    def along_green(offset: int) -> F32:
        low = along_blue(offset)
        return np.asarray(low + (along_blue(offset + strides[1]) - low) * green)

    low = along_green(0)
    return np.asarray(low + (along_green(int(strides[0])) - low) * red)


def _tetrahedral(table: F32, base: Array, parts: F32, strides: Array) -> F32:
    """From the lower corner to the upper one along the axes in the order of their parts, the largest first."""
    order = np.argsort(-parts, axis=1, kind="stable")
    sorted_parts = np.take_along_axis(parts, order, 1)
    values = table[base]
    result = values.copy()
    for step in range(3):
        base = base + strides[order[:, step]]
        following = table[base]
        result += (following - values) * sorted_parts[:, step, None]
        values = following
    return result
