"""The edit: what is to be done to a photo, as plain values and as small JSON.

The same edit drives the command line, Python, REST and the page, and is written into the result to be replayed.
"""

from __future__ import annotations

import difflib
import json
import math
import re
import reprlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from numbers import Real
from typing import Any, TypeAlias, TypeVar

from huafeng.errors import EditError

EDIT_VERSION = 1
MAX_JSON_CHARS = 100_000

# Every number of an edit, by field name: the least and the greatest allowed value.
_RANGES: dict[str, tuple[float, float]] = {
    "weight": (0, 1_000_000),
    "strength": (0, 1),
    "stroke": (0.25, 4),
    "detail": (0, 1),
    "faces": (0, 1),
    "skin": (0, 100),
    "feather": (0, 0.5),
    "left": (0, 1),
    "top": (0, 1),
    "right": (0, 1),
    "bottom": (0, 1),
}
# What the numbers may be instead, as text.
_WORDS: dict[str, tuple[str, ...]] = {"faces": ("auto",), "skin": ("auto", "off")}
INTERPOLATIONS = ("trilinear", "tetrahedral")
_MOST_PIECES = 100  # between "+" on a command line
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class _Checked:
    """A dataclass that checks all of its fields when it is made and tells every problem in one EditError."""

    def __post_init__(self) -> None:
        given = dict(vars(self))
        if problems := self._problems(given):
            raise EditError(problems)
        for name in _RANGES.keys() & given.keys():
            if isinstance(given[name], str):
                continue
            object.__setattr__(self, name, float(given[name]))

    @classmethod
    def _problems(cls, given: Mapping[str, Any]) -> list[str]:
        """What is wrong with the fields that are given; whether one is missing is the caller's question."""
        return [problem for name, value in given.items() if (problem := _problem(name, value))]


@dataclass(frozen=True)
class StyleWeight(_Checked):
    """One style of a mix: its name (or the path of a style file) and its weight, 0 to 1,000,000."""

    style: str
    weight: float = 1.0


@dataclass(frozen=True)
class MaskRegion(_Checked):
    """Style where a mask file is white. `feather`: soft edge, 0..0.5 of the photo's short side."""

    path: str
    feather: float = 0.01


@dataclass(frozen=True)
class BoxRegion(_Checked):
    """Style inside a box. The sides are fractions 0..1 of the photo; `feather`: soft edge, 0..0.5 of its short side."""

    left: float
    top: float
    right: float
    bottom: float
    feather: float = 0.01

    @classmethod
    def _problems(cls, given: Mapping[str, Any]) -> list[str]:
        problems = super()._problems(given)
        for low, high in (("left", "right"), ("top", "bottom")):
            sides = {name: given[name] for name in (low, high) if name in given}
            if len(sides) == 2 and not super()._problems(sides) and not sides[low] < sides[high]:
                problems.append(f"{low} is {sides[low]} and {high} is {sides[high]}, {low} must be less than {high}")
        return problems


@dataclass(frozen=True)
class FaceRegion(_Checked):
    """Style the faces, softly. `feather`: further softness, 0..0.5 of the photo's short side."""

    feather: float = 0.0


@dataclass(frozen=True)
class SubjectRegion(_Checked):
    """Style the people, or else what stands out. `feather`: soft edge, 0..0.5 of the photo's short side."""

    feather: float = 0.0


@dataclass(frozen=True)
class BackgroundRegion(_Checked):
    """Style all but the subject. `feather`: soft edge, 0..0.5 of the photo's short side."""

    feather: float = 0.0


Region: TypeAlias = MaskRegion | BoxRegion | FaceRegion | SubjectRegion | BackgroundRegion

_REGION_KINDS: dict[str, type[Region]] = {
    "mask": MaskRegion,
    "box": BoxRegion,
    "face": FaceRegion,
    "subject": SubjectRegion,
    "background": BackgroundRegion,
}


