"""The discriminator that sees pictures through a frozen network; the generator that adds to its picture."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from translating import clock, made, options_of, state, tensors, write_pictures

from huafeng.errors import DataError, RecipeError
from huafeng.training.features import load_features
from huafeng.training.patchgan import PatchGanOptions
from huafeng.training.projected import Level, ProjectedDiscriminator
from huafeng.training.translation import ResidualGenerator

THROUGH: dict[str, Any] = {"width": 4, "halvings": 3, "norm": "none", "features": "features-v1"}
OPTIONS = PatchGanOptions(**THROUGH)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("pictures")
    write_pictures(found)
    return found


@pytest.fixture(scope="module")
def judge() -> ProjectedDiscriminator:
    torch.manual_seed(5)
    return ProjectedDiscriminator(OPTIONS, load_features(), torch.rand(2, 3, 64, 64))


def test_one_score_a_patch_and_layer(judge: ProjectedDiscriminator) -> None:
    pictures = torch.rand(2, 3, 64, 48)
    scores = judge(pictures)
    assert scores.shape == (2, 8, 8, 6)  # the pixels and seven style layers; sides halved three times
    assert torch.allclose(judge(pictures[1:]), scores[1:], atol=1e-5)  # no picture changes another one's scores
    torch.manual_seed(5)
    finer = ProjectedDiscriminator(PatchGanOptions(width=4, halvings=2, features="features-v1"), load_features(), pictures)
    assert finer(pictures).shape == (2, 8, 8, 6)  # a grid as fine as that of the coarsest layer, not finer


def test_a_level_by_hand() -> None:
    """Channels 0 +- 1 and 10 +- 5 are brought to 0 +- 1, turned by the matrix, and given to the heads."""
    examples = torch.stack([torch.tensor([[-1.0, 1.0]]), torch.tensor([[5.0, 15.0]])])[None]  # [1, 2, 1, 2]
    torch.manual_seed(3)
    matrix = nn.init.orthogonal_(torch.empty(2, 2))
    torch.manual_seed(3)
    level = Level(OPTIONS, examples, stride=8, count=1, spectral_norm=False)
    given: list[Tensor] = []
    level.convolutions[0].register_forward_pre_hook(lambda module, inputs: given.append(inputs[0]))
    level(torch.tensor([2.0, 20.0])[None, :, None, None])
    assert torch.allclose(given[0].flatten(), matrix @ torch.tensor([2.0, 2.0]), atol=1e-4)
    assert given[0].norm().item() == pytest.approx(8**0.5, abs=1e-4)  # turned, and nothing lost


def test_beside_the_picture_that_it_was_made_of() -> None:
    """Features of both pictures are mixed: each of the two changes the scores."""
    judge = ProjectedDiscriminator(OPTIONS, load_features(), torch.rand(2, 3, 64, 64), inputs=6)
    pair = torch.rand(1, 6, 32, 32, requires_grad=True)
    (gradient,) = torch.autograd.grad(judge(pair).sum(), pair)
    assert gradient[:, :3].abs().sum() > 0
    assert gradient[:, 3:].abs().sum() > 0


def test_colour_gets_through(judge: ProjectedDiscriminator) -> None:
    """An instance norm on pixels takes the pictures' colour away; here a flat grey and a flat red differ."""
    grey, red = torch.full((1, 3, 32, 32), 0.5), torch.full((1, 3, 32, 32), 0.5)
    red[:, 0] = 0.9
    assert (judge(grey) - judge(red)).abs().mean() > 0.01


def test_heads_alone_learn_and_are_kept(folder: Path) -> None:
    recipe = made("cut", folder, discriminator=THROUGH)
    discriminator = recipe.discriminators["discriminator"].discriminator
    assert isinstance(discriminator, ProjectedDiscriminator)
    names = {name for name, _ in discriminator.named_parameters()}
    assert all(".convolutions." in name or ".head." in name for name in names)
    kept = discriminator.state_dict()
    assert sum(value.numel() for value in kept.values()) < 10_000  # the network that it sees through has 1.3 million
    before = {name: value.clone() for name, value in kept.items()}
    picture = torch.rand(1, 3, 32, 32)
    layers = discriminator.see(picture)
    for step in range(3):
        recipe.step(clock(recipe, step))
    for name, value in discriminator.state_dict().items():
        assert torch.equal(value, before[name]) == (name not in names), name
    assert all(torch.equal(seen, layers[name]) for name, seen in discriminator.see(picture).items())


@pytest.mark.parametrize("name", ["cut", "cyclegan", "pix2pix"])
def test_resumed_with_the_same_bits(name: str, folder: Path) -> None:
    straight, broken = made(name, folder, discriminator=THROUGH), made(name, folder, discriminator=THROUGH)
    for step in range(3):
        report = straight.step(clock(straight, step))
        assert all(value.isfinite() for value in (*report.losses.values(), *report.figures.values()))
    for step in range(2):
        broken.step(clock(broken, step))
    buffer = io.BytesIO()
    torch.save(state(broken), buffer)
    buffer.seek(0)
    resumed = made(name, folder, discriminator=THROUGH)
    for part, value in torch.load(buffer, weights_only=True).items():
        resumed.parts[part].load_state_dict(value)
    resumed.step(clock(resumed, 2))
    assert all(torch.equal(a, b) for a, b in zip(tensors(state(straight)), tensors(state(resumed)), strict=True))


@pytest.mark.parametrize(
    "adversarial",
    [
        {"loss": "hinge", "spectral_norm": True, "augment": ["color", "translation", "cutout"]},
        {"loss": "wasserstein", "penalty": "gradient", "penalty_weight": 10.0},
        {"loss": "non-saturating", "penalty": "r1"},
    ],
)
def test_with_other_losses_and_penalties(adversarial: dict[str, Any], folder: Path) -> None:
    recipe = made("fastcut", folder, adversarial=adversarial, discriminator=THROUGH)
    report = recipe.step(clock(recipe, 0))
    assert {"fool", "discriminator"} <= report.losses.keys()
    assert all(value.isfinite() for value in (*report.losses.values(), *report.figures.values()))


def test_mistakes(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="crop_px must be 32 at least: discriminator.features is set"):
        options_of("cut", folder, discriminator=THROUGH, crop_px=28)
    with pytest.raises(DataError, match="There is no feature network"):
        made("cut", folder, discriminator=THROUGH | {"features": str(tmp_path / "absent.pth")})
    (tmp_path / "torn.pth").write_bytes(b"torn")
    with pytest.raises(DataError, match="cannot be read as weights"):
        made("cut", folder, discriminator=THROUGH | {"features": str(tmp_path / "torn.pth")})


def test_a_generator_that_adds_begins_with_the_picture_itself(folder: Path) -> None:
    picture = torch.rand(1, 3, 16, 16)
    network = ResidualGenerator(2, 1, global_residual=True)
    assert torch.equal(network(picture), picture)
    assert network.last.bias is not None
    nn.init.constant_(network.last.bias, 0.25)
    assert torch.allclose(network(picture), (picture + 0.25).clamp(0, 1))
    recipe = made("cut", folder, network={"width": 2, "blocks": 1, "global_residual": True})
    recipe.step(clock(recipe, 0))
    recipe.step(clock(recipe, 1))
    assert recipe.networks["generator"].last.weight.abs().sum() > 0  # type: ignore[union-attr,operator]
