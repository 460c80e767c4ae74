"""A recipe of a few numbers, for tests of the loop: a GAN learns a ring of points. Also shows what a recipe needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from huafeng.pixels import U8
from huafeng.training.adversary import AdversarialOptions, Adversary, Shown
from huafeng.training.learner import Average, Learner, LearnerOptions
from huafeng.training.recipe import Clock, Machine, Recipe, Report, RunOptions
from huafeng.training.watch import pairwise_distance


@dataclass(frozen=True, kw_only=True)
class ToyOptions(RunOptions):
    """A ring of points, as pictures [1, 4, 4]: a place on the ring is a plane wave's phase."""

    recipe: Literal["toy"] = "toy"
    generator: LearnerOptions = field(default_factory=LearnerOptions)
    adversarial: AdversarialOptions = field(default_factory=lambda: AdversarialOptions(weight=1.0, loss="non-saturating"))
    poison_at: int = -1
    """Step at which a loss becomes NaN."""


class Toy(Recipe):
    def __init__(self, options: ToyOptions, machine: Machine) -> None:
        torch.manual_seed(options.seed)
        self.options, self.data = options, {"ring": "exact"}
        self.generator = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 48))
        judge = nn.Sequential(nn.Flatten(), nn.Linear(48, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
        self.average = Average(self.generator, 0.9)
        self.learner = Learner([self.generator], options.generator)
        self.adversary = Adversary(judge, options.adversarial, machine)
        self.parts = {
            "generator": self.generator,
            "average": self.average,
            "generator_optimizer": self.learner.optimizer,
            "discriminator": judge,
            "discriminator_optimizer": self.adversary.learner.optimizer,
        }

    def made(self, clock: Clock, purpose: str, count: int | None = None) -> Tensor:
        z = torch.randn(count or clock.batch, 4, generator=clock.numbers(purpose))
        return self.generator(z if count else z[clock.mine]).reshape(-1, 3, 4, 4)

    def step(self, clock: Clock) -> Report:
        rows = torch.arange(clock.batch)[clock.mine]
        if clock.step == self.options.poison_at:
            with torch.no_grad():
                next(self.generator.parameters()).fill_(float("nan"))

        def show(k: int) -> Shown:
            real = ring(torch.rand(clock.batch, generator=clock.numbers(f"ring/{k}")))[clock.mine]
            return Shown(real, self.made(clock, f"z/{k}").detach(), (), rows, clock.batch)

        report = self.adversary.learn(clock, show)
        made = self.made(clock, "z")
        loss = self.adversary.fool(clock, Shown(made, made, (), rows, clock.batch))
        report.losses["fool"] = loss.detach()
        report.figures["generator_gradient"] = self.learner.learn(loss, clock)
        self.average.update(self.generator, clock.step)
        return report

    @torch.no_grad()
    def diversity(self, clock: Clock) -> float:
        real = ring(torch.rand(16, generator=clock.numbers("diversity")))
        planes = [p.reshape(16, 48, 1, 1) for p in (self.made(clock, "diversity/z", 16), real)]
        return float(pairwise_distance(planes[0]) / pairwise_distance(planes[1]))

    @torch.no_grad()
    def figures(self) -> dict[str, float]:
        made = self.average.module(torch.randn(64, 4, generator=torch.Generator().manual_seed(0)))
        return {"objective": float((made.std(0) - ring(torch.linspace(0, 1, 64)).flatten(1).std(0)).abs().mean())}

    def samples(self) -> U8:
        return np.zeros((4, 4, 3), np.uint8)

    def export(self, folder: Path) -> list[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "toy.txt").write_text("made")
        return [folder / "toy.txt"]


def ring(phase: Tensor) -> Tensor:
    """Phases [B] in 0..1 -> pictures [B, 3, 4, 4] in 0..1."""
    angle = 2 * torch.pi * (phase[:, None] + torch.arange(48) / 48)
    return (0.5 + 0.5 * torch.sin(angle)).reshape(-1, 3, 4, 4)
