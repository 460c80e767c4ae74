"""Looks that other programs wrote, as styles: a .cube or .3dl file, or a HaldCLUT picture."""

from __future__ import annotations

import datetime
import warnings
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path

import numpy as np

from huafeng.cube import MAX_CHARS, hald_level, read_3dl, read_exact, read_exact_hald
from huafeng.errors import LutError
from huafeng.exactlut import ExactLut
from huafeng.photo import Remark, table_in
from huafeng.pixels import Array
from huafeng.style import Card, Style, name_of, title_of

CUBE = ".cube"
TABLES = (CUBE, ".3dl")
_NOT_A_TABLE = "which no program but its own can carry out: export the look as .cube there."
FOREIGN = {  # what is asked for, and is no table of colours
    ".look": f"a look of IRIDAS SpeedGrade: a list of its steps, {_NOT_A_TABLE}",
    ".xmp": f"a preset or an edit of Lightroom or Camera Raw: a list of its sliders, {_NOT_A_TABLE}",
    ".lrtemplate": f"a preset of Lightroom: a list of its sliders, {_NOT_A_TABLE}",
    ".costyle": f"a style of Capture One: a list of its sliders, {_NOT_A_TABLE}",
    ".dcp": f"a camera profile: it belongs to a raw converter, {_NOT_A_TABLE}",
}
ALIKE = 0.5  # correlation of a table's brightness with the untouched one's from which it surely is a table
SMOOTH = 4.0  # how often a table's values may run through their range along an axis, in the mean
TWO_AXES = 0.1  # the least range along a table's second axis, as a share of that along the first; else it may be a gradient
SMALL_LEVEL = 3  # no painting is 27 pixels wide


def read_look(path: Path) -> Style:
    """The look in a .cube or .3dl file; its name is the file's, as far as a name may hold it.

    Raises:
        LutError: the file cannot be read, or holds no colour table.
    """
    try:
        if path.stat().st_size > MAX_CHARS:
            raise LutError("The file is too large for a table of colours.")
        with path.open("rb") as file:
            encoding = "utf-16" if file.read(2) in (BOM_UTF16_LE, BOM_UTF16_BE) else "utf-8-sig"
        with path.open(encoding=encoding, errors="replace") as text:
            return look_style(path, read_exact(text) if path.suffix.lower() == CUBE else read_3dl(text))
    except (OSError, UnicodeError) as error:
        raise LutError(f"{path}: The file cannot be read ({getattr(error, 'strerror', None) or error}).") from error
    except LutError as error:
        raise LutError(f"{path}: {error}") from error


def look_style(path: Path, lut: ExactLut) -> Style:
    """A colour table that was read from a file, as a style."""
    date = datetime.datetime.fromtimestamp(path.stat().st_mtime).date().isoformat()
    card = Card(title_en=title_of(path), title_zh="", author="unknown", licence="unknown", trained_on="",
                provenance=f"read from {path.suffix.lower()} file", date=date)  # fmt: skip
    return Style(name_of(path), "look", {"lut": lut.plain().table, "exact": lut.table, "inputs": lut.inputs}, card)


def hald_in(path: Path) -> Style | None:
    """The look in a HaldCLUT, a picture that holds a colour table; None where the picture is none, but a picture.

    It is data: its samples are taken as they are stored, whatever profile or orientation the file has. A lossy format is
    remarked on (`photo.Remark`).

    Raises:
        PhotoError: it cannot be read.
    """
    table = table_in(path, lambda width, height: width == height and hald_level(width) is not None)
    if table is None or not is_table(table.samples):
        return None
    if table.lossy:
        warnings.warn(
            f"{path} is taken as a HaldCLUT, but its format has changed its numbers: expect blotches, get it as PNG.",
            Remark,
            stacklevel=2,
        )
    return look_style(path, read_exact_hald(table.samples))


def is_table(samples: Array) -> bool:
    """Whether a square picture [L^3, L^3, 3] is a HaldCLUT: it looks untouched, or runs smoothly along the table's three axes.

    A picture runs smoothly from pixel to pixel, which is one of these axes only.
    """
    level = hald_level(len(samples))
    if level is None or level <= SMALL_LEVEL:
        return level is not None
    size = level**2
    table = samples.reshape(size, size, size, 3).mean(3, dtype=np.float64)  # indexed [b, g, r]
    if table.std() == 0:
        return True
    axis = np.linspace(0, 1, size)
    untouched = axis[:, None, None] + axis[:, None] + axis
    if abs(np.corrcoef(table.ravel(), untouched.ravel())[0, 1]) >= ALIKE:
        return True
    ranges, runs = [], []
    for direction in range(3):
        ranges.append(float(np.ptp(table, axis=direction).mean()))
        runs.append(float(np.abs(np.diff(table, axis=direction)).sum(direction).mean()))
    smooth = all(run <= SMOOTH * extent for run, extent in zip(runs, ranges, strict=True))
    return smooth and sorted(ranges)[1] >= TWO_AXES * max(ranges)
