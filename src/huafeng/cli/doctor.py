"""`huafeng doctor`: what a folder of pictures is like, and what can be learned from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from huafeng.training.doctor import Findings


def doctor(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of pictures, or what huafeng prepare wrote.")],
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON, for programs.")] = False,
) -> None:
    """Look through a folder of pictures: what is in it, what to mend, and which recipe it can carry.

    \b
    huafeng doctor holidays
    """
    from dataclasses import asdict

    from rich.table import Table

    from huafeng.cli.progress import progress_bar
    from huafeng.cli.report import console
    from huafeng.training.doctor import examine

    with progress_bar("Examining") as progress:
        facts = examine(folder, progress)
    if as_json:
        typer.echo(json.dumps(asdict(facts), indent=2))
        return
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for row in _rows(facts):
        table.add_row(*row)
    console().print(table)


def _rows(facts: Findings) -> Iterator[tuple[str, str]]:
    """What is there, what is odd (only where there is some), estimates, advice."""
    from huafeng.training.doctor import PREPARED_PX, READ_PX, SMALL_PX, TRAINED_PER_S, WORK_MB
    from huafeng.training.pictures import listing

    yield "Pictures", f"{facts.readable:,} of {facts.files:,} can be read, {facts.megabytes:,.1f} MB"
    yield "Formats", ", ".join(f"{kind} {count:,}" for kind, count in facts.formats.items()) or "none"
    if facts.short_side_px:
        yield "Short side", "{min:,} to {max:,} px, median {median:,} px".format(**facts.short_side_px)
    for i, (name, why) in enumerate(facts.unreadable.items()):
        if i == 10:
            yield "", f"and {len(facts.unreadable) - i:,} more (all of them: --json)"
            break
        yield "" if i else "Cannot be read", why if name in why else f"{name}: {why}"
    for label, sign, groups in (
        ("Exact duplicates", " = ", facts.exact_duplicates),
        ("Near duplicates", " ~ ", facts.near_duplicates),
    ):
        if groups:
            yield label, f"{sum(map(len, groups)):,}: {listing([sign.join(group) for group in groups])}"
    odd = {
        "Grey": facts.grey,
        "Transparent": facts.transparent,
        "Turned by EXIF": facts.turned,
        f"Below {SMALL_PX} px": facts.small,
    }
    for label, names in odd.items():
        if names:
            yield label, f"{len(names):,}: {listing(names)}"
    if facts.others:
        yield "Other files", ", ".join(f"{suffix} {count:,}" for suffix, count in facts.others.items())
    if facts.readable:
        times = ", ".join(f"{name} {minutes:,} min" for name, minutes in facts.training_minutes.items())
        yield "Training", f"about {times} on two cores at {TRAINED_PER_S:g} images/s; more cores or a GPU take less"
        works = f"art takes {WORK_MB} MB more for each work"
        yield "Memory", f"about {facts.memory_mb:,} MB in training on these photos, at a short side of {READ_PX} px; {works}"
        yield "Preparing", f"about {facts.prepare_s:g} s for {facts.prepare_mb:,} MB at a short side of {PREPARED_PX} px"
    for i, sentence in enumerate(facts.advice):
        yield "" if i else "Advice", sentence
