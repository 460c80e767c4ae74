"""The trainer's parts against numbers worked out by hand, and the way from a checkpoint to style files."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.numpy import save as save_safetensors

from huafeng import Library
from huafeng.art import Generator as Runtime
from huafeng.pixels import U8, resize
from huafeng.training import art, losses, pack
from huafeng.training.data import batches, list_pictures, random_crop, read_picture
from huafeng.training.export import base_tensors
from huafeng.training.network import Discriminator, Generator, GeneratorShape, squash, upsampling_kernel

FEATURES = Path(__file__).parents[2] / "shared" / "weights" / "squeezenet1_0.safetensors"
needs_features = pytest.mark.skipif(not FEATURES.is_file(), reason="../shared/weights/squeezenet1_0.safetensors is absent")


def test_gram_by_hand() -> None:
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])  # two channels, two places
    assert losses.gram(features).tolist() == [[[2.5, 5.5], [5.5, 12.5]]]


def test_style_loss_by_hand() -> None:
    target = torch.tensor([[[2.0, 0.0], [0.0, 2.0]]])
    made = torch.tensor([[[2.0, 1.0], [1.0, 2.0]]])
    assert losses.style_loss(made, target).item() == pytest.approx((2 / 4) / (8 / 4))
    assert losses.style_loss(target, target).item() == 0


def test_content_loss_by_hand() -> None:
    photo = torch.tensor([[[[3.0, 4.0]]]])
    assert losses.content_loss(torch.zeros_like(photo), photo).item() == pytest.approx(1.0)
    assert losses.content_loss(2 * photo, photo).item() == pytest.approx(1.0)
    assert losses.content_loss(photo, photo).item() == 0


def test_total_variation_by_hand() -> None:
    picture = torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]])  # |dx| = 1 twice, |dy| = 0
    assert losses.total_variation(picture).item() == pytest.approx(1.0)


def test_flatness_by_hand() -> None:
    photo = torch.zeros(1, 3, 4, 8)
    made = torch.cat([torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.5)], 3)  # two cells of 4 px, 0.5 apart
    tall = torch.cat([made, made], 2)  # 2 x 2 cells: horizontal differences 0.5, vertical 0
    assert losses.flatness_loss(tall, torch.cat([photo, photo], 2), cell=4).item() == pytest.approx(0.5)
    edged = tall.clone()  # the photo has the same edge: exp(-0.5 / 0.05) of it counts
    assert losses.flatness_loss(tall, edged, cell=4).item() == pytest.approx(0.5 * math.exp(-10))


def test_hinge_by_hand() -> None:
    real, made = torch.tensor([0.5, 2.0]), torch.tensor([-2.0, 0.0])
    assert losses.hinge_discriminator(real, made).item() == pytest.approx(0.25 + 0.5)
    assert losses.hinge_generator(made).item() == pytest.approx(1.0)


def test_grid_excess_sees_a_grid(astronaut: U8, chelsea: U8, coffee: U8, rocket: U8) -> None:
    photo = next(batches([astronaut, chelsea, coffee, rocket], 16, 256, 0, (0.5, 1.0)))
    grid = torch.zeros(1, 1, 256, 256)
    grid[..., ::4, ::4] = 0.1
    plain, with_grid = losses.grid_excess(photo).item(), losses.grid_excess(photo + grid).item()
    assert with_grid > 2 * plain + 1


def test_every_loss_has_a_gradient() -> None:
    made = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    photo = torch.zeros_like(made)
    target = torch.ones(2, 3, 3)
    for loss in (
        losses.style_loss(losses.gram(made), target),
        losses.content_loss(made, photo + 1),
        losses.total_variation(made),
        losses.flatness_loss(made, photo),
        losses.grid_excess(made),
        losses.hinge_generator(made),
    ):
        (gradient,) = torch.autograd.grad(loss, made)
        assert torch.isfinite(gradient).all()
        assert gradient.abs().sum() > 0


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
    worst = pack.parity(trained, runtime, torch.randn(shape.code), photo)
    assert worst <= 2  # of 255: float16 weights
    other = runtime.paint(photo, torch.randn(shape.code).numpy())
    assert np.abs(other.astype(int) - photo).mean() > 2


def test_crops_are_reproducible_and_square(astronaut: U8) -> None:
    first, again, other = (next(batches([astronaut], 3, 32, seed, (0.4, 1.0))) for seed in (5, 5, 6))
    assert first.shape == (3, 3, 32, 32)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert 0 <= first.min() <= first.max() <= 1


def test_read_picture_turns_upright_and_shrinks(tmp_path: Path, astronaut: U8) -> None:
    image = Image.fromarray(astronaut[:200])
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise
    image.save(tmp_path / "a.jpg", exif=exif)
    (tmp_path / "notes.txt").write_text("not a picture")
    assert list_pictures(tmp_path) == [tmp_path / "a.jpg"]
    assert read_picture(tmp_path / "a.jpg").shape == (512, 200, 3)
    assert read_picture(tmp_path / "a.jpg", 100).shape == (256, 100, 3)


def test_random_crop_of_a_tiny_picture() -> None:
    import random

    tiny = np.zeros((9, 12, 3), np.uint8)
    assert random_crop(tiny, 16, random.Random(0)).shape == (16, 16, 3)


@needs_features
def test_a_short_run_is_packed_and_used(tmp_path: Path, astronaut: U8, coffee: U8, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    for folder, picture in (("photos", astronaut), ("works", coffee)):
        (data / folder).mkdir(parents=True)
        for i in range(8):
            Image.fromarray(resize(picture, 96 + i, 96)).save(data / folder / f"{i}.png")
    recipe = json.loads((Path(__file__).parents[1] / "recipes" / "art.json").read_text(encoding="utf-8"))
    card = recipe["styles"]["monet"]["card"]
    recipe |= {
        "photos": ["photos"],
        "hold_out_every": 3,
        "crop_px": 64,
        "batch": 2,
        "adversarial": 0.1,
        "adversarial_from": 0,
    }
    recipe["styles"] = {
        "one": {"works": "works/0.png", "short_side_px": 64, "trim": 0.05, "card": card},
        "many": {"works": "works", "short_side_px": 80, "collection": True, "tint": [1.0, 0.96, 0.9], "card": card},
    }
    trainer = art.Trainer(recipe, data, FEATURES, seed=3)
    parts = [trainer.step(0.5) for _ in range(6)]
    assert all(math.isfinite(value) for part in parts for value in part.values())
    assert {"content", "style", "fool", "critic"} <= set().union(*parts)
    trainer.samples(tmp_path / "samples.png", 64)

    run = tmp_path / "run"
    run.mkdir()
    art.save(trainer, run / "checkpoint.pt")
    resumed = art.Trainer(recipe, data, FEATURES, seed=3)
    resumed.load(torch.load(run / "checkpoint.pt", weights_only=True))
    assert resumed.steps == 6
    assert all(torch.equal(a, b) for a, b in zip(trainer.ema.parameters(), resumed.ema.parameters(), strict=True))

    (run / "options.json").write_text(json.dumps(recipe))
    monkeypatch.setattr(sys, "argv", ["pack", str(run), "--out", str(tmp_path / "styles")])
    pack.main()
    library = Library([tmp_path / "styles"])
    assert library.names() == ["many", "one"]
    assert library.get("one").card.base_sha256 == library.base_sha256()
