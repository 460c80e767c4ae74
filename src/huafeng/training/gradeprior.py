"""How grades usually are, as a normal prior: principal components of random ones, colours weighed as photos have them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from huafeng.lookguess import NODES
from huafeng.training.tables import density, identity

COUNT = 8000  # random grades
COMMON, RARE = 10.0, 0.3  # a colour weighs as often as photos have it, at most so many times the mean, and a floor more
COMPONENTS = 160  # 64 hold 99 % of the variance, and leave film simulations 2 CIEDE2000 off; these 1
WANDER, WANDER_NODES = 0.03, 4  # offsets that every grade has besides, smooth between so many nodes per axis: the unforeseen


def grade_prior(colors: Tensor, grades: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Components [160, 9, 9, 9, 3], offsets in 0..1, and their variances [160], largest first.

    Args:
        colors: of photos [P, 3] in 0..1.
        grades: random ones [count, 9, 9, 9, 3].
        draw: random numbers.
    """
    offsets = (grades - identity(NODES)).flatten(1)
    offsets = offsets[offsets.any(1)]
    coarse = torch.randn(len(offsets), 3, *(WANDER_NODES,) * 3, generator=draw)
    wander = F.interpolate(coarse, (NODES,) * 3, mode="trilinear", align_corners=True)
    offsets = offsets + WANDER * wander.permute(0, 2, 3, 4, 1).flatten(1)
    frequency = density(colors, NODES)
    weights = ((frequency / frequency.mean()).clamp_max(COMMON) + RARE).sqrt().flatten().repeat_interleave(3)
    weighted = offsets * weights
    variances, vectors = torch.linalg.eigh((weighted.T @ weighted / len(weighted)).double())
    components = (vectors.flip(1)[:, :COMPONENTS].T / weights).float().unflatten(1, (NODES, NODES, NODES, 3))
    return components, variances.flip(0)[:COMPONENTS].float()
