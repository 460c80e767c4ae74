"""What a style file holds that brings its own network: a translator (`.style`) or an enlarger (`.enlarge`).

Tensors: `graph.picture`, and `graph.statistics` where the network has norms: onnx graphs without weights, as bytes; `plan`:
JSON, as bytes; and the weights, float16 or float32: `LAYER.weight`, and `LAYER.bias` or, where its norm has them, `LAYER.scale`
and `LAYER.shift`. Nothing of it is executed when the file is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from huafeng.errors import StyleError
from huafeng.pixels import Array

TRANSLATOR: Final = "translator"
ENLARGER: Final = "enlarger"
NETWORKS = (TRANSLATOR, ENLARGER)
ENLARGE_SUFFIX = ".enlarge"
MAX_NETWORK_BYTES = 192 * 2**20  # the U-Net of pix2pix at its full width has 78 MB, 156 MB where it must be float32
PICTURE, STATISTICS, PLAN = "graph.picture", "graph.statistics", "plan"
BYTES = (PICTURE, STATISTICS, PLAN)

_MOST = {"stride": 1024, "reach": 8192, "scale": 4, "working_px": 8192}
_MOST_LAYERS = 512
_MOST_CHANNELS = 8192


@dataclass(frozen=True)
class Layer:
    """A convolution: how its weights are handed to the graph."""

    up: bool
    """Its kernel is that of "bilinear x2, then 3x3", to be written for the small grid."""
    norm: bool
    """Its norm is folded into it; it has no bias of its own."""


@dataclass(frozen=True)
class Plan:
    """How a network is run.

    stride: photos' sides must be multiples of it, px.   reach: no output pixel depends on photo pixels further away, px.
    scale: how many times the result is larger.   working_px: short side at which it works best.
    """

    stride: int
    reach: int
    scale: int
    working_px: int
    layers: Mapping[str, Layer]

    def to_bytes(self) -> bytes:
        """As `read_plan` reads it."""
        layers = {name: [layer.up, layer.norm] for name, layer in self.layers.items()}
        return json.dumps(vars(self) | {"layers": layers}, separators=(",", ":")).encode()


def read_plan(data: bytes) -> Plan:
    """The plan in a file.

    Raises:
        StyleError: it is none.
    """
    try:
        found: Any = json.loads(data)
        layers = found.pop("layers")
        if found.keys() != _MOST.keys() or any(
            type(found[name]) is not int or not 1 <= found[name] <= most for name, most in _MOST.items()
        ):
            raise ValueError
        if not 1 <= len(layers) <= _MOST_LAYERS or any(
            len(parts) != 2 or any(type(part) is not bool for part in parts) for parts in layers.values()
        ):
            raise ValueError
        return Plan(**found, layers={name: Layer(*parts) for name, parts in layers.items()})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StyleError("The style's plan of its network is damaged.") from error


def checked_network(kind: str, tensors: Mapping[str, object]) -> dict[str, Array]:
    """The tensors of a translator or an enlarger, read-only: weights as float16 or float32, graphs and plan as bytes.

    Raises:
        StyleError: some are missing, unknown, of a wrong type, or not finite.
    """
    checked: dict[str, Array] = {}
    for name, value in tensors.items():
        good = isinstance(value, np.ndarray)
        if name in BYTES:
            good = good and value.dtype == np.uint8 and value.ndim == 1  # type: ignore[attr-defined]
        else:
            good = good and np.issubdtype(value.dtype, np.floating) and value.ndim in (1, 4)  # type: ignore[attr-defined]
            good = good and max(value.shape[:2]) <= _MOST_CHANNELS  # type: ignore[attr-defined]
        if not good:
            raise StyleError(f"The style's tensor {name[:64]!r} is not what a network is made of.")
        assert isinstance(value, np.ndarray)
        with np.errstate(over="ignore"):
            array = value.copy() if name in BYTES or value.dtype == np.float16 else value.astype(np.float32)
        if name not in BYTES and not np.isfinite(array).all():
            raise StyleError(f"The style's tensor {name[:64]!r} holds a NaN or an infinite value.")
        array.setflags(write=False)
        checked[name] = array
    if PLAN not in checked or PICTURE not in checked:
        raise StyleError(f"The style is of the kind {kind} and must hold a network's {PLAN!r} and {PICTURE!r}.")
    plan = read_plan(checked[PLAN].tobytes())
    normed = any(layer.norm for layer in plan.layers.values())
    needed = {PLAN, PICTURE, *([STATISTICS] if normed else [])}
    for name, layer in plan.layers.items():
        affine = {f"{name}.scale", f"{name}.shift"} if layer.norm and f"{name}.scale" in checked else set()
        needed |= {f"{name}.weight"} | (affine if layer.norm else {f"{name}.bias"})
    if needed != checked.keys():
        odd = sorted(needed ^ checked.keys())[0]
        raise StyleError(f"The style's plan and its tensors differ: {odd[:64]!r} is only in one of them.")
    if (kind == ENLARGER) != (plan.scale > 1):
        raise StyleError(f"The style is of the kind {kind}, which does not go with a scale of {plan.scale}.")
    return checked
