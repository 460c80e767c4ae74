"""The recipe `art`: one generator that paints in many styles, and their codes, learned together.

    min over G, codes:  content + style + smoothness + w E[fool(D(G(x, s), s))]        min over D:  E[adversarial loss]

The style loss asks for the Gram matrices (Gatys et al., CVPR 2016) of those works whose colours are nearest to the photo's.
The discriminator is conditional (projection, Miyato & Koyama, ICLR 2018) and compares results with works of collections;
a single work is too little for it. docs/recipes/art.md has the formulas.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from huafeng.pixels import U8
from huafeng.training.adversary import Shown
from huafeng.training.data import to_batch
from huafeng.training.options import Between
from huafeng.training.painting import Target, painting_losses, window
from huafeng.training.pictures import open_pictures
from huafeng.training.randomness import numbers
from huafeng.training.recipe import Clock, Machine, Report
from huafeng.training.recipes.painting import CardOptions, PaintingOptions, PaintingRecipe


@dataclass(frozen=True)
class WorksOptions:
    """A style: its works and its card."""

    works: Path
    """Folder of works, or one picture."""
    card: CardOptions
    """What the style file says about itself."""
    short_side_px: Annotated[int, Between(32)] = 512
    """Size to which works are shrunk: the larger, the larger the strokes."""
    trim: Annotated[float, Between(0, 0.4)] = 0.0
    """Share of the sides that is cut off all around: frames, paper margins."""
    tint: Annotated[tuple[float, float, float], Between(0, 1)] | None = None
    """Take luminance only and give white this colour: for scans with colour casts."""
    collection: bool = False
    """Many works of one manner: the discriminator compares with them, too."""


@dataclass(frozen=True, kw_only=True)
class ArtOptions(PaintingOptions):
    """Many styles, one generator."""

    recipe: Literal["art"] = "art"
    """Which recipe this file configures."""
    styles: dict[str, WorksOptions]
    """The styles by name."""
    nearest_works: Annotated[int, Between(1)] = 5
    """How many works, those with the colours nearest to the photo's, a result is asked to be like."""
    styles_per_step: dict[str, Annotated[float, Between(0)]] = field(default_factory=dict)
    """How often a style is drawn, relative to 1 for the others."""

    def problems(self) -> Iterator[str]:
        """Faults that no single field can tell."""
        yield from super().problems()
        if not self.styles:
            yield "styles is empty: name at least one"
        elif not any(self.styles_per_step.get(name, 1.0) for name in self.styles):
            yield "styles_per_step is 0 for all styles"
        for name in self.styles_per_step:
            if name not in self.styles:
                yield f"styles_per_step names {name!r}, which is not among the styles"

    def cards(self) -> dict[str, CardOptions]:
        """The styles' cards."""
        return {name: spec.card for name, spec in self.styles.items()}


class Art(PaintingRecipe):
    """See the module."""

    options: ArtOptions

    def __init__(self, options: ArtOptions, machine: Machine) -> None:
        super().__init__(options, machine)
        self.works = []
        for name, spec in options.styles.items():
            pictures, fingerprint = load_works(options.data / spec.works, spec, machine.tell)
            self.data[name] = fingerprint
            shown = tqdm(pictures, desc=name, leave=False, disable=None if machine.processes.first else True)
            self.works.append(Works(pictures, self.target_of(shown), options.nearest_works))
        self.collections = torch.tensor([spec.collection for spec in options.styles.values()])
        self.frequencies = torch.tensor([options.styles_per_step.get(name, 1.0) for name in options.styles])
        self.targets = [works.target(range(len(works.pictures))) for works in self.works]

    def step(self, clock: Clock) -> Report:
        """One step of the generator, then one of the discriminator."""
        styles = torch.multinomial(self.frequencies, clock.batch, replacement=True, generator=clock.numbers("styles"))
        judged = self.collections[styles] & self.adversary.plays(clock)
        mine = clock.mine
        style, rows = styles[mine], torch.arange(clock.batch)[mine][judged[mine]]
        local = rows - mine.start

        # Generator phase: min content + style + smoothness + w fool(D(G(x, s), s))
        photo = self.photo_batch(clock)
        with self.machine.autocast():
            made = self.seen_through(photo, style.to(photo.device))
        made, photo = window(clock, made, photo)
        chosen = [self.works[s].nearest(p) for s, p in zip(style.tolist(), photo, strict=True)]
        target = stacked([self.works[s].target(c) for s, c in zip(style.tolist(), chosen, strict=True)])
        losses = painting_losses(self.options.losses, self.features, self.machine, made, photo, target)
        shown = None
        if judged.any():
            real = [self.work_crop(clock, int(row), int(styles[row]), chosen[i]) for row, i in zip(rows, local, strict=True)]
            pictures = self.machine.batch(to_batch(real)) if real else made[:0].detach()
            condition = (style[local].to(made.device),)
            shown = Shown(pictures, made[local], condition, rows, int(judged.sum()))
        return self.learn(clock, losses, shown)

    def work_crop(self, clock: Clock, row: int, style: int, near: Sequence[int]) -> U8:
        """A random crop of the step's size out of one of the works `near`, mirrored half the time."""
        draw = numbers(clock.seed, "works", clock.images + row)
        picture, side = self.works[style].pictures[near[int(draw.integers(len(near)))]], clock.crop_px
        h, w = picture.shape[:2]
        if min(h, w) < side:
            scale = side / min(h, w)
            picture = np.asarray(Image.fromarray(picture).resize((math.ceil(w * scale), math.ceil(h * scale))))
            h, w = picture.shape[:2]
        y, x = int(draw.integers(h - side + 1)), int(draw.integers(w - side + 1))
        crop = picture[y : y + side, x : x + side]
        return crop[:, ::-1].copy() if draw.random() < 0.5 else crop


