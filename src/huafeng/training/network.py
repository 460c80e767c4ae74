"""The base generator and the patch discriminator, as trained.

The generator is a multi-scale residual network: most of its work happens at 1/8 of the resolution, where one 3x3
convolution sees 24 photo pixels, so that it can draw long strokes cheaply; skips from 1/4 and 1/2 bring edges back.
Every convolution but the last is followed by conditional instance normalisation (Dumoulin et al., "A Learned
Representation For Artistic Style", ICLR 2017). All scales and shifts together are one row of numbers, the modulation: linear
in a style's code, plus a delta of the style's own where the code alone cannot say it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from huafeng.art import COLOR, LIMIT, NOISE_PLANES, NORM_EPSILON
from huafeng.translator import PHASE

PHASES = torch.from_numpy(PHASE)

M = TypeVar("M", bound=nn.Module)


IMPULSE = torch.zeros(3, 1, 3, 3)
IMPULSE[:, :, 1, 1] = 1

Norms: TypeAlias = Iterator[Tensor]


def instance_norm(x: Tensor, epsilon: float, scale: Tensor | None = None, shift: Tensor | None = None) -> Tensor:
    """[B, C, H, W] -> the same, each channel of each picture at mean 0 and variance 1; then times scale [C], plus shift [C].

    On a CPU by batch norm of one picture at a time: the same numbers. torch's instance norm there takes two to three times
    as long, and leaves channels_last, which costs all that follows another copy.
    """
    if x.device.type != "cpu":
        return F.instance_norm(x, weight=scale, bias=shift, eps=epsilon)
    each = [F.batch_norm(picture, None, None, scale, shift, training=True, eps=epsilon) for picture in x.split(1)]
    return each[0] if len(each) == 1 else torch.cat(each)


def upsampling_kernel(weight: Tensor) -> Tensor:
    """Kernel of the resize-convolution, for use on the small grid before a pixel shuffle.

    weight [O, I, 3, 3] of "bilinear x2, then 3x3" -> [4 O, I, 3, 3]: the same function, at a quarter of the memory traffic.
    Resize-convolution has no checkerboard to begin with (Odena et al., "Deconvolution and Checkerboard Artifacts", 2016).
    """
    phase = PHASES.to(weight)
    small = torch.einsum("pys,oiyx,qxt->opqist", phase, weight, phase)
    return small.reshape(-1, weight.shape[1], 3, 3)


@dataclass(frozen=True)
class GeneratorShape:
    """Widths and depth; `code` is the length of a style's code."""

    code: int = 64
    half: int = 16
    quarter: int = 32
    eighth: int = 96
    blocks: int = 4


