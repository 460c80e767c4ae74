"""The art runtime: one base generator; a style's code and delta say how it paints.

Two passes. The first runs a thumbnail of the whole photo through the generator with live instance normalisation and keeps
each layer's mean and variance (thumbnail instance normalisation: Chen et al., "Towards Ultra-Resolution Neural Style
Transfer via Thumbnail Instance Normalization", AAAI 2022). The second folds them, with the style's scale and shift, into
the convolutions: dense convolutions and nothing else, so that tiles equal the whole and speed is near the machine's peak.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
from safetensors.numpy import load as load_safetensors

from huafeng.encoder import Encoder
from huafeng.engine import Session
from huafeng.errors import StyleError
from huafeng.pixels import F32, U8, Array, resize
from huafeng.samples import sample_photos

STRIDE = 8  # the generator's coarsest grid, px
REACH = 96  # no output pixel depends on input pixels further away than this, px
RIM = 64  # mirrored around the photo, px: as far as the network's zero padding is seen, in stripes along the edges
THUMBNAIL = 512 * 512  # px
NORM_EPSILON = 1e-3
LIMIT = 4.0  # deviations from the mean, in the layers that are limited
NOISE_PLANES = 4
QUIET = 0.7  # share of the noise that styles leave away: at full strength plain areas fill with scales and rings
STEPS = 1.5, 0.75  # the results of eight unseen pictures looked most like them to the encoder at 1 to 2, in the mean at 1.5
COLOR = 9  # numbers of the colour matrix, behind the norms in a modulation
PARTS = {"grain", "modulation.weight", "modulation.bias", "last.weight", "last.bias", "color.kernel"}


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
            self._layers: dict[str, int] = dict(json.loads(tensors.pop("layers").tobytes()))  # name -> channels
            limited = tensors.pop("limited", None)  # older files have none
            self._limited = set() if limited is None else set(json.loads(limited.tobytes()))
            graphs = {name: tensors.pop(name).tobytes() for name in list(tensors) if name.startswith("graph.")}
            self._graphs = {kind: graphs[f"graph.{kind}"] for kind in ("statistics", "picture")}
            encoder = {name: tensors.pop(name) for name in list(tensors) if name.startswith("encoder.")}
            self._encoder = (graphs["graph.encoder"], encoder) if encoder else None
            size = 2 * sum(self._layers.values()) + COLOR
            needed = {f"{layer}.weight" for layer in self._layers} | PARTS
            if needed != tensors.keys() or tensors["modulation.weight"].shape[0] != size:
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
        return int(self._weights["modulation.weight"].shape[1])

    @cached_property
    def encoder(self) -> Encoder:
        """The style encoder that was trained with this generator.

        Raises:
            StyleError: none was.
        """
        if self._encoder is None:
            raise StyleError("This base generator was trained without an encoder: it cannot take a style from a picture.")
        graph, weights = self._encoder
        return Encoder(graph, {name: w.astype(np.float32) for name, w in weights.items()}, threads=self.threads)

    def code_of(self, pictures: Iterable[U8], quiet: F32 | None = None) -> F32:
        """The code [K] under which photos, painted, look to the encoder about as these pictures uint8 [H, W, 3] do.

        The encoder alone is timid where a picture is unlike those that it learned from. So sample photos x are painted with the
        code c that it gives, and what it sees in the results tells what is missing: c + step (c - E(G(x, c))), with the first
        of STEPS that brings results nearer.

        Raises:
            StyleError: there are no pictures, or no encoder was trained.
        """
        wanted = self.encoder.code(pictures)

        def missing(code: F32) -> F32:
            modulation = self.modulation(code, quiet=quiet)
            painted = np.stack([self.paint(photo, modulation) for photo in sample_photos()])
            return wanted - self.encoder.codes(painted).mean(0)

        left = missing(wanted)
        for step in STEPS:
            bolder = wanted + np.float32(step) * left
            if np.linalg.norm(missing(bolder)) < np.linalg.norm(left):
                return bolder
        return wanted

    @cached_property
    def _statistics_session(self) -> Session:
        kernels = {f"{layer}.weight": self._weights[f"{layer}.weight"] for layer in self._layers}
        kernels["grain"] = self._weights["grain"]
        return Session(self._graphs["statistics"], kernels, threads=self.threads)

    def modulation(self, code: F32, delta: F32 | None = None, quiet: F32 | None = None) -> F32:
        """All scales, shifts and the colour matrix of a style, and how much noise enters, as one row [M + 1].

        From its code [K] and perhaps its delta [M] and its quiet [1]: the share of the noise that is left away.

        Raises:
            StyleError: their lengths are not those of this generator.
        """
        weight, bias = self._weights["modulation.weight"], self._weights["modulation.bias"]
        for name, row, length in (("code", code, weight.shape[1]), ("delta", delta, len(bias)), ("quiet", quiet, 1)):
            if row is not None and row.shape != (length,):
                raise StyleError(f"The style's {name} has {row.size} numbers, this generator needs {length}.")
        row = weight @ code + bias
        entering = np.ones(1, np.float32) if quiet is None else 1 - quiet
        return np.concatenate([row if delta is None else row + delta, entering])

    def _norms(self, modulation: F32) -> Iterator[tuple[str, F32, F32]]:
        """Each layer's name, scale and shift [1, C, 1, 1]."""
        at = 0
        for layer, channels in self._layers.items():
            scale, shift = modulation[at : at + 2 * channels].reshape(2, 1, channels, 1, 1)
            at += 2 * channels
            yield layer, scale, shift

    def statistics(self, pixels: U8, modulation: F32) -> Statistics:
        """Statistics of the photo uint8 [H, W, 3] under a modulation [M + 1], from a thumbnail of at most 0.26 MP."""
        framed = frame(thumbnail(pixels))
        inputs: dict[str, Array] = {"photo": framed[None], "noise": modulation[-1] * noise_for(*framed.shape[:2])[None]}
        for layer, scale, shift in self._norms(modulation):
            inputs |= {f"{layer}.scale": scale, f"{layer}.shift": shift}
        found = self._statistics_session.run(inputs)
        return Statistics({n: found[f"{n}.mean"] for n in self._layers}, {n: found[f"{n}.variance"] for n in self._layers})

    def picture_session(self, statistics: Statistics, modulation: F32) -> Session:
        """The network with its norms folded in: weight' = weight scale/sigma, bias' = shift - mean scale/sigma.

        What is limited lies within shift +- LIMIT |scale|.
        """
        weights = {name: self._weights[name] for name in ("grain", "last.weight", "last.bias")}
        matrix, kernel = modulation[-COLOR - 1 : -1].reshape(3, 3), self._weights["color.kernel"]  # [4, 3, 3]
        weights["color.weight"] = (matrix[:, None, :, None, None] * kernel[:, None]).reshape(12, 3, 3, 3)
        for layer, scale, shift in self._norms(modulation):
            kernel = self._weights[f"{layer}.weight"]
            gain = scale / np.sqrt(statistics.variance[layer] + NORM_EPSILON)
            bias = shift - statistics.mean[layer] * gain
            phases = kernel.shape[0] // gain.size  # 4 where a pixel shuffle follows, else 1
            weights[f"{layer}.weight"] = kernel * np.repeat(gain.ravel(), phases)[:, None, None, None]
            weights[f"{layer}.bias"] = np.repeat(bias.ravel(), phases)
            if layer in self._limited:
                reach = np.float32(LIMIT) * np.abs(scale)
                weights |= {f"{layer}.least": shift - reach, f"{layer}.most": shift + reach}
        return Session(self._graphs["picture"], weights, threads=self.threads)

    def paint(self, pixels: U8, modulation: F32, *, statistics: Statistics | None = None, tile_px: int = 2048) -> U8:
        """Photo uint8 [H, W, 3] -> picture uint8 [H, W, 3] in the style of `modulation` float32 [M + 1].

        Larger photos than `tile_px` go through in tiles that overlap by the network's reach: no seams. `statistics`
        come from the photo itself unless given (several frames of a film share them).
        """
        session = self.picture_session(statistics or self.statistics(pixels, modulation), modulation)
        framed = frame(pixels)
        noise = modulation[-1] * noise_for(*framed.shape[:2])
        painted = np.empty_like(framed)
        for rows in spans(framed.shape[0], tile_px):
            for columns in spans(framed.shape[1], tile_px):
                tile = np.ascontiguousarray(framed[rows.read, columns.read])[None]
                grain = np.ascontiguousarray(noise[:, coarse(rows.read), coarse(columns.read)])[None]
                result = session.run({"photo": tile, "noise": grain})["picture"][0]
                painted[rows.write, columns.write] = result[rows.keep, columns.keep]
        return np.ascontiguousarray(painted[RIM : RIM + pixels.shape[0], RIM : RIM + pixels.shape[1]])


