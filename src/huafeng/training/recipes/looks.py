"""The recipe `looks`: a network that reads a folder of finished pictures and gives the grade that lies over them.

    min over N:  E over grades g, folders A, untouched photos U of  d(N(g(A), U), g) / (HALF + d(identity, g))

d: mean colour difference over the colours that photos have. Every folder has a random grade of its own (`training/grades.py`),
so what is learned is how to tell a grade from what is in the pictures. Optionally a conditional critic looks at pairs of a
finished folder and other photos, graded truly or as the network says. docs/recipes/looks.md has the formulas.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.numpy import save as save_safetensors
from torch import Tensor

from huafeng.errors import DataError
from huafeng.files import write_whole
from huafeng.looklearner import POOL
from huafeng.lookmoments import glimpse, places
from huafeng.pixels import U8
from huafeng.training.adversary import AdversarialOptions, Adversary, Shown
from huafeng.training.gradeprior import grade_prior
from huafeng.training.grades import random_grades
from huafeng.training.learner import Average, Learner, LearnerOptions
from huafeng.training.looknetwork import Critic, LookNetwork, linear_transport, statistics
from huafeng.training.options import Between
from huafeng.training.pictures import Pictures, open_pictures
from huafeng.training.randomness import numbers
from huafeng.training.recipe import Clock, Machine, Recipe, Report, RunOptions
from huafeng.training.tables import color_difference, density, enlarged, identity, lookup
from huafeng.training.transfer import initialise

SPARE_PX = 8  # thumbnails are kept so much larger than they are shown, for random crops
SIZE = 13  # nodes per axis of grades in training
PHOTOS = 800  # of which the fit knows how their moments vary
COLORS = 2048  # of a folder that are looked at, per step
PLACES = 700  # nodes at which a step compares tables with the truth, drawn as often as photos have their colours
HALF = 10.0  # a grade of this strength counts half of what one that is hardly there does
ITERATIONS = (0.3, 0.5, 1.0)  # weights of the network's guesses, first to last
RARE = 0.15  # share of the loss that all colours of the cube have alike
BEYOND = 5.0  # weight of table values outside 0..1
HELD_FOLDERS, HELD_SIZE = 32, 32  # on which the validation figure is measured


@dataclass(frozen=True, kw_only=True)
class LooksOptions(RunOptions):
    """What the look learner learns from."""

    recipe: Literal["looks"] = "looks"
    """Which recipe this file configures."""
    data: Path = Path()
    """Folder from which the recipe's other paths start."""
    pictures: dict[str, Annotated[float, Between(0)]]
    """Folders with untouched photos, and how often they are drawn relative to each other."""
    hold_out_every: Annotated[int, Between(2)] = 10
    """Every so-manyth photo is kept out of training."""
    folder: tuple[int, int] = (8, 40)
    """Pictures in a folder, least and most."""
    mixed: Annotated[float, Between(0, 1)] = 0.4
    """Share of the folders that are drawn from all sources at once."""
    alike: Annotated[float, Between(0, 1)] = 0.2
    """Share of the others whose pictures resemble each other."""
    uneven: Annotated[float, Between(0, 1)] = 0.3
    """Share of the folders whose pictures differ in exposure, as real ones do."""
    untouched: Annotated[float, Between(0, 1)] = 0.5
    """Share of the folders that come with untouched photos of their own; the others with all sources' colours."""
    network: LearnerOptions = field(default_factory=LearnerOptions)
    """How the network learns."""
    ema: Annotated[float, Between(0, 0.99999)] = 0.998
    """Decay of the moving average of the network's weights, which is the result."""
    adversarial: AdversarialOptions = field(default_factory=lambda: AdversarialOptions(weight=0.0))
    """The critic and how it learns."""

    def problems(self) -> Iterator[str]:
        """Faults that no single field can tell."""
        yield from super().problems()
        if not self.pictures or not sum(self.pictures.values()):
            yield "pictures is empty: name at least one folder"
        if not 2 <= self.folder[0] <= self.folder[1]:
            yield "folder must be the least number of pictures, at least 2, then the most"