class Conv(nn.Module):
    """Convolution, instance norm with a given scale and shift, optional ReLU; `up` makes it a resize-convolution.

    `limited`: no further than LIMIT deviations from the mean. Spots beyond it, in dark and busy places, became short hatching.
    """

    def __init__(self, inputs: int, outputs: int, *, size: int = 3, stride: int = 1, up: bool = False,
                 relu: bool = True, limited: bool = False) -> None:  # fmt: skip
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, size, size))
        nn.init.kaiming_normal_(self.weight)
        self.stride, self.up, self.relu, self.limited = stride, up, relu, limited

    def convolve(self, x: Tensor) -> Tensor:
        """The bare convolution, without norm. No bias: the norm would remove it."""
        if self.up:
            return F.pixel_shuffle(F.conv2d(x, upsampling_kernel(self.weight), padding=1), 2)
        return F.conv2d(x, self.weight, stride=self.stride, padding=self.weight.shape[-1] // 2)

    def forward(self, x: Tensor, norms: Norms) -> Tensor:
        """[B, I, H, W] and the norms in their order -> [B, O, H', W']."""
        scale, shift = next(norms), next(norms)  # [B, O, 1, 1]
        x = instance_norm(self.convolve(x), NORM_EPSILON)  # [B, O, H', W']
        if self.limited:
            x = x.clamp(-LIMIT, LIMIT)
        x = x * scale.to(x) + shift.to(x)
        return F.relu(x) if self.relu else x


class Block(nn.Module):
    """x + norm(conv(relu(norm(conv(x)))))."""

    def __init__(self, channels: int, *, limited: bool = False) -> None:
        super().__init__()
        self.first = Conv(channels, channels, limited=limited)
        self.second = Conv(channels, channels, relu=False, limited=limited)

    def forward(self, x: Tensor, norms: Norms) -> Tensor:
        """[B, C, H, W] and the norms in their order -> [B, C, H, W]."""
        return x + self.second(self.first(x, norms), norms)


class Generator(nn.Module):
    """Photo [B, 3, H, W] in 0..1, codes [B, K], perhaps deltas [B, M], noise [B or 1, 4, H/8, W/8] -> picture [B, 3, H, W].

    H and W are multiples of 8. Where a photo is flat a convolution can only repeat itself; noise lets strokes differ there
    (Ulyanov et al., "Texture Networks", ICML 2016; Karras et al., CVPR 2019). No noise counts as 0.

    M = `modulation.out_features`: each convolution's scales, then its shifts, in the order in which a photo meets them, and
    last the colour matrix, row by row.
    """

    def __init__(self, shape: GeneratorShape = GeneratorShape()) -> None:
        super().__init__()
        s = self.shape = shape
        self.down2 = Conv(3, s.half, size=5, stride=2)
        self.down4 = Conv(s.half, s.quarter, stride=2)
        self.down8 = Conv(s.quarter, s.eighth, stride=2)
        self.grain = nn.Parameter(torch.zeros(s.eighth, NOISE_PLANES, 1, 1))
        self.blocks = nn.ModuleList(Block(s.eighth, limited=i == s.blocks - 1) for i in range(s.blocks))
        self.up4 = Conv(s.eighth, s.quarter, up=True, relu=False)
        self.block4 = Block(s.quarter, limited=True)
        self.up2 = Conv(s.quarter, s.half, up=True, relu=False)
        self.mix2 = Conv(s.half, s.half)
        self.last = nn.Parameter(torch.empty(3, s.half, 3, 3))
        nn.init.normal_(self.last, std=0.02)
        self.last_bias = nn.Parameter(torch.zeros(3))
        self.channels = [layer.weight.shape[0] for layer in conv_layers(self).values()]
        self.modulation = nn.Linear(s.code, 2 * sum(self.channels) + COLOR)
        nn.init.normal_(self.modulation.weight, std=0.5 / s.code**0.5)
        with torch.no_grad():
            ones = [torch.full((c,), float(part == 0)) for c in self.channels for part in (0, 1)]
            self.modulation.bias.copy_(torch.cat([*ones, torch.zeros(COLOR)]))
            self.modulation.weight[-COLOR:] = 0

    def forward(
        self, photo: Tensor, code: Tensor, delta: Tensor | None = None, noise: Tensor | None = None,
        inner: list[Tensor] | None = None,
    ) -> Tensor:  # fmt: skip
        """See the class; `inner`, where given, receives three layers behind the coarsest grid: [B, C, H/4, W/4] twice, /2."""
        with torch.autocast(code.device.type, enabled=False):
            modulation = self.modulation(code) + (0.0 if delta is None else delta)  # [B, M]
        *parts, color = modulation.split([c for c in self.channels for _ in (0, 1)] + [COLOR], dim=1)
        norms = (part[:, :, None, None] for part in parts)
        at2 = self.down2(photo - 0.5, norms)  # [B, 16, H/2, W/2]
        at4 = self.down4(at2, norms)  # [B, 32, H/4, W/4]
        x = self.down8(at4, norms)  # [B, 96, H/8, W/8]
        if noise is not None:
            x = x + F.conv2d(noise, self.grain)
        for block in self.blocks:
            x = block(x, norms)
        up4 = self.up4(x, norms)  # [B, 32, H/4, W/4]
        x = self.block4(F.relu(up4 + at4), norms)
        up2 = self.up2(x, norms)  # [B, 16, H/2, W/2]
        if inner is not None:
            inner += [up4, x, up2]
        x = self.mix2(F.relu(up2 + at2), norms)
        x = F.conv2d(x, upsampling_kernel(self.last), self.last_bias.repeat_interleave(4), padding=1)
        # The norms forget the photo's own colours; this path lets a style keep some, by a colour matrix [3, 3].
        soft = F.avg_pool2d(photo - 0.5, 4, stride=2, padding=1)  # [B, 3, H/2, W/2]
        toned = torch.einsum("boi,bihw->bohw", color.reshape(-1, 3, 3), soft)
        toned = F.conv2d(toned, upsampling_kernel(IMPULSE.to(toned)), padding=1, groups=3)  # bilinear, before the shuffle
        return squash(F.pixel_shuffle(x.float() + toned, 2))  # [B, 3, H, W]


def conv_layers(generator: nn.Module) -> dict[str, Conv]:
    """The generator's normed convolutions by name, in the order in which a photo meets them."""
    return {name: module for name, module in generator.named_modules() if isinstance(module, Conv)}


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
