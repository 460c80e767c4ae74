"""Content and style losses of a painting at full, half and quarter size: what strokes do to a feature network at all three.

Content is compared at half and at quarter size only: what is where stays, and each edge may be drawn anew. At full size a
window of half a side stands for the whole, as fine texture is alike everywhere and costs most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from huafeng.training import losses
from huafeng.training.features import FeatureNetwork
from huafeng.training.options import Between
from huafeng.training.recipe import Machine

SCALES = {1: 0.25, 2: 0.25, 4: 0.5}  # by how much pictures are shrunk, and the style's share there: large strokes count most
FINE_LAYERS = 4  # style layers seen at full size, the first ones: deeper ones see as much at half of it

Grams: TypeAlias = Mapping[int, Mapping[str, Tensor]]  # by scale and layer: [1 or B, C, C]


@dataclass(frozen=True)
class StyleLossWeights:
    """Weights of the losses; 0 switches one off."""

    content: Annotated[float, Between(0)] = 0.8
    """Distance of features to the photo's, both at half their size."""
    coarse_content: Annotated[float, Between(0)] = 1.5
    """The same at a quarter of their size: where light and dark, and large shapes, lie."""
    style: Annotated[float, Between(0)] = 8.0
    """Distance of the batch's mean Gram matrices to the works', at three sizes."""
    total_variation: Annotated[float, Between(0)] = 0.1
    """Differences between neighbouring pixels."""
    grid: Annotated[float, Between(0)] = 0.3
    """Peaks in the spectrum at periods of 8, 4 and 2 px: against checkerboards."""


def shrunk(pictures: Tensor, scale: int) -> Tensor:
    """[B, 3, H, W] -> [B, 3, H / scale, W / scale], means of squares of pixels."""
    return F.avg_pool2d(pictures, scale) if scale > 1 else pictures


@torch.no_grad()
def style_target(features: FeatureNetwork, works: Iterable[Tensor]) -> Grams:
    """The mean Gram matrices of works, each [1, 3, H, W] in 0..1."""
    sums: dict[int, dict[str, Tensor]] = {scale: {} for scale in SCALES}
    count = 0
    for work in works:
        count += 1
        for scale, found in sums.items():
            seen = features(shrunk(work, scale), features.style_layers[-1])
            for layer in features.style_layers:
                found[layer] = found.get(layer, 0) + losses.gram(seen[layer])
    return {scale: {layer: total / count for layer, total in found.items()} for scale, found in sums.items()}


def style_losses(
    weights: StyleLossWeights,
    features: FeatureNetwork,
    machine: Machine,
    made: Tensor,
    photo: Tensor,
    target: Grams,
    window: tuple[int, int] | None = None,
    mean: Callable[[Tensor], Tensor] | None = None,
) -> dict[str, Tensor]:
    """The weighted losses of results `made` [B, 3, S, S] of `photo`, by name.

    window: top and left of the square of S / 2 px that is seen at full size; None: all is seen.
    mean: of a tensor over all processes, with gradient, as the mean of Gram matrices is the whole batch's; None: the machine's.
    """
    side, mean = made.shape[-1] // 2, mean or machine.processes.mean
    layers, fine = features.style_layers, features.style_layers[:FINE_LAYERS]
    seen: dict[int, dict[str, Tensor]] = {}
    with machine.autocast():
        top, left = window or (0, 0)
        part = made if window is None else made[..., top : top + side, left : left + side]
        seen[1] = features(part, fine[-1])
        for scale in (2, 4):
            seen[scale] = features(shrunk(made, scale), layers[-1])
    parts = {}
    if weights.content or weights.coarse_content:
        layer = features.content_layer
        for name, weight, scale in (("content", weights.content, 2), ("coarse", weights.coarse_content, 4)):
            if weight:
                with torch.no_grad(), machine.autocast():
                    wanted = features(shrunk(photo, scale), layer)[layer]
                parts[name] = weight * losses.content_loss(seen[scale][layer], wanted)
    if weights.style:
        by_scale = []
        for scale, share in SCALES.items():
            distances = []
            for name in fine if scale == 1 else layers:
                # the mean over the batch: one photo may be all sky, and no painter's sky has all of his palette
                gram = mean(losses.gram(seen[scale][name]).mean(0, keepdim=True))
                distances.append(losses.style_loss(gram, target[scale][name]))
            by_scale.append(share * torch.stack(distances).mean())
        parts["style"] = weights.style * torch.stack(by_scale).sum()
    if weights.total_variation:
        parts["variation"] = weights.total_variation * losses.total_variation(made)
    if weights.grid:
        parts["grid"] = weights.grid * losses.grid_excess(made, mean=mean)
    return parts
