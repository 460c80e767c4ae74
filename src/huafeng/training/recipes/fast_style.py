"""The recipe `fast-style`: one picture, one generator (Johnson et al., "Perceptual Losses for Real-Time Style Transfer and
Super-Resolution", ECCV 2016), with a discriminator of patches beside the perceptual losses.

    min over G:  content + style + smoothness + w E[fool(D(G(x)))]        min over D:  E[adversarial loss on patches]

docs/recipes/fast-style.md has the formulas.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch

from huafeng.training.adversary import Shown
from huafeng.training.data import Augment, Crops, to_batch
from huafeng.training.options import Between
from huafeng.training.painting import painting_losses, target_of, window
from huafeng.training.pictures import open_pictures
from huafeng.training.recipe import Clock, Machine, Report
from huafeng.training.recipes.painting import CardOptions, PaintingOptions, PaintingRecipe


@dataclass(frozen=True, kw_only=True)
class FastStyleOptions(PaintingOptions):
    """One picture, one generator."""

    recipe: Literal["fast-style"] = "fast-style"
    """Which recipe this file configures."""
    name: str
    """Name of the style."""
    picture: Path
    """The picture whose manner is learned."""
    short_side_px: Annotated[int, Between(32)] = 512
    """Size to which it is shrunk: the larger, the larger the strokes."""
    patch_reach: Annotated[tuple[float, float], Between(0.1, 1)] = (0.5, 1.0)
    """Share of its short side that the patches cover which the discriminator sees."""
    card: CardOptions
    """What the style file says about itself."""

    def cards(self) -> dict[str, CardOptions]:
        """The style's card."""
        return {self.name: self.card}


class FastStyle(PaintingRecipe):
    """See the module."""

    options: FastStyleOptions

    def __init__(self, options: FastStyleOptions, machine: Machine) -> None:
        super().__init__(options, machine)
        work = open_pictures(options.data / options.picture, machine.tell)
        self.data["picture"] = work.fingerprint
        self.targets = [target_of(self.features, machine.batch(to_batch([work.read(0, options.short_side_px)])))]
        self.begin_pool()
        self.patches = Crops(work, options.seed, "patches", Augment(reach=options.patch_reach), options.short_side_px)

    def waited_s(self) -> float:
        """For photos and patches."""
        return super().waited_s() + self.patches.waited_s

    def step(self, clock: Clock) -> Report:
        """One step of the generator, then one of the discriminator."""
        mine = clock.mine
        count = mine.stop - mine.start
        rows = torch.arange(clock.batch)[mine]
        style = torch.zeros(count, dtype=torch.long, device=self.machine.device)
        painter = self.painter

        # Generator phase: min content + style + smoothness + w fool(D(G(x)))
        photo = self.photo_batch(clock)
        made, inner = self.painted(clock, photo, painter.codes[style], painter.deltas[style])
        made, photo = window(clock, made, photo)
        losses = painting_losses(
            self.options.losses.at(clock.progress),
            self.features,
            self.machine,
            made,
            photo,
            self.targets[0],
            pool=self.pool([0] * count),
        )
        losses |= inner
        shown = None
        if self.adversary.plays(clock):
            real = self.machine.batch(self.patches.batch(clock.images + mine.start, count, clock.crop_px))
            shown = Shown(real, made, (style,), rows, clock.batch)
        return self.learn(clock, losses, shown)
