"""The recipe `looks`: a network that reads a folder of finished pictures and gives the grade that lies over them.

    min over N:  E over grades g, folders A  of  sum over guesses k of  w_k d(N_k(g(A)), g) / (HALF + d(identity, g))

d: mean colour difference over the colours that photos have. Every folder has a random grade of its own (`training/grades.py`),
so what is learned is how to tell a grade from what is in the pictures. docs/recipes/looks.md has the formulas.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save as save_safetensors
from torch import Tensor

from huafeng.errors import DataError
from huafeng.files import write_whole
from huafeng.lookguess import NODES
from huafeng.looklearner import SCALE
from huafeng.pixels import U8
from huafeng.training import gradeprior
from huafeng.training.filmgrades import mixed_grades
from huafeng.training.learner import Average, Learner, LearnerOptions
from huafeng.training.lookdirections import directions
from huafeng.training.lookfolders import Photos, unit
from huafeng.training.looknetwork import LookNetwork, dropping, whole
from huafeng.training.moments import moments
from huafeng.training.options import Between
from huafeng.training.pictures import open_pictures
from huafeng.training.randomness import numbers, torch_numbers
from huafeng.training.recipe import Clock, Machine, Recipe, Report, RunOptions
from huafeng.training.tables import color_difference, density, identity, lookup
from huafeng.training.transfer import initialise

SIZE = 13  # nodes per axis of grades in training
PHOTOS = 800  # untouched ones that go out with the network
HALF = 10.0  # a grade of this strength counts half of what one that is hardly there does
GUESSES = (0.4, 0.5, 0.7, 1.0)  # weights of the network's guesses, first to last
RARE = 0.15  # share of the loss that all colours of the cube have alike
BEYOND = 5.0  # weight of table values outside 0..1
OWN = 200  # untouched photos that a folder of training comes with
DOUBT = 0.02  # weight of what the doubts are taught by
RIDGE = 1e-7  # least curvature, as a share of the mean one, where grades are expressed by components
HELD_FOLDERS, HELD_SIZE, PLAIN = 32, 32, 64  # on which the validation figure is measured; photos that guesses are laid over


@dataclass(frozen=True, kw_only=True)
class LooksOptions(RunOptions):
    """What the look learner learns from. `batch` counts pictures, in folders of one size per step."""

    recipe: Literal["looks"] = "looks"
    """Which recipe this file configures."""
    data: Path = Path()
    """Folder from which the recipe's other paths start."""
    pictures: dict[str, Annotated[float, Between(0)]]
    """Folders with untouched photos, and how often they are drawn relative to each other."""
    hold_out_every: Annotated[int, Between(2)] = 10
    """Every so-manyth photo is kept out of training."""
    folder: tuple[int, int] = (8, 40)
    """Pictures in a folder, least and most; any number between is as likely as its double."""
    mixed: Annotated[float, Between(0, 1)] = 0.4
    """Share of the folders that are drawn from all sources at once."""
    alike: Annotated[float, Between(0, 1)] = 0.12
    """Share of the folders whose photos resemble each other."""
    leaning: Annotated[float, Between(0, 1)] = 0.3
    """Share of the folders whose photos lean to one side, such as dark ones or green ones."""
    own: Annotated[float, Between(0, 1)] = 0.5
    """Share of the folders that come with untouched photos of their own kind, in place of photos in general."""
    film: Annotated[float, Between(0, 1)] = 0.7
    """Share of the grades that are random film stocks: a matrix, curves, a matrix."""
    uneven: Annotated[float, Between(0, 1)] = 0.3
    """Share of the folders whose photos differ in exposure, white balance, gamma and saturation, as real ones do."""
    collages: Annotated[float, Between(0, 1)] = 0.1
    """Share of the pictures that are two photos side by side: harder to know by heart."""
    parts: Annotated[float, Between(0, 1)] = 0.3
    """Share of the pictures that are a part of a photo."""
    network: LearnerOptions = field(default_factory=LearnerOptions)
    """How the network learns."""
    ema: Annotated[float, Between(0, 0.99999)] = 0.999
    """Decay of the moving average of the network's weights, which is the result."""

    def problems(self) -> Iterator[str]:
        """Faults that no single field can tell."""
        yield from super().problems()
        if not self.pictures or not sum(self.pictures.values()):
            yield "pictures is empty: name at least one folder"
        if not 2 <= self.folder[0] <= self.folder[1]:
            yield "folder must be the least number of pictures, at least 2, then the most"
        if len(self.crop_sizes) > 1:
            yield "crop_px must be the same in all stages"


