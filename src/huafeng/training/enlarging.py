"""The network that enlarges: SRResNet (Ledig et al., CVPR 2017) without its batch norms, as what is left to add to bicubic
enlargement (Kim et al., VDSR, CVPR 2016)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from huafeng.training.translation import LEAK, Drop, Layer

Scale = Literal[2, 4]


class EnlargingBlock(nn.Module):
    """x + conv(leaky(conv(x))). Batch norms blur what depends on contrast (Lim et al., EDSR, CVPR workshops 2017)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = Layer(channels, channels, norm=False, leak=LEAK)
        self.second = Layer(channels, channels, norm=False, leak=1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H, W]."""
        return x + self.second(self.first(x))


class Enlarger(nn.Module):
    """Pictures [B, 3, H, W] in 0..1 -> pictures [B, 3, scale H, scale W], which may leave 0..1 a little."""

    stride = 1

    def __init__(self, scale: Scale, width: int = 64, blocks: int = 16) -> None:
        super().__init__()
        self.scale = scale
        self.first = Layer(3, width, 9, norm=False, leak=LEAK)
        self.blocks = nn.ModuleList(EnlargingBlock(width) for _ in range(blocks))
        self.after = Layer(width, width, norm=False, leak=1)
        self.up = nn.ModuleList(Layer(width, 4 * width, norm=False, leak=LEAK) for _ in range(scale // 2))
        self.last = Layer(width, 3, 9, norm=False, leak=1)
        for module in self.modules():
            if isinstance(module, Layer):
                nn.init.kaiming_normal_(module.weight, LEAK)
                if module in self.up:
                    icnr(module.weight)
        nn.init.zeros_(self.last.weight)  # the first steps begin at bicubic enlargement

    @property
    def reach(self) -> int:
        """9x9, two 3x3 a block, one after them, one at each size on the way up, 9x9 at full size; bicubic sees less."""
        return 4 + 2 * len(self.blocks) + 1 + 1 + 1 + 4

    def forward(self, pictures: Tensor, drop: Drop | None = None) -> Tensor:
        """See the class; there is nothing here to drop."""
        x = first = self.first(pictures * 2 - 1)  # [B, width, H, W]
        for block in self.blocks:
            x = block(x)
        x = first + self.after(x)
        for layer in self.up:
            x = F.pixel_shuffle(layer(x), 2)  # [B, width, 2 H, 2 W], [B, width, 4 H, 4 W]
        return bicubic(pictures, self.scale) + self.last(x).float()  # [B, 3, scale H, scale W]


def bicubic(pictures: Tensor, scale: int) -> Tensor:
    """[B, 3, H, W] -> float32 [B, 3, scale H, scale W]; a = -0.75, as torch and onnx have it."""
    return F.interpolate(pictures.float(), scale_factor=scale, mode="bicubic", align_corners=False)


@torch.no_grad()
def icnr(weight: Tensor, factor: int = 2) -> None:
    """Kernel [O r^2, I, k, k] before a pixel shuffle by r, in place: all r^2 neighbours begin with the first one's kernel.

    So the shuffle begins as enlargement to the nearest pixel, without a checkerboard (Aitken et al., "Checkerboard artifact
    free sub-pixel convolution", 2017).
    """
    weight.copy_(weight[:: factor**2].repeat_interleave(factor**2, 0))
