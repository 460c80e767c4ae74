"""What a recipe is: its options, its networks and one step. The loop knows nothing else of it."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeVar

import torch
from torch import Tensor, nn

from huafeng.pixels import U8
from huafeng.training.options import Between
from huafeng.training.processes import ALONE, Processes
from huafeng.training.randomness import torch_numbers

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Stage:
    """A part of the run with a crop size and a batch of its own (progressive resolution)."""

    until: Annotated[float, Between(0, 1)]
    """Share of the run at which this stage ends."""
    crop_px: Annotated[int, Between(16)]
    """Side of the training crops."""
    batch: Annotated[int, Between(1)]
    """Pictures per step, over all processes."""


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when a validation figure has not become better for a while; the best weights are the result."""

    figure: str = "objective"
    """Which of the recipe's validation figures; less is better."""
    every: Annotated[int, Between(1)] = 250
    """Steps between two looks."""
    patience: Annotated[int, Between(1)] = 5
    """Looks without a new best after which the run ends."""
    least: Annotated[float, Between(0)] = 0.0
    """By how much a figure must fall to count as better."""


@dataclass(frozen=True)
class WatchOptions:
    """When the collapse watch rings."""

    diversity_least: Annotated[float, Between(0)] = 0.05
    """Differences between results, as a share of those between real pictures; below it all results look alike."""
    accuracy_most: Annotated[float, Between(0.5, 1)] = 0.999
    """Share of patches that the discriminator judges right; above it the generator learns nothing from it."""
    gradient_most: Annotated[float, Between(1)] = 100.0
    """Gradient norms, as multiples of what they usually were in this run."""
    patience: Annotated[int, Between(1)] = 6
    """Checks in a row (every `check_every` steps) that must look bad before it rings."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What every recipe has."""

    recipe: str
    """Which recipe this file configures."""
    seed: Annotated[int, Between(0, 2**53)] = 0
    """All random numbers follow from it."""
    steps: Annotated[int, Between(1)] = 10000
    """Length of the run. With --minutes, its length follows from the time."""
    batch: Annotated[int, Between(1)] = 4
    """Pictures per step, over all processes."""
    crop_px: Annotated[int, Between(16)] = 256
    """Side of the training crops."""
    stages: tuple[Stage, ...] = ()
    """Parts of the run with another crop size and batch, in order; after the last one `crop_px` and `batch` hold."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """bf16: convolutions compute in bfloat16 (autocast), weights stay in float32."""
    compile: bool = False
    """Compile the networks with torch.compile: slow to start, faster after; needs a C++ compiler."""
    init: str | None = None
    """Start from earlier weights: a run folder, a checkpoint, or `base`, the built-in base generator."""
    check_every: Annotated[int, Between(1)] = 25
    """Steps between two lines of stats.jsonl, and between two looks of the collapse watch."""
    checkpoint_minutes: Annotated[float, Between(0)] = 5.0
    """Minutes between two checkpoints with sample grids."""
    watch: WatchOptions = field(default_factory=WatchOptions)
    """When the collapse watch rings."""
    early_stopping: EarlyStopping | None = None
    """Stop on a validation figure; null = never."""

    def problems(self) -> Iterator[str]:
        """Faults that no single field can tell."""
        ends = [stage.until for stage in self.stages]
        if ends != sorted(set(ends)):
            yield "the stages' `until` must grow from stage to stage"
        if self.early_stopping and self.early_stopping.every % self.check_every:
            yield "early_stopping.every must be a multiple of check_every"

    @property
    def crop_sizes(self) -> set[int]:
        """Sides of the crops of all stages, in px."""
        return {self.crop_px, *(stage.crop_px for stage in self.stages)}

    def stage(self, progress: float) -> tuple[int, int]:
        """(crop_px, batch) at `progress` 0..1 of the run."""
        for stage in self.stages:
            if progress < stage.until:
                return stage.crop_px, stage.batch
        return self.crop_px, self.batch


@dataclass(frozen=True)
class Clock:
    """Where a run stands. All that a step's random numbers, rates and sizes depend on."""

    step: int
    """Steps done."""
    images: int
    """Pictures shown in them, over all processes."""
    progress: float
    """0..1 of the run."""
    batch: int
    """Pictures in this step, over all processes."""
    crop_px: int
    """Side of this step's crops."""
    seed: int
    processes: Processes = ALONE
    ease: float = 1.0
    """Factor of the discriminator's learning rate; falls after a collapse."""

    @property
    def mine(self) -> slice:
        """This process's part of the batch."""
        local = self.batch // self.processes.count
        return slice(self.processes.rank * local, (self.processes.rank + 1) * local)

    def numbers(self, purpose: str) -> torch.Generator:
        """Random numbers for this step: draw for the whole batch, then take `mine`."""
        return torch_numbers(self.seed, purpose, self.step)


@dataclass(frozen=True)
class Machine:
    """Where and how a recipe computes."""

    device: str = "cpu"
    precision: Literal["bf16", "fp32"] = "bf16"
    compile: bool = False
    processes: Processes = ALONE
    tell: Callable[[str], None] = print

    def place(self, module: M) -> M:
        """The module on the device, in the memory layout in which convolutions are fastest."""
        return module.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def batch(self, pictures: Tensor) -> Tensor:
        """A batch of pictures on the device."""
        return pictures.to(self.device, non_blocking=True, memory_format=torch.channels_last)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Convolutions inside compute in bfloat16, if so asked."""
        return torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.precision == "bf16")

    def compiled(self, module: M) -> M:
        """The module, compiled if so asked; it shares the weights."""
        return torch.compile(module) if self.compile else module  # type: ignore[return-value]


class Stateful(Protocol):
    """A part of a run that is saved with it: networks, optimisers, averages."""

    def state_dict(self) -> dict[str, Any]:
        """Its state: tensors and plain values."""
        ...

    def load_state_dict(self, state: dict[str, Any], /) -> Any:
        """Go on from a state."""
        ...


@dataclass
class Report:
    """What one step says, as tensors without gradient: waiting for their values would stall a GPU.

    losses: the weighted terms; one that is not finite stops the run.   figures: what else is worth a curve.
    """

    losses: dict[str, Tensor]
    figures: dict[str, Tensor] = field(default_factory=dict)


class Recipe(ABC):
    """Networks + a step. Subclasses build everything in `__init__` from their options and the machine."""

    parts: dict[str, Stateful]
    """What a checkpoint holds; with the clock it is all that there is to go on from."""
    data: dict[str, str]
    """Fingerprints of the picture sets: a resumed run tells when they have changed."""

    @abstractmethod
    def step(self, clock: Clock) -> Report:
        """One step of all networks."""

    @abstractmethod
    def diversity(self, clock: Clock) -> float:
        """Mean distance between results, over that between real pictures; near 0 = all results look alike."""

    @abstractmethod
    def figures(self) -> dict[str, float]:
        """Validation figures on pictures that training never sees, EMA weights; less is better."""

    @abstractmethod
    def samples(self) -> U8:
        """A picture of results on fixed pictures that training never sees, EMA weights."""

    @abstractmethod
    def export(self, folder: Path) -> list[Path]:
        """Write the result into a folder; gives its files."""

    def waited_s(self) -> float:
        """Seconds that steps have waited for data."""
        return 0.0
