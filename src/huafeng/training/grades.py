"""Random colour grades, such as photographers and film stocks lay over pictures: what the look learner is taught with.

A grade is drawn as a chain of the steps that programs for grading offer (exposure, white balance, tone curves, a channel
mixer, shifts by hue, split toning, black and white, film densities, free bends of the cube), each left out at random and
each of random strength, then weakened as a whole by a random share. No look of a real product is among them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from huafeng.training.tables import identity

LUMA = (0.2126, 0.7152, 0.0722)  # ITU-R BT.709
NONE = 0.08  # share of folders without any grade
LEAST_LINEAR = 1e-4  # keeps powers and logarithms finite

# To and from two colour-difference axes: hue is an angle there, and luminance stays what it is.
_OPPONENT = torch.tensor([[0.2126, 0.7152, 0.0722], [0.5, -0.4542, -0.0458], [-0.1146, -0.3854, 0.5]])


def random_grades(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Tables [count, N, N, N, 3] indexed [r, g, b], values 0..1, N = size: one random grade each, on the generator's device."""
    cube = identity(size, generator.device).reshape(1, -1, 3)
    draw = Draw(count, generator)
    x = cube.expand(count, -1, 3)
    for step, share in STEPS:
        used = draw.chance(share)
        x = torch.where(used, step(x, draw), x)
    strength = torch.where(draw.chance(0.7), draw.uniform(0.3, 1.15), draw.uniform(0.0, 0.5))
    strength = torch.where(draw.chance(NONE), 0.0, strength)
    x = cube + strength * (x - cube)
    return x.clamp(0, 1).reshape(count, size, size, size, 3)


