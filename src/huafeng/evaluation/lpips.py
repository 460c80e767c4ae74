"""LPIPS (Zhang et al., CVPR 2018) on VGG-16, whose weights come from the user's own file.

Features of five layers are set to unit length per pixel; their squared differences are weighted by channel with weights learned
from people's judgements (they come with torchmetrics), averaged over the picture, and summed over the layers.

The published SqueezeNet and AlexNet variants are left out: they need layers and paddings that the loss networks do not have.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from huafeng.errors import DataError
from huafeng.pixels import U8, resize
from huafeng.training.backbones import Vgg
from huafeng.training.features import load_features, read_tensors

LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
LAST_STAGE = {"relu5_1": 24, "relu5_2": 26, "relu5_3": 28}  # N of `features.N` in torchvision's files
SIDE = 256  # px, short side at which pictures are compared: VGG-16 is slow, and LPIPS was learned on small pictures


def load_lpips(path: Path) -> Callable[[U8, U8], float]:
    """LPIPS as a function of photo and result, uint8 [H, W, 3] of equal size; a short side above 256 px is shrunk.

    The short side must have 32 px at least.

    Args:
        path: a .safetensors or .pth file with torchvision's weights of VGG-16.

    Raises:
        DataError: the file is absent, damaged, or holds another network.
    """
    loss_network = load_features(path)
    refusal = f"LPIPS needs the weights of VGG-16 as torchvision names them, and {path} holds others."
    if loss_network.name != "vgg16":
        raise DataError(refusal)
    held = read_tensors(path, refusal)
    body = Vgg(2, 2, 3, 3, 3).requires_grad_(False)
    weights = loss_network.body.state_dict()  # its first kernel already takes RGB minus the mean
    try:
        for layer, place in LAST_STAGE.items():
            weights |= {f"{layer}.{part}": held[f"features.{place}.{part}"].float() for part in ("weight", "bias")}
        body.load_state_dict(weights)
    except (KeyError, RuntimeError) as error:
        raise DataError(refusal) from error
    mean = loss_network.get_buffer("mean")  # LPIPS' own shift and scale are ImageNet's, which the network has built in
    heads = _heads()

    def features(picture: U8) -> dict[str, Tensor]:
        found: dict[str, Tensor] = body(torch.from_numpy(_shrunk(picture).copy()).permute(2, 0, 1)[None] / 255 - mean)
        return {layer: F.normalize(found[layer], eps=1e-10) for layer in LAYERS}

    def lpips(photo: U8, result: U8) -> float:
        with torch.inference_mode():
            one, two = features(photo), features(result)
            return sum(float(F.conv2d((one[at] - two[at]).square(), heads[at]).mean()) for at in LAYERS)

    return lpips


def _heads() -> dict[str, Tensor]:
    """The learned weights [1, C, 1, 1] by layer."""
    with as_file(files("torchmetrics") / "functional/image/lpips_models/vgg.pth") as path:
        held = torch.load(path, "cpu", weights_only=True)
    return {layer: held[f"lin{number}.model.1.weight"] for number, layer in enumerate(LAYERS)}


def _shrunk(picture: U8) -> U8:
    height, width = picture.shape[:2]
    scale = min(1.0, SIDE / min(height, width))
    return resize(picture, round(width * scale), round(height * scale))
