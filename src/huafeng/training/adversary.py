"""The discriminator as a player: its losses, its penalties, what it is shown, how often it learns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from huafeng.training import adversarial
from huafeng.training.adversarial import AdversarialLoss
from huafeng.training.augment import Augmentation, diff_augment, draw
from huafeng.training.learner import Learner, LearnerOptions, frozen
from huafeng.training.options import Between
from huafeng.training.recipe import Clock, Machine, Report


@dataclass(frozen=True)
class AdversarialOptions(LearnerOptions):
    """The adversarial part of a recipe. Its `learning_rate` and the rest of Adam's options are the discriminator's."""

    loss: AdversarialLoss = "hinge"
    """minimax, non-saturating: binary cross entropy; least-squares; hinge; wasserstein (wants a gradient penalty)."""
    weight: Annotated[float, Between(0)] = 0.1
    """Weight of the adversarial loss beside the recipe's others; 0 = no discriminator."""
    since: Annotated[float, Between(0, 1)] = 0.0
    """Share of the run after which it begins."""
    spectral_norm: bool = True
    """Keep every layer's spectral norm at 1 (Miyato et al., 2018)."""
    penalty: Literal["none", "r1", "gradient"] = "none"
    """r1: gradient on real pictures (Mescheder et al., 2018); gradient: norm 1 between real and made (WGAN-GP)."""
    penalty_weight: Annotated[float, Between(0)] = 1.0
    """Weight of the penalty (R1: gamma, per patch; WGAN-GP: lambda, 10 in the paper)."""
    penalty_every: Annotated[int, Between(1)] = 1
    """Compute the penalty only every so many steps, that much stronger (lazy regularisation)."""
    steps: Annotated[int, Between(1)] = 1
    """Steps of the discriminator for one of the generator."""
    every: Annotated[int, Between(1)] = 1
    """Let the discriminator learn only every so many steps (delayed updates)."""
    noise: Annotated[float, Between(0)] = 0.0
    """Standard deviation of the noise on what the discriminator sees, at the start."""
    noise_until: Annotated[float, Between(0, 1)] = 0.5
    """Share of the run at which that noise has faded to nothing."""
    smoothing: Annotated[float, Between(0, 0.5)] = 0.0
    """One-sided label smoothing: real pictures are worth 1 - smoothing. For cross entropy and least squares."""
    augment: tuple[Augmentation, ...] = ()
    """DiffAugment: distortions that the discriminator sees on real and made pictures alike; for small data."""

    def problems(self) -> Iterator[str]:
        """Faults that no single field can tell."""
        if self.smoothing and self.loss not in adversarial.SMOOTHABLE:
            yield f"smoothing does nothing with the loss {self.loss}: set it to 0"
        if self.loss == "wasserstein" and self.penalty == "none" and not self.spectral_norm:
            yield "loss: wasserstein needs a bound on the gradient, penalty: gradient or spectral_norm: true"


@dataclass
class Shown:
    """What the discriminator is shown.

    real, made: [B, 3, H, W] in 0..1.   condition: further arguments of the discriminator.   rows: the places [B] of
    these pictures in the global batch.   whole: how many are shown in all processes together.
    """

    real: Tensor
    made: Tensor
    condition: tuple[Tensor, ...]
    rows: Tensor
    whole: int


