"""What an evaluation found, and its JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from huafeng.errors import DataError
from huafeng.evaluation.figure import CurvePoint, Figure, definition
from huafeng.pixels import U8

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Example:
    """One photo and its result, uint8 [H, W, 3] of equal size; `content_kept` of this pair."""

    name: str
    photo: U8
    result: U8
    content_kept: float


@dataclass(frozen=True)
class Evaluation:
    """What was found about one subject.

    Args:
        subject: name of the style, folder, run or look.
        protocol: the protocol's name (see `protocol`).
        features: name of the feature network.
        inputs: what was measured on, by role: sources, counts and digests.
        figures: in the glossary's order.
        curve: style against content over strength, rising; empty without works.
        safe_strength: least and greatest strength at which content kept stays at least 0.5, or None.
        warnings: sentences on what weakens the figures.
        left_out: sentences on figures that could not be measured, and why.
        seconds: that the evaluation took.
        examples: some pictures, for the report and the card; not in the JSON.
    """

    subject: str
    protocol: str
    features: str
    inputs: Mapping[str, Any]
    figures: tuple[Figure, ...]
    curve: tuple[CurvePoint, ...] = ()
    safe_strength: tuple[float, float] | None = None
    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    seconds: float = 0.0
    examples: tuple[Example, ...] = field(default=(), compare=False)

    def figure(self, name: str) -> Figure | None:
        """The figure of that full name, or None."""
        return next((figure for figure in self.figures if figure.name == name), None)

    def facts(self) -> dict[str, Any]:
        """All but the examples, as JSON has it."""
        found = {k: v for k, v in vars(self).items() if k != "examples"}
        return {"version": FORMAT_VERSION} | found | {
            "figures": [asdict(figure) for figure in self.figures],
            "curve": [asdict(point) for point in self.curve],
        }  # fmt: skip


def to_json(evaluations: Sequence[Evaluation]) -> str:
    """The evaluations as JSON text."""
    return json.dumps([e.facts() for e in evaluations], ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def from_json(path: Path) -> list[Evaluation]:
    """Evaluations that were saved before; without examples.

    Raises:
        DataError: the file is not one that `huafeng evaluate` wrote.
    """
    try:
        entries = json.loads(path.read_text("utf-8"))
        versions = {entry.pop("version") for entry in entries}
        if versions != {FORMAT_VERSION}:
            raise DataError(f"{path} was written by another version of Huafeng: evaluate again.")
        found = [_evaluation(entry) for entry in entries]
        to_json(found)  # what can be shown can be written
        return found
    except DataError:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise DataError(f"{path} is not an evaluation that huafeng evaluate wrote.") from error


def _evaluation(entry: dict[str, Any]) -> Evaluation:
    figures = tuple(_figure(figure) for figure in entry["figures"])
    curve = tuple(CurvePoint(**{name: _finite(value) for name, value in point.items()}) for point in entry["curve"])
    texts = {name: tuple(map(_text, entry[name])) for name in ("warnings", "left_out")}
    for name in ("subject", "protocol", "features"):
        _text(entry[name])
    if not isinstance(entry["inputs"], dict):
        raise TypeError("inputs")
    return Evaluation(
        **entry
        | texts
        | {"seconds": _finite(entry["seconds"])}
        | {"figures": figures, "curve": curve, "safe_strength": _pair(entry["safe_strength"])}
    )


def _figure(entry: dict[str, Any]) -> Figure:
    definition(entry["name"])  # a KeyError if there is no such figure
    baselines = {name: None if entry[name] is None else _finite(entry[name]) for name in ("identity", "random")}
    if type(entry["count"]) is not int:
        raise TypeError("count")
    return Figure(**entry | baselines | {"value": _finite(entry["value"]), "interval": _pair(entry["interval"])})


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _finite(number: float) -> float:
    if not isinstance(number, int | float) or isinstance(number, bool) or not math.isfinite(number):
        raise ValueError(f"{number} is no figure")
    return float(number)


def _pair(numbers: Sequence[float] | None) -> tuple[float, float] | None:
    if numbers is None:
        return None
    low, high = numbers
    return _finite(low), _finite(high)
