"""What recipes have in common whose result is a network from picture to picture; each adds its data and its step."""

from __future__ import annotations

import datetime
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from torch import Tensor, nn

from huafeng.errors import DataError
from huafeng.pixels import U8
from huafeng.training.adversary import AdversarialOptions, Adversary, Shown
from huafeng.training.data import Augment, Crops, to_batch
from huafeng.training.features import FeatureNetwork, load_features
from huafeng.training.learner import Average, Learner, LearnerOptions
from huafeng.training.options import Between
from huafeng.training.painting import LossWeights, painting_losses, target_of
from huafeng.training.patchgan import PatchGanOptions
from huafeng.training.pictures import Pictures, open_pictures
from huafeng.training.projected import patch_discriminator
from huafeng.training.recipe import Clock, Machine, Recipe, Report, RunOptions
from huafeng.training.recipes.painting import CardOptions, card_problems, side_by_side, split, square, to_look_at
from huafeng.training.transfer import initialise
from huafeng.training.translation import ResidualGenerator
from huafeng.training.translatorexport import Network, export_network
from huafeng.training.watch import pairwise_distance

MEASURED = LossWeights(content=1, style=8, total_variation=0, grid=0)


def paper_rate() -> LearnerOptions:
    """Adam as in all of these papers."""
    return LearnerOptions(learning_rate=2e-4, betas=(0.5, 0.999), warmup_steps=0, schedule="linear", final=0.0, clip=None)


def paper_adversary() -> AdversarialOptions:
    """Least squares, as in the papers on unpaired pictures; they leave out the half that `least-squares` has."""
    return AdversarialOptions(
        loss="least-squares", weight=2.0, spectral_norm=False,
        learning_rate=2e-4, betas=(0.5, 0.999), warmup_steps=0, schedule="linear", final=0.0, clip=None,
    )  # fmt: skip


@dataclass(frozen=True)
class ResidualOptions:
    """The generator's size."""

    width: Annotated[int, Between(1)] = 64
    """Channels at full size; four times as many at a quarter of it, where the blocks are."""
    blocks: Annotated[int, Between(1, 64)] = 9
    """Residual blocks: 9 in the papers for 256 px, 6 for 128 px."""
    global_residual: bool = False
    """Learn what to add to the picture: the first step gives the picture itself. In the papers all of it is drawn anew."""

    def network(self) -> ResidualGenerator:
        """The generator, untrained."""
        return ResidualGenerator(self.width, self.blocks, global_residual=self.global_residual)


@dataclass(frozen=True, kw_only=True)
class TranslatingOptions(RunOptions, ABC):
    """What these recipes have in common."""

    data: Path = Path()
    """Folder from which the recipe's other paths start."""
    name: str
    """Name of the result."""
    card: CardOptions
    """What its file says about itself."""
    hold_out_every: Annotated[int, Between(2)] = 20
    """Every so-manyth picture is kept out of training, for samples and figures."""
    short_side_px: Annotated[int, Between(16)] = 286
    """Short side to which pictures are shrunk when they are read."""
    augment: Augment = field(default_factory=lambda: Augment(reach=(0.9, 1.0)))
    """How crops are drawn from them."""
    features: str = "features-v1"
    """Feature network of figures (and of a content loss): features-v1, or a file with SqueezeNet's or VGG's weights."""
    discriminator: PatchGanOptions = field(default_factory=PatchGanOptions)
    """The discriminator's size."""
    generator: LearnerOptions = field(default_factory=paper_rate)
    """How the generator learns."""
    ema: Annotated[float, Between(0, 0.99999)] = 0.999
    """Decay of the moving average of the generator's weights, which is the result; 0 = the weights themselves."""
    adversarial: AdversarialOptions = field(default_factory=paper_adversary)
    """How the discriminator learns."""

    def problems(self) -> Iterator[str]:
        """Faults that no single field can tell."""
        yield from super().problems()
        yield from card_problems(self.results())
        if any(px % self.multiple_of for px in self.crop_sizes):
            yield f"crop_px must be a multiple of {self.multiple_of}: the generator halves crops that often"
        yield from self.discriminator.refuses(min(self.crop_sizes))

    def results(self) -> Mapping[str, CardOptions]:
        """Names and cards of what comes out."""
        return {self.name: self.card}

    @property
    @abstractmethod
    def multiple_of(self) -> int:
        """What the crops' sides must be a multiple of, px."""

    @property
    @abstractmethod
    def working_px(self) -> int:
        """Short side at which the result works best."""


