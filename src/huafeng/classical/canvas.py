"""What a filter is given, and how its parameters are declared."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from huafeng.pixels import F32, U8

Color = tuple[int, int, int]


class Canvas(NamedTuple):
    """A photo at the size at which it is drawn.

    planes: float32 [3, h, w] in 0..1.   unit: a hundredth of the short side, times the stroke size, px: all lengths are told in it.
    focus: float32 [h, w] in 0..1, 1 = draw finely.   width, height: of the result, px.   threads: that share the work.
    """

    planes: F32
    unit: float
    focus: F32
    width: int
    height: int
    threads: int


@dataclass(frozen=True)
class Method(ABC):
    """A filter with its parameters. `working_px`: the short side at which it draws."""

    working_px: int

    @abstractmethod
    def paint(self, canvas: Canvas) -> U8:
        """The drawn photo, uint8 [height, width, 3]."""


def number(default: float, least: float, most: float) -> Any:
    """A parameter that is a number in a range."""

    def wrong(value: object) -> str | None:
        good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        return None if good and least <= value <= most else f"a number in {least:g}..{most:g}"  # type: ignore[operator]

    return field(default=default, metadata={"wrong": wrong})


def whole(default: int, least: int, most: int) -> Any:
    """A parameter that is a whole number in a range."""

    def wrong(value: object) -> str | None:
        return None if type(value) is int and least <= value <= most else f"a whole number in {least}..{most}"

    return field(default=default, metadata={"wrong": wrong})


def color(red: int, green: int, blue: int) -> Any:
    """A parameter that is a colour in sRGB."""

    def wrong(value: object) -> str | None:
        good = isinstance(value, list | tuple) and len(value) == 3
        good = good and all(type(level) is int and 0 <= level <= 255 for level in value)  # type: ignore[attr-defined]
        return None if good else "three whole numbers in 0..255"

    return field(default=(red, green, blue), metadata={"wrong": wrong})
