"""A trained translator or enlarger -> its style file, after a parity check with the runtime."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from onnx import TensorProto, helper
from torch import nn

from huafeng.art import RIM, frame
from huafeng.networkfile import ENLARGE_SUFFIX, ENLARGER, PICTURE, PLAN, STATISTICS, TRANSLATOR, Plan
from huafeng.networkfile import Layer as Planned
from huafeng.pixels import Array, resize
from huafeng.style import SUFFIX, Card, Style
from huafeng.training.data import to_batch
from huafeng.training.enlarging import Enlarger
from huafeng.training.graph import GraphWriter
from huafeng.training.precision import PARITY, PRECISIONS, Precision, note_differences
from huafeng.training.stylefiles import test_photo, thumbnail
from huafeng.training.stylenetwork import StyleTransferNetwork
from huafeng.training.translation import Layer, ResidualGenerator, UNet
from huafeng.translator import AFFINE, NORM_EPSILON, Translator

Network: TypeAlias = ResidualGenerator | UNet | Enlarger | StyleTransferNetwork
PARITY_PX = 256  # side of the framed photo (of its result, where that is larger): a multiple of most strides


class NetworkWriter(GraphWriter):
    """Writes one of a network's graphs: with live norms whose means and variances come out, or with norms folded in."""

    def __init__(self, network: Network, folded: bool) -> None:
        super().__init__(helper.make_tensor_value_info("photo", TensorProto.UINT8, [1, "H", "W", 3]))
        self.network, self.folded = network, folded
        self.names = {module: name for name, module in network.named_modules()}

    def layer(self, layer: nn.Module, x: str) -> str:
        """`translation.Layer.forward`."""
        assert isinstance(layer, Layer)
        name = self.names[layer]
        out, inputs, size, _ = layer.weight.shape
        kernel = (out * 4 if layer.up else out, inputs, size, size)
        weights = [self.external(f"{name}.weight", kernel)]
        if self.folded or not layer.norm:
            weights.append(self.external(f"{name}.bias", kernel[:1]))
        pads = [layer.pad] * 4
        if layer.reflect:
            around = self.constant(f"{name}.around", np.array([0, 0, *pads[:2], 0, 0, *pads[2:]], np.int64))
            x, pads = self.node("Pad", [x, around], f"{name}.pad", mode="reflect"), [0] * 4
        x = self.node("Conv", [x, *weights], f"{name}.conv", kernel_shape=[size, size], pads=pads, strides=[layer.stride] * 2)
        if layer.up:
            x = self.node("DepthToSpace", [x], f"{name}.shuffle", blocksize=2, mode="CRD")
        if layer.norm and not self.folded:
            x = self.norm(name, x, out, affine=layer.scale is not None)
        if layer.leak == 0:
            x = self.node("Relu", [x], f"{name}.relu")
        elif layer.leak < 1:
            x = self.node("LeakyRelu", [x], f"{name}.leaky", alpha=layer.leak)
        return x

    def norm(self, name: str, x: str, channels: int, *, affine: bool) -> str:
        """Live instance normalisation; its mean and variance become outputs of the graph."""
        mean = self.node("ReduceMean", [x, "axes"], f"{name}.mean", keepdims=1)
        centred = self.node("Sub", [x, mean], f"{name}.centred")
        square = self.node("Mul", [centred, centred], f"{name}.square")
        variance = self.node("ReduceMean", [square, "axes"], f"{name}.variance", keepdims=1)
        sigma = self.node("Sqrt", [self.node("Add", [variance, "epsilon"], f"{name}.lifted")], f"{name}.sigma")
        for statistic in (mean, variance):
            self.outputs.append(helper.make_tensor_value_info(statistic, TensorProto.FLOAT, [1, channels, 1, 1]))
        x = self.node("Div", [centred, sigma], f"{name}.normed")
        if affine:
            scale, shift = (self.external(f"{name}.{part}", (1, channels, 1, 1)) for part in AFFINE)
            x = self.node("Add", [self.node("Mul", [x, scale], f"{name}.scaled"), shift], f"{name}.shifted")
        return x

    def write(self) -> bytes:
        """The whole graph as an onnx model: the network's forward, uint8 in and uint8 out."""
        if not self.folded:
            self.constant("axes", np.array([2, 3], np.int64))
            self.constant("epsilon", np.array(NORM_EPSILON, np.float32))
        x = self.node("Cast", ["photo"], "float", to=TensorProto.FLOAT)
        x = self.node("Mul", [x, self.constant("half", np.array(2 / 255, np.float32))], "doubled")
        x = self.node("Sub", [x, self.constant("one", np.array(1, np.float32))], "centred")  # -1..1
        x = self.node("Transpose", [x], "planes", perm=[0, 3, 1, 2])
        match self.network:
            case ResidualGenerator():
                planes, x = x, self.residual(self.network, x)
                x = self.added(planes, x) if self.network.global_residual else self.node("Tanh", [x], "made")
            case UNet():
                x = self.node("Tanh", [self.u_net(self.network, x)], "made")
            case StyleTransferNetwork():
                x = self.node("Tanh", [self.style_transfer(self.network, x)], "made")
            case Enlarger():
                x = self.enlarger(self.network, x)
        if not self.folded:
            return self.model("statistics")
        x = self.node("Add", [x, "one"], "lifted")  # 0..2, clipped and rounded to levels of 2 / 255
        x = self.node("QuantizeLinear", [x, "half", self.constant("black", np.array(0, np.uint8))], "levels")
        self.node("Transpose", [x], "picture", perm=[0, 2, 3, 1])
        self.outputs.append(helper.make_tensor_value_info("picture", TensorProto.UINT8, [1, "H2", "W2", 3]))
        return self.model("picture")

    def residual(self, network: ResidualGenerator, x: str) -> str:
        """Up to the last convolution."""
        x = self.layer(network.first, x)
        for layer in network.down:
            x = self.layer(layer, x)
        x = self.blocks(network.blocks, x)
        for layer in network.up:
            x = self.layer(layer, x)
        return self.layer(network.last, x)

    def blocks(self, blocks: nn.ModuleList, x: str) -> str:
        """Residual blocks of either network."""
        for block in blocks:
            inner = self.layer(block.second, self.layer(block.first, x))  # type: ignore[arg-type]
            x = self.node("Add", [x, inner], f"{self.names[block]}.sum")
        return x

    def u_net(self, network: UNet, x: str) -> str:
        """Up to the last convolution."""
        skips = []
        for layer in network.down:
            x = self.layer(layer, x)
            skips.append(x)
        skips.pop()
        for place, layer in enumerate(network.up):
            x = self.node("Concat", [self.layer(layer, x), skips.pop()], f"skip.{place}", axis=1)
        return self.layer(network.last, x)

    def style_transfer(self, network: StyleTransferNetwork, x: str) -> str:
        """Up to the last convolution."""
        at4 = self.layer(network.down4, self.layer(network.down2, x))
        x = self.blocks(network.blocks, self.layer(network.down8, at4))
        x = self.node("Add", [self.layer(network.up4, x), at4], "skip")
        x = self.blocks(network.blocks4, self.node("Relu", [x], "skip.relu"))
        return self.layer(network.last, self.layer(network.mix2, self.layer(network.up2, x)))

    def enlarger(self, network: Enlarger, x: str) -> str:
        """The whole network; its last sum in -1..1."""
        planes = x
        x = first = self.layer(network.first, x)
        x = self.node("Add", [first, self.layer(network.after, self.blocks(network.blocks, x))], "after.sum")
        for place, layer in enumerate(network.up):
            x = self.node("DepthToSpace", [self.layer(layer, x)], f"shuffle.{place}", blocksize=2, mode="CRD")
        scales = self.constant("scales", np.array([1, 1, network.scale, network.scale], np.float32))
        large = self.node("Resize", [planes, "", scales], "bicubic", mode="cubic", cubic_coeff_a=-0.75,
                          coordinate_transformation_mode="half_pixel")  # fmt: skip
        return self.added(large, self.layer(network.last, x))

    def added(self, planes: str, x: str) -> str:
        """Pictures in -1..1, and what a network adds to them in 0..1."""
        doubled = self.node("Mul", [x, self.constant("two", np.array(2, np.float32))], "last.doubled")
        return self.node("Add", [planes, doubled], "made")


