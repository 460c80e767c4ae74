"""Losses as pure functions. Pictures are [B, 3, H, W] in 0..1, features [B, C, H, W]; every loss is a scalar >= 0,
except the generator's adversarial loss, which may be negative (more of those: `adversarial`).

Losses of pictures are means over the batch, all but `grid_excess`: where processes hold equal shares of it, the mean of
their losses is the whole batch's. They count in float32, except for the products in `gram`; call them outside of autocast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LUMA = torch.tensor([0.299, 0.587, 0.114])
FAINT = 1e-4  # power far below one level of 255: bilinear enlargement leaves none at period 2, and noise has no ratio


def luminance(picture: Tensor) -> Tensor:
    """Pictures [B, 3, H, W] -> float32 [B, H, W], weights of Rec. 601."""
    return (picture.float() * LUMA.to(picture.device)[None, :, None, None]).sum(1)


def gram(features: Tensor) -> Tensor:
    """[B, C, H, W] -> float32 [B, C, C]: G = F F^T / (H W) (Gatys et al., CVPR 2016). Multiplies in the features' own
    precision (bf16 products are summed in float32 by the matrix units).
    """
    flat = features.permute(0, 2, 3, 1).flatten(1, 2)  # [B, H W, C]: a view where memory is channels-last
    return (flat.transpose(1, 2) @ flat).float() / flat.shape[1]


def style_loss(made: Tensor, target: Tensor) -> Tensor:
    """Squared distance of Gram matrices [B, C, C] over the target's own mean square, averaged over the batch."""
    scale = target.square().mean((1, 2))
    return ((made - target).square().mean((1, 2)) / scale).mean()


def content_loss(made: Tensor, photo: Tensor, weights: Tensor | None = None) -> Tensor:
    """Squared distance of features over the photo's own mean square (Johnson et al., ECCV 2016, relative form).

    weights [B]: how much each picture's counts.
    """
    made, photo = made.float(), photo.float()
    distances = (made - photo).square().mean((1, 2, 3)) / photo.square().mean((1, 2, 3))
    return (distances if weights is None else weights * distances).mean()


def channel_statistics(features: Tensor) -> Tensor:
    """Features [B, C, H, W] -> float32 [B, 2, C]: each channel's mean and standard deviation, sqrt(variance + 1e-5)."""
    variance, mean = torch.var_mean(features.float(), (2, 3), correction=0)
    return torch.stack([mean, (variance + 1e-5).sqrt()], 1)


def cycle_loss(returned: Tensor, picture: Tensor) -> Tensor:
    """mean |F(G(x)) - x|: there and back again gives the picture (CycleGAN, Zhu et al., ICCV 2017; both ways are added)."""
    return F.l1_loss(returned.float(), picture.float())


def identity_loss(made: Tensor, work: Tensor) -> Tensor:
    """mean |G(y) - y|: what has the style already stays as it is (Taigman et al., ICLR 2017; Zhu et al., section 5.2)."""
    return F.l1_loss(made.float(), work.float())


def dissimilarity(made: Tensor, truth: Tensor, window: int = 8) -> Tensor:
    """1 - SSIM of luminances: 0 = alike (Wang et al., "Image Quality Assessment: From Error Visibility to Structural
    Similarity", IEEE TIP 2004, eq. 13, with plain windows of 8 x 8 px and colours in 0..1)."""
    x, y = luminance(made)[:, None], luminance(truth)[:, None]  # [B, 1, H, W]
    means = [F.avg_pool2d(values, window, stride=1) for values in (x, y, x * x, y * y, x * y)]
    mean_x, mean_y = means[:2]
    variances = (means[2] - mean_x.square()) + (means[3] - mean_y.square())
    covariance = means[4] - mean_x * mean_y
    light, contrast = 0.01**2, 0.03**2
    alike = (2 * mean_x * mean_y + light) * (2 * covariance + contrast)
    return 1 - (alike / ((mean_x.square() + mean_y.square() + light) * (variances + contrast))).mean()


def patch_nce(queries: Tensor, keys: Tensor, temperature: float = 0.07) -> Tensor:
    """Each place of the result knows its own place in the photo among the photo's other places (PatchNCE).

    queries, keys: features [B, P, C] of the result and of the photo at the same P places. Cross-entropy of cosines over
    temperature, place p of the same photo being the right answer to query p; mean over places and batch. No gradient goes
    into the keys (CUT, Park et al., "Contrastive Learning for Unpaired Image-to-Image Translation", ECCV 2020).
    """
    q, k = F.normalize(queries.float(), dim=2), F.normalize(keys.detach().float(), dim=2)
    logits = q @ k.transpose(1, 2) / temperature  # [B, P, P]
    right = torch.arange(logits.shape[1], device=logits.device).expand(logits.shape[:2])
    return F.cross_entropy(logits.flatten(0, 1), right.flatten())


def total_variation(picture: Tensor) -> Tensor:
    """Mean absolute difference of neighbours, both directions."""
    return picture.diff(dim=2).abs().mean() + picture.diff(dim=3).abs().mean()


def l1_penalty(module: nn.Module) -> Tensor:
    """Sum of |w| over the module's trainable weights (lasso): many weights become 0."""
    return sum((w.float().abs().sum() for w in _weights(module)), torch.zeros(()))


def l2_penalty(module: nn.Module) -> Tensor:
    """Half the sum of w^2 over the module's trainable weights (ridge): its gradient is w, as weight decay's in SGD."""
    return sum((w.float().square().sum() / 2 for w in _weights(module)), torch.zeros(()))


def _weights(module: nn.Module) -> Iterator[nn.Parameter]:
    """Kernels and matrices; not biases, nor norms' scales and shifts, which are few and have one axis."""
    return (p for p in module.parameters() if p.ndim > 1 and p.requires_grad)


def grid_excess(picture: Tensor, period: int = 8, spread: int = 2, *, mean: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    """How far periodic grids stand out of the picture's spectrum, in nepers; 0 = not at all.

    Power of the luminance (Hann window, mean over the batch) at the bins of periods `period`, `period/2`, ... pixels,
    over the mean of the bins within `spread` around each; positive logarithms are averaged. H = W, a multiple of `period`.

    The logarithm sees the whole batch's power. Where several processes share a batch, `mean` takes this one's mean power
    [S, S] and returns the mean over all of them, with gradient.
    """
    side = picture.shape[-1]
    luma = luminance(picture)  # [B, S, S]
    window = torch.hann_window(side, periodic=True, device=picture.device)
    power = torch.fft.fft2((luma - luma.mean((1, 2), keepdim=True)) * window[:, None] * window).abs().square().mean(0)
    if mean is not None:
        power = mean(power)
    at = torch.arange(0, side, side // period)
    offsets = torch.arange(-spread, spread + 1)
    rows = (at[:, None] + offsets).remainder(side)  # [P, 2 spread + 1]
    patches = power[rows][:, :, rows].permute(0, 2, 1, 3)  # [P, P, 2 spread + 1, 2 spread + 1]
    # the Hann window spreads a pure tone over 3 x 3 bins: they are the peak, the rest is the neighbourhood
    peak = patches[..., spread, spread]
    ring = torch.ones(2 * spread + 1, 2 * spread + 1, device=picture.device)
    ring[spread - 1 : spread + 2, spread - 1 : spread + 2] = 0
    neighbours = (patches * ring).sum((-1, -2)) / ring.sum()
    ratio = (peak + FAINT).log() - (neighbours + FAINT).log()
    return ratio.flatten()[1:].relu().mean()  # without the mean itself