@dataclass(frozen=True, kw_only=True)
class UnpairedOptions(TranslatingOptions):
    """Photos here, works there, and no pairs among them."""

    photos: tuple[Path, ...]
    """Folders, files or shards with photos."""
    works: tuple[Path, ...]
    """Folders, files or shards with pictures such as photos are to become."""
    network: ResidualOptions = field(default_factory=ResidualOptions)
    """The generator's size."""
    working_px: Annotated[int, Between(64, 4096)] = 512
    """Short side to which `huafeng apply` shrinks photos for it, where strokes are of size 1."""

    def problems(self) -> Iterator[str]:
        """Faults that no single field can tell."""
        yield from super().problems()
        if not self.photos:
            yield "photos is empty: name at least one folder"
        if not self.works:
            yield "works is empty: name at least one folder"

    @property
    def multiple_of(self) -> int:
        """The residual generator's stride."""
        return ResidualGenerator.stride


class TranslatingRecipe(Recipe):
    """Networks from picture to picture, discriminators, held-out pictures.

    Subclasses set `held_out` (the generator's inputs, squares) and `wanted` (what they should become; or, where there are no
    pairs, other pictures such as they should become like), and call `begin`.
    """

    held_out: list[U8]
    wanted: list[U8]
    networks: nn.ModuleDict
    discriminators: dict[str, Adversary]

    def __init__(self, options: TranslatingOptions, machine: Machine) -> None:
        self.options, self.machine, self.data = options, machine, {}
        self.features: FeatureNetwork = machine.place(load_features(options.features))
        self.streams: list[Crops] = []

    def begin(self, networks: dict[str, nn.Module], judges: dict[str, int]) -> None:
        """Place all players.

        Args:
            networks: the first one, `generator`, is the result; all learn with the generator's rate.
            judges: name -> channels that this discriminator sees.
        """
        o = self.options
        self.networks = self.machine.place(nn.ModuleDict(networks))
        if o.init:
            self.initialise(o.init)
        self.average = Average(self.networks, o.ema)
        self.learner = Learner([self.networks], o.generator)
        spectral_norm = o.adversarial.spectral_norm
        self.discriminators = {
            name: Adversary(
                patch_discriminator(o.discriminator, self.machine, self.wanted, inputs=inputs, spectral_norm=spectral_norm),
                o.adversarial,
                self.machine,
            )
            for name, inputs in judges.items()
        }
        self.parts = {"networks": self.networks, "average": self.average, "networks_optimizer": self.learner.optimizer}
        for name, adversary in self.discriminators.items():
            self.parts |= {name: adversary.discriminator, f"{name}_optimizer": adversary.learner.optimizer}

    def initialise(self, source: str) -> None:
        """Start from earlier weights."""
        initialise(self.networks, source, self.machine.tell)

    def crops(self, pictures: Pictures, purpose: str) -> Crops:
        """An endless stream of crops."""
        o = self.options
        stream = Crops(pictures, o.seed, purpose, o.augment, max(o.short_side_px, *o.crop_sizes))
        self.streams.append(stream)
        return stream

    def drawn(self, stream: Crops, clock: Clock) -> Tensor:
        """This process's crops of the step [b, 3, S, S]."""
        mine = clock.mine
        return self.machine.batch(stream.batch(clock.images + mine.start, mine.stop - mine.start, clock.crop_px))

    def opened(self, name: str, sources: Iterable[Path]) -> tuple[Pictures, list[U8]]:
        """Pictures to train on, and squares of those that are kept out.

        Raises:
            DataError: there is one alone.
        """
        pictures = open_pictures([self.options.data / source for source in sources], self.machine.tell)
        self.data[name] = pictures.fingerprint
        try:
            training, held_out = split(pictures, self.options.hold_out_every)
        except DataError as error:
            raise DataError(f"{name}: {error}") from None
        side = max(self.options.crop_sizes)
        return training, [square(held_out.read(i), side) for i in to_look_at(held_out)]

    def learn_generator(self, losses: dict[str, Tensor], clock: Clock) -> Report:
        """The generators' phase, for its losses by name."""
        gradient = self.learner.learn(torch.stack(list(losses.values())).sum(), clock)
        self.average.update(self.networks, clock.step)
        return Report({name: loss.detach() for name, loss in losses.items()}, {"generator_gradient": gradient})

    def learn_in_turn(self, losses: dict[str, Tensor], clock: Clock, real: Tensor, made: Tensor) -> Report:
        """The generator's phase, for its losses and, where the discriminator plays, fool(D(made)); then the discriminator's:
        min over D of the adversarial loss between real and made.
        """
        judge = self.discriminators["discriminator"]
        if not judge.plays(clock):
            return self.learn_generator(losses, clock)
        shown = Shown(real, made, (), torch.arange(clock.batch)[clock.mine], clock.batch)
        report = self.learn_generator(losses | {"fool": judge.fool(clock, shown)}, clock)
        seen = replace(shown, made=made.detach())
        learned = judge.learn(clock, lambda k: seen)
        report.losses |= learned.losses
        report.figures |= learned.figures
        return report

    def made(self, inputs: Tensor, name: str = "generator") -> Tensor:
        """What an averaged network makes of [B, 3, H, W], clipped to 0..1."""
        made: Tensor = self.average.module[name](inputs)
        return made.clamp(0, 1)

    @torch.no_grad()
    def diversity(self, clock: Clock) -> float:
        """By the features of results and of the held-out pictures that they should become, or become like."""
        if min(len(self.held_out), len(self.wanted)) < 2:
            return 1.0
        layer = self.features.content_layer
        with self.machine.autocast():
            made = self.networks["generator"](self.batch_of(self.held_out)).clamp(0, 1)
            distances = [pairwise_distance(self.features(p, layer)[layer]) for p in (made, self.batch_of(self.wanted))]
        return float(distances[0] / distances[1].clamp_min(1e-9))

    @torch.no_grad()
    def manner(self, inputs: list[U8], works: list[U8], name: str = "generator") -> dict[str, float]:
        """Content and style loss (weights 1 and 8) of results, towards the mean of held-out works; `objective`: their sum."""
        target = target_of(self.features, self.batch_of(works)).each(lambda rows: rows.mean(0, keepdim=True))
        photos = self.batch_of(inputs)
        found = painting_losses(MEASURED, self.features, self.machine, self.made(photos, name), photos, target)
        figures = {name: float(loss) for name, loss in found.items()}
        return figures | {"objective": sum(figures.values())}

    @torch.no_grad()
    def samples(self) -> U8:
        """Held-out pictures down: the picture itself, and what comes of it."""
        inputs = self.batch_of(self.held_out)
        return np.concatenate([side_by_side(torch.cat([x[None], self.made(x[None])])) for x in inputs])

    def export(self, folder: Path) -> list[Path]:
        """The file of the generator, by its averaged weights."""
        return [self.exported("generator", self.options.name, self.options.card, folder)]

    def exported(self, network: str, name: str, card: CardOptions, folder: Path) -> Path:
        """One network's file."""
        dated = vars(card) | {"date": datetime.date.today().isoformat()}
        module: Network = self.average.module[network]  # type: ignore[assignment]
        return export_network(module, name, dated, self.options.working_px, folder)

    def waited_s(self) -> float:
        """For all streams."""
        return sum(stream.waited_s for stream in self.streams)

    def batch_of(self, pictures: list[U8]) -> Tensor:
        """Pictures [S, S, 3] as a batch on the device."""
        return self.machine.batch(to_batch(pictures))


def renamed(report: Report, suffix: str) -> Report:
    """One of several discriminators' report; gradients keep the end of the name by which the watch knows them."""
    figures = {
        f"{name.removesuffix('_gradient')}_{suffix}" + "_gradient" * name.endswith("_gradient"): value
        for name, value in report.figures.items()
    }
    return Report({f"{name}_{suffix}": loss for name, loss in report.losses.items()}, figures)
