"""The recipe `looks`: random folders under random grades, the network, and the file that goes out."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from huafeng.lookguess import GUESSES, guesses
from huafeng.looklearner import load_learner, moments_of
from huafeng.lookmoments import glimpse
from huafeng.lookmoments import moments as runtime_moments
from huafeng.lookmoments import unit as runtime_unit
from huafeng.pixels import U8
from huafeng.training import gradeprior, lookdirections
from huafeng.training.grades import random_grades
from huafeng.training.learner import Learner, LearnerOptions
from huafeng.training.lookfolders import cropped, lit, neighbours
from huafeng.training.looknetwork import dropping
from huafeng.training.moments import moments
from huafeng.training.recipe import Clock, Machine
from huafeng.training.recipes import looks
from huafeng.training.recipes.looks import Looks, LooksOptions
from huafeng.training.tables import identity, lookup


def clock(step: int) -> Clock:
    return Clock(step, 12 * step, 0.0, 12, 32, seed=5)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, astronaut: U8, chelsea: U8, coffee: U8, rocket: U8) -> Looks:
    """Of parts of four photos, with few components."""
    folder = tmp_path_factory.mktemp("photos")
    for k, photo in enumerate((astronaut, chelsea, coffee, rocket)):
        h, w = photo.shape[0] // 2, photo.shape[1] // 2
        for n, (y, x) in enumerate(((0, 0), (0, w), (h, 0), (h, w))):
            Image.fromarray(photo[y : y + h, x : x + w]).save(folder / f"{k}{n}.png")
    options = LooksOptions(pictures={str(folder): 1.0}, hold_out_every=4, batch=12, crop_px=32, folder=(4, 6))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gradeprior, "COUNT", 200)
        torch.manual_seed(0)
        return Looks(options, Machine(precision="fp32", tell=lambda text: None))


@pytest.fixture(autouse=True)
def quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few grades tell directions: how well is for the benchmark."""
    monkeypatch.setattr(lookdirections, "GRADES", 12)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_moments_are_the_runtime_s() -> None:
    photos = random(5, 2, 64, 3, 3)
    assert np.allclose(moments(photos).numpy(), runtime_moments(photos.numpy()), atol=1e-5)


def test_what_is_seen_in_training_is_what_is_seen_at_run_time(trained: Looks) -> None:
    """Without any grade: the means over all photos of moments, as far apart as pixels drawn anew are."""
    photos = trained.photos
    chosen = torch.arange(len(photos.whole))[None, :, None].expand(-1, -1, 2)
    seen = [photos.seen(trained.identity[None], chosen, torch.Generator().manual_seed(k))[0].mean(0) for k in range(2)]
    kept = photos.neutral.mean(0)
    again, apart = ((x - seen[0]).abs() / trained.network.deviation for x in (seen[1], kept))
    assert float(apart.mean()) < 2 * float(again.mean()) < 0.2
    grades = random_grades(6, 13, torch.Generator().manual_seed(4))
    graded = photos.seen(grades, chosen.expand(6, -1, -1), torch.Generator().manual_seed(0)).mean(1)
    assert float(((graded - seen[0]).abs() / trained.network.deviation).mean()) > 4 * float(again.mean())


def test_discriminants_look_where_classes_differ_and_members_do_not() -> None:
    """Classes differ by 20 deviations along the second of three numbers, and as much as chance has it along the others."""
    draw = torch.Generator().manual_seed(3)
    seen = torch.randn(30, 40, 3, generator=draw) * torch.tensor([9.0, 0.5, 2.0])
    seen[..., 1] += 10 * torch.randn(30, 1, generator=draw)
    first = lookdirections.discriminants(seen)[0]
    assert abs(float(first[1])) > 20 * float(first[[0, 2]].abs().max())
    away = seen - seen.mean(1, keepdim=True)
    variances = away.square().sum((0, 1)) / (30 * 39)  # within classes
    ridge = lookdirections.RIDGE * variances.mean() * first.square().sum()
    assert float((away @ first).square().sum() / (30 * 39) + ridge) == pytest.approx(1, abs=1e-4)