class Works:
    """One style's works, and what they ask for.

    One mean over a whole collection would ask every picture for every colour that the painter ever used, in blotches.
    """

    def __init__(self, pictures: list[U8], targets: list[Target], nearest: int) -> None:
        self.pictures, self.count = pictures, min(nearest, len(pictures))
        half = Target(
            {k: torch.cat([t.grams[k].to(torch.bfloat16) for t in targets]) for k in targets[0].grams},
            {k: torch.cat([t.statistics[k] for t in targets]) for k in targets[0].statistics},
        )
        self.all = half
        self.palettes = torch.cat([palette(to_batch([picture])) for picture in pictures])

    def nearest(self, photo: Tensor) -> list[int]:
        """Photo [3, H, W] -> numbers of the works with the nearest colours, nearest first."""
        distance = (self.palettes - palette(photo[None]).cpu()).square().sum(1)
        return distance.topk(self.count, largest=False).indices.tolist()

    def target(self, chosen: Sequence[int]) -> Target:
        """Means over the chosen works; a batch of one."""
        rows = list(chosen)
        return Target(
            {k: grams[rows].float().mean(0, keepdim=True) for k, grams in self.all.grams.items()},
            {k: statistics[rows].mean(0, keepdim=True) for k, statistics in self.all.statistics.items()},
        )


def stacked(targets: Sequence[Target]) -> Target:
    """Targets of one row each -> one of many rows."""
    return Target(
        {k: torch.cat([t.grams[k] for t in targets]) for k in targets[0].grams},
        {k: torch.cat([t.statistics[k] for t in targets]) for k in targets[0].statistics},
    )


def palette(pictures: Tensor, levels: int = 4) -> Tensor:
    """[B, 3, H, W] in 0..1 -> square roots of a colour histogram [B, levels^3]: their distance is Hellinger's."""
    small = F.adaptive_avg_pool2d(pictures.float(), 48).clamp(0, 0.999)
    bins = (small * levels).long()
    index = (bins[:, 0] * levels + bins[:, 1]) * levels + bins[:, 2]  # [B, 48, 48]
    return F.one_hot(index.flatten(1), levels**3).float().mean(1).sqrt()


def load_works(where: Path, spec: WorksOptions, tell: Callable[[str], None]) -> tuple[list[U8], str]:
    """A style's works as the recipe says (size, trimmed rims, tone), and the set's fingerprint."""
    found = open_pictures(where, tell)
    pictures = []
    for i in range(len(found)):
        picture = found.read(i, spec.short_side_px)
        dy, dx = round(picture.shape[0] * spec.trim), round(picture.shape[1] * spec.trim)
        picture = picture[dy : picture.shape[0] - dy, dx : picture.shape[1] - dx]
        pictures.append(ink_tone(picture, spec.tint) if spec.tint else picture)
    return pictures, found.fingerprint


def ink_tone(picture: U8, tint: tuple[float, float, float]) -> U8:
    """Luminance only, paper stretched to near white, then tinted: takes the colour casts of slide scans away."""
    luma = np.asarray(Image.fromarray(picture).convert("L"), dtype=np.float32)
    low, high = np.percentile(luma, (1, 85))
    toned = np.clip((luma - low) / max(high - low, 1.0), 0, 1) * 0.93 + 0.04
    return np.rint(toned[:, :, None] * np.asarray(tint, np.float32) * 255).astype(np.uint8)
