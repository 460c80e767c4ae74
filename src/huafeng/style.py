"""The style file: load, check, save; mixing several arts.

NAME.style is a safetensors file. Its metadata has one entry, "huafeng", a JSON object:

    {"version": 1, "kind": "look", "art", "translator", "filter" or "enlarger", "name": "...", "card": {the fields of Card}}

Its tensors are `lut`, perhaps `grade`, and of another program's table `exact` and `inputs` (look), or `code` and perhaps
`delta` and `quiet` (art), as float16 or float32, or a network (translator and enlarger: see `networkfile`; an enlarger's suffix
is .enlarge), or `filter` (parameters as bytes: see `classical`), and perhaps
`thumbnail` and `example.0`, `example.1`, ... : each the bytes of a small WebP, JPEG or PNG as uint8. Loading checks all of it
and never executes anything.
"""

from __future__ import annotations

import io
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from datetime import date
from numbers import Real
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from huafeng.classical import FILTER, read_filter
from huafeng.errors import LutError, StyleError
from huafeng.exactlut import ExactLut
from huafeng.files import write_whole
from huafeng.grade import TENSOR as GRADE
from huafeng.grade import Grade
from huafeng.networkfile import BYTES, MAX_NETWORK_BYTES, NETWORKS, checked_network
from huafeng.packed import Format, shown
from huafeng.pixels import F32, Array

FORMAT_VERSION = 1
SUFFIX = ".style"
KINDS = ("look", "art", FILTER, *NETWORKS)
MAX_FILE_BYTES = 32 * 2**20  # of a look or an art; what brings a network may have MAX_NETWORK_BYTES
MAX_THUMBNAIL_BYTES = 100_000
MAX_THUMBNAIL_SIDE = 1024  # px
MAX_EXAMPLES = 6
MAX_EXAMPLE_BYTES = 25_000
MAX_EXAMPLE_SIDE = 320  # px
MAX_TEXT_CHARS = 2000
MAX_SCORES = 200
EXACT = ("exact", "inputs")  # of a look from another program: see exactlut.ExactLut
MOST_NUMBERS = {"code": 1024, "delta": 65536, "quiet": 1}

_THUMBNAIL = "thumbnail"
_EXAMPLES = tuple(f"example.{place}" for place in range(MAX_EXAMPLES))
_PICTURES = (_THUMBNAIL, *_EXAMPLES)
_FLOAT16_TOLERANCE = 1 / 2048
_FORMAT = Format(
    "style",
    FORMAT_VERSION,
    MAX_NETWORK_BYTES,
    StyleError,
    lambda name: ("U8",) if name in _PICTURES or name in (FILTER, *BYTES) else ("F16", "F32"),
)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # a title must not steer the terminal that shows it
_SHA256 = re.compile("[0-9a-f]{64}")


def check_name(name: object) -> None:
    """Refuse what cannot be a style's name.

    A name is 1 to 64 lowercase letters (of any script), digits and hyphens, and does not begin with a hyphen: it
    must do as a file name, on a command line and in "monet:2+ink:1".

    Raises:
        StyleError: it is not such a name.
    """
    if (
        not isinstance(name, str)
        or not 1 <= len(name) <= 64
        or name.startswith("-")
        or not all(letter.isalnum() or letter == "-" for letter in name)
        or name != unicodedata.normalize("NFKC", name).lower()
    ):
        raise StyleError(
            f"{shown(name)} is not a name that can be used: it takes 1 to 64 lowercase letters, digits and hyphens, "
            "and a hyphen is not the first."
        )


def name_of(path: Path) -> str:
    """The name of a style that is made of a file: the file's, as far as a name may hold it, else "style"."""
    plain = unicodedata.normalize("NFKC", path.stem).lower()
    words = "".join(letter if letter.isalnum() else " " for letter in plain).split()
    return "-".join(words)[:64].rstrip("-") or "style"


