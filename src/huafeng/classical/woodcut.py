"""A woodcut: a key block in black and two blocks of flat colour on warm paper.

Tones are judged by their surroundings and cut hard, as by the extended difference of Gaussians (Winnemoeller, Kyprianidis &
Olsen, Computers & Graphics 2012). Between black and colour lie gouged lines along the shapes, wider where it is darker: their
threshold is noise of one width, drawn out along the flow (Cabral & Leedom, SIGGRAPH 1993).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from PIL import Image

from huafeng.classical.canvas import Canvas, Color, Method, Range
from huafeng.classical.finish import crisp
from huafeng.classical.flow import Flow, along, flow_of
from huafeng.classical.kuwahara import kuwahara
from huafeng.classical.planes import blur, luma, smoothstep, stretched
from huafeng.classical.texture import white
from huafeng.classical.xdog import lines_of, sharpened
from huafeng.pixels import F32, U8


@dataclass(frozen=True)
class Woodcut(Method):
    """A woodcut in three inks.

    gouge: half width of a gouged line; line: of a contour; both in hundredths of the short side.
    black: tones below it are cut for the key block; tint: below it for a colour block.   The four colours in sRGB.
    """

    working_px: Annotated[int, Range(64, 2048)] = 640
    gouge: Annotated[float, Range(0.05, 2)] = 0.32
    line: Annotated[float, Range(0.05, 2)] = 0.2
    black: Annotated[float, Range(0, 1)] = 0.36
    tint: Annotated[float, Range(0, 1)] = 0.66
    paper: Color = (243, 231, 206)
    key: Color = (27, 24, 24)
    warm: Color = (206, 92, 56)
    cool: Color = (62, 112, 122)

    def paint(self, canvas: Canvas) -> U8:
        """See Method."""
        planes, unit, focus, width, height, threads = canvas
        flow = flow_of(planes, 0.45 * unit)
        flat = kuwahara(planes, flow, 0.9 * unit, threads=threads)
        light = stretched(luma(flat), 2)
        tone = 0.55 + 0.28 * (light - 0.5) + 1.1 * (light - blur(light, 8 * unit))
        tone = sharpened(tone, 0.3 * unit, 6)

        gouges = self._gouges(flow_of(blur(planes, 0.5 * unit), 1.4 * unit), unit, threads)
        among = smoothstep(tone, 0.02, 0.2) * (1 - smoothstep(tone, self.black + 0.14, self.black + 0.3)) * (1 - 0.6 * focus)
        contour = lines_of(luma(planes), flow, self.line * unit, 0.9 * unit, threads=threads)
        block = np.maximum(9 * (self.black - tone + 0.32 * gouges * among), 80 * contour - 1.2)
        tinted = 16 * (self.tint - blur(tone, 0.35 * unit) + 0.06 * gouges)
        # green and grey go with blue: only what is redder than green, or plainly yellow, is warm
        warmth = 40 * (blur(1.25 * flat[0] - flat[1] - 0.25 * flat[2], 0.6 * unit) - 0.03)

        print_ = Image.new("RGB", (width, height), self.paper)
        for ink, field, corner in (
            (self.warm, np.minimum(tinted, warmth), 0.25),
            (self.cool, np.minimum(tinted, -warmth), 0.25),
            (self.key, block, 0.07),
        ):
            mask = crisp(_carved(field, corner * unit), width, height, threads=threads)
            print_.paste(ink, (0, 0), Image.fromarray(mask))
        return np.asarray(print_)

    def _gouges(self, flow: Flow, unit: float, threads: int) -> F32:
        """Lines along the flow, -1..1: noise of one width, drawn out and brought to one contrast twice."""
        size = self.gouge * unit
        noise = white(flow.x.shape, 11)
        lines = blur(noise, size) - blur(noise, 2.1 * size)
        for _ in range(2):
            lines = along(lines, flow, 2 * unit, step=max(1.0, size), threads=threads)
            lines /= np.maximum(np.sqrt(blur(lines * lines, 6 * size)), np.float32(1e-9))
        return np.tanh(np.float32(0.9) * lines)


def _carved(field: F32, radius: float) -> F32:
    """A block cut at 0, its corners rounded by `radius` px, at least one: positive inside, about one a pixel at its edges."""
    radius = max(1.0, radius)
    block = blur(smoothstep(field, -0.5, 0.5), radius) - np.float32(0.5)
    return block * np.float32(2.5 * radius)
