"""Looks that other programs wrote, as styles: a .cube file or a HaldCLUT picture."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

from huafeng.cube import MAX_CHARS, read_cube, read_hald
from huafeng.errors import LutError
from huafeng.look import Lut
from huafeng.photo import Photo
from huafeng.style import Card, Style

SUFFIXES = (".cube", ".png", ".tif", ".tiff")


def read_look(path: Path) -> Style:
    """The look in a .cube file, or in a HaldCLUT saved as PNG or TIFF; its name is the file's, as far as a name may hold it.

    Raises:
        LutError: the file cannot be read, or holds no colour table.
        PhotoError: the picture cannot be read.
    """
    lut = _read_cube_file(path) if path.suffix.lower() == ".cube" else read_hald(Photo.open(path).pixels)
    date = datetime.datetime.fromtimestamp(path.stat().st_mtime).date().isoformat()
    card = Card(title_en=path.stem[:200], title_zh="", author="unknown", licence="unknown", trained_on="",
                provenance=f"read from {path.suffix.lower()} file", date=date)  # fmt: skip
    name = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")[:64] or "look"
    return Style(name.rstrip("-"), "look", {"lut": lut.table}, card)


def _read_cube_file(path: Path) -> Lut:
    try:
        if path.stat().st_size > MAX_CHARS:
            raise LutError(f"{path} is too large for a .cube file.")
        return read_cube(path.read_text(encoding="utf-8-sig", errors="replace"))
    except FileNotFoundError as error:
        raise LutError(f"There is no file {path}.") from error
    except OSError as error:
        raise LutError(f"{path} cannot be read ({error.strerror}).") from error