def title_of(path: Path) -> str:
    """The file's name as a card's title, which takes no controls and no broken Unicode."""
    return _CONTROL.sub("?", path.stem)


@dataclass(frozen=True, kw_only=True)
class Card:
    """What people should know about a style. Texts are one line of at most 2000 characters.

    Args:
        title_en: its title in English.
        title_zh: its title in Chinese.
        author: who made the style.
        licence: under which terms it may be used, as an SPDX name where there is one.
        trained_on: the images it was learned from, and how many.
        provenance: where those images came from.
        consent: by whose consent they were used, in the words of who made the style.
        date: the day it was made, YYYY-MM-DD.
        description: a sentence about it.
        safe_strength: least and greatest strength that look good, both 0..1.
        scores: name -> number, flat. A figure's full name ("ssim", "kid-features-v1") has its value; the same name with
            " low" and " high" behind it has the ends of its 95 % interval, with " identity" and " random" its baselines.
        measured_on: how the scores were measured: the protocol's name, how many photos and works.
        base_sha256: sha256 of the base generator that an art style needs, 64 lowercase hex digits.

    Raises:
        StyleError: a field has the wrong type or value.
    """

    title_en: str
    title_zh: str
    author: str
    licence: str
    trained_on: str
    provenance: str
    date: str
    description: str = ""
    safe_strength: tuple[float, float] = (0.0, 1.0)
    scores: Mapping[str, float] = field(default_factory=dict)
    measured_on: str = ""
    base_sha256: str | None = None
    consent: str = ""

    def __post_init__(self) -> None:
        texts = (
            "title_en", "title_zh", "author", "licence", "trained_on", "provenance", "date", "description", "measured_on",
            "consent",
        )  # fmt: skip
        for name in texts:
            _check_text(name, getattr(self, name))
        if not _is_day(self.date):
            raise StyleError(f"The card's date is {shown(self.date)}, it must be a day such as 2024-12-31.")
        strength = self.safe_strength
        if not _is_range(strength):
            raise StyleError(f"The card's safe_strength is {shown(strength)}, it must be two numbers in 0..1, rising.")
        if not isinstance(self.scores, Mapping) or len(self.scores) > MAX_SCORES:
            raise StyleError(f"The card's scores must be an object of at most {MAX_SCORES} numbers.")
        for name, value in self.scores.items():
            _check_text("score name", name)
            if not _is_finite(value):
                raise StyleError(f"The card's score {shown(name)} is {shown(value)}, it must be a finite number.")
        sha = self.base_sha256
        if sha is not None and not (isinstance(sha, str) and _SHA256.fullmatch(sha)):
            raise StyleError(f"The card's base_sha256 is {shown(sha)}, it must be 64 lowercase hex digits.")
        object.__setattr__(self, "safe_strength", (float(strength[0]), float(strength[1])))
        object.__setattr__(self, "scores", {name: float(value) for name, value in self.scores.items()})


