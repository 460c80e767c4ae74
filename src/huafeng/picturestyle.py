"""Any picture as a style, at once: the base generator's encoder reads a code off it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from huafeng.errors import PhotoError, StyleError
from huafeng.photo import Photo, pictures_in_folder
from huafeng.pixels import U8
from huafeng.style import Card, Style, name_of, title_of

MOST_PICTURES = 200  # of a folder; more would take minutes and change nothing


def read_pictures(path: Path, base: Path) -> Style:
    """The style of a picture, or of all pictures in a folder together, as the encoder of this base generator sees it.

    Raises:
        StyleError: the folder holds no picture, or the base generator has no encoder.
        PhotoError: the picture cannot be read.
    """
    from huafeng.art import QUIET, Generator  # looks need no onnxruntime

    files = pictures_in(path)
    generator = Generator.open(base)
    quiet = np.array([QUIET], np.float32)
    code = generator.code_of(_pixels(files, told=not path.is_dir()), quiet)
    date = datetime.datetime.fromtimestamp(path.stat().st_mtime).date().isoformat()
    card = Card(title_en=title_of(path), title_zh="", author="unknown", licence="unknown",
                trained_on=f"read off {len(files)} picture{'s' if len(files) > 1 else ''} by the style encoder",
                provenance="unknown", date=date, base_sha256=generator.sha256)  # fmt: skip
    return Style(name_of(path), "art", {"code": code, "quiet": quiet}, card)


def pictures_in(path: Path) -> list[Path]:
    """The picture files in a folder, evenly chosen where they are very many; or the file itself.

    Raises:
        StyleError: there are none, or the folder cannot be read.
    """
    if not path.is_dir():
        return [path]
    try:
        found = pictures_in_folder(path)
    except OSError as error:
        raise StyleError(f"The folder {path} cannot be read ({error.strerror}).") from error
    if not found:
        raise StyleError(f"The folder {path} has no pictures in it to take a style from.")
    return found[:: -(-len(found) // MOST_PICTURES)]


def _pixels(files: list[Path], *, told: bool) -> Iterator[U8]:
    """Their pixels, one at a time; a damaged one among many is passed over, unless `told`."""
    for file in files:
        try:
            yield Photo.open(file).pixels
        except PhotoError:
            if told:
                raise
