"""The recipe `gan`: pictures out of noise (Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014).

    min over D:  E over y, z [judge(D(y), D(G(z)))]        min over G:  E over z [fool(D(G(z)))]

z is standard normal noise, y a real picture. Four pairs of networks, from a plain one to a style-based one; with `classes`
both are told the class. docs/recipes/gan.md has the formulas.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor, nn

from huafeng.errors import DataError, StyleError
from huafeng.files import write_whole
from huafeng.generated import png
from huafeng.generator import LABEL
from huafeng.pixels import U8
from huafeng.style import Card, check_name
from huafeng.training.adversary import AdversarialOptions, Adversary, Shown
from huafeng.training.data import Augment, Crops, to_batch
from huafeng.training.distances import NearCopies, frechet, kid, near_copies
from huafeng.training.features import FeatureNetwork, load_features
from huafeng.training.generatorfile import export_generator
from huafeng.training.judges import Judge
from huafeng.training.learner import Average, Learner, LearnerOptions
from huafeng.training.options import Between
from huafeng.training.patchgan import PatchGanOptions
from huafeng.training.pictures import Pictures, open_pictures
from huafeng.training.projected import patch_discriminator
from huafeng.training.randomness import torch_numbers
from huafeng.training.recipe import Clock, Machine, Recipe, Report, RunOptions
from huafeng.training.recipes.painting import CardOptions, side_by_side, square
from huafeng.training.synthesis import LatentGenerator, NetworkKind, NetworkShape
from huafeng.training.transfer import initialise
from huafeng.training.watch import pairwise_distance

SIDES = (32, 64, 128, 256)  # px
GRID = 8  # samples a side
MOST_HELD = 1000  # pictures on which the figures are measured
LEAST_MADE = 500  # pictures made for them
LEAST_HELD = 2
MOST_COMPARED = 4000  # training pictures among which the nearest ones are sought
AT_ONCE = 32  # pictures that are made or looked at, at a time
EXAMPLES = 64  # pictures of which a frozen network's features are standardised
DIVERSE = 16  # of each kind, for the collapse watch


@dataclass(frozen=True, kw_only=True)
class GeneratorCardOptions(CardOptions):
    """What the generator file says about itself."""

    consent: str = ""
    """By whose consent pictures of people were used."""


@dataclass(frozen=True, kw_only=True)
class GanOptions(RunOptions):
    """Noise to image."""

    recipe: Literal["gan"] = "gan"
    """Which recipe this file configures."""
    name: str
    """Name of the generator, and of its file."""
    data: Path = Path()
    """Folder from which the recipe's other paths start."""
    pictures: tuple[Path, ...] = ()
    """Folders, files or shards with the pictures to learn from; or give `classes`."""
    classes: dict[str, Path] = field(default_factory=dict)
    """Names of classes, each with its folder: then a class can be asked for by name."""
    hold_out_every: Annotated[int, Between(2)] = 10
    """Every so-manyth picture is kept out of training, for figures."""
    crop_px: Annotated[int, Between(16)] = 64
    """Side of the pictures: 32, 64, 128 or 256."""
    augment: Augment = field(default_factory=lambda: Augment(reach=(0.95, 1.0)))
    """How crops are drawn from the pictures."""
    network: NetworkKind = "style"
    """plain: dense and convolutions, 32 px; dcgan: Radford et al., 2016; residual: Miyato et al., 2018; style: a small
    StyleGAN2, Karras et al., 2020."""
    width: Annotated[int, Between(4, 256)] = 32
    """Channels at full size; twice as many at half the size, and so on. Time grows with its square."""
    latent: Annotated[int, Between(2, 1024)] = 128
    """Length of the noise vector."""
    mixing: Annotated[float, Between(0, 1)] = 0.0
    """Share of the pictures whose coarse and fine layers are given different noise (network: style)."""
    layer_noise: bool = True
    """Noise in each layer (network: style), for detail that follows no rule. Small pictures are better without: it decides
    about eyes and mouths there."""
    discriminator: PatchGanOptions | None = None
    """A discriminator of patches in place of the network's own; with `features` in it, one that sees through a frozen one."""
    features: str = "features-v1"
    """Feature network of the figures: features-v1, or a file with SqueezeNet's or VGG's weights."""
    generator: LearnerOptions = field(
        default_factory=lambda: LearnerOptions(learning_rate=1e-3, betas=(0.0, 0.99), warmup_steps=0, clip=None)
    )
    """How the generator learns."""
    ema: Annotated[float, Between(0, 0.99999)] = 0.998
    """Decay of the moving average of the generator's weights, which is the result."""
    adversarial: AdversarialOptions = field(
        default_factory=lambda: AdversarialOptions(weight=1.0, learning_rate=1e-3, betas=(0.0, 0.99), warmup_steps=0, clip=None)
    )
    """The discriminator and how it learns."""
    card: GeneratorCardOptions
    """What the generator file says about itself."""

    def problems(self) -> Iterator[str]:
        """Faults that no single field can tell."""
        yield from super().problems()
        if self.crop_px not in SIDES:
            yield f"crop_px is one of {', '.join(map(str, SIDES))}, not {self.crop_px}"
        elif self.network == "plain" and self.crop_px != 32:
            yield "network: plain makes pictures of 32 px: set crop_px to 32, or take another network"
        if any(stage.crop_px != self.crop_px for stage in self.stages):
            yield "stages can change the batch, not crop_px: a generator has one size"
        if bool(self.pictures) == bool(self.classes):
            yield "give either pictures (folders) or classes (names with a folder each)"
        if len(self.classes) == 1:
            yield "classes has one class: give its folder as pictures"
        if self.mixing and self.network != "style":
            yield f"mixing has no meaning with network: {self.network}: set it to 0"
        if self.discriminator and self.classes:
            yield "discriminator knows no classes: leave it out, or give pictures without classes"
        if self.discriminator:
            yield from self.discriminator.refuses(self.crop_px)
        if not self.adversarial.weight or self.adversarial.since:
            yield "adversarial.weight must be above 0, and adversarial.since 0: there is no other loss"
        for name in (self.name, *self.classes):
            try:
                check_name(name)
            except StyleError as error:
                yield str(error).rstrip(".")
        try:
            Card(**vars(self.card), date="2000-01-01")
        except StyleError as error:
            yield f"card: {str(error).rstrip('.')}"

    @property
    def shape(self) -> NetworkShape:
        """The networks that these options ask for."""
        return NetworkShape(self.network, self.crop_px, self.latent, self.width, len(self.classes), self.layer_noise)


