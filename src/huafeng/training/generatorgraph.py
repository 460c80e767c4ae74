"""The onnx graphs of a `LatentGenerator`: z -> w, and w -> picture. Their weights are those of the network, under its names.

Both take one picture at a time, so that a picture's bits do not depend on how many others are made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper

from huafeng.training.graph import GraphWriter
from huafeng.training.stylesynthesis import COLOR_GAIN, SLOPE, Dense, ModulatedConv, StyleMapping, StyleSynthesis
from huafeng.training.synthesis import (
    NORM_EPSILON,
    DcganSynthesis,
    LatentGenerator,
    PlainSynthesis,
    ResidualSynthesis,
)

FLOAT = TensorProto.FLOAT


def mapping_graph(generator: LatentGenerator) -> bytes:
    """Inputs z [1, L] and, with classes, index [1] (int64); output w [1, W]."""
    shape = generator.shape
    inputs = [helper.make_tensor_value_info("z", FLOAT, [1, shape.latent])]
    if shape.classes:
        inputs.append(helper.make_tensor_value_info("index", TensorProto.INT64, [1]))
    g = _Writer(generator, inputs)
    mapping, parts = generator.mapping, ["z"]
    if shape.classes:
        parts.append(g.node("Gather", [g.weight("mapping.embedding.weight"), "index"], "embedded"))
    if isinstance(mapping, StyleMapping):
        x = g.beside([g.of_unit_power(part) for part in parts])
        for i, layer in enumerate(mapping.layers):
            assert isinstance(layer, Dense)
            x = g.leaky(g.dense(f"mapping.layers.{i}", layer, x))
    else:
        x = g.beside(parts)
    return g.ended("mapping", g.node("Identity", [x], "w"), FLOAT, [1, None])


def synthesis_graph(generator: LatentGenerator) -> bytes:
    """Inputs w [1, W] and, for the style network, noise [1, noise_length]; output uint8 [1, S, S, 3]."""
    inputs = [helper.make_tensor_value_info("w", FLOAT, [1, None])]
    if generator.noise_length:
        inputs.append(helper.make_tensor_value_info("noise", FLOAT, [1, generator.noise_length]))
    g, synthesis = _Writer(generator, inputs), generator.synthesis
    if isinstance(synthesis, PlainSynthesis):
        x = g.plain(synthesis)
    elif isinstance(synthesis, DcganSynthesis):
        x = g.dcgan(synthesis)
    elif isinstance(synthesis, ResidualSynthesis):
        x = g.residual(synthesis)
    else:
        assert isinstance(synthesis, StyleSynthesis)
        x = g.style(synthesis)
    half = g.number(127.5)  # 255 (1 + tanh x) / 2, rounded
    levels = g.op("Add", g.op("Mul", g.op("Tanh", x), half), half)
    levels = g.op("Cast", g.op("Round", levels), to=TensorProto.UINT8)
    picture, side = g.node("Transpose", [levels], "picture", perm=[0, 2, 3, 1]), generator.shape.side
    return g.ended("synthesis", picture, TensorProto.UINT8, [1, side, side, 3])


class _Writer(GraphWriter):
    """Writes what the networks' modules do; `name` is always a module's or a weight's own."""

    def __init__(self, generator: LatentGenerator, inputs: Sequence[onnx.ValueInfoProto]) -> None:
        super().__init__(*inputs)
        self.shapes = {name: tuple(value.shape) for name, value in generator.state_dict().items()}
        self.known: set[str] = set()

    def op(self, kind: str, *inputs: str, **attributes: object) -> str:
        """One operator, under a name of its own."""
        return self.node(kind, list(inputs), f"{kind}.{len(self.nodes)}", **attributes)

    def weight(self, name: str) -> str:
        """A weight of the network, declared once."""
        if name not in self.known:
            self.known.add(name)
            self.external(name, self.shapes[name])
        return name

    def number(self, value: float) -> str:
        """A constant."""
        return self.constant(f"number.{len(self.initializers)}", np.array(value, np.float32))

    def whole(self, *values: int) -> str:
        """A constant row of whole numbers."""
        return self.constant(f"whole.{len(self.initializers)}", np.array(values, np.int64))

    def ended(self, name: str, output: str, kind: int, shape: list[int | None]) -> bytes:
        """The graph with this output."""
        self.outputs.append(helper.make_tensor_value_info(output, kind, shape))
        return self.model(name)

    # ---- parts of all networks

    def beside(self, parts: list[str]) -> str:
        return self.op("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]

    def leaky(self, x: str) -> str:
        return self.op("Mul", self.op("LeakyRelu", x, alpha=SLOPE), self.number(math.sqrt(2)))

    def per_channel(self, name: str) -> str:
        """A weight [C] as [C, 1, 1]."""
        return self.op("Unsqueeze", name, self.whole(1, 2))

    def conv(self, name: str, x: str, *, bias: bool = True) -> str:
        """A plain convolution that keeps the size."""
        weights = [self.weight(f"{name}.weight"), *([self.weight(f"{name}.bias")] if bias else [])]
        pad = self.shapes[weights[0]][-1] // 2
        return self.op("Conv", x, *weights, pads=[pad] * 4)

    def linear(self, name: str, x: str, grid: int, *, bias: bool = True) -> str:
        """nn.Linear, as [1, C, grid, grid]."""
        weights = [self.weight(f"{name}.weight"), *([self.weight(f"{name}.bias")] if bias else [])]
        channels = self.shapes[weights[0]][0] // grid**2
        return self.op("Reshape", self.op("Gemm", x, *weights, transB=1), self.whole(1, channels, grid, grid))

    def norm(self, name: str, x: str) -> str:
        """BatchNorm in use."""
        parts = [self.weight(f"{name}.{part}") for part in ("scale", "shift", "mean", "variance")]
        return self.op("BatchNormalization", x, *parts, epsilon=NORM_EPSILON)

    def doubled(self, x: str, mode: str = "nearest") -> str:
        scales = self.constant(f"scales.{len(self.initializers)}", np.array([1, 1, 2, 2], np.float32))
        how = {"coordinate_transformation_mode": "half_pixel"} if mode == "linear" else \
            {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}  # fmt: skip
        return self.op("Resize", x, "", scales, mode=mode, **how)

    # ---- the networks

    def plain(self, network: PlainSynthesis) -> str:
        x = self.op("Relu", self.linear("synthesis.dense", "w", 8))
        for name in ("to16", "to32"):
            x = self.op("Relu", self.conv(f"synthesis.{name}", self.doubled(x)))
        return self.conv("synthesis.color", x)

    def dcgan(self, network: DcganSynthesis) -> str:
        x = self.linear("synthesis.dense", "w", 4, bias=False)
        for i in range(len(network.layers)):
            x = self.op("Relu", self.norm(f"synthesis.norms.{i}", x))
            name = f"synthesis.layers.{i}"
            weights = [self.weight(n) for n in (f"{name}.weight", f"{name}.bias") if n in self.shapes]
            x = self.op("ConvTranspose", x, *weights, strides=[2, 2], pads=[1] * 4)
        return x

    def residual(self, network: ResidualSynthesis) -> str:
        x = self.linear("synthesis.dense", "w", 4)
        for i in range(len(network.blocks)):
            name = f"synthesis.blocks.{i}"
            y = self.conv(f"{name}.conv1", self.doubled(self.op("Relu", self.norm(f"{name}.norm1", x))))
            y = self.conv(f"{name}.conv2", self.op("Relu", self.norm(f"{name}.norm2", y)))
            x = self.op("Add", y, self.doubled(self.conv(f"{name}.skip", x)))
        return self.conv("synthesis.color", self.op("Relu", self.norm("synthesis.norm", x)))

    def style(self, network: StyleSynthesis) -> str:
        x = self.op("Unsqueeze", self.weight("synthesis.constant"), self.whole(0))
        picture, at = "", 0
        for i, length in enumerate(network.planes):
            name = f"synthesis.body.{i}"
            if i % 2:
                x = self.doubled(x, "linear")
            x = self.modulated(f"{name}.conv", network.body[i].conv, x)  # type: ignore[arg-type]
            if length:
                noise = self.op("Slice", "noise", self.whole(at), self.whole(at + length), self.whole(1))
                noise = self.op("Reshape", noise, self.whole(1, 1, network.grids[i], network.grids[i]))
                x = self.op("Add", x, self.op("Mul", noise, self.weight(f"{name}.strength")))
            x = self.leaky(self.op("Add", x, self.per_channel(self.weight(f"{name}.bias"))))
            at += length
            if i % 2 == 0:  # the last layer of its grid
                k = i // 2
                added = self.modulated(f"synthesis.colors.{k}", network.colors[k], x)  # type: ignore[arg-type]
                bias = self.op("Gather", self.weight("synthesis.color_biases"), self.whole(k))  # [1, 3]
                added = self.op("Add", added, self.op("Unsqueeze", bias, self.whole(2, 3)))
                picture = self.op("Add", self.doubled(picture, "linear"), added) if picture else added
        return self.op("Mul", picture, self.number(COLOR_GAIN))

    # ---- parts of the style network

    def of_unit_power(self, x: str) -> str:
        mean = self.op("ReduceMean", self.op("Mul", x, x), self.whole(1), keepdims=1)
        return self.op("Div", x, self.op("Sqrt", self.op("Add", mean, self.number(1e-8))))

    def dense(self, name: str, layer: Dense, x: str) -> str:
        weights = [self.weight(f"{name}.weight"), self.weight(f"{name}.bias")]
        return self.op("Gemm", x, *weights, transB=1, alpha=layer.gain, beta=layer.rate)

    def modulated(self, name: str, layer: ModulatedConv, x: str) -> str:
        style = self.dense(f"{name}.style", layer.style, "w")
        kernel = self.op("Mul", self.weight(f"{name}.weight"), self.number(layer.gain))
        pad = self.shapes[f"{name}.weight"][-1] // 2
        scaled = self.op("Mul", x, self.op("Unsqueeze", style, self.whole(2, 3)))
        y = self.op("Conv", scaled, kernel, pads=[pad] * 4)
        if not layer.demodulated:
            return y
        squares = self.op("ReduceSum", self.op("Mul", kernel, kernel), self.whole(2, 3), keepdims=0)
        power = self.op("Gemm", self.op("Mul", style, style), squares, transB=1)
        size = self.op("Sqrt", self.op("Add", power, self.number(1e-8)))
        return self.op("Div", y, self.op("Unsqueeze", size, self.whole(2, 3)))
