"""The recipes of translation: what they share, step by step; image pool, rates, dropout."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Run
from PIL import Image
from translating import CARD, COMMON, SMALL, clock, made, options_of, state, tensors, write_pictures

from huafeng import Style
from huafeng.errors import DataError, RecipeError
from huafeng.training import translatorexport
from huafeng.training.contrast import PatchHeads, contrast, draw_places
from huafeng.training.enlarging import Enlarger, bicubic, icnr
from huafeng.training.imagepool import ImagePool
from huafeng.training.learner import Learner, LearnerOptions
from huafeng.training.losses import dissimilarity
from huafeng.training.network import instance_norm
from huafeng.training.patchgan import PatchGan, PatchGanOptions
from huafeng.training.recipe import Clock
from huafeng.training.recipes.cut import Cut
from huafeng.training.recipes.pix2pix import dropping
from huafeng.training.recipes.srgan import psnr, shrunk
from huafeng.translator import Translator


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("pictures")
    write_pictures(found)
    return found


@pytest.mark.parametrize("name", SMALL)
def test_a_run_goes_on_from_a_checkpoint_with_the_same_bits(name: str, folder: Path) -> None:
    straight, broken = made(name, folder), made(name, folder)
    for step in range(4):
        report = straight.step(clock(straight, step))
        assert all(value.isfinite() for value in report.losses.values())
        assert report.figures["generator_gradient"] > 0
    for step in range(2):
        broken.step(clock(broken, step))
    buffer = io.BytesIO()
    torch.save(state(broken), buffer)
    buffer.seek(0)
    held = torch.load(buffer, weights_only=True)  # as checkpoints are read
    resumed = made(name, folder, seed=0)
    for part, value in held.items():
        resumed.parts[part].load_state_dict(value)
    for step in (2, 3):
        resumed.step(clock(resumed, step))
    ours, theirs = tensors(state(straight)), tensors(state(resumed))
    assert len(ours) == len(theirs) > 20
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("name", SMALL)
def test_every_player_learns(name: str, folder: Path) -> None:
    recipe = made(name, folder)
    before = {part: [t.clone() for t in tensors(value)] for part, value in state(recipe).items()}
    for step in range(2):  # an enlarger's last layer begins at 0, and lets nothing through to the others
        recipe.step(clock(recipe, step))
    for part, value in state(recipe).items():
        if not part.endswith("optimizer") and part not in ("pool", "pool_back"):
            moved = [not torch.equal(a, b) for a, b in zip(before[part], tensors(value), strict=True)]
            assert np.mean(moved) > 0.6, part


@pytest.mark.parametrize("name", SMALL)
def test_what_is_looked_at(name: str, folder: Path) -> None:
    recipe = made(name, folder)
    figures = recipe.figures()
    assert "objective" in figures
    assert all(np.isfinite(value) for value in figures.values())
    assert recipe.diversity(clock(recipe, 0)) > 0
    grid = recipe.samples()
    assert grid.dtype == np.uint8
    assert grid.shape[0] == 32 * len(recipe.held_out)
    assert recipe.waited_s() >= 0


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(
    "adversarial",
    [
        {"loss": "hinge", "spectral_norm": True, "augment": ["color", "translation", "cutout"], "noise": 0.1},
        {"loss": "wasserstein", "penalty": "gradient", "penalty_weight": 10.0, "steps": 2},
        {"loss": "non-saturating", "penalty": "r1", "penalty_every": 2, "smoothing": 0.1, "every": 2},
        {"loss": "minimax", "weight": 0.0},
    ],
)
def test_adversarial_options_in_any_mix(name: str, adversarial: dict[str, Any], folder: Path) -> None:
    recipe = made(name, folder, adversarial=adversarial, discriminator={"width": 4, "halvings": 2, "norm": "none"})
    for step in range(2):
        report = recipe.step(clock(recipe, step))
        assert all(value.isfinite() for value in (*report.losses.values(), *report.figures.values()))
    assert ("fool" in report.losses) == (adversarial.get("weight") != 0.0)


@pytest.mark.parametrize("name", SMALL)
def test_bfloat16(name: str, folder: Path) -> None:
    recipe, exact = made(name, folder, precision="bf16"), made(name, folder)
    losses, wanted = (r.step(clock(r, 0)).losses for r in (recipe, exact))
    assert losses.keys() == wanted.keys()
    for term, loss in losses.items():
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(wanted[term].item(), rel=0.05, abs=0.02)


@pytest.mark.parametrize("name", SMALL)
def test_two_halves_of_a_batch_are_the_batch(name: str, folder: Path) -> None:
    """What a process takes of its numbers and pictures is its part of what one process alone would take."""

    class Half:
        count, first = 2, True

        def __init__(self, rank: int) -> None:
            self.rank = rank
            self.gradients: list[torch.Tensor] = []

        def average_gradients(self, parameters: list[torch.nn.Parameter]) -> None:
            if not self.gradients:  # of the generators
                self.gradients = [p.grad.clone() for p in parameters if p.grad is not None]

        def mean(self, value: torch.Tensor) -> torch.Tensor:
            return value

    parts = []
    for rank in range(2):
        half, recipe = Half(rank), made(name, folder)
        recipe.step(Clock(0, 0, 0.0, 2, 32, 0, half))  # type: ignore[arg-type]
        parts.append(half.gradients)
    whole, recipe = Half(0), made(name, folder)
    whole.count = 1
    recipe.step(Clock(0, 0, 0.0, 2, 32, 0, whole))  # type: ignore[arg-type]
    assert len(parts[0]) == len(whole.gradients) > 5
    for first, second, both in zip(*parts, whole.gradients, strict=True):
        assert ((first + second) / 2 - both).norm() <= 1e-3 * both.norm() + 1e-6


def test_train_resume_and_apply(huafeng: Run, folder: Path, tmp_path: Path) -> None:
    import yaml

    recipe = tmp_path / "small.yaml"
    values = {"recipe": "cyclegan", **COMMON, **SMALL["cyclegan"], "data": str(folder), "steps": 2, "back": "untest"}
    recipe.write_text(yaml.safe_dump(values))
    ran = huafeng("train", str(recipe), "-o", str(tmp_path / "run"))
    assert ran.code == 0, ran.err
    style, back = (Path(line) for line in ran.out.split())
    assert (style.name, back.name) == ("test.style", "untest.style")
    assert Style.load(style).kind == "translator"
    assert Style.load(back).card.title_en == "test, back"
    again = huafeng("train", "--resume", str(tmp_path / "run"), "--set", "steps=3")
    assert again.code == 0, again.err
    assert "at step 2" in again.err
    photo = folder / "photos" / "0.png"
    ran = huafeng("apply", str(style), str(photo), "-o", str(tmp_path / "out.png"))
    assert ran.code == 0, ran.err
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (60, 50)
    dry = huafeng("train", str(recipe), "--dry-run")
    assert dry.code == 0, dry.err
    assert "discriminator_back" in dry.out
    assert huafeng("train", str(recipe), "--fields").code == 0


@pytest.mark.filterwarnings("default::huafeng.training.precision.WeightsDiffer")
def test_a_finished_run_leaves_its_style_and_tells_how_far_it_lies(
    huafeng: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(translatorexport, "parity", lambda network, runtime: 4.5)
    values = {"recipe": "pix2pix", **COMMON, **SMALL["pix2pix"], "data": str(folder), "steps": 1}
    (tmp_path / "small.yaml").write_text(json.dumps(values))
    ran = huafeng("train", str(tmp_path / "small.yaml"), "-o", str(tmp_path / "run"))
    assert ran.code == 0, ran.err
    assert Style.load(ran.out.strip()).kind == "translator"
    assert "\nNote: What was written paints otherwise than the trained network: test (4.5 of 255). Look at it" in ran.err


# mistakes


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("pix2pix", {"crop_px": 40}, "crop_px must be a multiple of 16: the generator halves crops that often"),
        ("pix2pix", {"augment": {"color": 0.1}}, "augment.color and augment.mosaic are not for pairs"),
        ("pix2pix", {"direction": "sideways"}, "direction"),
        ("cyclegan", {"crop_px": 34}, "crop_px must be a multiple of 4"),
        ("cyclegan", {"discriminator": {"halvings": 5}}, "crop_px must be 96 at least: discriminator.halvings is 5"),
        ("cyclegan", {"stages": [{"until": 0.5, "crop_px": 18, "batch": 2}]}, "crop_px must be a multiple of 4"),
        ("cyclegan", {"photos": []}, "photos is empty"),
        ("cyclegan", {"works": []}, "works is empty"),
        ("cyclegan", {"back": "test"}, "back must have another name"),
        ("cyclegan", {"back": "No Name"}, "'No Name' is not a name that can be used"),
        ("srgan", {"scale": 3}, "scale"),
        ("srgan", {"scale": 4, "crop_px": 34}, "crop_px must be a multiple of 4"),
        ("srgan", {"photos": []}, "photos is empty"),
        ("srgan", {"pixel": 0.0, "content": 0.0}, "pixel and content are both 0"),
        ("srgan", {"augment": {"reach": [0.1, 1.0]}}, "augment.reach begins too low"),
        ("cut", {"crop_px": 34}, "crop_px must be a multiple of 4"),
        ("cyclegan", {"name": "No Name"}, "'No Name' is not a name that can be used"),
        ("cyclegan", {"card": {**CARD, "title_en": "a\nb"}}, "title_en"),
    ],
)
def test_wrong_options(name: str, changes: dict[str, Any], told: str, folder: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        options_of(name, folder, **changes)
    assert told in str(caught.value)


def test_pictures_that_are_too_few(folder: Path, tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.mkdir()
    (one / "0.png").write_bytes((folder / "photos" / "0.png").read_bytes())
    with pytest.raises(DataError, match="works: One photo is too little"):
        made("cyclegan", folder, works=[str(one)])
    with pytest.raises(DataError, match="One photo is too little"):
        made("pix2pix", folder, pairs=str(one))


def test_pairs_in_two_folders_and_both_directions(folder: Path, tmp_path: Path) -> None:
    there = made("pix2pix", folder)
    back = made("pix2pix", folder, direction="b-to-a")
    two = made("pix2pix", folder, pairs="photos", partners="works")
    for k in range(len(there.held_out)):
        assert np.array_equal(there.held_out[k], back.wanted[k])
        assert np.array_equal(there.wanted[k], back.held_out[k])
        assert np.array_equal(there.held_out[k], two.held_out[k])
        assert np.array_equal(there.wanted[k], two.wanted[k])
    with pytest.raises(DataError, match="has a partner of the same name"):
        (tmp_path / "others").mkdir()
        Image.new("RGB", (50, 50)).save(tmp_path / "others" / "other.png")
        made("pix2pix", folder, pairs="photos", partners=str(tmp_path / "others"))


# numbers by hand


def at(step: int, batch: int = 1, progress: float = 0.0) -> Clock:
    return Clock(step, step * batch, progress, batch, 4, 7)


def level(value: int) -> torch.Tensor:
    return torch.full((1, 3, 4, 4), value / 255)


def test_the_pool_fills_then_shows_old_for_new() -> None:
    pool, said = ImagePool(3), []
    for step in range(3):
        assert torch.equal(pool.swap(at(step), level(step), "pool"), level(step))
    held = [0, 1, 2]
    for step in range(3, 60):
        swapped, place = torch.rand(1, 2, generator=at(step).numbers("pool"))[0].tolist()
        wanted = step
        if swapped < 0.5:
            wanted, held[int(place * 3)] = held[int(place * 3)], step
        shown = pool.swap(at(step), level(step), "pool")
        assert torch.equal(shown, level(wanted))
        said.append(wanted == step)
    assert 0.3 < np.mean(said) < 0.7
    assert [int(picture[0, 0, 0]) for picture in pool.kept] == held


def test_the_pool_s_state_is_all_that_it_knows() -> None:
    pool, other = ImagePool(2), ImagePool(2)
    for step in range(5):
        pool.swap(at(step), level(step), "pool")
    other.load_state_dict(pool.state_dict())
    for step in range(5, 15):
        assert torch.equal(pool.swap(at(step), level(step), "pool"), other.swap(at(step), level(step), "pool"))
    larger = torch.zeros(1, 3, 8, 8)
    assert torch.equal(pool.swap(at(15), larger, "pool"), larger)
    assert len(pool.kept) == 1  # crops of another size: it has begun anew


def test_without_a_pool_results_are_shown_as_they_are() -> None:
    result = torch.rand(1, 3, 4, 4, requires_grad=True)
    shown = ImagePool(0).swap(at(0), result, "pool")
    assert torch.equal(shown, result)
    assert not shown.requires_grad


def test_linear_decay_by_hand() -> None:
    rates = {}
    for schedule in ("linear", "cosine"):
        options = LearnerOptions(learning_rate=2e-4, schedule=schedule, final=0.0, warmup_steps=0)
        learner = Learner([torch.nn.Linear(1, 1)], options)
        rates[schedule] = [learner.rate(at(0, progress=p)) * 1e4 for p in (0, 0.25, 0.5, 0.75, 0.9, 1.0)]
    assert rates["linear"] == pytest.approx([2, 2, 2, 1, 0.4, 0])
    assert rates["cosine"] == pytest.approx([2, 1 + 0.5**0.5, 1, 1 - 0.5**0.5, 0.0489435, 0])
    ends = Learner([torch.nn.Linear(1, 1)], LearnerOptions(learning_rate=1.0, schedule="linear", final=0.2, warmup_steps=0))
    assert [ends.rate(at(0, progress=p)) for p in (0.75, 1.0)] == pytest.approx([0.6, 0.2])


def test_dropout_is_of_the_step_and_keeps_the_mean() -> None:
    x = torch.ones(4, 8, 16, 16)
    whole = dropping(at(3, batch=4))
    first, second = whole(x), whole(x)
    assert set(first.unique().tolist()) == {0.0, 2.0}
    assert first.mean().item() == pytest.approx(1, abs=0.05)
    assert not torch.equal(first, second)  # another layer
    assert torch.equal(dropping(at(3, batch=4))(x), first)
    assert not torch.equal(dropping(at(4, batch=4))(x), first)


def test_dissimilarity_by_hand() -> None:
    grey, light = torch.full((1, 3, 8, 8), 0.25), torch.full((1, 3, 8, 8), 0.75)
    # flat windows: (2 * 0.25 * 0.75 + 1e-4) / (0.25^2 + 0.75^2 + 1e-4), contrast 1
    assert dissimilarity(grey, light).item() == pytest.approx(1 - 0.3751 / 0.6251, abs=1e-5)
    noise = torch.rand(2, 3, 20, 20, generator=torch.Generator().manual_seed(1))
    assert dissimilarity(noise, noise).item() == pytest.approx(0, abs=1e-5)
    ramp = torch.linspace(0.3, 0.7, 8).expand(1, 3, 8, 8)
    # the mirrored ramp: same mean and variance, the covariance turned round: (c - 2 v) / (c + 2 v) with c = 0.03^2
    variance = np.var(np.linspace(0.3, 0.7, 8))
    wanted = 1 - (9e-4 - 2 * variance) / (9e-4 + 2 * variance)
    assert dissimilarity(ramp.flip(3), ramp).item() == pytest.approx(wanted, abs=1e-4)


def test_icnr_begins_as_the_nearest_pixel() -> None:
    weight = torch.randn(8, 3, 3, 3)  # two channels, twice the size
    icnr(weight)
    assert torch.equal(weight[0], weight[3])
    assert not torch.equal(weight[0], weight[4])
    small = torch.nn.functional.conv2d(torch.rand(1, 3, 5, 5), weight, padding=1)
    large = torch.nn.functional.pixel_shuffle(small, 2)
    assert torch.equal(large, small[:, ::4].repeat_interleave(2, 2).repeat_interleave(2, 3))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_instance_norm_is_torchs_and_keeps_the_layout(count: int) -> None:
    x = torch.rand(count, 4, 6, 5).contiguous(memory_format=torch.channels_last)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    made, wanted = instance_norm(ours, 1e-3), torch.nn.functional.instance_norm(theirs, eps=1e-3)
    assert torch.allclose(made, wanted, atol=1e-6)
    assert made.is_contiguous(memory_format=torch.channels_last)
    weights = torch.linspace(-1, 1, made.numel()).view(made.shape)
    (made * weights).sum().backward()
    (wanted * weights).sum().backward()
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-5)  # type: ignore[arg-type]


def test_an_untrained_enlarger_enlarges_bicubically() -> None:
    picture = torch.rand(1, 3, 6, 7)
    for scale in (2, 4):
        assert torch.equal(Enlarger(scale, 4, 1)(picture), bicubic(picture, scale))


def test_shrinking_and_psnr_by_hand() -> None:
    stripes = np.zeros((4, 8, 3), np.uint8)
    stripes[:, ::2] = 200  # a pattern that plain picking would make black or white
    assert np.all(shrunk(stripes, 2, "box") == 100)
    assert np.abs(shrunk(stripes, 4, "bicubic")[:, :].astype(int) - 100).max() <= 15
    black, grey = torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), 0.1)
    assert psnr(black, grey).tolist() == pytest.approx([20, 20])
    assert psnr(grey, grey).tolist() == [100, 100]


def test_places_are_different_ones_of_the_step() -> None:
    layers = [torch.zeros(2, 3, 8, 8), torch.zeros(2, 4, 2, 2)]
    first, second = draw_places(at(3), layers, 16, "places")
    assert (len(first), len(set(first.tolist()))) == (16, 16)
    assert sorted(second.tolist()) == [0, 1, 2, 3]  # there are no more
    assert torch.equal(draw_places(at(3), layers, 16, "places")[0], first)
    assert not torch.equal(draw_places(at(4), layers, 16, "places")[0], first)


def test_contrast_by_hand() -> None:
    heads = PatchHeads([2])
    heads.heads[0] = torch.nn.Identity()
    layer = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])  # two places that have nothing in common
    places = [torch.tensor([0, 1])]
    # cosines 1 and 0 over 0.07: log(1 + e^(-1 / 0.07)); the wrong way round: that + 1 / 0.07
    assert contrast(heads, [layer], [layer], places).item() == pytest.approx(np.log1p(np.exp(-1 / 0.07)), abs=1e-6)
    assert contrast(heads, [layer.flip(3)], [layer], places).item() == pytest.approx(1 / 0.07, rel=1e-5)


def test_fastcut_mirrors_photos_on_their_way_and_features_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, seen = made("fastcut", folder), []
    assert isinstance(recipe, Cut)

    def noted(self: Cut, clock: Clock, result: torch.Tensor, photo: torch.Tensor, mirrored: bool) -> torch.Tensor:
        seen.append((photo, mirrored))
        return result.mean()

    monkeypatch.setattr(Cut, "contrast", noted)
    inputs: list[torch.Tensor] = []
    recipe.there.register_forward_pre_hook(lambda module, given: inputs.append(given[0]))
    for step in range(12):
        recipe.step(clock(recipe, step))
    assert {mirrored for _, mirrored in seen} == {False, True}
    assert len(inputs) == 12  # works do not go through: no identity
    for given, (photo, mirrored) in zip(inputs, seen, strict=True):
        assert torch.equal(given, photo.flip(3) if mirrored else photo)


def test_discriminators_see_patches_of_the_sizes_that_are_told() -> None:
    for halvings, patch in ((1, 16), (2, 34), (3, 70)):
        judge = PatchGan(PatchGanOptions(width=1, halvings=halvings, norm="none"))
        picture = torch.rand(1, 3, 160, 160, requires_grad=True)
        scores = judge(picture)
        middle = scores.shape[2] // 2
        (gradient,) = torch.autograd.grad(scores[0, 0, middle, middle], picture)
        rows = gradient.abs().sum((0, 1, 3)).nonzero()
        assert int(rows.max() - rows.min()) + 1 == patch


# the result


@pytest.mark.parametrize("name", ["cyclegan", "pix2pix"])
def test_the_exported_network_paints_as_the_trained_one(name: str, folder: Path, tmp_path: Path) -> None:
    recipe = made(name, folder, ema=0.0)
    for step in range(3):
        recipe.step(clock(recipe, step))
    (path,) = recipe.export(tmp_path)  # it would warn where the runtime differs by more than 3 levels
    style = Style.load(path)
    assert (style.kind, style.name, style.card.author) == ("translator", "test", "test")
    assert style.thumbnail is not None
    photo = np.asarray(Image.open(folder / "photos" / "1.png").convert("RGB"))
    assert Translator(style.tensors).paint(photo).shape == photo.shape
