"""Where figures are measured: spaces of style and content, networks, crops of works, protocols; worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file

from huafeng.errors import DataError
from huafeng.evaluation.bootstrap import percentiles
from huafeng.evaluation.figure import CurvePoint
from huafeng.evaluation.networks import Maps, Network, load_network, look
from huafeng.evaluation.protocol import Protocol
from huafeng.evaluation.space import ContentSpace, StyleSpace, gram_distances
from huafeng.evaluation.summary import pair_figures, safe_strength, style_figures
from huafeng.evaluation.values import Values, layers
from huafeng.evaluation.works import Seen, Works, cut, see
from huafeng.pixels import F32, U8
from huafeng.training import backbones
from huafeng.training.distances import kid

F64 = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def random(*shape: int, seed: int = 0) -> F32:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def crops(count: int, side: int = 64, seed: int = 0) -> list[U8]:
    return list(np.random.default_rng(seed).integers(256, size=(count, side, side, 3), dtype=np.uint8))


# --- style


def test_style_space_by_hand() -> None:
    """One layer of one channel: the works' root mean square is 4, both ends lie 1 apart from the middle at 5 / sqrt(2) / 4."""
    photos, works = np.full((3, 2, 1), 6.0, np.float32), np.full((3, 2, 1), 4.0, np.float32)
    space = StyleSpace([photos], [works])
    assert space([photos]) == pytest.approx(np.ones((3, 2)))
    assert space([works]) == pytest.approx(-np.ones((3, 2)))
    assert space([np.full((1, 2, 1), 5.0, np.float32)]) == pytest.approx(np.zeros((1, 2)))
    assert space([np.full((1, 2, 1), 8.0, np.float32)]) == pytest.approx(np.full((1, 2), 3.0))


def test_every_style_layer_weighs_the_same() -> None:
    """A layer of 50 channels with values a thousand times as large moves pictures no further than one of 5 channels."""
    photos = [random(40, 2, 5), 1000 * random(40, 2, 50, seed=1)]
    works = [random(40, 2, 5, seed=2), 1000 * random(40, 2, 50, seed=3)]
    space = StyleSpace(photos, works)
    small, large = np.split(np.square(space(works)), [10], axis=1)
    assert small.sum() == pytest.approx(large.sum(), rel=0.25)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 1000))
def test_style_space_has_neither_scale_nor_origin(seed: int, scale: float) -> None:
    """Whatever a network's own scale: the two ends lie around 0, at a root mean square of 1."""
    photos, works = scale * random(6, 2, 3, seed=seed), scale * (random(7, 2, 3, seed=seed + 1) + 2)
    space = StyleSpace([photos], [works])
    ends = [space([photos]), space([works])]
    assert ends[0].mean(0) + ends[1].mean(0) == pytest.approx(np.zeros(6), abs=1e-5)
    assert np.mean([np.square(end).mean() for end in ends]) == pytest.approx(1, rel=1e-5)


def test_a_dead_layer_changes_no_style() -> None:
    live, dead = random(5, 2, 3), np.zeros((5, 2, 4), np.float32)
    found = StyleSpace([live, dead], [live + 1, dead])([live, dead])
    assert np.isfinite(found).all()
    assert not found[:, 6:].any()


def test_gram_distances_by_hand() -> None:
    """|G - T| / |T| is 0 for equal ones and 1 for G = 2 T or 0; of two layers it is the mean."""
    wanted = [np.array([[3.0, 0], [0, 4]], np.float32), np.ones((1, 1), np.float32)]
    grams = [np.stack([wanted[0], 2 * wanted[0], 0 * wanted[0]]), np.array([[[1.0]], [[1.0]], [[-1.0]]], np.float32)]
    assert gram_distances(grams, wanted) == pytest.approx([0, 0.5, 1.5])


# --- content


