"""The architecture of `features-v1`: a small network that has learned to see what SqueezeNet 1.0 sees."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

# Each layer gives the leading principal components of the teacher's layer of the same name: so many of them.
COMPONENTS = {"conv1": 32, "fire2": 32, "fire3": 48, "fire4": 48, "fire5": 96, "fire6": 64, "fire7": 64}


class Student(nn.Module):
    """RGB picture [B, 3, H, W] minus 0.5 -> the teacher's layers, in the coordinates of their principal components.

    Dense 3x3 convolutions and skips at 1/4 and 1/8, where SqueezeNet has squeezes, concatenations and max pooling:
    more arithmetic on small grids, less memory traffic on large ones. `heads` are the linear ways out of the trunk.
    """

    def __init__(self, half: int = 32, quarter: int = 96, eighth: int = 160) -> None:
        super().__init__()
        self.layers = tuple(COMPONENTS)
        self.to_half = nn.Conv2d(3, half, 7, stride=2)
        self.to_quarter = nn.Conv2d(half, quarter, 4, stride=2, padding=1)
        self.to_eighth = nn.Conv2d(quarter, eighth, 4, stride=2, padding=1)
        width = {"conv1": half} | dict.fromkeys(("fire2", "fire3", "fire4"), quarter)
        width |= dict.fromkeys(("fire5", "fire6", "fire7"), eighth)
        self.blocks = nn.ModuleDict({k: nn.Conv2d(w, w, 3, padding=1) for k, w in width.items() if k != "conv1"})
        self.heads = nn.ModuleDict({k: nn.Conv2d(w, COMPONENTS[k], 1) for k, w in width.items()})

    def forward(self, picture: Tensor, upto: str | None = None) -> dict[str, Tensor]:
        """Features [B, components, h, w] by layer name: conv1 at 1/2, fire2..fire4 at 1/4, fire5..fire7 at 1/8."""
        x = F.relu(self.to_half(F.pad(picture, (3, 3, 3, 3), mode="reflect")))  # [B, half, H/2, W/2]
        found: dict[str, Tensor] = {}
        for layer, head in self.heads.items():
            if layer == "fire2":
                x = F.relu(self.to_quarter(x))  # [B, quarter, H/4, W/4]
            elif layer == "fire5":
                x = F.relu(self.to_eighth(x))  # [B, eighth, H/8, W/8]
            if layer in self.blocks:
                x = x + F.relu(self.blocks[layer](x))
            found[layer] = head(x)
            if layer == upto:
                break
        return found
