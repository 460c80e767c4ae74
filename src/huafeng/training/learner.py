"""A player of the game: some modules, their optimiser, its rate over the run; and the moving average of weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, Literal, TypeVar

import torch
from torch import Tensor, nn

from huafeng.training.losses import l1_penalty, l2_penalty
from huafeng.training.options import Between
from huafeng.training.recipe import Clock

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class LearnerOptions:
    """Adam and what keeps it in order. Other rates for generator and discriminator: TTUR (Heusel et al., 2017)."""

    learning_rate: Annotated[float, Between(0)] = 1e-3
    """Adam's rate at its highest."""
    betas: Annotated[tuple[float, float], Between(0, 0.9999)] = (0.9, 0.99)
    """Adam's decay rates of the gradient's first and second moment."""
    warmup_steps: Annotated[int, Between(0)] = 100
    """Steps over which the rate rises from 0."""
    schedule: Literal["cosine", "linear"] = "cosine"
    """How the rate falls: by half a cosine; or linear: not at all in the run's first half, then in a straight line."""
    final: Annotated[float, Between(0, 1)] = 0.03
    """Share of the rate that is left at the end of the run."""
    clip: Annotated[float, Between(0)] | None = 5.0
    """Largest norm of the gradient; null = any."""
    l1: Annotated[float, Between(0)] = 0.0
    """Weight of the sum of the weights' absolute values."""
    l2: Annotated[float, Between(0)] = 0.0
    """Weight of the sum of the weights' squares."""
    decay: Annotated[float, Between(0)] = 0.0
    """Share of the weights that a step takes off, times the rate (AdamW: Loshchilov & Hutter, 2019)."""


class Learner:
    """Lowers a loss in some modules' weights."""

    def __init__(self, modules: Sequence[nn.Module], options: LearnerOptions) -> None:
        self.modules, self.options = modules, options
        self.parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=options.learning_rate, betas=options.betas, weight_decay=options.decay, fused=True
        )

    def rate(self, clock: Clock) -> float:
        """The learning rate at this step."""
        o, progress = self.options, min(clock.progress, 1.0)
        if o.schedule == "cosine":
            left = 0.5 * (1 + math.cos(math.pi * progress))
        else:  # as Isola et al. and Zhu et al. train
            left = min(1.0, 2 * (1 - progress))
        return o.learning_rate * (o.final + (1 - o.final) * left) * min(1.0, (clock.step + 1) / max(o.warmup_steps, 1))

    def learn(self, loss: Tensor, clock: Clock, ease: float = 1.0) -> Tensor:
        """One step down the gradient of `loss`, averaged over processes; gives the gradient's norm before clipping."""
        for weight, penalty in ((self.options.l1, l1_penalty), (self.options.l2, l2_penalty)):
            if weight:
                loss = loss + weight * sum((penalty(module) for module in self.modules), torch.zeros_like(loss))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        clock.processes.average_gradients(self.parameters)
        norm = nn.utils.clip_grad_norm_(self.parameters, math.inf if self.options.clip is None else self.options.clip)
        # a checkpoint brings back the options of its time; those of this run hold
        o = self.options
        self.optimizer.param_groups[0].update(lr=self.rate(clock) * ease, betas=o.betas, weight_decay=o.decay)
        self.optimizer.step()
        return norm


def frozen(modules: Sequence[nn.Module], yes: bool) -> None:
    """Switch off (or on again) the gradients of the player whose turn it is not."""
    for module in modules:
        module.requires_grad_(not yes)


class Average(nn.Module, Generic[M]):
    """Exponential moving average (EMA) of a module's weights; what is shown, measured and exported."""

    def __init__(self, module: M, decay: float) -> None:
        super().__init__()
        self.module: M = copy.deepcopy(module).requires_grad_(False).eval()
        self.decay = decay

    @torch.no_grad()
    def update(self, module: M, step: int) -> None:
        """Move towards `module`: quickly in the first steps, whose weights deserve no memory."""
        decay = min(self.decay, (step + 1) / (step + 10))
        torch._foreach_lerp_(list(self.module.parameters()), list(module.parameters()), 1 - decay)
        for slow, fast in zip(self.module.buffers(), module.buffers(), strict=True):
            slow.copy_(fast)
