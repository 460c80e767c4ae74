"""What the verbs that work on colour tables share: finding a look, and writing one as the kind of file that is asked for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from huafeng.style import Style

CUBE, HALD = ".cube", ".png"
CUBE_SIZE, HALD_LEVEL = 33, 8
MOST_EXACT_BYTES = 2**23  # of a table that a .style keeps beside the baked one


def find_look(name: str) -> tuple[Path, Style]:
    """The look of that name, title or path (.style, .cube, or a HaldCLUT as .png or .tif), and its file.

    Raises:
        LutError: it is an art, or a picture that is no HaldCLUT.
        StyleError, PhotoError: the file is not there or cannot be read.
    """
    from huafeng.errors import LutError
    from huafeng.library import Library
    from huafeng.lookfile import hald_in
    from huafeng.photo import READ

    library = Library()
    path = library.path_of(name)
    suffix = path.suffix.lower()
    if path.is_dir() or suffix in READ:  # the library would have the encoder read it
        found = None if path.is_dir() else hald_in(path)
        if found is None:
            raise LutError(
                f"{path} holds no colour table: give a look, a .cube, or a HaldCLUT (square PNG or TIFF of 8, 27 ... 4096 px)."
            )
        return path, found
    style = library.get(path)
    if style.kind != "look":
        raise LutError(
            f"The style {style.name!r} is art: it paints with strokes, which no colour table can hold. "
            "Only looks have a colour table."
        )
    return path, style


def check_kind(out: Path) -> None:
    """Raise LutError now if `write_look` would not know what to write at `out`."""
    from huafeng.errors import LutError
    from huafeng.style import SUFFIX

    if out.suffix.lower() not in (CUBE, HALD, SUFFIX):
        raise LutError(
            f"{out} does not say what to write: let its name end in .cube, in .png for a HaldCLUT, or in .style for Huafeng."
        )


def write_look(style: Style, out: Path, *, size: int | None = None, force: bool = False) -> None:
    """Write a look as .cube, HaldCLUT (.png) or .style, as its name ends.

    `size` is in nodes per axis; without it a .cube has 33, a HaldCLUT 64, and a .style what the look has.

    Raises:
        LutError: another name, or a size that the kind of file cannot have.
        OutputError: the file exists and `force` is not set, or it cannot be written.
    """
    from dataclasses import replace

    from huafeng.cube import write_cube, write_hald
    from huafeng.errors import LutError
    from huafeng.files import write_whole
    from huafeng.look import Lut
    from huafeng.photo import Photo
    from huafeng.style import EXACT, name_of

    check_kind(out)
    lut = Lut(style.tensors["lut"])
    if out.suffix.lower() == CUBE:
        text = write_cube(lut.resampled(CUBE_SIZE if size is None else size), title=style.card.title_en or style.name)
        write_whole(out, text.encode(), force=force)
    elif out.suffix.lower() == HALD:
        level = HALD_LEVEL if size is None else math.isqrt(max(0, size))
        if size is not None and level**2 != size:
            raise LutError(f"A HaldCLUT's size is a square (4, 9, 16 ... 121), not {size}.")
        Photo.from_array(write_hald(lut, level)).save(out, force=force)
    else:
        table = lut.resampled(lut.size if size is None else size).table
        exact = style.exact
        whole = exact is not None and size is None and exact.table.nbytes <= MOST_EXACT_BYTES
        kept = {name: tensor for name, tensor in style.tensors.items() if whole or name not in EXACT}
        replace(style, name=name_of(out), tensors={**kept, "lut": table}).save(out, force=force)
