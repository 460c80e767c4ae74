"""A style's card and its figures: into the flat scores of the style's header, and back."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from huafeng.evaluation.figure import Figure, definition
from huafeng.evaluation.result import Evaluation
from huafeng.evaluation.words import place_of
from huafeng.pixels import U8
from huafeng.style import MAX_EXAMPLE_BYTES, Style

EXAMPLE_PX = 240  # long side
_SUFFIXES = (" low", " high", " identity", " random")


def scores_of(evaluation: Evaluation) -> dict[str, float]:
    """The figures as a card's scores: full name -> value, and behind the name " low", " high", " identity", " random"."""
    scores: dict[str, float] = {}
    for figure in evaluation.figures:
        low, high = figure.interval or (None, None)
        values = (figure.value, low, high, figure.identity, figure.random)
        found = zip(("", *_SUFFIXES), values, strict=True)
        scores |= {figure.name + suffix: float(value) for suffix, value in found if value is not None}
    return scores


def figures_of(scores: Mapping[str, float]) -> tuple[tuple[Figure, ...], dict[str, float]]:
    """A card's scores as figures in the glossary's order (without counts), and the scores that are none of them."""
    figures, others = [], dict(scores)
    for name in sorted(filter(_is_figure, scores), key=place_of):
        value = others.pop(name)
        low, high, identity, random = (others.pop(name + suffix, None) for suffix in _SUFFIXES)
        interval = None if low is None or high is None else (low, high)
        figures.append(Figure(name, value, interval, identity, random))
    return tuple(figures), others


def _is_figure(name: str) -> bool:
    """Whether a score is a figure's value: neither an end or baseline of one, nor something else."""
    try:
        definition(name)
    except KeyError:
        return False
    return not name.endswith(_SUFFIXES)


def with_card(style: Style, evaluation: Evaluation, examples: Sequence[bytes]) -> Style:
    """The style with the evaluation's figures, its safe strength where one was found, and examples (see `example_bytes`).

    Scores and examples that it had before are replaced: they may come from another protocol.

    Raises:
        StyleError: there are more than six examples, or one is too large.
    """
    strength = evaluation.safe_strength or style.card.safe_strength
    measured_on = ", ".join([evaluation.protocol, *_counts(evaluation.inputs)])
    card = replace(style.card, scores=scores_of(evaluation), safe_strength=strength, measured_on=measured_on)
    return replace(style, card=card, examples=tuple(examples))


def _counts(inputs: Mapping[str, Any]) -> Iterator[str]:
    """162 photos; 1 work."""
    for role in ("photo", "work"):
        found = inputs.get(f"{role}s")
        if isinstance(found, Mapping) and "count" in found:
            yield f"{found['count']:,} {role}{'s' * (found['count'] != 1)}"


def example_bytes(picture: U8) -> bytes:
    """A picture uint8 [H, W, 3] as a WebP of at most 240 px a side that a style may carry."""
    for side in (EXAMPLE_PX, EXAMPLE_PX * 2 // 3, EXAMPLE_PX // 3):
        image = Image.fromarray(np.ascontiguousarray(picture))
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        for quality in (82, 65, 45):
            buffer = io.BytesIO()
            image.save(buffer, "WEBP", quality=quality, method=6)
            if buffer.tell() <= MAX_EXAMPLE_BYTES:
                return buffer.getvalue()
    raise AssertionError("80 px, uncompressed, would fit")
