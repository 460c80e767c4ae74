"""Which part of a photo before is shown by a photo after, to a fraction of a pixel: other crop, size and colours allowed.

Where it lies is found by orientation correlation (Fitch et al., BMVC 2002): directions of gradients stay what they are under
a curve, and are compared at all shifts at once by Fourier transform, scale by scale. Then Gauss and Newton refine an affine
map, under which the lightness after is a polynomial of the colours before (as direct alignment does: Lucas & Kanade, 1981).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from huafeng.lint import LUMA
from huafeng.pixels import U8, Array, resize

F64 = NDArray[np.float64]
C64 = NDArray[np.complex64]

COARSE_PX, FINE_PX = 96, 192  # long side where it is sought; short side where it is refined first
LEAST, MOST, STEP = 0.4, 1.13, 1.045  # shares of the width before that the photo after may show, and the steps between
OVERHANG = 0.06  # of the photo after, that may lie outside of the photo before
FLAT = 0.03  # gradients (of lightness 0..1) that count half: below them is noise
FOUND, ALIKE = 0.22, 0.6  # least correlation of directions, where sought; of fine detail, when refined


class Registered(NamedTuple):
    """Two photos pixel by pixel: uint8 [H, W, 3] each, and which pixels both of them show [H, W].

    share: how much of the photo before is shown, 0..1.   alike: correlation of their fine detail, -1..1.
    """

    before: U8
    after: U8
    both: NDArray[np.bool_]
    share: float
    alike: float


class Place(NamedTuple):
    """Where a photo lies in another: the share of its width that it shows, where its left upper corner lies (0..1), and how
    well directions of gradients agree there (0..1)."""

    share: float
    left: float
    top: float
    score: float


def directions(pixels: U8, width: int, height: int) -> C64:
    """Directions of the gradients of a picture at a size, as complex numbers: about 1 long, about 0 where it is flat."""
    light = (resize(pixels, width, height) @ LUMA / 255).astype(np.float32)
    return _directions(light)


def _directions(light: Array) -> C64:
    down, across = np.gradient(light)
    gradient = across + 1j * down
    return np.asarray(gradient / (np.abs(gradient) + FLAT), np.complex64)


def register(before: U8, after: U8) -> Registered | None:
    """The photo after beside the same part of the photo before; None: they do not show the same.

    Args:
        before, after: uint8 [H, W, 3], both about as large as they are to be compared at.
    """
    found = sought(before, after)
    if found is None:
        return None
    share, left, top, _ = found
    ratio = share * before.shape[1] / after.shape[1]  # px before for a px after; the finer one is shrunk
    height, width = after.shape[:2]
    if ratio < 1:
        after = resize(after, max(8, round(width * ratio)), max(8, round(height * ratio)))
    elif ratio > 1:
        before = resize(before, max(8, round(before.shape[1] / ratio)), max(8, round(before.shape[0] / ratio)))
    height, width = after.shape[:2]
    matrix = np.array(
        [[1.0, 0.0, left * before.shape[1]], [0.0, 1.0, top * before.shape[0]]]
    )  # from px after to px before: continuous, a pixel's middle is at .5
    scale = min(1.0, FINE_PX / min(height, width))
    for size, rounds in ((scale, 8), (1.0, 2)):
        small = [resize(p, max(8, round(p.shape[1] * size)), max(8, round(p.shape[0] * size))) for p in (before, after)]
        grow = [
            np.array([s.shape[1] / p.shape[1], s.shape[0] / p.shape[0]]) for s, p in zip(small, (before, after), strict=True)
        ]
        at = np.column_stack([matrix[:, :2] * grow[0][:, None] / grow[1], matrix[:, 2] * grow[0]])
        for _ in range(rounds if size < 1 or scale == 1 else 2):
            at = _refined(small[0], small[1], at)
        matrix = np.column_stack([at[:, :2] / grow[0][:, None] * grow[1], at[:, 2] / grow[0]])
    moved, both = warped(before, matrix, width, height)
    alike = detail_alike(moved, after, both)
    turned = np.abs(matrix[:, :2] - np.eye(2)).max()
    if alike < ALIKE or turned > 0.2:
        return None
    return Registered(moved, after, both, float(both.sum() / (before.shape[0] * before.shape[1])), alike)


def sought(before: U8, after: U8, side: int = COARSE_PX, step: float = STEP) -> Place | None:
    """Where the photo after lies in the photo before; None where nothing agrees."""
    scale = side / max(before.shape[:2])
    width, height = (max(8, round(n * scale)) for n in (before.shape[1], before.shape[0]))
    field = directions(before, width, height)
    best, where = FOUND, None
    for share in LEAST * step ** np.arange(int(np.log(MOST / LEAST) / np.log(step)) + 1):
        w = round(width * share)
        h = round(w * after.shape[0] / after.shape[1])
        if h > height * MOST or min(w, h) < 12:
            continue
        score, x, y = agreement(field, directions(after, w, h))
        if score > best:
            best, where = score, Place(w / width, x / width, y / height, score)
    return where


def agreement(field: C64, part: C64) -> tuple[float, int, int]:
    """Where a part agrees best with a field of directions: correlation 0..1, and the column and row of its corner."""
    height, width = (f + p for f, p in zip(field.shape, part.shape, strict=True))
    shape = (_smooth(height), _smooth(width))
    over = np.fft.fft2(field, shape) * np.fft.fft2(part, shape).conj()
    energy = np.fft.rfft2(np.abs(field) ** 2, shape) * np.fft.rfft2(np.ones(part.shape, np.float32), shape).conj()
    same = np.fft.ifft2(over).real
    there = np.fft.irfft2(energy, shape)
    rows, columns = (
        np.arange(-round(OVERHANG * p), max(0, f - p) + round(OVERHANG * p) + 1)
        for f, p in zip(field.shape, part.shape, strict=True)
    )
    same, there = (x[np.ix_(rows % shape[0], columns % shape[1])] for x in (same, there))
    whole = float((np.abs(part) ** 2).sum())
    score = same / np.sqrt(np.maximum(there, 0.2 * whole) * whole + 1e-9)
    y, x = np.unravel_index(int(score.argmax()), score.shape)
    return float(score[y, x]), int(columns[x]), int(rows[y])


def _smooth(length: int) -> int:
    """The next length whose Fourier transform is quick."""
    return -(-length // 16) * 16


def warped(before: U8, matrix: F64, width: int, height: int) -> tuple[U8, NDArray[np.bool_]]:
    """A photo seen through an affine map [2, 3] from the result's px to its own, and which pixels lie inside of it."""
    image = Image.fromarray(before)
    moved = image.transform((width, height), Image.Transform.AFFINE, tuple(matrix.ravel()), Image.Resampling.BICUBIC)
    y, x = np.mgrid[:height, :width] + 0.5
    inside = np.ones((height, width), bool)
    for row, end in zip(matrix, (before.shape[1], before.shape[0]), strict=True):
        at = row[0] * x + row[1] * y + row[2]
        inside &= (at > 1) & (at < end - 1)
    return np.asarray(moved), inside


