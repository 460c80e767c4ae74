"""The look learner's network: finished pictures, and the colours of untouched ones -> the grade between them.

Amortised inference: where a fit compares two clouds of colours, this network has seen what many thousands of random grades do
to photos, so it knows skin, leaves, skies and paper under them. Pictures are read one by one and pooled (Zaheer et al., "Deep
Sets", NeurIPS 2017). Its guess is laid over the untouched colours, and it is asked again for what is still wrong (Carreira et
al., "Human Pose Estimation with Iterative Error Feedback", CVPR 2016).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from huafeng.lookfit import NODES
from huafeng.looklearner import BINS, COARSE, QUANTILES
from huafeng.lookmoments import DIRECTIONS

WIDTH = 256
CHANNELS = (32, 64, 128)
RANK_INWARD, RANK_OUTWARD = 96, 64
GELU = nn.GELU(approximate="tanh")


class LookNetwork(nn.Module):
    """See `step`."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = _convolutions()
        self.colors = nn.Linear(BINS**3, WIDTH)
        self.things = nn.Linear(4 * CHANNELS[-1], WIDTH)
        seen = 3 * WIDTH + 2 * len(DIRECTIONS) * QUANTILES + 3 * COARSE**3
        self.head = nn.Sequential(nn.Linear(seen, WIDTH), GELU, nn.Linear(WIDTH, WIDTH), GELU)
        self.coefficients = nn.Linear(WIDTH, RANK_INWARD + RANK_OUTWARD)
        self.inward = nn.Linear(RANK_INWARD, NODES**3 * 3, bias=False)
        self.outward = nn.Linear(RANK_OUTWARD, NODES**3 * 3, bias=False)
        for tables in (self.inward, self.outward):
            nn.init.normal_(tables.weight, std=0.02)
        nn.init.zeros_(self.coefficients.weight)
        nn.init.zeros_(self.coefficients.bias)

    def embed(self, pictures: Tensor) -> Tensor:
        """Sets of finished pictures [F, n, 3, S, S] in 0..1 -> what is in them [F, WIDTH]."""
        return GELU(self.things(pooled(self.convolutions, pictures)))

    def read(self, histogram: Tensor) -> Tensor:
        """A histogram as `statistics` gives it -> [F, WIDTH]."""
        return GELU(self.colors(histogram))

    def step(
        self, things: Tensor, finished: tuple[Tensor, Tensor], current: tuple[Tensor, Tensor], table: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What is wrong with the tables so far.

        things: as `embed` gives them, of the finished pictures.
        finished, current: `statistics` of their colours, and of the untouched photos' under the tables.
        table: the tables so far [F, N, N, N, 3], values 0..1.

        Returns:
            Two tables of offsets [F, 9, 9, 9, 3]: by the colour that goes in, and by the colour that comes out.
        """
        (histogram, quantiles), (now, quantiles_now) = finished, current
        stride = (table.shape[1] - 1) // (COARSE - 1)
        coarse = table[:, ::stride, ::stride, ::stride].flatten(1)
        seen = [things, self.read(histogram), self.read(now), 4 * (quantiles - quantiles_now), quantiles, coarse]
        coefficients = self.coefficients(self.head(torch.cat(seen, 1)))
        grid = (NODES, NODES, NODES, 3)
        inward, outward = coefficients.split([RANK_INWARD, RANK_OUTWARD], 1)
        return self.inward(inward).unflatten(1, grid), self.outward(outward).unflatten(1, grid)


class Critic(nn.Module):
    """Whether photos bear the same grade as a finished folder: scores [F], higher = the same.

    Conditional (Mirza & Osindero, 2014): it cannot tell by what is shown, as both sides show other things, and has to know
    what a grade does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = _convolutions()
        self.things = nn.Linear(4 * CHANNELS[-1], WIDTH)
        self.judge = nn.Sequential(nn.Linear(3 * WIDTH, WIDTH), nn.LeakyReLU(0.2), nn.Linear(WIDTH, 1))

    def forward(self, photos: Tensor, finished: Tensor) -> Tensor:
        """Photos [F, 3 n, S, S], n of them side by side; finished [F, m, 3, S, S] -> [F, 1]."""
        photo, folder = (self.embed(x) for x in (photos.unflatten(1, (-1, 3)), finished))
        return self.judge(torch.cat([photo, folder, photo - folder], 1))

    def embed(self, pictures: Tensor) -> Tensor:
        """As `LookNetwork.embed`, with a slope for gradients everywhere."""
        return F.leaky_relu(self.things(pooled(self.convolutions, pictures)), 0.2)


def _convolutions() -> nn.ModuleList:
    sides = (3, *CHANNELS)
    return nn.ModuleList(nn.Conv2d(below, above, 3, stride=2, padding=1) for below, above in pairwise(sides))


def pooled(convolutions: nn.ModuleList, pictures: Tensor) -> Tensor:
    """Sets of pictures [F, n, 3, S, S] -> mean and deviation over each set of its pictures' means and maxima [F, 4 C]."""
    folders, count = pictures.shape[:2]
    x = (pictures.flatten(0, 1) * 2 - 1).contiguous(memory_format=torch.channels_last)
    for convolution in convolutions:
        x = F.relu(convolution(x))  # [F n, C, 4, 4] in the end
    x = torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1).float().unflatten(0, (folders, count))
    deviation = ((x - x.mean(1, keepdim=True)).square().mean(1) + 1e-4).sqrt()
    return torch.cat([x.mean(1), deviation], 1)