def test_content_is_1_for_the_photo_and_0_for_the_mean_of_others() -> None:
    photos = random(20, 4, 8, 8)
    space = ContentSpace(photos)
    assert space.kept(photos, range(20)) == pytest.approx(np.ones(20), abs=1e-9)
    shifts = (2, 6, 10, 14)  # a tenth, three, five and seven tenths on
    others = [space.kept(photos[np.roll(np.arange(20), shift)], range(20)) for shift in shifts]
    assert np.mean(others) == pytest.approx(0, abs=1e-3)
    assert np.abs(others).max() > 0.01


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_content_does_not_see_a_channels_mean_and_deviation(seed: int) -> None:
    """They are style; turned round, a channel is as far away as can be."""
    photos, draw = random(6, 3, 8, 8, seed=seed), np.random.default_rng(seed)
    gain, offset = (draw.uniform(low, 3, size=(6, 3, 1, 1)).astype(np.float32) for low in (0.5, -3))
    space = ContentSpace(photos)
    assert space.kept(photos * gain + offset, range(6)) == pytest.approx(np.ones(6), abs=2e-3)
    turned = (-1 - space.unrelated) / (1 - space.unrelated)
    assert space.kept(-photos, range(6)) == pytest.approx(np.full(6, turned), abs=2e-3)


def test_content_by_hand() -> None:
    """Channels weigh by their variance: of 3 to 1, the second one turned round leaves (3 - 1) / 4 of the correlation."""
    plane = np.array([[1, -1], [1, -1]], np.float32)
    other = plane.T
    photos = np.stack([np.stack([np.sqrt(3, dtype=np.float32) * p, p]) for p in (plane, other)])
    space = ContentSpace(photos)
    assert space.unrelated == pytest.approx(0, abs=1e-6)  # the two planes do not correlate
    changed = photos * np.array([1, -1], np.float32)[:, None, None]
    assert space.kept(changed, range(2)) == pytest.approx([0.5, 0.5], abs=2e-3)


def test_flat_channels_and_flat_pictures() -> None:
    """A channel that is flat in the photos counts for nothing; of a flat picture no content is kept."""
    photos = random(8, 3, 8, 8)
    photos[:, 2] = 0.25
    space = ContentSpace(photos)
    noisy = photos.copy()
    noisy[:, 2] += random(8, 8, 8, seed=1)
    assert space.kept(noisy, range(8)) == pytest.approx(np.ones(8), abs=1e-3)
    nothing = space.kept(np.full_like(photos, 0.5), range(8))
    assert nothing == pytest.approx(np.full(8, -space.unrelated / (1 - space.unrelated)))


def test_photos_that_are_all_the_same_are_refused() -> None:
    with pytest.raises(DataError, match="give different photos"):
        ContentSpace(np.repeat(random(1, 3, 8, 8), 10, 0))
    with pytest.raises(DataError, match="flat"):
        ContentSpace(np.ones((10, 3, 8, 8), np.float32))


# --- figures from values


def values(style: F32, content: float = 1.0, blended: tuple[tuple[tuple[F32, ...], F64], ...] = ()) -> Values:
    count = len(style)
    return Values({}, (style,), np.full(count, content), np.empty(0), np.empty(0), blended)


def works_of(count: int) -> Works:
    rows = np.arange(count)
    return Works("works", crops(count, 4), count, (rows[::2], rows[1::2]))


@pytest.fixture
def ends() -> tuple[F32, F32]:
    """Style statistics of photos, and of works that lie apart from them."""
    return random(40, 2, 6), random(40, 2, 6, seed=1) + 3


def test_the_distances_are_those_of_the_embedded_pictures(ends: tuple[F32, F32]) -> None:
    photos, works = ends
    made = random(40, 2, 6, seed=2) + 1.5
    space, against = StyleSpace([photos], [works]), works_of(40)
    seen = Seen((works,), np.empty((40, 0), np.float32), (), ())
    figures, curve = style_figures(values(made, 0.6), values(photos), against, seen, space, ())
    found = figures["kid"]
    first, second = (space([works[rows]]) for rows in against.halves)
    assert found.value == pytest.approx(kid(space([made]), space([works])))
    assert found.identity == pytest.approx(kid(space([photos]), space([works])))
    assert found.random == pytest.approx(kid(first, second))
    assert found.identity is not None
    assert found.random is not None
    gap = figures["style-gap-closed"]
    assert gap.value == pytest.approx((found.identity - found.value) / (found.identity - found.random))
    assert (gap.identity, gap.random) == (0, 1)
    for figure in figures.values():
        assert figure.interval is not None
        low, high = figure.interval
        assert low <= figure.value <= high
        assert low < high
    assert curve[0] == CurvePoint(0, 0, 1)
    assert (curve[1].strength, curve[1].style_gap_closed, curve[1].content_kept) == pytest.approx((1, gap.value, 0.6))


