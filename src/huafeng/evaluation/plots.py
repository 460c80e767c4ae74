"""Plots of evaluations, as SVG to stand inside a page: text and axes take the page's own colour and font.

Subjects that cannot be compared have a panel each, for their scales are not the same.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from markupsafe import escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.markers import MarkerStyle
from matplotlib.transforms import Affine2D

from huafeng.evaluation.comparison import alike
from huafeng.evaluation.figure import Figure, definition
from huafeng.evaluation.result import Evaluation
from huafeng.evaluation.words import by_group, random_was, titles_of

# Seen on white as on black.
COLOURS = ("#2f7fc1", "#d2622a", "#2a9d74", "#b5659b", "#b8860b", "#6f6ad0", "#9a6b4f", "#1f93a3")
MARKERS = "osD^vPX"  # no multiple of the colours: 56 subjects are told apart
CONTENT_FLOOR = 0.5  # content kept that is safe
CLIP = (-0.5, 1.5)  # how far beyond the baselines the scale of `against_baselines` reaches
_INK = "#010203"  # stands for the page's text colour
_NUMBERED_ID = re.compile(r' id="[\w.]+_\d+"')
_GROUPS = ("style", "content", "clean", "look")
_LEAST_SPAN = 1e-9  # between baselines that tell photos from works at all
_PANELS_ABREAST = 7
_CURVES_ABREAST = 4
_TITLE_CHARS = 16
_SHRINK = 0.75  # of its size, to which a drawing may shrink before the page scrolls it


def chip(place: int) -> str:
    """The mark of the subject in that place, for texts beside the drawings; SVG."""
    colour, marker = _look(place)
    shape = MarkerStyle(marker)
    outline = shape.get_path().transformed(shape.get_transform() + Affine2D().scale(10, -10))  # SVG's y runs down
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in np.asarray(outline.to_polygons()[0]))
    return f'<svg class="chip" viewBox="-7 -7 14 14" aria-hidden="true"><polygon points="{points}" fill="{colour}"/></svg>'


def strength_curve(evaluations: Sequence[Evaluation]) -> str | None:
    """Style gap closed over content kept, strength by strength, with the straight line from photo to works; SVG.

    Filled points lie within the safe strength, hollow ones outside. None where no evaluation has a curve.
    """
    if not any(evaluation.curve for evaluation in evaluations):
        return None
    sets = [places for places in alike(evaluations) if any(evaluations[place].curve for place in places)]
    abreast = min(len(sets), _CURVES_ABREAST)
    canvas, panels = _canvas(len(sets), abreast, 6.4 if abreast == 1 else max(2.7, 7 / abreast), 4.2 if abreast == 1 else 2.6)
    for axes, places in zip(panels, sets, strict=True):
        axes.plot([1, 0], [0, 1], color=_INK, linewidth=1, linestyle=(0, (5, 4)), alpha=0.6)
        axes.axvspan(CONTENT_FLOOR, 1, color="#2a9d74", alpha=0.09, linewidth=0)
        for place in places:
            _draw_curve(axes, evaluations[place], place, below=place == places[0])
    panels[0].invert_xaxis()  # of all: they share it
    canvas.supxlabel("Content kept (1 = the photo)", color=_INK, fontsize=10)
    canvas.supylabel("Style gap closed (1 = the works)", color=_INK, fontsize=10)
    return _svg(canvas, "strength-curve", _titled(panels, evaluations, sets))


def against_baselines(evaluations: Sequence[Evaluation]) -> str | None:
    """Each figure with its interval on a scale from its identity (0) to its random baseline (1); SVG.

    None where no figure has both baselines. What lies beyond `CLIP` is drawn as an arrow at the scale's end.
    """
    figures = {figure.name: figure for evaluation in evaluations for figure in evaluation.figures if _has_scale(figure)}
    names = [figure.name for _, members in by_group(list(figures.values())) for figure in members]
    if not names:
        return None
    titles = titles_of(names)
    sets = [places for places in alike(evaluations) if any(map(_has_scale, _figures(evaluations, places)))]
    abreast = min(len(sets), _PANELS_ABREAST)
    row_inches = max(0.3, 0.08 * max(map(len, sets)))
    canvas, panels = _canvas(len(sets), abreast, max(1.35, 5.4 / abreast), 0.6 + row_inches * len(names), beside=1.8)
    for axes, places in zip(panels, sets, strict=True):
        for row, name in enumerate(names):
            rule = 0.5 if row and definition(name).group != definition(names[row - 1]).group else 0
            axes.axhline(row - 0.5, color=_INK, linewidth=rule, alpha=0.3)
        for at in (0, 1):
            axes.axvline(at, color=_INK, linewidth=1, alpha=0.6)
        for order, place in enumerate(places):
            for row, name in enumerate(names):
                figure = evaluations[place].figure(name)
                if figure is not None and _has_scale(figure):
                    _draw_figure(axes, figure, row + (order - (len(places) - 1) / 2) * 0.6 / len(places), place)
        works = random_was(_figures(evaluations, places))
        axes.set_xlim(*CLIP)
        axes.set_xticks([0, 1], ["plain\nphotos", works.replace(" ", "\n")])
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="both", length=0)
        axes.tick_params(axis="y", pad=8)  # clear of arrows
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    for axes in panels[::abreast]:
        axes.set_yticks(range(len(names)), [titles[name] for name in names], parse_math=False)
    return _svg(canvas, "against-baselines", _titled(panels, evaluations, sets))


def _draw_curve(axes: Axes, evaluation: Evaluation, place: int, *, below: bool) -> None:
    """A line through the points, each with its strength beside it, so that two curves' numbers keep out of each other's way."""
    colour, marker = _look(place)
    least, most = evaluation.safe_strength or (1.0, 0.0)
    axes.plot(
        [point.content_kept for point in evaluation.curve],
        [point.style_gap_closed for point in evaluation.curve],
        color=colour,
        linewidth=1.8,
    )
    for point in evaluation.curve:
        face = colour if least <= point.strength <= most else "none"
        at = (point.content_kept, point.style_gap_closed)
        axes.plot(*at, marker, color=colour, markerfacecolor=face, markersize=6)
        offset = (6, -10) if below else (4, 6)
        axes.annotate(f"{point.strength:g}", at, offset, textcoords="offset points", ha="left", fontsize=8.5, color=_INK)


def _draw_figure(axes: Axes, figure: Figure, y: float, place: int) -> None:
    """Its interval as a line, its value as a mark; an arrow at the scale's end for what lies beyond."""
    colour, marker = _look(place)
    if figure.interval:
        ends = [min(max(_scaled(figure, end), CLIP[0]), CLIP[1]) for end in figure.interval]
        axes.plot(ends, [y, y], color=colour, linewidth=2, solid_capstyle="butt")
    x = _scaled(figure, figure.value)
    beyond = "<" if x < CLIP[0] else ">" if x > CLIP[1] else ""
    axes.plot(min(max(x, CLIP[0]), CLIP[1]), y, beyond or marker, color=colour, markersize=6, clip_on=False)


