"""The collapse watch: looks at a run's figures and says in plain words when a GAN has died.

Three signs (Goodfellow, "NIPS 2016 Tutorial: Generative Adversarial Networks", section 5.1, names the first two): results
that all look alike, a discriminator that is always right, gradients that explode or vanish.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from huafeng.training.recipe import WatchOptions

_VANISHED = 1e-8  # a gradient's norm
_REMEMBERED = 0.9  # share of the past in what a gradient's norm usually is
_SETTLED = 4  # checks before that is known


def pairwise_distance(features: Tensor) -> Tensor:
    """[B, C, H, W] -> mean Euclidean distance between the spatial means of two different pictures, B >= 2."""
    pooled = features.float().mean((2, 3))  # [B, C]
    distances = torch.cdist(pooled, pooled, compute_mode="donot_use_mm_for_euclid_dist")
    return distances.sum() / (len(pooled) * (len(pooled) - 1))


class Watch:
    """Counts checks in a row that look bad, and rings when there are too many.

    Figures it knows: `diversity`, `accuracy` and what ends in `_gradient`; those that a recipe lacks do not matter.
    """

    def __init__(self, options: WatchOptions) -> None:
        self.options = options
        self.bad: dict[str, int] = {}
        self.usual: dict[str, list[float]] = {}  # figure -> [log of its usual value, checks seen]

    def see(self, figures: dict[str, float]) -> str | None:
        """One check; gives what is wrong, once it has looked so for `patience` checks in a row."""
        told = {name: self._fault(name, value) for name, value in figures.items()}
        for name, fault in told.items():
            self.bad[name] = self.bad.get(name, 0) + 1 if fault else 0
        return next((fault for name, fault in told.items() if fault and self.bad[name] >= self.options.patience), None)

    @property
    def calm(self) -> bool:
        """Whether nothing looked bad at the last check."""
        return not any(self.bad.values())

    def _fault(self, name: str, value: float) -> str | None:
        o = self.options
        if name == "diversity" and value < o.diversity_least:
            return (
                f"all results look alike (their differences are {value:.3f} of those between real pictures, "
                f"{o.diversity_least:g} is the least): the generator has collapsed"
            )
        if name == "accuracy" and value > o.accuracy_most:
            return (
                f"the discriminator judges {value:.2%} right, always: the generator learns nothing from it any more "
                "(make it weaker: a lower learning rate, noise, augment, a penalty)"
            )
        if name.endswith("_gradient"):
            return self._gradient_fault(name, value)
        return None

    def _gradient_fault(self, name: str, value: float) -> str | None:
        who = name.removesuffix("_gradient")
        if value < _VANISHED:
            return f"the {who}'s gradient has vanished (norm {value:.1e}): nothing is learned any more"
        usual, seen = self.usual.get(name, [math.log(value), 0.0])
        times = value / math.exp(usual)
        exploded = seen >= _SETTLED and times > self.options.gradient_most
        if not exploded:  # what is out of order must not become what is usual
            kept = _REMEMBERED if seen >= _SETTLED else seen / (seen + 1)
            self.usual[name] = [kept * usual + (1 - kept) * math.log(value), seen + 1]
            return None
        return f"the {who}'s gradient is {times:.0f} times what it usually was: training has become unstable"

    def state_dict(self) -> dict[str, Any]:
        """What the next check depends on."""
        return {"bad": dict(self.bad), "usual": {name: list(value) for name, value in self.usual.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.bad, self.usual = dict(state["bad"]), {name: list(value) for name, value in state["usual"].items()}
