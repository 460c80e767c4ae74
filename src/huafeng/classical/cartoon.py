"""A cartoon: large flat shapes in few tones, dark contours.

After Winnemoeller, Olsen & Gooch, "Real-Time Video Abstraction", SIGGRAPH 2006. The picture is flattened by Kuwahara filters in
place of their bilateral one, which keeps more small detail.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from PIL import Image

from huafeng.classical.canvas import Canvas, Color, Method, Range
from huafeng.classical.finish import crisp, enlarged
from huafeng.classical.flow import Flow, along, flow_of
from huafeng.classical.kuwahara import kuwahara
from huafeng.classical.planes import blur, gradient, luma, saturated, smoothstep, stretched
from huafeng.classical.xdog import lines_of
from huafeng.pixels import F32, U8


@dataclass(frozen=True)
class Cartoon(Method):
    """A cartoon.

    tones: of luminance; flatness: radius of shapes; line: half width of a contour, in hundredths of the short side.
    saturation: of pale colours, strong ones stay; ink: of the contours, sRGB.
    """

    working_px: Annotated[int, Range(64, 2048)] = 720
    tones: Annotated[int, Range(2, 16)] = 5
    flatness: Annotated[float, Range(0.2, 8)] = 1.6
    line: Annotated[float, Range(0.05, 2)] = 0.26
    saturation: Annotated[float, Range(0, 3)] = 1.6
    ink: Color = (38, 28, 36)

    def paint(self, canvas: Canvas) -> U8:
        """See Method."""
        planes, unit, focus, width, height, threads = canvas
        some = kuwahara(planes, flow_of(planes, 0.4 * unit), 0.45 * unit, threads=threads)
        flow = flow_of(some, 0.45 * unit)
        flat = kuwahara(some, flow, 0.7 * self.flatness * unit, threads=threads)
        flat = kuwahara(flat, flow, self.flatness * unit, threads=threads)
        flat = along(flat, flow, 0.6 * unit, step=max(1.0, 0.2 * unit), threads=threads)

        fine = 80 * _contours(luma(some), flow, self.line, 1.2, canvas) - 1.4
        broad = 80 * _contours(luma(flat), flow, 1.8 * self.line, 1.8, canvas) - 1.2
        ink = crisp(blur(1.5 * np.clip(np.maximum(fine, broad), -2, 2), 0.8), width, height, threads=threads)

        flat += 0.7 * focus * (some - flat)
        tone = self._few_tones(stretched(luma(flat), 1) ** np.float32(0.85), unit)
        toned = flat * np.clip(tone / np.maximum(luma(flat), np.float32(0.03)), 0.5, 2.2)
        chroma = toned.max(0) - toned.min(0)
        colored = saturated(toned, self.saturation - (self.saturation - 1) * smoothstep(chroma, 0.1, 0.5))
        colored = blur(colored, 0.7)  # tones end at a step
        result = Image.fromarray(enlarged(colored, width, height, threads=threads))
        result.paste(self.ink, (0, 0), Image.fromarray(ink))
        return np.asarray(result)

    def _few_tones(self, light: F32, unit: float) -> F32:
        """Luminance in few tones; from one to the next by a step that is the softer, the gentler the slope (eq. 5 and 6)."""
        slope = unit * np.hypot(*gradient(blur(light, 0.8 * unit)))
        half = 0.5 - 0.44 * smoothstep(slope, 0.004, 0.03)
        place = light * self.tones + np.float32(0.3)
        tone = (np.floor(place) + smoothstep(place - np.floor(place), 0.5 - half, 0.5 + half) - np.float32(0.3)) / self.tones
        return np.clip(0.09 + 0.91 * (0.8 * tone + 0.2 * light), 0, 1)


def _contours(light: F32, flow: Flow, line: float, length: float, canvas: Canvas) -> F32:
    """Lines of a luminance, those in the dark like those in the light; `line` and `length` in units."""
    near = 0.5 * light / (blur(light, 5.5 * canvas.unit) + np.float32(0.13))
    return lines_of(near, flow, line * canvas.unit, length * canvas.unit, threads=canvas.threads)