def test_the_photos_themselves_close_no_gap_and_works_close_all_of_it(ends: tuple[F32, F32]) -> None:
    photos, works = ends
    space, against = StyleSpace([photos], [works]), works_of(40)
    seen = Seen((works,), np.empty((40, 0), np.float32), (), ())
    plain, _ = style_figures(values(photos), values(photos), against, seen, space, ())
    assert plain["style-gap-closed"].value == 0
    assert plain["style-gap-closed"].interval == (0, 0)
    other_works = values(random(40, 2, 6, seed=5) + 3, 0)
    closed = style_figures(other_works, values(photos), against, seen, space, ())[0]["style-gap-closed"]
    assert closed.value == pytest.approx(1, abs=0.05)
    assert closed.interval is not None
    assert closed.interval[0] < 1 < closed.interval[1]


def test_without_a_gap_there_is_no_share_of_it() -> None:
    photos, works = random(40, 2, 6), random(40, 2, 6, seed=1)
    seen = Seen((works,), np.empty((40, 0), np.float32), (), ())
    figures, curve = style_figures(values(photos), values(photos), works_of(40), seen, StyleSpace([photos], [works]), ())
    assert set(figures) == {"kid", "frechet"}
    assert curve == ()


def test_area_of_the_curve_by_hand(ends: tuple[F32, F32]) -> None:
    """Content goes 1, 0.8, 0.4 while the gap goes 0, g, h: trapezoids above the line 1 - content of widths 0.2 and 0.4."""
    photos, works = ends
    space, against = StyleSpace([photos], [works]), works_of(40)
    seen = Seen((works,), np.empty((40, 0), np.float32), (), ())
    halfway: tuple[tuple[F32, ...], F64] = (((photos + works) / np.float32(2),), np.full(40, 0.8))
    figures, curve = style_figures(values(works, 0.4, (halfway,)), values(photos), against, seen, space, (0.5,))
    assert [point.strength for point in curve] == [0, 0.5, 1]
    assert [point.content_kept for point in curve] == pytest.approx([1, 0.8, 0.4])
    g, h = (point.style_gap_closed for point in curve[1:])
    assert 0.3 < g < h
    area = 0.2 * (g - 0.2) / 2 + 0.4 * ((g - 0.2) + (h - 0.6)) / 2
    assert figures["curve-area"].value == pytest.approx(area)


@pytest.mark.parametrize(
    ("contents", "safe"),
    [
        ((1.0, 0.9, 0.7), (0.0, 1.0)),
        ((1.0, 0.7, 0.3), (0.0, 0.75)),  # between 0.5 and 1, half of the way from 0.7 to 0.3
        ((1.0, 0.25, 0.6), (0.0, 0.33)),  # it never counts that content comes back
        ((1.0, 0.5, 0.5), (0.0, 1.0)),
    ],
)
def test_safe_strength_by_hand(contents: tuple[float, ...], safe: tuple[float, float]) -> None:
    curve = [CurvePoint(strength, 0, content) for strength, content in zip((0, 0.5, 1), contents, strict=True)]
    assert safe_strength(curve) == pytest.approx(safe)
    assert safe_strength([]) is None


def test_means_leave_out_what_cannot_be_measured() -> None:
    """Of a figure that no picture has, nothing is told; of the others count and mean are of those that have it."""
    none, some = np.full(4, np.nan), np.array([1.0, np.nan, 3.0, np.nan])
    found = replace(values(random(4, 2, 1)), pairs={"halo": none, "skin-shift": some, "mse": np.arange(4.0)})
    figures = pair_figures(found, replace(found, pairs={"skin-shift": np.zeros(4)}), replace(found, pairs={"mse": none}))
    assert set(figures) == {"skin-shift", "mse", "content-kept"}
    skin = figures["skin-shift"]
    assert (skin.value, skin.count, skin.identity, skin.random) == (2, 2, 0, None)
    assert skin.interval == percentiles(np.random.default_rng([0, 2]).integers(2, size=(1000, 2)).mean(1) * 2 + 1)
    assert (figures["mse"].value, figures["mse"].random) == (1.5, None)


