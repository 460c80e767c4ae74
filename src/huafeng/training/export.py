"""Trained networks -> the base generator file.

It is a safetensors file with weights (float16, or float32 where that is too coarse) and onnx graphs as bytes without weights:
- `graph.statistics`: the generator with live instance normalisation; its outputs are each layer's mean and variance;
- `graph.picture`: the generator with norms folded into its convolutions, so that onnxruntime sees dense convolutions only;
- `graph.encoder`: the style encoder, where one was trained; its weights' names begin with `encoder.`.
They name their weights as external data; `huafeng.art` and `huafeng.encoder` hand them over when they open a session.
`layers` is JSON: names and channels of the normed layers, in the order in which the modulation holds their scales and shifts;
`limited`: names of those that stay within LIMIT deviations.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import torch
from onnx import TensorProto, helper
from torch import Tensor

from huafeng.art import LIMIT, NOISE_PLANES, NORM_EPSILON
from huafeng.pixels import Array
from huafeng.training.encoder import FARTHEST, Encoder
from huafeng.training.graph import GraphWriter
from huafeng.training.network import IMPULSE, Conv, Generator, GeneratorShape, conv_layers, upsampling_kernel
from huafeng.training.precision import Precision


class GeneratorWriter(GraphWriter):
    """Writes one of the generator's two graphs; names are the layers' own."""

    def __init__(self, layers: Mapping[str, Conv], folded: bool) -> None:
        photo = helper.make_tensor_value_info("photo", TensorProto.UINT8, [1, "H", "W", 3])
        super().__init__(photo, helper.make_tensor_value_info("noise", TensorProto.FLOAT, [1, NOISE_PLANES, "H8", "W8"]))
        self.layers, self.folded = layers, folded

    def conv(self, name: str, x: str) -> str:
        """One of the network's `Conv` modules: with its norm, or with it folded in."""
        layer = self.layers[name]
        out, inputs, size = layer.weight.shape[0], layer.weight.shape[1], layer.weight.shape[2]
        kernel = (out * 4 if layer.up else out, inputs, size, size)
        weights = [self.external(f"{name}.weight", kernel)]
        if self.folded:
            weights.append(self.external(f"{name}.bias", kernel[:1]))
        pad = size // 2
        y = self.node("Conv", [x, *weights], f"{name}.conv", kernel_shape=[size, size], pads=[pad] * 4,
                      strides=[layer.stride] * 2)  # fmt: skip
        if layer.up:
            y = self.node("DepthToSpace", [y], f"{name}.shuffle", blocksize=2, mode="CRD")
        if not self.folded:
            y = self.norm(name, y, out)
        if layer.limited:
            least, most = self.limits(name, out)
            y = self.node("Min", [self.node("Max", [y, least], f"{name}.not.less"), most], f"{name}.not.more")
        return self.node("Relu", [y], f"{name}.relu") if layer.relu else y

    def norm(self, name: str, x: str, channels: int) -> str:
        """Live conditional instance normalisation; its mean and variance become outputs of the graph."""
        for part in ("scale", "shift"):
            self.inputs.append(helper.make_tensor_value_info(f"{name}.{part}", TensorProto.FLOAT, [1, channels, 1, 1]))
        mean = self.node("ReduceMean", [x, "axes"], f"{name}.mean", keepdims=1)
        centred = self.node("Sub", [x, mean], f"{name}.centred")
        square = self.node("Mul", [centred, centred], f"{name}.square")
        variance = self.node("ReduceMean", [square, "axes"], f"{name}.variance", keepdims=1)
        sigma = self.node("Sqrt", [self.node("Add", [variance, "epsilon"], f"{name}.lifted")], f"{name}.sigma")
        gain = self.node("Div", [f"{name}.scale", sigma], f"{name}.gain")
        scaled = self.node("Mul", [centred, gain], f"{name}.scaled")
        for statistic in (mean, variance):
            self.outputs.append(helper.make_tensor_value_info(statistic, TensorProto.FLOAT, [1, channels, 1, 1]))
        return self.node("Add", [scaled, f"{name}.shift"], f"{name}.normed")

    def limits(self, name: str, channels: int) -> list[str]:
        """Between which numbers a layer's channels stay: shift - LIMIT |scale| and shift + LIMIT |scale|."""
        if self.folded:
            return [self.external(f"{name}.{end}", (1, channels, 1, 1)) for end in ("least", "most")]
        size = self.node("Abs", [f"{name}.scale"], f"{name}.size")
        reach = self.node("Mul", [size, self.constant(f"{name}.limit", np.array(LIMIT, np.float32))], f"{name}.reach")
        return [self.node(op, [f"{name}.shift", reach], f"{name}.{op.lower()}.reach") for op in ("Sub", "Add")]

    def block(self, name: str, x: str) -> str:
        """One of the network's `Block` modules."""
        return self.node("Add", [x, self.conv(f"{name}.second", self.conv(f"{name}.first", x))], f"{name}.sum")

    def write(self, shape: GeneratorShape) -> bytes:
        """The whole graph as an onnx model: `Generator.forward`."""
        if not self.folded:
            self.constant("axes", np.array([2, 3], np.int64))
            self.constant("epsilon", np.array(NORM_EPSILON, np.float32))
        # (photo - 128) / 255 in one operator; the network was trained on photo / 255 - 0.5, half a level away
        level = [self.constant("level", np.array(1 / 255, np.float32)), self.constant("grey", np.array(128, np.uint8))]
        x = self.node("DequantizeLinear", ["photo", *level], "centred")
        x = self.node("Transpose", [x], "planes", perm=[0, 3, 1, 2])
        at2 = self.conv("down2", x)
        at4 = self.conv("down4", at2)
        x = self.conv("down8", at4)
        grain = self.node(
            "Conv", ["noise", self.external("grain", (shape.eighth, NOISE_PLANES, 1, 1))], "grained", kernel_shape=[1, 1]
        )
        x = self.node("Add", [x, grain], "noisy")
        for i in range(shape.blocks):
            x = self.block(f"blocks.{i}", x)
        x = self.node("Relu", [self.node("Add", [self.conv("up4", x), at4], "skip4")], "skip4.relu")
        x = self.block("block4", x)
        x = self.node("Relu", [self.node("Add", [self.conv("up2", x), at2], "skip2")], "skip2.relu")
        x = self.conv("mix2", x)
        if self.folded:
            weights = [self.external("last.weight", (12, shape.half, 3, 3)), self.external("last.bias", (12,))]
            x = self.node("Conv", [x, *weights], "last", kernel_shape=[3, 3], pads=[1] * 4)
            soft = self.node("AveragePool", ["planes"], "soft", kernel_shape=[4, 4], strides=[2, 2], pads=[1] * 4,
                             count_include_pad=1)  # fmt: skip
            weights = [self.external("color.weight", (12, 3, 3, 3))]
            toned = self.node("Conv", [soft, *weights], "toned", kernel_shape=[3, 3], pads=[1] * 4)
            x = self.node("Add", [x, toned], "colored")
            # squash, clip to 0..255 and round: 255 (1.1 sigmoid(x) - 0.05)
            x = self.node("Sigmoid", [x], "sigmoid")
            x = self.node("Sub", [x, self.constant("foot", np.array(0.05 / 1.1, np.float32))], "lowered")
            step = [
                self.constant("step", np.array(1 / (255 * 1.1), np.float32)),
                self.constant("black", np.array(0, np.uint8)),
            ]
            x = self.node("QuantizeLinear", [x, *step], "levels")
            x = self.node("DepthToSpace", [x], "shuffled", blocksize=2, mode="CRD")
            self.node("Transpose", [x], "picture", perm=[0, 2, 3, 1])
            self.outputs.append(helper.make_tensor_value_info("picture", TensorProto.UINT8, [1, "H", "W", 3]))
        return self.model("picture" if self.folded else "statistics")


