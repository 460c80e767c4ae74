"""Looks that other programs wrote, as styles: a .cube file or a HaldCLUT picture."""

from __future__ import annotations

import datetime
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path

import numpy as np

from huafeng.cube import MAX_CHARS, read_cube, read_hald
from huafeng.errors import LutError
from huafeng.look import Lut
from huafeng.photo import Photo
from huafeng.pixels import U8
from huafeng.style import Card, Style, name_of, title_of

CUBE = ".cube"
HALD_SUFFIXES = (".png", ".tif", ".tiff")
ALIKE = 0.5  # correlation of a table's brightness with the untouched one's, at least; a painting of that size has none


def read_look(path: Path) -> Style:
    """The look in a .cube file; its name is the file's, as far as a name may hold it.

    Raises:
        LutError: the file cannot be read, or holds no colour table.
    """
    try:
        return look_style(path, read_cube(_text(path)))
    except LutError as error:
        raise LutError(f"{path}: {error}") from error


def look_style(path: Path, lut: Lut) -> Style:
    """A colour table that was read from a file, as a style."""
    date = datetime.datetime.fromtimestamp(path.stat().st_mtime).date().isoformat()
    card = Card(title_en=title_of(path), title_zh="", author="unknown", licence="unknown", trained_on="",
                provenance=f"read from {path.suffix.lower()} file", date=date)  # fmt: skip
    return Style(name_of(path), "look", {"lut": lut.table}, card)


def hald_in(path: Path) -> Lut | None:
    """The colour table in a HaldCLUT saved as PNG or TIFF; None where the picture is none, but a picture.

    Raises:
        PhotoError: it cannot be read.
    """
    return _hald(Photo.open(path).pixels)


def _hald(pixels: U8) -> Lut | None:
    try:
        lut = read_hald(pixels)
    except LutError:
        return None
    brightness = lut.table.mean(3).ravel()
    axis = np.linspace(0, 1, len(lut.table))
    untouched = (axis[:, None, None] + axis[:, None] + axis).ravel()
    flat = brightness.std() == 0
    return lut if flat or abs(np.corrcoef(brightness, untouched)[0, 1]) >= ALIKE else None


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_CHARS:
            raise LutError("The file is too large for a .cube file.")
        data = path.read_bytes()
        return data.decode("utf-16" if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig", errors="replace")
    except OSError as error:
        raise LutError(f"The file cannot be read ({error.strerror}).") from error