def test_values_of_several_lots_are_those_of_all() -> None:
    one, two = (replace(values(random(n, 2, 3, seed=n)), pairs={"mse": np.full(n, float(n))}) for n in (2, 3))
    both = Values.joined([one, two])
    assert both.pairs["mse"].tolist() == [2, 2, 3, 3, 3]
    assert np.array_equal(both.style[0], np.concatenate([one.style[0], two.style[0]]))
    assert [layer.shape for layer in layers([(random(2, 2, 3), random(2, 2, 5)), (random(1, 2, 3), random(1, 2, 5))])] == [
        (3, 2, 3), (3, 2, 5),
    ]  # fmt: skip


# --- protocol


@given(st.integers(64, 4096), st.integers(64, 4096))
def test_a_protocol_is_its_name(photo_px: int, crop_px: int) -> None:
    photo_px, crop_px = max(photo_px, crop_px), min(photo_px, crop_px)
    assert Protocol.named(f"photo{photo_px}-crop{crop_px}-v1") == Protocol(photo_px, crop_px)
    assert Protocol(photo_px, crop_px).name == f"photo{photo_px}-crop{crop_px}-v1"


@pytest.mark.parametrize(
    "name", ["", "photo512", "photo512-crop256", "photo512-crop256-v2", "photo512-crop256-v1 ", "photo-1-crop256-v1",
             "photo256-crop512-v1", "photo64-crop32-v1", "photo9999-crop256-v1"],
)  # fmt: skip
def test_other_protocols_are_refused(name: str) -> None:
    with pytest.raises(DataError, match="protocol"):
        Protocol.named(name)


@pytest.mark.parametrize(("size", "shown"), [((300, 200), (192, 128)), ((64, 100), (128, 200)), ((128, 128), (128, 128))])
def test_sizes_of_a_protocol(size: tuple[int, int], shown: tuple[int, int]) -> None:
    protocol, picture = Protocol(128, 64), crops(1, 300)[0][: size[0], : size[1]]
    found = protocol.shown(picture)
    assert found.shape == (*shown, 3)
    top, left = (shown[0] - 64) // 2, (shown[1] - 64) // 2
    assert np.array_equal(protocol.crop(found), found[top : top + 64, left : left + 64])


# --- works


PROTOCOL = Protocol(128, 64)


