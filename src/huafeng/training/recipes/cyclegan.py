"""The recipe `cyclegan`: photos into works and back again, from unpaired pictures (Zhu, Park, Isola & Efros, "Unpaired
Image-to-Image Translation using Cycle-Consistent Adversarial Networks", ICCV 2017).

    min over G, F:  fool(D_Y(G(x))) + fool(D_X(F(y))) + l (|F(G(x)) - x| + |G(F(y)) - y|) + i l (|G(y) - y| + |F(x) - x|)
    min over D_X, D_Y:  least squares between pictures and results, older results among them

docs/recipes/cyclegan.md has the formulas.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor

from huafeng.pixels import U8
from huafeng.training.adversary import Shown
from huafeng.training.imagepool import ImagePool
from huafeng.training.losses import cycle_loss, identity_loss
from huafeng.training.options import Between
from huafeng.training.recipe import Clock, Machine, Report
from huafeng.training.recipes.painting import CardOptions, side_by_side
from huafeng.training.recipes.translating import TranslatingRecipe, UnpairedOptions, renamed


@dataclass(frozen=True, kw_only=True)
class CycleGanOptions(UnpairedOptions):
    """There and back again."""

    recipe: Literal["cyclegan"] = "cyclegan"
    """Which recipe this file configures."""
    cycle: Annotated[float, Between(0)] = 10.0
    """Weight of the distance between a picture and what comes back of it."""
    identity: Annotated[float, Between(0)] = 0.5
    """Weight of the distance between a work and what becomes of it, times `cycle`: keeps colours; 0 saves two passes."""
    pool: Annotated[int, Between(0)] = 50
    """Older results of which the discriminators are shown some; 0 = none."""
    back: str | None = None
    """Name of a style of the way back, from works to photos; null = it is not written."""

    def problems(self) -> Iterator[str]:
        """Faults that no single field can tell."""
        yield from super().problems()
        if self.back == self.name:
            yield "back must have another name than the way there"

    def results(self) -> Mapping[str, CardOptions]:
        """The way there, and perhaps the way back."""
        there = {self.name: self.card}
        return there if self.back is None else there | {self.back: self.card}


class CycleGan(TranslatingRecipe):
    """See the module. G is `generator`, F is `back`; D_Y is `discriminator`, D_X is `discriminator_back`."""

    options: CycleGanOptions

    def __init__(self, options: CycleGanOptions, machine: Machine) -> None:
        super().__init__(options, machine)
        photos, self.held_out = self.opened("photos", options.photos)
        works, self.wanted = self.opened("works", options.works)
        self.photos, self.works = self.crops(photos, "photos"), self.crops(works, "works")
        self.begin(
            {"generator": options.network.network(), "back": options.network.network()},
            {"discriminator": 3, "discriminator_back": 3},
        )
        self.there, self.back = (machine.compiled(self.networks[name]) for name in ("generator", "back"))
        self.pools = {"pool": ImagePool(options.pool), "pool_back": ImagePool(options.pool)}
        self.parts |= self.pools

    def step(self, clock: Clock) -> Report:
        """One step of both generators, then one of each discriminator."""
        o, rows = self.options, torch.arange(clock.batch)[clock.mine]
        photo, work = self.drawn(self.photos, clock), self.drawn(self.works, clock)

        # Generator phase: min over G, F of fool(D_Y(G(x))) + fool(D_X(F(y))) + cycle + identity
        with self.machine.autocast():
            made, unmade = self.there(photo), self.back(work)
            returned, remade = self.back(made), self.there(unmade)
        losses = {"cycle": o.cycle * (cycle_loss(returned, photo) + cycle_loss(remade, work))}
        if o.identity:
            with self.machine.autocast():
                kept = identity_loss(self.there(work), work) + identity_loss(self.back(photo), photo)
            losses["identity"] = o.identity * o.cycle * kept
        judge, judge_back = self.discriminators.values()
        plays = judge.plays(clock)
        if plays:
            losses["fool"] = judge.fool(clock, Shown(work, made, (), rows, clock.batch))
            losses["fool_back"] = judge_back.fool(clock, Shown(photo, unmade, (), rows, clock.batch))
        report = self.learn_generator(losses, clock)

        # Discriminator phase: min over D_X, D_Y of the adversarial loss between pictures and results, older ones among them
        if plays:
            older = self.pools["pool"].swap(clock, made, "pool")
            older_back = self.pools["pool_back"].swap(clock, unmade, "pool back")
            there = judge.learn(clock, lambda k: Shown(work, older, (), rows, clock.batch))
            back = renamed(judge_back.learn(clock, lambda k: Shown(photo, older_back, (), rows, clock.batch)), "back")
            report.losses |= there.losses | back.losses
            report.figures |= there.figures | back.figures
        return report

    def figures(self) -> dict[str, float]:
        """`manner` of the way there, and `cycle`: how far photos are from what comes back of them."""
        photos = self.batch_of(self.held_out)
        with torch.no_grad():
            cycle = float(cycle_loss(self.made(self.made(photos), "back"), photos))
        return self.manner(self.held_out, self.wanted) | {"cycle": cycle}

    @torch.no_grad()
    def samples(self) -> U8:
        """Held-out pictures down; across a photo, its result, what comes back, and the same for a work."""
        rows = []
        for photo, work in zip(self.batch_of(self.held_out), self.batch_of(self.wanted), strict=False):
            rows.append(side_by_side(torch.cat([*self._round(photo[None], "generator", "back"),
                                                *self._round(work[None], "back", "generator")])))  # fmt: skip
        return np.concatenate(rows)

    def _round(self, picture: Tensor, first: str, second: str) -> list[Tensor]:
        made = self.made(picture, first)
        return [picture, made, self.made(made, second)]

    def export(self, folder: Path) -> list[Path]:
        """A style of the way there, and perhaps one of the way back."""
        paths, o = super().export(folder), self.options
        if o.back is not None:
            card = replace(o.card, title_en=f"{o.card.title_en}, back", title_zh=f"{o.card.title_zh}(反向)")
            paths.append(self.exported("back", o.back, card, folder))
        return paths
