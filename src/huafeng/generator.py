"""A trained generator of pictures: noise in, new pictures out. The file, and running it in onnxruntime.

NAME.generator is a safetensors file. Its metadata has one entry, "huafeng", a JSON object:

    {"version": 1, "kind": "generator", "name": "...", "label": "...", "classes": [names], "noise": length,
     "network": {"network": "...", "side": px, "latent": length, "width": channels, "classes": how many},
     "counts": {"pictures": ..., "weights": ...}, "card": {the fields of style.Card}}

Its tensors are the network's weights, float16, under its own names; `mean` [classes or 1, W], the mean w of each class; and as
bytes `graph.mapping` (z -> w) and `graph.synthesis` (w -> picture), onnx graphs without weights. Loading checks all of it.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from huafeng.engine import Session
from huafeng.errors import EngineError, GeneratorError, GraphError, StyleError
from huafeng.packed import Format, shown
from huafeng.pixels import F32, U8, Array
from huafeng.style import Card, check_name, read_card

FORMAT_VERSION = 1
SUFFIX = ".generator"
BUILT_IN = Path(__file__).parent / "generators"
MAX_FILE_BYTES = 256 * 2**20
MAX_NUMBER = 2**22  # of anything that a header counts in tensors
MOST = 10_000  # pictures at a time
SECONDS_A_WAVE = 6.0  # of a walk
GRAPHS = ("graph.mapping", "graph.synthesis")
FORMAT = Format(
    "generator", FORMAT_VERSION, MAX_FILE_BYTES, GeneratorError, lambda name: ("U8",) if name in GRAPHS else ("F16", "F32")
)
LABEL = "This picture was made by AI (Huafeng)."

_HEADER = ("kind", "name", "label", "classes", "noise", "network", "counts", "card")


@dataclass(frozen=True)
class Header:
    """What a generator file says of itself, checked.

    Raises:
        GeneratorError: a field has the wrong type or value.
    """

    name: str
    label: str
    classes: tuple[str, ...]
    noise: int
    network: Mapping[str, Any]
    counts: Mapping[str, int]
    card: Card

    def __post_init__(self) -> None:
        for name in (self.name, *self.classes):
            try:
                check_name(name)
            except StyleError as error:
                raise GeneratorError(f"The generator's name, or one of its classes, cannot be used: {error}") from error
        if not isinstance(self.label, str) or not 1 <= len(self.label) <= 200 or not self.label.isprintable():
            raise GeneratorError(f"The generator's label is {shown(self.label)}, it must be one line of text.")
        numbers = {"side": self.network.get("side"), "latent": self.network.get("latent"), "noise": self.noise}
        for what, number in (numbers | dict(self.counts)).items():
            least = 0 if what in ("noise", *self.counts) else 1
            if type(number) is not int or not least <= number <= (2**53 if what in self.counts else MAX_NUMBER):
                raise GeneratorError(f"The generator's {shown(what)} is {shown(number)}, it must be a whole number in range.")

    @classmethod
    def read(cls, data: bytes) -> Header:
        """The header of a file's bytes.

        Raises:
            GeneratorError: they are too many, cut off, foreign, newer or not valid.
        """
        found = FORMAT.header(data)
        if (kind := found.get("kind")) != "generator":
            raise GeneratorError(f"This is a Huafeng file of the kind {shown(kind)}, not a generator.")
        FORMAT.check_keys(found, known=("version", *_HEADER), needed=_HEADER)
        for name, wanted in (("classes", list), ("network", dict), ("counts", dict)):
            if not isinstance(found[name], wanted):
                raise GeneratorError(f"The generator's {name} is {shown(found[name])}, which is of the wrong type.")
        try:
            card = read_card(found["card"], FORMAT)
        except StyleError as error:
            raise GeneratorError(f"The generator's card cannot be used. {error}") from error
        values = {name: found[name] for name in _HEADER if name not in ("kind", "card", "classes")}
        return cls(**values, classes=tuple(found["classes"]), card=card)

    def packed(self, tensors: Mapping[str, Array]) -> bytes:
        """The bytes of the file with these tensors; the same content gives the same bytes."""
        card = {name: value for name, value in vars(self.card).items() if name not in ("safe_strength", "base_sha256")}
        return FORMAT.packed({**vars(self), "kind": "generator", "card": card}, tensors)


class Generator:
    """A generator, by the path of its file or, of those that are built in, its name. One object serves several threads.

    Attributes: header; name; classes (names, perhaps none); side, of its pictures in px; latent_length; weights by name.

    Raises:
        GeneratorError: the file cannot be read, is cut off, foreign, newer or not valid.
    """

    def __init__(self, path: str | Path, *, threads: int = 0) -> None:
        path = generator_path(path)
        data = FORMAT.read(path)
        try:
            self._open(data)
        except GeneratorError as error:
            raise GeneratorError(f"{path}: {error}") from error
        self.threads = threads

    @classmethod
    def from_bytes(cls, data: bytes, *, threads: int = 0) -> Generator:
        """The generator in the bytes of a file; raises as the class does."""
        generator = cls.__new__(cls)
        generator._open(data)
        generator.threads = threads
        return generator

    def _open(self, data: bytes) -> None:
        self.header = Header.read(data)
        tensors = FORMAT.tensors(data)
        self.name, self.classes = self.header.name, self.header.classes
        self.side, self.latent_length = int(self.header.network["side"]), int(self.header.network["latent"])
        if not {*GRAPHS, "mean"} <= tensors.keys():
            raise GeneratorError("The generator file is damaged: its graphs or its mean are missing.")
        self._graphs = {name: tensors.pop(name).tobytes() for name in GRAPHS}
        self.weights: dict[str, F32] = {}
        for name, value in tensors.items():
            with np.errstate(over="ignore"):
                self.weights[name] = value.astype(np.float32)
            if not np.isfinite(self.weights[name]).all():
                raise GeneratorError(f"The generator's tensor {shown(name)} holds a NaN or an infinite value.")
        self.mean = self.weights.pop("mean")
        if self.mean.ndim != 2 or len(self.mean) != max(1, len(self.classes)):
            raise GeneratorError(f"The generator's mean has the shape {self.mean.shape}, which does not fit its classes.")

    def generate(
        self,
        n: int = 1,
        *,
        seed: int = 0,
        truncation: float = 1.0,
        style: str | None = None,
        latents: F32 | None = None,
    ) -> U8:
        """New pictures uint8 [n, S, S, 3]. The same seed gives the same pictures, bit for bit, whatever n is.

        Args:
            n: how many, 1 to 10,000; ignored where latents are given.
            seed: 0 or more; which pictures.
            truncation: 0..1: w = mean + truncation (w - mean). 1: as varied as was learned; 0: the mean picture.
            style: one of the classes; by default all of them, in turn.
            latents: their noise vectors [n, latent_length], in place of those that follow from the seed.

        Raises:
            GeneratorError: a value out of range, an unknown style, latents of the wrong length, a damaged graph.
            EngineError: onnxruntime failed.
        """
        if latents is None:
            latents = self.latents(n, seed)
        return self.pictures(self.ws(latents, truncation=truncation, style=style))

    def latents(self, n: int, seed: int) -> F32:
        """The noise vectors [n, latent_length] of a seed: standard normal. Raises as `generate`."""
        if not _is_whole(n) or not 1 <= n <= MOST:
            raise GeneratorError(f"The number of pictures is from 1 to {MOST:,}, not {shown(n)}.")
        if not _is_whole(seed) or not 0 <= seed < 2**63:
            raise GeneratorError(f"The seed is a whole number from 0 on, not {shown(seed)}.")
        numbers = np.random.Generator(np.random.Philox(key=seed))
        return numbers.standard_normal((n, self.latent_length), dtype=np.float32)

    def ws(self, latents: F32, *, truncation: float = 1.0, style: str | None = None) -> F32:
        """Noise vectors [n, latent_length] -> what the synthesis takes, w [n, W], truncated. Raises as `generate`."""
        latents = np.asarray(latents, np.float32)
        if latents.ndim != 2 or latents.shape[1] != self.latent_length:
            raise GeneratorError(f"The latents have the shape {latents.shape}, this generator needs n x {self.latent_length}.")
        if not np.isfinite(latents).all():
            raise GeneratorError("The latents hold a NaN or an infinite value.")
        if isinstance(truncation, bool) or not isinstance(truncation, int | float) or not 0 <= truncation <= 1:
            raise GeneratorError(f"The truncation is from 0 (the mean picture) to 1, not {shown(truncation)}.")
        rows = []
        for place, z in enumerate(latents):
            number = place % max(1, len(self.classes)) if style is None else self.class_number(style)
            inputs: dict[str, Array] = {"z": z[None]}
            if self.classes:
                inputs["index"] = np.array([number], np.int64)
            w, mean = self._run(self._mapping, inputs, "w")[0], self.mean[number]
            if w.shape != mean.shape:
                raise GeneratorError("The generator file is damaged: its mean does not fit its graph.")
            rows.append(mean + np.float32(truncation) * (w - mean))
        return np.stack(rows)

    def pictures(self, ws: F32) -> U8:
        """W [n, W] -> pictures uint8 [n, S, S, 3]."""
        noise: dict[str, Array] = {"noise": self.noise} if self.header.noise else {}
        made = [self._run(self._synthesis, {"w": w[None], **noise}, "picture") for w in ws]
        if any(picture.shape != (1, self.side, self.side, 3) or picture.dtype != np.uint8 for picture in made):
            raise GeneratorError("The generator file is damaged: its graph makes no pictures of its size.")
        return np.concatenate(made)

    def class_number(self, style: str) -> int:
        """Which class has this name.

        Raises:
            GeneratorError: none; the nearest name is told.
        """
        if not self.classes:
            raise GeneratorError(f"The generator {self.name!r} knows one manner only: leave the style {style!r} away.")
        if style in self.classes:
            return self.classes.index(style)
        near = difflib.get_close_matches(style, self.classes, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it knows {', '.join(self.classes)}."
        raise GeneratorError(f"The generator {self.name!r} has no style {style!r}: {hint}")

    @cached_property
    def noise(self) -> F32:
        """The noise of the style network's layers [1, K]: the same for all pictures, so that a walk does not flicker."""
        return np.random.Generator(np.random.Philox(key=0)).standard_normal((1, self.header.noise), dtype=np.float32)

    @cached_property
    def _mapping(self) -> Session:
        return self._session("mapping")

    @cached_property
    def _synthesis(self) -> Session:
        return self._session("synthesis")

    def _session(self, part: str) -> Session:
        weights = {name: value for name, value in self.weights.items() if name.startswith(f"{part}.")}
        try:
            return Session(self._graphs[f"graph.{part}"], weights, threads=self.threads)
        except (EngineError, GraphError) as error:
            raise GeneratorError(f"The generator file is damaged: {error}") from error

    def _run(self, session: Session, inputs: Mapping[str, Array], output: str) -> Array:
        try:
            return session.run(inputs)[output]
        except (EngineError, KeyError) as error:
            raise GeneratorError(f"The generator file is damaged, its graph cannot be run ({error}).") from error


