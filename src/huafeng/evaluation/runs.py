"""A training run as a subject of evaluation: its styles, its discriminator, its calm. Its data need not be there."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from huafeng.art import RIM, frame
from huafeng.errors import DataError, StyleError, StyleNotFound, TrainingError
from huafeng.pixels import F32, U8
from huafeng.style import SUFFIX, Style
from huafeng.training import checkpoint
from huafeng.training.data import to_batch
from huafeng.training.network import Discriminator
from huafeng.training.painting import Painter
from huafeng.training.recipefile import resolve
from huafeng.training.recipes import RECIPES
from huafeng.training.recipes.art import ArtOptions
from huafeng.training.recipes.painting import PaintingOptions, export_painter
from huafeng.training.run import BEST, STATS, read_options
from huafeng.training.train import STYLES

LEAST_ROWS = 5  # of stats.jsonl for a spread


@dataclass(frozen=True)
class Run:
    """A run at its newest checkpoint, or at its best one if it was stopped early.

    Args:
        folder: the run folder.
        options: as resolved when the run was begun.
        step: steps done.
        painter: generator and codes, averaged weights (EMA).
        discriminator: None where there is none to ask; then `reason` says why, in one sentence.
        judged: the styles that the discriminator has learned to judge.
        reason: why there is no discriminator; "" where there is one.
    """

    folder: Path
    options: PaintingOptions
    step: int
    painter: Painter
    discriminator: Discriminator | None
    judged: tuple[str, ...]
    reason: str

    @property
    def styles(self) -> list[str]:
        """The styles' names; their order is that of the codes and of the discriminator's embedding."""
        return list(self.options.cards())

    def number(self, style: str) -> int:
        """The style's place among the codes and in the discriminator's embedding.

        Raises:
            StyleNotFound: the run has no such style; the nearest name is told.
        """
        if style in self.styles:
            return self.styles.index(style)
        near = difflib.get_close_matches(style, self.styles, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(self.styles)}."
        raise StyleNotFound(f"The run {self.folder} has no style {style!r}: {hint}")

    @torch.no_grad()
    def paint(self, style: str, photo: U8) -> U8:
        """A photo uint8 [H, W, 3] in the style, by the trained network at the photo's own size: uint8 [H, W, 3].

        Raises:
            StyleNotFound: the run has no such style.
        """
        height, width = photo.shape[:2]
        framed = to_batch([frame(photo)])  # [1, 3, H', W'], with the rim that the runtime, too, paints around
        made = self.painter(framed, torch.tensor([self.number(style)]))[0, :, RIM : RIM + height, RIM : RIM + width]
        return (made * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()

    def export(self, folder: Path) -> list[Path]:
        """The run's style files in the order of `styles`: those in the run folder if they hold these weights, else new
        ones in `folder`, beside the base generator that they need.

        Raises:
            OutputError: `folder` cannot be written.
        """
        exported = [self.folder / STYLES / f"{name}{SUFFIX}" for name in self.styles]
        codes = [art["code"].numpy() for art in self.painter.arts(self.styles).values()]
        if all(_holds(path, code) for path, code in zip(exported, codes, strict=True)):
            return exported
        return [path for path in export_painter(self.painter, self.options, folder) if path.suffix == SUFFIX]

    def stability(self) -> float | None:
        """Standard deviation over mean of the validation objective over the last tenth of the steps (`loss-spread`).

        A run without early stopping has no validation figures: content + style of the training steps stand in. None where
        fewer than 5 lines tell it.
        """
        rows = _rows(self.folder / STATS)
        for names in (("validation_objective",), ("content", "style")):
            there = [row for row in rows if all(name in row for name in names)]
            last = [sum(row[name] for name in names) for row in there if row["step"] > 0.9 * there[-1]["step"]]
            if len(last) >= LEAST_ROWS:
                return float(np.std(last, ddof=1) / np.mean(last))
        return None


def open_run(path: Path, tell: Callable[[str], None] = print) -> Run:
    """Read a run folder. One that is still being trained is read as it stands: checkpoints appear whole.

    Args:
        path: the run folder.
        tell: takes a sentence for each damaged checkpoint that is passed over.

    Raises:
        TrainingError: it is no run folder, or has no checkpoint that can be used.
        DataError: it is a run of a recipe that is not known here.
    """
    values = read_options(path)["options"]
    options = _options(path, values)
    kept = path / BEST if checkpoint.listed(path / BEST) else path  # early stopping has chosen it
    if not checkpoint.listed(kept):
        raise TrainingError(f"{path} has no checkpoint yet: wait until its training has written one.")
    state = checkpoint.newest(kept, tell)
    try:
        step = int(state["progress"]["step"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise TrainingError(f"The checkpoint in {kept} is damaged: it does not tell its step.") from error
    judged, reason = _judged(path, options, state, step)
    painter = options.painter()
    discriminator = None if reason else Discriminator(len(options.cards()), spectral_norm=options.adversarial.spectral_norm)
    try:
        averaged = state["parts"]["average"]
        painter.load_state_dict({name.removeprefix("module."): weight for name, weight in averaged.items()})
        if discriminator is not None:
            discriminator.load_state_dict(state["parts"]["discriminator"])
            discriminator.eval().requires_grad_(False)  # in training its spectral norms would go on moving
    except (KeyError, RuntimeError, TypeError, AttributeError, ValueError) as error:
        raise TrainingError(f"The checkpoint in {kept} does not fit the options in {path}: they belong to two runs.") from error
    return Run(path, options, step, painter.eval().requires_grad_(False), discriminator, judged, reason)


def _options(path: Path, values: dict[str, Any]) -> PaintingOptions:
    known = [name for name, kind in RECIPES.items() if issubclass(kind.options, PaintingOptions)]
    if values["recipe"] not in known:
        instead = (
            "evaluate pictures that huafeng generate makes of it"
            if values["recipe"] == "gan"
            else f"give its file in {path / STYLES}"
        )
        raise DataError(
            f"{path} is a run of the recipe {values['recipe']!r}, and known here are runs of {' and '.join(known)}: {instead}."
        )
    options = resolve(values)
    assert isinstance(options, PaintingOptions)
    return options


def _judged(path: Path, options: PaintingOptions, state: dict[str, Any], step: int) -> tuple[tuple[str, ...], str]:
    """The styles on which the discriminator has learned, and why there are none."""
    judged = tuple(options.cards())
    if isinstance(options, ArtOptions):
        judged = tuple(name for name in judged if options.styles[name].collection and options.styles_per_step.get(name, 1.0))
    if not options.adversarial.weight:
        return (), f"The run {path} was trained without a discriminator (adversarial.weight: 0)."
    if not judged:
        return (), f"The run {path} has no discriminator: it judges collections, and none of the styles is one."
    if not state["parts"]["discriminator_optimizer"]["state"]:
        since = f"{options.adversarial.since:.0%} of the training"
        return (
            (),
            f"The discriminator of {path} has not learned yet: it begins after {since}, and step {step:,} is before that.",
        )
    return judged, ""


def _holds(path: Path, code: F32) -> bool:
    """Whether a style file is of these weights: the averaged codes move with every step."""
    try:
        style = Style.load(path)
    except StyleError:
        return False
    base = path.parent / f"base-{(style.card.base_sha256 or '')[:8]}.safetensors"
    return base.is_file() and np.array_equal(style.tensors["code"], code)


def _rows(path: Path) -> list[dict[str, float]]:
    """The lines of stats.jsonl; a run that is being written may end in half a line."""
    rows = []
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict) and _is_number(row.get("step")):
            rows.append({name: value for name, value in row.items() if _is_number(value)})
    return rows


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63  # NaN fails as well
