"""Generators of other projects, to be raced against ours: the published architectures with random weights.

    python benchmarks/peers.py        # parameters and work against the published figures

AnimeGANv2 (github.com/TachibanaYoshino/AnimeGANv2, 2020), as in its PyTorch port, and the network of Johnson et al.,
"Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV 2016, with the instance norm and the
resize-convolutions of the PyTorch examples.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


class ConvNorm(nn.Sequential):
    """AnimeGANv2's reflection padding, convolution, norm over a whole picture, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, size: int = 3, stride: int = 1, groups: int = 1, bias: bool = False):
        before = size // 2 if stride == 1 else 0
        super().__init__(
            nn.ReflectionPad2d((before, size // 2, before, size // 2)) if size > 1 else nn.Identity(),
            nn.Conv2d(inputs, outputs, size, stride, groups=groups, bias=bias),
            nn.GroupNorm(1, outputs),
            nn.LeakyReLU(0.2),
        )


class InvertedResidual(nn.Module):
    """1x1 up to twice the width, depthwise 3x3, 1x1 back; the input is added where the width stays."""

    def __init__(self, inputs: int, outputs: int, expansion: int = 2) -> None:
        super().__init__()
        inner = inputs * expansion
        self.keeps_width = inputs == outputs
        self.layers = nn.Sequential(
            ConvNorm(inputs, inner, 1),
            ConvNorm(inner, inner, groups=inner, bias=True),
            nn.Conv2d(inner, outputs, 1, bias=False),
            nn.GroupNorm(1, outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.keeps_width else y


class AnimeGANv2(nn.Sequential):
    """Photo [B, 3, H, W] -> picture [B, 3, H, W] in -1..1; H and W are multiples of 4."""

    def __init__(self) -> None:
        def larger() -> nn.Upsample:
            return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)

        super().__init__(
            *(ConvNorm(3, 32, 7), ConvNorm(32, 64, stride=2), ConvNorm(64, 64)),
            *(ConvNorm(64, 128, stride=2), ConvNorm(128, 128)),
            *(ConvNorm(128, 128), InvertedResidual(128, 256)),
            *(InvertedResidual(256, 256) for _ in range(3)),
            *(ConvNorm(256, 128), larger(), ConvNorm(128, 128), ConvNorm(128, 128)),
            *(larger(), ConvNorm(128, 64), ConvNorm(64, 64), ConvNorm(64, 32, 7)),
            *(nn.Conv2d(32, 3, 1, bias=False), nn.Tanh()),
        )


class ReflectConv(nn.Module):
    """Johnson's layer: nearest enlarging, reflection padding, convolution, instance norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, size: int = 3, stride: int = 1, *, up: int = 1, norm: bool = True,
                 relu: bool = True) -> None:  # fmt: skip
        super().__init__()
        self.up, self.relu, self.pad = up, relu, [size // 2] * 4
        self.conv = nn.Conv2d(inputs, outputs, size, stride)
        self.norm = nn.InstanceNorm2d(outputs, affine=True) if norm else None

    def forward(self, x: Tensor) -> Tensor:
        if self.up > 1:
            x = F.interpolate(x, scale_factor=float(self.up), mode="nearest")
        x = self.conv(F.pad(x, self.pad, mode="reflect"))
        if self.norm is not None:
            x = self.norm(x)
        return F.relu(x) if self.relu else x


class Residual(nn.Module):
    """x + norm(conv(relu(norm(conv(x)))))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(ReflectConv(width, width), ReflectConv(width, width, relu=False))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y


class Johnson(nn.Sequential):
    """Photo [B, 3, H, W] -> picture [B, 3, H, W]; H and W are multiples of 4."""

    def __init__(self) -> None:
        super().__init__(
            *(ReflectConv(3, 32, 9), ReflectConv(32, 64, stride=2), ReflectConv(64, 128, stride=2)),
            *(Residual(128) for _ in range(5)),
            *(ReflectConv(128, 64, up=2), ReflectConv(64, 32, up=2), ReflectConv(32, 3, 9, norm=False, relu=False)),
        )


class Peer(NamedTuple):
    """A generator, and what its makers or users say of it: parameters, and GFLOP at 512 x 512 (1 MAC = 2 FLOP)."""

    make: Callable[[], nn.Module]
    parameters: int
    gflop: float


PEERS = {"AnimeGANv2": Peer(AnimeGANv2, 2_100_000, 210), "Johnson": Peer(Johnson, 1_680_000, 81)}


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def gflop(network: nn.Module, width: int = 512, height: int = 512) -> float:
    """Work of the convolutions for one photo, counted without doing it."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network.to("meta")(torch.empty(1, 3, height, width))
    return float(counter.get_total_flops()) / 1e9


def session(network: nn.Module, width: int, height: int, threads: int) -> Callable[[], Any]:
    """The network in onnxruntime for photos of this size; calling it runs one."""
    quiet = io.StringIO()
    with redirect_stdout(quiet), redirect_stderr(quiet):
        program = torch.onnx.export(network.eval(), (torch.zeros(1, 3, height, width),), input_names=["photo"],
                                    dynamo=True, opset_version=18)  # fmt: skip
    assert program is not None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    model = program.model_proto.SerializeToString()
    found = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    photo = np.random.default_rng(0).random((1, 3, height, width), dtype=np.float32)
    return lambda: found.run(None, {"photo": photo})


def main() -> None:
    print(f"{'generator':12} {'parameters':>11} {'published':>11} {'GFLOP at 512':>13} {'published':>10}")
    for name, peer in PEERS.items():
        network = peer.make()
        count = parameters(network)
        print(f"{name:12} {count:11,} {peer.parameters:11,} {gflop(network):13.1f} {peer.gflop:10.0f}")


if __name__ == "__main__":
    main()