def generator_path(name_or_path: str | Path) -> Path:
    """The file of a built-in generator by its name, also where a folder of that name lies here; else the path, if it is one.

    Raises:
        GeneratorError: there is no generator of that name; those that there are, are told.
    """
    text, path = str(name_or_path), Path(name_or_path)
    names = sorted(found.stem for found in BUILT_IN.glob(f"*{SUFFIX}"))
    if text.lower() in names:
        return BUILT_IN / f"{text.lower()}{SUFFIX}"
    if "/" in text or "\\" in text or path.suffix.lower() == SUFFIX or path.exists():
        return path
    known = f"these are built in: {', '.join(names)}; or " if names else ""
    raise GeneratorError(f"There is no generator {text!r}: {known}give a {SUFFIX} file, or a run of huafeng train.")


def walk(length: int, seconds: float, seed: int, frames: int) -> F32:
    """Noise vectors float32 [frames, length] on a closed, smooth way; each of them is standard normal.

    z(t) = sum over k = 1..K of (a_k cos 2 pi k t + b_k sin 2 pi k t) / sqrt K, t in 0..1, with a_k and b_k standard normal.
    That is a stationary process, so no stretch is nearer to the mean than another, as on straight lines between two vectors.
    K grows with the length of the walk, so that the pace stays about the same.
    """
    waves = max(1, round(seconds / SECONDS_A_WAVE))
    numbers = np.random.Generator(np.random.Philox(key=seed))
    a, b = numbers.standard_normal((2, waves, length))
    angles = 2 * math.pi * np.arange(frames)[:, None] / frames * np.arange(1, waves + 1)  # [frames, waves]
    return ((np.cos(angles) @ a + np.sin(angles) @ b) / math.sqrt(waves)).astype(np.float32)


def _is_whole(number: object) -> bool:
    return isinstance(number, int | np.integer) and not isinstance(number, bool)
