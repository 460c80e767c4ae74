"""A network of a style's own in onnxruntime: a translator (photo -> picture), or an enlarger (photo -> larger photo).

As in `art`: a first pass over a thumbnail keeps each norm's mean and variance, the second has them folded into its
convolutions, so that tiles equal the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

import numpy as np

from huafeng.art import RIM, Statistics, frame, spans, thumbnail
from huafeng.engine import Session
from huafeng.errors import EngineError, StyleError
from huafeng.networkfile import BYTES, PICTURE, PLAN, STATISTICS, read_plan
from huafeng.pixels import F32, U8, Array

NORM_EPSILON = 1e-5
AFFINE = ("scale", "shift")  # of a norm
ONE, ZERO = np.float32(1), np.float32(0)
TILE_PX = 1024  # of a tile's result: a network of 64 channels at full size takes about 0.5 GB for it
# One axis of "upsample twice bilinearly, then convolve with 3 taps", written as two 3-tap filters on the small grid:
# row p of PHASE[p] says how much of each small-grid neighbour (-1, 0, +1) tap t of the large grid sees.
PHASE = np.array(
    [
        [[0.75, 0.25, 0.0], [0.25, 0.75, 0.0], [0.0, 0.75, 0.25]],  # even output pixels
        [[0.25, 0.75, 0.0], [0.0, 0.75, 0.25], [0.0, 0.25, 0.75]],  # odd output pixels
    ],
    np.float32,
)


class Translator:
    """The network in a style's tensors, which are checked (`networkfile`). Thread-safe.

    A picture is mirrored outwards by RIM px and cut into tiles that read the network's reach beyond themselves.
    """

    def __init__(self, tensors: Mapping[str, Array], *, threads: int = 0) -> None:
        self.plan = read_plan(tensors[PLAN].tobytes())
        self.threads = threads
        self._tried = False
        self._graphs = {name: tensors[name].tobytes() for name in (PICTURE, STATISTICS) if name in tensors}
        self._weights: dict[str, F32] = {}
        for name, value in tensors.items():
            if name not in BYTES:
                layer, _, part = name.rpartition(".")
                weight = value.astype(np.float32)
                if part in AFFINE:
                    weight = weight.reshape(1, -1, 1, 1)
                elif self.plan.layers[layer].up:
                    weight = np.repeat(weight, 4) if part == "bias" else small_kernel(weight)
                self._weights[name] = weight

    @cached_property
    def _statistics_session(self) -> Session:
        return self._opened(STATISTICS, self._weights)

    def statistics(self, pixels: U8) -> Statistics:
        """Each norm's mean and variance over a thumbnail (of at most 0.26 MP) of the picture uint8 [H, W, 3]."""
        if STATISTICS not in self._graphs:
            return Statistics({}, {})
        small = frame(thumbnail(pixels), self.plan.stride)
        found = self._run(self._statistics_session, small)
        normed = [name for name, layer in self.plan.layers.items() if layer.norm]
        for name in (f"{n}.{part}" for n in normed for part in ("mean", "variance")):
            if name not in found or not np.issubdtype(found[name].dtype, np.floating) or found[name].ndim < 1:
                raise StyleError(f"The style's network does not tell its {name[:64]!r}: its graph and its plan differ.")
        return Statistics({n: found[f"{n}.mean"] for n in normed}, {n: found[f"{n}.variance"] for n in normed})

    @staticmethod
    def _run(session: Session, pixels: U8) -> dict[str, Array]:
        """A graph's outputs, whatever they are, for pixels uint8 [H, W, 3]."""
        try:
            found = session.run({"photo": pixels[None]})
        except EngineError as error:
            raise StyleError(f"The style's network cannot be run: {error}") from error
        return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}

    def _picture(self, session: Session, pixels: U8) -> U8:
        """The picture uint8 [scale H, scale W, 3] that the network makes of pixels uint8 [H, W, 3]."""
        picture = self._run(session, pixels).get("picture")
        height, width = (self.plan.scale * side for side in pixels.shape[:2])
        if picture is None or picture.dtype != np.uint8 or picture.shape != (1, height, width, 3):
            shape = "none" if picture is None else f"{picture.dtype} {list(picture.shape)}"
            raise StyleError(
                f"The style's network does not do what its plan says: of {pixels.shape[1]} x {pixels.shape[0]} pixels it makes "
                f"{shape} in place of {width} x {height} colours."
            )
        return picture[0]

    def session(self, statistics: Statistics) -> Session:
        """The network with its norms folded in: weight' = weight scale / sigma, bias' = shift - mean scale / sigma."""
        weights = dict(self._weights)
        for name, mean in statistics.mean.items():
            scale, shift = (weights.pop(f"{name}.{part}", default) for part, default in zip(AFFINE, (ONE, ZERO), strict=True))
            gain = scale / np.sqrt(statistics.variance[name] + NORM_EPSILON)  # [1, C, 1, 1]
            bias = shift - mean * gain
            kernel = weights[f"{name}.weight"]
            phases = kernel.shape[0] // gain.size  # 4 where a pixel shuffle follows, else 1
            weights[f"{name}.weight"] = kernel * np.repeat(gain.ravel(), phases)[:, None, None, None]
            weights[f"{name}.bias"] = np.repeat(bias.ravel(), phases)
        return self._opened(PICTURE, weights)

    def _opened(self, graph: str, weights: Mapping[str, F32]) -> Session:
        try:
            return Session(self._graphs[graph], weights, threads=self.threads)
        except EngineError as error:
            raise StyleError(f"The style's network is damaged: {error}") from error

    def begin(self, pixels: U8) -> Callable[[U8], U8]:
        """What paints parts of the picture uint8 [H, W, 3], all with the whole's statistics."""
        statistics = self.statistics(pixels)
        return lambda part: self.paint(part, statistics=statistics)

    def paint(self, pixels: U8, *, statistics: Statistics | None = None, tile_px: int | None = None) -> U8:
        """Photo uint8 [H, W, 3] -> uint8 [scale H, scale W, 3]; `statistics` come from the photo itself unless given.

        Larger photos than `tile_px` (by default such that a tile's result has about TILE_PX a side) go through in tiles.
        """
        plan = self.plan
        tile_px = tile_px or TILE_PX // plan.scale
        session = self.session(statistics or self.statistics(pixels))
        if not self._tried:
            side = 2 * -(-RIM // plan.stride) * plan.stride
            self._picture(session, np.zeros((side, side, 3), np.uint8))  # a network that is none is told at little cost
            self._tried = True
        framed = frame(pixels, plan.stride)
        reach = -(-plan.reach // plan.stride) * plan.stride
        height, width = (plan.scale * side for side in framed.shape[:2])
        painted = np.empty((height, width, 3), np.uint8)
        for rows in spans(framed.shape[0], tile_px, plan.stride, reach):
            for columns in spans(framed.shape[1], tile_px, plan.stride, reach):
                result = self._picture(session, np.ascontiguousarray(framed[rows.read, columns.read]))
                kept = result[enlarged(rows.keep, plan.scale), enlarged(columns.keep, plan.scale)]
                painted[enlarged(rows.write, plan.scale), enlarged(columns.write, plan.scale)] = kept
        inner = (enlarged(slice(RIM, RIM + side), plan.scale) for side in pixels.shape[:2])
        return np.ascontiguousarray(painted[tuple(inner)])


def enlarged(pixels: slice, scale: int) -> slice:
    """The same place in a picture `scale` times as large."""
    return slice(pixels.start * scale, pixels.stop * scale)


def small_kernel(weight: F32) -> F32:
    """[O, I, 3, 3] of "bilinear x2, then 3x3" -> [4 O, I, 3, 3], for use on the small grid before a pixel shuffle."""
    small: F32 = np.einsum("pys,oiyx,qxt->opqist", PHASE, weight, PHASE, optimize=True)
    return np.ascontiguousarray(small.reshape(-1, weight.shape[1], 3, 3))