def test_pictures_are_lit_and_cropped() -> None:
    pictures = random(3, 3, 8, 8)
    whole = cropped(pictures, torch.ones(3, 2), torch.zeros(3, 2))
    assert torch.allclose(whole, pictures, atol=1e-5)
    mirrored = cropped(pictures, torch.tensor([-1.0, 1.0]).expand(3, -1), torch.zeros(3, 2))
    assert torch.allclose(mirrored, pictures.flip(-1), atol=1e-5)
    quarter = cropped(pictures, torch.full((3, 2), 0.5), torch.full((3, 2), 0.5))  # below, on the right
    assert torch.allclose(quarter[:, :, 1::2, 1::2].mean((2, 3)), pictures[:, :, 4:, 4:].mean((2, 3)), atol=0.1)
    colors = pictures.movedim(1, 3)
    assert torch.allclose(lit(colors, torch.zeros(3, 6)), colors, atol=1e-4)
    brighter = lit(0.5 * colors, torch.tensor([[1.0, 0, 0, 0, 0, 0]]).expand(3, -1))
    assert torch.allclose(brighter, 0.5 * np.exp(0.12) * colors, atol=1e-3)


def test_threes_are_neighbours() -> None:
    row, column = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="ij")
    where = torch.stack([row, column, 0 * row])[None]
    first, middle, last = neighbours(where, 300, torch.Generator().manual_seed(0))[0].unbind(1)
    assert {tuple(step.tolist()) for step in middle - first} == {(1, 0, 0), (0, 1, 0)}
    assert torch.equal(last - middle, middle - first)
    assert middle[:, :2].min() == 1 and middle[:, :2].max() == 7


def test_folders_are_of_one_kind_or_lean_to_a_side(trained: Looks) -> None:
    photos = trained.photos

    def kinds(mixed: float, alike: float, leaning: float) -> torch.Tensor:
        return photos.kinds(40, mixed, alike, leaning, torch.Generator().manual_seed(1))

    assert torch.allclose(kinds(1.0, 0.0, 0.0), photos.chances[0].expand(40, -1))
    alike = kinds(0.0, 1.0, 0.0)
    assert bool((alike.count_nonzero(1) == photos.near.shape[1]).all())
    leaning = kinds(1.0, 0.0, 1.0)
    assert bool((leaning > 0).all()) and not torch.allclose(leaning[0], leaning[1])
    logarithm = (leaning / photos.chances[0]).log()  # rises along some mixture of the photos' traits
    assert torch.allclose(logarithm @ torch.linalg.pinv(photos.traits.T) @ photos.traits.T, logarithm, atol=1e-3)


def test_coordinates_are_of_the_components(trained: Looks) -> None:
    """A table that is a sum of components has its shares in them as coordinates."""
    z = torch.randn(2, 160, generator=torch.Generator().manual_seed(0))
    offsets = trained.network.offsets(z, looks.SIZE)
    assert torch.allclose((offsets.flatten(1) @ trained.coordinates)[:, :20], z[:, :20], atol=0.05)


