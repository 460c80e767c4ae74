"""The base generator and the patch discriminator, as trained.

The generator is a multi-scale residual network: most of its work happens at 1/8 of the resolution, where one 3x3
convolution sees 24 photo pixels, so that it can draw long strokes cheaply; skips from 1/4 and 1/2 bring edges back.
Every convolution but the last is followed by conditional instance normalisation (Dumoulin et al., "A Learned
Representation For Artistic Style", ICLR 2017), whose scale and shift are linear in a style code.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# One axis of "upsample twice bilinearly, then convolve with 3 taps", written as two 3-tap filters on the small grid:
# row p of PHASE[p] says how much of each small-grid neighbour (-1, 0, +1) tap t of the large grid sees.
PHASE = torch.tensor(
    [
        [[0.75, 0.25, 0.0], [0.25, 0.75, 0.0], [0.0, 0.75, 0.25]],  # even output pixels
        [[0.25, 0.75, 0.0], [0.0, 0.75, 0.25], [0.0, 0.25, 0.75]],  # odd output pixels
    ]
)


M = TypeVar("M", bound=nn.Module)

NORM_EPSILON = 1e-3

DELTA = torch.zeros(3, 1, 3, 3)
DELTA[:, :, 1, 1] = 1


def upsampling_kernel(weight: Tensor) -> Tensor:
    """Kernel of the resize-convolution, for use on the small grid before a pixel shuffle.

    weight [O, I, 3, 3] of "bilinear x2, then 3x3" -> [4 O, I, 3, 3]: the same function, at a quarter of the memory traffic.
    Resize-convolution has no checkerboard to begin with (Odena et al., "Deconvolution and Checkerboard Artifacts", 2016).
    """
    phase = PHASE.to(weight)
    small = torch.einsum("pys,oiyx,qxt->opqist", phase, weight, phase)
    return small.reshape(-1, weight.shape[1], 3, 3)


@dataclass(frozen=True)
class GeneratorShape:
    """Widths and depth; `code` is the length of a style's code."""

    code: int = 32
    half: int = 16
    quarter: int = 32
    eighth: int = 96
    blocks: int = 4


class ConditionalNorm(nn.Module):
    """Instance normalisation whose scale and shift are linear in the style code."""

    def __init__(self, channels: int, code: int) -> None:
        super().__init__()
        self.scale = nn.Linear(code, channels)
        self.shift = nn.Linear(code, channels)
        for layer, bias in ((self.scale, 1.0), (self.shift, 0.0)):
            nn.init.normal_(layer.weight, std=0.5 / code**0.5)
            nn.init.constant_(layer.bias, bias)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """[B, C, H, W] and codes [B, K] -> [B, C, H, W]."""
        x = F.instance_norm(x, eps=NORM_EPSILON)  # [B, C, H, W]
        return x * self.scale(code)[:, :, None, None].to(x) + self.shift(code)[:, :, None, None].to(x)


