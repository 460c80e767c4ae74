"""PatchNCE over several layers of a generator's first half (Park, Efros, Zhang & Zhu, "Contrastive Learning for Unpaired
Image-to-Image Translation", ECCV 2020, section 3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from huafeng.training.losses import patch_nce
from huafeng.training.recipe import Clock

CODE = 256  # numbers by which places are compared


class PatchHeads(nn.Module):
    """H_l of the paper: a small network of two layers for each layer of features."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Sequential(nn.Linear(c, CODE), nn.ReLU(), nn.Linear(CODE, CODE)) for c in channels)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, layers: Sequence[Tensor], places: Sequence[Tensor]) -> list[Tensor]:
        """Features [B, C, H, W] and places [P] in H W, by layer -> codes [B, P, 256]."""
        chosen = (layer.float().flatten(2)[:, :, at].transpose(1, 2) for layer, at in zip(layers, places, strict=True))
        return [head(patches) for head, patches in zip(self.heads, chosen, strict=True)]


def draw_places(clock: Clock, layers: Sequence[Tensor], count: int, purpose: str) -> list[Tensor]:
    """`count` different places of each layer [B, C, H, W], or all where there are fewer; alike for the whole batch."""
    numbers = clock.numbers(purpose)
    sizes = (layer.shape[2] * layer.shape[3] for layer in layers)
    return [torch.randperm(size, generator=numbers)[:count].to(layers[0].device) for size in sizes]


def contrast(heads: PatchHeads, made: Sequence[Tensor], photo: Sequence[Tensor], places: Sequence[Tensor]) -> Tensor:
    """Mean over the layers of PatchNCE between results and photos, at the same places. No gradient goes into the photos' side.

    So heads and generator learn from the results alone, as in the authors' program.
    """
    with torch.no_grad():
        keys = heads(photo, places)
    queries = heads(made, places)
    return torch.stack([patch_nce(q, k) for q, k in zip(queries, keys, strict=True)]).mean()
