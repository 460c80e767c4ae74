"""`huafeng.lookmoments.moments` in torch, for many photos at once on any device; it says what each part is. No gradient."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

from huafeng import lookmoments as lm
from huafeng.pixels import Array

AT_ONCE = 4096, 256  # photos, on a GPU and on a CPU, whose cache they should not leave
LIGHTNESS, OPPONENT, CHANNELS = lm.LIGHTNESS, lm.OPPONENT, np.stack(lm.CHANNELS)


@torch.no_grad()
def moments(photos: Tensor) -> Tensor:
    """Threes of neighbouring colours from afar and close by [N, 2, p, 3, 3] in 0..1 -> [N, M]."""
    parts = photos.split(AT_ONCE[0] if photos.is_cuda else AT_ONCE[1])
    return torch.cat([torch.cat([_usual(p[:, 0]), _usual(p[:, 1]), _fine(p[:, 1])], 1) for p in parts])


def _usual(near: Tensor) -> Tensor:
    first, middle = near[:, :, 0], near[:, :, 1]
    between, step = (first + middle) / 2, first - middle
    tint, level, tint_step = _on(OPPONENT, between), _on(LIGHTNESS, between), _on(OPPONENT, step)
    steps = torch.cat([_on(CHANNELS, step), tint_step], 2)  # [N, p, 6]
    levels = torch.cat([_on(CHANNELS, between), level, level], 2)
    values = torch.cat([level, _length(tint), _size(_on(LIGHTNESS, step)), _length(tint_step)], 2)
    return torch.cat([_shares(middle), _density(middle), _by_level(_size(steps), levels), _by_hue(tint, values)], 1)


def _fine(near: Tensor) -> Tensor:
    first, middle, last = near.unbind(2)
    bend, ramp, mean = middle - (first + last) / 2, last - first, near.mean(2)
    up, light = _on(LIGHTNESS, ramp), _on(LIGHTNESS, mean)
    bends = torch.cat([_on(CHANNELS, bend), _on(OPPONENT, bend)], 2)  # [N, p, 6]
    along = torch.cat([bends[..., :4], _on(LIGHTNESS, bend).expand(-1, -1, 2)], 2)
    ramps = torch.cat([_on(CHANNELS, ramp), up, up], 2)
    levels = torch.cat([_on(CHANNELS, mean), light, light], 2)
    channels, tint, level = _on(CHANNELS, middle), _on(OPPONENT, middle), _on(LIGHTNESS, middle)
    parts = [_bends(bends, along, ramps, levels), _leans(_on(OPPONENT, ramp), up, light)]
    parts += [_by_level(_size(bends[..., :4]), channels), _hues(tint, level), _greys(tint, level)]
    parts += [tint.mean(1), tint.var(1, correction=0), _quantiles(channels, lm.EXTREMES), _quantiles(tint, lm.MIDDLING)]
    return torch.cat(parts, 1)


def _shares(colors: Tensor) -> Tensor:
    low, high = (np.where(sign * lm.DIRECTIONS > 0, lm.DIRECTIONS, 0).sum(1) for sign in (-1, 1))
    width = (high - low) / lm.THRESHOLDS
    at = low[:, None] + width[:, None] * (np.arange(lm.THRESHOLDS) + 0.5)
    at, width = (_there(x, colors.device) for x in (at, width[:, None]))
    return torch.sigmoid((_on(lm.DIRECTIONS, colors)[..., None] - at) / (0.6 * width)).mean(1).flatten(1)


def _density(colors: Tensor) -> Tensor:
    red, green, blue = _near(colors, lm.LATTICE).unbind(2)
    pairs = (red[..., :, None] * green[..., None, :]).flatten(2)
    return (pairs.transpose(1, 2) @ blue / colors.shape[1]).flatten(1)


def _by_level(steps: Tensor, level: Tensor) -> Tensor:
    near = _near(level)
    return ((_mean(steps, near) + 2e-3) / (near.mean(1) + 0.02)).log().flatten(1)


def _bends(bend: Tensor, along: Tensor, ramp: Tensor, level: Tensor) -> Tensor:
    square = ramp**2
    near = _near(level) * (square / (square + 4 * along**2 + 1e-3))[..., None]
    return (_mean(bend, near) / (_mean(square, near) + 2e-4)).flatten(1)


def _leans(tint: Tensor, ramp: Tensor, level: Tensor) -> Tensor:
    near = _near(level)
    return (_mean(tint * ramp, near) / (_mean(ramp**2, near) + 1e-3)).flatten(1)


def _hues(tint: Tensor, level: Tensor) -> Tensor:
    chroma = _length(tint)
    axes = _circle(lm.HUES)
    along, aside = (_on(a, tint / chroma) for a in (axes, _aside(axes)))  # [N, p, 12]
    there = (12 * (along - 1)).exp() * chroma
    mass = there.mean(1) + 0.003
    values = (chroma, level, level**2, aside)
    return torch.cat([*((value * there).mean(1) / mass for value in values), mass.log()], 1)


def _greys(tint: Tensor, level: Tensor) -> Tensor:
    near = _near(level) * (-(tint**2).sum(-1, keepdim=True) / (2 * lm.GREY**2)).exp()[..., None]
    mass = near.mean(1)
    return torch.cat([(_mean(tint, near) / (mass + 0.005)).flatten(1), (mass + 0.003).log().flatten(1)], 1)


def _quantiles(values: Tensor, shares: tuple[float, ...]) -> Tensor:
    at = [int(share * (values.shape[1] - 1)) for share in shares]
    return values.sort(1).values[:, at].transpose(1, 2).flatten(1)


def _by_hue(tint: Tensor, values: Tensor) -> Tensor:
    axes = _circle(lm.SECTORS)
    along, aside = _on(axes, tint), _on(_aside(axes), tint)
    there = torch.sigmoid((along - 0.05) / 0.02) * (-((aside / (along.abs() + 0.05) / 0.6) ** 2)).exp()
    mass = there.mean(1) + 0.01
    means = ((values[..., None] * there[:, :, None]).mean(1) + 1e-3) / mass[:, None]
    return torch.cat([means.flatten(1), mass.log()], 1)


def _mean(values: Tensor, near: Tensor) -> Tensor:
    """Means over pixels [N, p, k] times [N, p, k or 1, m] -> [N, k, m]."""
    return (values[..., None] * near).mean(1)


def _near(level: Tensor, levels: int = lm.LEVELS) -> Tensor:
    """[N, p, k] -> [N, p, k, levels]."""
    nodes = torch.linspace(0, 1, levels, device=level.device)
    return (-(((level[..., None] - nodes) * (levels - 1)) ** 2)).exp()


def _on(axes: Array, x: Tensor) -> Tensor:
    """Along each of k axes: [..., 3] -> [..., k]."""
    return x @ _there(np.atleast_2d(axes).T, x.device)


def _there(values: Array, device: torch.device) -> Tensor:
    return _copied(values.astype(np.float32).tobytes(), values.shape, device)


@cache
def _copied(values: bytes, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """On the device, once, as each copy waits for it."""
    return torch.frombuffer(bytearray(values), dtype=torch.float32).reshape(shape).to(device)


def _circle(count: int) -> Array:
    angles = 2 * math.pi * np.arange(count) / count
    return np.stack([np.cos(angles), np.sin(angles)], 1)


def _aside(axes: Array) -> Array:
    return np.stack([-axes[:, 1], axes[:, 0]], 1)


def _size(x: Tensor) -> Tensor:
    return (x**2 + lm.ROUNDED).sqrt()


def _length(x: Tensor) -> Tensor:
    return ((x**2).sum(-1, keepdim=True) + lm.ROUNDED).sqrt()