def statistics(colors: Tensor) -> tuple[Tensor, Tensor]:
    """Colours [F, P, 3] in 0..1 -> their soft histogram, as 8 times its square root [F, BINS^3], and quantiles [F, 13 * 16].

    Each colour is shared by the eight bins around it. The quantiles are along 13 directions: the axes and all diagonals.
    """
    nodes = torch.arange(BINS, dtype=colors.dtype)
    red, green, blue = (1 - (colors[..., None] * (BINS - 1) - nodes).abs()).clamp_min(0).unbind(2)  # [F, P, BINS]
    pairs = (red[:, :, :, None] * green[:, :, None]).flatten(2)  # [F, P, BINS^2]
    histogram = (pairs.transpose(1, 2) @ blue).flatten(1) / colors.shape[1]
    # numpy sorts many times as fast as torch on a CPU; no gradient comes this way
    ordered = torch.from_numpy(np.sort((colors @ torch.from_numpy(DIRECTIONS).T).numpy(), axis=1))  # [F, P, 13]
    at = ((torch.arange(QUANTILES) + 0.5) / QUANTILES * (colors.shape[1] - 1)).round().long()
    return histogram.clamp_min(1e-6).sqrt() * 8, ordered[:, at].transpose(1, 2).flatten(1)


def linear_transport(untouched: Tensor, finished: Tensor) -> tuple[Tensor, Tensor]:
    """Colours [F, P, 3] and [F, Q, 3] -> matrices [F, 3, 3] and offsets [F, 1, 3] of y = x A + b between their means and
    covariances: the optimal transport of Gaussians (Pitie & Kokaram, "The Linear Monge-Kantorovitch Linear Colour Mapping for
    Example-Based Colour Transfer", CVMP 2007)."""
    mean_u, mean_f = untouched.mean(1, keepdim=True), finished.mean(1, keepdim=True)
    faint = 1e-4 * torch.eye(3)
    u, f = (
        (x - mean).transpose(1, 2) @ (x - mean) / x.shape[1] + faint for x, mean in ((untouched, mean_u), (finished, mean_f))
    )
    root = _power(u, 0.5)
    back = _power(u, -0.5)
    matrix = back @ _power(root @ f @ root, 0.5) @ back
    return matrix, mean_f - mean_u @ matrix


def _power(matrix: Tensor, exponent: float) -> Tensor:
    """Of symmetric, positive definite matrices [F, 3, 3]."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp_min(1e-8)[:, None] ** exponent) @ vectors.transpose(1, 2)
