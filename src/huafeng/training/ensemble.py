"""Several trained generators made into one, by the mean of their weights: it paints at the price of one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from huafeng.errors import TrainingError


def average_states(states: Sequence[dict[str, Tensor]], weights: Sequence[float] | None = None) -> dict[str, Tensor]:
    """Weighted mean of generators' weights, in the first one's types; `weights` need not sum to 1, None is an equal mean.

    Means something for generators that went on from the same weights, or for checkpoints of one run: they lie in one
    valley (Wortsman et al., "Model soups", ICML 2022). Whole numbers have no mean: counters (of one number) are the first
    one's, tables must be equal.

    Raises:
        TrainingError: nothing to average, weights that are not one number >= 0 each with a sum > 0, or generators whose
            names, shapes or tables differ.
    """
    if not states:
        raise TrainingError("There is nothing to average: give one generator or more.")
    shares = [1.0] * len(states) if weights is None else list(weights)
    if len(shares) != len(states) or min(shares) < 0 or not 0 < math.fsum(shares) < math.inf:
        raise TrainingError(f"Averaging {len(states)} generators needs as many weights, each at least 0 and not all 0.")
    first = states[0]
    for number, other in enumerate(states[1:], 2):
        if odd := sorted(first.keys() ^ other.keys()):
            raise TrainingError(f"Generators 1 and {number} cannot be averaged: only one of them has {odd[0]}.")
        for name, tensor in first.items():
            if other[name].shape != tensor.shape:
                shapes = f"{list(tensor.shape)} and {list(other[name].shape)}"
                raise TrainingError(f"Generators 1 and {number} cannot be averaged: {name} has the shapes {shapes}.")
            if not tensor.is_floating_point() and tensor.ndim and not torch.equal(tensor, other[name]):
                raise TrainingError(f"Generators 1 and {number} cannot be averaged: {name} holds different whole numbers.")
    total = math.fsum(shares)
    return {name: _mean([s[name] for s in states], [w / total for w in shares]) for name in first}


def _mean(tensors: list[Tensor], shares: list[float]) -> Tensor:
    if not tensors[0].is_floating_point():
        return tensors[0].clone()
    total = sum((w * t.double() for w, t in zip(shares, tensors, strict=True)), torch.zeros(()))  # rounds once, at the end
    return total.to(tensors[0].dtype)
