"""Feature networks: files recognised, forward passes against plain ones, and the shipped network against its teacher."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from safetensors.torch import save_file
from torch import Tensor, nn

from huafeng.errors import DataError
from huafeng.pixels import U8, resize
from huafeng.training import distillation, losses
from huafeng.training.features import FeatureNetwork, load_features

TEACHER = Path(__file__).parents[2] / "shared" / "weights" / "squeezenet1_0.safetensors"
needs_teacher = pytest.mark.skipif(not TEACHER.is_file(), reason="../shared/weights/squeezenet1_0.safetensors is absent")
IMAGENET = (torch.tensor([0.485, 0.456, 0.406])[:, None, None], torch.tensor([0.229, 0.224, 0.225])[:, None, None])
Weights = dict[str, Tensor]


@pytest.fixture(scope="module")
def shipped() -> FeatureNetwork:
    return load_features()


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def random_weights(shapes: dict[str, tuple[int, ...]]) -> Weights:
    """Weights and biases for convolutions [out, in, k, k] by name, of a size that keeps activations near 1."""
    torch.manual_seed(1)
    found = {}
    for name, shape in shapes.items():
        found[f"{name}.weight"] = torch.randn(shape) * (2 / (shape[1] * shape[2] * shape[3])) ** 0.5
        found[f"{name}.bias"] = torch.randn(shape[0]) * 0.1
    return found


# -- SqueezeNet


FIRES = {2: (16, 64), 3: (16, 64), 4: (32, 128), 5: (32, 128), 6: (48, 192), 7: (48, 192)}
NUMBERS_1_0 = {"conv1": 0, "fire2": 3, "fire3": 4, "fire4": 5, "fire5": 7, "fire6": 8, "fire7": 9}
NUMBERS_1_1 = {"conv1": 0, "fire2": 3, "fire3": 4, "fire4": 6, "fire5": 7, "fire6": 9, "fire7": 10}


def squeezenet_weights(first: tuple[int, ...], rename: Callable[[str], str]) -> Weights:
    shapes: dict[str, tuple[int, ...]] = {rename("conv1"): first}
    width = first[0]
    for n, (squeeze, expand) in FIRES.items():
        fire = rename(f"fire{n}")
        shapes[f"{fire}.squeeze"] = (squeeze, width, 1, 1)
        shapes[f"{fire}.expand1x1"] = (expand, squeeze, 1, 1)
        shapes[f"{fire}.expand3x3"] = (expand, squeeze, 3, 3)
        width = 2 * expand
    return random_weights(shapes)


def plain_squeezenet(w: Weights, x: Tensor, margin: int, pools: tuple[str, ...], rename: Callable[[str], str]) -> Weights:
    """Written out, on input that is already as the weights want it."""
    first = rename("conv1")
    x = F.conv2d(F.pad(x, (margin,) * 4, "reflect"), w[f"{first}.weight"], w[f"{first}.bias"], stride=2).relu()
    found = {"conv1": x}
    for n in FIRES:
        if f"fire{n - 1}" in pools or (n == 2 and "conv1" in pools):
            x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        fire = rename(f"fire{n}")
        x = F.conv2d(x, w[f"{fire}.squeeze.weight"], w[f"{fire}.squeeze.bias"]).relu()
        narrow = F.conv2d(x, w[f"{fire}.expand1x1.weight"], w[f"{fire}.expand1x1.bias"])
        wide = F.conv2d(x, w[f"{fire}.expand3x3.weight"], w[f"{fire}.expand3x3.bias"], padding=1)
        x = found[f"fire{n}"] = torch.cat([narrow, wide], 1).relu()
    return found


def assert_same(found: Weights, wanted: Weights) -> None:
    assert list(found) == list(wanted)
    for layer in wanted:
        torch.testing.assert_close(found[layer], wanted[layer], rtol=1e-4, atol=1e-4 * float(wanted[layer].abs().max()))


def test_squeezenet_as_caffe_counts(tmp_path: Path) -> None:
    weights = squeezenet_weights((96, 3, 7, 7), str)
    weights["conv1.weight"] /= 100
    save_file(weights | {"conv10.weight": torch.zeros(3)}, tmp_path / "mine.safetensors")
    network = load_features(tmp_path / "mine.safetensors")
    picture = noise(2, 3, 48, 64)
    caffe = picture.flip(1) * 255 - torch.tensor([104.0, 117.0, 123.0])[:, None, None]
    assert_same(network(picture), plain_squeezenet(weights, caffe, 3, ("conv1", "fire4"), str))
    assert (network.name, network.content_layer, network.style_layers) == ("squeezenet1_0", "fire5", network.layers)
    assert network.sha256 == hashlib.sha256((tmp_path / "mine.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("name", "first", "margin", "numbers", "pools"),
    [
        ("squeezenet1_0", (96, 3, 7, 7), 3, NUMBERS_1_0, ("conv1", "fire4")),
        ("squeezenet1_1", (64, 3, 3, 3), 1, NUMBERS_1_1, ("conv1", "fire3", "fire5")),
    ],
)
def test_squeezenet_of_torchvision(
    tmp_path: Path, name: str, first: tuple[int, ...], margin: int, numbers: dict[str, int], pools: tuple[str, ...]
) -> None:
    def rename(layer: str) -> str:
        return f"features.{numbers[layer]}"

    weights = squeezenet_weights(first, rename)
    torch.save(weights | {"classifier.1.weight": torch.zeros(4)}, tmp_path / "some.pth")
    network = load_features(tmp_path / "some.pth")
    assert network.name == name
    picture = noise(1, 3, 64, 96)
    mean, deviation = IMAGENET
    assert_same(network(picture), plain_squeezenet(weights, (picture - mean) / deviation, margin, pools, rename))


# -- VGG


def vgg(depths: tuple[int, ...]) -> nn.Sequential:
    """Numbered as torchvision numbers its modules."""
    modules: list[nn.Module] = []
    width = 3
    for stage, depth in enumerate(depths):
        for _ in range(depth):
            modules += [nn.Conv2d(width, min(512, 64 << stage), 3, padding=1), nn.ReLU()]
            width = min(512, 64 << stage)
        modules.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*modules)


@pytest.mark.parametrize(
    ("name", "depths", "style", "content"),
    [
        ("vgg16", (2, 2, 3, 3), ("relu1_2", "relu2_2", "relu3_3", "relu4_3"), "relu3_3"),
        ("vgg19", (2, 2, 4, 4, 1), ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"), "relu4_2"),
    ],
)
def test_vgg(tmp_path: Path, name: str, depths: tuple[int, ...], style: tuple[str, ...], content: str) -> None:
    torch.manual_seed(2)
    plain = vgg(depths).requires_grad_(False)
    weights = {f"features.{k}": v.half() for k, v in plain.state_dict().items()}
    plain.load_state_dict({k.removeprefix("features."): v.float() for k, v in weights.items()})
    save_file(weights | {"classifier.0.weight": torch.zeros(4)}, tmp_path / "some.safetensors")
    network = load_features(tmp_path / "some.safetensors")
    assert (network.name, network.style_layers, network.content_layer) == (name, style, content)
    picture = noise(1, 3, 32, 48)
    x, wanted = (picture - IMAGENET[0]) / IMAGENET[1], {}
    names = iter(f"relu{stage}_{n}" for stage, depth in enumerate(depths, 1) for n in range(1, depth + 1))
    for module in plain:
        x = module(x)
        if isinstance(module, nn.ReLU):
            wanted[next(names)] = x
    assert_same(network(picture), wanted)
    assert sum(p.numel() for p in network.parameters()) == sum(p.numel() for p in plain.parameters())


# -- files


def small_file(folder: Path, name: str) -> Path:
    numbers = NUMBERS_1_1
    torch.save(squeezenet_weights((64, 3, 3, 3), lambda layer: f"features.{numbers[layer]}"), folder / "new")
    return (folder / "new").rename(folder / name)


def test_the_digest_in_a_well_known_name_is_checked(tmp_path: Path) -> None:
    path = small_file(tmp_path, "squeezenet1_1-b8a52dc0.pth")
    with pytest.raises(DataError, match=r"damaged download.*b8a52dc0"):
        load_features(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert load_features(path.rename(tmp_path / f"squeezenet1_1-{digest[:8]}.pth")).sha256 == digest


def test_a_date_in_a_name_is_no_digest(tmp_path: Path) -> None:
    assert load_features(small_file(tmp_path, "mine-20240131.pth")).name == "squeezenet1_1"


class Evil:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch executed",)


FOREIGN = {
    "empty.pth": b"",
    "empty.safetensors": b"",
    "page.pth": b"<!DOCTYPE html><title>404</title>",
    "page.safetensors": b"<!DOCTYPE html><title>404</title>",
    "evil.pth": pickle.dumps(Evil(), protocol=2),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(FOREIGN[name])
    with pytest.raises(DataError, match=r"SqueezeNet 1.0 or 1.1, VGG-16 or VGG-19.$"):
        load_features(name)
    assert not Path("executed").exists()


def test_unknown_networks(tmp_path: Path) -> None:
    save_file({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "a.safetensors")
    torch.save({"state_dict": {"features.0.weight": torch.zeros(1)}}, tmp_path / "b.pth")
    torch.save([torch.zeros(1)], tmp_path / "c.pth")
    for path in tmp_path.iterdir():
        with pytest.raises(DataError, match=r"holds no feature network that is known here: give features-v1, or"):
            load_features(path)


def test_absent_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no feature network .*vgg16\.pth: give features-v1, or"):
        load_features(tmp_path / "vgg16.pth")
    with pytest.raises(DataError, match=r"cannot be read \(.+\)\.$"):
        load_features(tmp_path)


def test_damaged_files(tmp_path: Path) -> None:
    weights = squeezenet_weights((96, 3, 7, 7), str)
    weights["fire4.squeeze.bias"][3] = torch.nan
    save_file(weights, tmp_path / "a.safetensors")
    with pytest.raises(DataError, match="is damaged, some of its weights are not numbers"):
        load_features(tmp_path / "a.safetensors")
    data = (tmp_path / "a.safetensors").read_bytes()
    (tmp_path / "b.safetensors").write_bytes(data[:-100])
    with pytest.raises(DataError, match="cannot be read as weights"):
        load_features(tmp_path / "b.safetensors")


# -- the shipped network


def test_shipped_network_is_small_and_frozen(shipped: FeatureNetwork) -> None:
    import huafeng.training

    (file,) = Path(huafeng.training.__path__[0]).glob("features-v1.*")
    assert file.stat().st_size <= 3_000_000
    assert shipped.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (shipped.name, shipped.content_layer) == ("features-v1", "fire5")
    assert not any(p.requires_grad for p in shipped.parameters())


def test_upto_stops(shipped: FeatureNetwork) -> None:
    picture = noise(1, 3, 32, 32)
    whole = shipped(picture)
    assert tuple(whole) == shipped.layers
    assert set(shipped.style_layers) <= set(shipped.layers)
    for number, layer in enumerate(shipped.layers, 1):
        part = shipped(picture, layer)
        assert tuple(part) == shipped.layers[:number]
        assert torch.equal(part[layer], whole[layer])
    with pytest.raises(ValueError, match="no layer 'fire9'"):
        shipped(picture, "fire9")


@settings(max_examples=8, deadline=None)
@given(height=st.integers(32, 90), width=st.integers(32, 90))
def test_any_size(shipped: FeatureNetwork, height: int, width: int) -> None:
    for layer, features in shipped(noise(1, 3, height, width)).items():
        stride = {"conv1": 2, "fire2": 4, "fire3": 4, "fire4": 4}.get(layer, 8)
        assert abs(features.shape[2] - height / stride) <= 1
        assert abs(features.shape[3] - width / stride) <= 1
        assert torch.isfinite(features).all()


def test_bf16_autocast_and_channels_last(shipped: FeatureNetwork, astronaut: U8) -> None:
    picture = tensor(resize(astronaut, 128, 128))
    plain = shipped(picture)
    with torch.autocast("cpu", torch.bfloat16):
        fast = shipped(picture.contiguous(memory_format=torch.channels_last))
    for layer in plain:
        assert fast[layer].dtype == torch.bfloat16
        assert distillation.relative_error(fast[layer], plain[layer]).item() < 1e-3


def tensor(*pictures: U8) -> Tensor:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255


def distances(network: FeatureNetwork, made: Tensor, wanted: Tensor) -> tuple[float, float]:
    """Style loss and content loss."""
    a, b = network(made), network(wanted)
    style = [losses.style_loss(losses.gram(a[k]), losses.gram(b[k])).item() for k in network.style_layers]
    return float(np.mean(style)), losses.content_loss(a[network.content_layer], b[network.content_layer]).item()


@pytest.mark.parametrize("period", [2, 4, 8, 16])
def test_no_stripes_are_invisible(shipped: FeatureNetwork, astronaut: U8, period: int) -> None:
    """A generator that is trained on the network must not be able to hide a grid in its results."""
    photo = tensor(resize(astronaut, 128, 128)) * 0.8 + 0.1
    stripes = (torch.arange(128) * 2 // period % 2 * 2 - 1).float()
    weak, strong = (distances(shipped, photo + level * stripes, photo)[0] for level in (0.03, 0.1))
    assert 0.003 < weak < strong
    picture = (photo + 0.05 * stripes).requires_grad_(True)
    found, wanted = shipped(picture), shipped(photo)
    loss = torch.stack([losses.style_loss(losses.gram(found[k]), losses.gram(wanted[k])) for k in shipped.style_layers]).mean()
    (gradient,) = torch.autograd.grad(loss, picture)
    assert (gradient * stripes).sum() > 0  # going down it takes the stripes away


@needs_teacher
def test_shipped_network_ranks_as_its_teacher(
    shipped: FeatureNetwork, astronaut: U8, chelsea: U8, coffee: U8, rocket: U8
) -> None:
    """Four photos that it never saw, blurred, noisy and recoloured, each against each."""
    random = np.random.default_rng(0)
    pictures: list[U8] = []
    for photo in (astronaut, chelsea, coffee, rocket):
        plain = resize(np.ascontiguousarray(photo[:300, :300]), 128, 128)
        blurred = np.asarray(Image.fromarray(plain).filter(ImageFilter.GaussianBlur(1.5)))
        noisy = np.clip(plain + random.normal(0, 20, plain.shape), 0, 255).astype(np.uint8)
        pictures += [plain, blurred, noisy, np.ascontiguousarray(plain[:, :, ::-1])]
    batch, teacher = tensor(*pictures), load_features(TEACHER)
    off_diagonal = ~torch.eye(len(pictures), dtype=torch.bool)

    def tables(network: FeatureNetwork) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            found = network(batch)
        style = torch.stack([distillation.pair_distances(losses.gram(found[k])) for k in network.style_layers]).mean(0)
        return style[off_diagonal], distillation.pair_distances(found[network.content_layer])[off_diagonal]

    for seen, true in zip(tables(shipped), tables(teacher), strict=True):
        ranks = torch.stack([seen.argsort().argsort().float(), true.argsort().argsort().float()])
        assert torch.corrcoef(ranks)[0, 1] > 0.95


# -- distillation


def test_principal_components_by_hand() -> None:
    moment = torch.tensor([[2.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 2.0]])  # energies 3, 1, 1
    found = distillation.principal_components(moment, 1)
    assert found.shape == (3, 1)
    torch.testing.assert_close(found.abs().flatten(), torch.tensor([0.5, 0.0, 0.5]).sqrt())


def test_gram_distances_survive_a_rotation() -> None:
    features = noise(2, 5, 6, 6)
    whole = distillation.principal_components(torch.diag(torch.tensor([3.0, 2.0, 5.0, 1.0, 4.0])) + 0.5, 5)
    turned = distillation.project(features, whole)
    before, after = (distillation.pair_distances(losses.gram(f)) for f in (features, turned))
    torch.testing.assert_close(before, after)


def test_relative_error_by_hand() -> None:
    made, wanted = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[1.0, 1.0], [3.0, 4.0]])
    assert distillation.relative_error(made, wanted).tolist() == [0.5, 1.0]


def test_pair_distances_are_the_losses_of_all_pairs() -> None:
    things = torch.tensor([[3.0, 4.0], [0.0, 4.0]])  # 9 apart, energies 25 and 16
    torch.testing.assert_close(distillation.pair_distances(things), torch.tensor([[0.0, 9 / 16], [9 / 25, 0.0]]))
    features = noise(3, 4, 5, 5)
    table = distillation.pair_distances(features)
    assert table[0, 2].item() == pytest.approx(losses.content_loss(features[:1], features[2:]).item(), rel=1e-4)


def test_log_ratio_by_hand() -> None:
    made, wanted = torch.tensor([0.9, 0.1]), torch.tensor([0.1, 0.1])
    assert distillation.log_ratio(made, wanted, 0.1).tolist() == pytest.approx([np.log(5) ** 2, 0.0])
