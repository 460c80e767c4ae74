"""The style-based generator: a mapping network, convolutions that w modulates, noise in every layer, skips to RGB.

Karras et al., "A Style-Based Generator Architecture for Generative Adversarial Networks", CVPR 2019; "Analyzing and Improving
the Image Quality of StyleGAN", CVPR 2020 (StyleGAN2). Weights are kept at unit variance and scaled when they are used
(equalised learning rate: Karras et al., ICLR 2018).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MAPPING_LAYERS = 4  # 8 in the paper
MAPPING_RATE = 0.01  # the mapping's learning rate, relative to the others'
SLOPE = 0.2
COLOR_GAIN = 0.25  # of the summed picture before tanh, so that it begins in tanh's steep middle; the paper has no tanh


class Dense(nn.Module):
    """A dense layer with equalised learning rate. rate: factor of its learning rate."""

    def __init__(self, inputs: int, outputs: int, *, bias: float = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.gain, self.rate = rate / math.sqrt(inputs), rate

    def forward(self, x: Tensor) -> Tensor:
        """[B, I] -> [B, O]."""
        return F.linear(x, self.weight * self.gain, self.bias * self.rate)


class Conv(nn.Module):
    """A convolution with equalised learning rate that keeps the size."""

    def __init__(self, inputs: int, outputs: int, size: int, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.gain = 1 / math.sqrt(inputs * size * size)

    def forward(self, x: Tensor) -> Tensor:
        """[B, I, H, W] -> [B, O, H, W]."""
        return F.conv2d(x, self.weight * self.gain, self.bias, padding=self.weight.shape[-1] // 2)


class StyleMapping(nn.Module):
    """Z [B, L] (and the class) -> w [B, L]: dense layers behind a normalised input."""

    def __init__(self, latent: int, classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(classes, latent) if classes else None
        first = 2 * latent if classes else latent
        self.layers = nn.ModuleList(Dense(latent if i else first, latent, rate=MAPPING_RATE) for i in range(MAPPING_LAYERS))

    def forward(self, z: Tensor, index: Tensor | None) -> Tensor:
        """See the class."""
        x = of_unit_power(z)
        if self.embedding is not None:
            x = torch.cat([x, of_unit_power(self.embedding(index))], 1)
        for layer in self.layers:
            x = leaky(layer(x))
        return x.float()


class ModulatedConv(nn.Module):
    """A convolution whose kernel w scales, input channel by input channel, and which is then brought back to unit
    variance (StyleGAN2, eq. 1 and 3).

    Scaling the input in place of the kernel is the same, and leaves one kernel for the whole batch.
    """

    def __init__(self, inputs: int, outputs: int, size: int, length: int, *, demodulated: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.style = Dense(length, inputs, bias=1.0)
        self.gain, self.demodulated = 1 / math.sqrt(inputs * size * size), demodulated

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """[B, I, H, W], w [B, W] -> [B, O, H, W]."""
        style = self.style(w)  # [B, I]
        kernel = self.weight * self.gain
        y = F.conv2d(x * style[:, :, None, None].to(x.dtype), kernel, padding=kernel.shape[-1] // 2)
        if self.demodulated:
            power = style.square() @ kernel.square().sum((2, 3)).T  # [B, O]
            y = y * (power.float() + 1e-8).rsqrt()[:, :, None, None].to(y.dtype)
        return y


class StyleLayer(nn.Module):
    """Modulated 3x3 convolution, noise of a strength of its own (where it has noise), bias, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, length: int, *, noisy: bool) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, 3, length)
        self.strength = nn.Parameter(torch.zeros(1)) if noisy else None
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        """[B, I, H, W], w [B, W], noise [B or 1, H W] or [B or 1, 0] -> [B, O, H, W]."""
        y = self.conv(x, w)
        y = y + self.bias.to(y.dtype)[:, None, None]
        if self.strength is not None:
            y = y + (self.strength * noise).to(y.dtype).unflatten(1, (1, *y.shape[2:]))
        return leaky(y)


class StyleSynthesis(nn.Module):
    """A constant of 4 x 4 px, then one layer there and two on each grid of twice the size; each grid adds to the picture.

    channels: on 4 px, 8 px and so on.   length: of w.   layers: how many there are, each with a w of its own where
    `forward` is given so many.   noise_length: normal numbers for all layers together; 0 where it is not `noisy`.
    """

    def __init__(self, channels: Sequence[int], length: int, *, noisy: bool = True) -> None:
        super().__init__()
        self.constant = nn.Parameter(torch.randn(channels[0], 4, 4))
        pairs = [(channels[0], channels[0])]
        self.grids = [4]
        for i, (below, above) in enumerate(pairwise(channels)):
            pairs += [(below, above), (above, above)]
            self.grids += [8 << i] * 2
        self.body = nn.ModuleList(StyleLayer(a, b, length, noisy=noisy) for a, b in pairs)
        self.colors = nn.ModuleList(ModulatedConv(c, 3, 1, length, demodulated=False) for c in channels)
        self.color_biases = nn.Parameter(torch.zeros(len(channels), 3))
        self.planes = [grid * grid if noisy else 0 for grid in self.grids]
        self.layers, self.noise_length = len(pairs), sum(self.planes)

    def forward(self, w: Tensor, noise: Tensor) -> Tensor:
        """W [B, W], or [B, layers, W]; noise [B or 1, noise_length] -> [B, 3, S, S] in 0..1."""
        ws = [w] * self.layers if w.ndim == 2 else list(w.unbind(1))
        planes = noise.split(self.planes, 1)
        x = self.constant.expand(len(w), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        x = self.body[0](x, ws[0], planes[0])  # [B, C, 4, 4]
        picture = self.colored(0, x, ws[0])
        for i in range(1, len(self.colors)):
            first, second = 2 * i - 1, 2 * i
            x = self.body[first](enlarged(x), ws[first], planes[first])  # [B, C, 4 2^i, 4 2^i]
            x = self.body[second](x, ws[second], planes[second])
            picture = enlarged(picture) + self.colored(i, x, ws[second])
        return to_unit(COLOR_GAIN * picture.float())

    def colored(self, i: int, x: Tensor, w: Tensor) -> Tensor:
        """What grid i adds to the picture, [B, 3, H, W]."""
        added: Tensor = self.colors[i](x, w)
        return added + self.color_biases[i].to(added.dtype)[:, None, None]


def leaky(x: Tensor) -> Tensor:
    """Leaky ReLU that keeps the variance of normal numbers, nearly."""
    return F.leaky_relu(x, SLOPE) * math.sqrt(2)


def of_unit_power(x: Tensor) -> Tensor:
    """[B, L] with a mean square of 1 in each row."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


def enlarged(x: Tensor) -> Tensor:
    """[B, C, H, W] -> [B, C, 2 H, 2 W], bilinear: the paper's filter [1, 3, 3, 1]."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def to_unit(x: Tensor) -> Tensor:
    """Any number -> 0..1: (1 + tanh x) / 2, the papers' tanh in our range. In float32."""
    return 0.5 + 0.5 * torch.tanh(x.float())