def _refined(before: U8, after: U8, matrix: F64) -> F64:
    """A step of Gauss and Newton for the affine map."""
    height, width = after.shape[:2]
    moved, both = warped(before, matrix, width, height)
    if both.sum() < 200:
        return matrix
    light = after @ LUMA / 255
    foretold = lightness(moved, light, both)
    error = light - foretold
    down, across = np.gradient(foretold)
    y, x = np.mgrid[:height, :width] + 0.5
    x, y = x / width, y / height
    spread = 1.5 * np.median(np.abs(error[both])) + 1e-3
    weight = both / (1 + (error / spread) ** 2)
    slopes = np.stack([across * x, across * y, across, down * x, down * y, down], -1).reshape(-1, 6)
    squares = slopes.T @ (slopes * weight.reshape(-1, 1))
    step = np.linalg.solve(squares + 1e-6 * np.trace(squares) * np.eye(6), slopes.T @ (weight * error).ravel())
    step = step.reshape(2, 3).clip(-3, 3)
    turn = np.eye(3)
    turn[:2] += step / (width, height, 1)
    return matrix @ turn


def lightness(before: U8, light: Array, both: NDArray[np.bool_]) -> F64:
    """The lightness after [H, W] as the polynomial of degree 3 in lightness, 2 in colours before that is nearest to it."""
    x = before.reshape(-1, 3).astype(np.float32) / 255
    r, g, b = x.T
    luma = x @ LUMA
    terms = np.stack([np.ones_like(r), r, g, b, r * r, g * g, b * b, r * g, g * b, luma**3], 1)
    step = max(1, len(terms) // 20000)
    some, there = terms[::step], both.ravel()[::step]
    some = some[there].astype(np.float64)
    squares = some.T @ some
    weights = np.linalg.solve(squares + 1e-6 * len(some) * np.eye(10), some.T @ light.ravel()[::step][there])
    return np.asarray((terms @ weights).reshape(light.shape))


def detail_alike(before: U8, after: U8, both: NDArray[np.bool_]) -> float:
    """Correlation of the directions of gradients, where both show something: near 1 for the same view, near 0 for others."""
    if both.mean() < 0.5:
        return 0.0
    fields = [
        _directions(np.asarray(Image.fromarray(p).convert("L").filter(ImageFilter.BoxBlur(1)), np.float32) / 255)[both]
        for p in (before, after)
    ]
    first, second = fields
    norm = np.sqrt((np.abs(first) ** 2).sum() * (np.abs(second) ** 2).sum()) + 1e-9
    return float((first * second.conj()).real.sum() / norm)