@dataclass(frozen=True)
class Edit(_Checked):
    """What is to be done to a photo.

    Args:
        styles: at least one style, none of them twice; their weights must not all be 0.
        strength: 0 leaves the photo as it is, 1 styles it fully.
        stroke: size of the strokes, 0.25..4; 2 draws them twice as large.
        detail: how much of the photo's own fine detail comes back, 0..1.
        keep_colors: keep the photo's own colours.
        region: where to style; None is everywhere.
        faces: how gently arts paint faces, 0..1: with smaller strokes and less strength; 0 as everything else. "auto" is 0.75
            where OpenCV (the extra `portrait`) is installed, and 0 elsewhere; a number above 0 needs it.
        skin: how far looks may shift the colours of skin, as a CIEDE2000 difference 0..100; "off" as far as they do.
            "auto" is 4 where OpenCV (the extra `portrait`) is installed, and "off" elsewhere; a number needs it.
        interpolation: between the nodes of a look's table, "trilinear" or "tetrahedral".

    Raises:
        EditError: one or more fields are not valid; all problems are in it.
    """

    styles: tuple[StyleWeight, ...]
    strength: float = 1.0
    stroke: float = 1.0
    detail: float = 0.5
    keep_colors: bool = False
    region: Region | None = None
    faces: float | str = "auto"
    skin: float | str = "auto"
    interpolation: str = "trilinear"

    @property
    def weights(self) -> dict[str, float]:
        """Style -> its share of the mix; the shares sum to 1."""
        total = sum(entry.weight for entry in self.styles)
        return {entry.style: entry.weight / total for entry in self.styles}

    def to_json(self) -> str:
        """The edit as JSON that people can read, always in the same order."""
        document: dict[str, Any] = {"version": EDIT_VERSION, **vars(self)}
        if self.interpolation == INTERPOLATIONS[0]:  # as edits of earlier versions are
            del document["interpolation"]
        document["styles"] = [vars(entry) for entry in self.styles]
        if self.region is not None:
            kind = next(kind for kind, region in _REGION_KINDS.items() if isinstance(self.region, region))
            document["region"] = {"kind": kind, **vars(self.region)}
        return json.dumps(document, ensure_ascii=False, indent=2)

    @classmethod
    def from_json(cls, text: str) -> Edit:
        """The edit that `to_json` wrote. `version` and `styles` are needed, all else has its default.

        Raises:
            EditError: not JSON, a newer version, or unknown, missing, repeated or wrong fields (all of them are told).
        """
        problems: list[str] = []
        given = _parse_object(text, problems)
        if "version" not in given:
            problems.append(f"version is missing, it must be {EDIT_VERSION}")
        version = given.pop("version", EDIT_VERSION)
        if type(version) is int and version > EDIT_VERSION:
            raise EditError([f"it was made by a newer Huafeng: version {reprlib.repr(version)}; update Huafeng"])
        if type(version) is not int or version != EDIT_VERSION:
            problems.append(f"version is {reprlib.repr(version)}, it must be {EDIT_VERSION}")
        problems += _key_problems(cls, given)
        known = _known(cls, given)
        if "styles" in known:
            known["styles"] = _read_styles(known["styles"], problems)
        if known.get("region") is not None:
            known["region"] = _read_region(known["region"], problems)
        # A part that could not be read has told why already, and is not judged again.
        readable = {name: value for name, value in known.items() if value is not _UNREADABLE}
        problems += cls._problems(readable)
        if problems:
            raise EditError(problems)
        return cls(**readable)

    @classmethod
    def _problems(cls, given: Mapping[str, Any]) -> list[str]:
        problems = super()._problems(given)
        if "styles" in given:
            problems += _mix_problems(given["styles"])
        region = given.get("region")
        if region is not None and not isinstance(region, Region):
            kinds = ", ".join(kind.__name__ for kind in _REGION_KINDS.values())
            problems.append(f"region is {reprlib.repr(region)}, it must be None or one of {kinds}")
        return problems


def parse_styles(text: str, is_file: Callable[[str], bool] = lambda name: False) -> tuple[StyleWeight, ...]:
    """Styles as typed on a command line: "monet", "monet:2+ink:1", "./my look.style:0.5+ink".

    A "+" separates two styles, unless it is in the name of a file that is there (`is_file`); a path of one that is not yet
    there must be given in an edit file. What follows a style's last ":" is its weight if it is a number, else part of the name
    (as in C:\\looks\\x.style).

    Raises:
        EditError: an empty style, or weights that are not allowed; all problems are in it.
    """
    styles: list[StyleWeight] = []
    problems: list[str] = []
    for part in _parts(text, is_file):
        name, colon, tail = part.rpartition(":")
        try:
            if not colon or is_file(part):
                styles.append(StyleWeight(part if is_file(part) else part.strip()))
            elif not tail.strip():
                problems.append(f"no weight follows the colon of {reprlib.repr(part.strip())}")
            elif (weight := _as_number(tail)) is None:
                styles.append(StyleWeight(part.strip()))
            else:
                styles.append(StyleWeight(name if is_file(name) else name.strip(), weight))
        except EditError as error:
            problems += [f"in {reprlib.repr(text)}: {problem}" for problem in error.problems]
    if problems:
        raise EditError(problems)
    return tuple(styles)


def _parts(text: str, is_file: Callable[[str], bool]) -> list[str]:
    """`text` between its "+", but the longest names of files in one."""
    pieces, found = text.split("+")[:_MOST_PIECES], []
    while pieces:
        for count in range(len(pieces), 0, -1):
            part = "+".join(pieces[:count])
            if (
                count == 1
                or is_file(part)
                or (is_file(part.rpartition(":")[0]) and _as_number(part.rpartition(":")[2]) is not None)
            ):
                found.append(part)
                del pieces[:count]
                break
    return found


