"""Inception-v3 against a second way to compute it, written from the paper's figures and the files' names."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from huafeng.errors import DataError
from huafeng.evaluation.inception import InceptionFeatures, load_inception

Tensors = dict[str, Tensor]


def published_shapes() -> dict[str, tuple[int, int, int, int]]:
    """Names and kernels [out, in, h, w] of all 94 convolutions."""
    found = {
        "Conv2d_1a_3x3": (32, 3, 3, 3),
        "Conv2d_2a_3x3": (32, 32, 3, 3),
        "Conv2d_2b_3x3": (64, 32, 3, 3),
        "Conv2d_3b_1x1": (80, 64, 1, 1),
        "Conv2d_4a_3x3": (192, 80, 3, 3),
        "Mixed_6a.branch3x3": (384, 288, 3, 3),
        "Mixed_6a.branch3x3dbl_1": (64, 288, 1, 1),
        "Mixed_6a.branch3x3dbl_2": (96, 64, 3, 3),
        "Mixed_6a.branch3x3dbl_3": (96, 96, 3, 3),
        "Mixed_7a.branch3x3_1": (192, 768, 1, 1),
        "Mixed_7a.branch3x3_2": (320, 192, 3, 3),
        "Mixed_7a.branch7x7x3_1": (192, 768, 1, 1),
        "Mixed_7a.branch7x7x3_2": (192, 192, 1, 7),
        "Mixed_7a.branch7x7x3_3": (192, 192, 7, 1),
        "Mixed_7a.branch7x7x3_4": (192, 192, 3, 3),
    }
    for block, c, pool in (("5b", 192, 32), ("5c", 256, 64), ("5d", 288, 64)):
        found |= {
            f"Mixed_{block}.branch1x1": (64, c, 1, 1),
            f"Mixed_{block}.branch5x5_1": (48, c, 1, 1),
            f"Mixed_{block}.branch5x5_2": (64, 48, 5, 5),
            f"Mixed_{block}.branch3x3dbl_1": (64, c, 1, 1),
            f"Mixed_{block}.branch3x3dbl_2": (96, 64, 3, 3),
            f"Mixed_{block}.branch3x3dbl_3": (96, 96, 3, 3),
            f"Mixed_{block}.branch_pool": (pool, c, 1, 1),
        }
    for block, w in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        found |= {
            f"Mixed_{block}.branch1x1": (192, 768, 1, 1),
            f"Mixed_{block}.branch7x7_1": (w, 768, 1, 1),
            f"Mixed_{block}.branch7x7_2": (w, w, 1, 7),
            f"Mixed_{block}.branch7x7_3": (192, w, 7, 1),
            f"Mixed_{block}.branch7x7dbl_1": (w, 768, 1, 1),
            f"Mixed_{block}.branch7x7dbl_2": (w, w, 7, 1),
            f"Mixed_{block}.branch7x7dbl_3": (w, w, 1, 7),
            f"Mixed_{block}.branch7x7dbl_4": (w, w, 7, 1),
            f"Mixed_{block}.branch7x7dbl_5": (192, w, 1, 7),
            f"Mixed_{block}.branch_pool": (192, 768, 1, 1),
        }
    for block, c in (("7b", 1280), ("7c", 2048)):
        found |= {
            f"Mixed_{block}.branch1x1": (320, c, 1, 1),
            f"Mixed_{block}.branch3x3_1": (384, c, 1, 1),
            f"Mixed_{block}.branch3x3_2a": (384, 384, 1, 3),
            f"Mixed_{block}.branch3x3_2b": (384, 384, 3, 1),
            f"Mixed_{block}.branch3x3dbl_1": (448, c, 1, 1),
            f"Mixed_{block}.branch3x3dbl_2": (384, 448, 3, 3),
            f"Mixed_{block}.branch3x3dbl_3a": (384, 384, 1, 3),
            f"Mixed_{block}.branch3x3dbl_3b": (384, 384, 3, 1),
            f"Mixed_{block}.branch_pool": (192, c, 1, 1),
        }
    return found


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    """Random weights that let a signal through, as a file of the FID network has them."""
    random = torch.Generator().manual_seed(5)
    found: Tensors = {}
    for name, shape in published_shapes().items():
        found[f"{name}.conv.weight"] = torch.randn(shape, generator=random) * (2 / (shape[1] * shape[2] * shape[3])) ** 0.5
        for part in ("weight", "running_var"):
            found[f"{name}.bn.{part}"] = torch.rand(shape[0], generator=random) + 0.5
        for part in ("bias", "running_mean"):
            found[f"{name}.bn.{part}"] = torch.randn(shape[0], generator=random) * 0.1
    return found | {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}


def as_torchvision(tensors: Tensors) -> Tensors:
    other = {"fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000), "AuxLogits.fc.weight": torch.zeros(1000, 768)}
    return tensors | other | {"Conv2d_1a_3x3.bn.num_batches_tracked": torch.tensor(9)}


@pytest.fixture(scope="module")
def fid_file(tensors: Tensors, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inception") / "fid.safetensors"
    save_file(tensors, path)
    return path


@pytest.fixture(scope="module")
def fid(fid_file: Path) -> InceptionFeatures:
    found = load_inception(fid_file)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def torchvision(tensors: Tensors, tmp_path_factory: pytest.TempPathFactory) -> InceptionFeatures:
    path = tmp_path_factory.mktemp("inception") / "vision.pth"
    torch.save(as_torchvision(tensors), path)
    found = load_inception(path)
    assert found is not None
    return found


class SecondWay:
    """The network once more, as one function that looks weights up by name."""

    def __init__(self, tensors: Tensors, *, pads_count: bool, last_is_max: bool) -> None:
        self.tensors, self.pads_count, self.last_is_max = tensors, pads_count, last_is_max
        self.found: Tensors = {}

    def conv(self, x: Tensor, name: str, padding: tuple[int, int] = (0, 0), stride: int = 1) -> Tensor:
        weight, bias, mean, variance = (
            self.tensors[f"{name}.bn.{p}"].view(-1, 1, 1) for p in ("weight", "bias", "running_mean", "running_var")
        )
        x = F.conv2d(x, self.tensors[f"{name}.conv.weight"], stride=stride, padding=padding)
        return ((x - mean) / (variance + 0.001) ** 0.5 * weight + bias).clamp(min=0)

    def average(self, x: Tensor) -> Tensor:
        total = F.conv2d(x, torch.ones(x.shape[1], 1, 3, 3), padding=1, groups=x.shape[1])
        ones = torch.ones_like(x[:1, :1])
        places = torch.full_like(ones, 9.0) if self.pads_count else F.conv2d(ones, torch.ones(1, 1, 3, 3), padding=1)
        return total / places

    def block_5(self, x: Tensor, b: str) -> Tensor:
        five = self.conv(self.conv(x, f"{b}.branch5x5_1"), f"{b}.branch5x5_2", (2, 2))
        double = self.conv(self.conv(x, f"{b}.branch3x3dbl_1"), f"{b}.branch3x3dbl_2", (1, 1))
        double = self.conv(double, f"{b}.branch3x3dbl_3", (1, 1))
        return torch.cat([self.conv(x, f"{b}.branch1x1"), five, double, self.conv(self.average(x), f"{b}.branch_pool")], 1)

    def block_6a(self, x: Tensor, b: str) -> Tensor:
        double = self.conv(self.conv(x, f"{b}.branch3x3dbl_1"), f"{b}.branch3x3dbl_2", (1, 1))
        double = self.conv(double, f"{b}.branch3x3dbl_3", stride=2)
        return torch.cat([self.conv(x, f"{b}.branch3x3", stride=2), double, F.max_pool2d(x, 3, 2)], 1)

    def block_6(self, x: Tensor, b: str) -> Tensor:
        along, down = (0, 3), (3, 0)
        seven = self.conv(self.conv(x, f"{b}.branch7x7_1"), f"{b}.branch7x7_2", along)
        seven = self.conv(seven, f"{b}.branch7x7_3", down)
        double = self.conv(x, f"{b}.branch7x7dbl_1")
        for number, padding in ((2, down), (3, along), (4, down), (5, along)):
            double = self.conv(double, f"{b}.branch7x7dbl_{number}", padding)
        return torch.cat([self.conv(x, f"{b}.branch1x1"), seven, double, self.conv(self.average(x), f"{b}.branch_pool")], 1)

    def block_7a(self, x: Tensor, b: str) -> Tensor:
        three = self.conv(self.conv(x, f"{b}.branch3x3_1"), f"{b}.branch3x3_2", stride=2)
        seven = self.conv(self.conv(x, f"{b}.branch7x7x3_1"), f"{b}.branch7x7x3_2", (0, 3))
        seven = self.conv(self.conv(seven, f"{b}.branch7x7x3_3", (3, 0)), f"{b}.branch7x7x3_4", stride=2)
        return torch.cat([three, seven, F.max_pool2d(x, 3, 2)], 1)

    def block_7(self, x: Tensor, b: str) -> Tensor:
        three = self.conv(x, f"{b}.branch3x3_1")
        three_a, three_b = self.conv(three, f"{b}.branch3x3_2a", (0, 1)), self.conv(three, f"{b}.branch3x3_2b", (1, 0))
        double = self.conv(self.conv(x, f"{b}.branch3x3dbl_1"), f"{b}.branch3x3dbl_2", (1, 1))
        double_a = self.conv(double, f"{b}.branch3x3dbl_3a", (0, 1))
        double_b = self.conv(double, f"{b}.branch3x3dbl_3b", (1, 0))
        pool = F.max_pool2d(x, 3, 1, 1) if self.last_is_max and b == "Mixed_7c" else self.average(x)
        first, last = self.conv(x, f"{b}.branch1x1"), self.conv(pool, f"{b}.branch_pool")
        return torch.cat([first, three_a, three_b, double_a, double_b, last], 1)

    def run(self, x: Tensor) -> Tensor:
        """Pictures [B, 3, 299, 299] in -1..1 -> features; what every block gave stays in `found`."""
        x = self.conv(x, "Conv2d_1a_3x3", stride=2)
        x = self.conv(self.conv(x, "Conv2d_2a_3x3"), "Conv2d_2b_3x3", (1, 1))
        x = self.conv(self.conv(F.max_pool2d(x, 3, 2), "Conv2d_3b_1x1"), "Conv2d_4a_3x3")
        x = F.max_pool2d(x, 3, 2)
        for name in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"):
            block = {"6a": self.block_6a, "7a": self.block_7a}.get(
                name, {"5": self.block_5, "6": self.block_6, "7": self.block_7}[name[0]]
            )
            x = self.found[f"Mixed_{name}"] = block(x, f"Mixed_{name}")
        return x.flatten(2).mean(2)


def pictures(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def blocks_of(network: InceptionFeatures, picture: Tensor) -> Tensors:
    """What every part of the network gives."""
    found: Tensors = {}
    hooks = [
        part.register_forward_hook(lambda _m, _i, out, name=name: found.__setitem__(name, out))
        for name, part in network.named_children()
    ]
    found["features"] = network(picture)
    for hook in hooks:
        hook.remove()
    return found


def test_names_shapes_and_size_are_the_published_ones(fid: InceptionFeatures, tensors: Tensors) -> None:
    ours = {name: weight.shape for name, weight in fid.state_dict().items() if "num_batches" not in name}
    assert ours == {name: weight.shape for name, weight in tensors.items() if not name.startswith("fc.")}
    # 27,161,264 weights of the published network, less its side classifier and its last layer of 1,000 classes
    aside = (768 * 128 + 2 * 128) + (128 * 768 * 25 + 2 * 768) + 769 * 1000
    assert sum(weight.numel() for weight in fid.parameters()) == 27_161_264 - aside - 2049 * 1000


def test_sizes_at_each_stage(fid: InceptionFeatures) -> None:
    found = blocks_of(fid, pictures(1, 3, 299, 299))
    assert [(name, *value.shape[1:3]) for name, value in found.items()] == [
        ("Conv2d_1a_3x3", 32, 149),
        ("Conv2d_2a_3x3", 32, 147),
        ("Conv2d_2b_3x3", 64, 147),
        ("maxpool1", 64, 73),
        ("Conv2d_3b_1x1", 80, 73),
        ("Conv2d_4a_3x3", 192, 71),
        ("maxpool2", 192, 35),
        ("Mixed_5b", 256, 35),
        ("Mixed_5c", 288, 35),
        ("Mixed_5d", 288, 35),
        ("Mixed_6a", 768, 17),
        ("Mixed_6b", 768, 17),
        ("Mixed_6c", 768, 17),
        ("Mixed_6d", 768, 17),
        ("Mixed_6e", 768, 17),
        ("Mixed_7a", 1280, 8),
        ("Mixed_7b", 2048, 8),
        ("Mixed_7c", 2048, 8),
        ("features", 2048),
    ]


@pytest.mark.parametrize("variant", ["fid", "torchvision"])
def test_every_block_as_the_second_way(variant: str, request: pytest.FixtureRequest, tensors: Tensors) -> None:
    network: InceptionFeatures = request.getfixturevalue(variant)
    picture = pictures(1, 3, 299, 299)
    ours = blocks_of(network, picture)
    second = SecondWay(tensors, pads_count=variant == "torchvision", last_is_max=variant == "fid")
    features = second.run(picture / 255 * 2 - 1)
    for name, theirs in second.found.items():
        assert (ours[name] - theirs).abs().max() < 1e-3 * theirs.std(), name
    assert (ours["features"] - features).abs().max() < 1e-3 * features.std()


def test_the_two_networks_differ_in_their_pools(fid: InceptionFeatures, torchvision: InceptionFeatures) -> None:
    assert (fid.name, torchvision.name) == ("inception-fid", "inception-torchvision")
    picture = pictures(1, 3, 120, 160)
    one, other = fid(picture), torchvision(picture)
    assert (one - other).abs().max() > 0.1 * one.std()


@pytest.mark.parametrize("size", [(90, 150), (700, 640)])
def test_pictures_of_any_size_as_tensor_or_array(fid: InceptionFeatures, size: tuple[int, int]) -> None:
    picture = pictures(2, 3, *size)
    found = fid(picture)
    assert found.shape == (2, 2048) and found.dtype == torch.float32 and not found.requires_grad
    assert torch.equal(fid(np.ascontiguousarray(picture.permute(0, 2, 3, 1).numpy())), found)
    resized = F.interpolate(picture.float(), (299, 299), mode="bilinear", align_corners=False, antialias=False)
    x = resized / 127.5 - 1
    for part in fid.children():
        x = part(x)
    assert torch.allclose(found, x.mean((2, 3)), atol=1e-3)


def test_the_file_is_named_by_its_digest(fid: InceptionFeatures, fid_file: Path) -> None:
    assert fid.sha256 == hashlib.sha256(fid_file.read_bytes()).hexdigest()
    assert not any(weight.requires_grad for weight in fid.parameters()) and not fid.training


def test_other_networks_are_left_to_others(tensors: Tensors, tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    small = {"features.0.weight": torch.zeros(64, 3, 3, 3)}
    cut = {name: weight for name, weight in tensors.items() if name != "Mixed_6e.branch7x7_2.conv.weight"}
    turned = tensors | {"Mixed_6e.branch7x7_2.conv.weight": tensors["Mixed_6e.branch7x7_2.conv.weight"].mT.contiguous()}
    for held in (small, {}, [1, 2], cut, turned, tensors | {"fc.weight": torch.zeros(10, 2048)}):
        torch.save(held, path)
        assert load_inception(path) is None


def test_damaged_files_are_refused_in_one_sentence(tensors: Tensors, fid_file: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"There is no feature network .*absent\.pth"):
        load_inception(tmp_path / "absent.pth")
    (tmp_path / "noise.pth").write_bytes(b"noise")
    with pytest.raises(DataError, match="cannot be read as weights"):
        load_inception(tmp_path / "noise.pth")
    (tmp_path / "cut.safetensors").write_bytes(fid_file.read_bytes()[:5000])
    with pytest.raises(DataError, match="cannot be read as weights"):
        load_inception(tmp_path / "cut.safetensors")
    with pytest.raises(DataError, match="cannot be read"):
        load_inception(tmp_path)
    broken = tensors | {"Mixed_5b.branch1x1.bn.bias": torch.full((64,), torch.nan)}
    save_file(broken, tmp_path / "nan.safetensors")
    with pytest.raises(DataError, match="not numbers"):
        load_inception(tmp_path / "nan.safetensors")
    named = tmp_path / "pt_inception-2015-12-05-6726825d.safetensors"
    named.symlink_to(fid_file)
    with pytest.raises(DataError, match="does not begin with 6726825d"):
        load_inception(named)


def test_a_file_with_code_in_it_executes_nothing(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (tmp_path / "sprung",)

    torch.save({"fc.weight": Trap()}, tmp_path / "trap.pth")
    with pytest.raises(DataError, match="cannot be read as weights"):
        load_inception(tmp_path / "trap.pth")
    assert not (tmp_path / "sprung").exists()
