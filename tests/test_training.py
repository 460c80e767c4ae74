"""The networks, and that the runtime paints what was trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.numpy import save as save_safetensors

from huafeng.art import Generator as Runtime
from huafeng.pixels import U8, resize
from huafeng.training.export import base_tensors
from huafeng.training.network import Discriminator, Generator, GeneratorShape, squash, upsampling_kernel
from huafeng.training.stylefiles import parity


def test_upsampling_kernel_is_resize_then_convolve() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(1, 4, 9, 11), torch.randn(5, 4, 3, 3)
    slow = F.conv2d(F.interpolate(x, scale_factor=2, mode="bilinear"), weight, padding=1)
    fast = F.pixel_shuffle(F.conv2d(x, upsampling_kernel(weight), padding=1), 2)
    inner = (..., slice(2, -2), slice(2, -2))  # at the rim one pads before, the other after the resize
    assert torch.allclose(slow[inner], fast[inner], atol=1e-5)


def test_squash_reaches_black_and_white() -> None:
    low, middle, high = squash(torch.tensor([-4.0, 0.0, 4.0])).tolist()
    assert (low, high) == (0.0, 1.0)
    assert middle == pytest.approx(0.5)


def test_discriminator_judges_by_condition() -> None:
    torch.manual_seed(0)
    judge = Discriminator(3)
    picture = torch.rand(1, 3, 64, 64)
    scores = [judge(picture, torch.tensor([style])) for style in range(3)]
    assert scores[0].shape == (1, 1, 4, 4)
    assert not torch.allclose(scores[0], scores[1])


def test_runtime_equals_the_trained_network(astronaut: U8) -> None:
    torch.manual_seed(1)
    shape = GeneratorShape(half=8, quarter=12, eighth=16, blocks=2)
    trained = Generator(shape)
    torch.nn.init.normal_(trained.last, std=0.2)
    torch.nn.init.normal_(trained.color.weight, std=0.2)
    runtime = Runtime(save_safetensors(base_tensors(trained)), threads=1)
    photo = resize(astronaut, 160, 120)
    worst = parity(trained, runtime, torch.randn(shape.code), photo)
    assert worst <= 2  # of 255: float16 weights
    other = runtime.paint(photo, torch.randn(shape.code).numpy())
    assert np.abs(other.astype(int) - photo).mean() > 2
