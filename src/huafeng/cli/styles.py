"""`huafeng styles`: what styles there are, what is known of one, a photo in all of them, and a page about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from huafeng.cli.report import console, facts

if TYPE_CHECKING:
    from rich.table import Table

    from huafeng.evaluation.figure import Figure
    from huafeng.library import Entry
    from huafeng.photo import Photo
    from huafeng.pixels import U8

KINDS = {
    "art": "art (texture, stroke, shape)",
    "look": "look (colour and tone)",
    "translator": "translator (a network of its own)",
    "filter": "filter (drawn by rule)",
    "enlarger": "enlarger (for --enlarge)",
}


def styles(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Show all that is known of this style.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON, for programs.")] = False,
    sheet: Annotated[
        Path | None,
        typer.Option(metavar="PHOTO", help="Write one picture with this photo in every style (or only in NAME)."),
    ] = None,
    html: Annotated[
        bool, typer.Option("--html", help="Write one page with all styles (or only NAME): pictures, origins, figures.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="Where --sheet or --html writes (default: PHOTO-styles.jpg, styles.html)."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Let --sheet or --html replace a file that exists.")] = False,
) -> None:
    """List the styles, or show one.

    \b
    huafeng styles
    huafeng styles monet
    huafeng styles --sheet holiday.jpg    writes holiday-styles.jpg
    huafeng styles --html                 writes styles.html
    """
    from huafeng.errors import OutputError
    from huafeng.library import Entry, Library

    if sheet is None and not html and (out is not None or force):
        raise OutputError("-o and --force belong to --sheet PHOTO or --html, and neither is given.")
    if (sheet is not None) + html + as_json > 1:
        raise OutputError("--sheet writes a picture, --html a page and --json text, not two at once: leave one of them out.")
    library = Library()
    if name is None:
        entries = list(library.entries())
    else:
        path = library.path_of(name)
        entries = [Entry(path.stem, path, library.get(name))]
    if sheet is not None:
        _write_sheet(entries, sheet, out or sheet.with_name(f"{sheet.stem}-styles.jpg"), force)
    elif html:
        from huafeng.gallery import write_gallery

        page = out or Path("styles.html")
        write_gallery(entries, page, force=force)
        typer.echo(page)
    elif as_json:
        found = [_facts(entry) for entry in entries]
        typer.echo(json.dumps(found if name is None else found[0], ensure_ascii=False, indent=2))
    elif name is None:
        _show_list(entries)
    else:
        _show_card(entries[0])


def _facts(entry: Entry) -> dict[str, Any]:
    """All that is known of a style, as JSON has it."""
    from huafeng.errors import StyleError

    facts: dict[str, Any] = {"name": entry.name, "path": str(entry.path)}
    if isinstance(entry.style, StyleError):
        return facts | {"error": str(entry.style)}
    return facts | {"kind": entry.style.kind, "bytes": entry.path.stat().st_size, **vars(entry.style.card)}


def _show_list(entries: list[Entry]) -> None:
    from rich.table import Table

    from huafeng.errors import StyleError

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("Name", "Kind", "Title", "", "Author", "Licence"):
        table.add_column(heading, overflow="fold")
    table.add_column("Size", justify="right", no_wrap=True)
    damaged = []
    for entry in entries:
        if isinstance(entry.style, StyleError):
            damaged.append(str(entry.style))
            continue
        card = entry.style.card
        size = _kilobytes(entry.path)
        table.add_row(entry.name, entry.style.kind, card.title_en, card.title_zh, card.author, card.licence, size)
    console().print(table if table.row_count else "There are no styles.")
    for problem in damaged:
        typer.echo(f"Not usable: {problem}", err=True)


def _show_card(entry: Entry) -> None:
    from huafeng.evaluation.card import figures_of
    from huafeng.style import Style

    assert isinstance(entry.style, Style)  # Library.get has read it
    card = entry.style.card
    least, most = card.safe_strength
    figures, others = figures_of(card.scores)
    rows = {
        "Name": entry.name,
        "Title": f"{card.title_en}  {card.title_zh}".strip(),
        "Kind": KINDS[entry.style.kind],
        "About": card.description,
        "Author": card.author,
        "Licence": card.licence,
        "Trained on": card.trained_on,
        "Provenance": card.provenance,
        "Date": card.date,
        "Safe strength": f"{least:g} to {most:g}",
        "Measured on": card.measured_on,
        "Scores": "\n".join(f"{name}: {value:g}" for name, value in others.items()),
        "Size": _kilobytes(entry.path),
        "File": str(entry.path),
    }
    console().print(facts(rows))
    if figures:
        console().print("\nFigures, with their 95 % interval and what plain photos and others in their place have:\n")
        console().print(_figures(figures))


def _figures(figures: tuple[Figure, ...]) -> Table:
    """A line a figure: title, value, interval, baselines."""
    from rich.table import Table

    from huafeng.evaluation.words import interval, number, random_was, title_of

    works = random_was(figures)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(overflow="fold")
    for _ in range(4):
        table.add_column(no_wrap=True)
    for figure in figures:
        photo = "" if figure.identity is None else f"photo {number(figure.identity)}"
        random = "" if figure.random is None else f"{works} {number(figure.random)}"
        table.add_row(title_of(figure.name), number(figure.value), interval(figure), photo, random)
    return table


def _kilobytes(path: Path) -> str:
    return f"{path.stat().st_size / 1000:,.1f} kB"


def _write_sheet(entries: list[Entry], source: Path, out: Path, force: bool) -> None:
    from huafeng.edit import Edit, StyleWeight
    from huafeng.errors import StyleError
    from huafeng.files import check_output
    from huafeng.photo import Photo
    from huafeng.photo_encode import format_of
    from huafeng.sheet import Cell, contact_sheet
    from huafeng.stylizer import Stylizer

    format_of(out)
    check_output(out, force)
    photo = Photo.from_array(_shrunk(Photo.open(source)))
    stylizer = Stylizer()
    cells = [Cell(photo.pixels, "Original", "原图")]
    for entry in entries:
        try:
            if isinstance(entry.style, StyleError):
                raise entry.style
            styled = stylizer.apply(photo, Edit((StyleWeight(str(entry.path)),)))
        except StyleError as error:  # one style that cannot be used is no reason to withhold the others
            typer.echo(f"Left out: {error}", err=True)
            continue
        card = entry.style.card
        cells.append(Cell(styled.pixels, card.title_en or entry.name, card.title_zh))
    Photo.from_array(contact_sheet(cells)).save(out, force=force)
    typer.echo(out)


def _shrunk(photo: Photo) -> U8:
    """The photo at twice the size that it has on the sheet, on white where it is transparent: uint8 [h, w, 3].

    Twice, so that strokes keep their shape and come out finer on the sheet.
    """
    import numpy as np

    from huafeng.pixels import blend, resize
    from huafeng.sheet import CELL_PX, cell_size

    pixels = photo.pixels
    if photo.alpha is not None:
        pixels = blend(np.full_like(pixels, 255), pixels, photo.alpha)
    return resize(pixels, *cell_size(pixels.shape[1], pixels.shape[0], 2 * CELL_PX))
