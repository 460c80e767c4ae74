"""Networks that turn a picture into a picture: the residual generator of Johnson et al. and Zhu et al., and the U-Net of
Isola et al. Unlike the base generator, each of them knows one translation, and has a file of its own.

Their instance norms carry no scale and no shift: a convolution that follows can do the same. What a norm depends on is the
picture's own mean and variance, which the runtime takes from a thumbnail. What enlarges is "bilinear x2, then 3x3"
(`network.upsampling_kernel`) where both papers have transposed convolutions, which print checkerboards (Odena et al., 2016).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from huafeng.training.network import instance_norm, upsampling_kernel
from huafeng.translator import NORM_EPSILON

LEAK = 0.2
Drop = Callable[[Tensor], Tensor]


class Layer(nn.Module):
    """Convolution, instance norm, leaky ReLU: each but the first may be left out.

    Args:
        stride: 2 halves the picture (4x4, or 3x3 kernels); sizes are even.   up: doubles it.
        reflect: mirrors the picture at its rim, where others continue it with zeros.
        affine: the norm has a scale and a shift of its own.
        leak: slope below 0; 0 is a plain ReLU, 1 nothing at all.
    """

    def __init__(self, inputs: int, outputs: int, size: int = 3, *, stride: int = 1, up: bool = False, reflect: bool = False,
                 norm: bool = True, affine: bool = False, leak: float = 0.0) -> None:  # fmt: skip
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, size, size))
        nn.init.normal_(self.weight, std=0.02)  # as both papers
        self.bias = None if norm else nn.Parameter(torch.zeros(outputs))
        self.scale = nn.Parameter(torch.ones(outputs)) if affine else None
        self.shift = nn.Parameter(torch.zeros(outputs)) if affine else None
        self.stride, self.up, self.reflect, self.norm, self.leak = stride, up, reflect, norm, leak

    @property
    def pad(self) -> int:
        """Pixels beside the picture that the convolution sees."""
        return (self.weight.shape[-1] - 1) // 2

    def forward(self, x: Tensor) -> Tensor:
        """[B, I, H, W] -> [B, O, H', W']."""
        x = F.pad(x, [self.pad] * 4, mode="reflect") if self.reflect else x
        padding = 0 if self.reflect else self.pad
        if self.up:
            bias = None if self.bias is None else self.bias.repeat_interleave(4)
            x = F.pixel_shuffle(F.conv2d(x, upsampling_kernel(self.weight), bias, padding=padding), 2)
        else:
            x = F.conv2d(x, self.weight, self.bias, self.stride, padding=padding)
        if self.norm:
            x = instance_norm(x, NORM_EPSILON, self.scale, self.shift)
        return x if self.leak == 1 else F.leaky_relu(x, self.leak)


class ResidualBlock(nn.Module):
    """x + norm(conv(relu(norm(conv(x)))))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = Layer(channels, channels, reflect=True)
        self.second = Layer(channels, channels, reflect=True, leak=1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H, W]."""
        return x + self.second(self.first(x))


class ResidualGenerator(nn.Module):
    """c7s1-64, d128, d256, R256 x blocks, u128, u64, c7s1-3 (Zhu et al., ICCV 2017, appendix 7.2), for width 64.

    Pictures [B, 3, H, W] in 0..1 -> pictures [B, 3, H, W] in 0..1; H and W are multiples of 4.

    Args:
        global_residual: the network makes what is to be added to the picture, at first nothing (as in Kim et al., VDSR, CVPR
            2016). Results are cut off at 0 and 1: a discriminator that is shown them with 8 bits would not see what is beyond.
    """

    stride = 4

    def __init__(self, width: int = 64, blocks: int = 9, *, global_residual: bool = False) -> None:
        super().__init__()
        self.width, self.global_residual = width, global_residual
        self.first = Layer(3, width, 7, reflect=True)
        self.down = nn.ModuleList([Layer(width, width * 2, stride=2), Layer(width * 2, width * 4, stride=2)])
        self.blocks = nn.ModuleList(ResidualBlock(width * 4) for _ in range(blocks))
        self.up = nn.ModuleList([Layer(width * 4, width * 2, up=True), Layer(width * 2, width, up=True)])
        self.last = Layer(width, 3, 7, reflect=True, norm=False, leak=1)
        if global_residual:
            nn.init.zeros_(self.last.weight)

    @property
    def reach(self) -> int:
        """No output pixel depends on input pixels further away, px, but for the norms' means and variances.

        Two 3x3 a block on the coarse grid; two 7x7 at full size; both halvings and back, from a cell's far end.
        """
        return 8 * len(self.blocks) + 18

    def forward(self, pictures: Tensor, drop: Drop | None = None) -> Tensor:
        """See the class; there is nothing here to drop."""
        x = self.inner(pictures)[-1]  # [B, 4 width, H/4, W/4]
        for layer in self.up:
            x = layer(x)  # [B, 2 width, H/2, W/2], [B, width, H, W]
        x = self.last(x)  # [B, 3, H, W]
        return (pictures.float() + x.float()).clamp(0, 1) if self.global_residual else shown(x)

    def inner(self, pictures: Tensor, until: int | None = None) -> list[Tensor]:
        """What the first half of the network makes of pictures [B, 3, H, W]: 0 the pictures, 1, 2 both halvings, then blocks.

        All of it, or up to number `until`.
        """
        found = [pictures * 2 - 1]
        x = self.first(found[0])  # [B, width, H, W]
        for layer in [*self.down, *self.blocks][:until]:
            x = layer(x)  # [B, 2 width, H/2, W/2], [B, 4 width, H/4, W/4], ...
            found.append(x)
        return found

    def seen(self) -> list[int]:
        """Which of `inner` CUT compares: pixels, both halvings, the first block, the middle one (Park et al., section 4)."""
        return sorted({0, 1, 2, 3, 3 + len(self.blocks) // 2})

    def channels(self) -> list[int]:
        """Channels of those."""
        return [3, 2 * self.width, *[4 * self.width] * (len(self.seen()) - 2)]


class UNet(nn.Module):
    """C64-C128-C256-C512 ... down, CD512 ... C64 up, with skips (Isola et al., CVPR 2017, appendix 6.1), for width 64.

    Pictures [B, 3, H, W] in 0..1 -> pictures [B, 3, H, W] in 0..1; H and W are multiples of 2^levels. `drop` is done to the
    three innermost layers on the way up, where there are as many below the outermost three.
    """

    def __init__(self, width: int = 64, levels: int = 8) -> None:
        super().__init__()
        widths = [width * min(2**i, 8) for i in range(levels)]
        inner = range(1, levels)
        self.down = nn.ModuleList([Layer(3, width, 4, stride=2, norm=False, leak=LEAK)])
        for i in inner:  # the innermost may be of one pixel, which no norm leaves anything of
            deepest = i == levels - 1
            leak = 0.0 if deepest else LEAK
            self.down.append(Layer(widths[i - 1], widths[i], 4, stride=2, norm=not deepest, leak=leak))
        self.up = nn.ModuleList(Layer(widths[i] * (1 if i == levels - 1 else 2), widths[i - 1], up=True) for i in inner[::-1])
        self.last = Layer(2 * width, 3, up=True, norm=False, leak=1)
        self.dropping = max(0, min(3, levels - 5))

    @property
    def stride(self) -> int:
        """It halves so often."""
        return 2 ** len(self.down)

    @property
    def reach(self) -> int:
        """2 px of each grid on the way down, 1 px of the coarser grid on the way up."""
        return 4 * self.stride

    def forward(self, pictures: Tensor, drop: Drop | None = None) -> Tensor:
        """See the class."""
        x, skips = pictures * 2 - 1, list[Tensor]()
        for layer in self.down:
            x = layer(x)  # [B, width, H/2, W/2], ... [B, 8 width, H/stride, W/stride]
            skips.append(x)
        skips.pop()
        for place, layer in enumerate(self.up):
            x = layer(x)
            if drop is not None and place < self.dropping:
                x = drop(x)
            x = torch.cat([x, skips.pop()], 1)  # [B, 16 width, ...], ... [B, 2 width, H/2, W/2]
        return shown(self.last(x))  # [B, 3, H, W]


def shown(x: Tensor) -> Tensor:
    """Any numbers -> 0..1, in float32."""
    return (torch.tanh(x.float()) + 1) / 2