def _figures(evaluations: Sequence[Evaluation], places: Sequence[int]) -> list[Figure]:
    return [figure for place in places for figure in evaluations[place].figures]


def _has_scale(figure: Figure) -> bool:
    """Whether its baselines lie apart, in a group where they are photos and works."""
    if figure.identity is None or figure.random is None or definition(figure.name).group not in _GROUPS:
        return False
    return abs(figure.random - figure.identity) > _LEAST_SPAN


def _scaled(figure: Figure, value: float) -> float:
    """0 = the identity's value, 1 = the random baseline's."""
    assert figure.identity is not None and figure.random is not None
    return (value - figure.identity) / (figure.random - figure.identity)


def _look(place: int) -> tuple[str, str]:
    return COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]


def _canvas(count: int, abreast: int, width: float, height: float, *, beside: float = 0) -> tuple[Canvas, list[Axes]]:
    """So many bare panels of so many inches each, that share their axes; `beside` is kept for what stands to their left."""
    deep = -(-count // abreast)
    canvas = Canvas(figsize=(beside + abreast * width, deep * (height + (0.25 if count > 1 else 0))), layout="constrained")
    grid = canvas.subplots(deep, abreast, sharex=True, sharey=True, squeeze=False)
    panels: list[Axes] = list(grid.flat)
    for axes in panels[count:]:
        axes.remove()
    for axes in panels[:count]:
        axes.set_facecolor("none")
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        for spine in axes.spines.values():
            spine.set_color(_INK)
        axes.tick_params(colors=_INK, labelsize=9.5, labelbottom=True)
    return canvas, panels[:count]


def _titled(panels: Sequence[Axes], evaluations: Sequence[Evaluation], sets: Sequence[Sequence[int]]) -> dict[str, str]:
    """Title the panels with stand-ins, where there are several; stand-in -> the names of the panel's subjects.

    The names may be in any script, for which no font is here: the browser has them, and it shows them.
    """
    names: dict[str, str] = {}
    if len(panels) < 2:
        return names
    for axes, places in zip(panels, sets, strict=True):
        stand_in = f"panel-{places[0]}-title"
        text = ", ".join(evaluations[place].subject for place in places)
        names[stand_in] = text if len(text) <= _TITLE_CHARS else f"{text[: _TITLE_CHARS - 1]}…"
        axes.set_title(stand_in, loc="left", fontsize=9.5, color=_look(places[0])[0] if len(places) == 1 else _INK)
    return names


def _svg(canvas: Canvas, salt: str, names: dict[str, str]) -> str:
    """The drawing alone, without XML's preamble; the same drawing gives the same text."""
    buffer = io.StringIO()
    facts: dict[str, Any] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt, "font.family": "sans-serif"}):
        canvas.savefig(buffer, format="svg", transparent=True, metadata=facts)
    text = buffer.getvalue()
    text = _NUMBERED_ID.sub("", text[text.index("<svg") :])  # two drawings in one page would share them
    text = text.replace("<svg", f'<svg style="min-width: {72 * _SHRINK * canvas.get_figwidth():.0f}pt"', 1)
    for stand_in, name in names.items():
        text = text.replace(f">{stand_in}<", f">{escape(name)}<")
    return text.replace(_INK, "currentColor")
