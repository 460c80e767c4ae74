"""One process or several: what torchrun started, and what they say to each other.

Gradients, logged figures and batch statistics are averaged over processes; everything else is computed by each alone
from the same numbers (see `randomness`). With one process all of it is free.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class _Sum(torch.autograd.Function):
    """Sum over processes; every process's loss depends on every process's part, so gradients are summed as well."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _Sum.forward(ctx, gradient)


@dataclass(frozen=True)
class Processes:
    """rank: which process this is, 0 .. count - 1; the first one writes.   local_rank: its number on this machine."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and tells."""
        return self.rank == 0

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Mean of the gradients over all processes, in place, in one message; what a step did not need has a gradient of 0."""
        parameters = [p for p in parameters if p.requires_grad]
        for parameter in parameters:  # Adam goes on where it is 0, and would not where there is none: alike in all processes
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        if self.count == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients])
        dist.all_reduce(flat)
        flat /= self.count
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def mean(self, value: Tensor) -> Tensor:
        """Mean over all processes, with gradient: for losses that are not linear in the batch."""
        return value if self.count == 1 else _Sum.apply(value) / self.count

    def agree(self, value: float) -> float:
        """The first process's value, in all: what depends on its clock must be the same everywhere."""
        if self.count == 1:
            return value
        told = torch.tensor([value], dtype=torch.float64, device=self._device())
        dist.broadcast(told, 0)
        return float(told.item())

    def wait(self) -> None:
        """Until all processes have come here."""
        if self.count > 1:
            dist.barrier()

    def _device(self) -> str:
        return f"cuda:{self.local_rank}" if dist.get_backend() == "nccl" else "cpu"


ALONE = Processes()


@contextlib.contextmanager
def joined(device: str) -> Iterator[Processes]:
    """The processes that torchrun started (gloo on the CPU, nccl on GPUs); this one alone where it did not."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield ALONE
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if device == "cuda":
        torch.cuda.set_device(local)
    dist.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield Processes(int(os.environ["RANK"]), count, local)
    finally:
        dist.destroy_process_group()
