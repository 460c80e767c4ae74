"""The recipe `gan`: its networks, its step, its figures, what it exports."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tinygenerator
import torch
from PIL import Image

from huafeng import Generator, generator
from huafeng.errors import DataError, GeneratorError, RecipeError
from huafeng.pixels import U8, resize
from huafeng.training import checkpoint, generatorfile, train
from huafeng.training.adversary import Adversary
from huafeng.training.judges import Judge
from huafeng.training.options import plain
from huafeng.training.pack import pack
from huafeng.training.precision import WeightsDiffer
from huafeng.training.processes import ALONE
from huafeng.training.recipe import Clock, Machine
from huafeng.training.recipefile import resolve
from huafeng.training.recipes import gan
from huafeng.training.recipes.gan import Gan, GanOptions, spread_over
from huafeng.training.recipes.painting import square
from huafeng.training.stylesynthesis import ModulatedConv
from huafeng.training.synthesis import BatchNorm, LatentGenerator, NetworkKind, NetworkShape

CARD = dict.fromkeys(("title_en", "title_zh", "author", "licence", "trained_on", "provenance"), "test")
KINDS: tuple[tuple[NetworkKind, int], ...] = (("plain", 32), ("dcgan", 32), ("residual", 32), ("style", 64))


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures of few pictures, to save time."""
    monkeypatch.setattr(gan, "LEAST_MADE", 16)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, astronaut: U8, coffee: U8) -> Path:
    """Two folders of eight pictures each: parts of a portrait, and of a cup on a table."""
    folder = tmp_path_factory.mktemp("gan")
    for name, photo in (("face", astronaut), ("cup", coffee)):
        (folder / name).mkdir()
        for i in range(8):
            part = np.ascontiguousarray(photo[20 * i : 20 * i + 240, 20 * i : 20 * i + 240])
            Image.fromarray(resize(part, 80, 72)).save(folder / name / f"{i}.png")
    return folder


def options(data: Path, /, **changes: Any) -> GanOptions:
    values = {
        "recipe": "gan", "name": "tiny", "data": str(data), "pictures": ["face"], "hold_out_every": 4, "steps": 4,
        "batch": 4, "crop_px": 32, "width": 4, "latent": 6, "check_every": 2, "precision": "fp32", "card": CARD,
    }  # fmt: skip
    found = resolve(values | changes)
    assert isinstance(found, GanOptions)
    return found


def made_of(found: GanOptions) -> Gan:
    torch.manual_seed(found.seed)
    return Gan(found, Machine("cpu", found.precision, tell=lambda text: None))


def clock(step: int = 0, batch: int = 4) -> Clock:
    return Clock(step, step * batch, 0.5, batch, 32, 0)


# ---- networks


@pytest.mark.parametrize(("kind", "side"), KINDS)
@pytest.mark.parametrize("classes", [0, 2])
def test_networks_make_and_judge_pictures_of_their_size(kind: NetworkKind, side: int, classes: int) -> None:
    torch.manual_seed(0)
    shape = NetworkShape(kind, side, 6, 4, classes)
    generator, judge = LatentGenerator(shape), Judge(shape, spectral_norm=False)
    index = torch.tensor([0, 1, 1]) if classes else None
    made = generator(torch.randn(3, 6), index, torch.randn(1, generator.noise_length))
    assert made.shape == (3, 3, side, side)
    assert 0 <= made.min() < made.max() <= 1
    scores = judge(made, *([] if index is None else [index]))
    assert scores.shape == (3, 1)
    scores.sum().backward()
    assert all(p.grad is not None for p in generator.parameters())
    with torch.no_grad():  # no picture changes another one's score
        alone = judge(made[:1], *([] if index is None else [index[:1]]))
        assert torch.allclose(alone, scores[:1], atol=1e-5)
        if classes:
            other = judge(made, 1 - index)  # type: ignore[operator]
            assert not torch.allclose(other, scores)
    assert generator.mean().shape[0] == max(1, classes)


