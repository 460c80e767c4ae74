"""The networks, and that the runtime paints what was trained."""

from __future__ import annotations

import copy
import hashlib
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from huafeng.art import Generator as Runtime
from huafeng.encoder import views
from huafeng.errors import StyleError
from huafeng.pixels import F32, U8, resize
from huafeng.style import Style
from huafeng.training import stylefiles
from huafeng.training.data import to_batch
from huafeng.training.encoder import Encoder
from huafeng.training.export import base_tensors, trained_weights
from huafeng.training.network import Conv, Discriminator, Generator, GeneratorShape, conv_layers, squash, upsampling_kernel
from huafeng.training.precision import PARITY, WeightsDiffer
from huafeng.training.stylefiles import export_styles, parity

CARD = dict.fromkeys(("title_en", "title_zh", "author", "licence", "trained_on", "provenance"), "test") | {"date": "2026-01-01"}


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


SHAPE = GeneratorShape(code=6, half=8, quarter=12, eighth=16, blocks=2)


@pytest.fixture(scope="module")
def trained() -> Generator:
    """A small generator that paints something, and with grain."""
    torch.manual_seed(1)
    generator = Generator(SHAPE)
    with torch.no_grad():
        torch.nn.init.normal_(generator.last, std=0.2)
        torch.nn.init.normal_(generator.grain, std=0.5)
        torch.nn.init.normal_(generator.modulation.weight[-9:], std=0.2)
    return generator


@pytest.fixture(scope="module")
def runtime(trained: Generator) -> Runtime:
    return Runtime(save_safetensors(base_tensors(trained)), threads=1)


def art(trained: Generator, seed: int) -> dict[str, F32]:
    """A random code and delta."""
    numbers = np.random.default_rng(seed)
    delta = 0.2 * numbers.standard_normal(trained.modulation.out_features)
    return {"code": numbers.standard_normal(SHAPE.code, dtype=np.float32), "delta": delta.astype(np.float32)}


def test_runtime_equals_the_trained_network(trained: Generator, runtime: Runtime, astronaut: U8) -> None:
    photo = resize(astronaut, 157, 118)
    tensors = art(trained, 0)
    assert parity(trained, runtime, tensors, photo) <= PARITY
    assert parity(trained, runtime, {"code": tensors["code"]}, photo) <= PARITY
    painted = [
        runtime.paint(photo, runtime.modulation(**tensors)).astype(int)
        for tensors in (tensors, {"code": tensors["code"]}, {"code": art(trained, 1)["code"]})
    ]
    assert np.abs(painted[0] - photo).mean() > 2
    assert np.abs(painted[0] - painted[1]).mean() > 2  # the delta counts
    assert np.abs(painted[1] - painted[2]).mean() > 2  # so does the code


def test_spots_end_at_four_deviations_in_training_and_in_use(trained: Generator) -> None:
    """A lone white dot on black lies far off every mean."""
    conv = Conv(12, 12, relu=False, limited=True)
    dot = torch.zeros(1, 12, 32, 32)
    dot[..., 15, 15] = 1
    scale, shift = torch.full((1, 12, 1, 1), -0.5), torch.full((1, 12, 1, 1), 3.0)
    with torch.no_grad():
        assert (conv(dot, iter((scale, shift))) - 3).abs().max().item() == pytest.approx(0.5 * 4)
        conv.limited = False
        assert (conv(dot, iter((scale, shift))) - 3).abs().max().item() > 0.5 * 10
    photo = np.zeros((128, 128, 3), np.uint8)
    photo[60:64, 60:64] = 255
    painted = []
    for limited in (True, False):
        generator = copy.deepcopy(trained)
        if not limited:
            for layer in conv_layers(generator).values():
                layer.limited = False
        runtime = Runtime(save_safetensors(base_tensors(generator)), threads=1)
        assert parity(generator, runtime, art(trained, 0), photo) <= PARITY
        painted.append(runtime.paint(photo, runtime.modulation(**art(trained, 0))).astype(int))
    assert np.abs(painted[0] - painted[1]).max() > 2