def test_training_lowers_the_loss_and_repeats(trained: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, few in (("HELD_FOLDERS", 10), ("HELD_SIZE", 4), ("PLAIN", 6)):
        monkeypatch.setattr(looks, name, few)
    first = trained.step(clock(0)).losses
    assert set(first) == {"grade", "beyond", "doubt"}
    for step in range(1, 12):
        assert all(np.isfinite([float(x) for x in trained.step(clock(step)).losses.values()]))
    again = trained.step(clock(0)).losses
    assert float(again["grade"]) < float(first["grade"])  # the same folders, better known
    assert set(trained.figures()) == {"objective", "harm"}
    assert trained.figures() == trained.figures()
    assert trained.samples().shape[2] == 3
    assert trained.diversity(clock(0)) > 0


def test_a_step_repeats_with_the_same_bits(trained: Looks) -> None:
    state = copy.deepcopy({name: part.state_dict() for name, part in trained.parts.items()})
    first = trained.step(clock(3)).losses
    for name, part in trained.parts.items():
        part.load_state_dict(state[name])
    torch.rand(5)
    again = trained.step(clock(3)).losses
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_dropout_keeps_the_mean() -> None:
    dropped = dropping(torch.Generator().manual_seed(0))(torch.ones(200, 200))
    assert sorted(dropped.unique().tolist()) == pytest.approx([0, 1 / 0.95])
    assert float(dropped.mean()) == pytest.approx(1, abs=0.01)


def test_decay_takes_its_share_of_the_weights() -> None:
    layer = torch.nn.Linear(3, 3, bias=False)
    before = layer.weight.detach().clone()
    learner = Learner([layer], LearnerOptions(learning_rate=0.1, decay=0.5, warmup_steps=0))
    learner.learn(0 * layer.weight.sum(), Clock(0, 0, 0.0, 1, 32, seed=0))
    assert torch.allclose(layer.weight, before * (1 - 0.1 * 0.5))


def test_the_runtime_says_what_the_network_says(trained: Looks, tmp_path: Path, chelsea: U8, coffee: U8) -> None:
    """numpy in `lookguess`, torch in `looknetwork`: the same tables, from the exported weights, but for these in 8 bits."""
    seen = [glimpse(p[k : k + 200, k : k + 200]) for p in (chelsea, coffee) for k in (0, 40, 90)]
    each = moments_of(seen)
    for name, parameter in trained.average.module.named_parameters():
        if parameter.ndim == 2:  # not by doing nothing
            torch.nn.init.normal_(parameter, std=0.035, generator=torch.Generator().manual_seed(len(name)))
    (path,) = trained.export(tmp_path)
    w, prior = load_learner(path)
    assert len(prior.photos) == len(trained.photos.whole)
    assert w["apart"].shape == (lookdirections.DIRECTIONS, each.shape[1])
    plain = runtime_unit(prior.photos)
    own = runtime_moments(plain).mean(0)
    found = list(guesses(w, prior.fields, plain, own, each))
    assert len(found) == GUESSES == len(looks.GUESSES)

    network = trained.average.module
    exact = {name: torch.from_numpy((w | {"fields": prior.fields})[name]) for name in network.state_dict()}
    assert all(torch.allclose(exact[name], tensor, atol=2e-3) for name, tensor in network.state_dict().items())
    network.load_state_dict(exact)
    with torch.no_grad():
        folder = network.folder(torch.from_numpy(each)[None], torch.from_numpy(own)[None])
        guess = network.first(folder)
        for k, one in enumerate(found):
            table = network.tables(guess, 33).clamp(0, 1)
            assert float(np.abs(table[0].numpy() - one.lut.table).max()) < 1e-3
            assert float((table[0] - identity(33)).abs().mean()) > 0.005
            assert np.allclose(network.doubts(folder).exp()[0].numpy(), one.doubts, atol=1e-4)
            if k < GUESSES - 1:
                made = lookup(table, torch.from_numpy(plain).reshape(1, -1, 3)).reshape(plain.shape)
                left = torch.from_numpy(each).mean(0) - moments(made).mean(0)
                guess = network.again(folder, guess, left[None])


@pytest.mark.parametrize(
    ("given", "told"),
    [({"pictures": {}}, "pictures is empty"), ({"folder": (9, 4)}, "folder must be")],
)
def test_what_cannot_be(given: dict[str, object], told: str) -> None:
    options = LooksOptions(**({"pictures": {"photos": 1.0}} | given))  # type: ignore[arg-type]
    assert any(told in problem for problem in options.problems())
