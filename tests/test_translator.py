"""Networks of a style's own in use: their files, tiles, mixes, enlargement."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch
from conftest import Run
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from PIL import Image

from huafeng import Card, Edit, Library, Photo, Style, Stylizer, parse_styles
from huafeng.art import spans
from huafeng.errors import GraphError, PhotoError, StyleError, StyleNotFound
from huafeng.evaluation.pairs import psnr, ssim
from huafeng.library import BUILT_IN
from huafeng.networkfile import PICTURE, PLAN, STATISTICS, Layer, read_plan
from huafeng.pixels import U8, resize
from huafeng.training import translatorexport
from huafeng.training.enlarging import Enlarger
from huafeng.training.network import upsampling_kernel
from huafeng.training.precision import WeightsDiffer
from huafeng.training.recipes.srgan import shrunk
from huafeng.training.stylenetwork import StyleTransferNetwork
from huafeng.training.translation import Layer as TrainedLayer
from huafeng.training.translation import ResidualGenerator, UNet
from huafeng.training.translatorexport import Network, export_network, network_tensors, parity
from huafeng.translator import Translator, small_kernel

CARD: dict[str, Any] = dict.fromkeys(("title_en", "title_zh", "author", "licence", "trained_on", "provenance"), "test")
CARD |= {"date": "2026-01-01"}


def residual() -> ResidualGenerator:
    return ResidualGenerator(4, 2)


def adding() -> ResidualGenerator:
    network = ResidualGenerator(4, 2, global_residual=True)
    torch.nn.init.normal_(network.last.weight, std=0.02)
    return network


def style_transfer() -> StyleTransferNetwork:
    network = StyleTransferNetwork(4, 6, 8, 2, 2)
    for layer in network.modules():
        if isinstance(layer, TrainedLayer) and layer.scale is not None and layer.shift is not None:
            torch.nn.init.normal_(layer.scale, 1.0, 0.1)
            torch.nn.init.normal_(layer.shift, std=0.1)
    return network


def enlarger(scale: int) -> Enlarger:
    network = Enlarger(scale, 4, 1)  # type: ignore[arg-type]
    torch.nn.init.normal_(network.last.weight, std=0.01)
    return network


MAKE: dict[str, Callable[[], Network]] = {
    "residual": residual,
    "global residual": adding,
    "u-net": lambda: UNet(4, 4),
    "style": style_transfer,
    "twice": lambda: enlarger(2),
    "four times": lambda: enlarger(4),
}


def tensors_of(name: str) -> tuple[Network, dict[str, Any]]:
    torch.manual_seed(3)
    network = MAKE[name]().eval()
    return network, network_tensors(network, 96)


def style_of(name: str, called: str = "test") -> Style:
    network, tensors = tensors_of(name)
    return Style(called, "enlarger" if isinstance(network, Enlarger) else "translator", tensors, Card(**CARD))


FILE = style_of("residual").to_bytes()


@pytest.mark.parametrize("name", MAKE)
def test_runtime_and_tiles(name: str, astronaut: U8) -> None:
    network, tensors = tensors_of(name)
    runtime = Translator(tensors)
    assert parity(network, runtime) <= 3
    photo = np.ascontiguousarray(astronaut[100:230, 150:333])
    statistics = runtime.statistics(photo)
    whole = runtime.paint(photo, statistics=statistics).astype(int)
    scale = runtime.plan.scale
    assert whole.shape == (130 * scale, 183 * scale, 3)
    assert whole.std() > 5
    tiled = runtime.paint(photo, statistics=statistics, tile_px=48)
    assert np.abs(whole - tiled).max() <= 1
    assert np.array_equal(runtime.paint(photo), whole)
    assert np.array_equal(runtime.begin(photo)(photo), whole)


@pytest.mark.parametrize("name", MAKE)
def test_reach_is_told_truly(name: str) -> None:
    """What lies further away than `reach` does not move a pixel, where the norms are left out."""
    network, _ = tensors_of(name)
    for module in network.modules():
        if isinstance(module, TrainedLayer):
            module.norm = False
    scale, reach = getattr(network, "scale", 1), network.reach
    side = (2 * reach // network.stride + 4) * network.stride
    photo = torch.rand(1, 3, network.stride * 2, side, requires_grad=True)
    made, farthest = network(photo), 0
    for place in range(side // 2, side // 2 + min(network.stride, 4)):  # from each place of a coarse cell
        at = made[..., place * scale : (place + 1) * scale].sum()
        (gradient,) = torch.autograd.grad(at, photo, retain_graph=True)
        seen = gradient.abs().sum((0, 1, 2)).nonzero()
        farthest = max(farthest, place - int(seen.min()), int(seen.max()) - place)
    assert reach // 2 < farthest <= reach


@given(st.integers(1, 40), st.integers(1, 400), st.integers(1, 16), st.integers(0, 8))
def test_tiles_cover_each_pixel_once_and_read_as_far_as_is_needed(cells: int, tile: int, stride: int, reach: int) -> None:
    length, reach = cells * stride, reach * stride
    written: list[int] = []
    for span in spans(length, tile, stride, reach):
        assert span.read.start == max(0, span.write.start - reach)
        assert span.read.stop == min(length, span.write.stop + reach)
        assert span.read.start % stride == span.read.stop % stride == 0
        kept = range(span.read.start, span.read.stop)[span.keep]
        assert (kept.start, kept.stop) == (span.write.start, span.write.stop)
        written += kept
    assert written == list(range(length))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_file_with_wrong_bytes_is_refused_or_a_style(data: st.DataObject) -> None:
    good = bytearray(FILE)
    for _ in range(data.draw(st.integers(1, 3))):
        good[data.draw(st.integers(0, 3000) | st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        style = Style.from_bytes(bytes(good))
    except StyleError:
        return
    assert Style.from_bytes(style.to_bytes()).name == style.name


def test_the_kernel_on_the_small_grid_is_the_trained_one() -> None:
    weight = torch.randn(3, 2, 3, 3)
    assert np.allclose(small_kernel(weight.numpy()), upsampling_kernel(weight).numpy(), atol=1e-6)


@pytest.mark.parametrize("name", MAKE)
def test_files(name: str, tmp_path: Path) -> None:
    torch.manual_seed(3)
    path = export_network(MAKE[name](), "mine", CARD, 96, tmp_path)
    assert path.name == ("mine.enlarge" if name in ("twice", "four times") else "mine.style")
    style = Style.load(path)
    assert style.to_bytes() == path.read_bytes()
    assert style.tensors["first.weight" if "first.weight" in style.tensors else "last.weight"].dtype == np.float16
    assert (STATISTICS in style.tensors) == (style.kind == "translator")
    assert read_plan(style.tensors[PLAN].tobytes()).working_px == 96


@pytest.mark.parametrize("name", MAKE)
def test_bold_networks_keep_float32(name: str, tmp_path: Path, astronaut: U8) -> None:
    """Where a last layer enlarges every small difference, float16 is too coarse."""
    network = tensors_of(name)[0]
    with torch.no_grad():
        network.get_parameter("last.weight").mul_(100)
    with pytest.warns(WeightsDiffer, match=r"float32, .* float16 would change what mine paints by up to \d+\.\d of 255\.$"):
        path = export_network(network, "mine", CARD, 96, tmp_path)
    style = Style.load(path)
    assert style.to_bytes() == path.read_bytes()
    assert style.tensors["last.weight"].dtype == np.float32
    assert parity(network, Translator(style.tensors)) <= 1
    assert path.stat().st_size > 1.2 * len(style_of(name).to_bytes())
    if style.kind == "translator":
        stylizer = Stylizer(Library([tmp_path]), threads=1)
        assert stylizer.apply(Photo.from_array(astronaut[:90, :120]), Edit(parse_styles("mine"))).pixels.shape == (90, 120, 3)


def test_what_float16_cannot_hold_is_float32(tmp_path: Path) -> None:
    network = tensors_of("residual")[0]
    with torch.no_grad():
        network.get_parameter("first.weight").mul_(1e8)  # its norm takes that back
    with pytest.warns(WeightsDiffer, match="float32"):
        style = Style.load(export_network(network, "mine", CARD, 96, tmp_path))
    assert np.isfinite(style.tensors["first.weight"]).all()
    assert style.tensors["first.weight"].dtype == np.float32


def test_a_style_is_written_even_where_the_runtime_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translatorexport, "parity", lambda network, runtime: 5.25)
    with pytest.warns(WeightsDiffer, match=r"otherwise than the trained network: mine \(5\.2 of 255\)\. Look at it"):
        path = export_network(tensors_of("residual")[0], "mine", CARD, 96, tmp_path)
    assert Style.load(path).kind == "translator"


def broken(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in (tensors_of("residual")[1] | changes).items() if value is not None}


def bytes_of(text: str) -> Any:
    return np.frombuffer(text.encode(), np.uint8)


def plan(**changes: Any) -> Any:
    values = json.loads(tensors_of("residual")[1][PLAN].tobytes()) | changes
    return bytes_of(json.dumps({k: v for k, v in values.items() if v is not None}))


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        (broken(plan=None), "must hold a network's 'plan'"),
        (broken(**{PICTURE: None}), "must hold a network's 'plan' and 'graph.picture'"),
        (broken(**{STATISTICS: None}), "'graph.statistics' is only in one of them"),
        (broken(**{"last.bias": None}), "'last.bias' is only in one of them"),
        (broken(**{"more.weight": np.zeros((1, 1, 1, 1), np.float16)}), "'more.weight' is only in one of them"),
        (broken(**{"last.bias": np.full(3, np.inf, np.float32)}), "holds a NaN or an infinite value"),
        (broken(**{"last.bias": np.zeros(3, np.int8)}), "is not what a network is made of"),
        (broken(**{PICTURE: np.zeros(3, np.float32)}), "is not what a network is made of"),
        (broken(plan=bytes_of("{")), "plan of its network is damaged"),
        (broken(plan=bytes_of("[]")), "plan of its network is damaged"),
        (broken(plan=plan(reach=None)), "plan of its network is damaged"),
        (broken(plan=plan(stride=0)), "plan of its network is damaged"),
        (broken(plan=plan(reach=10**9)), "plan of its network is damaged"),
        (broken(plan=plan(scale=True)), "plan of its network is damaged"),
        (broken(plan=plan(layers={})), "plan of its network is damaged"),
        (broken(plan=plan(layers={"last": [1, 2]})), "plan of its network is damaged"),
        (broken(plan=plan(layers=[1, 2])), "plan of its network is damaged"),
        (broken(plan=plan(scale=2)), "does not go with a scale of 2"),
    ],
)
def test_broken_networks(tensors: dict[str, Any], told: str) -> None:
    with pytest.raises(StyleError, match=told):
        Style("test", "translator", tensors, Card(**CARD))


def test_a_graph_that_is_none_is_told_when_it_is_run(astronaut: U8) -> None:
    for graph in (PICTURE, STATISTICS):
        style = Style("test", "translator", broken(**{graph: bytes_of("no graph")}), Card(**CARD))
        with pytest.raises((GraphError, StyleError), match="damaged|another file"):
            Translator(style.tensors).paint(astronaut[:80, :80])


def test_a_graph_reads_no_other_file(astronaut: U8, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("secret").write_bytes(bytes(12))
    for place in ("secret", str(tmp_path / "secret")):
        weight = TensorProto(name="other", data_type=TensorProto.FLOAT, dims=[3], data_location=TensorProto.EXTERNAL)
        weight.external_data.add(key="location", value=place)
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in ("photo", "picture")]
        add = helper.make_node("Add", ["photo", "other"], ["picture"])
        graph = helper.make_graph([add], "graph", ends[:1], ends[1:], [weight])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
        model.ir_version = 9
        style = broken(**{PICTURE: np.frombuffer(model.SerializeToString(), np.uint8)})
        with pytest.raises((GraphError, StyleError), match="damaged|another file"):
            Translator(style).paint(astronaut[:80, :80])


def test_a_plan_comes_back() -> None:
    found = read_plan(tensors_of("u-net")[1][PLAN].tobytes())
    assert read_plan(found.to_bytes()) == found
    assert (found.stride, found.reach, found.scale) == (16, 64, 1)
    assert found.layers["up.0"] == Layer(up=True, norm=True)


# in the stylizer


@pytest.fixture
def stylizer(tmp_path: Path) -> Stylizer:
    style_of("residual", "one").save(tmp_path / "one.style")
    style_of("u-net", "two").save(tmp_path / "two.style")
    style_of("twice").save(tmp_path / "twice.enlarge")
    return Stylizer(Library([*Library().folders, tmp_path]), threads=1)


@pytest.fixture
def photo(coffee: U8) -> Photo:
    return Photo.from_array(resize(coffee, 180, 120))


def applied(stylizer: Stylizer, photo: Photo, styles: str, **changes: Any) -> Any:
    return stylizer.apply(photo, replace(Edit(parse_styles(styles)), **changes)).pixels.astype(int)


def test_a_translator_is_a_style_like_others(stylizer: Stylizer, photo: Photo) -> None:
    whole = applied(stylizer, photo, "one")
    assert whole.shape == photo.pixels.shape
    working = resize(photo.pixels, 144, 96)  # its working size, 96 px
    painted = Translator(style_of("residual").tensors).paint(working)
    assert np.abs(resize(painted, 180, 120) - applied(stylizer, photo, "one", detail=0.0)).max() <= 1
    half = applied(stylizer, photo, "one", strength=0.5)
    assert np.abs((whole + photo.pixels) / 2 - half).max() <= 1
    kept = applied(stylizer, photo, "one", keep_colors=True)
    assert np.abs(kept - whole).mean() > 1
    assert not np.array_equal(applied(stylizer, photo, "one", stroke=1.5), whole)


def test_what_has_no_code_is_mixed_by_blending(stylizer: Stylizer, photo: Photo) -> None:
    one, two, art = (applied(stylizer, photo, name) for name in ("one", "two", "monet"))
    assert np.abs((3 * one + two) / 4 - applied(stylizer, photo, "one:3+two")).max() <= 1
    assert np.abs((one + two + 2 * art) / 4 - applied(stylizer, photo, "one+monet:2+two")).max() <= 2


def test_enlarging(stylizer: Stylizer, photo: Photo) -> None:
    alpha = np.zeros((120, 180), np.uint8)
    alpha[:60] = 255
    enlarger = stylizer.library.enlarger("2")
    large = stylizer.enlarge(Photo.from_array(photo.pixels, alpha), enlarger)
    assert large.pixels.shape == (240, 360, 3)
    plain = resize(photo.pixels, 360, 240).astype(int)
    assert 0 < np.abs(large.pixels - plain).mean() < 60
    assert large.alpha is not None
    assert large.alpha.shape == (240, 360)
    assert (large.alpha[:110].min(), large.alpha[130:].max()) == (255, 0)


def test_the_built_in_enlarger_beats_bicubic(astronaut: U8, chelsea: U8, coffee: U8) -> None:
    """On photos that it has not learned from, shrunk to half: nearer to the truth by a decibel, and in SSIM."""
    library, stylizer = Library([BUILT_IN]), Stylizer()
    for photo in (astronaut[:300, 80:380], chelsea, coffee[40:340, 100:500]):
        truth = np.ascontiguousarray(photo[: photo.shape[0] // 2 * 2, : photo.shape[1] // 2 * 2])
        height, width = truth.shape[:2]
        small = shrunk(truth, 2, "bicubic")
        plain = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))
        made = stylizer.enlarge(Photo.from_array(small), library.enlarger("2")).pixels
        assert psnr(truth, made) > psnr(truth, plain) + 1
        assert ssim(truth, made) > ssim(truth, plain)


def test_what_enlarges_is_no_style_and_the_other_way_round(stylizer: Stylizer, photo: Photo, tmp_path: Path) -> None:
    with pytest.raises(StyleError, match="is no style, it enlarges photos"):
        applied(stylizer, photo, str(tmp_path / "twice.enlarge"))
    with pytest.raises(StyleError, match=r"is a style \(translator\), it does not enlarge"):
        stylizer.enlarge(photo, stylizer.library.get("one"))
    with pytest.raises(StyleNotFound, match="has nothing that enlarges 4 times"):
        stylizer.library.enlarger("4")
    with pytest.raises(StyleError, match="2 or 4 times"):
        stylizer.library.enlarger("3")


def test_a_photo_that_would_become_too_large(stylizer: Stylizer) -> None:
    huge = Photo.from_array(np.broadcast_to(np.uint8(0), (10_000, 10_000, 3)))  # 100 megapixels, of one byte
    with pytest.raises(PhotoError, match="20,000 x 20,000 pixels, more than the 200,000,000 that are allowed"):
        stylizer.enlarge(huge, stylizer.library.enlarger("2"))


# on the command line


def test_enlarge_verb(huafeng: Run, styles_folder: Path, coffee: U8) -> None:
    Image.fromarray(resize(coffee, 60, 40)).save("cup.png")
    style_of("twice", "sharp").save(styles_folder / "sharp.enlarge")
    ran = huafeng("apply", "--enlarge", "2", "cup.png")
    assert (ran.code, ran.out) == (0, "cup.png -> cup-x2.png\n"), ran.err
    with Image.open("cup-x2.png") as image:
        assert image.size == (120, 80)
    ran = huafeng("apply", "--enlarge", str(styles_folder / "sharp.enlarge"), "cup.png", "cup-x2.png", "-o", "large/")
    assert ran.code == 0, ran.err
    assert sorted(path.name for path in Path("large").iterdir()) == ["cup-x2-x2.png", "cup-x2.png"]
    shown = huafeng("styles", str(styles_folder / "sharp.enlarge"))
    assert "enlarger (for --enlarge)" in shown.out
    assert "sharp" not in huafeng("styles").out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--enlarge", "4", "cup.png"), "nothing that enlarges 4 times"),
        (("--enlarge", "3", "cup.png"), "2 or 4 times, or by an .enlarge file, not by '3'"),
        (("--enlarge", "gone.enlarge", "cup.png"), "There is no style file gone.enlarge"),
        (("--enlarge", "look.enlarge", "cup.png"), "look.enlarge is a style (look), it does not enlarge"),
        (("--enlarge", "2", "cup.png", "--strength", "0.5"), "--enlarge gives no style"),
        (("--enlarge", "2", "cup.png", "--region", "face"), "--enlarge gives no style"),
        (("--enlarge", "2", "cup.png", "--save-edit"), "--enlarge gives no style"),
        (("--enlarge", "2", "gone.png"), "There is no file gone.png"),
        (("run/styles/mine.style", "cup.png"), "the run run is still training, or was stopped"),
    ],
)
def test_mistakes(huafeng: Run, styles_folder: Path, coffee: U8, arguments: tuple[str, ...], told: str) -> None:
    Image.fromarray(resize(coffee, 60, 40)).save("cup.png")
    Path("look.enlarge").write_bytes((styles_folder / "dark.style").read_bytes())
    style_of("twice").save(styles_folder / "sharp.enlarge")
    Path("run").mkdir()
    Path("run/options.json").write_text("{}")
    ran = huafeng("apply", *arguments)
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert told in ran.err
    assert "Traceback" not in ran.err


def test_damaged_files_on_the_command_line(huafeng: Run, coffee: U8) -> None:
    Image.fromarray(resize(coffee, 60, 40)).save("cup.png")
    data = style_of("residual").to_bytes()
    Path("cut.style").write_bytes(data[: len(data) // 2])
    held = safetensors.numpy.load(data)
    Path("foreign.style").write_bytes(safetensors.numpy.save(held))
    for name, told in (("cut.style", "cut off"), ("foreign.style", "not a Huafeng style")):
        ran = huafeng("apply", name, "cup.png")
        assert ran.code == 2
        assert told in ran.err