class Gan(Recipe):
    """See the module."""

    def __init__(self, options: GanOptions, machine: Machine) -> None:
        self.options, self.machine, self.data = options, machine, {}
        self.streams: list[Crops] = []
        self.trained: list[Pictures] = []
        held: list[U8] = []
        self.held_classes: list[int] = []
        sources = {name: [folder] for name, folder in options.classes.items()} or {"pictures": list(options.pictures)}
        for number, (name, folders) in enumerate(sources.items()):
            found = open_pictures([options.data / folder for folder in folders], machine.tell)
            self.data[name] = found.fingerprint
            training, held_out = found.split(options.hold_out_every)
            if len(held_out) < LEAST_HELD:
                least = (LEAST_HELD - 1) * options.hold_out_every + 1
                raise DataError(f"{name} has {len(found)} pictures, and {least} are needed: add some, or lower hold_out_every.")
            self.streams.append(Crops(training, options.seed, f"real/{name}", options.augment, 2 * options.crop_px))
            chosen = range(min(len(held_out), MOST_HELD // len(sources)))
            held += [square(held_out.read(i, 2 * options.crop_px), options.crop_px) for i in chosen]
            self.held_classes += [number] * len(chosen)
            self.trained.append(training)
        self.features: FeatureNetwork = machine.place(load_features(options.features))
        self.held_features = self.pooled(to_batch(held), self.features.layers[-1])
        self.held_some = to_batch([held[i] for i in spread_over(len(held), DIVERSE)])

        self.generator = machine.place(LatentGenerator(options.shape, machine.processes))
        if options.init:
            initialise(self.generator, options.init, machine.tell)
        self.average = Average(self.generator, options.ema)
        self.synthesis = machine.compiled(self.generator.synthesis)
        self.learner = Learner([self.generator], options.generator)
        judge: nn.Module
        if options.discriminator is None:
            judge = Judge(options.shape, spectral_norm=options.adversarial.spectral_norm)
        else:
            some, spectral_norm = held[:EXAMPLES], options.adversarial.spectral_norm
            judge = patch_discriminator(options.discriminator, machine, some, spectral_norm=spectral_norm)
        if options.init:  # one that begins anew beside a generator that can draw never catches up (docs/recipes/gan.md)
            initialise(judge, options.init, machine.tell, "discriminator", must_fit=False)
        self.adversary = Adversary(judge, options.adversarial, machine)
        self.parts = {
            "generator": self.generator,
            "average": self.average,
            "generator_optimizer": self.learner.optimizer,
            "discriminator": self.adversary.discriminator,
            "discriminator_optimizer": self.adversary.learner.optimizer,
        }

    def step(self, clock: Clock) -> Report:
        """One step of the discriminator (or several), then one of the generator."""
        rows = torch.arange(clock.batch)[clock.mine]

        # Discriminator phase: min over D  E[judge(D(y, c), D(G(z, c), c))]
        def show(k: int) -> Shown:
            index = self.drawn_classes(clock, f"judge/{k}")
            with torch.no_grad():
                made = self.made(clock, f"judge/{k}", index)
            return Shown(self.real(clock, k, index), made, () if index is None else (index,), rows, clock.batch)

        report = self.adversary.learn(clock, show)

        # Generator phase: min over G  E[fool(D(G(z, c), c))]
        index = self.drawn_classes(clock, "fool")
        made = self.made(clock, "fool", index)
        loss = self.adversary.fool(clock, Shown(made, made, () if index is None else (index,), rows, clock.batch))
        report.losses["fool"] = loss.detach()
        report.figures["generator_gradient"] = self.learner.learn(loss, clock)
        self.average.update(self.generator, clock.step)
        return report

    def drawn_classes(self, clock: Clock, purpose: str) -> Tensor | None:
        """This process's classes [B] of a batch, all equally often; None where there are none."""
        if not self.options.classes:
            return None
        index = torch.randint(len(self.streams), (clock.batch,), generator=clock.numbers(f"classes/{purpose}"))
        return index[clock.mine].to(self.machine.device)

    def real(self, clock: Clock, k: int, index: Tensor | None) -> Tensor:
        """This process's real pictures [B, 3, S, S] of the discriminator's k-th step."""
        mine = clock.mine
        first = clock.images * self.options.adversarial.steps + k * clock.batch + mine.start
        side = self.options.crop_px
        if index is None:
            return self.machine.batch(self.streams[0].batch(first, mine.stop - mine.start, side))
        pictures = [self.streams[c].sample(first + i, side) for i, c in enumerate(index.tolist())]
        return self.machine.batch(to_batch(pictures))

    def made(self, clock: Clock, purpose: str, index: Tensor | None) -> Tensor:
        """This process's pictures of a batch [B, 3, S, S] in 0..1, out of the step's noise."""

        def drawn(what: str, length: int) -> Tensor:
            numbers = torch.randn(clock.batch, length, generator=clock.numbers(f"{what}/{purpose}"))
            return numbers[clock.mine].to(self.machine.device)

        o, mapping = self.options, self.generator.mapping
        noise = drawn("noise", self.generator.noise_length)
        with self.machine.autocast():
            w = mapping(drawn("z", o.latent), index)
            if o.mixing:  # style mixing (Karras et al., CVPR 2019, section 3.1): from some layer on another w
                layers = int(self.generator.synthesis.layers)  # type: ignore[arg-type]
                mixed = torch.rand(clock.batch, generator=clock.numbers(f"mixed/{purpose}")) < o.mixing
                since = torch.randint(1, layers, (clock.batch,), generator=clock.numbers(f"since/{purpose}"))
                since = torch.where(mixed, since, layers)[clock.mine, None, None].to(w.device)
                other = mapping(drawn("other", o.latent), index)
                w = torch.where(torch.arange(layers, device=w.device)[:, None] < since, w[:, None], other[:, None])
            picture: Tensor = self.synthesis(w, noise)
        return picture

    @torch.no_grad()
    def shown(self, generator: LatentGenerator, purpose: str, index: Tensor | None, count: int) -> Tensor:
        """Pictures [count, 3, S, S] at latents that are the same at every call; `generator` is left as it was."""
        draw = torch_numbers(0, purpose)
        z = torch.randn(count, self.options.latent, generator=draw).to(self.machine.device)
        noise = torch.randn(1, generator.noise_length, generator=draw).to(self.machine.device)
        training = generator.training
        generator.eval()
        indices = [None] * count if index is None else list(index.to(z.device).split(AT_ONCE))
        with self.machine.autocast():
            made = [generator(part, i, noise) for part, i in zip(z.split(AT_ONCE), indices, strict=False)]
        generator.train(training)
        return torch.cat(made)

    @torch.no_grad()
    def pooled(self, pictures: Tensor, layer: str) -> Tensor:
        """Pictures [N, 3, S, S] -> means over space of a layer's features [N, C], float32."""
        parts = [self.features(self.machine.batch(part), layer)[layer] for part in pictures.split(AT_ONCE)]
        return torch.cat(parts).float().mean((2, 3))

    def diversity(self, clock: Clock) -> float:
        """Of the generator as it is, at the same latents each time."""
        made = self.shown(self.generator, "diversity", self.held_index(DIVERSE), DIVERSE)
        layer = self.features.content_layer
        results, references = (pairwise_distance(self.pooled(p, layer)[:, :, None, None]) for p in (made, self.held_some))
        return float(results / references.clamp_min(1e-9))

    def figures(self) -> dict[str, float]:
        """Frechet distance (also `objective`) and KID between made and held-out pictures, in the last layer's features."""
        count = max(LEAST_MADE, len(self.held_features))
        made = self.shown(self.average.module, "figures", self.held_index(count), count)
        a, b = (x.double().cpu().numpy() for x in (self.pooled(made, self.features.layers[-1]), self.held_features))
        distance = frechet(a, b)
        return {"frechet": distance, "kid": kid(a, b), "objective": distance}

    def held_index(self, count: int) -> Tensor | None:
        """Classes [count], as often as among the held-out pictures; None where there are none."""
        if not self.options.classes:
            return None
        return torch.tensor([self.held_classes[i] for i in spread_over(len(self.held_classes), count)])

    def samples(self) -> U8:
        """A grid of pictures at fixed latents; with classes a row each, in turn."""
        count = GRID * GRID
        index = torch.arange(count) // GRID % len(self.streams) if self.options.classes else None
        made = self.shown(self.average.module, "samples", index, count)
        levels = (made.float() * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        return np.concatenate([np.concatenate(list(row), 1) for row in np.split(levels, GRID)])

    def export(self, folder: Path) -> list[Path]:
        """NAME.generator, and NAME-nearest.png: the made picture that is most like a training picture, beside that one."""
        o, found = self.options, self.figures()
        count = max(LEAST_MADE, len(self.held_features))
        scores = {name: found[name] for name in ("frechet", "kid")}
        measured_on = f"{count} made and {len(self.held_features)} held-out pictures of {o.crop_px} px"
        path, beside = folder / f"{o.name}.generator", folder / f"{o.name}-nearest.png"
        written = [path]
        with contextlib.suppress(DataError):  # all training pictures are the same one
            copies, pair = self.nearest(count)
            scores["near-copies"] = copies.share
            measured_on += (
                "; near copies: share of the made ones that are nearer to a training picture than all but 1 % of those are to "
                "each other"
            )
            write_whole(beside, png(pair, LABEL), force=True)
            written.append(beside)
        told = {"scores": {f"{k}-{self.features.name}": v for k, v in scores.items()}, "measured_on": measured_on}
        export_generator(self.average.module, o.name, list(o.classes), vars(o.card) | told, sum(map(len, self.trained)), path)
        return written

    def nearest(self, count: int) -> tuple[NearCopies, U8]:
        """How near `count` made pictures come to those trained on; and the nearest pair [S, 2 S, 3], the made one to the left.

        Of the training pictures, at most MOST_COMPARED, evenly.
        """
        side, layer = self.options.crop_px, self.features.layers[-1]
        real = [
            square(pictures.read(i, 2 * side), side)
            for pictures in self.trained
            for i in spread_over(len(pictures), min(len(pictures), MOST_COMPARED // len(self.trained)))
        ]
        made = self.shown(self.average.module, "nearest", self.held_index(count), count)
        copies = near_copies(*(self.pooled(p, layer).double().cpu().numpy() for p in (made, to_batch(real))))
        return copies, np.concatenate([side_by_side(made[copies.made, None]), real[copies.real]], 1)

    def waited_s(self) -> float:
        """For pictures."""
        return sum(stream.waited_s for stream in self.streams)


def spread_over(most: int, count: int) -> list[int]:
    """`count` indices below `most`, evenly; repeated where there are fewer."""
    return [i * most // count for i in range(count)]
