"""What recipes that teach the generator to paint have in common; each adds its targets and its step."""

from __future__ import annotations

import datetime
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sized
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from huafeng.errors import DataError, StyleError
from huafeng.pixels import U8
from huafeng.style import Card, check_name
from huafeng.training.adversary import AdversarialOptions, Adversary, Shown
from huafeng.training.data import Augment, Crops, to_batch
from huafeng.training.features import FeatureNetwork, load_features
from huafeng.training.learner import Average, Learner, LearnerOptions
from huafeng.training.network import Discriminator
from huafeng.training.options import Between
from huafeng.training.painting import MARGIN, LossWeights, Painter, Target, noise, painting_losses
from huafeng.training.pairs import PicturePairs
from huafeng.training.pictures import Pictures, open_pictures
from huafeng.training.recipe import Clock, Machine, Recipe, Report, RunOptions
from huafeng.training.stylefiles import export_styles
from huafeng.training.transfer import initialise
from huafeng.training.watch import pairwise_distance

P = TypeVar("P", Pictures, PicturePairs)

SAMPLE_PX = 256  # side of the pictures in sample grids, and of those on which figures are measured
SAMPLES = 6
PHOTO_PX = 384  # short side to which photos are shrunk when they are read


@dataclass(frozen=True)
class CardOptions:
    """What the style file says about itself."""

    title_en: str
    """Its title in English."""
    title_zh: str
    """Its title in Chinese."""
    author: str
    """Who made the style."""
    licence: str
    """Under which terms it may be used; an SPDX name where there is one."""
    trained_on: str
    """Which works and photos it was learned from, with counts."""
    provenance: str
    """Where they come from, under which licence, with whose consent."""


@dataclass(frozen=True, kw_only=True)
class PaintingOptions(RunOptions, ABC):
    """What these recipes have in common."""

    data: Path = Path()
    """Folder from which the recipe's other paths start."""
    photos: tuple[Path, ...]
    """Folders, files or shards with the photos that are painted in training."""
    hold_out_every: Annotated[int, Between(2)] = 20
    """Every so-manyth photo is kept out of training, for samples and figures."""
    features: str = "features-v1"
    """Feature network of the losses: features-v1, or a file with SqueezeNet's or VGG's weights."""
    augment: Augment = field(default_factory=Augment)
    """How crops are drawn from the photos."""
    losses: LossWeights = field(default_factory=LossWeights)
    """Weights of the losses."""
    generator: LearnerOptions = field(default_factory=LearnerOptions)
    """How the generator learns."""
    ema: Annotated[float, Between(0, 0.99999)] = 0.999
    """Decay of the moving average of the generator's weights, which is the result."""
    adversarial: AdversarialOptions = field(default_factory=AdversarialOptions)
    """The discriminator and how it learns."""

    def problems(self) -> Iterator[str]:
        """Faults that no single field can tell."""
        yield from super().problems()
        if any(px % 8 for px in self.crop_sizes):
            yield "crop_px must be a multiple of 8"
        if not self.photos:
            yield "photos is empty: name at least one folder"
        yield from card_problems(self.cards())

    @abstractmethod
    def cards(self) -> dict[str, CardOptions]:
        """The run's styles: name and card, in the order of their codes."""

    def quiets(self) -> dict[str, float]:
        """For some styles the share of the noise that is left away when they are used."""
        return {}

    def painter(self) -> Painter:
        """The networks whose averaged weights are the result, untrained."""
        return Painter(len(self.cards()))


