"""The style encoder: any picture -> a style code, in one pass.

It looks at a picture as the style loss does: at the statistics of a frozen feature network's channels (Huang & Belongie,
ICCV 2017), here those of `features-v1`. Only the two layers behind them learn, together with the generator (Ghiasi et al.,
"Exploring the structure of a real-time, arbitrary neural artistic stylization network", BMVC 2017).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from huafeng.training.features import load_features
from huafeng.training.losses import channel_statistics
from huafeng.training.student import COMPONENTS, Student

UPTO = "fire5"  # the deepest layer that it looks at
HIDDEN = 256
DROPPED = 0.1  # share of the hidden numbers that a training step leaves out
FARTHEST = 5.0  # deviations from the mean after which a statistic counts no more: odd pictures shall not give odd codes


class Encoder(nn.Module):
    """Views of pictures [B, 3, H, W] in 0..1 -> codes [B, K]."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.trunk = Student()
        self.trunk.load_state_dict(load_features().body.state_dict())
        depth = list(COMPONENTS).index(UPTO) + 1
        for layer in list(COMPONENTS)[depth:]:
            del self.trunk.blocks[layer], self.trunk.heads[layer]
        self.trunk.requires_grad_(False)
        size = 2 * sum(list(COMPONENTS.values())[:depth])
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("deviation", torch.zeros(size))
        self.hidden = nn.Linear(size, HIDDEN)
        self.code = nn.Linear(HIDDEN, code)

    def statistics(self, views: Tensor) -> Tensor:
        """Means and deviations of all channels, layer by layer [B, D]."""
        with torch.no_grad():
            layers = self.trunk(views - 0.5, UPTO)
            return torch.cat([channel_statistics(layer).flatten(1) for layer in layers.values()], 1)

    @torch.no_grad()
    def fit(self, views: Tensor) -> None:
        """Measure what statistics usually are, on some views; without effect once that is known."""
        if not self.get_buffer("deviation").any():
            deviation, mean = torch.std_mean(self.statistics(views), 0)
            self.get_buffer("mean").copy_(mean)
            self.get_buffer("deviation").copy_(deviation.clamp_min(1e-3))

    def forward(self, views: Tensor, kept: Tensor | None = None) -> Tensor:
        """See the class; `kept` [B, HIDDEN] says which hidden numbers take part (dropout); None: all."""
        found = (self.statistics(views).float() - self.get_buffer("mean")) / self.get_buffer("deviation")
        with torch.autocast(views.device.type, enabled=False):
            hidden = F.relu(self.hidden(found.clamp(-FARTHEST, FARTHEST)))
            code: Tensor = self.code(hidden if kept is None else hidden * kept / (1 - DROPPED))
        return code
