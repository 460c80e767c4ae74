"""Plots of evaluations, as SVG to stand inside a page: text and axes take the page's own colour and font.

Names of subjects are not drawn, for they may be in any script: the page tells them beside `COLOURS`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from huafeng.evaluation.figure import Figure, definition
from huafeng.evaluation.result import Evaluation
from huafeng.evaluation.words import by_group, random_was, titles_of

COLOURS = ("#2f7fc1", "#d2622a", "#2a9d74", "#b5659b", "#b8860b", "#6f6ad0")  # seen on white as on black
MARKERS = "osD^vP"
CONTENT_FLOOR = 0.5  # content kept that is safe
CLIP = (-0.5, 1.5)  # how far beyond the baselines the scale of `against_baselines` reaches
_INK = "#010203"  # stands for the page's text colour
_NUMBERED_ID = re.compile(r' id="[\w.]+_\d+"')
_GROUPS = ("style", "content", "clean", "look")
_LEAST_SPAN = 1e-9  # between baselines that tell photos from works at all


def strength_curve(evaluations: Sequence[Evaluation]) -> str | None:
    """Style gap closed over content kept, strength by strength, with the straight line from photo to works; SVG.

    Filled points lie within the safe strength, hollow ones outside. None where no evaluation has a curve.
    """
    if not any(evaluation.curve for evaluation in evaluations):
        return None
    canvas, axes = _canvas(6.4, 4.2)
    axes.plot([1, 0], [0, 1], color=_INK, linewidth=1, linestyle=(0, (5, 4)), alpha=0.6)
    axes.axvspan(CONTENT_FLOOR, 1, color="#2a9d74", alpha=0.09, linewidth=0)
    for place, evaluation in enumerate(evaluations):
        colour, marker = _look(place)
        least, most = evaluation.safe_strength or (1.0, 0.0)
        x = [point.content_kept for point in evaluation.curve]
        y = [point.style_gap_closed for point in evaluation.curve]
        axes.plot(x, y, color=colour, linewidth=1.8)
        for point in evaluation.curve:
            face = colour if least <= point.strength <= most else "none"
            at = (point.content_kept, point.style_gap_closed)
            axes.plot(*at, marker, color=colour, markerfacecolor=face, markersize=6)
            axes.annotate(
                f"{point.strength:g}",
                at,
                (4, 6) if place % 2 else (6, -10),
                textcoords="offset points",
                ha="left",
                fontsize=8.5,
                color=_INK,
            )
    axes.invert_xaxis()
    axes.set_xlabel("Content kept (1 = the photo)")
    axes.set_ylabel("Style gap closed (1 = the works)")
    return _svg(canvas, "strength-curve")


def against_baselines(evaluations: Sequence[Evaluation]) -> str | None:
    """Each figure with its interval on a scale from its identity (0) to its random baseline (1); SVG.

    None where no figure has both baselines. What lies beyond `CLIP` is drawn as an arrow at the scale's end.
    """
    figures = {figure.name: figure for evaluation in evaluations for figure in evaluation.figures if _has_scale(figure)}
    names = [figure.name for _, members in by_group(list(figures.values())) for figure in members]
    if not names:
        return None
    titles, works = titles_of(names), random_was(list(figures.values()))
    canvas, axes = _canvas(7.2, 0.6 + 0.3 * len(names))
    for row, name in enumerate(names):
        rule = 0.5 if row and definition(name).group != definition(names[row - 1]).group else 0
        axes.axhline(row - 0.5, color=_INK, linewidth=rule, alpha=0.3)
    for at in (0, 1):
        axes.axvline(at, color=_INK, linewidth=1, alpha=0.6)
    spread = 0.5 / len(evaluations)
    for place, evaluation in enumerate(evaluations):
        colour, marker = _look(place)
        for row, name in enumerate(names):
            figure = evaluation.figure(name)
            if figure is None or not _has_scale(figure):
                continue
            y = row + (place - (len(evaluations) - 1) / 2) * spread
            if figure.interval:
                ends = [min(max(_scaled(figure, end), CLIP[0]), CLIP[1]) for end in figure.interval]
                axes.plot(ends, [y, y], color=colour, linewidth=2, solid_capstyle="butt")
            x = _scaled(figure, figure.value)
            beyond = "<" if x < CLIP[0] else ">" if x > CLIP[1] else ""
            axes.plot(min(max(x, CLIP[0]), CLIP[1]), y, beyond or marker, color=colour, markersize=6, clip_on=False)
    axes.set_xlim(*CLIP)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xticks([0, 1], ["plain photos", works])
    axes.set_yticks(range(len(names)), [titles[name] for name in names], parse_math=False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="both", length=0)
    return _svg(canvas, "against-baselines")


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


def _canvas(width: float, height: float) -> tuple[Canvas, Axes]:
    """A canvas of so many inches with one pair of bare axes."""
    canvas = Canvas(figsize=(width, height), layout="constrained")
    axes = canvas.add_subplot()
    axes.set_facecolor("none")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for spine in axes.spines.values():
        spine.set_color(_INK)
    axes.tick_params(colors=_INK, labelsize=9.5)
    axes.xaxis.label.set(color=_INK, fontsize=10)
    axes.yaxis.label.set(color=_INK, fontsize=10)
    return canvas, axes


def _svg(canvas: Canvas, salt: str) -> str:
    """The drawing alone, without XML's preamble; the same drawing gives the same text."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt, "font.family": "sans-serif"}):
        canvas.savefig(buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = buffer.getvalue()
    text = _NUMBERED_ID.sub("", text[text.index("<svg") :])  # two drawings in one page would share them
    return text.replace(_INK, "currentColor")
