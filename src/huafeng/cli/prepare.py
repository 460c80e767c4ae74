"""`huafeng prepare`: pictures for training, small and in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def prepare(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of pictures; folders in it count as well.")],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="X.tar",
            help="Where to write; what is too large for one file becomes X-000.tar, X-001.tar, ...",
            show_default=False,
        ),
    ],
    short_side_px: Annotated[
        int, typer.Option(min=16, metavar="PX", help="Short side of the pictures; smaller ones stay as they are.")
    ] = 512,
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of the JPEGs.")] = 95,
    shard_mb: Annotated[int, typer.Option(min=1, metavar="MB", help="Size of one file at most.")] = 256,
    faces: Annotated[
        bool, typer.Option("--faces", help="Keep only the square around each photo's largest face, all cut alike.")
    ] = False,
    edges: Annotated[
        bool, typer.Option("--edges", help="Put each picture's edges to its left, as lines: pairs for the recipe pix2pix.")
    ] = False,
    ink: Annotated[
        bool, typer.Option("--ink", help="The same in ink: a line on the darker side of each edge, which tells more.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
) -> None:
    """Make pictures ready for training: upright, sRGB, small, in one file, which is read faster than a folder.

    \b
    huafeng prepare holidays -o holidays.tar
    huafeng prepare portraits --faces --short-side-px 128 -o faces.tar
    """
    if edges and ink:
        raise typer.BadParameter("--edges and --ink are two ways to draw: take one of them.")
    from huafeng.cli.progress import progress_bar
    from huafeng.training.pictures import listing
    from huafeng.training.prepare import prepare as make

    with progress_bar("Preparing") as progress:
        made = make(
            folder,
            out,
            short_side_px=short_side_px,
            quality=quality,
            shard_mb=shard_mb,
            faces=faces,
            edges="ink" if ink else "lines" if edges else None,
            force=force,
            progress=progress,
        )
    for file in made.files:
        typer.echo(file)
    size = sum(file.stat().st_size for file in made.files)
    typer.echo(f"{made.pictures:,} pictures, {size / 1e6:,.1f} MB.", err=True)
    if made.duplicates:
        typer.echo(f"Left out as exact duplicates: {listing(made.duplicates)}.", err=True)
    if made.faceless:
        typer.echo(f"Left out, as no face was found: {listing(made.faceless)}.", err=True)
    if made.unreadable:
        names = listing(list(made.unreadable))
        typer.echo(f"Left out, as they cannot be read: {names}; huafeng doctor says why.", err=True)