def encoder_graph(encoder: Encoder) -> bytes:
    """Views uint8 [N, H, W, 3] -> `code` float32 [N, K]: `Encoder.forward`."""
    g = GraphWriter(helper.make_tensor_value_info("views", TensorProto.UINT8, ["N", "H", "W", 3]))
    weights = {name: tuple(weight.shape) for name, weight in encoder.state_dict().items()}

    def of(module: str) -> list[str]:
        return [g.external(f"encoder.{module}.{part}", weights[f"{module}.{part}"]) for part in ("weight", "bias")]

    def conv(module: str, x: str, **attributes: object) -> str:
        return g.node("Conv", [x, *of(module)], module, **attributes)

    g.constant("axes", np.array([2, 3], np.int64))
    g.constant("level", np.array(1 / 255, np.float32))
    g.constant("grey", np.array(0.5, np.float32))
    g.constant("epsilon", np.array(1e-5, np.float32))
    x = g.node("DequantizeLinear", ["views", "level"], "unit")
    x = g.node("Sub", [x, "grey"], "centred")
    x = g.node("Transpose", [x], "planes", perm=[0, 3, 1, 2])
    x = g.node("Pad", [x, g.constant("rim", np.array([0, 0, 3, 3, 0, 0, 3, 3], np.int64))], "padded", mode="reflect")
    x = g.node("Relu", [conv("trunk.to_half", x, strides=[2, 2])], "half")
    found = []
    for layer in encoder.trunk.heads:
        if layer in ("fire2", "fire5"):
            module = "trunk.to_quarter" if layer == "fire2" else "trunk.to_eighth"
            x = g.node("Relu", [conv(module, x, strides=[2, 2], pads=[1] * 4)], f"{module}.relu")
        if layer in encoder.trunk.blocks:
            y = g.node("Relu", [conv(f"trunk.blocks.{layer}", x, pads=[1] * 4)], f"{layer}.relu")
            x = g.node("Add", [x, y], f"{layer}.sum")
        y = conv(f"trunk.heads.{layer}", x)
        mean = g.node("ReduceMean", [y, "axes"], f"{layer}.mean", keepdims=1)
        apart = g.node("Sub", [y, mean], f"{layer}.apart")
        variance = g.node(
            "ReduceMean", [g.node("Mul", [apart, apart], f"{layer}.square"), "axes"], f"{layer}.variance", keepdims=1
        )
        deviation = g.node("Sqrt", [g.node("Add", [variance, "epsilon"], f"{layer}.lifted")], f"{layer}.deviation")
        found += [mean, deviation]
    x = g.node("Flatten", [g.node("Concat", found, "statistics", axis=1)], "row", axis=1)
    x = g.node("Sub", [x, g.external("encoder.mean", weights["mean"])], "statistics.apart")
    x = g.node("Div", [x, g.external("encoder.deviation", weights["deviation"])], "standard")
    far = [g.constant(name, np.array(sign * FARTHEST, np.float32)) for name, sign in (("least", -1), ("most", 1))]
    x = g.node("Clip", [x, *far], "clipped")
    x = g.node("Relu", [g.node("Gemm", [x, *of("hidden")], "hidden", transB=1)], "hidden.relu")
    g.node("Gemm", [x, *of("code")], "code", transB=1)
    g.outputs.append(helper.make_tensor_value_info("code", TensorProto.FLOAT, ["N", weights["code.bias"][0]]))
    return g.model("encoder")


