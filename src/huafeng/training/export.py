"""Checkpoint -> base generator file and `.style` files.

The base file is a safetensors file with the weights (float16) and two onnx graphs as bytes, which hold no weights:
- `graph.statistics`: the network with live instance normalisation; its outputs are each layer's mean and variance;
- `graph.picture`: the network with norms folded into its convolutions, so that onnxruntime sees dense convolutions only.
Both name their weights as external data; `huafeng.art` hands them over when it opens a session.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from torch import Tensor

from huafeng.pixels import Array
from huafeng.training.network import DELTA, NORM_EPSILON, Conv, Generator, upsampling_kernel

OPSET = 18


def conv_layers(generator: Generator) -> dict[str, Conv]:
    """The generator's normed convolutions by name, in the order in which a photo meets them."""
    return {name: module for name, module in generator.named_modules() if isinstance(module, Conv)}


class GraphWriter:
    """Writes one of the two graphs, node by node; names are the layers' own."""

    def __init__(self, layers: Mapping[str, Conv], folded: bool) -> None:
        self.layers, self.folded = layers, folded
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[TensorProto] = []
        self.inputs = [helper.make_tensor_value_info("photo", TensorProto.UINT8, [1, "H", "W", 3])]
        self.outputs: list[onnx.ValueInfoProto] = []

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add one operator; its output has the node's name."""
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def external(self, name: str, shape: tuple[int, ...]) -> str:
        """Declare a weight that is handed over when the session opens."""
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value="handed-over")
        self.initializers.append(tensor)
        return name

    def constant(self, name: str, values: Array) -> str:
        """Add a value that is part of the graph."""
        self.initializers.append(onnx.numpy_helper.from_array(values, name))
        return name

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

    def block(self, name: str, x: str) -> str:
        """One of the network's `Block` modules."""
        return self.node("Add", [x, self.conv(f"{name}.second", self.conv(f"{name}.first", x))], f"{name}.sum")

    def write(self, blocks: int, half: int) -> bytes:
        """The whole graph as an onnx model: `Generator.forward`, with `blocks` blocks and `half` channels at 1/2."""
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
        for i in range(blocks):
            x = self.block(f"blocks.{i}", x)
        x = self.node("Relu", [self.node("Add", [self.conv("up4", x), at4], "skip4")], "skip4.relu")
        x = self.block("block4", x)
        x = self.node("Relu", [self.node("Add", [self.conv("up2", x), at2], "skip2")], "skip2.relu")
        x = self.conv("mix2", x)
        if self.folded:
            weights = [self.external("last.weight", (12, half, 3, 3)), self.external("last.bias", (12,))]
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
        kind = "picture" if self.folded else "statistics"
        graph = helper.make_graph(self.nodes, kind, self.inputs, self.outputs, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="huafeng")
        model.ir_version = 9
        return model.SerializeToString()


def base_tensors(generator: Generator) -> dict[str, Array]:
    """Everything that the base file holds: float16 weights, and the two graphs as uint8."""
    layers = conv_layers(generator)
    tensors: dict[str, Array] = {}

    def put(name: str, value: Tensor) -> None:
        tensors[name] = value.detach().float().numpy().astype(np.float16, order="C")  # safetensors writes memory as it lies

    for name, layer in layers.items():
        put(f"{name}.weight", upsampling_kernel(layer.weight) if layer.up else layer.weight)
        for part in ("scale", "shift"):
            linear = getattr(layer.norm, part)
            put(f"{name}.{part}.weight", linear.weight)
            put(f"{name}.{part}.bias", linear.bias)
    put("last.weight", upsampling_kernel(generator.last))
    put("last.bias", generator.last_bias.repeat_interleave(4))
    put("color.matrix.weight", generator.color.weight)
    put("color.matrix.bias", generator.color.bias)
    put("color.kernel", upsampling_kernel(DELTA[:1])[:, 0])  # [4, 3, 3]: bilinear enlargement by phases
    shape = generator.shape
    for kind, folded in (("statistics", False), ("picture", True)):
        graph = GraphWriter(layers, folded).write(shape.blocks, shape.half)
        tensors[f"graph.{kind}"] = np.frombuffer(graph, np.uint8)
    return tensors


def trained_weights(tensors: Mapping[str, Array]) -> dict[str, Tensor]:
    """What `base_tensors` gave -> the weights of a `Generator` of that shape, by name."""
    weights: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if name.startswith("graph.") or name == "color.kernel":
            continue
        layer, _, part = name.rpartition(".")
        weight = torch.from_numpy(value.astype(np.float32))
        if name == "last.bias":
            weights["last_bias"] = weight[::4]
        elif part == "weight" and layer in ("up4", "up2", "last"):
            weights["last" if layer == "last" else name] = _large_kernel(weight)
        elif layer.startswith("color.matrix"):
            weights[f"color.{part}"] = weight
        elif layer.rpartition(".")[2] in ("scale", "shift"):
            conv, _, kind = layer.rpartition(".")
            weights[f"{conv}.norm.{kind}.{part}"] = weight
        else:
            weights[name] = weight
    return weights


def _large_kernel(small: Tensor) -> Tensor:
    """The kernel [O, I, 3, 3] whose `upsampling_kernel` is `small` [4 O, I, 3, 3]; both are linear in each other."""
    units = torch.eye(9, dtype=torch.float64).reshape(9, 1, 3, 3)
    forward = upsampling_kernel(units).reshape(9, 36)  # row: what one weight of the large kernel becomes
    flat = small.double().reshape(small.shape[0] // 4, 4, small.shape[1], 9).transpose(1, 2).flatten(2)  # [O, I, 36]
    return (flat @ torch.linalg.pinv(forward)).reshape(small.shape[0] // 4, small.shape[1], 3, 3).float()
