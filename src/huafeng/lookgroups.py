"""Whether a folder holds two looks rather than one. Numpy alone.

What a picture shows says more of its moments than its grade does, so they are seen along those directions only in which random
grades differ most, measured by how much photos differ under one grade (linear discriminants: Fisher, 1936; Rao, 1948). There
the pictures are parted in two as k-means does it (Lloyd, 1982), and what counts is how far apart the two groups lie.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from huafeng.lookguess import Weights, in_deviations
from huafeng.pixels import F32

FEWEST = 16  # pictures in which groups can be told
LEAST_SHARE = 0.2  # of the pictures in the smaller group
APART, FEW = 3.0, 6.0  # deviations between two looks: at least 3 + 6 / sqrt(n), as few pictures always fall apart somewhere
ROUNDS = 30  # of k-means, at most

Bools = NDArray[np.bool_]


def two_looks(w: Weights, each: F32) -> Bools | None:
    """Which pictures belong to the smaller one of two groups that hardly have one look in common [n]; None: one look.

    Args:
        w: the look learner's weights.
        each: moments of each finished picture [n, M].
    """
    if len(each) < FEWEST:
        return None
    seen = in_deviations(w, each) @ w["apart"].T
    group = parted(seen)
    if group is None or _distance(seen, group) < APART + FEW / math.sqrt(len(each)):
        return None
    return group


def parted(seen: F32) -> Bools | None:
    """Points [n, d] in two groups with the least squares within, the smaller one True [n]; None: no groups of that size."""
    centred = seen - seen.mean(0)
    axes = np.linalg.svd(centred, full_matrices=False)[2]
    found = [group for axis in axes if (group := _settled(seen, centred @ axis > 0)).mean() >= LEAST_SHARE]
    return min(found, key=lambda group: _within(seen, group), default=None)


def _settled(seen: F32, group: Bools) -> Bools:
    """The end of k-means that begins at a group; the smaller one is True."""
    for _ in range(ROUNDS):
        if group.all() or not group.any():
            break
        one, other = (((seen - seen[part].mean(0)) ** 2).sum(1) for part in (group, ~group))
        if np.array_equal(group, nearer := one < other):
            break
        group = nearer
    return ~group if group.mean() > 0.5 else group


def _within(seen: F32, group: Bools) -> float:
    return float(sum(((seen[part] - seen[part].mean(0)) ** 2).sum() for part in (group, ~group)))


def _distance(seen: F32, group: Bools) -> float:
    return float(np.linalg.norm(seen[group].mean(0) - seen[~group].mean(0)))
