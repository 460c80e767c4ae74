"""The art runtime: one base generator, a code per style.

Two passes. The first runs a thumbnail of the whole photo through the generator with live instance normalisation and keeps
each layer's mean and variance (thumbnail instance normalisation: Chen et al., "Towards Ultra-Resolution Neural Style
Transfer via Thumbnail Instance Normalization", AAAI 2022). The second folds them, with the style's scale and shift, into
the convolutions: dense convolutions and nothing else, so that tiles equal the whole and speed is near the machine's peak.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
from safetensors.numpy import load as load_safetensors

from huafeng.engine import Session
from huafeng.errors import StyleError
from huafeng.pixels import F32, U8, Array, resize

STRIDE = 8  # the generator's coarsest grid, px
REACH = 96  # no output pixel depends on input pixels further away than this, px
RIM = 32  # mirrored around the photo, so that the network's zero padding stays outside it, px
THUMBNAIL = 512 * 512  # px
NORM_EPSILON = 1e-3
LAYER_PARTS = ("weight", "scale.weight", "scale.bias", "shift.weight", "shift.bias")
OTHER_PARTS = {"last.weight", "last.bias", "color.matrix.weight", "color.matrix.bias", "color.kernel"}


@dataclass(frozen=True)
class Statistics:
    """Mean and variance of every normed layer, each [1, C, 1, 1]."""

    mean: dict[str, F32]
    variance: dict[str, F32]


class Generator:
    """The base generator in onnxruntime. Thread-safe."""

    def __init__(self, data: bytes, *, threads: int = 0) -> None:
        """Read a base generator file; `threads` = 0 uses all cores. Raises StyleError when the file is not one."""
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.threads = threads
        try:
            tensors = load_safetensors(data)
            self._graphs = {kind: tensors.pop(f"graph.{kind}").tobytes() for kind in ("statistics", "picture")}
            self._layers = [name.removesuffix(".scale.weight") for name in tensors if name.endswith(".scale.weight")]
            needed = {f"{layer}.{part}" for layer in self._layers for part in LAYER_PARTS} | OTHER_PARTS
            if not self._layers or needed != tensors.keys():
                raise ValueError("tensors are missing or unknown")
        except Exception as error:
            raise StyleError("The base generator file is damaged; install Huafeng again.") from error
        self._weights = {name: value.astype(np.float32) for name, value in tensors.items()}

    @classmethod
    def open(cls, path: Path, *, threads: int = 0) -> Generator:
        """Read the base generator from a file."""
        try:
            return cls(path.read_bytes(), threads=threads)
        except OSError as error:
            raise StyleError(f"The base generator {path} cannot be read; install Huafeng again.") from error

    @property
    def code_length(self) -> int:
        """How many numbers a style's code has."""
        return int(self._weights[f"{self._layers[0]}.scale.weight"].shape[1])

    @cached_property
    def _statistics_session(self) -> Session:
        kernels = {f"{layer}.weight": self._weights[f"{layer}.weight"] for layer in self._layers}
        return Session(self._graphs["statistics"], kernels, threads=self.threads)

    def _norm(self, part: str, layer: str, code: F32) -> F32:
        """A layer's scale or shift under a code: [1, C, 1, 1]."""
        row = self._weights[f"{layer}.{part}.weight"] @ code + self._weights[f"{layer}.{part}.bias"]
        return row.astype(np.float32)[None, :, None, None]

    def statistics(self, pixels: U8, code: F32) -> Statistics:
        """Statistics of the photo uint8 [H, W, 3] under a code float32 [K], from a thumbnail of at most 0.26 MP."""
        height, width = pixels.shape[:2]
        shrink = min(1.0, (THUMBNAIL / (height * width)) ** 0.5)
        thumbnail = resize(pixels, max(1, round(width * shrink)), max(1, round(height * shrink)))
        norms = {f"{n}.{part}": self._norm(part, n, code) for n in self._layers for part in ("scale", "shift")}
        found = self._statistics_session.run({"photo": frame(thumbnail)[None], **norms})
        return Statistics({n: found[f"{n}.mean"] for n in self._layers}, {n: found[f"{n}.variance"] for n in self._layers})

    def picture_session(self, statistics: Statistics, code: F32) -> Session:
        """The network with its norms folded in: weight' = weight scale/sigma, bias' = shift - mean scale/sigma."""
        weights = {name: self._weights[name] for name in ("last.weight", "last.bias")}
        matrix = (self._weights["color.matrix.weight"] @ code + self._weights["color.matrix.bias"]).reshape(3, 3)
        kernel = self._weights["color.kernel"]  # [4, 3, 3]
        weights["color.weight"] = (matrix[:, None, :, None, None] * kernel[:, None]).reshape(12, 3, 3, 3)
        for layer in self._layers:
            kernel = self._weights[f"{layer}.weight"]
            gain = self._norm("scale", layer, code) / np.sqrt(statistics.variance[layer] + NORM_EPSILON)
            bias = self._norm("shift", layer, code) - statistics.mean[layer] * gain
            phases = kernel.shape[0] // gain.size  # 4 where a pixel shuffle follows, else 1
            weights[f"{layer}.weight"] = kernel * np.repeat(gain.ravel(), phases)[:, None, None, None]
            weights[f"{layer}.bias"] = np.repeat(bias.ravel(), phases)
        return Session(self._graphs["picture"], weights, threads=self.threads)

    def paint(self, pixels: U8, code: F32, *, statistics: Statistics | None = None, tile_px: int = 2048) -> U8:
        """Photo uint8 [H, W, 3] -> picture uint8 [H, W, 3] in the style of `code` float32 [K].

        Larger photos than `tile_px` go through in tiles that overlap by the network's reach: no seams. `statistics`
        come from the photo itself unless given (several frames of a film share them).
        """
        if code.shape != (self.code_length,):
            raise StyleError(f"The style's code has {code.size} numbers, this generator needs {self.code_length}.")
        session = self.picture_session(statistics or self.statistics(pixels, code), code)
        framed = frame(pixels)
        painted = np.empty_like(framed)
        for rows in spans(framed.shape[0], tile_px):
            for columns in spans(framed.shape[1], tile_px):
                tile = framed[rows.read, columns.read]
                result = session.run({"photo": np.ascontiguousarray(tile)[None]})["picture"][0]
                painted[rows.write, columns.write] = result[rows.keep, columns.keep]
        return np.ascontiguousarray(painted[RIM : RIM + pixels.shape[0], RIM : RIM + pixels.shape[1]])


@dataclass(frozen=True)
class Span:
    """One tile along one axis: what it reads, what part of its result is kept, and where that goes."""

    read: slice
    keep: slice
    write: slice


def spans(length: int, tile: int) -> Iterator[Span]:
    """Cut 0..length (a multiple of STRIDE) into tiles of at most about `tile` px, which read REACH px more on each side."""
    count = max(1, -(-length // max(tile, STRIDE)))
    cuts = [round(length / STRIDE * i / count) * STRIDE for i in range(count)] + [length]
    for start, stop in pairwise(cuts):
        first, last = max(0, start - REACH), min(length, stop + REACH)
        yield Span(slice(first, last), slice(start - first, stop - first), slice(start, stop))


def frame(pixels: Array) -> U8:
    """Mirror the photo outwards by RIM px, and further on the right and below to a multiple of STRIDE."""
    height, width = pixels.shape[:2]
    below, right = (-(size + 2 * RIM) % STRIDE + RIM for size in (height, width))
    return np.pad(pixels, ((RIM, below), (RIM, right), (0, 0)), mode="reflect")
