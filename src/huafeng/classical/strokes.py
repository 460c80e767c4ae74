"""Brush strokes, drawn by asking each pixel which stroke lies on top of it.

Strokes begin at a jittered grid, run along the flow and have the colour under their middle; they end where the picture has
another colour (Litwinowicz, SIGGRAPH 1997), and fine ones lie only where broad ones miss something (Hertzmann, SIGGRAPH 1998).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from huafeng.classical.flow import Flow
from huafeng.classical.planes import blur
from huafeng.classical.texture import hashed
from huafeng.pixels import F32, Array, in_strips

_STRIP = 32
_TURN = 0.35  # radians: how far strokes stray from the flow, end to end


@dataclass(frozen=True)
class Brush:
    """width, length: of a stroke, px.   bristle: px between bristles.

    tolerance: the sum of three channels' differences at which a stroke ends.

    stray: how far strokes' lightness strays, end to end; their warmth a quarter of that.
    """

    width: float
    length: float
    bristle: float
    tolerance: float
    stray: float


def lay(paint: F32, relief: F32, target: F32, flow: Flow, brush: Brush, wanted: Array, seed: int, *, threads: int = 1) -> None:
    """Lay strokes over `paint` [3, h, w], and their thickness over `relief` [h, w], in place.

    Args:
        paint: what is painted so far.
        relief: how thick the paint lies, 0..about 1.
        target: the picture to paint, float32 [3, h, w].
        flow: along which strokes run.
        brush: their measures.
        wanted: bool [h, w]: strokes begin only where it holds.
        seed: of the hash that everything random is taken from.
        threads: how many share the work.
    """
    height, width = relief.shape
    cell = max(1.0, brush.width)
    rows, columns = int(height / cell) + 5, int(width / cell) + 5
    j, i = np.arange(columns)[None], np.arange(rows)[:, None]

    def chance(of: int) -> F32:
        return hashed(j, i, seed + of) - np.float32(0.5)

    middle_x, middle_y = (j - 1.5 + chance(0)) * cell, (i - 1.5 + chance(1)) * cell
    at = (
        np.clip(np.rint(middle_y), 0, height - 1).astype(np.int32),
        np.clip(np.rint(middle_x), 0, width - 1).astype(np.int32),
    )
    turn = np.arctan2(flow.y[at], flow.x[at]) + np.float32(_TURN) * chance(2)
    rank = np.where(wanted[at], chance(3) + np.float32(0.51), 0)
    color = blur(target, 0.35 * brush.width)[:, at[0], at[1]]
    warm = np.float32(brush.stray / 4) * chance(5)
    shown = np.clip(color * (1 + np.float32(brush.stray) * chance(4)) + np.stack([warm, 0 * warm, -warm]), 0, 1)
    begin_x, begin_y, cos, sin, rank = (
        values.astype(np.float32).ravel() for values in (middle_x, middle_y, np.cos(turn), np.sin(turn), rank)
    )
    color, shown = color.reshape(3, -1), shown.reshape(3, -1)
    half_width, half_length = np.float32(0.62 * cell), np.float32(0.5 * max(cell, brush.length))
    reach = int(np.ceil(half_length / cell))

    def strip(top: int, bottom: int) -> None:
        y, x = np.mgrid[top:bottom, 0:width].astype(np.float32)
        row, column = (y / cell).astype(np.int32) + 2, (x / cell).astype(np.int32) + 2
        here = target[:, top:bottom]
        best, along, aside = (np.zeros(y.shape, np.float32) for _ in range(3))
        stroke = np.zeros(y.shape, np.int32)
        for below in range(-reach, reach + 1):
            for right in range(-reach, reach + 1):
                one = np.clip(row + below, 0, rows - 1) * np.int32(columns) + np.clip(column + right, 0, columns - 1)
                from_x, from_y = x - begin_x.take(one), y - begin_y.take(one)
                one_cos, one_sin, one_rank = cos.take(one), sin.take(one), rank.take(one)
                u = (from_x * one_cos + from_y * one_sin) / half_length
                v = (from_y * one_cos - from_x * one_sin) / half_width
                over = (u * u * u * u + v * v < 1) & (one_rank > best)
                over &= sum(np.abs(here[k] - color[k].take(one)) for k in range(3)) < brush.tolerance
                for kept, new in ((best, one_rank), (stroke, one), (along, u), (aside, v)):
                    np.copyto(kept, new, where=over)
        hit = best > 0
        profile = (1 - aside**4) * (1 - 0.6 * along**6) * (0.7 + 0.3 * bristles(aside * half_width / brush.bristle, stroke))
        np.copyto(relief[top:bottom], profile + 0.35 * best, where=hit)
        for k in range(3):
            np.copyto(paint[k, top:bottom], shown[k].take(stroke), where=hit)

    in_strips(strip, height, _STRIP, threads)


def bristles(place: F32, stroke: Array) -> F32:
    """Smooth noise in 0..1 across each stroke, another one for each."""
    whole = np.floor(place)
    part = place - whole
    one, other = (hashed(whole.astype(np.int32) + step, stroke, 5) for step in (0, 1))
    return one + (other - one) * part * part * (3 - 2 * part)
