"""An oil painting: broad strokes over the whole canvas, finer ones where they are needed, lit from the upper left.

Shapes are those of the anisotropic Kuwahara filter (Kyprianidis, Kang & Doellner 2009); see `strokes` for the brush.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from huafeng.classical.canvas import Canvas, Method, Range
from huafeng.classical.finish import enlarged
from huafeng.classical.flow import flow_of
from huafeng.classical.kuwahara import kuwahara
from huafeng.classical.planes import blur, gradient, luma, saturated
from huafeng.classical.strokes import Brush, lay
from huafeng.pixels import F32, U8


@dataclass(frozen=True)
class Oil(Method):
    """An oil painting.

    stroke: width of the broadest strokes, in hundredths of the short side; they are three times as long.   detail: how little
    the broad strokes may miss, 0..1, before finer ones are laid over them.   relief: how strongly light falls on the paint.
    saturation: of colours.
    """

    working_px: Annotated[int, Range(64, 2048)] = 680
    stroke: Annotated[float, Range(0.5, 16)] = 3.2
    detail: Annotated[float, Range(0.005, 1)] = 0.08
    relief: Annotated[float, Range(0, 2)] = 0.26
    saturation: Annotated[float, Range(0, 3)] = 1.4

    def paint(self, canvas: Canvas) -> U8:
        """See Method."""
        planes, unit, focus, width, height, threads = canvas
        flow = flow_of(planes, 0.7 * unit)
        fine = kuwahara(planes, flow, 0.6 * unit, threads=threads)
        fine = np.clip(saturated(fine, self.saturation), 0, 1) ** np.float32(0.9)
        flat = kuwahara(fine, flow, 1.2 * unit, threads=threads)
        sweep = flow_of(blur(flat, 0.8 * unit), 2 * unit)
        broad = self.stroke * unit
        paint, thick = blur(flat, unit), np.zeros_like(focus)
        everywhere = np.ones(focus.shape, bool)
        brush = Brush(broad, 3.3 * broad, 0.22 * unit, 0.5, 0.18)
        lay(paint, thick, blur(flat, 0.4 * unit), sweep, brush, everywhere, 61, threads=threads)
        for share, runs, target, tolerance, stray, miss, seed in (
            (0.5, sweep, flat, 0.4, 0.10, self.detail, 71),
            (0.22, flow, fine, 0.28, 0.05, 1.2 * self.detail, 81),
        ):
            size = share * broad
            brush = Brush(size, 3.2 * size, 0.22 * unit, tolerance, stray)
            missed = blur(np.abs(luma(paint) - luma(target)) + 0.3 * np.abs(paint - target).sum(0), 0.8 * size)
            lay(paint, thick, target, runs, brush, missed > miss * (1 - 0.6 * focus), seed, threads=threads)
        paint += 0.5 * focus * (fine - paint)
        return enlarged(self._lit(paint, thick * (1 - 0.5 * focus), unit), width, height, threads=threads)

    def _lit(self, paint: F32, thick: F32, unit: float) -> F32:
        dy, dx = gradient(blur(thick, 0.1 * unit))
        paint = blur(paint, 0.7)  # each pixel has one stroke's colour: their edges are steps
        light = np.clip((dx + dy) * np.float32(0.2 * unit), -0.5, 0.5)
        return paint * (1 + np.float32(self.relief) * light) + np.float32(0.12 * self.relief) * np.maximum(light, 0)
