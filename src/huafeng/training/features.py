"""SqueezeNet 1.0 as a frozen feature network for content and style losses."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

STYLE_LAYERS = ("conv1", "fire2", "fire3", "fire4", "fire5", "fire6", "fire7")
CONTENT_LAYER = "fire5"
POOL_AFTER = {"conv1", "fire4"}


class SqueezeNet(nn.Module):
    """RGB picture [B, 3, H, W] in 0..1 -> features by layer name (Iandola et al., 2016), up to fire7."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        tensors = load_file(weights)
        mean_bgr = torch.tensor([104.0, 117.0, 123.0])
        kernel = tensors["conv1.weight"]  # expects BGR, 0..255, minus the mean: fold all three into conv1
        bias = tensors["conv1.bias"] - (kernel * mean_bgr[None, :, None, None]).sum((1, 2, 3))
        self.register_buffer("conv1_weight", kernel.flip(1) * 255)
        self.register_buffer("conv1_bias", bias)
        self.fires = [f"fire{n}" for n in range(2, 8)]
        for fire in self.fires:
            for part in ("squeeze", "expand1x1", "expand3x3"):
                for kind in ("weight", "bias"):
                    self.register_buffer(f"{fire}_{part}_{kind}", tensors[f"{fire}.{part}.{kind}"])

    def forward(self, picture: Tensor, upto: str = "fire7") -> dict[str, Tensor]:
        """Features [B, C, h, w] after the ReLU of conv1 and of each fire module up to `upto`."""
        x = F.pad(picture, (3, 3, 3, 3), mode="reflect")
        x = F.relu(F.conv2d(x, self.get_buffer("conv1_weight"), self.get_buffer("conv1_bias"), stride=2))
        found = {"conv1": x}
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        for fire in self.fires:
            x = F.relu(self._conv(fire, "squeeze", x))
            x = F.relu(torch.cat([self._conv(fire, "expand1x1", x), self._conv(fire, "expand3x3", x, pad=1)], 1))
            found[fire] = x
            if fire == upto:
                break
            if fire in POOL_AFTER:
                x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        return found

    def _conv(self, fire: str, part: str, x: Tensor, pad: int = 0) -> Tensor:
        return F.conv2d(x, getattr(self, f"{fire}_{part}_weight"), getattr(self, f"{fire}_{part}_bias"), padding=pad)