class Looks(Recipe):
    """See the module."""

    def __init__(self, options: LooksOptions, machine: Machine) -> None:
        self.options, self.machine, self.data = options, machine, {}
        self.training, self.pools, self.held_out = [], [], []
        for name in options.pictures:
            found = open_pictures(options.data / name, machine.tell)
            self.data[name] = found.fingerprint
            training, held_out = found.split(options.hold_out_every)
            if not len(held_out):
                raise DataError(f"{name} has too few pictures: {options.hold_out_every} are needed at least.")
            self.training.append(training)
            self.pools.append(thumbnails(training, options.crop_px + SPARE_PX))
            self.held_out.append(thumbnails(held_out, options.crop_px))
        shares = np.array(list(options.pictures.values()))
        self.shares = shares / shares.sum()
        self.likeness = [F.adaptive_avg_pool2d(pool.float() / 255, 4).flatten(1) for pool in self.pools]
        self.colors = self._usual_colors(numbers(options.seed, "usual"))
        self.weights = (1 - RARE) * density(self.colors, SIZE) + RARE / SIZE**3
        self.identity = identity(SIZE)

        self.network = LookNetwork()
        if options.init:
            initialise(self.network, options.init, machine.tell)
        self.average = Average(self.network, options.ema)
        self.learner = Learner([self.network], options.network)
        self.adversary = Adversary(Critic(), options.adversarial, machine)
        self.parts = {
            "network": self.network,
            "average": self.average,
            "network_optimizer": self.learner.optimizer,
            "critic": self.adversary.discriminator,
            "critic_optimizer": self.adversary.learner.optimizer,
        }

    def step(self, clock: Clock) -> Report:
        """One step of the network, then one of the critic."""
        mine = range(clock.batch)[clock.mine]
        draw = numbers(clock.seed, "size", clock.step)
        count = int(draw.integers(self.options.folder[0], self.options.folder[1] + 1))
        grades = random_grades(clock.batch, SIZE, clock.numbers("grades"))[clock.mine]
        folders = [self._folder(clock.images + row, count, clock) for row in mine]
        finished = through(grades, torch.stack([lit for lit, _, _ in folders])).mul(255).round() / 255
        untouched = torch.stack([colors for _, colors, _ in folders])

        # Network phase: min over N of the distance to the true grade (+ w fool(C(A, N(other photos))))
        losses: dict[str, Tensor] = {}
        places = torch.multinomial(self.weights.flatten(), PLACES, replacement=True, generator=clock.numbers("places"))
        guesses = self._guesses(self.network, finished, untouched)
        tables = guesses[-1]
        distances = [at_places(guess.clamp(-0.2, 1.2), grades, places) for guess in guesses]
        base = at_places(self.identity[None], grades, places)
        for weight, distance in zip(ITERATIONS, distances, strict=True):
            losses["grade"] = losses.get("grade", torch.zeros(())) + weight * (distance / (HALF + base)).mean()
        losses["beyond"] = BEYOND * (tables - tables.clamp(0, 1)).abs().mean()
        shown = None
        if self.adversary.plays(clock):
            others = torch.stack([other for _, _, other in folders])
            rows = torch.tensor(list(mine))
            shown = Shown(
                through(grades, others).flatten(1, 2), through(tables, others).flatten(1, 2), (finished,), rows, clock.batch
            )
            losses["fool"] = self.adversary.fool(clock, shown)
        gradient = self.learner.learn(torch.stack(list(losses.values())).sum(), clock)
        self.average.update(self.network, clock.step)
        figures = {
            "network_gradient": gradient,
            "difference": distances[-1].mean().detach(),
            "first": distances[0].mean().detach(),
        }
        report = Report({name: loss.detach() for name, loss in losses.items()}, figures)

        # Critic phase: max over C of telling true grades from the network's
        if shown is not None:
            seen = Shown(shown.real, shown.made.detach(), shown.condition, shown.rows, shown.whole)
            learned = self.adversary.learn(clock, lambda k: seen)
            report.losses |= learned.losses
            report.figures |= learned.figures
        return report

    def _guesses(self, network: LookNetwork, finished: Tensor, untouched: Tensor) -> list[Tensor]:
        """The network's tables [F, N, N, N, 3], guess after guess; each has gradients of its own step alone."""
        with self.machine.autocast():
            things = network.embed(finished)
        seen = finished.transpose(2, 4).flatten(1, 3)
        of_finished = statistics(seen[:, :: max(1, seen.shape[1] // COLORS)])
        matrix, offset = linear_transport(untouched, seen)
        tables = (self.identity.reshape(1, -1, 3) @ matrix + offset).clamp(0, 1).unflatten(1, (SIZE, SIZE, SIZE))
        guesses = []
        for _ in ITERATIONS:
            before = tables.detach().clamp(0, 1)
            inward, outward = network.step(things, of_finished, statistics(lookup(before, untouched)), before)
            tables = before + enlarged(inward, SIZE) + lookup(outward, before.flatten(1, 3)).reshape(before.shape)
            guesses.append(tables)
        return guesses

    def _folder(self, n: int, count: int, clock: Clock) -> tuple[Tensor, Tensor, Tensor]:
        """Folder n: its pictures [count, 3, S, S], perhaps unevenly lit; untouched colours [COLORS, 3]; more photos."""
        o, draw = self.options, numbers(clock.seed, "folder", n)
        mixed = draw.random() < o.mixed
        pool = int(draw.choice(len(self.pools), p=self.shares))
        alike = draw.random() < o.alike
        pictures = self._drawn(draw, count, None if mixed else pool, clock.crop_px, alike)
        others = self._drawn(draw, count, None if mixed else pool, clock.crop_px, False)
        if draw.random() < o.untouched:
            near = others if draw.random() < 0.75 else self._drawn(draw, count, None, clock.crop_px, False)
            colors = near.transpose(1, 3).flatten(0, 2)
        else:
            colors = self.colors
        colors = colors[torch.from_numpy(draw.integers(len(colors), size=COLORS))]
        if draw.random() < o.uneven:
            gains = np.exp(0.12 * draw.standard_normal((count, 1, 1, 1))).astype(np.float32)
            pictures = (pictures * torch.from_numpy(gains)).clamp(0, 1)
        return pictures, colors, others

    def _drawn(self, draw: np.random.Generator, count: int, pool: int | None, side: int, alike: bool) -> Tensor:
        """Random photos of one pool, or of all; cropped and mirrored as one."""
        pools = draw.choice(len(self.pools), size=count, p=self.shares) if pool is None else np.full(count, pool)
        chosen = []
        for k in np.unique(pools):
            wanted, there = int((pools == k).sum()), len(self.pools[k])
            if alike and pool is not None:
                middle = self.likeness[k][int(draw.integers(there))]
                near = (self.likeness[k] - middle).square().sum(1).topk(min(there, 6 * wanted), largest=False).indices
                at = near[torch.from_numpy(draw.integers(len(near), size=wanted))]
            else:
                at = torch.from_numpy(draw.integers(there, size=wanted))
            chosen.append(self.pools[k][at])
        pictures = torch.cat(chosen)
        top, left = (int(x) for x in draw.integers(pictures.shape[-1] - side + 1, size=2))
        pictures = pictures[:, :, top : top + side, left : left + side].float() / 255
        return pictures.flip(-1) if draw.random() < 0.5 else pictures

    def _usual_colors(self, draw: np.random.Generator) -> Tensor:
        """Colours of untouched photos in general [POOL, 3]: the built-in neutral side."""
        parts = []
        for pool, share in zip(self.pools, self.shares, strict=True):
            colors = pool.transpose(1, 3).flatten(0, 2)
            parts.append(colors[torch.from_numpy(draw.integers(len(colors), size=round(POOL * share)))])
        return torch.cat(parts).float() / 255

    def _usual_photos(self) -> U8:
        """Neighbouring colours of photos in general [PHOTOS, 2, 64, 3, 3], spread evenly over each source's."""
        found = []
        for pictures, share in zip(self.training, self.shares, strict=True):
            some = np.linspace(0, len(pictures) - 1, min(len(pictures), round(PHOTOS * share))).round().astype(int)
            found += [glimpse(pictures.read(int(i))) for i in some]
        return places(found)

    def diversity(self, clock: Clock) -> float:
        """Tables for held-out folders differ as the true grades do."""
        tables, grades = self._held_out_guesses(self.network)
        return float(tables.std(0).mean() / grades.std(0).mean().clamp_min(1e-9))

    def figures(self) -> dict[str, float]:
        """Mean colour difference to the true grades of folders of held-out photos, and to none where there is none."""
        tables, grades = self._held_out_guesses(self.average.module)
        distance = (color_difference(tables, grades) * self.weights).sum((1, 2, 3))
        none = (grades == self.identity).flatten(1).all(1)
        return {"objective": float(distance.mean()), "harm": float(distance[none].mean()) if none.any() else float("nan")}

    @torch.no_grad()
    def _held_out_guesses(self, network: LookNetwork) -> tuple[Tensor, Tensor]:
        draw = numbers(0, "held out")
        grades = random_grades(HELD_FOLDERS, SIZE, torch.Generator().manual_seed(1))
        grades[:4] = self.identity
        photos = torch.cat(self.held_out)
        chosen = photos[torch.from_numpy(draw.integers(len(photos), size=(HELD_FOLDERS, HELD_SIZE)))].float() / 255
        colors = self.colors[torch.from_numpy(draw.integers(len(self.colors), size=(HELD_FOLDERS, COLORS)))]
        return self._guesses(network, through(grades, chosen), colors)[-1].clamp(0, 1), grades

    @torch.no_grad()
    def samples(self) -> U8:
        """Held-out photos: as they are, then for some folders truly graded and as the network says, in turns."""
        photos = torch.cat([held[:4] for held in self.held_out])[None].float() / 255
        tables, grades = self._held_out_guesses(self.average.module)
        rows = [photos] + [through(t[None], photos) for pair in zip(grades[4:10], tables[4:10], strict=True) for t in pair]
        return torch.cat([(row[0] * 255).round().to(torch.uint8).permute(2, 0, 3, 1).flatten(1, 2) for row in rows]).numpy()

    def export(self, folder: Path) -> list[Path]:
        """look-learner.safetensors: the weights as float16, the colours of untouched photos, and the fit's prior."""
        components, variances = grade_prior(self.colors)
        weights = {name: w.numpy().astype(np.float16) for name, w in self.average.module.state_dict().items()}
        weights["usual"] = (self.colors.numpy() * 255).round().astype(np.uint8)
        weights["prior.components"] = components.numpy().astype(np.float16)
        weights["prior.variances"] = variances.numpy()
        weights["prior.photos"] = self._usual_photos()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "look-learner.safetensors"
        write_whole(path, save_safetensors(weights), force=True)
        return [path]


def at_places(tables: Tensor, grades: Tensor, places: Tensor) -> Tensor:
    """Mean colour difference of tables and grades [F or 1, N, N, N, 3] over places, numbers of nodes: [F]."""
    return color_difference(*(t.flatten(1, 3)[:, places] for t in (tables, grades))).mean(1)


def thumbnails(pictures: Pictures, side: int) -> Tensor:
    """All pictures, squeezed to squares: uint8 [N, 3, S, S]."""
    small = [
        np.asarray(Image.fromarray(pictures.read(i)).resize((side, side), Image.Resampling.BOX)) for i in range(len(pictures))
    ]
    return torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).contiguous()


def through(tables: Tensor, pictures: Tensor) -> Tensor:
    """Sets of pictures [F, n, 3, H, W] through a table each [F or 1, N, N, N, 3]."""
    colors = pictures.movedim(2, -1)
    return lookup(tables, colors.flatten(1, 3)).reshape(colors.shape).movedim(-1, 2)
