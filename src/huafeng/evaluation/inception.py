"""Inception-v3 (Szegedy et al., CVPR 2016) from the user's own file: the features of published FID figures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from huafeng.errors import DataError
from huafeng.pixels import U8
from huafeng.training.features import check_download, read_tensors, sha256_of

SIDE = 299  # px, of the network's input
FEATURES = 2048
HELP = "give a .safetensors or .pth file with the weights of a feature network"

_DOWNLOADS = re.compile(r"inception[\w-]*-([0-9a-f]{8})\b")


@dataclass(frozen=True)
class Variant:
    """What sets the two well-known sets of weights apart.

    Args:
        name: as figures are called after it.
        classes: that the last layer tells apart: how a file is recognised.
        pads_count: average pools take the zeros around the picture for values.
        last_pool: of the last block's pool branch, "avg" or "max".
    """

    name: str
    classes: int
    pads_count: bool
    last_pool: str


VARIANTS = (
    # the network of 2015 that FID is defined on (Heusel et al., 2017); its last pool is a maximum, against the paper
    Variant("inception-fid", classes=1008, pads_count=False, last_pool="max"),
    Variant("inception-torchvision", classes=1000, pads_count=True, last_pool="avg"),  # not comparable with published FID
)

# A block's branches, each a chain of convolutions "CHANNELS@HxW"; "/2" is stride 2 without padding, "|" two kernels side by
# side. `branch_pool` starts from the pooled input; in a plan without it the pooled input itself is the last branch.
Plan: TypeAlias = Mapping[str, str]


def _plan_a(pool: int) -> Plan:
    return {
        "branch1x1": "64@1x1",
        "branch5x5": "48@1x1 64@5x5",
        "branch3x3dbl": "64@1x1 96@3x3 96@3x3",
        "branch_pool": f"{pool}@1x1",
    }


def _plan_c(width: int) -> Plan:
    return {
        "branch1x1": "192@1x1",
        "branch7x7": f"{width}@1x1 {width}@1x7 192@7x1",
        "branch7x7dbl": f"{width}@1x1 {width}@7x1 {width}@1x7 {width}@7x1 192@1x7",
        "branch_pool": "192@1x1",
    }


PLAN_B = {"branch3x3": "384@3x3/2", "branch3x3dbl": "64@1x1 96@3x3 96@3x3/2"}
PLAN_D = {"branch3x3": "192@1x1 320@3x3/2", "branch7x7x3": "192@1x1 192@1x7 192@7x1 192@3x3/2"}
PLAN_E = {
    "branch1x1": "320@1x1",
    "branch3x3": "384@1x1 384@1x3|3x1",
    "branch3x3dbl": "448@1x1 384@3x3 384@1x3|3x1",
    "branch_pool": "192@1x1",
}
BLOCKS = {  # input channels and plan
    "Mixed_5b": (192, _plan_a(32)),
    "Mixed_5c": (256, _plan_a(64)),
    "Mixed_5d": (288, _plan_a(64)),
    "Mixed_6a": (288, PLAN_B),
    "Mixed_6b": (768, _plan_c(128)),
    "Mixed_6c": (768, _plan_c(160)),
    "Mixed_6d": (768, _plan_c(160)),
    "Mixed_6e": (768, _plan_c(192)),
    "Mixed_7a": (768, PLAN_D),
    "Mixed_7b": (1280, PLAN_E),
    "Mixed_7c": (2048, PLAN_E),
}


class Convolution(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(self, channels: int, width: int, kernel: tuple[int, int], *, stride: int = 1, padded: bool = True) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2) if padded else 0
        self.conv = nn.Conv2d(channels, width, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(width, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels, h, w] -> [B, width, h', w']."""
        return F.relu(self.bn(self.conv(x)))


