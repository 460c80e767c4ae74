"""LPIPS against a second formulation, with random weights in place of VGG-16's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torchmetrics.functional.image import lpips as published

from huafeng.errors import DataError
from huafeng.evaluation.lpips import load_lpips

STAGES = {
    0: (64, 64),
    5: (128, 128),
    10: (256,) * 3,
    17: (512,) * 3,
    24: (512,) * 3,
}  # width of each convolution, by first index


def random_vgg16(stages):
    tensors, channels, generator = {}, 3, torch.Generator().manual_seed(0)
    for first, widths in stages.items():
        for number, width in enumerate(widths):
            name = f"features.{first + 2 * number}"
            weight = torch.randn(width, channels, 3, 3, generator=generator, dtype=torch.float32)
            tensors[f"{name}.weight"] = (weight * (2 / (9 * channels)) ** 0.5).half()
            tensors[f"{name}.bias"] = torch.full((width,), 0.1).half()
            channels = width
    return tensors


@pytest.fixture(scope="module")
def weights():
    return random_vgg16(STAGES)


@pytest.fixture(scope="module")
def lpips(weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "vgg.safetensors"
    save_file(weights, path)
    return load_lpips(path)


class Stages:
    """VGG-16 as the published LPIPS asks for it: five outputs of a picture that was scaled already."""

    def __init__(self, weights):
        self.weights = weights

    def __call__(self, x):
        found: list[torch.Tensor] = []
        for first, widths in STAGES.items():
            x = F.max_pool2d(x, 2) if found else x
            for number in range(len(widths)):
                name = f"features.{first + 2 * number}"
                x = F.relu(F.conv2d(x, self.weights[f"{name}.weight"].float(), self.weights[f"{name}.bias"].float(), padding=1))
            found.append(x)
        return found


def second_formulation(weights, one, two):
    """torchmetrics' scaling, norm and learned heads around the network above."""
    heads = torch.load(published.__file__.replace("lpips.py", "lpips_models/vgg.pth"), "cpu", weights_only=True)
    scaling, network = published.ScalingLayer(), Stages(weights)
    one, two = (scaling(torch.from_numpy(p.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1) for p in (one, two))
    pairs = zip(network(one), network(two), strict=True)
    squares = [(published._normalize_tensor(a) - published._normalize_tensor(b)) ** 2 for a, b in pairs]
    return float(sum((s * heads[f"lin{k}.model.1.weight"]).sum(1).mean() for k, s in enumerate(squares)))


def test_as_torchmetrics_computes_it(lpips, weights, chelsea):
    photo = chelsea[100:164, 100:164]
    noisy = np.clip(photo + np.random.default_rng(0).normal(0, 30, photo.shape), 0, 255).astype(np.uint8)
    assert lpips(photo, noisy) == pytest.approx(second_formulation(weights, photo, noisy), rel=1e-3)
    assert lpips(photo, noisy) == pytest.approx(lpips(noisy, photo), rel=1e-5)
    assert lpips(photo, noisy) > 0.01
    assert lpips(photo, photo) == 0


def test_other_networks_are_refused(tmp_path, weights):
    path = tmp_path / "short.safetensors"
    save_file({name: tensor for name, tensor in weights.items() if not name.startswith("features.28")}, path)
    with pytest.raises(DataError, match="VGG-16"):
        load_lpips(path)
    with pytest.raises(DataError, match="no feature network"):
        load_lpips(tmp_path / "absent.pth")