class Conv(nn.Module):
    """Convolution, conditional norm, optional ReLU; `up` makes it a resize-convolution."""

    def __init__(self, inputs: int, outputs: int, code: int, *, size: int = 3, stride: int = 1, up: bool = False,
                 relu: bool = True) -> None:  # fmt: skip
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, size, size))
        nn.init.kaiming_normal_(self.weight)
        self.norm = ConditionalNorm(outputs, code)
        self.stride, self.up, self.relu = stride, up, relu

    def convolve(self, x: Tensor) -> Tensor:
        """The bare convolution, without norm. No bias: the norm would remove it."""
        if self.up:
            return F.pixel_shuffle(F.conv2d(x, upsampling_kernel(self.weight), padding=1), 2)
        return F.conv2d(x, self.weight, stride=self.stride, padding=self.weight.shape[-1] // 2)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """[B, I, H, W] and codes [B, K] -> [B, O, H', W']."""
        x = self.norm(self.convolve(x), code)
        return F.relu(x) if self.relu else x


class Block(nn.Module):
    """x + norm(conv(relu(norm(conv(x)))))."""

    def __init__(self, channels: int, code: int) -> None:
        super().__init__()
        self.first = Conv(channels, channels, code)
        self.second = Conv(channels, channels, code, relu=False)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """[B, C, H, W] and codes [B, K] -> [B, C, H, W]."""
        return x + self.second(self.first(x, code), code)


class Generator(nn.Module):
    """Photo [B, 3, H, W] in 0..1 and codes [B, K] -> picture [B, 3, H, W] in 0..1; H and W are multiples of 8."""

    def __init__(self, shape: GeneratorShape = GeneratorShape()) -> None:
        super().__init__()
        s = self.shape = shape
        self.down2 = Conv(3, s.half, s.code, size=5, stride=2)
        self.down4 = Conv(s.half, s.quarter, s.code, stride=2)
        self.down8 = Conv(s.quarter, s.eighth, s.code, stride=2)
        self.blocks = nn.ModuleList(Block(s.eighth, s.code) for _ in range(s.blocks))
        self.up4 = Conv(s.eighth, s.quarter, s.code, up=True, relu=False)
        self.block4 = Block(s.quarter, s.code)
        self.up2 = Conv(s.quarter, s.half, s.code, up=True, relu=False)
        self.mix2 = Conv(s.half, s.half, s.code)
        self.last = nn.Parameter(torch.empty(3, s.half, 3, 3))
        nn.init.normal_(self.last, std=0.02)
        self.last_bias = nn.Parameter(torch.zeros(3))
        # The norms forget the photo's own colours; this path lets a style keep some, by a colour matrix [3, 3] per code.
        self.color = nn.Linear(s.code, 9)
        nn.init.zeros_(self.color.weight)
        nn.init.zeros_(self.color.bias)

    def forward(self, photo: Tensor, code: Tensor) -> Tensor:
        """See the class."""
        at2 = self.down2(photo - 0.5, code)  # [B, 16, H/2, W/2]
        at4 = self.down4(at2, code)  # [B, 32, H/4, W/4]
        x = self.down8(at4, code)  # [B, 96, H/8, W/8]
        for block in self.blocks:
            x = block(x, code)
        x = self.block4(F.relu(self.up4(x, code) + at4), code)  # [B, 32, H/4, W/4]
        x = self.mix2(F.relu(self.up2(x, code) + at2), code)  # [B, 16, H/2, W/2]
        x = F.conv2d(x, upsampling_kernel(self.last), self.last_bias.repeat_interleave(4), padding=1)
        soft = F.avg_pool2d(photo - 0.5, 4, stride=2, padding=1)  # [B, 3, H/2, W/2]
        toned = torch.einsum("boi,bihw->bohw", self.color(code).float().reshape(-1, 3, 3), soft)
        toned = F.conv2d(toned, upsampling_kernel(DELTA), padding=1, groups=3)  # bilinear, before the shuffle
        return squash(F.pixel_shuffle(x.float() + toned, 2))  # [B, 3, H, W]


def squash(x: Tensor) -> Tensor:
    """Any number -> 0..1, with room so that pure black and white are reached at finite x."""
    return (1.1 * torch.sigmoid(x) - 0.05).clamp(0.0, 1.0)


class Discriminator(nn.Module):
    """Conditional patch discriminator: picture [B, 3, H, W] and style index [B] -> scores [B, 1, H/16, W/16].

    Spectral normalisation (Miyato et al., ICLR 2018) on every layer, unless switched off; the condition enters as a projection
    (Miyato & Koyama, "cGANs with Projection Discriminator", ICLR 2018).
    """

    def __init__(self, styles: int, width: int = 32, *, spectral_norm: bool = True) -> None:
        super().__init__()

        def sn(layer: M) -> M:
            return nn.utils.parametrizations.spectral_norm(layer) if spectral_norm else layer  # type: ignore[return-value]

        widths = [3, width, width * 2, width * 4, width * 4]
        self.layers = nn.ModuleList(sn(nn.Conv2d(a, b, 4, stride=2, padding=1)) for a, b in pairwise(widths))
        self.head = sn(nn.Conv2d(widths[-1], 1, 1))
        self.project = sn(nn.Embedding(styles, widths[-1]))

    def forward(self, picture: Tensor, style: Tensor) -> Tensor:
        """See the class."""
        x = picture * 2 - 1
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
        return self.head(x) + (x * self.project(style)[:, :, None, None]).sum(1, keepdim=True)
