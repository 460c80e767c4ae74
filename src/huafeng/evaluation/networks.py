"""The networks in whose features figures are measured: one interface over several kinds of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from huafeng.errors import DataError, GraphError
from huafeng.evaluation.inception import InceptionFeatures, load_inception
from huafeng.evaluation.values import layers
from huafeng.graphcheck import check_graph
from huafeng.pixels import F32, U8
from huafeng.training.features import SHIPPED, FeatureNetwork, load_features
from huafeng.training.losses import channel_statistics, gram

BATCH = 8


class Maps(NamedTuple):
    """What a network gives for B pictures: style layers [B, C, h, w], a content layer, pooled features [B, D]."""

    style: list[Tensor]
    content: Tensor | None
    pooled: Tensor


class Network(Protocol):
    """A network with a name, for the figures' names, and the sha256 of its weights, for the cache's keys."""

    name: str
    sha256: str
    layered: bool  # it has layers for style and content, not pooled features alone

    def maps(self, pictures: U8) -> Maps:
        """Pictures uint8 [B, S, S, 3] -> features."""


@dataclass(frozen=True)
class Looked:
    """What a network sees in N pictures.

    style: by layer [N, 2, C], means and deviations over space.   pooled: [N, D].
    content: [N, C, h, w], or None.   grams: by layer [N, C, C], empty where they were not asked for.
    """

    style: tuple[F32, ...]
    pooled: F32
    content: F32 | None = None
    grams: tuple[F32, ...] = ()


class Layered:
    """features-v1, SqueezeNet or VGG."""

    layered = True

    def __init__(self, network: FeatureNetwork) -> None:
        self.name, self.sha256, self._network = network.name, network.sha256, network

    def maps(self, pictures: U8) -> Maps:
        """See Network."""
        net = self._network
        found = net(_batch(pictures))
        return Maps([found[k] for k in net.style_layers], found[net.content_layer], found[net.layers[-1]].mean((2, 3)))


class Inception:
    """Inception-v3 of published FID figures: pooled features alone."""

    layered = False

    def __init__(self, network: InceptionFeatures) -> None:
        self.name, self.sha256, self._network = network.name, network.sha256, network

    def maps(self, pictures: U8) -> Maps:
        """See Network."""
        return Maps([], None, self._network(torch.from_numpy(pictures).permute(0, 3, 1, 2)))


class Onnx:
    """Any network in an .onnx file with one input [B, 3, H, W], RGB in 0..1.

    Outputs [B, C, h, w] are its style layers in their order, the last of them is the content layer, too; an output [B, D]
    is its pooled features.
    """

    def __init__(self, path: Path) -> None:
        from huafeng.engine import onnxruntime  # type: ignore[attr-defined]

        try:
            data = path.read_bytes()
            check_graph(data, (), operators=False)  # onnxruntime would read any file that it names
            self._session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
            (entry,) = self._session.get_inputs()
            self._input = entry.name
            probe = self._run(np.zeros((2, 3, 256, 256), np.float32))
        except GraphError as error:
            raise DataError(f"{path}: {error}") from error
        except Exception as error:  # onnxruntime's exception classes share no public base
            raise DataError(
                f"{path} is not an onnx network with one float input [B, 3, H, W] of any B, H and W, and features as outputs."
            ) from error
        self.layered = any(found.ndim == 4 for found in probe)
        if not self.layered and not any(found.ndim == 2 for found in probe):
            raise DataError(f"{path} gives no features: it needs outputs [B, C, h, w], or one [B, D].")
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.name = f"{path.stem}-{self.sha256[:8]}"  # two networks may have the same file name

    def _run(self, batch: F32) -> list[Any]:
        return list(self._session.run(None, {self._input: batch}))

    def maps(self, pictures: U8) -> Maps:
        """See Network."""
        found = [torch.from_numpy(output) for output in self._run(_batch(pictures).contiguous().numpy())]
        spatial = [output for output in found if output.ndim == 4]
        flat = [output for output in found if output.ndim == 2]
        return Maps(spatial, spatial[-1] if spatial else None, flat[-1] if flat else spatial[-1].mean((2, 3)))


def load_network(source: str | Path = SHIPPED) -> Network:
    """The network in a file.

    Args:
        source: `features-v1`; a file with SqueezeNet's, VGG's or Inception-v3's weights; or an .onnx file.

    Raises:
        DataError: absent, unreadable, damaged, or another network.
    """
    path = Path(source)
    if str(source) == SHIPPED:
        return Layered(load_features())
    if path.suffix == ".onnx" and path.is_file():
        return Onnx(path)
    inception = load_inception(path) if path.is_file() else None
    return Inception(inception) if inception else Layered(load_features(path))


@torch.inference_mode()
def look(network: Network, pictures: Sequence[U8], *, content: bool = False, grams: bool = False) -> Looked:
    """What the network sees in pictures uint8 [S, S, 3] of one size."""
    found = [_seen(network.maps(np.stack(some)), content, grams) for some in batches(pictures)]
    return Looked(
        layers([one.style for one in found]),
        np.concatenate([one.pooled for one in found]),
        np.concatenate([one.content for one in found if one.content is not None]) if content else None,
        layers([one.grams for one in found]),
    )


def _seen(maps: Maps, content: bool, grams: bool) -> Looked:
    wanted = maps.content if content else None
    return Looked(
        tuple(channel_statistics(layer).numpy() for layer in maps.style),
        maps.pooled.float().numpy(),
        None if wanted is None else wanted.float().numpy(),
        tuple(gram(layer.float()).numpy() for layer in maps.style) if grams else (),
    )


def batches(pictures: Sequence[U8]) -> Iterator[Sequence[U8]]:
    """The pictures in their order, BATCH at a time."""
    for start in range(0, len(pictures), BATCH):
        yield pictures[start : start + BATCH]


def _batch(pictures: U8) -> Tensor:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div(255).contiguous(memory_format=torch.channels_last)