def test_tiles_have_the_noise_of_the_whole(trained: Generator, runtime: Runtime, coffee: U8) -> None:
    modulation = runtime.modulation(**art(trained, 0))
    whole = runtime.paint(coffee, modulation)
    for tile_px in (120, 200, 333):
        assert np.array_equal(runtime.paint(coffee, modulation, tile_px=tile_px), whole)
    quiet = save_safetensors(base_tensors(trained) | {"grain": np.zeros((SHAPE.eighth, 4, 1, 1), np.float16)})
    assert np.abs(Runtime(quiet, threads=1).paint(coffee, modulation).astype(int) - whole).mean() > 2  # there is some


def test_the_modulation_by_hand() -> None:
    generator = Generator(GeneratorShape(code=2, half=4, quarter=4, eighth=8, blocks=1))
    # scale and shift of down2 4, down4 4, down8 8, one block 2 x 8, up4 4, block4 2 x 4, up2 4, mix2 4; then the matrix
    assert generator.channels == [4, 4, 8, 8, 8, 4, 4, 4, 4, 4]
    assert generator.modulation.out_features == 2 * 52 + 9
    begin = [value for channels in generator.channels for value in [1.0] * channels + [0.0] * channels]
    assert generator.modulation.bias.tolist() == begin + [0] * 9
    with torch.no_grad():
        generator.modulation.weight.zero_()
        generator.modulation.weight[0] = torch.tensor([2.0, -1.0])
        generator.modulation.bias[-1] = 0.5
    delta = np.zeros(113, np.float32)
    delta[[0, 4, 112]] = 1, 7, -0.25
    found = Runtime(save_safetensors(base_tensors(generator)), threads=1).modulation(np.array([3, 4], np.float32), delta)
    assert found[:9].tolist() == [1 + 2 * 3 - 4 + 1, 1, 1, 1, 7, 0, 0, 0, 1]
    assert found[-10:].tolist() == [0] * 8 + [0.25, 1]


def test_without_noise_noise_is_zero(trained: Generator) -> None:
    photo, code = torch.rand(2, 3, 64, 48), torch.randn(2, SHAPE.code)
    with torch.no_grad():
        quiet = trained(photo, code)
        assert torch.equal(quiet, trained(photo, code, noise=torch.zeros(1, 4, 8, 6)))
        assert torch.equal(quiet, trained(photo, code, torch.zeros(2, trained.modulation.out_features)))
        noisy = trained(photo, code, noise=torch.randn(2, 4, 8, 6))
    assert (noisy - quiet).abs().mean() > 0.01


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    """An untrained one that knows what is usual."""
    torch.manual_seed(2)
    encoder = Encoder(SHAPE.code)
    encoder.fit(torch.rand(4, 3, 64, 64) * torch.rand(4, 3, 1, 1))
    return encoder.eval()


def test_the_runtime_s_encoder_is_the_trained_one(trained: Generator, encoder: Encoder, astronaut: U8, coffee: U8) -> None:
    runtime = Runtime(save_safetensors(base_tensors(trained, encoder)), threads=1)
    noise = np.random.default_rng(0).integers(0, 256, coffee.shape, np.uint8)
    for picture in (astronaut, coffee, resize(coffee, 37, 90), noise, np.zeros_like(coffee)):
        with torch.no_grad():
            wanted = encoder(to_batch(list(views(picture)))).mean(0).numpy()
        assert np.abs(runtime.encoder.code([picture]) - wanted).max() < 0.02
    codes = [runtime.encoder.code([picture]) for picture in (astronaut, coffee, noise)]
    assert all(np.abs(a - b).max() > 0.1 for a, b in combinations(codes, 2))
    photo = resize(astronaut, 80, 64)
    alone = Runtime(save_safetensors(base_tensors(trained)), threads=1)
    modulation = runtime.modulation(**art(trained, 0))
    assert np.array_equal(runtime.paint(photo, modulation), alone.paint(photo, modulation))  # it does not disturb the generator
    with pytest.raises(StyleError, match="trained without an encoder"):
        _ = alone.encoder


