"""The w whose picture is nearest to a photo: projection into a generator's space (Karras et al., CVPR 2020, section 5)."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from huafeng.generator import Generator
from huafeng.pixels import F32, U8
from huafeng.training.data import to_batch
from huafeng.training.features import FeatureNetwork, load_features
from huafeng.training.generatorfile import network_of
from huafeng.training.losses import content_loss

BEGINNINGS = 64  # pictures, the nearest of which the search starts from
TRUNCATION = 0.7  # of these
STEPS = 200
RATE = 0.05  # Adam's, at the start; half a cosine leads to 0
PULL = 1e-3  # weight of the squared distance from the mean w: what is far from it is no picture of the kind


def project(generator: Generator, photo: U8, *, style: str | None = None, seed: int = 0) -> tuple[F32, float]:
    """Photo uint8 [S, S, 3] of the generator's side -> (w [W], distance of its picture).

    The distance is the mean relative one over all layers of features-v1, and 10 times the pixels' mean square.

    style: where to begin; by default in all classes.   seed: of the pictures to begin with.

    Raises:
        GeneratorError: the file is damaged, or has no such style.
    """
    network, features = network_of(generator), load_features()
    target = to_batch([photo])
    wanted = features(target)
    noise = torch.from_numpy(generator.noise)

    def distance(w: Tensor) -> Tensor:
        made = network.synthesis(w, noise)
        return _apart(features, made, wanted) + 10 * (made - target).square().mean()

    with torch.no_grad():
        beginnings = torch.from_numpy(generator.ws(generator.latents(BEGINNINGS, seed), truncation=TRUNCATION, style=style))
        nearest = int(torch.stack([distance(w[None]) for w in beginnings]).argmin())
    mean = beginnings.mean(0, keepdim=True)
    w = beginnings[nearest : nearest + 1].clone().requires_grad_(True)
    adam = torch.optim.Adam([w], lr=RATE, betas=(0.9, 0.99))
    best, least = beginnings[nearest], math.inf
    for step in range(STEPS):
        adam.param_groups[0]["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / STEPS))
        adam.zero_grad()
        apart = distance(w)
        if (now := apart.item()) < least:
            best, least = w.detach()[0].clone(), now
        (apart + PULL * (w - mean).square().mean()).backward()
        adam.step()
    return np.ascontiguousarray(best.numpy(), np.float32), least


def _apart(features: FeatureNetwork, made: Tensor, wanted: dict[str, Tensor]) -> Tensor:
    found = features(made)
    return torch.stack([content_loss(found[layer], wanted[layer]) for layer in wanted]).mean()
