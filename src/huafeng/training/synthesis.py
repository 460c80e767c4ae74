"""Generators that make pictures of noise: a mapping z -> w, and a synthesis w -> picture.

All of them have both halves, so that truncation is one rule for all: w = mean + psi (w - mean). Where the paper has no
mapping, w is z itself, with the class's embedding beside it. Pictures are 0..1 here, -1..1 in the papers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from huafeng.training.processes import ALONE, Processes
from huafeng.training.stylesynthesis import StyleMapping, StyleSynthesis, to_unit

NetworkKind = Literal["plain", "dcgan", "residual", "style"]
CLASS_LENGTH = 32  # numbers of a class's embedding beside z
NORM_EPSILON = 1e-5
MOMENTUM = 0.1  # share of a batch in the statistics that batch norm uses later
MEAN_OF = 4096  # latents


@dataclass(frozen=True)
class NetworkShape:
    """Which networks, and of what size; a generator file holds it.

    network: see recipes/gan.   side: of the pictures, px, a power of two.   latent: length of z.
    width: channels at full size, from which all others follow.   classes: 0 = none.   noisy: noise in each layer (style).
    """

    network: NetworkKind
    side: int
    latent: int
    width: int
    classes: int = 0
    noisy: bool = True

    def channels(self, grid: int, most: int) -> int:
        """Channels on a grid of that many px a side: twice as many on half the size, up to `most` times `width`."""
        return self.width * min(most, self.side // grid)


class LatentGenerator(nn.Module):
    """See the module.

    mapping: (z [B, latent], class index [B] or None) -> w [B, W].
    synthesis: (w [B, W] or, for the style network, [B, layers, W]; noise [B or 1, noise_length]) -> [B, 3, S, S] in 0..1.
    """

    def __init__(self, shape: NetworkShape, processes: Processes = ALONE) -> None:
        super().__init__()
        self.shape = shape
        if shape.network == "style":
            self.mapping: nn.Module = StyleMapping(shape.latent, shape.classes)
            self.synthesis: nn.Module = StyleSynthesis(
                [shape.channels(4 << i, 8) for i in range((shape.side // 4).bit_length())], shape.latent, noisy=shape.noisy
            )
        else:
            self.mapping = Beside(shape.classes)
            length = shape.latent + (CLASS_LENGTH if shape.classes else 0)
            kind = {"plain": PlainSynthesis, "dcgan": DcganSynthesis, "residual": ResidualSynthesis}[shape.network]
            self.synthesis = kind(shape, length, processes)

    @property
    def noise_length(self) -> int:
        """How many normal numbers the synthesis takes beside w; 0 for most networks."""
        return int(getattr(self.synthesis, "noise_length", 0))

    def forward(self, z: Tensor, index: Tensor | None, noise: Tensor) -> Tensor:
        """Latents, classes, noise -> pictures [B, 3, S, S] in 0..1."""
        picture: Tensor = self.synthesis(self.mapping(z, index), noise)
        return picture

    @torch.no_grad()
    def mean(self) -> Tensor:
        """The mean w of each class (of all, where there are none): [max(classes, 1), W].

        Over z and -z alike, so that it is exact where w is linear in z.
        """
        device = next(self.parameters()).device
        half = torch.randn(MEAN_OF // 2, self.shape.latent, generator=torch.Generator().manual_seed(0)).to(device)
        z = torch.cat([half, -half])
        classes = range(max(1, self.shape.classes))  # where there are none, the mapping does not look at the index
        return torch.stack([self.mapping(z, torch.full((len(z),), c, device=device)).mean(0) for c in classes])


class Beside(nn.Module):
    """w is z, with the class's embedding beside it."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(classes, CLASS_LENGTH) if classes else None

    def forward(self, z: Tensor, index: Tensor | None) -> Tensor:
        """Z [B, L], class index [B] -> w [B, L] or [B, L + CLASS_LENGTH]."""
        return z if self.embedding is None else torch.cat([z, self.embedding(index)], 1)


class PlainSynthesis(nn.Module):
    """The plain one, to learn from: a dense layer and three convolutions, for 32 px."""

    def __init__(self, shape: NetworkShape, length: int, processes: Processes) -> None:
        super().__init__()
        self.width = shape.width
        self.dense = nn.Linear(length, 4 * shape.width * 8 * 8)
        self.to16 = nn.Conv2d(4 * shape.width, 2 * shape.width, 3, padding=1)
        self.to32 = nn.Conv2d(2 * shape.width, shape.width, 3, padding=1)
        self.color = nn.Conv2d(shape.width, 3, 3, padding=1)

    def forward(self, w: Tensor, noise: Tensor) -> Tensor:
        """See LatentGenerator."""
        x = F.relu(self.dense(w)).unflatten(1, (-1, 8, 8))  # [B, 4 C, 8, 8]
        x = F.relu(self.to16(doubled(x)))  # [B, 2 C, 16, 16]
        x = F.relu(self.to32(doubled(x)))  # [B, C, 32, 32]
        return to_unit(self.color(x))