@pytest.mark.parametrize(("kind", "side"), KINDS)
def test_an_untrained_discriminator_sees_differences(kind: NetworkKind, side: int) -> None:
    """Signals neither vanish nor explode on their way through its layers: it can learn from the first step on."""
    torch.manual_seed(0)
    judge = Judge(NetworkShape(kind, side, 6, 16, 0), spectral_norm=False)
    pictures = torch.rand(64, 3, 1, 1) + 0.2 * torch.randn(64, 3, side, side)  # of all colours, with noise
    with torch.no_grad():
        scores = judge(pictures)
    assert 0.1 < scores.std() < 20


def test_the_mean_is_exact_where_w_is_z() -> None:
    plain = LatentGenerator(NetworkShape("plain", 32, 6, 4))
    assert torch.allclose(plain.mean(), torch.zeros(1, 6), atol=1e-6)
    with_classes = LatentGenerator(NetworkShape("dcgan", 32, 6, 4, 2))
    embedding = with_classes.mapping.embedding.weight  # type: ignore[union-attr]
    assert torch.allclose(with_classes.mean(), torch.cat([torch.zeros(2, 6), embedding], 1), atol=1e-6)  # type: ignore[list-item]


def test_scaling_the_input_is_modulating_the_kernel() -> None:
    """StyleGAN2, equations 1 and 3, as they are written: one kernel a picture."""
    torch.manual_seed(0)
    conv = ModulatedConv(5, 7, 3, 4)
    x, w = torch.randn(2, 5, 6, 6), torch.randn(2, 4)
    wanted = []
    for picture, style in zip(x, conv.style(w), strict=True):
        kernel = conv.weight * conv.gain * style[None, :, None, None]
        kernel = kernel / (kernel.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        wanted.append(torch.nn.functional.conv2d(picture[None], kernel, padding=1))
    assert torch.allclose(conv(x, w), torch.cat(wanted), atol=1e-5)


def test_batch_norm_is_torchs() -> None:
    torch.manual_seed(0)
    ours, theirs = BatchNorm(3, ALONE), torch.nn.BatchNorm2d(3)
    for _ in range(3):
        x = 2 * torch.randn(8, 3, 16, 16) + 1
        assert torch.allclose(ours(x), theirs(x), atol=1e-5)
    ours.eval(), theirs.eval()
    assert torch.allclose(ours(x), theirs(x), atol=2e-3)  # torch's variance in use is that of N - 1


def test_the_batch_of_batch_norm_is_that_of_all_processes() -> None:
    torch.manual_seed(0)
    whole = torch.randn(8, 3, 4, 4) * torch.linspace(1, 2, 8)[:, None, None, None]
    mean, variance = whole.mean((0, 2, 3)), whole.var((0, 2, 3), correction=0)

    class Two:
        """Stands for the first of two processes: knows what both say together, and hears what this one says."""

        def __init__(self) -> None:
            self.heard: list[torch.Tensor] = []

        def mean(self, value: torch.Tensor) -> torch.Tensor:
            self.heard.append(value)
            return (mean, variance)[len(self.heard) - 1]

    two = Two()
    half = BatchNorm(3, two)(whole[:4])  # type: ignore[arg-type]
    assert torch.allclose(half, BatchNorm(3, ALONE)(whole)[:4], atol=1e-5)
    assert torch.allclose(two.heard[0], whole[:4].mean((0, 2, 3)), atol=1e-6)
    others = (whole[4:] - mean[:, None, None]).square().mean((0, 2, 3))
    assert torch.allclose((two.heard[1] + others) / 2, variance, atol=1e-5)  # the parts' mean is the whole's


def test_a_file_whose_weights_are_not_its_networks_is_refused(tmp_path: Path) -> None:
    file = Generator(tinygenerator.write(tmp_path / "tiny.generator"))
    for change in ({"width": 10**9}, {"network": "dcgan"}, {"network": "other"}, {"more": 1}):
        file.header = replace(file.header, network={**file.header.network, **change})
        with pytest.raises(GeneratorError, match="its weights do not fit its network"):
            generatorfile.network_of(file)


# ---- the recipe


MIXES: tuple[dict[str, Any], ...] = (
    {"network": "plain", "adversarial": {"loss": "minimax", "smoothing": 0.1, "spectral_norm": False}},
    {"network": "dcgan", "adversarial": {"loss": "wasserstein", "penalty": "gradient", "spectral_norm": False, "steps": 2}},
    {"network": "residual", "classes": {"face": "face", "cup": "cup"}, "pictures": [], "adversarial": {"loss": "hinge"}},
    {"network": "style", "mixing": 0.9, "adversarial": {"loss": "non-saturating", "penalty": "r1", "penalty_every": 2,
     "augment": ["color", "translation", "cutout"], "noise": 0.1}, "precision": "bf16"},
    {"network": "style", "layer_noise": False, "classes": {"face": "face", "cup": "cup"}, "pictures": [],
     "adversarial": {"loss": "least-squares", "every": 2}},
)  # fmt: skip


@pytest.mark.parametrize("mix", MIXES)
def test_any_mix_learns_and_ends_as_a_generator(pictures: Path, tmp_path: Path, mix: dict[str, Any]) -> None:
    adversarial = {"weight": 1.0} | mix["adversarial"]
    recipe = made_of(options(pictures, **mix | {"adversarial": adversarial}))
    before = {name: p.clone() for name, p in recipe.average.module.named_parameters()}
    for step in range(2):
        report = recipe.step(clock(step))
        assert all(torch.isfinite(value) for value in (report.losses | report.figures).values())
    assert "fool" in report.losses
    changed = [name for name, p in recipe.average.module.named_parameters() if not torch.equal(p, before[name])]
    assert len(changed) == len(before)
    assert 0 < recipe.diversity(clock()) < 10
    figures = recipe.figures()
    assert figures["objective"] == figures["frechet"] > 0
    assert recipe.samples().shape == (8 * 32, 8 * 32, 3)

    path, _ = recipe.export(tmp_path)
    generator = Generator(path, threads=1)
    assert (path.name, generator.side, generator.latent_length) == ("tiny.generator", 32, 6)
    assert generator.classes == tuple(mix.get("classes", ()))
    assert generator.header.counts["pictures"] == (12 if generator.classes else 6)
    scores = dict(generator.header.card.scores)
    assert 0 <= scores.pop("near-copies-features-v1") <= 1
    assert scores == pytest.approx({f"{k}-features-v1": figures[k] for k in ("frechet", "kid")})
    assert generator.generate(2).std() > 0
    network = generatorfile.network_of(generator)
    assert generatorfile.parity(network, generator) <= 1


def test_of_two_processes_each_makes_its_part(pictures: Path) -> None:
    recipe = made_of(options(pictures, mixing=0.5))
    whole = clock()
    parts = [replace(whole, processes=replace(ALONE, rank=rank, count=2)) for rank in (0, 1)]
    made = recipe.made(whole, "x", None)
    assert torch.allclose(torch.cat([recipe.made(part, "x", None) for part in parts]), made, atol=1e-5)
    real = recipe.real(whole, 0, None)
    assert torch.equal(torch.cat([recipe.real(part, 0, None) for part in parts]), real)


def test_real_pictures_are_never_shown_twice_in_a_row(pictures: Path) -> None:
    recipe = made_of(options(pictures, adversarial={"weight": 1.0, "steps": 2}))
    shown = [recipe.real(clock(step), k, None) for step in (0, 1) for k in (0, 1)]
    assert not any(torch.equal(a, b) for a, b in pairwise(shown))


def test_what_is_shown_does_not_change_the_training(pictures: Path) -> None:
    states = []
    for look in (False, True):
        recipe = made_of(options(pictures, network="dcgan"))
        if look:
            recipe.diversity(clock()), recipe.figures(), recipe.samples()
        recipe.step(clock())
        states.append(recipe.generator.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_classes_are_learned_from_their_own_folders(pictures: Path) -> None:
    recipe = made_of(options(pictures, classes={"face": "face", "cup": "cup"}, pictures=[]))
    index = recipe.drawn_classes(clock(batch=64), "x")
    assert index is not None
    assert 16 < int(index.sum()) < 48
    real = recipe.real(clock(batch=64), 0, index)
    faces, cups = real[index == 0].mean((0, 2, 3)), real[index == 1].mean((0, 2, 3))
    assert (faces - cups).abs().max() > 0.1


def test_faults_of_the_options_are_told(pictures: Path) -> None:
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"crop_px": 48}, "crop_px is one of 32, 64, 128, 256, not 48"),
        ({"network": "plain", "crop_px": 64}, "plain makes pictures of 32 px"),
        ({"stages": [{"until": 0.5, "crop_px": 64, "batch": 2}]}, "stages can change the batch"),
        ({"pictures": []}, "give either pictures"),
        ({"classes": {"a": "face", "b": "cup"}}, "give either pictures"),
        ({"classes": {"a": "face"}, "pictures": []}, "classes has one class"),
        ({"classes": {"A B": "face", "b": "cup"}, "pictures": []}, "'A B' is not a name that can be used"),
        ({"network": "dcgan", "mixing": 0.5}, "mixing has no meaning with network: dcgan"),
        ({"adversarial": {"weight": 0}}, "adversarial.weight must be above 0"),
        ({"adversarial": {"weight": 1, "since": 0.1}}, "adversarial.since 0"),
        ({"name": "My Faces"}, "'My Faces' is not a name that can be used"),
        ({"card": CARD | {"author": "two\nlines"}}, "card: "),
    )
    for changes, told in cases:
        with pytest.raises(RecipeError) as error:
            options(pictures, **changes)
        assert told in str(error.value), (changes, str(error.value))