def network_tensors(network: Network, working_px: int, precision: Precision = np.float16) -> dict[str, Array]:
    """All that the file holds of a network: weights as `precision`, graphs and plan as bytes."""
    layers = {name: module for name, module in network.named_modules() if isinstance(module, Layer)}
    scale = network.scale if isinstance(network, Enlarger) else 1
    plan = Plan(network.stride, network.reach, scale, working_px, {n: Planned(m.up, m.norm) for n, m in layers.items()})
    texts = {PLAN: plan.to_bytes(), PICTURE: NetworkWriter(network, True).write()}
    if any(layer.norm for layer in layers.values()):
        texts[STATISTICS] = NetworkWriter(network, False).write()
    tensors: dict[str, Array] = {name: np.frombuffer(text, np.uint8) for name, text in texts.items()}
    for name, weight in network.state_dict().items():
        with np.errstate(over="ignore"):  # what float16 cannot hold fails the parity check
            tensors[name] = weight.float().numpy().astype(precision, order="C")
    return tensors


@torch.no_grad()
def parity(network: Network, runtime: Translator) -> float:
    """Largest difference, of 255, between the trained network and the runtime, on a photo that is its own thumbnail."""
    scale = runtime.plan.scale
    side = (max(PARITY_PX, network.stride) - 2 * RIM) // scale
    photo = test_photo()[:side, :side]
    made = network(to_batch([frame(photo, network.stride)]))[0].permute(1, 2, 0).clamp(0, 1).numpy() * 255
    inner = made[RIM * scale :, RIM * scale :][: photo.shape[0] * scale, : photo.shape[1] * scale]
    return float(np.abs(inner - runtime.paint(photo)).max())


def export_network(network: Network, name: str, card: Mapping[str, Any], working_px: int, folder: Path) -> Path:
    """Write NAME.style, or NAME.enlarge; `card` are the fields of `style.Card`. Gives the path.

    Weights are float16, unless that changes pictures too much (`WeightsDiffer` is warned).
    """
    network = copy.deepcopy(network).cpu().float().eval()
    differences: list[dict[str, float]] = []
    for precision in PRECISIONS:
        tensors = network_tensors(network, working_px, precision)
        runtime = Translator(tensors)
        differences.append({name: parity(network, runtime)})
        if differences[-1][name] <= PARITY:
            break
    note_differences(differences)
    enlarges = isinstance(network, Enlarger)
    path = folder / f"{name}{ENLARGE_SUFFIX if enlarges else SUFFIX}"
    photo, scale = test_photo(), runtime.plan.scale
    shown = runtime.paint(resize(photo, photo.shape[1] // scale, photo.shape[0] // scale))
    Style(name, ENLARGER if enlarges else TRANSLATOR, tensors, Card(**card), thumbnail(shown)).save(path, force=True)
    return path
