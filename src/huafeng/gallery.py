"""A page of the library: what each style looks like, where it comes from, what was measured; one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huafeng.errors import OutputError, StyleError
from huafeng.evaluation.card import figures_of
from huafeng.evaluation.words import glossary_of, network_of, random_was, short_name, titles_of
from huafeng.files import check_output, write_whole
from huafeng.library import Entry
from huafeng.style import Style

MAIN = ("style-gap-closed", "content-kept", "recoloured-160", "grid")  # figures that are shown at once, the others on a click


def write_gallery(entries: Sequence[Entry], path: str | Path, *, force: bool = False) -> None:
    """Write a self-contained HTML page with a card for each style; damaged ones are named below them.

    Raises:
        OutputError: the file exists and `force` is not set, it cannot be written, or the extra `evaluate` is missing.
    """
    check_output(path, force)
    try:
        from huafeng.evaluation.html import render
    except ImportError as error:
        raise OutputError('A page needs the extra evaluate: pip install "huafeng[evaluate]".') from error
    styles = [_facts(entry.name, entry.path, entry.style) for entry in entries if isinstance(entry.style, Style)]
    damaged = [str(entry.style) for entry in entries if isinstance(entry.style, StyleError)]
    glossary = glossary_of(figure.name for style in styles for figure in style["figures"])
    page = render("gallery.html", styles=styles, damaged=damaged, glossary=glossary, measured=bool(glossary))
    write_whole(path, page, force=force)


def _facts(name: str, path: Path, style: Style) -> dict[str, Any]:
    """What the template shows of one style."""
    figures, others = figures_of(style.card.scores)
    names = [figure.name for figure in figures]
    main = [figure for figure in figures if short_name(figure.name) in MAIN] or list(figures)
    return {
        "name": name,
        "kind": style.kind,
        "title_en": style.card.title_en or name,
        "card": style.card,
        "thumbnail": style.thumbnail,
        "examples": style.examples,
        "figures": figures,
        "main": main,
        "rest": [figure for figure in figures if figure not in main],
        "titles": titles_of(names),
        "networks": sorted({network_of(name) for name in names} - {""}),
        "others": others,
        "random_was": random_was(figures),
        "kilobytes": f"{path.stat().st_size / 1000:,.1f}",
    }