def test_too_few_pictures(pictures: Path) -> None:
    with pytest.raises(DataError, match="pictures has 8 pictures, and 11 are needed: add some, or lower hold_out_every"):
        made_of(options(pictures, hold_out_every=10))


def test_indices_are_spread_evenly() -> None:
    assert spread_over(4, 8) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert spread_over(8, 4) == [0, 2, 4, 6]


def test_a_runtime_that_differs_is_told(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = made_of(options(pictures))
    monkeypatch.setattr(generatorfile, "parity", lambda trained, runtime: 3.0)
    with pytest.warns(WeightsDiffer, match=r"otherwise than the trained network: \w+ \(3\.0 of 255\)"):
        recipe.export(tmp_path)
    assert len(list(tmp_path.glob("*.generator"))) == 1


def test_a_run_from_the_command_line(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(json.dumps(plain(options(pictures))))
    plan = train.plan(tmp_path / "tiny.yaml", [], None, tmp_path / "run", "cpu")
    path, beside = train.train(plan, tell=lambda text: None)
    assert path == tmp_path / "run" / "styles" / "tiny.generator"
    with Image.open(beside) as image:  # the made picture that is most like a training picture, and that one
        assert (beside.name, image.size) == ("tiny-nearest.png", (64, 32))
        right = np.asarray(image)[:, 32:]
    recipe = made_of(options(pictures))
    trained = [square(recipe.trained[0].read(i, 64), 32) for i in range(len(recipe.trained[0]))]
    assert any((right == picture).all() for picture in trained)
    assert Generator(path).generate(1, truncation=0).shape == (1, 32, 32, 3)
    lines = [json.loads(line) for line in (tmp_path / "run" / "stats.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4]
    assert {"fool", "discriminator", "diversity", "accuracy", "generator_gradient"} <= lines[0].keys()


def test_the_discriminators_weights_are_left_alone_in_the_generators_phase(pictures: Path) -> None:
    recipe = made_of(options(pictures))
    assert isinstance(recipe.adversary, Adversary)
    recipe.step(clock())
    grads = [p.requires_grad for p in recipe.adversary.discriminator.parameters()]
    assert not any(grads)


# ---- going on from earlier weights, and the mean of runs


@pytest.fixture
def runs(pictures: Path, tmp_path: Path) -> list[Path]:
    """A run, and another one that went on from it, with another seed."""
    (tmp_path / "tiny.yaml").write_text(json.dumps(plain(options(pictures, network="style", crop_px=32))))
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder, changes in zip(folders, ([], [f"init={tmp_path / 'first'}", "seed=2"]), strict=True):
        train.train(train.plan(tmp_path / "tiny.yaml", changes, None, folder, "cpu"), tell=lambda text: None)
    return folders


def test_generator_and_discriminator_go_on_from_another_run(pictures: Path, runs: list[Path], tmp_path: Path) -> None:
    torch.manual_seed(0)
    told: list[str] = []
    recipe = Gan(options(pictures, network="style", init=str(runs[0])), Machine(precision="fp32", tell=told.append))
    state = checkpoint.newest(runs[0], told.append)["parts"]
    for name, module in (("discriminator", recipe.adversary.discriminator), ("average", recipe.average)):
        saved = {key: value for key, value in state[name].items() if value.is_floating_point()}
        own = module.state_dict()
        assert saved and all(torch.equal(value, own[key]) for key, value in saved.items()), name
    assert any("discriminator" in line for line in told)
    # one of another size begins anew, the rest goes on
    other = options(pictures, network="style", init=str(runs[0]), classes={"a": "face", "b": "cup"}, pictures=[])
    assert made_of(other).adversary.discriminator is not None


def test_the_mean_of_two_runs_is_a_generator_with_figures_of_its_own(runs: list[Path], tmp_path: Path) -> None:
    path, beside = pack(runs, tmp_path / "mean")
    assert (path.name, beside.name) == ("tiny.generator", "tiny-nearest.png")
    tensors = [generator.FORMAT.tensors(p.read_bytes()) for p in (*(r / "styles" / "tiny.generator" for r in runs), path)]
    name = max((key for key, t in tensors[0].items() if t.dtype.kind == "f"), key=lambda key: tensors[0][key].size)
    first, second, mean = (t[name].astype(np.float64) for t in tensors)
    assert not np.array_equal(first, second)
    assert np.allclose(mean, (first + second) / 2, atol=2e-3 * np.abs(first).max())  # as float16
    assert set(Generator(path).header.card.scores) >= {"frechet-features-v1", "kid-features-v1"}
    assert list(pack(runs[:1], tmp_path / "one")[0].parent.glob("*.generator"))


# ---- a discriminator that sees through a frozen network


def test_a_discriminator_of_features_or_patches_takes_the_place_of_the_networks_own(pictures: Path) -> None:
    for features in (None, "features-v1"):
        settings = {"width": 8, "halvings": 2, "norm": "none", "features": features}
        changes = {"loss": "hinge", "penalty": "none", "weight": 1.0, "spectral_norm": False}
        recipe = made_of(options(pictures, discriminator=settings, adversarial=changes))
        before = [p.detach().clone() for p in recipe.adversary.discriminator.parameters()]
        report = recipe.step(clock())
        assert all(np.isfinite(float(loss)) for loss in report.losses.values())
        assert any(not torch.equal(a, b) for a, b in zip(before, recipe.adversary.discriminator.parameters(), strict=True))
        saved = sum(t.numel() for t in recipe.adversary.discriminator.state_dict().values())
        assert saved < 200_000  # the frozen network is not kept in checkpoints


def test_what_a_discriminator_of_patches_cannot_is_told(pictures: Path) -> None:
    settings = {"width": 8, "halvings": 2, "norm": "none"}
    with pytest.raises(RecipeError, match="discriminator knows no classes"):
        options(pictures, discriminator=settings, pictures=[], classes={"a": "face", "b": "cup"})
    with pytest.raises(RecipeError, match="crop_px must be 96 at least"):
        options(pictures, discriminator=settings | {"halvings": 5})
