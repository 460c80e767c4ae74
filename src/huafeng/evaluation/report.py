"""The report: one self-contained HTML page of evaluations, and their table for the terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from markupsafe import Markup
from rich.cells import chop_cells
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from huafeng.errors import DataError
from huafeng.evaluation import plots
from huafeng.evaluation.comparison import alike, best_among, why_apart
from huafeng.evaluation.figure import Figure, definition
from huafeng.evaluation.html import jpeg, render
from huafeng.evaluation.result import Evaluation, Example
from huafeng.evaluation.words import by_group, glossary_of, interval, number, place_of, random_was, title_of, together
from huafeng.files import check_output, write_whole

THUMBNAIL_PX = 320  # width
EXAMPLES_OF_A_KIND = 3  # that are shown of the best, the typical and the worst
EXAMPLES_ALIKE = 12  # of a kind, over all subjects: pages stay below 4 MB
NAME_COLUMNS = 24  # of the terminal; longer names of subjects are folded
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
    page = render(
        "report.html",
        evaluations=evaluations,
        heading=together([evaluation.subject for evaluation in evaluations]),
        chips=[Markup(plots.chip(place)) for place in range(len(evaluations))],
        day=date.today().isoformat(),
        warnings=_told(evaluations, "warnings"),
        left_out=_told(evaluations, "left_out"),
        groups=_groups(evaluations),
        randoms=sorted({random_was(evaluation.figures) for evaluation in evaluations}, reverse=True),
        apart=len(alike(evaluations)) > 1,
        curve=_inline(plots.strength_curve(evaluations)),
        baselines=_inline(plots.against_baselines(evaluations)),
        inputs=[{role: shortened(value) for role, value in evaluation.inputs.items()} for evaluation in evaluations],
        pairs=[_pairs(evaluation.examples, EXAMPLES_ALIKE // len(evaluations)) for evaluation in evaluations],
        glossary=glossary_of(names),
    )
    write_whole(path, page, force=force)


@dataclass(frozen=True)
class Tables:
    """The figures for the terminal: a row a figure, in the glossary's order; its baselines beside it.

    As many subjects stand side by side as its width has room for, the others below, so that no number is broken.
    """

    evaluations: tuple[Evaluation, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rest = self.evaluations
        while rest:
            block = rest[:1]
            for count in range(2, len(rest) + 1):
                if console.measure(_table(rest[:count]), options=options.update(width=10_000)).maximum > options.max_width:
                    break
                block = rest[:count]
            yield _table(block)
            rest = rest[len(block) :]
            if rest:
                yield ""


def table(evaluations: Sequence[Evaluation]) -> Tables:
    """The figures, to be printed on a rich console."""
    return Tables(tuple(evaluations))


def _table(evaluations: Sequence[Evaluation]) -> Table:
    """These subjects side by side, however wide that is."""
    found = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    found.add_column("Figure", overflow="fold")
    rows: dict[str, list[Text]] = {name: [Text(title_of(name))] for name in _rows(evaluations)}
    for evaluation in evaluations:
        shown = {figure.name: f"{number(figure.value)} {interval(figure)}".strip() for figure in evaluation.figures}
        widest = max([NAME_COLUMNS, *map(len, shown.values())])
        found.add_column(Text("\n".join(chop_cells(evaluation.subject, widest))), justify="right", no_wrap=True)
        found.add_column(Text("photo"), justify="right", no_wrap=True)
        found.add_column(Text(random_was(evaluation.figures)), justify="right", no_wrap=True)
        for name, cells in rows.items():
            figure = evaluation.figure(name)
            baselines = (figure.identity, figure.random) if figure else (None, None)
            cells += [Text(shown.get(name, "–")), *(Text("" if value is None else number(value)) for value in baselines)]
    for cells in rows.values():
        found.add_row(*cells)
    return found


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


def _rows(evaluations: Sequence[Evaluation]) -> list[str]:
    """The full names of all figures that some evaluation has, in the glossary's order."""
    first = {figure.name: figure for evaluation in evaluations for figure in evaluation.figures}
    return sorted(first, key=place_of)


def _groups(evaluations: Sequence[Evaluation]) -> list[dict[str, Any]]:
    """The groups with a row a figure: one cell a subject or None, what they share, and which ones are best."""
    first = {figure.name: figure for evaluation in evaluations for figure in evaluation.figures}
    groups = []
    for heading, members in by_group(list(first.values())):
        group = definition(members[0].name).group
        sets = alike(evaluations, group)
        rows = []
        for member in members:
            figures = [evaluation.figure(member.name) for evaluation in evaluations]
            notes = [_notes(figure, random_was(evaluation.figures)) if figure else None
                     for figure, evaluation in zip(figures, evaluations, strict=True)]  # fmt: skip
            told = [those for those in notes if those is not None]
            shared = [note for note in told[0] if all(note in those for those in told)]
            own = [[note for note in those or () if note not in shared] for those in notes]
            best = best_among(figures, sets)
            rows.append({"name": member.name, "figures": figures, "shared": shared, "own": own, "best": best})
        groups.append({"heading": heading, "rows": rows, "apart": why_apart(evaluations, group)})
    return groups


def _notes(figure: Figure, works: str) -> list[tuple[str, str]]:
    """What stands below a figure: its baselines and on how many pictures it rests, each as (label, number)."""
    labelled = [("photo", figure.identity), (works, figure.random), ("n", figure.count or None)]
    return [(label, number(value)) for label, value in labelled if value is not None]


def _told(evaluations: Sequence[Evaluation], kind: str) -> list[tuple[str, list[str]]]:
    """Each sentence of that kind once, with the names of the subjects that it holds for; no names where it holds for all."""
    holds: dict[str, list[str]] = {}
    for evaluation in evaluations:
        for sentence in dict.fromkeys(getattr(evaluation, kind)):
            holds.setdefault(sentence, []).append(evaluation.subject)
    return [(sentence, names if len(names) < len(evaluations) else []) for sentence, names in holds.items()]


def _inline(drawing: str | None) -> Markup | None:
    """A drawing of ours may stand in the page as it is."""
    return None if drawing is None else Markup(drawing)


def _pairs(examples: Sequence[Example], most: int) -> dict[str, list[dict[str, Any]]]:
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
        for heading, part in _chosen(len(ordered), most).items()
    }


def _chosen(count: int, most: int) -> dict[str, slice]:
    """Which of so many pairs are shown, under which heading: as many of the worst as of the best, `most` or one at least."""
    if count < 3:
        return {"All examples": slice(count)} if count else {}
    each = max(1, min(EXAMPLES_OF_A_KIND, count // 3, most))
    middle = (count - each) // 2
    return {
        "Best: most content kept": slice(each),
        "Typical": slice(middle, middle + each),
        "Worst: least content kept": slice(count - each, count),
    }
