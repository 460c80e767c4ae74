"""The works that a style is learned from, as pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from PIL import Image

from huafeng.errors import DataError
from huafeng.pixels import U8
from huafeng.training.options import Between
from huafeng.training.pictures import Pictures, listing, open_pictures
from huafeng.training.randomness import numbers


@dataclass(frozen=True)
class WorkOptions:
    """Works of one style, and how they are read."""

    works: Path
    """Folder of works, or one picture."""
    leave_out: tuple[str, ...] = ()
    """Names of files of the folder that are no works of this style: sketches, title pages."""
    short_side_px: Annotated[int, Between(32)] = 512
    """Size to which works are shrunk: the larger, the larger the strokes."""
    trim: Annotated[float, Between(0, 0.4)] = 0.0
    """Share of the sides that is cut off all around: frames, paper margins."""
    tint: Annotated[tuple[float, float, float], Between(0, 1)] | None = None
    """Take luminance only and give white this colour: for scans with colour casts."""


def load_works(where: Path, spec: WorkOptions, tell: Callable[[str], None]) -> tuple[list[U8], str]:
    """A style's works as `spec` says (size, trimmed rims, tone), and the set's fingerprint.

    Raises:
        DataError: there are none.
    """
    whole = open_pictures(where, tell)
    tell_absent(spec.leave_out, whole.names, tell)
    found = without(whole, spec.leave_out)
    if not len(found):
        raise DataError(f"{where}: leave_out leaves no work to learn from.")
    pictures = []
    for i in range(len(found)):
        picture = found.read(i, spec.short_side_px)
        dy, dx = round(picture.shape[0] * spec.trim), round(picture.shape[1] * spec.trim)
        picture = picture[dy : picture.shape[0] - dy, dx : picture.shape[1] - dx]
        pictures.append(ink_tone(picture, spec.tint) if spec.tint else picture)
    return pictures, found.fingerprint


def work_crop(picture: U8, side: int, seed: int, number: int) -> U8:
    """Crop `number` of a work uint8 [H, W, 3]: [side, side, 3], mirrored half the time; a small work is enlarged."""
    draw = numbers(seed, "works", number)
    h, w = picture.shape[:2]
    if min(h, w) < side:
        scale = side / min(h, w)
        picture = np.asarray(Image.fromarray(picture).resize((math.ceil(w * scale), math.ceil(h * scale))))
        h, w = picture.shape[:2]
    y, x = int(draw.integers(h - side + 1)), int(draw.integers(w - side + 1))
    crop = picture[y : y + side, x : x + side]
    return crop[:, ::-1].copy() if draw.random() < 0.5 else crop


def without(pictures: Pictures, names: Sequence[str]) -> Pictures:
    """The pictures but for the files of these names."""
    return pictures.subset([i for i, file in enumerate(pictures.names) if file not in names])


def tell_absent(leave_out: Sequence[str], names: Sequence[str], tell: Callable[[str], None]) -> None:
    """Say which names of `leave_out` no file has: a slip of the pen would leave a picture in."""
    if absent := [name for name in leave_out if name not in names]:
        tell(f"leave_out names files that are not there: {listing(absent)}.")


def ink_tone(picture: U8, tint: tuple[float, float, float]) -> U8:
    """Luminance only, paper stretched to near white, then tinted: takes the colour casts of slide scans away."""
    luma = np.asarray(Image.fromarray(picture).convert("L"), dtype=np.float32)
    low, high = np.percentile(luma, (1, 85))
    toned = np.clip((luma - low) / max(high - low, 1.0), 0, 1) * 0.93 + 0.04
    return np.rint(toned[:, :, None] * np.asarray(tint, np.float32) * 255).astype(np.uint8)
