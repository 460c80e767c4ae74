"""A pencil drawing (Lu, Xu & Jia, "Combining Sketch and Tone for Pencil Drawing Production", NPAR 2012).

Tones get the histogram of pencil drawings. Hatching is a texture of strokes whose lead lies the thicker the darker the tone is:
the texture to a power, as theirs. Lines: a difference of Gaussians along the flow (Kang, Lee & Chui, NPAR 2007).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from huafeng.classical.canvas import Canvas, Color, Method, Range
from huafeng.classical.finish import pencilled
from huafeng.classical.flow import flow_of
from huafeng.classical.kuwahara import kuwahara
from huafeng.classical.planes import blur, luma, smoothstep
from huafeng.classical.texture import hatching
from huafeng.classical.xdog import lines_of
from huafeng.pixels import F32, U8

# radians, clockwise from the right; seed; the darkness from which on these strokes lie over the others; how much lead
_HATCHES = ((-0.95, 21, 0.02, 1.25), (-0.45, 22, 0.35, 1.0), (-1.45, 23, 0.55, 1.2))


@dataclass(frozen=True)
class Sketch(Method):
    """A drawing in graphite.

    pitch: between strokes; stroke: sigma of a stroke's length; line: half width of a contour; in hundredths of the short
    side.   shading: how much lead is hatched; contour: how much lies in lines.   The colours in sRGB.
    """

    working_px: Annotated[int, Range(64, 2048)] = 800
    pitch: Annotated[float, Range(0.1, 4)] = 0.42
    stroke: Annotated[float, Range(0.2, 16)] = 1.6
    line: Annotated[float, Range(0.05, 2)] = 0.13
    shading: Annotated[float, Range(0, 3)] = 1.0
    contour: Annotated[float, Range(0, 5)] = 1.7
    paper: Color = (250, 248, 243)
    lead: Color = (38, 38, 42)

    def paint(self, canvas: Canvas) -> U8:
        """See Method."""
        planes, unit, focus, width, height, threads = canvas
        light = luma(planes)
        flow = flow_of(light[None], 0.35 * unit)
        flat = kuwahara(light[None], flow, 0.45 * unit, threads=threads)[0]
        # a face before a white wall is drawn as light as others: tones are judged by their surroundings as well
        tone = 0.05 + 0.72 * _as_drawings(flat) + 0.28 * flat + 0.75 * (flat - blur(flat, 9 * unit))
        dark = 1 - np.clip(tone, 0, 1)
        dark *= 0.35 + 0.65 * smoothstep(dark, 0.05, 0.7)

        rough = 1 - 0.4 * focus
        lead = 0.45 * dark * dark
        for angle, seed, least, strength in _HATCHES:
            strokes = smoothstep(hatching(dark.shape, self.pitch * unit, self.stroke * unit, angle, seed), -1.3, 1.9)
            lead += strength * np.maximum(dark - least, 0) / (1 - least) * (1 + rough * (1.5 * strokes - 0.75))
        near = 0.5 * light / (blur(light, 4 * unit) + 0.12)  # lines in the dark are lines as well
        fine = smoothstep(lines_of(near, flow, self.line * unit, 0.7 * unit, threads=threads), 0.006, 0.04)
        broad = smoothstep(lines_of(near, flow, 2.3 * self.line * unit, 1.2 * unit, threads=threads), 0.012, 0.06)
        lead = self.shading * lead + self.contour * np.maximum(fine, 0.9 * broad)
        return pencilled(1 - np.exp(-lead), width, height, self.paper, self.lead, 0.09 * unit, threads=threads)


def _as_drawings(light: F32) -> F32:
    """[h, w] in 0..1 with the histogram of pencil drawings: much paper, some half tones, a little dark (Lu et al., table 1)."""
    level = np.arange(256)
    paper = np.exp((level - 255) / 9) / 9
    half = ((level >= 105) & (level <= 225)) / 120
    dark = np.exp(-((level - 90) ** 2) / (2 * 11**2)) / (11 * (2 * np.pi) ** 0.5)
    wanted = np.cumsum(0.52 * paper + 0.37 * half + 0.11 * dark)
    given = np.clip(255 * light, 0, 255).astype(np.uint8)
    have = np.cumsum(np.bincount(given.ravel(), minlength=256)) / given.size
    own = np.arange(256) / 255
    # a third of the photo's own tones, for one grey that fills a photo has no histogram to match
    table = 0.65 * np.searchsorted(wanted / wanted[-1], have).clip(0, 255) / 255 + 0.35 * own
    return table.astype(np.float32).take(given)