class PaintingRecipe(Recipe):
    """Generator, codes, discriminator, photos. Subclasses set `targets`, and `step`."""

    targets: list[Target]
    """A target of one row per style, for the validation figures."""

    def __init__(self, options: PaintingOptions, machine: Machine) -> None:
        self.options, self.styles, self.machine = options, list(options.cards()), machine
        self.features: FeatureNetwork = machine.place(load_features(options.features))
        photos = open_pictures([options.data / folder for folder in options.photos], machine.tell)
        training, held_out = split(photos, options.hold_out_every)
        short_side = max(PHOTO_PX, max(options.crop_sizes) + 2 * MARGIN)
        self.photos = Crops(training, options.seed, "photos", options.augment, short_side)
        self.data = {"photos": photos.fingerprint}
        self.held_out = [square(held_out.read(i, PHOTO_PX), SAMPLE_PX) for i in to_look_at(held_out)]

        self.painter = machine.place(options.painter())
        if options.init:
            initialise(self.painter, options.init, machine.tell)
        self.average = Average(self.painter, options.ema)
        self.seen_through = machine.compiled(self.painter.generator)
        self.learner = Learner([self.painter], options.generator)
        discriminator = Discriminator(len(self.styles), spectral_norm=options.adversarial.spectral_norm)
        self.adversary = Adversary(discriminator, options.adversarial, machine)
        self.parts = {
            "generator": self.painter,
            "average": self.average,
            "generator_optimizer": self.learner.optimizer,
            "discriminator": self.adversary.discriminator,
            "discriminator_optimizer": self.adversary.learner.optimizer,
        }

    def photo_batch(self, clock: Clock) -> Tensor:
        """This process's photos of the step [B, 3, S, S], with the margin around."""
        mine = clock.mine
        crops = self.photos.batch(clock.images + mine.start, mine.stop - mine.start, clock.crop_px + 2 * MARGIN)
        return self.machine.batch(crops)

    def painted(self, clock: Clock, photo: Tensor, code: Tensor, delta: Tensor) -> Tensor:
        """Results for photos with their margin."""
        with self.machine.autocast():
            made: Tensor = self.seen_through(photo, code, delta, noise(clock, photo))
        return made

    def learn(self, clock: Clock, losses: dict[str, Tensor], shown: Shown | None) -> Report:
        """The rest of a step: both players learn, `shown` being what the discriminator sees, if it takes part."""
        # Generator phase: min over G of its losses, those of painting and w fool(D(G(x)))
        if shown is not None:
            losses["fool"] = self.adversary.fool(clock, shown)
        gradient = self.learner.learn(torch.stack(list(losses.values())).sum(), clock)
        self.average.update(self.painter, clock.step)
        report = Report({name: loss.detach() for name, loss in losses.items()}, {"generator_gradient": gradient})

        # Discriminator phase: min over D of the adversarial loss between works and results
        if shown is not None:
            seen = replace(shown, made=shown.made.detach())
            learned = self.adversary.learn(clock, lambda k: seen)
            report.losses |= learned.losses
            report.figures |= learned.figures
        return report

    def diversity(self, clock: Clock) -> float:
        """In one style, another at each check."""
        if len(self.held_out) < 2:
            return 1.0
        style = clock.step // self.options.check_every % len(self.styles)
        photos, layer = self._held_out_batch(), self.features.content_layer
        with torch.no_grad(), self.machine.autocast():
            made = self.painter.paint(photos, torch.full((len(photos),), style, device=photos.device))
            results, references = (pairwise_distance(self.features(p, layer)[layer]) for p in (made, photos))
        return float(results / references.clamp_min(1e-9))

    @torch.no_grad()
    def figures(self) -> dict[str, float]:
        """Content, style and `objective`, their sum: means over held-out photos and all styles."""
        weights = replace(self.options.losses, total_variation=0, grid=0)
        photos, sums = self._held_out_batch(), dict[str, float]()
        for style, target in enumerate(self.targets):
            made = self.average.module.paint(photos, torch.full((len(photos),), style, device=photos.device))
            for name, loss in painting_losses(weights, self.features, self.machine, made, photos, target).items():
                sums[name] = sums.get(name, 0.0) + float(loss) / len(self.targets)
        return sums | {"objective": sum(sums.values())}

    @torch.no_grad()
    def samples(self) -> U8:
        """Photos down, the photo itself and all styles across."""
        rows, styles = [], torch.arange(len(self.styles), device=self.machine.device)
        for photo in self._held_out_batch():
            batch = photo[None].expand(len(styles), -1, -1, -1)
            rows.append(side_by_side(torch.cat([batch[:1], self.average.module.paint(batch, styles)])))
        return np.concatenate(rows)

    def export(self, folder: Path) -> list[Path]:
        """The base generator and a style file for each style."""
        return export_painter(self.average.module, self.options, folder)

    def waited_s(self) -> float:
        """For photos."""
        return self.photos.waited_s

    def _held_out_batch(self) -> Tensor:
        return self.machine.batch(to_batch(self.held_out))


def card_problems(cards: Mapping[str, CardOptions]) -> Iterator[str]:
    """What is wrong with the names and cards of a recipe's results."""
    for name, card in cards.items():
        try:
            check_name(name)
            Card(**vars(card), date="2000-01-01", base_sha256="0" * 64)
        except StyleError as error:
            yield f"{name}: {str(error).rstrip('.')}"


def split(pictures: P, every: int) -> tuple[P, P]:
    """Pictures, or pairs of them, for training, and those to look at results by: every so-manyth, at least one.

    Raises:
        DataError: there is one alone.
    """
    if len(pictures) < 2:
        raise DataError("One photo is too little: training needs at least 2, one of them to look at results.")
    training, held_out = pictures.split(every)
    if not len(held_out):  # many sources of one photo each
        training, held_out = pictures.subset(range(1, len(pictures))), pictures.subset([0])
    return training, held_out


def to_look_at(held_out: Sized) -> list[int]:
    """Which of the held-out pictures are shown in samples, and measured."""
    return random.Random(1).sample(range(len(held_out)), min(SAMPLES, len(held_out)))


def side_by_side(pictures: Tensor) -> U8:
    """[N, 3, S, S] in 0..1 -> one picture uint8 [S, N S, 3]."""
    row: U8 = (pictures.float() * 255).round().to(torch.uint8).permute(2, 0, 3, 1).flatten(1, 2).cpu().numpy()
    return row


def square(picture: U8, side: int) -> U8:
    """The middle of a picture [H, W, 3], as a square of `side` px."""
    height, width = picture.shape[:2]
    extent = min(height, width)
    top, left = (height - extent) // 2, (width - extent) // 2
    image = Image.fromarray(picture[top : top + extent, left : left + extent])
    return np.asarray(image.resize((side, side), Image.Resampling.LANCZOS))


def export_painter(painter: Painter, options: PaintingOptions, folder: Path, base: bytes | None = None) -> list[Path]:
    """The base generator, unless it is one that exists, and a style file for each style; gives their paths."""
    today, cards = datetime.date.today().isoformat(), options.cards()
    dated = [vars(card) | {"date": today} for card in cards.values()]
    arts = painter.arts(cards)
    for name, quiet in options.quiets().items():
        if quiet:
            arts[name]["quiet"] = torch.tensor([quiet])
    return export_styles(painter.generator, painter.encoder, arts, dated, folder, base)
