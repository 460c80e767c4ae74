"""What photos tell of the grade that lies over them: moments of their colours, photo by photo. Numpy alone.

How often each colour occurs says little, as photos show this and that. Neighbouring pixels say more. Where a grade's curve is
steep, they differ more than elsewhere, whatever is shown; and so do hues, each by itself. Where it bends, the middle one of
three is no longer the mean of the others, and what photos show bends as often up as down (edges tell a camera's curve: Lin et
al., "Radiometric Calibration from a Single Image", CVPR 2004). Greys show its tint at each level. Moments are quantiles of a
photo's pixels, means over them, ratios and logarithms of such means; from afar, where things are neighbours, and from close by.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from huafeng.pixels import F32, U8, Array, resize

# the 13 directions of the cube: axes and all diagonals, of length 1
DIRECTIONS = np.array([d for d in itertools.product((-1, 0, 1), repeat=3) if d > (0, 0, 0)], np.float32)
DIRECTIONS /= np.linalg.norm(DIRECTIONS, axis=1, keepdims=True)

LIGHTNESS = np.array([0.3, 0.6, 0.1], np.float32)
OPPONENT = np.array([[0.7, -0.7, 0.0], [-0.4, -0.4, 0.8]], np.float32)  # red against green, blue against yellow
CHANNELS = (LIGHTNESS, *np.eye(3, dtype=np.float32))
THRESHOLDS, LATTICE, LEVELS, SECTORS, HUES = 20, 5, 9, 6, 12
EXTREMES, MIDDLING = (0, 0.02, 0.05, 0.25, 0.5, 0.75, 0.95, 0.98, 1), (0.02, 0.25, 0.5, 0.75, 0.98)  # shares below quantiles
GREY = 0.04  # how far tints lie from the grey axis, in the mean, that count as grey
ROUNDED = 1e-4  # under roots: equal neighbours have a slope, too
CHUNK = 40  # photos at once: what they need stays in the cache
FAR_PX, CLOSE_PX = 32, 256  # sides of the square from afar; short side from close by
PLACES = 64  # threes of neighbours that are looked at, at each distance
OFTEN = 6  # times as many of finished pictures


class Glimpse(NamedTuple):
    """What is seen of a picture.

    far: all of it, squeezed to uint8 [32, 32, 3].
    close: threes of neighbouring pixels where its short side is 256 px (or smaller, if it is), uint8 [384, 3, 3].
    """

    far: U8
    close: U8


def glimpse(pixels: U8) -> Glimpse:
    """A look at a picture uint8 [H, W, 3]."""
    far = Image.fromarray(pixels).resize((FAR_PX, FAR_PX), Image.Resampling.BOX)
    return Glimpse(np.asarray(far), threes(close_by(pixels)[None], OFTEN * PLACES, 0)[0])


def close_by(pixels: U8) -> U8:
    """A picture uint8 [H, W, 3] at a short side of 256 px, or its own if that is smaller."""
    height, width = pixels.shape[:2]
    scale = min(1.0, CLOSE_PX / min(height, width))
    return resize(pixels, max(3, round(width * scale)), max(3, round(height * scale)))


def places(seen: Sequence[Glimpse], draw: int = 0) -> U8:
    """Threes of neighbours of each picture, from afar and from close by: uint8 [n, 2, 64, 3, 3]; draw: 0..5."""
    far = threes(np.stack([one.far for one in seen]), PLACES, draw)
    close = np.stack([one.close[draw * PLACES : (draw + 1) * PLACES] for one in seen])
    return np.stack([far, close], 1)


def unit(levels: Array) -> F32:
    """Levels 0..255 -> 0..1."""
    return np.asarray(levels, np.float32) / np.float32(255)


def threes(pictures: U8, count: int, seed: int) -> U8:
    """Random pixels of each picture [n, H, W, 3] between those above and below, or left and right: uint8 [n, count, 3, 3]."""
    n, height, width = pictures.shape[:3]
    draw = np.random.default_rng(seed)
    row, column = draw.integers(1, height - 1, size=(n, count)), draw.integers(1, width - 1, size=(n, count))
    down = draw.integers(2, size=(n, count))
    across, picture = 1 - down, np.arange(n)[:, None]
    rows, columns = ([at - step, at, at + step] for at, step in ((row, down), (column, across)))
    return np.stack([pictures[picture, y, x] for y, x in zip(rows, columns, strict=True)], 2)


def moments(photos: F32) -> F32:
    """Moments of photos, each as threes of neighbouring colours from afar and close by [n, 2, p, 3, 3] in 0..1 -> [n, M]."""
    parts = [photos[i : i + CHUNK] for i in range(0, len(photos), CHUNK)]
    return np.concatenate([np.concatenate([_usual(p[:, 0]), _usual(p[:, 1]), _fine(p[:, 1])], 1) for p in parts])


def _usual(near: F32) -> F32:
    """Colours and steps between neighbours, of threes [n, p, 3, 3]."""
    first, middle = near[:, :, 0], near[:, :, 1]
    between: F32 = near[:, :, :2].mean(2)
    step: F32 = first - middle
    tint: F32 = between @ OPPONENT.T
    parts = [_shares(middle), _density(middle)]
    for axis in CHANNELS:
        parts.append(_by_level(_size(step @ axis), between @ axis))
    level = between @ LIGHTNESS
    parts += [_by_level(_size(step @ axis), level) for axis in OPPONENT]
    tint_step: F32 = step @ OPPONENT.T
    parts.append(_by_hue(tint, (level, _length(tint), _size(step @ LIGHTNESS), _length(tint_step))))
    return np.concatenate(parts, 1)


def _fine(near: F32) -> F32:
    """Bends, hues, greys and extremes, of threes [n, p, 3, 3]: what shrinking a picture would blur."""
    first, middle, last = (near[:, :, k] for k in range(3))
    bend: F32 = middle - np.float32(0.5) * (first + last)
    ramp: F32 = last - first
    mean: F32 = near.mean(2)
    parts = [_bends(bend @ axis, bend @ axis, ramp @ axis, mean @ axis) for axis in CHANNELS]
    up, light = ramp @ LIGHTNESS, mean @ LIGHTNESS
    parts += [_bends(bend @ axis, bend @ LIGHTNESS, up, light) for axis in OPPONENT]
    parts += [_leans(ramp @ axis, up, light) for axis in OPPONENT]
    parts += [_by_level(_size(bend @ axis), middle @ axis) for axis in CHANNELS]
    tint: F32 = middle @ OPPONENT.T
    level = middle @ LIGHTNESS
    parts += [_hues(tint, level), _greys(tint, level), tint.mean(1), tint.var(1)]
    parts += [_quantiles(middle @ axis, EXTREMES) for axis in CHANNELS]
    parts += [_quantiles(tint[..., k], MIDDLING) for k in (0, 1)]
    return np.concatenate(parts, 1)


def _shares(colors: F32) -> F32:
    """How much of [n, p, 3] lies beyond each of 20 thresholds along each direction, with soft edges: [n, 13 * 20]."""
    low, high = (np.where(sign * DIRECTIONS > 0, DIRECTIONS, 0).sum(1) for sign in (-1, 1))
    width = (high - low) / THRESHOLDS
    at = low[:, None] + width[:, None] * (np.arange(THRESHOLDS, dtype=np.float32) + 0.5)
    along = (colors @ DIRECTIONS.T)[..., None]
    return (1 / (1 + np.exp((at - along) / (0.6 * width[:, None])))).mean(1).reshape(len(colors), -1)


def _density(colors: F32) -> F32:
    """How much lies near each node of a lattice in the cube: [n, 125]."""
    red, green, blue = np.exp(-(((colors[..., None] - _evenly(LATTICE)) * (LATTICE - 1)) ** 2)).transpose(2, 0, 1, 3)
    pairs = (red[..., :, None] * green[..., None, :]).reshape(*red.shape[:2], -1)
    return (pairs.transpose(0, 2, 1) @ blue / colors.shape[1]).reshape(len(colors), -1)


def _by_level(steps: F32, level: F32) -> F32:
    """Logarithms of the mean step between neighbours [n, p] at each level: [n, 9]. What a curve's slope multiplies."""
    near = _near(level)
    return np.log(((steps[..., None] * near).mean(1) + 2e-3) / (near.mean(1) + 0.02))


