"""Losses as pure functions. Pictures are [B, 3, H, W] in 0..1, features [B, C, H, W]; every loss is a scalar >= 0,
except the generator's adversarial loss, which may be negative."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LUMA = torch.tensor([0.299, 0.587, 0.114])


def gram(features: Tensor) -> Tensor:
    """[B, C, H, W] -> float32 [B, C, C]: G = F F^T / (H W) (Gatys et al., CVPR 2016). Multiplies in the features' own
    precision (bf16 products are summed in float32 by the matrix units)."""
    flat = features.permute(0, 2, 3, 1).flatten(1, 2)  # [B, H W, C]: a view where memory is channels-last
    return (flat.transpose(1, 2) @ flat).float() / flat.shape[1]


def style_loss(made: Tensor, target: Tensor) -> Tensor:
    """Squared distance of Gram matrices [B, C, C] over the target's own mean square, averaged over the batch."""
    scale = target.square().mean((1, 2))
    return ((made - target).square().mean((1, 2)) / scale).mean()


def content_loss(made: Tensor, photo: Tensor) -> Tensor:
    """Squared distance of features over the photo's own mean square (Johnson et al., ECCV 2016, relative form)."""
    made, photo = made.float(), photo.float()
    return ((made - photo).square().mean((1, 2, 3)) / photo.square().mean((1, 2, 3))).mean()


def total_variation(picture: Tensor) -> Tensor:
    """Mean absolute difference of neighbours, both directions."""
    return picture.diff(dim=2).abs().mean() + picture.diff(dim=3).abs().mean()


def flatness_loss(made: Tensor, photo: Tensor, cell: int = 16, edge: float = 0.05) -> Tensor:
    """Flat stays flat: differences between neighbouring cell means of the result, where the photo's cells do not differ.

    Mean of |d made| exp(-|d photo| / edge) over cells of `cell` x `cell` px: keeps skies from growing blotches, while
    strokes, which are smaller than a cell, are free.
    """
    pooled, reference = F.avg_pool2d(made.float(), cell), F.avg_pool2d(photo.float(), cell)
    total = made.new_zeros(())
    for axis in (2, 3):
        calm = (-reference.diff(dim=axis).abs().amax(1, keepdim=True) / edge).exp()  # [B, 1, h, w]
        total = total + (pooled.diff(dim=axis).abs() * calm).mean()
    return total


def hinge_discriminator(real: Tensor, made: Tensor) -> Tensor:
    """mean max(0, 1 - D(x)) + mean max(0, 1 + D(G(z))) (Lim & Ye, 2017)."""
    return (1 - real).relu().mean() + (1 + made).relu().mean()


def hinge_generator(made: Tensor) -> Tensor:
    """-mean D(G(z))."""
    return -made.mean()


def grid_excess(picture: Tensor, period: int = 8, spread: int = 2) -> Tensor:
    """How far periodic grids stand out of the picture's spectrum, in nepers; 0 = not at all.

    Power of the luminance (Hann window, mean over the batch) at the bins of periods `period`, `period/2`, ... pixels,
    over the mean of the bins within `spread` around each; positive logarithms are averaged. H = W, a multiple of `period`.
    """
    side = picture.shape[-1]
    luma = (picture.float() * LUMA.to(picture.device)[None, :, None, None]).sum(1)  # [B, S, S]
    window = torch.hann_window(side, periodic=True, device=picture.device)
    power = torch.fft.fft2((luma - luma.mean((1, 2), keepdim=True)) * window[:, None] * window).abs().square().mean(0)
    at = torch.arange(0, side, side // period)
    offsets = torch.arange(-spread, spread + 1)
    rows = (at[:, None] + offsets).remainder(side)  # [P, 2 spread + 1]
    patches = power[rows][:, :, rows].permute(0, 2, 1, 3)  # [P, P, 2 spread + 1, 2 spread + 1]
    # the Hann window spreads a pure tone over 3 x 3 bins: they are the peak, the rest is the neighbourhood
    peak = patches[..., spread, spread]
    ring = torch.ones(2 * spread + 1, 2 * spread + 1, device=picture.device)
    ring[spread - 1 : spread + 2, spread - 1 : spread + 2] = 0
    ratio = (peak + 1e-12).log() - ((patches * ring).sum((-1, -2)) / ring.sum() + 1e-12).log()
    return ratio.flatten()[1:].relu().mean()  # without the mean itself
