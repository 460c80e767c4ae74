"""What a filter is given, and how its parameters are declared."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, NamedTuple, get_args, get_type_hints

from huafeng.pixels import F32, U8

Color = tuple[int, int, int]


class Canvas(NamedTuple):
    """A photo at the size at which it is drawn.

    planes: float32 [3, h, w] in 0..1.   unit: a hundredth of the short side, times the stroke size, px: lengths are told in it.
    focus: float32 [h, w] in 0..1, 1 = draw finely.   width, height: of the result, px.   threads: that share the work.
    """

    planes: F32
    unit: float
    focus: F32
    width: int
    height: int
    threads: int


@dataclass(frozen=True)
class Range:
    """What a parameter may be, both ends included."""

    least: float
    most: float


@dataclass(frozen=True)
class Method(ABC):
    """A filter with its parameters: colours, and numbers whose annotations tell their ranges.

    working_px: the short side at which it draws.
    """

    working_px: Annotated[int, Range(64, 2048)] = 640

    @abstractmethod
    def paint(self, canvas: Canvas) -> U8:
        """The drawn photo, uint8 [height, width, 3]."""

    @classmethod
    def fault(cls, name: str, value: object) -> str | None:
        """What this parameter must be, where `value` is something else."""
        hint = get_type_hints(cls, include_extras=True)[name]
        if hint == Color:
            good = isinstance(value, list | tuple) and len(value) == 3
            good = good and all(type(level) is int and 0 <= level <= 255 for level in value)  # type: ignore[attr-defined]
            return None if good else "three whole numbers in 0..255"
        kind, limits = get_args(hint)
        good = type(value) is int or (kind is float and type(value) is float and math.isfinite(value))
        good = good and limits.least <= value <= limits.most
        number = "number" if kind is float else "whole number"
        return None if good else f"a {number} in {limits.least:g}..{limits.most:g}"
