"""Looks: colour and tone by a 3D lookup table (LUT). A look never moves a pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from huafeng.errors import LutError
from huafeng.pixels import F32, U8, Array

U32 = NDArray[np.uint32]

MIN_SIZE, MAX_SIZE = 2, 129
APPLIED_SIZE = 65  # the largest table that Pillow's Color3DLUT takes

_STRIP_PIXELS = 1 << 18  # large beside a table, which Pillow prepares anew for every strip
_MEMO_PIXELS = 1 << 20  # a smaller photo does not earn back a memo
_DONE = np.uint32(0xFF000000)  # the fourth byte of a colour that has been through the LUT


@dataclass(frozen=True, eq=False)
class Lut:
    """A 3D lookup table over the sRGB cube, trilinear between its nodes.

    table: float32 [N, N, N, 3] indexed [r, g, b], N in 2..129, values 0..1 (result r, g, b), read-only.
    An array that is passed in is not copied where it has this layout already: do not change it afterwards.

    Raises:
        LutError: another shape or type, or values that are not numbers in 0..1.
    """

    table: F32

    def __post_init__(self) -> None:
        table = self.table
        if not isinstance(table, np.ndarray) or table.dtype != np.float32:
            what = table.dtype if isinstance(table, np.ndarray) else type(table).__name__
            raise LutError(f"A colour table must be a float32 array, not {what}.")
        if table.ndim != 4 or table.shape != (len(table),) * 3 + (3,) or not MIN_SIZE <= len(table) <= MAX_SIZE:
            raise LutError(
                f"A colour table must have the shape [N, N, N, 3] with N from {MIN_SIZE} to {MAX_SIZE}, "
                f"not {list(table.shape)}."
            )
        if not (table.min() >= 0 and table.max() <= 1):  # NaN fails as well
            raise LutError("A colour table must hold numbers from 0 to 1, this one has others.")
        view = np.ascontiguousarray(table).view()
        view.flags.writeable = False
        object.__setattr__(self, "table", view)

    @property
    def size(self) -> int:
        """Nodes per axis, N."""
        return len(self.table)

    @classmethod
    def identity(cls, size: int) -> Self:
        """The LUT that changes nothing, `size` nodes per axis."""
        if not MIN_SIZE <= size <= MAX_SIZE:
            raise LutError(f"A colour table has from {MIN_SIZE} to {MAX_SIZE} nodes per axis, not {size}.")
        nodes = np.linspace(0, 1, size, dtype=np.float32)
        return cls(np.stack(np.meshgrid(nodes, nodes, nodes, indexing="ij"), axis=-1))

    @classmethod
    def mixed(cls, weights: Sequence[float], luts: Sequence[Lut]) -> Self:
        """The mean of LUTs by weights (>= 0; they need not sum to 1), at the size of the largest.

        Raises:
            LutError: no LUTs, not one weight for each, or weights that are negative, not finite or all 0.
        """
        shares = np.asarray(weights, dtype=np.float64)
        if not luts or shares.shape != (len(luts),):
            raise LutError(f"A mix needs one weight for each colour table, not {shares.size} for {len(luts)}.")
        total = shares.sum()
        if not (np.isfinite(total) and (shares >= 0).all() and total > 0):
            raise LutError(f"The weights of a mix must be 0 or more and not all 0, not {list(weights)}.")
        size = max(lut.size for lut in luts)
        tables = (np.float32(share) * lut.resampled(size).table for share, lut in zip(shares / total, luts, strict=True))
        return cls(_unit(sum(tables, start=np.zeros((size, size, size, 3), np.float32))))

    def resampled(self, size: int) -> Lut:
        """The same LUT on `size` nodes per axis, by trilinear interpolation.

        Exact at the nodes that both grids share, so on the whole cube if `size` - 1 is a multiple of N - 1.
        """
        if size == self.size:
            return self
        nodes = Lut.identity(size).table[:, 0, 0, 0]
        return Lut(sample_grid(self.table, (nodes, nodes, nodes)))

    def with_strength(self, strength: float) -> Lut:
        """identity + strength * (this - identity), `strength` in 0..1; exactly the identity at 0 and this at 1."""
        if not 0 <= strength <= 1:
            raise LutError(f"The strength of a look must be from 0 to 1, not {strength}.")
        if strength == 1:
            return self
        identity = Lut.identity(self.size).table
        return Lut(_unit(identity + np.float32(strength) * (self.table - identity)))


def sample_grid(table: Array, axes: tuple[Array, Array, Array]) -> F32:
    """A table at the grid points (r, g, b) of three axes, by trilinear interpolation.

    Args:
        table: floats [R, G, B, 3], its nodes evenly over 0..1 on each axis.
        axes: the positions along r, g and b, float [N] each, clipped to 0..1.

    Returns:
        float32 [N, N, N, 3], clipped to 0..1.
    """
    # A grid's trilinear interpolation is three linear ones, axis by axis.
    for axis, positions in enumerate(axes):
        last = table.shape[axis] - 1
        place = np.clip(np.asarray(positions, np.float64), 0, 1) * last
        below = np.minimum(place.astype(np.intp), last - 1)
        shape = [1, 1, 1, 1]
        shape[axis] = len(place)
        part = (place - below).astype(np.float32).reshape(shape)
        table = table.take(below, axis) * (1 - part) + table.take(below + 1, axis) * part
    return _unit(table)


def apply_lut(pixels: U8, lut: Lut, *, threads: int) -> U8:
    """Every pixel through the LUT, by trilinear interpolation in Pillow (1/64 of a level, rounded at the end).

    Pillow takes tables of up to 65 nodes per axis: a larger LUT is resampled to that first. A photo has far fewer
    colours than pixels (4 to 12 % of 3 MP), so each colour is worked out about once and then remembered.

    Args:
        pixels: uint8 [H, W, 3].
        lut: the look.
        threads: how many threads share the work; the result does not depend on it.

    Returns:
        uint8 [H, W, 3], new. Needed beside it: about 8 MB per thread, and from 1 MP on up to 64 MB for the memo.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise ValueError(f"pixels must be uint8 [H, W, 3], not {pixels.dtype} {list(pixels.shape)}.")
    out = np.empty(pixels.shape, np.uint8)
    height, width = pixels.shape[:2]
    cube = _color3dlut(lut)
    strips = min(height, -(-height * width // _STRIP_PIXELS))
    memo = np.zeros(1 << 24, "<u4") if height * width >= _MEMO_PIXELS and _colors_repeat(pixels) else None

    # A strip is every n-th row: the first strips see the whole photo, and teach the memo most of its colours.
    def run(first: int) -> None:
        rows = pixels[first::strips]
        colors = _packed(rows)
        result = _through(colors, cube) if memo is None else _remembered(colors, cube, memo)
        channels = result.view(np.uint8).reshape(*rows.shape[:2], 4)
        for channel in range(3):
            out[first::strips, :, channel] = channels[..., channel]

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(strips)))
    return out


