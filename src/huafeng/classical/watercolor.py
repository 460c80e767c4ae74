"""A watercolour.

After Bousseau, Kaplan, Thollot & Sillion, "Interactive Watercolor Rendering with Temporal Coherence and Abstraction",
NPAR 2006: a wash of the colour C becomes C - (C - C^2)(d - 1) where its pigment has the density d. It grows where a
wash ends, drifts with turbulent flow, and settles in the paper's grain. Edges wobble; strips between washes, and the sheet's
margin, stay bare.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from huafeng.classical.canvas import Canvas, Color, Method, Range
from huafeng.classical.finish import enlarged
from huafeng.classical.flow import flow_of
from huafeng.classical.kuwahara import kuwahara
from huafeng.classical.planes import blur, luma, moved, smoothstep, stretched
from huafeng.classical.texture import clouds
from huafeng.pixels import F32, U8

_DARK = np.array([-0.06, 0.0, 0.12], np.float32)[:, None, None]
_GLAZES = (0.25, 0.45, 0.65, 0.82)  # luminance at which each of four washes, laid one over the other, begins


@dataclass(frozen=True)
class Watercolor(Method):
    """A watercolour.

    flatness: radius of shapes; wobble: of edges; margin: of bare paper around; in hundredths of the short side.
    edges, turbulence, grain: how much pigment gathers where washes end, drifts, and settles in the paper.   saturation: of
    colours; paper: its colour, sRGB.
    """

    working_px: Annotated[int, Range(64, 2048)] = 720
    flatness: Annotated[float, Range(0.2, 8)] = 0.95
    wobble: Annotated[float, Range(0, 3)] = 0.2
    margin: Annotated[float, Range(0, 20)] = 2.6
    edges: Annotated[float, Range(0, 5)] = 1.1
    turbulence: Annotated[float, Range(0, 2)] = 0.24
    grain: Annotated[float, Range(0, 2)] = 0.13
    saturation: Annotated[float, Range(0, 3)] = 1.35
    paper: Color = (251, 248, 241)

    def paint(self, canvas: Canvas) -> U8:
        """See Method."""
        planes, unit, focus, width, height, threads = canvas
        size = focus.shape
        flow = flow_of(planes, 0.5 * unit)
        some = kuwahara(planes, flow, 0.5 * unit, threads=threads)
        flat = kuwahara(some, flow, self.flatness * unit, threads=threads)
        flat += 0.7 * focus * (some - flat)
        grain = 0.8 * clouds(size, 0.28 * unit, 41) + 0.6 * clouds(size, 0.7 * unit, 42)
        reach = self.wobble * unit * (1 - 0.6 * focus)
        aside = reach * (clouds(size, 3 * unit, 43, 2) + 0.4 * grain)
        down = reach * (clouds(size, 3 * unit, 45, 2) + 0.4 * clouds(size, 0.4 * unit, 46))
        washes = self._washes(moved(flat, aside, down), unit)

        light = luma(washes)
        soft = blur(light, 0.5 * unit)
        ends = smoothstep(np.maximum(0, soft - blur(light, 0.12 * unit)), 0.004, 0.06)  # on their dark side
        pigment = smoothstep(1 - light, 0.08, 0.55)
        drift = clouds(size, 14 * unit, 52, 4) * pigment
        density = self.edges * ends + self.turbulence * drift + self.grain * grain * pigment
        gaps = smoothstep(blur(light, 0.2 * unit) - soft, 0.02, 0.05) * smoothstep(clouds(size, 5 * unit, 51), -0.4, 0.4)
        bare = 0.85 * gaps * (1 - focus)
        if self.margin > 0:
            inside = _from_edge(size) / unit - self.margin
            inside += 0.27 * self.margin * clouds(size, 9 * unit, 54, 2) + 0.05 * self.margin * clouds(size, 0.6 * unit, 56)
            density += 0.7 * np.exp(-np.maximum(inside, 0) / np.float32(0.35))
            bare = 1 - (1 - bare) * smoothstep(inside, -0.12, 0.12)
        paper = np.array(self.paper, np.float32)[:, None, None] / 255
        painted = paper * np.clip(washes - (washes - washes * washes) * density, 0, 1)
        sheet = (painted + (paper - painted) * bare) * (1 + np.float32(0.014) * grain)
        return enlarged(sheet, width, height, threads=threads)

    def _washes(self, planes: F32, unit: float) -> F32:
        """Light, clear colours in a few glazes: each darkens what is below its luminance, with a ragged edge."""
        light = luma(planes)
        size = light.shape
        bright = stretched(light, 1)
        ragged = bright + np.float32(0.022) * clouds(size, 6 * unit, 47, 2)
        tone = 0.35 * bright + 0.2 * blur(bright, 1.5 * unit)
        for level in _GLAZES:
            tone += 0.45 / len(_GLAZES) * smoothstep(ragged, level - 0.06, level + 0.06)
        tone = np.float32(0.22) + np.float32(0.78) * np.clip(tone, 0, 1) ** np.float32(0.8)
        strength = self.saturation * (0.4 + 0.6 * smoothstep(1 - tone, 0.02, 0.3))
        indigo = np.square(1 - tone) * _DARK  # what is black is mixed, and leans towards blue
        return np.clip(tone + (planes - light) * strength + indigo, 0, 1)


def _from_edge(size: tuple[int, int]) -> F32:
    """Distance of each pixel from the nearest edge of the picture, px."""
    height, width = size
    y, x = (np.minimum(place, size - 1 - place) for place, size in ((np.arange(height), height), (np.arange(width), width)))
    return np.minimum(y[:, None], x[None]).astype(np.float32)
