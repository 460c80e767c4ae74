"""Styles that are drawn by rule: no network, nothing learned. Each is a filter whose parameters lie in a style file.

The parameters are a tensor of bytes, JSON: {"method": one of METHODS, and any of its fields}. numpy and Pillow do all of it.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any, Final

import numpy as np

from huafeng.classical.canvas import Canvas, Method
from huafeng.classical.cartoon import Cartoon
from huafeng.classical.oil import Oil
from huafeng.classical.planes import planes_of
from huafeng.classical.sketch import Sketch
from huafeng.classical.watercolor import Watercolor
from huafeng.classical.woodcut import Woodcut
from huafeng.errors import StyleError
from huafeng.packed import shown
from huafeng.pixels import F32, U8, resize

FILTER: Final = "filter"  # the kind of style, and the name of its one tensor
METHODS: dict[str, type[Method]] = {
    "oil": Oil, "watercolor": Watercolor, "sketch": Sketch, "cartoon": Cartoon, "woodcut": Woodcut,
}  # fmt: skip
MOST_BYTES = 4096  # of a filter's parameters
MOST_ENLARGED = 2.5  # small photos are drawn larger than they are, so that lines have room
MOST_PIXELS = 4_000_000  # that are drawn: what is longer than wide by far is drawn smaller
LEAST_UNIT = 0.5  # px: a smaller hundredth of the short side has no room for a stroke


def read_filter(data: bytes) -> Method:
    """The filter in a style file's bytes.

    Raises:
        StyleError: they are not JSON, name no method, or a parameter is unknown, of a wrong type or out of its range.
    """
    try:
        if len(data) > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES} bytes")
        given: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise StyleError(f"The style's filter is damaged: it is not a small JSON object ({error}).") from error
    if not isinstance(given, dict) or not isinstance(given.get("method"), str) or given["method"] not in METHODS:
        found = shown(given.get("method") if isinstance(given, dict) else given)
        raise StyleError(f"The style's filter has the method {found}, it must be one of {', '.join(METHODS)}.")
    kind = METHODS[given.pop("method")]
    known = {entry.name for entry in fields(kind)}
    for name, value in given.items():
        if name not in known:
            raise StyleError(f"The style's filter has an unknown parameter {shown(name)}.")
        if (right := kind.fault(name, value)) is not None:
            raise StyleError(f"The style's filter has {name} {shown(value)}, it must be {right}.")
    checked: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    return kind(**checked)


def filter_bytes(method: Method) -> bytes:
    """As `read_filter` reads it: every parameter, also those that have their default."""
    name = next(name for name, kind in METHODS.items() if kind is type(method))
    return json.dumps({"method": name} | vars(method), separators=(",", ":")).encode()


def drawn(method: Method, pixels: U8, *, stroke: float = 1.0, focus: U8 | None = None, threads: int = 1) -> U8:
    """A photo uint8 [H, W, 3], drawn in the same size; the same bits for the same photo, whatever the threads.

    Args:
        method: the filter.
        pixels: the photo.
        stroke: how many times as large all strokes are.
        focus: uint8 [h, w] of any size: 255 where the photo is drawn more finely, as faces are; by default nowhere.
        threads: how many share the work.
    """
    height, width = pixels.shape[:2]
    scale = min(method.working_px / min(height, width), MOST_ENLARGED, (MOST_PIXELS / (height * width)) ** 0.5)
    small_width, small_height = max(1, round(width * scale)), max(1, round(height * scale))
    planes = planes_of(resize(pixels, small_width, small_height))
    unit = max(LEAST_UNIT, stroke * min(small_width, small_height) / 100)
    finely: F32 = np.zeros((small_height, small_width), np.float32)
    if focus is not None:
        finely = resize(focus, small_width, small_height).astype(np.float32) / np.float32(255)
    return method.paint(Canvas(planes, unit, finely, width, height, threads))
