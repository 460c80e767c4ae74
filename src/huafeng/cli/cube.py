"""`huafeng cube`: a look for other programs, and theirs as a style."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def cube(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A look: its name or title, or a .style, .cube or HaldCLUT file.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="X.cube|X.png|X.style",
            help="A .cube for Lightroom, Premiere or DaVinci; a .png for programs that take a HaldCLUT; a .style for Huafeng.",
            show_default=False,
        ),
    ],
    size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Nodes per axis, 2 to 129 (default 33; a .style keeps its own); for a HaldCLUT 4, 9, 16 ... 121 (default 64).",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
) -> None:
    """Write a look as .cube or HaldCLUT for other programs, or make a style of theirs.

    \b
    huafeng cube mylook -o mylook.cube
    huafeng cube film.cube -o film.style
    """
    from huafeng.cli.looks import check_kind, find_look, write_look
    from huafeng.files import check_output

    check_kind(out)
    check_output(out, force)
    _, style = find_look(name)
    write_look(style, out, size=size, force=force)
    if style.grade and out.suffix.lower() != ".style":
        typer.echo("The look's vignette, grain and local contrast stay behind: a colour table cannot hold them.", err=True)
    typer.echo(out)
