"""Random film stocks: chains of a matrix, a rising curve for each channel and another matrix, as in `huafeng.lookchain`.

What stocks have in common: greys stay grey, or nearly so, while other colours move a good deal; curves have a toe and a
shoulder, more or less of them, and the three keep together. Some are black and white; and some have what no such chain can do
besides: hues that turn each by themselves, a bend of the cube. None of them is a real product's.
"""

from __future__ import annotations

import torch
from torch import Tensor

from huafeng.lookchain import ALIKE, KNOTS, TOE_TO_SHOULDER
from huafeng.training.grades import LUMA, Draw, bend, by_hue, random_grades, rising
from huafeng.training.tables import identity

MIXED = 0.02, 0.2  # deviations of what goes from channel to channel, from stock to stock
MONOCHROME, BLEACHED = 0.12, 0.2  # shares of the stocks that are black and white, that may lose most of their colour,
WHOLE = 0.6  # that come in full strength,
BENT, TURNED = 0.4, 0.4  # and that have a bend of the cube and hues that turn besides


def film_grades(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Tables [count, N, N, N, 3] indexed [r, g, b], values 0..1, N = size: one random stock each, on the generator's device."""
    draw = Draw(count, generator)
    cube = identity(size, generator.device).reshape(1, -1, 3)
    tinted = draw.uniform(0.0, 1.0)
    x = (cube @ _seen_by_layers(draw).transpose(1, 2)).clamp(0, 1)
    x = _curves(x, tinted, draw) @ _dyes(tinted, draw).transpose(1, 2) + 0.02 * tinted * draw.randn(1, 3)
    x = x.clamp(0, 1)
    for step, share in ((by_hue, TURNED), (bend, BENT)):
        more = draw.uniform(0.0, 0.8)
        x = torch.where(draw.chance(share), x + more * (step(x, draw) - x), x)
    x = cube + torch.where(draw.chance(WHOLE), 1.0, draw.uniform(0.3, 1.15)) * (x - cube)
    return x.clamp(0, 1).reshape(count, size, size, size, 3)


def mixed_grades(count: int, size: int, film: float, draw: torch.Generator) -> Tensor:
    """Tables [count, N, N, N, 3] as `random_grades` gives, of which a share are `film_grades`."""
    grades, stocks = (drawn(count, size, draw) for drawn in (random_grades, film_grades))
    return torch.where(torch.rand(count, 1, 1, 1, 1, device=draw.device, generator=draw) < film, stocks, grades)


def _seen_by_layers(draw: Draw) -> Tensor:
    """Matrices [F, 3, 3] of the light that each layer sees; those of black-and-white stocks have equal rows."""
    luma = torch.tensor(LUMA, device=draw.generator.device)
    grey = luma + 0.2 * draw.randn(1, 3)
    grey = (grey / grey.sum(-1, keepdim=True).clamp_min(0.4)).expand(-1, 3, -1)
    faded = torch.where(draw.chance(BLEACHED), draw.uniform(0.0, 0.9), draw.uniform(-0.1, 0.3))
    colored = (1 - faded) * _mixer(draw) + faded * luma
    return torch.where(draw.chance(MONOCHROME), grey, colored) * (1 + 0.03 * draw.randn(1, 1))


def _dyes(tinted: Tensor, draw: Draw) -> Tensor:
    """Matrices [F, 3, 3] of dyes that stain each other."""
    faded = 0.15 * draw.randn(1, 1)
    matrix = (1 - faded) * _mixer(draw) + faded * torch.tensor(LUMA, device=draw.generator.device)
    return matrix * (0.96 + 0.05 * draw.randn(1, 1) + 0.05 * tinted * draw.randn(3, 1))


def _mixer(draw: Draw) -> Tensor:
    """Random matrices [F, 3, 3] that keep greys."""
    aside = draw.uniform(*MIXED) * draw.randn(3, 3)
    return torch.eye(3, device=aside.device) + aside - torch.diag_embed(aside.sum(2))


def _curves(x: Tensor, tinted: Tensor, draw: Draw) -> Tensor:
    """Colours [F, P, 3] in 0..1 through a rising curve for each channel."""
    usual = torch.tensor(TOE_TO_SHOULDER, device=x.device, dtype=x.dtype)
    exposed = 0.25 * draw.randn(1, 1) * torch.linspace(-1, 1, KNOTS, device=x.device)
    common = exposed + draw.uniform(0.0, 2.0) * usual + draw.uniform(0.05, 0.3) * _smooth(draw, 1)
    rises = (common + 0.1 * tinted * _smooth(draw, 3)).exp().transpose(1, 2)
    black = 0.03 * draw.randn(1, 1) + 0.04 * tinted * draw.randn(1, 3)
    white = 1 + 0.04 * draw.randn(1, 1) + 0.05 * tinted * draw.randn(1, 3)
    return rising(x, rises, black, white)


def _smooth(draw: Draw, channels: int) -> Tensor:
    """Random numbers [F, channels, KNOTS] of variance 1 of which neighbours are alike, as in chains."""
    at = torch.arange(KNOTS, device=draw.generator.device)
    root = torch.linalg.cholesky(ALIKE ** (at[:, None] - at).abs())
    return draw.randn(channels, KNOTS) @ root.T