def _problem(name: str, value: object) -> str | None:
    """What is wrong with one plain field, or None."""
    if name in _RANGES:
        low, high = _RANGES[name]
        words = _WORDS.get(name, ())
        if isinstance(value, str) and value in words:
            return None
        if isinstance(value, bool) or not isinstance(value, Real):
            instead = "".join(f" or {word!r}" for word in words)
            return f"{name} is {reprlib.repr(value)}, it must be a number between {low:,} and {high:,}{instead}"
        number = _float(value)
        if not low <= number <= high:  # NaN fails as well
            return f"{name} is {_shown(number)}, it must be between {low:,} and {high:,}"
    elif name in ("style", "path"):
        if not isinstance(value, str) or not value.strip():
            return f"{name} is {reprlib.repr(value)}, it must be a text that is not empty"
        if _CONTROL.search(value):
            return f"{name} is {reprlib.repr(value)}, it must not hold control characters or broken Unicode"
    elif name == "interpolation" and value not in INTERPOLATIONS:
        return f"interpolation is {reprlib.repr(value)}, it must be {' or '.join(INTERPOLATIONS)}"
    elif name == "keep_colors" and not isinstance(value, bool):
        return f"keep_colors is {reprlib.repr(value)}, it must be true or false"
    return None


def _float(value: Real) -> float:
    try:
        return float(value)
    except OverflowError:  # an int beyond any float is refused as infinity is
        return math.inf


def _shown(number: float) -> str:
    """A number as people write it: 2 for 2.0."""
    return repr(number).removesuffix(".0")


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _mix_problems(styles: object) -> list[str]:
    """What is wrong with the styles as a whole."""
    if not isinstance(styles, tuple) or not all(isinstance(entry, StyleWeight) for entry in styles):
        return [f"styles is {reprlib.repr(styles)}, it must be a tuple of StyleWeight"]
    if not styles:
        return ["styles is empty, at least one style is needed"]
    times = Counter(entry.style for entry in styles)
    problems = [f"style {name!r} is given {count} times, once is allowed" for name, count in times.items() if count > 1]
    if sum(entry.weight for entry in styles) == 0:
        problems.append("all weights are 0, at least one must be greater")
    return problems


_UNREADABLE = object()
_T = TypeVar("_T", bound=_Checked)


def _parse_object(text: str, problems: list[str]) -> dict[str, Any]:
    """The JSON object in `text`; repeated keys go to `problems`, anything worse raises EditError."""

    def pairs(items: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in items:
            if key in found:
                problems.append(f"key {reprlib.repr(key)} is given twice")
            found[key] = value
        return found

    if len(text) > MAX_JSON_CHARS:
        raise EditError([f"it is longer than {MAX_JSON_CHARS:,} characters"])
    try:
        document = json.loads(text, object_pairs_hook=pairs)
    except RecursionError:
        raise EditError(["it is nested too deep"]) from None
    except ValueError as error:
        raise EditError([f"it is not JSON ({error})"]) from None
    if not isinstance(document, dict):
        raise EditError([f"it is {reprlib.repr(document)}, it must be a JSON object"])
    return document


def _key_problems(cls: type[Any], given: Mapping[str, Any]) -> list[str]:
    """Keys that the dataclass does not know, and those that it needs and does not get."""
    known = [field.name for field in fields(cls)]
    problems = []
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "known are " + ", ".join(known)
            problems.append(f"unknown key {reprlib.repr(key)}, {hint}")
    needed = [field.name for field in fields(cls) if field.default is MISSING]
    return problems + [f"{name} is missing" for name in needed if name not in given]


def _known(cls: type[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: given[field.name] for field in fields(cls) if field.name in given}


def _read(cls: type[_T], given: object, where: str, problems: list[str]) -> _T | None:
    """One nested dataclass from its JSON object, or None with its problems told."""
    if not isinstance(given, dict):
        problems.append(f"{where} is {reprlib.repr(given)}, it must be an object")
        return None
    found = _key_problems(cls, given) + cls._problems(_known(cls, given))
    problems += [f"{where}: {problem}" for problem in found]
    return None if found else cls(**given)


def _read_styles(given: object, problems: list[str]) -> object:
    if not isinstance(given, list):
        problems.append(f"styles is {reprlib.repr(given)}, it must be a list of objects")
        return _UNREADABLE
    styles = [_read(StyleWeight, entry, f"style {place}", problems) for place, entry in enumerate(given, 1)]
    return _UNREADABLE if None in styles else tuple(styles)


def _read_region(given: object, problems: list[str]) -> object:
    kind = given.get("kind") if isinstance(given, dict) else None
    if not isinstance(given, dict) or not isinstance(kind, str) or kind not in _REGION_KINDS:
        kinds = ", ".join(map(repr, _REGION_KINDS))
        problems.append(f"region is {reprlib.repr(given)}, it must be null or an object of kind {kinds}")
        return _UNREADABLE
    rest = {key: value for key, value in given.items() if key != "kind"}
    return _read(_REGION_KINDS[kind], rest, "region", problems) or _UNREADABLE
