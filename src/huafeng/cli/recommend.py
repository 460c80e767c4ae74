"""`huafeng recommend`: which styles to take for a photo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def recommend(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="The photo to be styled.", show_default=False)],
    like: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Pictures that you like: styles that come closest to them are first."),
    ] = None,
    top: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the best N (default 10).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All of them as JSON with figures, for programs.")] = False,
) -> None:
    """Rank the styles for a photo, with the reason for each.

    \b
    huafeng recommend holiday.jpg
    huafeng recommend holiday.jpg --like favourites --top 3
    """
    import json

    from huafeng.cli.report import console
    from huafeng.photo import Photo
    from huafeng.recommend import recommend as ranked

    advice = ranked(Photo.open(photo), like=like, told=lambda text: typer.echo(text, err=True))
    if as_json:
        facts = [
            {"name": a.name, "kind": a.kind, "path": str(a.path), "distance": round(a.distance, 4), "reason": a.reason}
            | {"figures": {name: round(value, 4) for name, value in a.figures.items()}}
            for a in advice[:top]
        ]
        typer.echo(json.dumps(facts, ensure_ascii=False, indent=2))
        return
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("", justify="right")
    for heading in ("Name", "Kind", "Why"):
        table.add_column(heading, overflow="fold")
    for place, a in enumerate(advice[: top or 10], 1):
        table.add_row(str(place), a.name, a.kind, a.reason)
    console().print(table)