@pytest.mark.parametrize(("count", "per_work"), [(1, 200), (3, 67), (4, 50), (250, 1)])
def test_works_are_cut_into_200_crops_or_one_each(count: int, per_work: int) -> None:
    works = cut([crops(1, 320)[0]] * count, "x", PROTOCOL)
    assert (works.count, works.per_work, len(works.crops)) == (count, per_work, count * per_work)
    assert {crop.shape for crop in works.crops} == {(64, 64, 3)}
    rows = np.concatenate(works.halves)
    assert sorted(rows) == list(range(len(works.crops)))
    assert abs(len(works.halves[0]) - len(works.halves[1])) <= per_work
    of_work = [set((half // per_work).tolist()) for half in works.halves]
    assert works.split_by_work is (count >= 4)
    assert bool(of_work[0] & of_work[1]) is (count < 4)


def test_crops_are_pieces_of_their_works_and_always_the_same() -> None:
    pictures = [np.full((150, 130, 3), shade, np.uint8) for shade in range(0, 60, 10)]
    works = cut(pictures, "x", PROTOCOL)
    assert [int(crop[0, 0, 0]) for crop in works.crops] == np.repeat(range(0, 60, 10), works.per_work).tolist()
    assert works.per_work == 30  # as many places 16 px apart as there are: 6 x 5
    pictures = crops(6, 150)
    works, again = cut(pictures, "x", PROTOCOL), cut([picture.copy() for picture in pictures], "y", PROTOCOL)
    assert works.digest == again.digest
    assert cut(pictures[::-1], "x", PROTOCOL).digest != works.digest


def test_small_works_are_enlarged_and_too_few_crops_refused() -> None:
    assert {crop.shape for crop in cut(crops(9, 40), "x", PROTOCOL).crops} == {(64, 64, 3)}
    with pytest.raises(DataError, match="There are no works in monet"):
        cut([], "monet", PROTOCOL)
    with pytest.raises(DataError, match=r"Only 7 different crops of 64 px can be cut from monet, and 8 are needed"):
        cut(crops(7, 64), "monet", PROTOCOL)
    with pytest.raises(DataError, match=r"Only 1 different crops"):
        cut(crops(1, 70), "monet", PROTOCOL)


# --- networks


@dataclass
class Counting:
    """A network of one layer, the colours themselves, that counts the pictures that it has seen."""

    name: str = "colours"
    sha256: str = "a"
    layered: bool = True
    seen: int = 0

    def maps(self, pictures: U8) -> Maps:
        """See huafeng.evaluation.networks.Network."""
        self.seen += len(pictures)
        layer = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
        return Maps([layer], layer, layer.mean((2, 3)))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HUAFENG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def same(one: Seen, two: Seen) -> bool:
    return all(
        np.array_equal(a, b)
        for name in ("style", "grams", "grams_of_half")
        for a, b in zip(getattr(one, name), getattr(two, name), strict=True)
    ) and np.array_equal(one.pooled, two.pooled)


def test_works_are_looked_at_once(cache: Path) -> None:
    works, network = cut(crops(5, 80), "x", PROTOCOL), Counting()
    first = see(works, network)
    assert network.seen == len(works.crops)
    assert same(see(works, network), first)
    assert network.seen == len(works.crops)
    (file,) = cache.iterdir()
    data = file.read_bytes()
    for damaged in (data[: len(data) // 2], b"", b"not numpy's"):
        file.write_bytes(damaged)
        network.seen = 0
        assert same(see(works, network), first)
        assert network.seen == len(works.crops)
        assert file.read_bytes() == data


def test_other_works_or_another_network_are_looked_at_anew(cache: Path) -> None:
    works, network = cut(crops(5, 80), "x", PROTOCOL), Counting()
    see(works, network)
    for other in (Counting(sha256="b"), Counting(name="others")):
        see(works, other)
        assert other.seen
    before = network.seen
    see(cut(crops(5, 80, seed=1), "x", PROTOCOL), network)
    assert network.seen > before
    assert len(list(cache.iterdir())) == 4


def test_a_cache_that_cannot_be_written_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("HUAFENG_CACHE", str(tmp_path / "file"))
    assert see(cut(crops(5, 80), "x", PROTOCOL), Counting()).pooled.shape[1] == 3


def test_what_is_seen_in_works(cache: Path) -> None:
    """The order is that of the crops, whatever half they are in; Gram matrices are means over all, and over one half."""
    works, network = cut(crops(5, 80), "x", PROTOCOL), Counting()
    seen, looked = see(works, network), look(network, works.crops, grams=True)
    assert np.array_equal(seen.style[0], looked.style[0])
    assert np.array_equal(seen.pooled, looked.pooled)
    assert seen.grams[0] == pytest.approx(looked.grams[0].mean(0), rel=1e-5)
    assert seen.grams_of_half[0] == pytest.approx(looked.grams[0][works.halves[0]].mean(0), rel=1e-5)


def test_looked_at_by_hand() -> None:
    """Two pictures of one colour: their mean is the colour, their deviation 0, their Gram matrix the colour's products."""
    pictures = [np.full((32, 32, 3), colour, np.uint8) for colour in ((255, 0, 51), (0, 0, 0))]
    found = look(Counting(), pictures, content=True, grams=True)
    assert found.style[0][:, 0] == pytest.approx(np.array([[1, 0, 0.2], [0, 0, 0]]), abs=1e-6)
    assert found.style[0][:, 1] == pytest.approx(np.zeros((2, 3)), abs=4e-3)  # the root of the 1e-5 inside it
    assert found.pooled == pytest.approx(np.array([[1, 0, 0.2], [0, 0, 0]]), abs=1e-6)
    assert found.content is not None
    assert found.content.shape == (2, 3, 32, 32)
    gram = found.grams[0][0]
    # a sum of 1,024 products in float32: in which order, and so to which digit, is the processor's business
    assert gram / gram[0, 0] == pytest.approx(np.outer([1, 0, 0.2], [1, 0, 0.2]), abs=5e-6)
    assert look(Counting(), pictures).grams == ()


def test_the_shipped_network() -> None:
    network = load_network()
    found = look(network, crops(9), content=True)
    assert (network.name, network.layered) == ("features-v1", True)
    assert {layer.shape[:2] for layer in found.style} == {(9, 2)}
    alone = look(network, crops(9)[8:])  # what is in the same batch must not matter
    assert alone.pooled == pytest.approx(found.pooled[8:], rel=1e-4, abs=1e-4)


def test_squeezenet_from_a_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    body = backbones.SqueezeNet("1.1")
    places = dict(zip(body.layers, (0, 3, 4, 6, 7, 9, 10), strict=False))
    weights = {}
    for name, weight in body.state_dict().items():
        layer, _, rest = name.partition(".")
        weights[f"features.{places[layer]}.{rest}"] = torch.randn_like(weight) * 0.05
    save_file(weights, tmp_path / "s.safetensors")
    network = load_network(tmp_path / "s.safetensors")
    found = look(network, crops(2), content=True, grams=True)
    assert (network.name, network.layered, len(found.style)) == ("squeezenet1_1", True, 7)
    assert [gram.shape[1] for gram in found.grams] == [layer.shape[2] for layer in found.style]
    weights["features.0.weight"] = weights["features.0.weight"] * 2
    save_file(weights, tmp_path / "t.safetensors")
    assert load_network(tmp_path / "t.safetensors").sha256 != network.sha256


def onnx_file(path: Path, outputs: tuple[str, ...], batch: int | str = "b") -> Path:
    """A network of one fixed convolution, 3 -> 2 channels; `layer` is its output, `again` its half, `pooled` [B, 2]."""
    weight = np.arange(6, dtype=np.float32).reshape(2, 3, 1, 1) / 6
    shapes: dict[str, list[int | str]] = {
        "layer": [batch, 2, "h", "w"],
        "again": [batch, 2, "h", "w"],
        "pooled": [batch, 2],
        "flat": [2],
    }
    nodes = [
        helper.make_node("Conv", ["x", "weight"], ["layer"]),
        helper.make_node("Mul", ["layer", "half"], ["again"]),
        helper.make_node("ReduceMean", ["layer"], ["pooled"], axes=[2, 3], keepdims=0),
        helper.make_node("ReduceMean", ["layer"], ["flat"], axes=[0, 2, 3], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, "H", "W"])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in outputs],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(np.array(0.5, np.float32), "half")],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def test_a_layered_onnx_network(tmp_path: Path) -> None:
    network = load_network(onnx_file(tmp_path / "mine.onnx", ("layer", "again", "pooled")))
    pictures = crops(3)
    found = look(network, pictures, content=True)
    assert network.layered
    assert network.name == f"mine-{network.sha256[:8]}"
    assert [layer.shape for layer in found.style] == [(3, 2, 2), (3, 2, 2)]
    means = np.stack([picture.mean((0, 1)) / 255 for picture in pictures])
    expected = means @ (np.arange(6).reshape(2, 3).T / 6)
    assert found.style[0][:, 0] == pytest.approx(expected, rel=1e-4)
    assert found.style[1][:, 0] == pytest.approx(expected / 2, rel=1e-4)
    assert found.pooled == pytest.approx(expected, rel=1e-4)
    assert found.content is not None
    assert found.content.mean((2, 3)) == pytest.approx(expected / 2, rel=1e-4)  # the last layer


def test_a_pooled_onnx_network_has_no_layers(tmp_path: Path) -> None:
    network = load_network(onnx_file(tmp_path / "mine.onnx", ("pooled",)))
    assert not network.layered
    assert look(network, crops(2)).pooled.shape == (2, 2)
    layered = load_network(onnx_file(tmp_path / "layers.onnx", ("layer",)))
    assert look(layered, crops(2)).pooled == pytest.approx(look(network, crops(2)).pooled, rel=1e-4)


def foreign(path: Path) -> Path:
    path.write_bytes(b"not a network")
    return path


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (foreign, "it is no onnx model"),
        (lambda path: onnx_file(path, ("layer",), batch=1), "of any B, H and W"),
        (lambda path: onnx_file(path, ("flat",)), "gives no features"),
        (lambda path: path, "There is no feature network"),
    ],
)
def test_other_onnx_files_are_refused(tmp_path: Path, make: Callable[[Path], Path], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        load_network(make(tmp_path / "mine.onnx"))


def test_the_tests_network_is_one() -> None:
    network: Network = Counting()
    assert SimpleNamespace(**vars(network)).layered
