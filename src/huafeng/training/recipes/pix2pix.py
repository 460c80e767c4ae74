"""The recipe `pix2pix`: from pairs of pictures (Isola, Zhu, Zhou & Efros, "Image-to-Image Translation with Conditional
Adversarial Networks", CVPR 2017).

    min over G:  fool(D(x, G(x))) + l |y - G(x)|        min over D:  cross entropy between (x, y) and (x, G(x))

docs/recipes/pix2pix.md has the formulas.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from huafeng.pixels import U8
from huafeng.training.adversary import AdversarialOptions
from huafeng.training.data import Augment, Pairs
from huafeng.training.losses import dissimilarity
from huafeng.training.options import Between
from huafeng.training.pairs import open_pairs
from huafeng.training.recipe import Clock, Machine, Report
from huafeng.training.recipes.painting import side_by_side, split, square, to_look_at
from huafeng.training.recipes.translating import TranslatingOptions, TranslatingRecipe, paper_adversary
from huafeng.training.translation import Drop, UNet

KEPT = 0.5  # share of the numbers that dropout leaves


@dataclass(frozen=True)
class UNetOptions:
    """The generator's size."""

    width: Annotated[int, Between(1)] = 64
    """Channels at half size; twice as many at each halving, eight times as many at most."""
    levels: Annotated[int, Between(2, 10)] = 8
    """How often it halves the picture: crop_px must be a multiple of 2^levels."""


@dataclass(frozen=True, kw_only=True)
class Pix2PixOptions(TranslatingOptions):
    """Before and after."""

    recipe: Literal["pix2pix"] = "pix2pix"
    """Which recipe this file configures."""
    pairs: Path
    """Folder or shard of pictures A|B, side by side; or, with `partners`, of the pictures A."""
    partners: Path | None = None
    """Folder of the pictures B, named as their partners in `pairs`; null = they are the right halves of `pairs`."""
    direction: Literal["a-to-b", "b-to-a"] = "a-to-b"
    """Which of the two is the photo, and which one is made of it."""
    network: UNetOptions = field(default_factory=UNetOptions)
    """The generator's size."""
    pixel: Annotated[float, Between(0)] = 100.0
    """Weight of the mean absolute difference to the true partner."""
    dropout: bool = True
    """Leave out half of the numbers of the innermost layers, at random: the paper's noise. In training only."""
    augment: Augment = field(default_factory=lambda: Augment(reach=(0.9, 1.0)))
    """How crops are drawn from the pairs, alike from both partners."""
    adversarial: AdversarialOptions = field(
        default_factory=lambda: replace(paper_adversary(), loss="non-saturating", weight=1.0)
    )
    """How the discriminator learns."""
    working_px: Annotated[int, Between(64, 4096)] = 256
    """Short side to which `huafeng apply` shrinks photos for it, where strokes are of size 1."""

    @property
    def multiple_of(self) -> int:
        """The U-Net halves so often."""
        return 2**self.network.levels

    def problems(self) -> Iterator[str]:
        """Faults that no single field can tell."""
        yield from super().problems()
        if self.augment.color or self.augment.mosaic:
            yield "augment.color and augment.mosaic are not for pairs: a colour or a place belongs to both partners"


class Pix2Pix(TranslatingRecipe):
    """See the module."""

    options: Pix2PixOptions

    def __init__(self, options: Pix2PixOptions, machine: Machine) -> None:
        super().__init__(options, machine)
        o = options
        second = None if o.partners is None else o.data / o.partners
        pairs = open_pairs(o.data / o.pairs, second, machine.tell)
        self.data["pairs"] = pairs.fingerprint
        training, held_out = split(pairs, o.hold_out_every)
        side = max(o.crop_sizes)
        looked_at = [self.turned(*held_out.read(i)) for i in to_look_at(held_out)]
        self.held_out, self.wanted = ([square(pair[k], side) for pair in looked_at] for k in (0, 1))
        self.pairs = Pairs(training, o.seed, "pairs", o.augment, max(o.short_side_px, side))
        self.begin({"generator": UNet(o.network.width, o.network.levels)}, {"discriminator": 6})
        self.there = machine.compiled(self.networks["generator"])

    def turned(self, first: U8, second: U8) -> tuple[U8, U8]:
        """A pair as photo and truth."""
        return (first, second) if self.options.direction == "a-to-b" else (second, first)

    def step(self, clock: Clock) -> Report:
        """One step of the generator, then one of the discriminator."""
        o, mine = self.options, clock.mine
        pair = self.pairs.batch(clock.images + mine.start, mine.stop - mine.start, clock.crop_px)
        photo, truth = (self.machine.batch(part) for part in (pair if o.direction == "a-to-b" else pair[::-1]))

        # Generator phase: min over G of fool(D(x, G(x))) + l |y - G(x)|
        with self.machine.autocast():
            made = self.there(photo, dropping(clock) if o.dropout else None)
        losses = {"pixel": o.pixel * F.l1_loss(made, truth)}

        # A pair is shown as one picture of six planes: what is done to it is done to both.
        # Discriminator phase: min over D of the adversarial loss between (x, y) and (x, G(x))
        return self.learn_in_turn(losses, clock, torch.cat([photo, truth], 1), torch.cat([photo, made], 1))

    @torch.no_grad()
    def figures(self) -> dict[str, float]:
        """Mean absolute difference and 1 - SSIM to the truth; `objective` is the latter."""
        truth = self.batch_of(self.wanted)
        made = self.made(self.batch_of(self.held_out))
        unlike = float(dissimilarity(made, truth))
        return {"pixel": float(F.l1_loss(made, truth)), "dissimilarity": unlike, "objective": unlike}

    @torch.no_grad()
    def samples(self) -> U8:
        """Held-out pairs down; across: photo, result, truth."""
        both = zip(self.batch_of(self.held_out), self.batch_of(self.wanted), strict=True)
        return np.concatenate([side_by_side(torch.stack([x, self.made(x[None])[0], y])) for x, y in both])

    def waited_s(self) -> float:
        """For pairs."""
        return self.pairs.waited_s


def dropping(clock: Clock) -> Drop:
    """Dropout of this step, layer after layer: half of all numbers become 0, the others twice as large.

    Of each layer's numbers the whole batch's are drawn, and this process takes its own.
    """
    numbers = clock.numbers("dropout")

    def drop(x: Tensor) -> Tensor:
        kept = torch.rand(clock.batch, *x.shape[1:], generator=numbers) < KEPT
        return x * kept[clock.mine].to(x) / KEPT

    return drop
