"""Frozen feature networks for content and style losses: the shipped one, or well-known ones from the user's own files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from huafeng.errors import DataError
from huafeng.training import backbones
from huafeng.training.student import Student

SHIPPED = "features-v1"
LEAST_PX = 32  # sides of a picture
HELP = f"give {SHIPPED}, or a .safetensors or .pth file with the weights of SqueezeNet 1.0 or 1.1, VGG-16 or VGG-19"

_DOWNLOADS = re.compile(r"^(?:vgg|squeezenet)\w*-([0-9a-f]{8})\b")

Body: TypeAlias = backbones.SqueezeNet | backbones.Vgg | Student


@dataclass(frozen=True)
class Known:
    """A network as it is found in files; its own input is (colour - mean) * gain, channel by channel."""

    name: str
    build: Callable[[], Body]
    style_layers: tuple[str, ...]
    content_layer: str
    mean: tuple[float, float, float]  # of RGB in 0..1
    gain: tuple[float, float, float]  # of RGB
    bgr: bool = False  # the file's first kernel counts its channels from blue
    places: tuple[int, ...] = ()  # N of the layers' names `features.N` in torchvision's files; without: the body's own names

    def name_in_file(self, body: Body, name: str) -> str:
        """The body's `fire2.squeeze.weight` is `features.3.squeeze.weight` in torchvision's files."""
        if not self.places:
            return name
        layer, _, rest = name.partition(".")
        return f"features.{self.places[body.layers.index(layer)]}.{rest}"

    def for_rgb(self, kernel: Tensor) -> Tensor:
        """The first kernel [C, 3, k, k], changed to take RGB in 0..1 minus `mean`."""
        kernel = kernel.flip(1) if self.bgr else kernel
        return kernel * torch.tensor(self.gain)[:, None, None]


_SQUEEZENET = Known(
    "squeezenet1_0",
    lambda: backbones.SqueezeNet("1.0"),
    style_layers=("conv1", "fire2", "fire3", "fire4", "fire5", "fire6", "fire7"),
    content_layer="fire5",
    mean=(0.485, 0.456, 0.406),  # of ImageNet, over its deviations
    gain=(1 / 0.229, 1 / 0.224, 1 / 0.225),
    places=(0, 3, 4, 5, 7, 8, 9),
)
KNOWN = (
    replace(_SQUEEZENET, name=SHIPPED, build=Student, mean=(0.5, 0.5, 0.5), gain=(1.0, 1.0, 1.0), places=()),
    # as Caffe counts: BGR in 0..255, minus (104, 117, 123)
    replace(_SQUEEZENET, mean=(123 / 255, 117 / 255, 104 / 255), gain=(255.0, 255.0, 255.0), bgr=True, places=()),
    _SQUEEZENET,
    replace(_SQUEEZENET, name="squeezenet1_1", build=lambda: backbones.SqueezeNet("1.1"), places=(0, 3, 4, 6, 7, 9, 10)),
    replace(
        _SQUEEZENET,
        name="vgg16",  # with the layers of Johnson et al., ECCV 2016
        build=lambda: backbones.Vgg(2, 2, 3, 3),
        style_layers=("relu1_2", "relu2_2", "relu3_3", "relu4_3"),
        content_layer="relu3_3",
        places=(0, 2, 5, 7, 10, 12, 14, 17, 19, 21),
    ),
    replace(
        _SQUEEZENET,
        name="vgg19",  # with the layers of Gatys et al., CVPR 2016
        build=lambda: backbones.Vgg(2, 2, 4, 4, 1),
        style_layers=("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
        content_layer="relu4_2",
        places=(0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28),
    ),
)


class FeatureNetwork(nn.Module):
    """A frozen network that turns pictures into features; losses on them have gradients towards the picture.

    Attributes:
        name: `features-v1`, `squeezenet1_0`, `squeezenet1_1`, `vgg16` or `vgg19`.
        sha256: of the file that the weights came from.
        layers: every layer that `forward` gives, first to last.
        style_layers: where Gram matrices are compared.
        content_layer: where features are compared.
    """

    def __init__(self, known: Known, body: Body, sha256: str) -> None:
        super().__init__()
        self.body = body.requires_grad_(False).eval()
        self.register_buffer("mean", torch.tensor(known.mean)[:, None, None])
        self.name, self.sha256, self.layers = known.name, sha256, body.layers
        self.style_layers, self.content_layer = known.style_layers, known.content_layer

    def forward(self, picture: Tensor, upto: str | None = None) -> dict[str, Tensor]:
        """RGB [B, 3, H, W] in 0..1, H and W >= LEAST_PX -> features [B, C, h, w] by layer; nothing after `upto` is computed."""
        if upto is not None and upto not in self.layers:
            raise ValueError(f"{self.name} has no layer {upto!r}, it has {', '.join(self.layers)}")
        found: dict[str, Tensor] = self.body(picture - self.get_buffer("mean"), upto)
        return found


def load_features(source: str | Path = SHIPPED) -> FeatureNetwork:
    """The feature network in a file, recognised by the names and shapes of its tensors; its weights become float32.

    Args:
        source: `features-v1`, or the path of a .safetensors, .pth or .pt file. A .pth file is read as plain tensors:
            nothing in it can execute.

    Raises:
        DataError: the file is absent, unreadable, damaged, or holds another network.
    """
    path = Path(__file__).with_name(f"{SHIPPED}.safetensors") if str(source) == SHIPPED else Path(source)
    sha256 = sha256_of(path, HELP)
    check_download(path, sha256, _DOWNLOADS)
    tensors = read_tensors(path, HELP)
    for known in KNOWN:
        with torch.device("meta"):
            body = known.build()
        wanted = {name: (known.name_in_file(body, name), weight.shape) for name, weight in body.state_dict().items()}
        if not all(name in tensors and tensors[name].shape == shape for name, shape in wanted.values()):
            continue
        weights = {ours: tensors[name].float() for ours, (name, _) in wanted.items()}
        if not all(weight.isfinite().all() for weight in weights.values()):
            raise DataError(f"{path} is damaged, some of its weights are not numbers: get it again.")
        first = next(iter(weights))
        weights[first] = known.for_rgb(weights[first])
        body.load_state_dict(weights, assign=True)
        return FeatureNetwork(known, body, sha256)
    raise DataError(f"{path} holds no feature network that is known here: {HELP}.")


def sha256_of(path: Path, hint: str) -> str:
    """The sha256 of a file of weights; `hint` says in a refusal what to give instead.

    Raises:
        DataError: it is absent or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise DataError(f"There is no feature network {path}: {hint}.") from error
    except OSError as error:
        raise DataError(f"The feature network {path} cannot be read ({error.strerror}).") from error


def check_download(path: Path, sha256: str, names: re.Pattern[str]) -> None:
    """Compare the sha256 with the eight digits of it that well-known checkpoints carry in their names.

    Args:
        names: finds such a name; its first group is the digits.

    Raises:
        DataError: they differ.
    """
    digest = names.search(path.name)
    if digest and not sha256.startswith(digest[1]):
        raise DataError(f"{path} is a damaged download, its sha256 does not begin with {digest[1]}: get it again.")


def read_tensors(path: Path, hint: str) -> Mapping[str, Tensor]:
    """The tensors in a .safetensors, .pth or .pt file by name; nothing in it can execute.

    Raises:
        DataError: it cannot be read so; `hint` says what to give instead.
    """
    try:
        held = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # a foreign file can make the two libraries raise nearly anything
        raise DataError(f"{path} cannot be read as weights: {hint}.") from error
    return {k: v for k, v in held.items() if isinstance(v, Tensor)} if isinstance(held, Mapping) else {}
