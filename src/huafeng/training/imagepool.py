"""The image pool: a discriminator is shown older results among the newest (Shrivastava et al., CVPR 2017; Zhu et al., ICCV
2017, section 4). What it has once learned to tell, it does not forget, and the game swings less."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from huafeng.training.recipe import Clock


class ImagePool:
    """Keeps `size` results, rounded to 8 bits as real pictures are. Its state is part of the checkpoint."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.kept = torch.empty(0, dtype=torch.uint8)

    @torch.no_grad()
    def swap(self, clock: Clock, made: Tensor, purpose: str) -> Tensor:
        """This process's results [b, 3, S, S] in 0..1 -> what is shown in their place, of the same shape.

        While the pool fills, each result is kept and shown. Then half of them take the place of a random older one, which
        is shown. All processes hold the same pool. After a change of the crops' size it begins empty.
        """
        if not self.size:
            return made.detach()
        new = torch.zeros(clock.batch, *made.shape[1:], device=made.device)
        new[clock.mine] = made.detach().float()
        new = (clock.processes.mean(new) * clock.processes.count * 255).round().to(torch.uint8)  # each holds zeros elsewhere
        if self.kept.shape[1:] != new.shape[1:]:
            self.kept = new[:0]
        self.kept = self.kept.to(new.device)
        draws = torch.rand(clock.batch, 2, generator=clock.numbers(purpose))
        shown = new.clone()
        for row, (swapped, place) in enumerate(draws.tolist()):
            if len(self.kept) < self.size:
                self.kept = torch.cat([self.kept, new[row : row + 1]])
            elif swapped < 0.5:
                old = int(place * self.size)
                shown[row], self.kept[old] = self.kept[old].clone(), new[row]
        return shown[clock.mine].to(made.dtype).div(255).contiguous(memory_format=torch.channels_last)

    def state_dict(self) -> dict[str, Any]:
        """The pictures in it, uint8 [N, 3, S, S]."""
        return {"kept": self.kept.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.kept = state["kept"].clone()
