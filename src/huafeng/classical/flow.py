"""The flow: in which direction lines run at each pixel, and means along it.

The structure tensor sums products of gradients over a neighbourhood; its minor eigenvector is the direction in which a picture
changes least (Brox et al. 2006; as brushes follow it: Kyprianidis, Kang & Doellner 2009). Line integral convolution: Cabral &
Leedom, SIGGRAPH 1993.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from huafeng.classical.planes import blur
from huafeng.pixels import F32, in_strips

_SIDE = np.float32(0.183)  # of three rows' weights: the gradient that errs least in direction (Jaehne et al. 1999)
_STRIP = 48  # rows at a time: what belongs to them stays in the cache
_FAR = (4.0, 0.05)  # times the tensor's sigma, and its weight: plain places take their direction from around


class Flow(NamedTuple):
    """x, y: unit vectors along lines, float32 [h, w], either sign.   anisotropy: 0 = no direction at all .. 1 = one alone."""

    x: F32
    y: F32
    anisotropy: F32


def flow_of(planes: F32, sigma: float) -> Flow:
    """The flow of a picture float32 [C, h, w], of which gradients are summed over a Gaussian of `sigma` px."""
    xx, xy, yy = 0.0, 0.0, 0.0
    for plane in planes:
        framed = np.pad(plane, 1, mode="edge")
        rows = _SIDE * (framed[:-2] + framed[2:]) + (1 - 2 * _SIDE) * framed[1:-1]
        columns = _SIDE * (framed[:, :-2] + framed[:, 2:]) + (1 - 2 * _SIDE) * framed[:, 1:-1]
        dx, dy = rows[:, 2:] - rows[:, :-2], columns[2:] - columns[:-2]
        xx, xy, yy = xx + dx * dx, xy + dx * dy, yy + dy * dy
    tensor = np.stack([xx, xy, yy])
    near = blur(tensor, sigma)
    far, weight = _FAR
    near += np.float32(weight) * blur(near, far * sigma)
    near += np.float32(weight**2) * blur(near, far**2 * sigma)
    xx, xy, yy = near
    across = np.arctan2(2 * xy, xx - yy) / 2
    spread = np.hypot(xx - yy, 2 * xy) / np.maximum(xx + yy, np.float32(1e-12))
    return Flow(-np.sin(across), np.cos(across), np.minimum(spread, 1))


def along(planes: F32, flow: Flow, sigma: float, *, step: float = 1.0, threads: int = 1) -> F32:
    """Means of [h, w] or [C, h, w] along the flow, by a Gaussian of `sigma` px; steps of `step` px to the nearest pixel."""
    channels = planes.reshape(-1, *planes.shape[-2:])
    height, width = channels.shape[1:]
    flat = np.ascontiguousarray(channels.reshape(len(channels), -1))
    flow_x, flow_y = flow.x.ravel(), flow.y.ravel()
    count = max(1, round(2.2 * sigma / step))
    weights = np.exp(-0.5 * (np.arange(count + 1) * step / sigma) ** 2).astype(np.float32)
    weights /= weights[0] + 2 * weights[1:].sum()
    result = np.empty_like(flat)

    def strip(top: int, bottom: int) -> None:
        part = slice(top * width, bottom * width)
        sums = weights[0] * flat[:, part]
        start_y, start_x = (place.ravel() for place in np.mgrid[top:bottom, 0:width].astype(np.float32))
        for sign in (np.float32(step), np.float32(-step)):
            x, y = start_x.copy(), start_y.copy()
            dx, dy = sign * flow_x[part], sign * flow_y[part]
            for weight in weights[1:]:
                x += dx
                y += dy
                np.clip(x, 0, width - 1, out=x)
                np.clip(y, 0, height - 1, out=y)
                at = np.rint(y).astype(np.int32) * np.int32(width) + np.rint(x).astype(np.int32)
                for total, values in zip(sums, flat, strict=True):
                    total += weight * values.take(at, mode="clip")
                next_x, next_y = flow_x.take(at, mode="clip"), flow_y.take(at, mode="clip")
                turn = np.copysign(np.float32(step), dx * next_x + dy * next_y)
                dx, dy = turn * next_x, turn * next_y
        result[:, part] = sums

    in_strips(strip, height, _STRIP, threads)
    return result.reshape(planes.shape)
