"""The recipe `fast-style`: one style, a network of its own (Johnson et al., "Perceptual Losses for Real-Time Style Transfer and
Super-Resolution", ECCV 2016), with a discriminator of patches beside the perceptual losses where one is asked for.

    min over G:  content + style + smoothness + w E[fool(D(G(x)))]        min over D:  E[adversarial loss on patches]

docs/recipes/fast-style.md has the formulas.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import torch

from huafeng.art import Generator as BaseRuntime
from huafeng.library import Library
from huafeng.picturestyle import MOST_PICTURES
from huafeng.pixels import U8
from huafeng.training.adversary import AdversarialOptions
from huafeng.training.data import Augment, to_batch
from huafeng.training.learner import LearnerOptions
from huafeng.training.options import Between
from huafeng.training.patchgan import PatchGanOptions
from huafeng.training.recipe import Clock, Machine, Report
from huafeng.training.recipes.translating import TranslatingOptions, TranslatingRecipe
from huafeng.training.recipes.works import WorkOptions, load_works, work_crop
from huafeng.training.styleloss import StyleLossWeights, style_losses, style_target
from huafeng.training.stylenetwork import StyleTransferNetwork, begin_at_base
from huafeng.training.transfer import BASE, base_generator

EXAMPLES = 6  # squares of the works: for the watch, and to fit the discriminator's norms


@dataclass(frozen=True)
class StyleNetworkOptions:
    """The network's size; other sizes than these cannot start from `base`."""

    half: Annotated[int, Between(1)] = 16
    """Channels at half of the photo's size."""
    quarter: Annotated[int, Between(1)] = 32
    """Channels at a quarter."""
    eighth: Annotated[int, Between(1)] = 96
    """Channels at an eighth, where strokes and shapes are drawn."""
    blocks: Annotated[int, Between(1, 64)] = 4
    """Residual blocks there."""
    quarter_blocks: Annotated[int, Between(1, 64)] = 2
    """Residual blocks on the way back, at a quarter."""


@dataclass(frozen=True, kw_only=True)
class FastStyleOptions(TranslatingOptions):
    """One style, one network."""

    recipe: Literal["fast-style"] = "fast-style"
    """Which recipe this file configures."""
    photos: tuple[Path, ...]
    """Folders, files or shards with the photos that are painted in training."""
    style: WorkOptions
    """The work, or the works, whose style is learned."""
    network: StyleNetworkOptions = field(default_factory=StyleNetworkOptions)
    """The network's size."""
    losses: StyleLossWeights = field(default_factory=StyleLossWeights)
    """Weights of the losses."""
    short_side_px: Annotated[int, Between(16)] = 320
    """Short side to which photos are shrunk when they are read."""
    augment: Augment = field(default_factory=lambda: Augment(reach=(0.75, 1.0)))
    """How crops are drawn from the photos."""
    generator: LearnerOptions = field(default_factory=lambda: LearnerOptions(learning_rate=2e-3, warmup_steps=30))
    """How the network learns."""
    ema: Annotated[float, Between(0, 0.99999)] = 0.99
    """Decay of the moving average of the network's weights, which is the result."""
    discriminator: PatchGanOptions = field(default_factory=lambda: PatchGanOptions(norm="none"))
    """The discriminator's size."""
    adversarial: AdversarialOptions = field(default_factory=lambda: AdversarialOptions(weight=0.0))
    """How the discriminator learns; weight 0 = without one."""
    working_px: Annotated[int, Between(64, 4096)] = 640
    """Short side to which `huafeng apply` shrinks photos for it, where strokes are of size 1."""

    def problems(self) -> Iterator[str]:
        """Faults that no single field can tell."""
        yield from super().problems()
        if not self.photos:
            yield "photos is empty: name at least one folder"
        if any(px < 128 for px in self.crop_sizes):
            yield "crop_px must be 128 at least: strokes are seen at a quarter of it as well"

    @property
    def multiple_of(self) -> int:
        """The network's stride."""
        return StyleTransferNetwork.stride


class FastStyle(TranslatingRecipe):
    """See the module."""

    options: FastStyleOptions

    def __init__(self, options: FastStyleOptions, machine: Machine) -> None:
        super().__init__(options, machine)
        o = options
        photos, self.held_out = self.opened("photos", o.photos)
        self.photos = self.crops(photos, "photos")
        self.works, self.data["works"] = load_works(o.data / o.style.works, o.style, machine.tell)
        self.target = style_target(self.features, (machine.batch(to_batch([work])) for work in self.works))
        self.wanted = [self.work_crop(-1 - i, max(o.crop_sizes)) for i in range(EXAMPLES)]
        self.begin({"generator": StyleTransferNetwork(**vars(o.network))}, {"discriminator": 3} if o.adversarial.weight else {})
        self.there = machine.compiled(self.networks["generator"])

    def initialise(self, source: str) -> None:
        """From `base`: as the built-in generator would paint the works at once."""
        if source != BASE:
            super().initialise(source)
            return
        runtime = BaseRuntime.open(Library().base_path())
        code = runtime.code_of(self.works[:: -(-len(self.works) // MOST_PICTURES)])
        modulation = torch.from_numpy(runtime.modulation(code)[:-1])  # the last number says how much noise enters
        network: StyleTransferNetwork = self.networks["generator"]  # type: ignore[assignment]
        begin_at_base(network, base_generator(), modulation.to(self.machine.device))
        self.machine.tell("Started from base, as it paints these works at once.")

    def step(self, clock: Clock) -> Report:
        """One step of the network, then one of the discriminator."""
        photo, side = self.drawn(self.photos, clock), clock.crop_px // 2
        top, left = torch.randint(side + 1, (2,), generator=clock.numbers("window")).tolist()

        # Generator phase: min content + style + smoothness + w fool(D(G(x)))
        with self.machine.autocast():
            made = self.there(photo)
        losses = style_losses(self.options.losses, self.features, self.machine, made, photo, self.target, (top, left))
        if not self.discriminators:
            return self.learn_generator(losses, clock)

        # Discriminator phase: min over D of the adversarial loss between works and results
        first = clock.images + clock.mine.start
        real = [self.work_crop(first + row, clock.crop_px) for row in range(len(made))]
        return self.learn_in_turn(losses, clock, self.batch_of(real), made)

    def work_crop(self, number: int, side: int) -> U8:
        """Crop `number` of the works, uint8 [side, side, 3]."""
        return work_crop(self.works[number % len(self.works)], side, self.options.seed, number % 2**63)

    @torch.no_grad()
    def figures(self) -> dict[str, float]:
        """Content and style on held-out photos; `objective` is their sum."""
        weights = replace(self.options.losses, total_variation=0, grid=0)
        photos = self.batch_of(self.held_out)
        found = style_losses(weights, self.features, self.machine, self.made(photos), photos, self.target, mean=torch.clone)
        figures = {name: float(loss) for name, loss in found.items()}
        return figures | {"objective": sum(figures.values())}
