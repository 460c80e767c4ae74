"""The recipes `cut` and `fastcut`: photos into works with one generator (Park, Efros, Zhang & Zhu, "Contrastive Learning for
Unpaired Image-to-Image Translation", ECCV 2020).

    min over G, H:  fool(D(G(x))) + l_x NCE(G(x), x) + l_y NCE(G(y), y)        min over D:  least squares between y and G(x)

docs/recipes/cut.md has the formulas.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from huafeng.training.contrast import PatchHeads, contrast, draw_places
from huafeng.training.options import Between
from huafeng.training.recipe import Clock, Machine, Report
from huafeng.training.recipes.translating import TranslatingRecipe, UnpairedOptions
from huafeng.training.translation import ResidualGenerator


@dataclass(frozen=True, kw_only=True)
class CutOptions(UnpairedOptions):
    """Each place of the result knows its own place in the photo."""

    recipe: Literal["cut"] = "cut"
    """Which recipe this file configures."""
    contrast: Annotated[float, Between(0)] = 1.0
    """Weight of PatchNCE between results and their photos."""
    identity: Annotated[float, Between(0)] = 1.0
    """Weight of PatchNCE between works and what becomes of them: what has the style already stays; 0 = none."""
    equivariant: bool = False
    """Mirror the photos of half of the steps on their way to the generator alone: a mirrored photo gives a mirrored result."""
    patches: Annotated[int, Between(2, 4096)] = 256
    """Places of each layer that are compared with each other."""


@dataclass(frozen=True, kw_only=True)
class FastCutOptions(CutOptions):
    """Lighter and faster: no identity, more contrast, mirrored photos."""

    recipe: Literal["fastcut"] = "fastcut"  # type: ignore[assignment]
    """Which recipe this file configures."""
    contrast: Annotated[float, Between(0)] = 10.0
    """Weight of PatchNCE between results and their photos."""
    identity: Annotated[float, Between(0)] = 0.0
    """Weight of PatchNCE between works and what becomes of them; 0 = none."""
    equivariant: bool = True
    """Mirror the photos of half of the steps on their way to the generator alone: a mirrored photo gives a mirrored result."""


class Cut(TranslatingRecipe):
    """See the module."""

    options: CutOptions

    def __init__(self, options: CutOptions, machine: Machine) -> None:
        super().__init__(options, machine)
        photos, self.held_out = self.opened("photos", options.photos)
        works, self.wanted = self.opened("works", options.works)
        self.photos, self.works = self.crops(photos, "photos"), self.crops(works, "works")
        self.generator: ResidualGenerator = options.network.network()
        self.heads = PatchHeads(self.generator.channels())
        self.begin({"generator": self.generator, "heads": self.heads}, {"discriminator": 3})
        self.there = machine.compiled(self.generator)

    def step(self, clock: Clock) -> Report:
        """One step of the generator and the heads, then one of the discriminator."""
        o = self.options
        photo, work = self.drawn(self.photos, clock), self.drawn(self.works, clock)
        mirrored = o.equivariant and bool(torch.rand((), generator=clock.numbers("mirrored")) < 0.5)

        # Generator phase: min over G, H of fool(D(G(x))) + l_x NCE(G(x), x) + l_y NCE(G(y), y)
        with self.machine.autocast():
            made = self.there(photo.flip(3) if mirrored else photo)
        losses = {"contrast": o.contrast * self.contrast(clock, made, photo, mirrored)}
        if o.identity:
            with self.machine.autocast():
                kept = self.there(work)
            losses["identity"] = o.identity * self.contrast(clock, kept, work, False)
        if o.identity:  # the mean of both, as in the paper's experiments
            losses = {name: loss / 2 for name, loss in losses.items()}

        # Discriminator phase: min over D of the adversarial loss between works and results
        return self.learn_in_turn(losses, clock, work, made)

    def contrast(self, clock: Clock, made: Tensor, photo: Tensor, mirrored: bool) -> Tensor:
        """PatchNCE between results and photos; features of mirrored results are turned back."""
        seen = self.generator.seen()
        with self.machine.autocast():
            inner = self.generator.inner(made, seen[-1])
            with torch.no_grad():
                known = self.generator.inner(photo, seen[-1])
        ours, theirs = ([layers[place] for place in seen] for layers in (inner, known))
        if mirrored:
            ours = [layer.flip(3) for layer in ours]
        return contrast(self.heads, ours, theirs, draw_places(clock, theirs, self.options.patches, "places"))

    def figures(self) -> dict[str, float]:
        """`manner` on held-out photos and works."""
        return self.manner(self.held_out, self.wanted)
