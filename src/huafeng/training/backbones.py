"""Architectures of well-known networks, as far as content and style losses look into them; weights come from a file.

All take RGB pictures [B, 3, H, W] minus the mean colour of what they were trained on, and give features [B, C, h, w] by
layer name, up to the layer `upto`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Fire(nn.Module):
    """1x1 squeeze, then 1x1 and 3x3 expansions side by side (Iandola et al., 2016, section 3.2)."""

    def __init__(self, channels: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels, h, w] -> [B, 2 expand, h, w]."""
        x = F.relu(self.squeeze(x))
        return F.relu(torch.cat([self.expand1x1(x), self.expand3x3(x)], 1))


class SqueezeNet(nn.ModuleDict):
    """SqueezeNet 1.0 or 1.1 up to fire7 (Iandola et al., 2016). Layers: conv1 and fire2..fire7, after their ReLU.

    The picture is reflected at its rim, so that conv1, which has no padding, answers for every second pixel.
    """

    def __init__(self, version: str) -> None:
        first = nn.Conv2d(3, 96, 7, stride=2) if version == "1.0" else nn.Conv2d(3, 64, 3, stride=2)
        fires, channels = {}, first.out_channels
        for number, (squeeze, expand) in enumerate([(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192)], 2):
            fires[f"fire{number}"] = Fire(channels, squeeze, expand)
            channels = 2 * expand
        super().__init__({"conv1": first, **fires})
        self.layers = tuple(self)
        self.margin = first.kernel_size[0] // 2
        self.pool_after = ("conv1", "fire4") if version == "1.0" else ("conv1", "fire3", "fire5")

    def forward(self, picture: Tensor, upto: str | None = None) -> dict[str, Tensor]:
        """See the module."""
        x = F.pad(picture, (self.margin,) * 4, mode="reflect")
        found: dict[str, Tensor] = {}
        for layer, module in self.items():
            x = found[layer] = F.relu(module(x)) if layer == "conv1" else module(x)
            if layer == upto:
                break
            if layer in self.pool_after:
                x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        return found


class Vgg(nn.ModuleDict):
    """VGG (Simonyan & Zisserman, ICLR 2015) with `depths` convolutions a stage. Layers: relu1_1, relu1_2, relu2_1, ..."""

    def __init__(self, *depths: int) -> None:
        convolutions, channels = {}, 3
        for stage, depth in enumerate(depths, 1):
            width = min(64 * 2 ** (stage - 1), 512)
            for number in range(1, depth + 1):
                convolutions[f"relu{stage}_{number}"] = nn.Conv2d(channels, width, 3, padding=1)
                channels = width
        super().__init__(convolutions)
        self.layers = tuple(self)

    def forward(self, picture: Tensor, upto: str | None = None) -> dict[str, Tensor]:
        """See the module."""
        x, found = picture, dict[str, Tensor]()
        for layer, convolution in self.items():
            if layer.endswith("_1") and found:
                x = F.max_pool2d(x, 2)
            x = found[layer] = F.relu(convolution(x))
            if layer == upto:
                break
        return found