class Block(nn.Module):
    """Branches side by side, joined channel by channel in the plan's order, the pool last."""

    def __init__(self, channels: int, plan: Plan, *, pads_count: bool, pool: str = "avg") -> None:
        super().__init__()
        self.chains = {branch: self._chain(channels, branch, steps.split()) for branch, steps in plan.items()}
        if "branch_pool" not in plan:
            self.pool = partial(F.max_pool2d, kernel_size=3, stride=2)
        elif pool == "max":
            self.pool = partial(F.max_pool2d, kernel_size=3, stride=1, padding=1)
        else:
            self.pool = partial(F.avg_pool2d, kernel_size=3, stride=1, padding=1, count_include_pad=pads_count)

    def _chain(self, channels: int, branch: str, steps: list[str]) -> list[list[str]]:
        """Add a branch's convolutions; their names, step by step, those of one step side by side."""
        chain = []
        for number, step in enumerate(steps, 1):
            width, kernels, halving = re.fullmatch(r"(\d+)@([^/]+)(/2)?", step).groups()  # type: ignore[union-attr]
            name = f"{branch}_{number}" if len(steps) > 1 else branch
            side_by_side = {
                name + (letter if "|" in kernels else ""): kernel
                for letter, kernel in zip("ab", kernels.split("|"), strict=False)
            }
            for full_name, kernel in side_by_side.items():
                high, wide = map(int, kernel.split("x"))
                stride = 2 if halving else 1
                self.add_module(full_name, Convolution(channels, int(width), (high, wide), stride=stride, padded=not halving))
            chain.append(list(side_by_side))
            channels = int(width) * len(side_by_side)
        return chain

    def forward(self, x: Tensor) -> Tensor:
        """[B, channels, h, w] -> [B, channels', h', w']."""
        pooled, branches = self.pool(x), []
        for branch, chain in self.chains.items():
            y = pooled if branch == "branch_pool" else x
            for names in chain:
                y = torch.cat([self.get_submodule(name)(y) for name in names], 1)
            branches.append(y)
        return torch.cat(branches if "branch_pool" in self.chains else [*branches, pooled], 1)


class InceptionFeatures(nn.Module):
    """Inception-v3 without its last layer, frozen.

    Attributes:
        name: `inception-fid` or `inception-torchvision`.
        sha256: of the file that the weights came from.
    """

    def __init__(self, variant: Variant, sha256: str = "") -> None:
        super().__init__()
        self.name, self.sha256 = variant.name, sha256
        self.Conv2d_1a_3x3 = Convolution(3, 32, (3, 3), stride=2, padded=False)
        self.Conv2d_2a_3x3 = Convolution(32, 32, (3, 3), padded=False)
        self.Conv2d_2b_3x3 = Convolution(32, 64, (3, 3))
        self.maxpool1 = nn.MaxPool2d(3, 2)
        self.Conv2d_3b_1x1 = Convolution(64, 80, (1, 1))
        self.Conv2d_4a_3x3 = Convolution(80, 192, (3, 3), padded=False)
        self.maxpool2 = nn.MaxPool2d(3, 2)
        for name, (channels, plan) in BLOCKS.items():
            pool = variant.last_pool if name == "Mixed_7c" else "avg"
            self.add_module(name, Block(channels, plan, pads_count=variant.pads_count, pool=pool))
        self.requires_grad_(False).eval()

    @torch.inference_mode()
    def forward(self, pictures: Tensor | U8) -> Tensor:
        """sRGB pictures -> float32 [B, 2048].

        They are resized to 299 x 299 px bilinearly without antialiasing (as published FID figures do, with what aliasing
        that gives) and scaled to -1..1.

        Args:
            pictures: uint8, a tensor [B, 3, H, W] or an array [B, H, W, 3].
        """
        if isinstance(pictures, np.ndarray):
            pictures = torch.from_numpy(pictures).permute(0, 3, 1, 2)
        # contiguous: the memory's order changes the last digits
        x = pictures.to(self.Conv2d_1a_3x3.conv.weight.device, torch.float32).contiguous() / 255
        x = 2 * F.interpolate(x, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=False) - 1
        for layer in self.children():
            x = layer(x)
        return x.mean((2, 3))


def load_inception(path: str | Path) -> InceptionFeatures | None:
    """The Inception-v3 in a file, or None if the file holds another network.

    Its variant is recognised by the number of classes; weights become float32. A .pth file is read as plain tensors:
    nothing in it can execute.

    Args:
        path: a .safetensors, .pth or .pt file with the state dict.

    Raises:
        DataError: the file is absent, unreadable or damaged.
    """
    path = Path(path)
    sha256 = sha256_of(path, HELP)
    tensors = read_tensors(path, HELP)
    last = tensors.get("fc.weight", torch.empty(0)).shape
    variant = next((v for v in VARIANTS if last == (v.classes, FEATURES)), None)
    if variant is None:
        return None
    with torch.device("meta"):
        network = InceptionFeatures(variant, sha256)
    # num_batches_tracked counts training steps; the published file has none, and loading sets it to 0
    wanted = {name: weight.shape for name, weight in network.state_dict().items() if not name.endswith("num_batches_tracked")}
    if not all(name in tensors and tensors[name].shape == shape for name, shape in wanted.items()):
        return None
    check_download(path, sha256, _DOWNLOADS)
    weights = {name: tensors[name].float() for name in wanted}
    if not all(weight.isfinite().all() for weight in weights.values()):
        raise DataError(f"{path} is damaged, some of its weights are not numbers: get it again.")
    network.load_state_dict(weights, assign=True)
    return network
