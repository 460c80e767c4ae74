"""The report: one self-contained HTML page of evaluations, and their table for the terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from markupsafe import Markup
from rich.table import Table
from rich.text import Text

from huafeng.errors import DataError
from huafeng.evaluation import plots
from huafeng.evaluation.figure import Figure, definition
from huafeng.evaluation.html import jpeg, render
from huafeng.evaluation.result import Evaluation, Example
from huafeng.evaluation.words import by_group, glossary_of, interval, number, place_of, random_was, title_of
from huafeng.files import check_output, write_whole

THUMBNAIL_PX = 320  # width
EXAMPLES_OF_A_KIND = 3  # that are shown of the best, the typical and the worst
_DIGEST = re.compile("[0-9a-f]{32,}")
_DIGEST_CHARS = 12


def write_report(evaluations: Sequence[Evaluation], path: Path, *, force: bool = False) -> None:
    """Write one or several evaluations, side by side, as an HTML page that loads nothing from elsewhere.

    Raises:
        DataError: there are no evaluations.
        OutputError: the file exists and `force` is not set, or it cannot be written.
    """
    if not evaluations:
        raise DataError("There is nothing to report: evaluate at least one style.")
    check_output(path, force)
    names = [figure.name for evaluation in evaluations for figure in evaluation.figures]
    comparable = len({evaluation.protocol for evaluation in evaluations}) == 1
    page = render(
        "report.html",
        evaluations=evaluations,
        colours=[plots.COLOURS[place % len(plots.COLOURS)] for place in range(len(evaluations))],
        day=date.today().isoformat(),
        comparable=comparable,
        groups=_groups(evaluations, mark=comparable),
        random_was=random_was,
        randoms=sorted({random_was(evaluation.figures) for evaluation in evaluations}, reverse=True),
        curve=_inline(plots.strength_curve(evaluations)),
        baselines=_inline(plots.against_baselines(evaluations)),
        inputs=[{role: shortened(value) for role, value in evaluation.inputs.items()} for evaluation in evaluations],
        pairs=[_pairs(evaluation.examples) for evaluation in evaluations],
        glossary=glossary_of(names),
    )
    write_whole(path, page, force=force)


def table(evaluations: Sequence[Evaluation]) -> Table:
    """The figures for the terminal: a row a figure, in the glossary's order; its baselines beside it."""
    found = Table(box=None, padding=(0, 2, 0, 0))
    found.add_column("Figure", overflow="fold")
    for evaluation in evaluations:
        found.add_column(Text(evaluation.subject), justify="right", overflow="fold")
        found.add_column(Text("photo"), justify="right")
        found.add_column(Text(random_was(evaluation.figures)), justify="right")
    for name in _rows(evaluations):
        cells: list[Text] = [Text(title_of(name))]
        for evaluation in evaluations:
            figure = evaluation.figure(name)
            if figure is None:
                cells += [Text("–"), Text(""), Text("")]
                continue
            cells.append(Text(f"{number(figure.value)} {interval(figure)}".strip()))
            cells += [Text("" if value is None else number(value)) for value in (figure.identity, figure.random)]
        found.add_row(*cells)
    return found


def best_of(figures: Sequence[Figure | None]) -> int | None:
    """Which of several subjects' figures of one name is the best, or None where that cannot be told.

    It can be told where all of them have intervals and the best one's overlaps with no other. Where the photo's own value is
    the aim, distances to it are compared.
    """
    if len(figures) < 2:
        return None
    ranges: list[tuple[float, float]] = []
    for figure in figures:
        badness = None if figure is None else _badness(figure)
        if badness is None:
            return None
        ranges.append(badness)
    best = min(range(len(ranges)), key=lambda place: ranges[place][1])
    others = (least for place, (least, _) in enumerate(ranges) if place != best)
    return best if all(ranges[best][1] < least for least in others) else None


def shortened(value: Any) -> str:
    """One of an evaluation's inputs as text, digests cut to twelve digits."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {shortened(entry)}" for key, entry in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(shortened, value))
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = str(value)
    return f"{text[:_DIGEST_CHARS]}…" if _DIGEST.fullmatch(text) else text


def _badness(figure: Figure) -> tuple[float, float] | None:
    """The figure's interval on a scale where less is better, or None where it has none."""
    if figure.interval is None:
        return None
    low, high = figure.interval
    match definition(figure.name).better:
        case "lower":
            return low, high
        case "higher":
            return -high, -low
    if figure.identity is None:
        return None
    away = abs(low - figure.identity), abs(high - figure.identity)
    return (0.0 if low <= figure.identity <= high else min(away)), max(away)


def _rows(evaluations: Sequence[Evaluation]) -> list[str]:
    """The full names of all figures that some evaluation has, in the glossary's order."""
    first = {figure.name: figure for evaluation in evaluations for figure in evaluation.figures}
    return sorted(first, key=place_of)


def _groups(evaluations: Sequence[Evaluation], *, mark: bool) -> list[tuple[str, list[dict[str, Any]]]]:
    """The groups' headings with a row a figure: its full name, one figure or None a subject, which one is best."""
    first = {figure.name: figure for evaluation in evaluations for figure in evaluation.figures}
    groups = []
    for heading, members in by_group(list(first.values())):
        rows = []
        for member in members:
            figures = [evaluation.figure(member.name) for evaluation in evaluations]
            rows.append({"name": member.name, "figures": figures, "best": best_of(figures) if mark else None})
        groups.append((heading, rows))
    return groups


def _inline(drawing: str | None) -> Markup | None:
    """A drawing of ours may stand in the page as it is."""
    return None if drawing is None else Markup(drawing)


def _pairs(examples: Sequence[Example]) -> dict[str, list[dict[str, Any]]]:
    """Photos beside their results, by what they stand for (see `_chosen`), each from most content kept to least."""
    ordered = sorted(examples, key=lambda example: -example.content_kept)
    return {
        heading: [
            {
                "name": example.name,
                "content_kept": example.content_kept,
                "photo": jpeg(example.photo, THUMBNAIL_PX),
                "result": jpeg(example.result, THUMBNAIL_PX),
            }
            for example in ordered[part]
        ]
        for heading, part in _chosen(len(ordered)).items()
    }


def _chosen(count: int) -> dict[str, slice]:
    """Which of so many pairs are shown, under which heading: as many of the worst as of the best."""
    if count < 3:
        return {"All examples": slice(count)} if count else {}
    each = min(EXAMPLES_OF_A_KIND, count // 3)
    middle = (count - each) // 2
    return {
        "Best: most content kept": slice(each),
        "Typical": slice(middle, middle + each),
        "Worst: least content kept": slice(count - each, count),
    }
