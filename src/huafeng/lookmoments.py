"""What photos tell of the grade that lies over them: moments of their colours, photo by photo. Numpy alone.

How often each colour occurs says little, as photos show this and that. Neighbouring pixels say more: where a grade's curve is
steep, they differ more than elsewhere, whatever is shown; and so do hues, each by itself. All moments are means over a photo's
pixels, or logarithms of such means, and change smoothly with the grade.
"""

from __future__ import annotations

import itertools

import numpy as np

from huafeng.pixels import F32, U8, Array

# the 13 directions of the cube: axes and all diagonals, of length 1
DIRECTIONS = np.array([d for d in itertools.product((-1, 0, 1), repeat=3) if d > (0, 0, 0)], np.float32)
DIRECTIONS /= np.linalg.norm(DIRECTIONS, axis=1, keepdims=True)

LIGHTNESS = np.array([0.3, 0.6, 0.1], np.float32)
OPPONENT = np.array([[0.7, -0.7, 0.0], [-0.4, -0.4, 0.8]], np.float32)  # red against green, blue against yellow
THRESHOLDS, LATTICE, LEVELS, SECTORS = 20, 5, 9, 6
ROUNDED = 1e-4  # under roots: equal neighbours have a slope, too
CHUNK = 40  # photos at once: what they need stays in the cache


def unit(levels: Array) -> F32:
    """Levels 0..255 -> 0..1."""
    return np.asarray(levels, np.float32) / np.float32(255)


def neighbours(thumbnails: U8, count: int, seed: int) -> U8:
    """Random pixels of each picture [n, H, W, 3], each with the one below it or to its right: uint8 [n, count, 2, 3]."""
    n, height, width = thumbnails.shape[:3]
    draw = np.random.default_rng(seed)
    row, column = draw.integers(height - 1, size=(n, count)), draw.integers(width - 1, size=(n, count))
    down = draw.integers(2, size=(n, count))
    picture = np.arange(n)[:, None]
    return np.stack([thumbnails[picture, row, column], thumbnails[picture, row + down, column + 1 - down]], 2)


def moments(pairs: F32) -> F32:
    """Moments of photos, each as pairs of neighbouring colours [n, p, 2, 3] in 0..1 -> [n, M]."""
    return np.concatenate([_moments(pairs[i : i + CHUNK]) for i in range(0, len(pairs), CHUNK)])


def _moments(pairs: F32) -> F32:
    first, middle = pairs[:, :, 0], pairs.mean(2)
    step: F32 = first - pairs[:, :, 1]
    tint: F32 = middle @ OPPONENT.T
    parts = [_shares(first), _density(first)]
    for axis in (LIGHTNESS, *np.eye(3, dtype=np.float32)):
        parts.append(_by_level(_size(step @ axis), middle @ axis))
    level = middle @ LIGHTNESS
    parts += [_by_level(_size(step @ axis), level) for axis in OPPONENT]
    tint_step: F32 = step @ OPPONENT.T
    parts.append(_by_hue(tint, (level, _length(tint), _size(step @ LIGHTNESS), _length(tint_step))))
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
    near = np.exp(-(((level[..., None] - _evenly(LEVELS)) * (LEVELS - 1)) ** 2))
    return np.log(((steps[..., None] * near).mean(1) + 2e-3) / (near.mean(1) + 0.02))


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