def _colors_repeat(pixels: U8) -> bool:
    """Whether a memo pays: of 16,000 pixels, photos have 40 to 94 % distinct colours, noise that fills the cube 100."""
    step = math.isqrt(pixels.shape[0] * pixels.shape[1] >> 14) or 1
    sample = _packed(pixels[::step, ::step])
    return np.unique(sample).size < 0.97 * sample.size


def _packed(pixels: U8) -> U32:
    """uint8 [H, W, 3] -> uint32 [H * W], its bytes r, g, b, 0."""
    packed = np.zeros((*pixels.shape[:2], 4), np.uint8)
    for channel in range(3):  # three strided copies are much faster than one of [..., :3]
        packed[..., channel] = pixels[..., channel]
    return packed.view("<u4").reshape(-1)


def _through(colors: U32, cube: ImageFilter.Color3DLUT) -> U32:
    """Colours uint32 [n] (bytes r, g, b, 0) through the LUT -> uint32 [n] (bytes r, g, b, 255)."""
    image = Image.frombuffer("RGBX", (colors.size, 1), colors | _DONE, "raw", "RGBX", 0, 1)
    return np.frombuffer(image.filter(cube).tobytes(), "<u4")  # the filter keeps the fourth byte


def _remembered(colors: U32, cube: ImageFilter.Color3DLUT, memo: U32) -> U32:
    """`_through`, by way of `memo` uint32 [2**24]: colour -> result, 0 where it is not known yet.

    Threads may write to the memo at once: all that write an entry write the same four bytes.
    """
    index = colors.astype(np.intp)
    result = memo.take(index)
    unknown = np.flatnonzero(result == 0)
    if unknown.size:
        found = _through(colors[unknown], cube)
        result[unknown] = found
        memo[index[unknown]] = found
    return result


def _color3dlut(lut: Lut) -> ImageFilter.Color3DLUT:
    size = min(lut.size, APPLIED_SIZE)
    return ImageFilter.Color3DLUT(size, lut.resampled(size).table.transpose(2, 1, 0, 3))  # Pillow: red fastest


def _unit(table: Array) -> F32:
    return np.clip(table, 0, 1).astype(np.float32, copy=False)