def _bends(bend: F32, along: F32, ramp: F32, level: F32) -> F32:
    """How far a curve bends at each level: the middle's way off the mean of the others [n, p], over the ramp's square: [n, 9].

    f(x) - (f(x - h) + f(x + h)) / 2 = -f''(x) h^2 / 2. Only ramps count, not the tips of lines: the less, the more the middle
    is off along the ramp's own axis.
    """
    square = ramp**2
    counts = square / (square + 4 * along**2 + 1e-3)
    near = _near(level) * counts[..., None]
    return (bend[..., None] * near).mean(1) / ((square[..., None] * near).mean(1) + 2e-4)


def _leans(tint: F32, ramp: F32, level: F32) -> F32:
    """How tints change along ramps of lightness [n, p] at each level: [n, 9]."""
    near = _near(level)
    return ((tint * ramp)[..., None] * near).mean(1) / (((ramp**2)[..., None] * near).mean(1) + 1e-3)


def _hues(tint: F32, level: F32) -> F32:
    """Chroma, level, its square and the way off the hue, means around 12 hues where colours count by their chroma, and the
    logarithm of how much lies there, of tints [n, p, 2]: [n, 60]."""
    chroma = _length(tint)
    angles = 2 * np.pi * np.arange(HUES) / HUES
    along, aside = (tint @ np.array(a, np.float32) / chroma[..., None] for a in (
        [np.cos(angles), np.sin(angles)], [-np.sin(angles), np.cos(angles)]
    ))  # fmt: skip
    there = np.exp(12 * (along - 1)) * chroma[..., None]
    mass = there.mean(1) + 0.003
    values = (chroma[..., None], level[..., None], level[..., None] ** 2, aside)
    return np.concatenate([*((value * there).mean(1) / mass for value in values), np.log(mass)], 1)


