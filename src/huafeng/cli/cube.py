"""`huafeng cube`: a look for other programs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer


def cube(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A look: its name, title, or .style file.")],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="X.cube|X.png",
            help="A .cube for Lightroom, Premiere or DaVinci; a .png for programs that take a HaldCLUT.",
            show_default=False,
        ),
    ],
    size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Nodes per axis, 2 to 129 (default 33); for a HaldCLUT a square, 4 to 121 (default 64).",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
) -> None:
    """Write a look as .cube or HaldCLUT for other programs.

    \b
    huafeng cube mylook -o mylook.cube
    """
    from huafeng.cube import write_cube, write_hald
    from huafeng.errors import LutError
    from huafeng.files import check_output, write_whole
    from huafeng.library import Library
    from huafeng.look import Lut
    from huafeng.photo import Photo

    kind = out.suffix.lower()
    if kind not in (".cube", ".png"):
        raise LutError(f"{out} does not say what to write: let its name end in .cube, or in .png for a HaldCLUT.")
    check_output(out, force)
    style = Library().get(name)
    if style.kind != "look":
        raise LutError(
            f"The style {style.name!r} is art: it paints with strokes, which no colour table can hold. "
            "Only looks can be written as .cube."
        )
    lut = Lut(style.tensors["lut"])
    if kind == ".cube":
        text = write_cube(lut.resampled(33 if size is None else size), title=style.card.title_en or style.name)
        write_whole(out, text.encode(), force=force)
        typer.echo(out)
        return
    level = 8 if size is None else math.isqrt(max(0, size))
    if size is not None and level**2 != size:
        raise LutError(f"A HaldCLUT's size is a square (4, 9, 16 ... 121), not {size}.")
    Photo.from_array(write_hald(lut, level)).save(out, force=force)
    typer.echo(out)