def base_tensors(generator: Generator, encoder: Encoder | None = None, precision: Precision = np.float16) -> dict[str, Array]:
    """Everything that the base file holds: weights as `precision`, and the graphs as uint8."""
    layers = conv_layers(generator)
    tensors: dict[str, Array] = {}

    def put(name: str, value: Tensor) -> None:
        with np.errstate(over="ignore"):  # what float16 cannot hold fails the parity check
            # safetensors writes memory as it lies
            tensors[name] = value.detach().float().numpy().astype(precision, order="C")

    for name, layer in layers.items():
        put(f"{name}.weight", upsampling_kernel(layer.weight) if layer.up else layer.weight)
    put("grain", generator.grain)
    put("modulation.weight", generator.modulation.weight)
    put("modulation.bias", generator.modulation.bias)
    put("last.weight", upsampling_kernel(generator.last))
    put("last.bias", generator.last_bias.repeat_interleave(4))
    put("color.kernel", upsampling_kernel(IMPULSE[:1])[:, 0])  # [4, 3, 3]: bilinear enlargement by phases
    texts = {
        "layers": json.dumps(list(zip(layers, generator.channels, strict=True))).encode(),
        "limited": json.dumps([name for name, layer in layers.items() if layer.limited]).encode(),
        "graph.statistics": GeneratorWriter(layers, False).write(generator.shape),
        "graph.picture": GeneratorWriter(layers, True).write(generator.shape),
    }
    if encoder is not None:
        for name, weight in encoder.state_dict().items():
            put(f"encoder.{name}", weight)
        texts["graph.encoder"] = encoder_graph(encoder)
    return tensors | {name: np.frombuffer(text, np.uint8) for name, text in texts.items()}


def trained_weights(tensors: Mapping[str, Array]) -> dict[str, Tensor]:
    """What `base_tensors` gave -> the weights of its networks: `generator.` and `encoder.`, by name."""
    weights: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if name.startswith("graph.") or name in ("layers", "limited", "color.kernel"):
            continue
        weight = torch.from_numpy(value.astype(np.float32))
        if name.startswith("encoder."):
            weights[name] = weight
        elif name == "last.bias":
            weights["generator.last_bias"] = weight[::4]
        elif name in ("up4.weight", "up2.weight", "last.weight"):
            weights["generator.last" if name == "last.weight" else f"generator.{name}"] = _large_kernel(weight)
        else:
            weights[f"generator.{name}"] = weight
    return weights


def _large_kernel(small: Tensor) -> Tensor:
    """The kernel [O, I, 3, 3] whose `upsampling_kernel` is `small` [4 O, I, 3, 3]; both are linear in each other."""
    units = torch.eye(9, dtype=torch.float64).reshape(9, 1, 3, 3)
    forward = upsampling_kernel(units).reshape(9, 36)  # row: what one weight of the large kernel becomes
    flat = small.double().reshape(small.shape[0] // 4, 4, small.shape[1], 9).transpose(1, 2).flatten(2)  # [O, I, 36]
    return (flat @ torch.linalg.pinv(forward)).reshape(small.shape[0] // 4, small.shape[1], 3, 3).float()
