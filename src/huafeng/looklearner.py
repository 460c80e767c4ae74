"""The look learner: a folder of finished pictures -> the look that lies over them. Needs numpy and Pillow alone.

Runs the network that the recipe `looks` trains (`training/looknetwork.py` says what it is), on small copies of the pictures.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load as load_safetensors

from huafeng.colortable import enlarged, sample
from huafeng.look import Lut
from huafeng.lookfit import NODES, far_off, refined
from huafeng.lookmoments import DIRECTIONS, Glimpse, unit
from huafeng.lookposterior import Prior, likeliest
from huafeng.pixels import F32, U8

WEIGHTS = Path(__file__).parent / "look-learner.safetensors"
POOL = 6000  # colours that stand for untouched photos in general
SIZE = 33  # nodes per axis of the looks that it gives
ITERATIONS = 3
GUESSED = np.float32(0.25)  # the network's share of the look: its errors are not the same
COLORS = 8192  # of a folder that are looked at
BINS, QUANTILES, COARSE = 9, 16, 3  # of its histograms per axis, per direction, and of its own table per axis

F64 = NDArray[np.float64]


def learn_lut(
    finished: Sequence[Glimpse],
    untouched: Sequence[Glimpse] | None = None,
    weights: Path = WEIGHTS,
    *,
    fit: bool = True,
    watch: Callable[[Lut], None] | None = None,
) -> Lut:
    """The look that lies over pictures, 33 nodes per axis.

    Args:
        finished: the finished pictures.
        untouched: photos without the look; None: photos in general.
        weights: the network.
        fit: look for the likeliest look from there (`lookfit`, `lookposterior`).
        watch: is given the look so far, several times.
    """
    w = _load(weights)
    pictures = unit(_far(finished))
    colors = _some(pictures.reshape(-1, 3))
    plain = w["usual"] if untouched is None else _far(untouched).reshape(-1, 3)
    neutral = _some(unit(plain))
    things = _dense(_pooled(pictures, w), w, "things")
    histogram, quantiles = _statistics(colors)
    of_finished = _dense(histogram, w, "colors")
    matrix, offset = linear_transport(neutral, colors)
    identity = Lut.identity(SIZE).table
    table = np.clip(identity @ matrix + offset, 0, 1).astype(np.float32)
    for _ in range(ITERATIONS):
        now, quantiles_now = _statistics(sample(table, neutral))
        stride = (SIZE - 1) // (COARSE - 1)
        seen = [things, of_finished, _dense(now, w, "colors"), 4 * (quantiles - quantiles_now), quantiles]
        hidden = _dense(np.concatenate([*seen, table[::stride, ::stride, ::stride].ravel()]), w, "head.0")
        coefficients = _linear(_dense(hidden, w, "head.2"), w, "coefficients")
        rank = w["inward.weight"].shape[1]
        inward = (w["inward.weight"] @ coefficients[:rank]).reshape(NODES, NODES, NODES, 3)
        outward = (w["outward.weight"] @ coefficients[rank:]).reshape(NODES, NODES, NODES, 3)
        moved = sample(outward, table.reshape(-1, 3)).reshape(table.shape)
        table = np.clip(table + enlarged(inward, SIZE) + moved, 0, 1).astype(np.float32)
    lut = Lut(table)
    if not fit:
        return lut
    guess = refined(lut, neutral, colors, len(finished))
    if far_off(lut, neutral, colors, len(finished)):  # stronger than the prior knows
        return guess
    prior = Prior(w["prior.components"], w["prior.variances"], w["prior.photos"].astype(np.uint8))
    likely = likeliest(guess, prior, finished, untouched, watch)
    return Lut(GUESSED * guess.table + (1 - GUESSED) * likely.table)


@cache
def _load(path: Path) -> dict[str, F32]:
    tensors = load_safetensors(path.read_bytes())
    return {name: tensor if tensor.dtype == np.uint8 else tensor.astype(np.float32) for name, tensor in tensors.items()}


def _far(seen: Sequence[Glimpse]) -> U8:
    return np.stack([one.far for one in seen])


def _some(colors: F32) -> F32:
    """At most COLORS of them, spread evenly."""
    if len(colors) <= COLORS:
        return colors
    return colors[np.linspace(0, len(colors) - 1, COLORS).round().astype(np.intp)]


def _linear(x: F32, w: dict[str, F32], name: str) -> F32:
    return np.asarray(w[f"{name}.weight"] @ x + w[f"{name}.bias"], np.float32)


def _dense(x: F32, w: dict[str, F32], name: str) -> F32:
    """A linear layer, then GELU in its tanh form (Hendrycks & Gimpel, 2016)."""
    y = _linear(x, w, name)
    return np.asarray(0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3))), np.float32)


def _pooled(pictures: F32, w: dict[str, F32]) -> F32:
    """Pictures [n, 32, 32, 3] -> mean and deviation over them of what their convolutions give, [4 C]."""
    x = pictures * 2 - 1
    for layer in range(3):
        kernel = w[f"convolutions.{layer}.weight"].transpose(2, 3, 1, 0)  # [3, 3, in, out]
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        side = x.shape[1] // 2
        y = w[f"convolutions.{layer}.bias"] + np.zeros((len(x), side, side, kernel.shape[3]), np.float32)
        for down, across in itertools.product(range(3), repeat=2):
            y += padded[:, down : down + 2 * side : 2, across : across + 2 * side : 2] @ kernel[down, across]
        x = np.maximum(y, 0)
    each = np.concatenate([x.mean((1, 2)), x.max((1, 2))], 1)
    return np.concatenate([each.mean(0), np.sqrt(each.var(0) + 1e-4)]).astype(np.float32)


def _statistics(colors: F32) -> tuple[F32, F32]:
    """As `looknetwork.statistics`."""
    nodes = np.arange(BINS, dtype=np.float32)
    red, green, blue = np.maximum(1 - np.abs(colors.T[:, :, None] * (BINS - 1) - nodes), 0)  # [P, BINS] each
    histogram = (red[:, :, None] * green[:, None]).reshape(len(colors), -1).T @ blue / len(colors)
    ordered = np.sort(colors @ DIRECTIONS.T, axis=0)
    at = ((np.arange(QUANTILES) + 0.5) / QUANTILES * (len(colors) - 1)).round().astype(np.intp)
    return np.sqrt(np.maximum(histogram.ravel(), 1e-6)) * np.float32(8), ordered[at].T.ravel()


def linear_transport(untouched: F32, finished: F32) -> tuple[F64, F64]:
    """As `looknetwork.linear_transport`."""
    faint = 1e-4 * np.eye(3)
    u, f = (np.cov(x.T.astype(np.float64), bias=True) + faint for x in (untouched, finished))
    root, back = _power(u, 0.5), _power(u, -0.5)
    matrix = back @ _power(root @ f @ root, 0.5) @ back
    return matrix, finished.mean(0) - untouched.mean(0) @ matrix


def _power(matrix: F64, exponent: float) -> F64:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.maximum(values, 1e-8) ** exponent) @ vectors.T)
