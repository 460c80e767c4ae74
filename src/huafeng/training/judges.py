"""Discriminators of whole pictures, one for each generator in `synthesis.py`.

A class enters as a projection (Miyato & Koyama, "cGANs with Projection Discriminator", ICLR 2018, eq. 3): the inner product of
its embedding and the features. None has batch norm, which DCGAN's has: there one picture changes another one's score, and
a gradient penalty has no meaning (Gulrajani et al., 2017, section 4). Spectral norm is an option for all. Weights begin at a
variance of 2 / inputs (He et al., ICCV 2015); the style-based one's are equalised, as its generator's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TypeVar

import torch.nn.functional as F
from torch import Tensor, nn

from huafeng.training.stylesynthesis import Conv, Dense, leaky
from huafeng.training.synthesis import NetworkShape

M = TypeVar("M", bound=nn.Module)
SLOPE = 0.2
Normed = Callable[[nn.Module], nn.Module]


class Judge(nn.Module):
    """Pictures [B, 3, S, S] in 0..1 and, with classes, their index [B] -> scores [B, 1]."""

    def __init__(self, shape: NetworkShape, *, spectral_norm: bool) -> None:
        super().__init__()

        def sn(layer: M) -> M:
            if not spectral_norm:
                return layer
            if isinstance(layer, Conv | Dense):
                layer.gain = 1.0  # the norm does the scaling
            return nn.utils.parametrizations.spectral_norm(layer)  # type: ignore[return-value]

        kind = {"plain": PlainBody, "dcgan": ConvBody, "residual": ResidualBody, "style": StyleBody}[shape.network]
        self.body = kind(shape, sn)
        features = int(self.body.features)  # type: ignore[arg-type]
        self.head = sn(Dense(features, 1))
        self.project = sn(nn.Embedding(shape.classes, features)) if shape.classes else None
        for layer in self.body.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, SLOPE)

    def forward(self, picture: Tensor, *index: Tensor) -> Tensor:
        """See the class."""
        x = self.body(picture * 2 - 1)
        score: Tensor = self.head(x)
        if self.project is not None:
            score = score + (x * self.project(*index)).sum(1, keepdim=True)
        return score


class PlainBody(nn.Module):
    """Two convolutions that halve the size, for 32 px."""

    def __init__(self, shape: NetworkShape, sn: Normed) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            sn(nn.Conv2d(a, b, 4, stride=2, padding=1)) for a, b in pairwise((3, shape.width, 2 * shape.width))
        )
        self.features = 2 * shape.width * 8 * 8

    def forward(self, x: Tensor) -> Tensor:
        """[B, 3, 32, 32] in -1..1 -> features [B, F]."""
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)  # [B, 2 C, 8, 8] in the end
        return x.flatten(1)


class ConvBody(nn.Module):
    """Convolutions that halve the size, down to 4 px (Radford et al., ICLR 2016)."""

    def __init__(self, shape: NetworkShape, sn: Normed) -> None:
        super().__init__()
        sides = [shape.channels(shape.side >> i, 16) for i in range(1, (shape.side // 8).bit_length() + 1)]  # S/2 .. 4 px
        self.layers = nn.ModuleList(sn(nn.Conv2d(a, b, 4, stride=2, padding=1)) for a, b in pairwise((3, *sides)))
        self.features = sides[-1] * 16

    def forward(self, x: Tensor) -> Tensor:
        """[B, 3, S, S] in -1..1 -> features [B, F]."""
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)  # [B, 16 C, 4, 4] in the end
        return x.flatten(1)


class ResidualBody(nn.Module):
    """Residual blocks, ReLU, sum over space (Miyato et al., ICLR 2018, table 4)."""

    def __init__(self, shape: NetworkShape, sn: Normed) -> None:
        super().__init__()
        sides = [shape.channels(shape.side >> i, 16) for i in range(1, (shape.side // 4).bit_length())]  # S/2 .. 4 px
        self.blocks = nn.ModuleList(ResidualDown(a, b, sn, first=a == 3) for a, b in pairwise((3, *sides)))
        self.features = sides[-1]

    def forward(self, x: Tensor) -> Tensor:
        """[B, 3, S, S] in -1..1 -> features [B, F]."""
        for block in self.blocks:
            x = block(x)  # [B, 16 C, 4, 4] in the end
        return F.relu(x).sum((2, 3))


class ResidualDown(nn.Module):
    """[B, I, H, W] -> [B, O, H/2, W/2]: ReLU (not in the first block), 3x3, ReLU, 3x3, mean of 2 x 2; beside it mean, 1x1."""

    def __init__(self, inputs: int, outputs: int, sn: Normed, *, first: bool) -> None:
        super().__init__()
        self.conv1 = sn(nn.Conv2d(inputs, outputs, 3, padding=1))
        self.conv2 = sn(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.skip = sn(nn.Conv2d(inputs, outputs, 1))
        self.first = first

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        y = self.conv1(x if self.first else F.relu(x))
        y = F.avg_pool2d(self.conv2(F.relu(y)), 2)
        return y + self.skip(F.avg_pool2d(x, 2))


class StyleBody(nn.Module):
    """Residual blocks with leaky ReLU, then a convolution and a dense layer at 4 px (Karras et al., CVPR 2020, figure 7c).

    Without its deviation over the minibatch: one picture would change another one's score.
    """

    def __init__(self, shape: NetworkShape, sn: Normed) -> None:
        super().__init__()
        sides = [shape.channels(shape.side >> i, 8) for i in range((shape.side // 4).bit_length())]  # S, S/2 .. 4 px
        self.color = sn(Conv(3, sides[0], 1))
        self.blocks = nn.ModuleList(LeakyDown(a, b, sn) for a, b in pairwise(sides))
        self.last = sn(Conv(sides[-1], sides[-1], 3))
        self.dense = sn(Dense(sides[-1] * 16, sides[-1]))
        self.features = sides[-1]

    def forward(self, x: Tensor) -> Tensor:
        """[B, 3, S, S] in -1..1 -> features [B, F]."""
        x = leaky(self.color(x))  # [B, C, S, S]
        for block in self.blocks:
            x = block(x)  # [B, 8 C, 4, 4] in the end
        x = leaky(self.last(x))
        return leaky(self.dense(x.flatten(1)))


class LeakyDown(nn.Module):
    """[B, I, H, W] -> [B, O, H/2, W/2]: 3x3, mean of 2 x 2, 3x3; beside it the mean, 1x1; their sum over sqrt 2."""

    def __init__(self, inputs: int, outputs: int, sn: Normed) -> None:
        super().__init__()
        self.conv1 = sn(Conv(inputs, inputs, 3))
        self.conv2 = sn(Conv(inputs, outputs, 3))
        self.skip = sn(Conv(inputs, outputs, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        y = leaky(self.conv1(x))
        y = leaky(self.conv2(F.avg_pool2d(y, 2)))
        return (y + self.skip(F.avg_pool2d(x, 2))) / math.sqrt(2)