@dataclass(frozen=True)
class Span:
    """One tile along one axis: what it reads, what part of its result is kept, and where that goes."""

    read: slice
    keep: slice
    write: slice


def spans(length: int, tile: int, stride: int = STRIDE, reach: int = REACH) -> Iterator[Span]:
    """Cut 0..length (a multiple of `stride`) into tiles of at most about `tile` px, which read `reach` px more on each side.

    `reach` is a multiple of `stride` as well.
    """
    count = max(1, -(-length // max(tile, stride)))
    cuts = [round(length / stride * i / count) * stride for i in range(count)] + [length]
    for start, stop in pairwise(cuts):
        first, last = max(0, start - reach), min(length, stop + reach)
        yield Span(slice(first, last), slice(start - first, stop - first), slice(start, stop))


def noise_for(height: int, width: int) -> F32:
    """Noise float32 [4, H/8, W/8] for a framed photo of that size in px: the same for all of them."""
    height, width = height // STRIDE, width // STRIDE
    return np.random.default_rng(0).standard_normal((NOISE_PLANES, height, width), dtype=np.float32)


def coarse(pixels: slice) -> slice:
    """A tile's place on the generator's coarsest grid."""
    return slice(pixels.start // STRIDE, pixels.stop // STRIDE)


def thumbnail(pixels: U8) -> U8:
    """The photo at 0.26 MP at most, of which statistics are taken."""
    height, width = pixels.shape[:2]
    shrink = min(1.0, (THUMBNAIL / (height * width)) ** 0.5)
    return resize(pixels, max(1, round(width * shrink)), max(1, round(height * shrink)))


def frame(pixels: Array, stride: int = STRIDE) -> U8:
    """Mirror the photo outwards by RIM px, and further on the right and below to a multiple of `stride`."""
    height, width = pixels.shape[:2]
    below, right = (-(size + 2 * RIM) % stride + RIM for size in (height, width))
    return np.pad(pixels, ((RIM, below), (RIM, right), (0, 0)), mode="reflect")