class DcganSynthesis(nn.Module):
    """Transposed convolutions with batch norm (Radford et al., "Unsupervised Representation Learning with Deep
    Convolutional Generative Adversarial Networks", ICLR 2016, figure 1); width 64 at 64 px is the paper's size."""

    def __init__(self, shape: NetworkShape, length: int, processes: Processes) -> None:
        super().__init__()
        sides = [shape.channels(4 << i, 16) for i in range((shape.side // 8).bit_length())]  # on 4, 8 .. S/2 px
        self.dense = nn.Linear(length, sides[0] * 16, bias=False)
        self.norms = nn.ModuleList(BatchNorm(c, processes) for c in sides)
        outs = [*sides[1:], 3]
        self.layers = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 4, stride=2, padding=1, bias=b == 3) for a, b in zip(sides, outs, strict=True)
        )
        for layer in (self.dense, *self.layers):
            nn.init.normal_(layer.weight, std=0.02)

    def forward(self, w: Tensor, noise: Tensor) -> Tensor:
        """See LatentGenerator."""
        x = self.dense(w).unflatten(1, (-1, 4, 4))  # [B, 16 C, 4, 4]
        for norm, layer in zip(self.norms, self.layers, strict=True):
            x = layer(F.relu(norm(x)))  # twice the size
        return to_unit(x)


class ResidualSynthesis(nn.Module):
    """Residual blocks (Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018, table 4)."""

    def __init__(self, shape: NetworkShape, length: int, processes: Processes) -> None:
        super().__init__()
        sides = [shape.channels(4 << i, 16) for i in range((shape.side // 4).bit_length())]  # on 4, 8 .. S px
        self.dense = nn.Linear(length, sides[0] * 16)
        self.blocks = nn.ModuleList(ResidualUp(a, b, processes) for a, b in pairwise(sides))
        self.norm = BatchNorm(sides[-1], processes)
        self.color = nn.Conv2d(sides[-1], 3, 3, padding=1)

    def forward(self, w: Tensor, noise: Tensor) -> Tensor:
        """See LatentGenerator."""
        x = self.dense(w).unflatten(1, (-1, 4, 4))  # [B, 16 C, 4, 4]
        for block in self.blocks:
            x = block(x)  # twice the size
        return to_unit(self.color(F.relu(self.norm(x))))


class ResidualUp(nn.Module):
    """[B, I, H, W] -> [B, O, 2 H, 2 W]: norm, ReLU, twice the size, 3x3, norm, ReLU, 3x3; beside it twice the size, 1x1."""

    def __init__(self, inputs: int, outputs: int, processes: Processes) -> None:
        super().__init__()
        self.norm1, self.norm2 = BatchNorm(inputs, processes), BatchNorm(outputs, processes)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1)
        for layer, gain in ((self.conv1, math.sqrt(2)), (self.conv2, math.sqrt(2)), (self.skip, 1.0)):
            nn.init.xavier_uniform_(layer.weight, gain)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        y = self.conv1(doubled(F.relu(self.norm1(x))))
        y = self.conv2(F.relu(self.norm2(y)))
        return y + doubled(self.skip(x))  # a 1x1 convolution and doubling can change places


class BatchNorm(nn.Module):
    """Batch normalisation (Ioffe & Szegedy, ICML 2015) whose batch is that of all processes together."""

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int, processes: Processes) -> None:
        super().__init__()
        self.processes = processes
        self.scale = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> the same shape; in use by the means of the last batches."""
        mean, variance = self.mean, self.variance
        if self.training:
            mean = self.processes.mean(x.float().mean((0, 2, 3)))
            variance = self.processes.mean((x.float() - mean[:, None, None]).square().mean((0, 2, 3)))
            self.mean.lerp_(mean.detach(), MOMENTUM)
            self.variance.lerp_(variance.detach(), MOMENTUM)
        gain = self.scale * (variance + NORM_EPSILON).rsqrt()
        offset = self.shift - mean * gain
        return x * gain[:, None, None].to(x.dtype) + offset[:, None, None].to(x.dtype)


def doubled(x: Tensor) -> Tensor:
    """[B, C, H, W] -> [B, C, 2 H, 2 W], every pixel four times."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
