"""Teaching a small feature network to measure style and content as a large one does (Hinton et al., 2015, for losses).

A Gram distance does not change when features are rotated, and hardly when components without energy are left out. So
the student learns the teacher's features in the coordinates of their principal components: its Gram distances are then
the teacher's own, and its layers are smaller. All functions are pure; features are [B, C, H, W], Gram matrices [B, C, C].
"""

from __future__ import annotations

import torch
from torch import Tensor


def principal_components(second_moment: Tensor, count: int) -> Tensor:
    """Second moment E[f f^T] [C, C] -> the `count` orthonormal directions [C, count] with most energy, most first.

    The moment is not centred, as a Gram matrix is not: so this is the projection that keeps most of it.
    """
    _, vectors = torch.linalg.eigh(second_moment)  # in ascending order
    return vectors.flip(1)[:, :count]


def project(features: Tensor, components: Tensor) -> Tensor:
    """[B, C, H, W] in the coordinates of components [C, K]: [B, K, H, W]."""
    return torch.einsum("bchw,ck->bkhw", features, components.to(features.dtype))


def relative_error(made: Tensor, wanted: Tensor) -> Tensor:
    """Per picture ||made - wanted||^2 / ||wanted||^2, float32 [B]; for features and for Gram matrices."""
    made, wanted = made.float().flatten(1), wanted.float().flatten(1)
    return (made - wanted).square().sum(1) / wanted.square().sum(1)


def pair_distances(things: Tensor) -> Tensor:
    """[B, ...] -> float32 [B, B]: ||t_i - t_j||^2 / ||t_j||^2: of Gram matrices the style loss, of features the content
    loss of every picture i towards every picture j."""
    flat = things.float().flatten(1)
    energy = flat.square().sum(1)
    products = flat @ flat.T
    return (energy[:, None] + energy[None, :] - 2 * products).clamp_min(0) / energy[None, :]


def log_ratio(made: Tensor, wanted: Tensor, floor: float) -> Tensor:
    """(log(made + floor) - log(wanted + floor))^2, elementwise: a distance counts by its ratio, however small it is."""
    return ((made + floor).log() - (wanted + floor).log()).square()