class Adversary:
    """A discriminator and all that it needs to learn."""

    def __init__(self, discriminator: nn.Module, options: AdversarialOptions, machine: Machine) -> None:
        self.machine, self.options = machine, options
        self.discriminator = machine.place(discriminator)
        self.seen_through = machine.compiled(self.discriminator)
        self.learner = Learner([self.discriminator], options)

    def plays(self, clock: Clock) -> bool:
        """Whether it takes part in this step."""
        return self.options.weight > 0 and clock.progress >= self.options.since

    def fool(self, clock: Clock, shown: Shown) -> Tensor:
        """The generator's adversarial loss, weighted: a scalar with gradient to `shown.made` alone."""
        frozen([self.discriminator], True)
        made = self._through(clock, shown.made, shown.rows, "fool")
        losses = adversarial.generator_loss(self.options.loss, self._scores(made, shown.condition))
        return self.options.weight * self._mean(losses, shown.whole, clock)

    def learn(self, clock: Clock, show: Callable[[int], Shown]) -> Report:
        """The discriminator's phase; `show(k)` gives the pictures of its k-th step, `made` without gradient."""
        if clock.step % self.options.every:
            return Report({})
        frozen([self.discriminator], False)
        return [self._learn_once(clock, show(k), k) for k in range(self.options.steps)][-1]

    def _learn_once(self, clock: Clock, shown: Shown, k: int) -> Report:
        o = self.options
        real = self._through(clock, shown.real, shown.rows, f"real/{k}")
        made = self._through(clock, shown.made.detach(), shown.rows, f"made/{k}")
        on_real, on_made = self._scores(real, shown.condition), self._scores(made, shown.condition)
        losses = adversarial.discriminator_loss(o.loss, on_real, on_made, smoothing=o.smoothing)
        report = Report({"discriminator": self._mean(losses, shown.whole, clock)})
        if o.penalty != "none" and clock.step // o.every % o.penalty_every == 0:
            penalty = self._mean(self._penalty(clock, shown, real, made, k), shown.whole, clock)
            report.losses[o.penalty] = o.penalty_weight * o.penalty_every * penalty
        gradient = self.learner.learn(sum(report.losses.values(), real.new_zeros(())), clock, clock.ease)
        report.figures["discriminator_gradient"] = gradient
        if o.loss != "wasserstein":  # a critic's scores have no zero to be right or wrong about
            accuracy = adversarial.patch_accuracy(o.loss, on_real.detach(), on_made.detach())
            share = clock.processes.count * len(shown.rows) / shown.whole  # a process may show more than another
            report.figures["accuracy"] = accuracy.nan_to_num() * share
        report.losses = {name: loss.detach() for name, loss in report.losses.items()}
        return report

    def _penalty(self, clock: Clock, shown: Shown, real: Tensor, made: Tensor, k: int) -> Tensor:
        """Per sample [B]. In float32: second derivatives in bfloat16 are noise."""
        if self.options.penalty == "r1":
            real = real.detach().requires_grad_(True)
            return adversarial.r1_penalty(self.discriminator(real, *shown.condition).float(), real)
        mix = torch.rand(clock.batch, generator=clock.numbers(f"mix/{k}")).to(real.device)[shown.rows]
        return adversarial.gradient_penalty(lambda x: self.discriminator(x, *shown.condition).float(), real, made, mix)

    def _through(self, clock: Clock, pictures: Tensor, rows: Tensor, purpose: str) -> Tensor:
        """Pictures as the discriminator sees them: augmented, under noise that fades."""
        o = self.options
        if o.augment:
            drawn = draw(o.augment, clock.batch, clock.numbers(f"augment/{purpose}"))
            pictures = diff_augment(pictures, drawn[rows])
        level = adversarial.noise_level(o.noise, o.noise_until, clock.progress)
        if level:
            noise = torch.randn(clock.batch, *pictures.shape[1:], generator=clock.numbers(f"noise/{purpose}"))
            pictures = adversarial.instance_noise(pictures, level, noise[rows])
        return pictures

    def _scores(self, pictures: Tensor, condition: tuple[Tensor, ...]) -> Tensor:
        with self.machine.autocast():
            scores = self.seen_through(pictures, *condition)
        return scores.float()

    @staticmethod
    def _mean(losses: Tensor, whole: int, clock: Clock) -> Tensor:
        """This process's part of the mean over all; the gradients' mean over processes makes it the mean."""
        return losses.sum() * (clock.processes.count / whole)
