"""A short fit after the look learner: what its look leaves that no folder's content explains. Numpy alone.

Sliced Wasserstein descent (Pitie, Kokaram & Dahyot, "N-dimensional probability density function transfer", ICCV 2005) on a
smooth correction of the table. It begins at what the network says, which is the prior, and stops as soon as the colours are as
near as those of untouched folders are to photos in general: further on it would fit content (Morozov's discrepancy principle).
Where the network is far off (it has hardly seen so strong a look), it is trusted less, and the fit goes on.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from huafeng.colortable import corners, enlarged, sample
from huafeng.look import Lut
from huafeng.lookmoments import DIRECTIONS
from huafeng.pixels import F32

F64 = NDArray[np.float64]

NODES = 9  # per axis, of the correction and of the network's tables

EXPLAINED = 5.5 / 255  # distance that content alone explains in folders of USUAL_COUNT photos: fewer differ more
USUAL_COUNT = 40
RATE = 0.15  # share of the way to each target that a step goes
MOST_STEPS = 150
PRIOR = 8.0  # colours that a node's prior weighs
FAR = 2.3  # a network that leaves so many times what content explains is far off:
FAR_SHARE, FAR_PRIOR = 0.3, 2.0  # the fit then goes on to this share of it, with this prior
LEVELS = (np.arange(32) + 0.5) / 32


def refined(lut: Lut, untouched: F32, finished: F32, count: int) -> Lut:
    """The look, corrected where it leaves untouched colours [P, 3] too far from finished ones [Q, 3], both in 0..1.

    count: how many pictures the finished colours are of.
    """
    enough = explained(count)
    draw = np.random.default_rng(0)
    size = min(len(untouched), len(finished))
    source, target = (x[draw.permutation(len(x))[:size]] for x in (untouched, finished))
    begun = sample(lut.table, source)
    nodes, shares = corners(source, NODES)
    prior = PRIOR
    if far_off(lut, source, target, count):
        enough, prior = FAR_SHARE * enough, FAR_PRIOR
    mass = np.bincount(nodes.ravel(), shares.ravel(), NODES**3)[:, None] + prior
    correction, now = np.zeros((NODES**3, 3)), begun
    for _ in range(MOST_STEPS):
        if distance(now, target) <= enough:
            break
        axes, _ = np.linalg.qr(draw.normal(size=(3, 3)))
        move = _towards(now, target, axes)
        pulled = np.stack([np.bincount(nodes.ravel(), (shares * move[:, c]).ravel(), NODES**3) for c in range(3)], 1)
        correction += RATE * pulled / mass
        blurred = _blurred(correction.reshape(NODES, NODES, NODES, 3)).reshape(-1, 3)
        correction += prior / mass * (blurred - correction)  # nodes that no colour is near follow their neighbours
        now = np.clip(begun + (shares[..., None] * correction[nodes]).sum(0), 0, 1)
    if not correction.any():
        return lut
    smooth = enlarged(correction.reshape(NODES, NODES, NODES, 3), lut.size)
    return Lut(np.clip(lut.table + smooth, 0, 1).astype(np.float32))


def explained(count: int) -> float:
    """The distance that content alone explains in a folder of so many pictures."""
    return EXPLAINED * math.sqrt(max(1.0, USUAL_COUNT / count))


def far_off(lut: Lut, untouched: F32, finished: F32, count: int) -> bool:
    """Whether a look leaves untouched colours far from finished ones, those of `count` pictures."""
    return distance(sample(lut.table, untouched), finished) > FAR * explained(count)


def distance(one: F32 | F64, other: F32 | F64) -> float:
    """Mean difference of 32 quantiles along 13 directions of the cube: a sliced Wasserstein distance, in 0..1."""
    first, second = (np.quantile(x @ DIRECTIONS.T, LEVELS, axis=0) for x in (one, other))
    return float(np.abs(first - second).mean())


def _towards(now: F32 | F64, target: F32, axes: F64) -> F64:
    """Where each colour goes when, along each of three orthogonal axes, ranks are matched with the target's: [P, 3]."""
    along, wanted = now @ axes, np.sort(target @ axes, axis=0)
    matched = np.empty_like(along)
    np.put_along_axis(matched, np.argsort(along, axis=0), wanted, axis=0)
    return np.asarray((matched - along) @ axes.T)


def _blurred(grid: F64) -> F64:
    """1 2 1 along each axis of [N, N, N, 3]; rims are continued by their last node."""
    for axis in range(3):
        padded = np.pad(grid, [(1, 1) if a == axis else (0, 0) for a in range(4)], mode="edge")
        low, middle, high = (np.take(padded, np.arange(k, k + NODES), axis) for k in range(3))
        grid = (low + 2 * middle + high) / 4
    return grid
