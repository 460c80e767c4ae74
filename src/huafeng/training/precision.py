"""How weights are written to a file: as float16, or as float32 where that would change pictures too much."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np

from huafeng.errors import Note

Precision: TypeAlias = type[np.float16] | type[np.float32]
PRECISIONS: Final[tuple[Precision, ...]] = (np.float16, np.float32)  # the smaller one first
PARITY = 3.0  # of 255: as far as a file's pictures may lie from the trained network's


class WeightsDiffer(Note):
    """A file was written whose weights need float32, or that paints otherwise than the trained network."""


def note_differences(found: Sequence[Mapping[str, float]], most: float = PARITY) -> None:
    """Warn of what float16 would cost, or of pictures that are not the trained network's.

    found: at each of PRECISIONS that was tried, how far of 255 each style's pictures lie from the trained network's.
    most: how far they may.
    """
    far = [f"{name} ({worst:.1f} of 255)" for name, worst in found[-1].items() if not worst <= most]
    if far:
        text = f"What was written paints otherwise than the trained network: {', '.join(far)}. Look at it before you use it."
    elif len(found) > 1:
        name, worst = max(found[0].items(), key=lambda item: item[1])
        text = f"Weights are float32, twice as large: float16 would change what {name} paints by up to {worst:.1f} of 255."
    else:
        return
    warnings.warn(text, WeightsDiffer, stacklevel=3)