@dataclass(frozen=True, eq=False)
class Style:
    """A style, checked: what exists is valid.

    Args:
        name: see `check_name`.
        kind: "look" (colour and tone), "art" (texture, stroke, shape: a code for the base generator), "translator" (a network
            of its own), "filter" (drawn by rule), "enlarger" (a network that makes photos larger).
        tensors: look: "lut" [N, N, N, 3], 2 <= N <= 129, indexed [r, g, b], and perhaps "grade" [3]: vignette, grain and
            local contrast, in the ranges of `grade.Grade`; perhaps "exact" and "inputs"
            (see `exactlut`). art: "code" [K], 1 <= K <= 1024, and perhaps
            "delta" [M], 1 <= M <= 65536: what is added to the modulation that the generator makes of the code; perhaps
            "quiet" [1] in 0..1: the share of the generator's noise that is left away.
            All are finite floats; they become read-only float32. translator, enlarger: see `networkfile`. filter: "filter", its
            parameters as uint8 [N] (see `classical`).
        card: what people should know about it; art needs its `base_sha256`.
        thumbnail: a WebP, JPEG or PNG of at most 100 kB and 1024 px a side, or None.
        examples: at most six photos in this style, each a WebP, JPEG or PNG of at most 25 kB and 320 px a side.

    Raises:
        StyleError: one of them is not so.
    """

    name: str
    kind: Literal["look", "art", "translator", "filter", "enlarger"]
    tensors: Mapping[str, Array]
    card: Card
    thumbnail: bytes | None = None
    examples: Sequence[bytes] = ()

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.kind not in KINDS:
            raise StyleError(f"The style's kind is {shown(self.kind)}, it must be one of {', '.join(KINDS)}.")
        tensors: Mapping[str, Array]
        if self.kind in NETWORKS:
            tensors = checked_network(self.kind, self.tensors)
        elif self.kind == FILTER:
            tensors = _checked_filter(self.tensors)
        else:
            tensors = {name: _checked_tensor(name, value) for name, value in self.tensors.items()}
        if self.kind == "look":
            _check_look(tensors)
        elif self.kind == "art":
            _check_art(tensors)
            if self.card.base_sha256 is None:
                raise StyleError("The style is art, but its card has no base_sha256 to tell its base generator by.")
        if self.thumbnail is not None:
            _check_picture("thumbnail", self.thumbnail, MAX_THUMBNAIL_BYTES, MAX_THUMBNAIL_SIDE)
        if not isinstance(self.examples, list | tuple) or len(self.examples) > MAX_EXAMPLES:
            raise StyleError(f"The style's examples must be a list of at most {MAX_EXAMPLES} pictures.")
        for name, example in zip(_EXAMPLES, self.examples, strict=False):
            _check_picture(name, example, MAX_EXAMPLE_BYTES, MAX_EXAMPLE_SIDE)
        object.__setattr__(self, "tensors", tensors)
        object.__setattr__(self, "examples", tuple(self.examples))

    @property
    def grade(self) -> Grade:
        """What the style does beside colour; nothing where it does not say."""
        return Grade.from_tensor(self.tensors[GRADE]) if GRADE in self.tensors else Grade()

    @property
    def exact(self) -> ExactLut | None:
        """A look's table as another program wrote it, where it is one of those; "lut" holds it baked."""
        return ExactLut(self.tensors[EXACT[1]], self.tensors[EXACT[0]]) if EXACT[0] in self.tensors else None

    @classmethod
    def load(cls, path: str | Path) -> Style:
        """Read a style file.

        Raises:
            StyleError: it cannot be read, is too large, cut off, foreign, newer or not valid.
        """
        path = Path(path)
        data = _FORMAT.read(path)
        try:
            return cls.from_bytes(data)
        except StyleError as error:
            raise StyleError(f"{path}: {error}") from error

    @classmethod
    def from_bytes(cls, data: bytes) -> Style:
        """The style in the bytes of a style file.

        Raises:
            StyleError: they are too many, cut off, foreign, newer or not valid.
        """
        header = _FORMAT.header(data)
        needed = ("kind", "name", "card")
        _FORMAT.check_keys(header, known=("version", *needed), needed=needed)
        if header["kind"] not in NETWORKS:
            _FORMAT.check_size(len(data), MAX_FILE_BYTES)
        tensors = _FORMAT.tensors(data)
        thumbnail = tensors.pop(_THUMBNAIL, None)
        found = [name for name in _EXAMPLES if name in tensors]
        if found != list(_EXAMPLES[: len(found)]):
            raise StyleError(f"The style's examples must be numbered from 0, but it holds {shown(found)}.")
        examples = tuple(_picture_bytes(name, tensors.pop(name)) for name in found)
        return cls(
            name=header["name"],
            kind=header["kind"],
            tensors=tensors,
            card=read_card(header["card"], _FORMAT),
            thumbnail=None if thumbnail is None else _picture_bytes(_THUMBNAIL, thumbnail),
            examples=examples,
        )

    def to_bytes(self) -> bytes:
        """The bytes of the style file; the same style gives the same bytes.

        A look's table is stored as float16 where that moves no value by more than 1/2048, all but a code where it moves none.
        """
        tensors = {name: _smallest(name, value) for name, value in self.tensors.items()}
        pictures = zip(_EXAMPLES, self.examples, strict=False)
        for name, data in [*pictures, *([] if self.thumbnail is None else [(_THUMBNAIL, self.thumbnail)])]:
            tensors[name] = np.frombuffer(data, np.uint8)
        return _FORMAT.packed({"kind": self.kind, "name": self.name, "card": vars(self.card)}, tensors)

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the style file, whole or not at all.

        Raises:
            OutputError: the file exists and `force` is not set, or it cannot be written.
        """
        write_whole(Path(path), self.to_bytes(), force=force)


def mix_arts(styles: Sequence[tuple[Style, float]]) -> dict[str, F32]:
    """The weighted means of the tensors of art styles: `code` float32 [K], and `delta` [M] or `quiet` [1] where one has it.

    Args:
        styles: styles and weights; weights are finite, at least 0, and not all 0.

    Raises:
        StyleError: no styles, a look among them, different base generators or lengths, or weights not allowed.
    """
    if not styles:
        raise StyleError("There are no styles to mix.")
    first = styles[0][0]
    total = 0.0
    sizes: dict[str, int] = {}
    for style, weight in styles:
        if style.kind != "art":
            raise StyleError(f"The style {style.name!r} is a {style.kind}, only art styles have codes to mix.")
        if style.card.base_sha256 != first.card.base_sha256:
            raise StyleError(f"The styles {first.name!r} and {style.name!r} were made for different base generators.")
        for name, tensor in style.tensors.items():
            if sizes.setdefault(name, tensor.size) != tensor.size:
                raise StyleError(f"The styles {first.name!r} and {style.name!r} have a {name} of different lengths.")
        if not _is_finite(weight) or weight < 0:
            raise StyleError(f"The weight of the style {style.name!r} is {shown(weight)}, it must be at least 0.")
        total += weight
    if not 0 < total < math.inf:
        raise StyleError("The weights of the styles must not all be 0, and their sum must be finite.")
    shares = np.array([weight / total for _, weight in styles])
    mixed = {}
    for name, size in sizes.items():
        rows = [style.tensors.get(name, np.zeros(size)) for style, _ in styles]
        mixed[name] = (shares @ np.stack(rows).astype(np.float64)).astype(np.float32)
    return mixed


def read_card(given: object, format: Format) -> Card:
    """The card in a file's header.

    Raises:
        StyleError, or the format's error: it is no object, lacks a field, has a strange one, or one has the wrong value.
    """
    if not isinstance(given, dict):
        raise format.error(f"The {format.noun}'s card is {shown(given)}, it must be an object.")
    known = [entry.name for entry in fields(Card)]
    needed = [entry.name for entry in fields(Card) if entry.default is MISSING and entry.default_factory is MISSING]
    format.check_keys(given, known=known, needed=needed)
    return Card(**given)


def _picture_bytes(name: str, tensor: Array) -> bytes:
    if tensor.dtype != np.uint8 or tensor.ndim != 1:
        raise StyleError(f"The style's {name} must be stored as one row of bytes.")
    return tensor.tobytes()


def _checked_tensor(name: str, value: object) -> F32:
    if not isinstance(value, np.ndarray) or not np.issubdtype(value.dtype, np.floating):
        raise StyleError(f"The style's tensor {shown(name)} must be an array of floats.")
    with np.errstate(over="ignore"):
        tensor = np.array(value, np.float32, order="C")
    if not np.isfinite(tensor).all():
        raise StyleError(f"The style's tensor {shown(name)} holds a NaN or an infinite value.")
    tensor.setflags(write=False)
    return tensor


def _check_look(tensors: Mapping[str, Array]) -> None:
    if not {"lut"} <= tensors.keys() <= {"lut", GRADE, *EXACT} or len(tensors.keys() & set(EXACT)) == 1:
        raise StyleError(f"The style is a look and must hold a 'lut' and perhaps a 'grade', but it holds {_listed(tensors)}.")
    shape = tensors["lut"].shape
    size = shape[0] if shape else 0
    if shape != (size, size, size, 3) or not 2 <= size <= 129:
        raise StyleError(f"The style's 'lut' has the shape {shown(shape)}, it must be N, N, N, 3 with N in 2..129.")
    if GRADE in tensors:
        Grade.from_tensor(tensors[GRADE])
    if EXACT[0] in tensors:
        try:
            ExactLut(tensors[EXACT[1]], tensors[EXACT[0]])
        except LutError as error:
            raise StyleError(f"The style's table cannot be used: {error}") from error


def _check_art(tensors: Mapping[str, Array]) -> None:
    if not {"code"} <= tensors.keys() <= MOST_NUMBERS.keys():
        found = _listed(tensors)
        raise StyleError(f"The style is art and must hold a 'code', perhaps a 'delta' and a 'quiet', but it holds {found}.")
    for name, tensor in tensors.items():
        most = MOST_NUMBERS[name]
        if tensor.ndim != 1 or not 1 <= tensor.size <= most:
            shape = shown(tensor.shape)
            raise StyleError(f"The style's {name!r} has the shape {shape}, it must be one row of 1 to {most} numbers.")
    if "quiet" in tensors and not 0 <= tensors["quiet"][0] <= 1:
        raise StyleError(f"The style's quiet is {tensors['quiet'][0]:g}, it must be in 0..1.")


def _checked_filter(tensors: Mapping[str, Array]) -> dict[str, Array]:
    value = tensors.get(FILTER)
    if len(tensors) != 1 or not isinstance(value, np.ndarray) or value.dtype != np.uint8 or value.ndim != 1:
        raise StyleError(f"The style is a filter and must hold its parameters as bytes, {FILTER!r}, and nothing else.")
    read_filter(value.tobytes())
    own = value.copy()
    own.setflags(write=False)
    return {FILTER: own}


def _listed(tensors: Mapping[str, Array]) -> str:
    return shown(sorted(tensors)) if tensors else "none"


def _check_picture(name: str, data: object, most_bytes: int, most_side: int) -> None:
    if not isinstance(data, bytes) or len(data) > most_bytes:
        raise StyleError(f"The style's {name} must be at most {most_bytes // 1000} kB of bytes.")
    try:
        with Image.open(io.BytesIO(data), formats=("WEBP", "JPEG", "PNG")) as image:
            size = image.size
            if max(size) <= most_side:
                image.load()
    except Exception as error:  # hostile bytes make the decoders raise almost anything
        raise StyleError(f"The style's {name} is not a WebP, JPEG or PNG image.") from error
    if max(size) > most_side:
        raise StyleError(f"The style's {name} is larger than {most_side} px a side.")


def _smallest(name: str, value: Array) -> Array:
    if name == "code" or value.dtype != np.float32:
        return value
    with np.errstate(over="ignore"):
        half = value.astype(np.float16)
    return half if np.abs(half - value).max() <= (_FLOAT16_TOLERANCE if name == "lut" else 0) else value


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str) or len(value) > MAX_TEXT_CHARS or _CONTROL.search(value):
        raise StyleError(f"The card's {name} is {shown(value)}, it must be one line of at most 2000 characters.")


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _is_finite(value: object) -> bool:
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an int beyond any float
        return False


def _is_range(value: object) -> bool:
    """Two numbers in 0..1, the first not greater than the second."""
    if not isinstance(value, list | tuple) or len(value) != 2 or not all(_is_finite(end) for end in value):
        return False
    return bool(0 <= value[0] <= value[1] <= 1)