def test_what_is_usual_is_measured_once(encoder: Encoder) -> None:
    mean, deviation = (encoder.get_buffer(name).clone() for name in ("mean", "deviation"))
    encoder.fit(torch.rand(3, 3, 64, 64))
    assert torch.equal(mean, encoder.get_buffer("mean"))
    assert torch.equal(deviation, encoder.get_buffer("deviation"))


def test_weights_come_back_from_the_base_file(trained: Generator, encoder: Encoder) -> None:
    found = trained_weights(base_tensors(trained, encoder))
    own = {f"generator.{k}": v for k, v in trained.state_dict().items()}
    own |= {f"encoder.{k}": v for k, v in encoder.state_dict().items()}
    assert found.keys() == own.keys()
    for name, weight in own.items():
        assert torch.allclose(found[name], weight, atol=1e-3, rtol=2e-3), name  # float16


def test_styles_are_exported_with_what_they_need(trained: Generator, encoder: Encoder, tmp_path: Path) -> None:
    one, other = (art(trained, seed) for seed in (0, 1))
    arts = {"one": one, "other": other | {"delta": 0 * other["delta"]}}
    tensors = {name: {part: torch.from_numpy(row) for part, row in found.items()} for name, found in arts.items()}
    cards = [CARD | {"title_en": name} for name in arts]
    base, *paths = export_styles(trained, encoder, tensors, cards, tmp_path)
    assert [path.name for path in paths] == ["one.style", "other.style"]
    made = Style.load(paths[0])
    assert made.card.base_sha256 == hashlib.sha256(base.read_bytes()).hexdigest()
    np.testing.assert_array_equal(made.tensors["code"], one["code"])
    np.testing.assert_array_equal(made.tensors["delta"], one["delta"].astype(np.float16))
    assert Style.load(paths[1]).tensors.keys() == {"code"}  # a delta of 0 is none
    assert Runtime.open(base).encoder.code([np.zeros((8, 8, 3), np.uint8)]).shape == (SHAPE.code,)

    (tmp_path / "more").mkdir()
    (again,) = export_styles(trained, None, {"one": tensors["one"]}, cards[:1], tmp_path / "more", base.read_bytes())
    assert again == tmp_path / "more" / "one.style"
    assert list((tmp_path / "more").iterdir()) == [again]  # the base generator is there already
    assert Style.load(again).card.base_sha256 == made.card.base_sha256
    with torch.no_grad():
        moved = copy.deepcopy(trained)
        moved.last_bias.add_(0.5)
    with pytest.warns(WeightsDiffer, match=r"otherwise than the trained network: one \(\d+\.\d of 255\)\. Look at it"):
        (again,) = export_styles(moved, None, {"one": tensors["one"]}, cards[:1], tmp_path / "more", base.read_bytes())
    np.testing.assert_array_equal(Style.load(again).tensors["delta"], one["delta"])  # float32 was tried


def test_a_bold_base_keeps_float32(trained: Generator, encoder: Encoder, tmp_path: Path) -> None:
    """Where the last convolution enlarges every small difference, float16 is too coarse."""
    bold, row = copy.deepcopy(trained), art(trained, 0)
    with torch.no_grad():
        bold.last.mul_(10)
    arts = {"one": {part: torch.from_numpy(numbers) for part, numbers in row.items()}}
    with pytest.warns(WeightsDiffer, match=r"float32, .* float16 would change what one paints by up to \d+\.\d of 255\.$"):
        base, path = export_styles(bold, encoder, arts, [CARD], tmp_path)
    runtime = Runtime.open(base, threads=1)
    tensors = {part: row.copy() for part, row in Style.load(path).tensors.items()}
    np.testing.assert_array_equal(tensors["delta"], row["delta"])
    assert parity(bold, runtime, tensors, stylefiles.test_photo()) <= PARITY
    assert runtime.encoder.code([np.zeros((8, 8, 3), np.uint8)]).shape == (SHAPE.code,)
    found = trained_weights(load_safetensors(base.read_bytes()))
    assert torch.equal(found["generator.grain"], bold.grain)
