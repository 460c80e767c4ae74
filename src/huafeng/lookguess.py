"""What a network guesses of the look over a folder, from the pictures' moments. Numpy alone.

Runs what the recipe `looks` trains; `training/looknetwork.py` says what it is, and a test holds both to the same table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from huafeng.colortable import enlarged, sample
from huafeng.look import Lut
from huafeng.lookmoments import moments
from huafeng.pixels import F32

NODES = 9  # per axis of the tables that guesses are coordinates of
SIZE = 33  # nodes per axis of the looks that it gives
HEADS, BLOCKS, ASKING, GUESSES = 4, 2, 2, 4
MOST = 8.0  # deviations that a moment counts at most
SHARPER = 3.0  # so many times as large is shown what a guess leaves
USUAL_COUNT = 20  # pictures
LEAST_DOUBT, MOST_DOUBT = -5.0, 1.5  # logarithms

Weights = dict[str, NDArray[np.float32]]


class Guess(NamedTuple):
    """A look, and how far off it may be along each component of the prior, in their deviations [160]."""

    lut: Lut
    doubts: F32


def guesses(w: Weights, fields: F32, plain: F32, own: F32, each: F32) -> Iterator[Guess]:
    """The network's guesses, each better than the one before.

    Args:
        w: its weights.
        fields: components of the prior, one deviation of each [160, 9, 9, 9, 3].
        plain: threes of neighbouring colours of untouched photos [N, 2, p, 3, 3] in 0..1.
        own: what the moments of such photos are in the mean [M].
        each: moments of each finished picture [n, M].
    """
    folder, wanted = _folder(w, each, own), each.mean(0)
    doubts = np.exp(np.clip(_linear(_gelu(_linear(folder, w, "doubt.0")), w, "doubt.1"), LEAST_DOUBT, MOST_DOUBT))
    guess = _linear(_gelu(_linear(folder, w, "begin.0")), w, "begin.1")
    for k in range(GUESSES):
        lut = _look(w, fields, guess)
        yield Guess(lut, doubts)
        if k == GUESSES - 1:
            return
        made = sample(lut.table, plain.reshape(-1, 3)).reshape(plain.shape)
        left = (wanted - moments(made).mean(0)) / w["deviation"]
        seen = np.concatenate([folder, _gelu(_linear(np.clip(SHARPER * left, -MOST, MOST), w, "left")), guess])
        for layer in ("more.0", "more.1"):
            seen = _gelu(_linear(seen, w, layer))
        guess = guess + _linear(seen, w, "more.2")


def in_deviations(w: Weights, each: F32) -> F32:
    """Moments [n, M] less those of usual pictures, over their deviations, within -8..8."""
    return np.clip((each - w["usual"]) / w["deviation"], -MOST, MOST)


def _look(w: Weights, fields: F32, guess: F32) -> Lut:
    """A guess [160 + 64] as a look: offsets by the colour that goes in, then by the one that comes out."""
    first = Lut.identity(SIZE).table + enlarged(np.tensordot(guess[: len(fields)], fields, 1), SIZE)
    second = (w["second.weight"] @ guess[len(fields) :]).reshape(NODES, NODES, NODES, 3)
    moved = sample(second, first.reshape(-1, 3)).reshape(first.shape)
    return Lut(np.clip(first + moved, 0, 1).astype(np.float32))


def _folder(w: Weights, each: F32, own: F32) -> F32:
    """What is seen of a folder [HIDDEN], by the moments of each picture [n, M] and the mean ones of untouched photos [M]."""
    scaled, plain = in_deviations(w, each), in_deviations(w, own)
    x = np.concatenate([scaled, np.broadcast_to(plain, scaled.shape)], 1)
    x = np.concatenate([w["asking"], _linear(x, w, "moments")])
    for block in range(BLOCKS):
        x = _attended(x, w, f"blocks.{block}")
    x = _normed(x, w, "norm")
    means = _gelu(_linear(np.concatenate([scaled.mean(0), plain]), w, "means"))
    count = np.log([len(each) / USUAL_COUNT])
    return _gelu(_linear(np.concatenate([x[:ASKING].ravel(), x[ASKING:].mean(0), means, count]), w, "head"))


def _attended(x: F32, w: Weights, name: str) -> F32:
    """One block of attention among tokens [t, WIDTH]."""
    asked = _linear(_normed(x, w, f"{name}.norms.0"), w, f"{name}.asked").reshape(len(x), 3, HEADS, -1)
    q, k, v = asked.transpose(1, 2, 0, 3)  # [HEADS, t, d]
    likeness = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
    likeness = np.exp(likeness - likeness.max(-1, keepdims=True))
    told = (likeness / likeness.sum(-1, keepdims=True)) @ v
    x = x + _linear(told.transpose(1, 0, 2).reshape(len(x), -1), w, f"{name}.told")
    wide = _gelu(_linear(_normed(x, w, f"{name}.norms.1"), w, f"{name}.wide"))
    return x + _linear(wide, w, f"{name}.narrow")


def _linear(x: F32, w: Weights, name: str) -> F32:
    return np.asarray(x @ w[f"{name}.weight"].T + w[f"{name}.bias"], np.float32)


def _normed(x: F32, w: Weights, name: str) -> F32:
    y = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return y * w[f"{name}.weight"] + w[f"{name}.bias"]


def _gelu(x: F32) -> F32:
    """GELU in its tanh form (Hendrycks & Gimpel, 2016)."""
    return np.asarray(0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))), np.float32)
