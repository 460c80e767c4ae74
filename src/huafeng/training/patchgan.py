"""The discriminator of patches (Isola et al., CVPR 2017, appendix 6.1.2; Li & Wand, ECCV 2016)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from huafeng.training.features import LEAST_PX
from huafeng.training.network import M, instance_norm
from huafeng.training.options import Between
from huafeng.training.translation import LEAK
from huafeng.translator import NORM_EPSILON


@dataclass(frozen=True)
class PatchGanOptions:
    """The discriminator's size."""

    width: Annotated[int, Between(1)] = 64
    """Channels of its first layer; with `features`, of every layer's head."""
    halvings: Annotated[int, Between(1, 5)] = 3
    """How often it halves the picture: it judges patches of 16, 34, 70, 142 or 286 px, with `features` of larger ones."""
    norm: Literal["instance", "none"] = "instance"
    """What stands behind its inner convolutions; none goes well with spectral_norm, and with a gradient penalty."""
    features: str | None = None
    """Feature network to see pictures through: features-v1, or a file with SqueezeNet's or VGG's weights; null = pixels."""

    def refuses(self, crop_px: int) -> Iterator[str]:
        """Crops of which it sees no whole score."""
        if self.features is None:
            least, why = 3 * 2**self.halvings, f"discriminator.halvings is {self.halvings}"
        else:
            least, why = LEAST_PX, "discriminator.features is set"
        if crop_px < least:
            yield f"crop_px must be {least} at least: {why}"


class PatchGan(nn.Module):
    """Pictures [B, C, H, W] in 0..1 -> scores [B, 1, h, w], one a patch.

    C64-C128-C256-C512 and one more to a score, all 4x4: stride 2 in `halvings` of them, then 1. No norm in the first.

    Args:
        inputs: C; 6 where a picture is judged beside the one that it was made of.
    """

    def __init__(self, options: PatchGanOptions, *, inputs: int = 3, spectral_norm: bool = False) -> None:
        super().__init__()

        def plain(layer: M) -> M:
            if options.norm == "none":
                nn.init.kaiming_normal_(layer.weight, LEAK)  # type: ignore[arg-type]
            else:
                nn.init.normal_(layer.weight, std=0.02)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
            return nn.utils.parametrizations.spectral_norm(layer) if spectral_norm else layer  # type: ignore[return-value]

        widths = [inputs, *(options.width * min(2**i, 8) for i in range(options.halvings + 1))]
        strides = [2] * options.halvings + [1]
        self.norm = options.norm
        self.layers = nn.ModuleList(
            plain(nn.Conv2d(a, b, 4, stride=stride, padding=1))
            for (a, b), stride in zip(pairwise(widths), strides, strict=True)
        )
        self.head = plain(nn.Conv2d(widths[-1], 1, 4, padding=1))

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class."""
        x = pictures * 2 - 1
        for place, layer in enumerate(self.layers):
            x = layer(x)  # [B, width 2^i, H/2^(i+1), W/2^(i+1)], the last one a pixel smaller
            if place and self.norm == "instance":
                x = instance_norm(x, NORM_EPSILON)
            x = F.leaky_relu(x, LEAK)
        scores: Tensor = self.head(x)
        return scores
