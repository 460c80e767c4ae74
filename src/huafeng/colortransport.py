"""Carrying one cloud of colours over to another one. Numpy alone."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from huafeng.colortable import corners
from huafeng.pixels import F32, Array

F64 = NDArray[np.float64]

NODES = 9  # per axis, of the grids on which corrections lie
# the 13 directions of the cube: axes and all diagonals, of length 1
DIRECTIONS = np.array([d for d in itertools.product((-1, 0, 1), repeat=3) if d > (0, 0, 0)], np.float32)
DIRECTIONS /= np.linalg.norm(DIRECTIONS, axis=1, keepdims=True)
LEVELS = (np.arange(32) + 0.5) / 32
# the cube's own axes, then turned in three ways: [4, 3, 3], axes in columns
TURNED = np.stack([np.eye(3), *np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3, 3)))[0]]).astype(np.float32)
SPREADS = (8, 3, 1, 0)  # how often a field is blurred where few colours lie, then ever less
FEW = 0.002  # share of the colours that counts as few


def linear_transport(untouched: Array, finished: Array) -> tuple[F64, F64]:
    """Colours [P, 3] and [Q, 3] -> matrix [3, 3] and offset [3] of y = x A + b between their means and covariances.

    The optimal transport of Gaussians (Pitie & Kokaram, "The Linear Monge-Kantorovitch Linear Colour Mapping for
    Example-Based Colour Transfer", CVMP 2007).
    """
    faint = 1e-4 * np.eye(3)
    u, f = (np.cov(x.T.astype(np.float64), bias=True) + faint for x in (untouched, finished))
    root, back = _power(u, 0.5), _power(u, -0.5)
    matrix = back @ _power(root @ f @ root, 0.5) @ back
    return matrix, finished.mean(0) - untouched.mean(0) @ matrix


def _power(matrix: F64, exponent: float) -> F64:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.maximum(values, 1e-8) ** exponent) @ vectors.T)


def distance(one: Array, other: Array) -> float:
    """Mean difference of 32 quantiles along 13 directions of the cube: a sliced Wasserstein distance, in 0..1."""
    first, second = (np.quantile(x @ DIRECTIONS.T, LEVELS, axis=0) for x in (one, other))
    return float(np.abs(first - second).mean())


def towards(now: Array, target: Array, axes: Array) -> Array:
    """Where each colour [P, 3] goes when, along each of three orthogonal axes, ranks are matched with the target's [P, 3].

    One step of Pitie, Kokaram & Dahyot, "N-dimensional probability density function transfer", ICCV 2005.
    """
    along, wanted = now @ axes, np.sort(target @ axes, axis=0)
    matched = np.empty_like(along)
    np.put_along_axis(matched, np.argsort(along, axis=0), wanted, axis=0)
    return np.asarray((matched - along) @ axes.T)


def displacement_field(untouched: F32, now: F32, finished: F32) -> F32:
    """By how much finished colours differ from where untouched ones are now, by the untouched colour: [9, 9, 9, 3].

    The mean of four steps `towards` them, each along other axes. Nodes near few colours follow their neighbours, those near
    none the mean of all. All colours [P, 3].
    """
    move = np.mean([towards(now, finished, axes) for axes in TURNED], axis=0)
    nodes, shares = corners(untouched, NODES)
    columns = (*move.T, np.ones(len(move)))
    found = np.stack([np.bincount(nodes.ravel(), (shares * column).ravel(), NODES**3) for column in columns], 1)
    grid = found.reshape(NODES, NODES, NODES, 4) / len(move)
    blurs = [grid]
    for _ in range(max(SPREADS)):
        blurs.append(blurred(blurs[-1]))
    field = grid[..., :3].sum((0, 1, 2))
    for spread in SPREADS:
        pulled, mass = blurs[spread][..., :3], blurs[spread][..., 3:]
        field = (pulled + FEW * field) / (mass + FEW)
    return np.asarray(field, np.float32)


def blurred(grid: F64) -> F64:
    """1 2 1 along the first three axes of [N, N, N, C]; rims are continued by their last node."""
    size = grid.shape[0]
    for axis in range(3):
        padded = np.pad(grid, [(1, 1) if a == axis else (0, 0) for a in range(4)], mode="edge")
        low, middle, high = (np.take(padded, np.arange(k, k + size), axis) for k in range(3))
        grid = (low + 2 * middle + high) / 4
    return grid