def _greys(tint: F32, level: F32) -> F32:
    """The tint of what is nearly grey [n, p, 2] at each level, and the logarithm of how much that is: [n, 27]."""
    near = _near(level) * np.exp(-(tint**2).sum(-1) / (2 * GREY**2))[..., None]
    mass = near.mean(1)
    means = [(tint[..., k, None] * near).mean(1) / (mass + 0.005) for k in (0, 1)]
    return np.concatenate([*means, np.log(mass + 0.003)], 1)


def _quantiles(values: F32, shares: tuple[float, ...]) -> F32:
    """[n, p] -> quantiles [n, len(shares)], without interpolation."""
    ordered = np.sort(values, axis=1)
    return ordered[:, [int(share * (values.shape[1] - 1)) for share in shares]]


def _near(level: F32) -> F32:
    """How near [n, p] are to each of 9 levels: [n, p, 9]."""
    return np.exp(-(((level[..., None] - _evenly(LEVELS)) * (LEVELS - 1)) ** 2))


def _by_hue(tint: F32, values: tuple[F32, ...]) -> F32:
    """Means of values [n, p] over each sector of hues, and the logarithm of how much lies there: [n, 6 * (values + 1)].

    tint: opponent colours [n, p, 2]. Greys, within about 0.05 of the axis, are in no sector.
    """
    angles = 2 * np.pi * np.arange(SECTORS) / SECTORS
    axes = np.array([np.cos(angles), np.sin(angles)], np.float32)
    along, aside = tint @ axes, tint @ np.array([-axes[1], axes[0]])  # [n, p, 6]
    there = 1 / (1 + np.exp((0.05 - along) / 0.02)) * np.exp(-((aside / (np.abs(along) + 0.05) / 0.6) ** 2))
    mass = there.mean(1) + 0.01
    means = [((value[..., None] * there).mean(1) + 1e-3) / mass for value in values]
    return np.concatenate([*means, np.log(mass)], 1)


def _evenly(nodes: int) -> F32:
    return np.linspace(0, 1, nodes, dtype=np.float32)


def _size(x: F32) -> F32:
    return np.sqrt(x**2 + ROUNDED)


def _length(x: F32) -> F32:
    return np.sqrt((x**2).sum(-1) + ROUNDED)
