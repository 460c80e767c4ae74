"""Looks that other programs wrote, as styles: a .cube file or a HaldCLUT picture."""

from __future__ import annotations

import datetime
import re
import unicodedata
from pathlib import Path

from huafeng.cube import MAX_CHARS, read_cube, read_hald
from huafeng.errors import LutError
from huafeng.photo import Photo
from huafeng.style import Card, Style

SUFFIXES = (".cube", ".png", ".tif", ".tiff")


def read_look(path: Path) -> Style:
    """The look in a .cube file, or in a HaldCLUT saved as PNG or TIFF; its name is the file's, as far as a name may hold it.

    Raises:
        LutError: the file cannot be read, or holds no colour table.
        PhotoError: the picture cannot be read.
    """
    try:
        lut = read_cube(_text(path)) if path.suffix.lower() == ".cube" else read_hald(Photo.open(path).pixels)
    except LutError as error:
        raise LutError(f"{path}: {error}") from error
    date = datetime.datetime.fromtimestamp(path.stat().st_mtime).date().isoformat()
    title = re.sub("[\x00-\x1f\x7f-\x9f\ud800-\udfff]", "?", path.stem)  # a card takes no controls and no broken Unicode
    card = Card(title_en=title, title_zh="", author="unknown", licence="unknown", trained_on="",
                provenance=f"read from {path.suffix.lower()} file", date=date)  # fmt: skip
    plain = unicodedata.normalize("NFKC", path.stem).lower()
    words = "".join(letter if letter.isalnum() else " " for letter in plain).split()
    name = "-".join(words)[:64].rstrip("-") or "look"
    return Style(name, "look", {"lut": lut.table}, card)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_CHARS:
            raise LutError("The file is too large for a .cube file.")
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise LutError(f"The file cannot be read ({error.strerror}).") from error
