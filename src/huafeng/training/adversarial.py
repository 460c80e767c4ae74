"""The game of generator and discriminator: losses, gradient penalties, instance noise, accuracy; pure functions.

Scores are logits of any shape [B, ...]: one a picture, or many, one a patch. Losses and penalties are float32 [B], one number
a picture (the mean over its scores), so that masks and processes can weigh them. All are minimised. Pictures are
[B, 3, H, W] in 0..1. Call these functions outside of autocast; for the penalties, run the discriminator outside of it, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, assert_never

import torch
import torch.nn.functional as F
from torch import Tensor

AdversarialLoss = Literal["minimax", "non-saturating", "least-squares", "hinge", "wasserstein"]
SMOOTHABLE: frozenset[AdversarialLoss] = frozenset({"minimax", "non-saturating", "least-squares"})


def discriminator_loss(kind: AdversarialLoss, real: Tensor, made: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Scores of real and made pictures, each [B, ...] -> losses [B], by kind, with r = D(real), m = D(made):

    minimax, non-saturating: -t log s(r) - (1 - t) log(1 - s(r)) - log(1 - s(m)), s the sigmoid (Goodfellow et al., 2014)
    least-squares: (r - t)^2 / 2 + m^2 / 2 (Mao et al., ICCV 2017, a = 0, b = c = 1)
    hinge: max(0, 1 - r) + max(0, 1 + m) (Lim & Ye, 2017)
    wasserstein: m - r (Arjovsky et al., ICML 2017); needs a `gradient_penalty`

    t = 1 - smoothing is the target of real pictures: one-sided label smoothing (Salimans et al., NeurIPS 2016).

    Raises:
        ValueError: smoothing with a kind that has no target, i.e. not in SMOOTHABLE.
    """
    if smoothing and kind not in SMOOTHABLE:
        raise ValueError(f"label smoothing has no meaning with the {kind} loss")
    real, made = real.float(), made.float()
    match kind:
        case "minimax" | "non-saturating":
            # -log s(x) = softplus(-x) and -log(1 - s(x)) = softplus(x) = x + softplus(-x), finite for any logit
            return _mean(F.softplus(-real) + smoothing * real) + _mean(F.softplus(made))
        case "least-squares":
            return (_mean((real - 1 + smoothing).square()) + _mean(made.square())) / 2
        case "hinge":
            return _mean((1 - real).relu()) + _mean((1 + made).relu())
        case "wasserstein":
            return _mean(made) - _mean(real)
        case _:
            assert_never(kind)


def generator_loss(kind: AdversarialLoss, made: Tensor) -> Tensor:
    """Scores of made pictures [B, ...] -> losses [B], by kind, with m = D(made), s the sigmoid:

    minimax: log(1 - s(m)), whose gradient dies where the discriminator is sure (Goodfellow et al., 2014, eq. 1)
    non-saturating: -log s(m) (the same, section 3)
    least-squares: (m - 1)^2 / 2
    hinge, wasserstein: -m
    """
    made = made.float()
    match kind:
        case "minimax":
            return -_mean(F.softplus(made))
        case "non-saturating":
            return _mean(F.softplus(-made))
        case "least-squares":
            return _mean((made - 1).square()) / 2
        case "hinge" | "wasserstein":
            return -_mean(made)
        case _:
            assert_never(kind)


def patch_accuracy(kind: AdversarialLoss, real: Tensor, made: Tensor) -> Tensor:
    """Share of scores on the right side, half from real and half from made pictures: scalar in 0..1; 0.5 is guessing.

    The boundary is where the loss puts it: 0, or 0.5 for least squares. A Wasserstein critic's zero is arbitrary, so its
    boundary is the middle between the two means, and a high share is no alarm there. A score on the boundary is not right.
    """
    real, made = real.float(), made.float()
    boundary: Tensor | float = 0.5 if kind == "least-squares" else 0.0
    if kind == "wasserstein":
        boundary = (real.mean() + made.mean()) / 2
    return ((real > boundary).float().mean() + (made < boundary).float().mean()) / 2


def r1_penalty(scores: Tensor, pictures: Tensor) -> Tensor:
    """|grad_x D(x)|^2 / 2 -> [B], without its weight gamma (Mescheder et al., ICML 2018, eq. 9).

    scores [B, ...] were computed from the real `pictures`, which require grad (else RuntimeError). With P scores a picture,
    |grad of their sum|^2 / (2 P): the mean of the patches' own penalties where patches do not overlap, so that a gamma means
    the same for any number of patches.
    """
    return _gradient(scores, pictures).square().sum(1) * scores.shape[1:].numel() / 2


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, made: Tensor, mix: Tensor) -> Tensor:
    """(|grad D(x)| - 1)^2 at x = mix real + (1 - mix) made -> [B], without its weight lambda (Gulrajani et al., 2017, eq. 3).

    critic: pictures [B, 3, H, W] -> scores [B, ...]; D is the mean of a picture's scores, as in the Wasserstein loss. No
    picture of a batch may change another one's scores (no batch norm).   mix: [B], uniform in 0..1.
    For the discriminator's phase: no gradient goes into the pictures.
    """
    mix = mix.to(real)[:, None, None, None]
    between = (mix * real + (1 - mix) * made).detach().requires_grad_(True)
    return (_gradient(critic(between), between).norm(dim=1) - 1).square()


def noise_level(start: float, until: float, progress: float) -> float:
    """Standard deviation of instance noise at `progress` 0..1: from `start` in a straight line to 0 at `until`, then 0."""
    return start * (1 - progress / until) if progress < until else 0.0


def instance_noise(pictures: Tensor, std: float, noise: Tensor) -> Tensor:
    """Pictures + std x normal noise (Sønderby et al., ICLR 2017; Arjovsky & Bottou, ICLR 2017); not clipped to 0..1.

    Real and made pictures both get it before the discriminator, so that their distributions overlap. noise: standard
    normal numbers of the pictures' shape, from any device.
    """
    return pictures + std * noise.to(pictures)


def _mean(scores: Tensor) -> Tensor:
    """[B, ...] -> [B]: mean over all but the batch."""
    return scores[:, None].flatten(1).mean(1)


def _gradient(scores: Tensor, pictures: Tensor) -> Tensor:
    """Scores [B, ...] of pictures [B, 3, H, W] -> gradient of each one's mean score [B, 3 H W], itself differentiable."""
    (gradient,) = torch.autograd.grad(_mean(scores.float()).sum(), pictures, create_graph=True)
    return gradient.float().flatten(1)