class Looks(Recipe):
    """See the module."""

    def __init__(self, options: LooksOptions, machine: Machine) -> None:
        self.options, self.machine, self.data = options, machine, {}
        self.sources, held_out = [], []
        for name in options.pictures:
            found = open_pictures(options.data / name, machine.tell)
            self.data[name] = found.fingerprint
            training, held = found.split(options.hold_out_every)
            if not len(held):
                raise DataError(f"{name} has too few pictures: {options.hold_out_every} are needed at least.")
            self.sources.append(training)
            held_out.append(held)
        self.shares = [*options.pictures.values()]
        self.photos, self.held_out = (
            Photos(sources, self.shares, options.crop_px, machine.device) for sources in (self.sources, held_out)
        )
        draw = self._numbers("usual")
        colors = self.photos.colors(draw)
        self.weights = (1 - RARE) * density(colors, SIZE) + RARE / SIZE**3
        self.identity = identity(SIZE, machine.device)
        usually = torch_numbers(options.seed, "grades")
        grades = mixed_grades(gradeprior.COUNT, NODES, options.film, usually)
        components, variances = (x.to(machine.device) for x in gradeprior.grade_prior(colors.cpu(), grades, usually))
        fields = components * variances.sqrt()[:, None, None, None, None]
        self.network = LookNetwork(fields, *self._usual_moments(draw)).to(machine.device)
        if options.init:
            initialise(self.network, options.init, machine.tell)
        self.coordinates = self._coordinates(self.network)
        self.usual = self.photos.chances[0] @ self.photos.neutral
        self.average = Average(self.network, options.ema)
        self.learner = Learner([self.network], options.network)
        self.parts = {"network": self.network, "average": self.average, "network_optimizer": self.learner.optimizer}

    def step(self, clock: Clock) -> Report:
        """min over N of the distance to the true grade."""
        o = self.options
        least, most = (math.log(count) for count in o.folder)
        count = round(math.exp(numbers(clock.seed, "size", clock.step).uniform(least, most)))
        folders = max(1, (clock.mine.stop - clock.mine.start) // count)
        draw = self._numbers("folders", clock.step, clock.processes.rank, seed=clock.seed)
        grades = mixed_grades(folders, SIZE, o.film, draw)
        kinds = self.photos.kinds(folders, o.mixed, o.alike, o.leaning, draw)
        chosen = torch.multinomial(kinds, 2 * count, replacement=True, generator=draw).unflatten(1, (count, 2))
        found = self.photos.seen(grades, chosen, draw, collages=o.collages, parts=o.parts, uneven=o.uneven)
        general = torch.rand(folders, 1, device=kinds.device, generator=draw) >= o.own
        kinds = torch.where(general, self.photos.chances[0], kinds)
        some = torch.multinomial(kinds, OWN, replacement=True, generator=draw)
        own = torch.where(general, self.usual, self.photos.neutral[some].mean(1))
        guesses, tables, doubts = self._guesses(self.network, found, own, some[:, :count], dropping(draw))
        base = self._distance(self.identity, grades)
        distances = [self._distance(table.clamp(-0.2, 1.2), grades) for table in tables]
        losses = {
            "grade": torch.stack([w * (d / (HALF + base)).mean() for w, d in zip(GUESSES, distances, strict=True)]).sum(),
            "beyond": BEYOND * (tables[-1] - tables[-1].clamp(0, 1)).abs().mean(),
        }
        # -log N(off; 0, doubt^2)
        off = guesses[-1].detach()[:, : doubts.shape[1]] - (grades - self.identity).flatten(1) @ self.coordinates
        losses["doubt"] = DOUBT * (doubts + 0.5 * off.square() * (-2 * doubts).exp()).mean()
        gradient = self.learner.learn(torch.stack(list(losses.values())).sum(), clock)
        self.average.update(self.network, clock.step)
        figures = {
            "network_gradient": gradient,
            "difference": distances[-1].mean().detach(),
            "first": distances[0].mean().detach(),
        }
        return Report({name: loss.detach() for name, loss in losses.items()}, figures)

    def _guesses(
        self, network: LookNetwork, found: Tensor, own: Tensor, plain: Tensor, drop: Callable[[Tensor], Tensor] = whole
    ) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """All guesses [F, 160 + 64], their tables [F, N, N, N, 3], and the logarithms of doubts [F, 160].

        Args:
            network: the network.
            found: moments of each finished picture [F, n, M].
            own: mean moments of untouched photos [F, M].
            plain: numbers of photos that guesses are laid over [F, p]. How their own moments are off `own` is known.
            drop: dropout.
        """
        with self.machine.autocast():
            folder = network.folder(found, own, drop)
        folder = folder.float()
        wanted = found.mean(1) - own + self.photos.neutral[plain].mean(1)
        colors = unit(self.photos.places[plain])  # [F, p, 2, 64, 3, 3]
        guesses = [network.first(folder)]
        tables = [network.tables(guesses[0], SIZE)]
        for _ in GUESSES[1:]:
            before = tables[-1].detach().clamp(0, 1)
            made = lookup(before, colors.flatten(1, 4)).clamp(0, 1).reshape(colors.shape)
            made = moments(made.flatten(0, 1)).unflatten(0, (len(before), -1)).mean(1)
            guesses.append(network.again(folder, guesses[-1].detach(), wanted - made))
            tables.append(network.tables(guesses[-1], SIZE))
        return guesses, tables, network.doubts(folder)

    def _distance(self, tables: Tensor, grades: Tensor) -> Tensor:
        """Mean colour difference over the colours that photos have [F]."""
        return (color_difference(tables, grades) * self.weights).sum((1, 2, 3))

    def _numbers(self, purpose: str, *counters: int, seed: int | None = None) -> torch.Generator:
        """Random numbers that are drawn on the device."""
        drawn = torch_numbers(self.options.seed if seed is None else seed, purpose, *counters)
        return torch.Generator(self.machine.device).manual_seed(drawn.initial_seed())

    def _usual_moments(self, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the moments of single pictures, under grades and without."""
        found = [self.photos.neutral]
        for _ in range(8):
            kinds = self.photos.kinds(24, self.options.mixed, 0.0, 0.0, draw)
            chosen = torch.multinomial(kinds, 2 * 8, replacement=True, generator=draw).unflatten(1, (8, 2))
            found.append(self.photos.seen(mixed_grades(24, SIZE, self.options.film, draw), chosen, draw).flatten(0, 1))
        every = torch.cat(found)
        return every.mean(0), every.std(0) + 0.02

    def _coordinates(self, network: LookNetwork) -> Tensor:
        """What makes coordinates z out of a grade's offsets [SIZE^3 * 3, 160]: least squares over the colours of photos."""
        weight = self.weights.flatten().repeat_interleave(3).sqrt()
        alone = torch.eye(len(network.fields), network.second.in_features + len(network.fields), device=weight.device)
        with torch.no_grad():
            basis = ((network.offsets(alone, SIZE).flatten(1) * weight).T).double()
        square = basis.T @ basis
        square += RIDGE * square.diagonal().mean() * torch.eye(len(square), device=square.device)
        return (torch.linalg.solve(square, basis.T).float() * weight).T

    def diversity(self, clock: Clock) -> float:
        """Tables for held-out folders differ as the true grades do."""
        tables, grades = self._held_out_guesses(self.network)
        return float(tables.std(0).mean() / grades.std(0).mean().clamp_min(1e-9))

    def figures(self) -> dict[str, float]:
        """Mean colour difference to the true grades of folders of held-out photos, and to none where there is none."""
        tables, grades = self._held_out_guesses(self.average.module)
        distance = self._distance(tables, grades)
        return {"objective": float(distance.mean()), "harm": float(distance[:4].mean())}

    @torch.no_grad()
    def _held_out_guesses(self, network: LookNetwork) -> tuple[Tensor, Tensor]:
        """Tables and true grades [F, N, N, N, 3]; the first four grades are none."""
        draw = self._numbers("held out", seed=0)
        grades = mixed_grades(HELD_FOLDERS, SIZE, self.options.film, draw)
        grades[:4] = self.identity
        chosen = self.held_out.some(HELD_FOLDERS * HELD_SIZE * 2, draw).reshape(HELD_FOLDERS, HELD_SIZE, 2)
        found = self.held_out.seen(grades, chosen, draw)
        own = self.usual.expand(HELD_FOLDERS, -1)
        tables = self._guesses(network, found, own, self.photos.some(PLAIN, draw).expand(HELD_FOLDERS, -1))[1][-1]
        return tables.clamp(0, 1), grades

    @torch.no_grad()
    def samples(self) -> U8:
        """Held-out photos: as they are, then for some folders truly graded and as the network says, in turns."""
        photos = unit(self.held_out.whole[:: max(1, len(self.held_out.whole) // 12)][:12]).movedim(1, 3)
        tables, grades = self._held_out_guesses(self.average.module)
        pairs = [t for pair in zip(grades[4:10], tables[4:10], strict=True) for t in pair]
        rows = [lookup(t[None], photos.reshape(1, -1, 3)).reshape(photos.shape) for t in (self.identity, *pairs)]
        return torch.cat([(row * 255).round().to(torch.uint8).transpose(0, 1).flatten(1, 2) for row in rows]).cpu().numpy()

    def export(self, folder: Path) -> list[Path]:
        """look-learner.safetensors: the network, what tells looks apart, the prior, neighbours in untouched photos."""
        network = self.average.module
        apart = directions(self.photos, network.usual, network.deviation, self._numbers("apart"))
        weights = {name: w.cpu().numpy() for name, w in (network.state_dict() | {"apart": apart}).items()}
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "look-learner.safetensors"
        write_whole(path, save_safetensors(small(weights) | {"photos": self._usual_photos()}), force=True)
        return [path]

    def _usual_photos(self) -> U8:
        """Neighbouring colours of photos in general [PHOTOS, 2, 64, 3, 3], spread evenly over each source's."""
        found, first = [], 0
        for pictures, share in zip(self.sources, self.shares, strict=True):
            count = min(len(pictures), round(PHOTOS * share / sum(self.shares)))
            at = first + np.linspace(0, len(pictures) - 1, count).round().astype(int)
            found.append(self.photos.places[torch.from_numpy(at).to(self.machine.device)].cpu().numpy())
            first += len(pictures)
        return np.concatenate(found)


def small(weights: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.generic]]:
    """The network's weights as they go out: matrices as int8 with a scale for each row, components as float16."""
    kept: dict[str, NDArray[np.generic]] = {}
    for name, w in weights.items():
        if w.ndim == 2:
            scale = np.maximum(np.abs(w).max(1), 1e-9) / 127
            kept |= {name: np.round(w / scale[:, None]).astype(np.int8), name + SCALE: scale.astype(np.float32)}
        else:
            kept[name] = w.astype(np.float16 if name == "fields" else np.float32)
    return kept
