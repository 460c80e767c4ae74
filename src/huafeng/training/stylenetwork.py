"""The network that a style owns: photo -> painting in one pass (Johnson et al., ECCV 2016), most of it at 1/8 of the size.

There one 3x3 convolution sees 24 px of the photo, so that long strokes cost little. The only skip leaves at 1/4 of the size: it
keeps contours where they are, and has no fine detail that the painting could simply pass on.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from huafeng.training.network import Generator as BaseGenerator
from huafeng.training.network import conv_layers
from huafeng.training.translation import Layer


class AffineBlock(nn.Module):
    """x + norm(conv(relu(norm(conv(x))))), norms with scale and shift; `idle`: at first x alone."""

    def __init__(self, channels: int, *, idle: bool = False) -> None:
        super().__init__()
        self.first = Layer(channels, channels, reflect=True, affine=True)
        self.second = Layer(channels, channels, reflect=True, affine=True, leak=1)
        if idle and self.second.scale is not None:
            nn.init.zeros_(self.second.scale)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H, W]."""
        return x + self.second(self.first(x))


class StyleTransferNetwork(nn.Module):
    """Pictures [B, 3, H, W] in 0..1 -> pictures [B, 3, H, W] in 0..1; H and W are multiples of 8."""

    stride = 8

    def __init__(self, half: int = 16, quarter: int = 32, eighth: int = 96, blocks: int = 4, quarter_blocks: int = 2) -> None:
        super().__init__()
        self.down2 = Layer(3, half, 5, stride=2, reflect=True, affine=True)
        self.down4 = Layer(half, quarter, stride=2, reflect=True, affine=True)
        self.down8 = Layer(quarter, eighth, stride=2, reflect=True, affine=True)
        self.blocks = nn.ModuleList(AffineBlock(eighth) for _ in range(blocks))
        self.up4 = Layer(eighth, quarter, up=True, reflect=True, affine=True, leak=1)
        self.blocks4 = nn.ModuleList(AffineBlock(quarter, idle=place > 0) for place in range(quarter_blocks))
        self.up2 = Layer(quarter, half, up=True, reflect=True, affine=True)
        self.mix2 = Layer(half, half, reflect=True, affine=True)
        self.last = Layer(half, 3, up=True, reflect=True, norm=False, leak=1)
        for layer in self.modules():
            if isinstance(layer, Layer) and layer.norm:
                nn.init.kaiming_normal_(layer.weight)

    @property
    def reach(self) -> int:
        """No output pixel depends on input pixels further away, px, but for the norms' means and variances.

        Two 3x3 a block on both grids; the halvings, the enlargements, and a cell's far end.
        """
        return 16 * len(self.blocks) + 8 * len(self.blocks4) + 40

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class."""
        at4 = self.down4(self.down2(pictures * 2 - 1))  # [B, 16, H/2, W/2], [B, 32, H/4, W/4]
        x = self.down8(at4)  # [B, 96, H/8, W/8]
        for block in self.blocks:
            x = block(x)
        x = F.relu(self.up4(x) + at4)  # [B, 32, H/4, W/4]
        for block in self.blocks4:
            x = block(x)
        x = self.last(self.mix2(self.up2(x)))  # [B, 16, H/2, W/2] twice, [B, 3, H, W]
        return (torch.tanh(x.float()) + 1) / 2


@torch.no_grad()
def begin_at_base(network: StyleTransferNetwork, base: BaseGenerator, modulation: Tensor) -> None:
    """Give a network the base generator's weights, and for its scales and shifts a style's modulation [M].

    The base's noise, its skip from 1/2 of the size and its colour matrix have no counterpart; blocks that it lacks stay idle.
    """
    own = {name.replace("block4.", "blocks4.0."): layer for name, layer in conv_layers(base).items()}
    rest = modulation
    for name, layer in own.items():
        ours = network.get_submodule(name)
        channels = layer.weight.shape[0]
        assert isinstance(ours, Layer) and ours.scale is not None and ours.shift is not None
        ours.weight.copy_(layer.weight)
        scale, shift, rest = rest.split([channels, channels, len(rest) - 2 * channels])
        ours.scale.copy_(scale)
        ours.shift.copy_(shift)
    assert network.last.bias is not None
    network.last.weight.copy_(base.last / 2)  # sigmoid(x) = (tanh(x / 2) + 1) / 2
    network.last.bias.copy_(base.last_bias / 2)