class Draw:
    """Random numbers for `count` grades at once, shaped to stand beside [count, P, 3]."""

    def __init__(self, count: int, generator: torch.Generator) -> None:
        self.count, self.generator = count, generator

    def rand(self, *shape: int) -> Tensor:
        """Of 0..1, all as likely [count, *shape]."""
        return torch.rand(self.count, *shape, generator=self.generator, device=self.generator.device)

    def randn(self, *shape: int) -> Tensor:
        """Normal ones of deviation 1 [count, *shape]."""
        return torch.randn(self.count, *shape, generator=self.generator, device=self.generator.device)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Of low..high, all as likely [count, *shape], by default [count, 1, 1]."""
        return low + (high - low) * self.rand(*(shape or (1, 1)))

    def normal(self, deviation: float, *shape: int) -> Tensor:
        """Heavier tails than a normal number has: looks are mild or bold."""
        spread = (0.5 * self.randn(*[1] * len(shape or (1, 1)))).exp().clamp_max(2.2)
        return deviation * spread * self.randn(*(shape or (1, 1)))

    def chance(self, share: float) -> Tensor:
        """True for a share of the grades [count, 1, 1]."""
        return self.rand(1, 1) < share

    def smooth(self, at: Tensor, amplitude: float, channels: int, *, periodic: bool = False, waves: int = 4) -> Tensor:
        """A random smooth function of `at` [count, P, 1] -> [count, P, channels]; period 1, or none."""
        k = torch.arange(1, waves + 1, device=at.device).float()
        weights = self.normal(amplitude, channels, waves) / k**1.3
        phases = 2 * math.pi * self.rand(channels, waves)
        angles = (2 if periodic else 1) * math.pi * k * at[..., None] + phases[:, None]
        return (weights[:, None] * angles.cos()).sum(-1)


Step = Callable[[Tensor, Draw], Tensor]


def luma_of(x: Tensor) -> Tensor:
    """Colours [..., 3] -> their luminance [..., 1]."""
    return (x * torch.tensor(LUMA, device=x.device)).sum(-1, keepdim=True)


def _linear(x: Tensor) -> Tensor:
    return x.clamp_min(LEAST_LINEAR) ** 2.2


def _encoded(x: Tensor) -> Tensor:
    return x.clamp_min(0) ** (1 / 2.2)


def _exposure(x: Tensor, draw: Draw) -> Tensor:
    return _encoded(_linear(x) * draw.normal(0.25).exp())


def _gamma(x: Tensor, draw: Draw) -> Tensor:
    return x.clamp(LEAST_LINEAR, 1) ** draw.normal(0.2).exp()


def _balance(x: Tensor, draw: Draw) -> Tensor:
    return _encoded(_linear(x) * draw.normal(0.12, 1, 3).exp())


def _curves(x: Tensor, draw: Draw) -> Tensor:
    """Rising curves, one for all channels and a smaller one for each; black may be lifted, white lowered."""
    t = torch.linspace(0, 1, 65, device=x.device).reshape(1, -1, 1)
    common = draw.smooth(t.expand(draw.count, -1, 1), 0.5, 1, waves=3)
    apart = draw.smooth(t.expand(draw.count, -1, 1), 0.2, 3, waves=3)
    slopes = (common + apart).exp()
    # an S is the most usual curve: steeper in the middle
    slopes = slopes * (1 + draw.uniform(-0.3, 1.2) * (4 * t * (1 - t) - 0.67)).clamp_min(0.1)
    rises = (slopes[:, 1:] + slopes[:, :-1]) / 2
    faded = draw.chance(0.5)
    black = torch.where(faded, (draw.normal(0.05) + draw.normal(0.03, 1, 3)).clamp(-0.1, 0.3), 0.0)
    white = torch.where(draw.chance(0.5), (1 + draw.normal(0.04) + draw.normal(0.04, 1, 3)).clamp(0.6, 1.1), 1.0)
    return rising(x, rises, black, white)


def rising(x: Tensor, rises: Tensor, black: Tensor, white: Tensor) -> Tensor:
    """Colours [count, P, 3] through curves from `black` to `white`, each [count, 1, 3].

    rises: what a curve rises by in each of K segments of one width, relative to the others [count, K, 3].
    """
    last = rises.shape[1]
    curve = torch.cat([torch.zeros_like(rises[:, :1]), rises.cumsum(1) / rises.sum(1, keepdim=True)], 1)
    curve = black + (white - black) * curve  # [count, K + 1, 3]
    place = x.clamp(0, 1) * last
    below = place.long().clamp_max(last - 1)
    low, high = curve.gather(1, below), curve.gather(1, below + 1)
    return low + (place - below) * (high - low)


def _saturation(x: Tensor, draw: Draw) -> Tensor:
    """More or less of it, and another amount in shadows than in lights."""
    luma = luma_of(x)
    amount = draw.normal(0.3).exp() * draw.smooth(luma.clamp(0, 1), 0.15, 1, waves=2).exp()
    return luma + amount.clamp_max(2.2) * (x - luma)


def _mixer(x: Tensor, draw: Draw) -> Tensor:
    """A channel mixer that keeps greys, near enough."""
    rows = torch.eye(3, device=x.device) + draw.normal(0.08, 3, 3)
    rows = rows / rows.sum(2, keepdim=True)
    return x @ rows.transpose(1, 2)


def by_hue(x: Tensor, draw: Draw) -> Tensor:
    """Hues turn, and gain or lose saturation and brightness, each part of the circle by itself."""
    to_opponent, back = _OPPONENT.to(x.device), torch.linalg.inv(_OPPONENT).to(x.device)
    opponent = x @ to_opponent.T
    luma, first, second = opponent.split(1, -1)
    chroma = (first**2 + second**2 + 1e-8).sqrt()
    hue = torch.atan2(second, first) / (2 * math.pi)
    turn = draw.smooth(hue, 0.045, 1, periodic=True) + draw.normal(0.012)
    more = draw.smooth(hue, 0.3, 1, periodic=True).exp().clamp_max(2.5)
    lighter = draw.smooth(hue, 0.25, 1, periodic=True)
    angle = 2 * math.pi * (hue + turn)
    turned = torch.cat([luma + chroma * lighter, chroma * more * angle.cos(), chroma * more * angle.sin()], -1)
    return turned @ back.T


def _split_toning(x: Tensor, draw: Draw) -> Tensor:
    """One tint for shadows, another for lights, opposite ones at times (teal and orange)."""
    luma = luma_of(x).clamp(0, 1)
    shadows, lights = draw.normal(0.09, 1, 3), draw.normal(0.09, 1, 3)
    lights = torch.where(draw.chance(0.4), -shadows * draw.uniform(0.4, 1.4), lights)
    shadows, lights = (tint - luma_of(tint) for tint in (shadows, lights))
    power = draw.uniform(0.7, 2.5)
    return x + shadows * (1 - luma) ** power + lights * luma**power


def _wash(x: Tensor, draw: Draw) -> Tensor:
    """All colours drawn towards one, as light through a filter does: evening sun, moonlight, old dyes."""
    tint = draw.uniform(0, 1, 1, 3)
    tint = tint / luma_of(tint).clamp_min(0.15)
    colored = luma_of(x).clamp_min(0) ** draw.uniform(0.7, 1.4) * tint
    return x + draw.uniform(0.0, 0.7) * torch.where(draw.chance(0.5), colored - x, x * tint - x)


def _monochrome(x: Tensor, draw: Draw) -> Tensor:
    """Black and white through a filter of any colour; the other steps tone it."""
    weights = torch.tensor(LUMA, device=x.device) + draw.normal(0.2, 1, 3)
    grey = (x * weights / weights.sum(-1, keepdim=True).clamp_min(0.4)).sum(-1, keepdim=True)
    return x + draw.uniform(0.5, 1.4).clamp_max(1) * (grey - x)


def _bleach(x: Tensor, draw: Draw) -> Tensor:
    """Silver left in the film: its own luminance laid over, less colour, more contrast."""
    luma = luma_of(x)
    low, high = 2 * luma * x, 1 - 2 * (1 - luma) * (1 - x)
    overlaid = low + ((luma - 0.45) * 10).clamp(0, 1) * (high - low)
    return x + draw.uniform(0.2, 1.0) * (overlaid - x)


def _film(x: Tensor, draw: Draw) -> Tensor:
    """Densities of dyes that stain each other, with a toe and a shoulder each."""
    stops = _linear(x).log2() / 10  # about -1.3..0
    rows = torch.eye(3, device=x.device) + draw.normal(0.08, 3, 3)
    stops = stops @ (rows / rows.sum(2, keepdim=True)).transpose(1, 2)
    slope = 6.5 * (draw.normal(0.2) + draw.normal(0.05, 1, 3)).exp()
    middle = -0.25 + draw.normal(0.04) + draw.normal(0.015, 1, 3)
    density = torch.sigmoid(slope * (stops - middle))
    top = torch.sigmoid(slope * -middle)
    return _encoded(density / top)


def bend(x: Tensor, draw: Draw) -> Tensor:
    """A free, smooth displacement of the cube: a random grid of 4 nodes per axis."""
    grid = draw.normal(0.05, 3, 4, 4, 4)
    at = (2 * x.clamp(0, 1) - 1).flip(-1)[:, None, None]  # grid_sample: the last axis first
    moved = torch.nn.functional.grid_sample(grid, at, mode="bilinear", align_corners=True)
    return x + moved[:, :, 0, 0].transpose(1, 2)


STEPS: tuple[tuple[Step, float], ...] = (
    (_exposure, 0.25),
    (_balance, 0.3),
    (_film, 0.3),
    (_curves, 0.5),
    (_monochrome, 0.1),
    (by_hue, 0.4),
    (_mixer, 0.35),
    (_saturation, 0.45),
    (_bleach, 0.08),
    (bend, 0.2),
    (_gamma, 0.2),
    (_wash, 0.1),
    (_split_toning, 0.35),
    (_curves, 0.35),
)
"""Steps in their order, and how often each is taken."""
