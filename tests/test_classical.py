"""Styles that are drawn by rule: flow, Kuwahara, lines, textures, and the five filters through the Stylizer."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from skimage import data

from huafeng import Edit, Library, Photo, Style, Stylizer
from huafeng.classical import FILTER, METHODS, drawn, filter_bytes, read_filter
from huafeng.classical.flow import Flow, along, flow_of
from huafeng.classical.kuwahara import kuwahara
from huafeng.classical.oil import Oil
from huafeng.classical.planes import blur, planes_of, stretched
from huafeng.classical.sketch import Sketch
from huafeng.classical.strokes import Brush, lay
from huafeng.classical.texture import clouds, hashed, hatching, white
from huafeng.classical.watercolor import Watercolor
from huafeng.classical.woodcut import Woodcut
from huafeng.classical.xdog import lines_of, sharpened
from huafeng.edit import BoxRegion, StyleWeight
from huafeng.errors import StyleError
from huafeng.library import BUILT_IN

NAMES = tuple(METHODS)
each = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def face():
    return np.ascontiguousarray(data.astronaut()[40:180, 150:290])


@pytest.fixture(scope="module")
def stylizer():
    return Stylizer(Library([BUILT_IN]), threads=2)


def still(height, width, degrees=0.0):
    """A flow of one direction."""
    angle = np.float32(np.deg2rad(degrees))
    one = np.ones((height, width), np.float32)
    return Flow(np.cos(angle) * one, np.sin(angle) * one, one)


@pytest.mark.parametrize("degrees", [0, 17, 45, 80, 90, 123, 165])
def test_flow_follows_the_lines_of_a_grating(degrees):
    y, x = np.mgrid[0:96, 0:96].astype(np.float32)
    along_lines = np.deg2rad(degrees)
    across = y * np.cos(along_lines) - x * np.sin(along_lines)
    flow = flow_of((0.5 + 0.5 * np.sin(2 * np.pi * across / 11)).astype(np.float32)[None], 3.0)
    found = np.rad2deg(np.arctan2(flow.y, flow.x))[16:-16, 16:-16]
    error = (found - degrees + 90) % 180 - 90
    assert np.abs(error).max() < 2
    assert flow.anisotropy[16:-16, 16:-16].min() > 0.95
    np.testing.assert_allclose(np.hypot(flow.x, flow.y), 1, atol=1e-5)


def test_plain_places_take_their_direction_from_around():
    picture = np.zeros((1, 80, 120), np.float32)
    picture[:, 40:] = 1  # one horizontal edge
    flow = flow_of(picture, 3.0)
    assert np.abs(flow.x[20, 60]) > 0.99  # 20 px from it, where no gradient is


def test_means_along_the_flow_stay_on_its_lines():
    spot = np.zeros((21, 41), np.float32)
    spot[10, 20] = 1
    mean = along(spot, still(21, 41), 3.0)
    assert mean.sum() == pytest.approx(1, abs=1e-5)
    assert np.count_nonzero(mean.sum(1)) == 1
    np.testing.assert_allclose(mean[10], mean[10, ::-1], atol=1e-6)
    expected = np.exp(-0.5 * (np.arange(4) / 3) ** 2)
    np.testing.assert_allclose(mean[10, 20:24] / mean[10, 20], expected, rtol=1e-4)


def test_means_along_the_flow_pass_places_where_its_sign_turns():
    flow = still(9, 60)
    flow.x[:, 30:] *= -1  # the same direction, told the other way round
    values = np.broadcast_to(np.arange(60, dtype=np.float32), (9, 60))
    np.testing.assert_allclose(along(values, flow, 3.0)[4, 20:40], np.arange(20, 40), atol=1e-4)


def test_kuwahara_flattens_noise_and_keeps_a_step():
    step = np.full((1, 96, 96), 0.3, np.float32)
    step[:, :, 48:] = 0.7
    noisy = step + 0.05 * white((96, 96), 3)
    result = kuwahara(noisy, flow_of(noisy, 4.0), 6.0)[0]
    softened = blur(noisy[0], 6.0 * 0.42)
    assert np.std(result[8:-8, 8:40]) < 0.2 * 0.05
    rise = result[8:-8, 49:51].mean() - result[8:-8, 45:47].mean()
    assert rise > 0.8 * 0.4  # within 4 px
    assert softened[8:-8, 49:51].mean() - softened[8:-8, 45:47].mean() < 0.6 * 0.4  # what a Gaussian leaves of it


@pytest.mark.parametrize("sigma", [0.8, 2.0, 6.0, 15.0])
def test_blur_has_the_deviation_that_it_says(sigma):
    spot = np.zeros((121, 121), np.float32)
    spot[60, 60] = 1
    mean = blur(spot, sigma)
    places = np.arange(121) - 60
    assert mean.sum() == pytest.approx(1, abs=0.01)
    assert (mean.sum(0) * places**2).sum() ** 0.5 == pytest.approx(sigma, rel=0.08)
    np.testing.assert_allclose(blur(np.full((40, 30), 0.25, np.float32), sigma), 0.25, atol=1e-5)


def test_lines_lie_on_the_dark_side_of_an_edge():
    step = np.full((40, 60), 0.2, np.float32)
    step[:, 30:] = 0.8
    lines = lines_of(step, still(40, 60, 90), 1.0, 3.0)
    assert lines[20, 28] > 0.02 > -0.02 > lines[20, 31]
    assert np.abs(lines[:, :20]).max() < 1e-4
    np.testing.assert_allclose(sharpened(np.full((9, 9), 0.4, np.float32), 1.0, 5.0), 0.4, atol=1e-5)
    # (1 + p) G_1 - p G_1.6: 4 sigma from the edge both Gaussians have forgotten it
    assert sharpened(step, 1.0, 5.0)[20, 28] < 0.2 < 0.8 < sharpened(step, 1.0, 5.0)[20, 31]


def test_strokes_have_one_colour_each_and_end_at_edges():
    target = np.zeros((3, 60, 60), np.float32)
    target[:, :, 30:] = 1
    paint, relief = np.full((3, 60, 60), 0.5, np.float32), np.zeros((60, 60), np.float32)
    lay(paint, relief, target, still(60, 60), Brush(6, 18, 1, 0.3, 0.2), np.ones((60, 60), bool), 1)
    painted = relief > 0
    assert painted.mean() > 0.95
    assert np.abs(paint - target)[:, painted].max() < 0.4 * 0.5  # none runs over the edge, where it would differ by 1
    untouched = paint.copy()
    lay(paint, relief, target, still(60, 60), Brush(6, 18, 1, 0.3, 0.2), np.zeros((60, 60), bool), 2)
    np.testing.assert_array_equal(paint, untouched)


def test_hash_is_even_and_does_not_repeat():
    values = hashed(np.arange(300)[None], np.arange(200)[:, None], 7)
    counts = np.histogram(values, 20, (0, 1))[0] / values.size
    np.testing.assert_allclose(counts, 1 / 20, atol=0.005)
    spectrum = np.abs(np.fft.rfft2(values - values.mean())) ** 2
    assert spectrum.max() < 30 * spectrum.mean()  # no period stands out; an exponential's greatest of 30,000 is about 10
    assert not np.array_equal(values, hashed(np.arange(300)[None], np.arange(200)[:, None], 8))


def test_textures_have_the_size_and_contrast_that_they_say():
    for noise in (white((200, 300), 1), clouds((200, 300), 5.3, 1, 3), hatching((200, 300), 3.0, 12.0, -0.9, 1)):
        assert noise.shape == (200, 300)
        assert abs(noise.mean()) < 0.15
        assert 0.7 < noise.std() < 1.3
    strokes = hatching((200, 300), 3.0, 12.0, 0.0, 1)
    assert np.corrcoef(strokes[:, 8:].ravel(), strokes[:, :-8].ravel())[0, 1] > 0.6  # along
    assert abs(np.corrcoef(strokes[8:].ravel(), strokes[:-8].ravel())[0, 1]) < 0.2  # across


def test_what_has_little_contrast_is_stretched_little():
    ramp = np.linspace(0, 1, 6400, dtype=np.float32).reshape(80, 80)
    np.testing.assert_allclose(stretched(0.2 + 0.5 * ramp, 0), ramp, atol=0.05)
    np.testing.assert_allclose(stretched(np.full((9, 9), 0.7, np.float32), 2), 0.7, atol=1e-6)
    # a tenth of the contrast that may be stretched wholly: a tenth of the way
    np.testing.assert_allclose(stretched(0.5 + 0.03 * ramp, 0), 0.9 * (0.5 + 0.03 * ramp) + 0.1 * 0.1 * ramp, atol=2e-3)


@each
def test_a_plain_photo_stays_plain(name):
    """Apart from strokes, hatching, paper and the bare margin: in means over squares of a tenth of the short side."""
    grey = np.full((240, 300, 3), 180, np.uint8)
    result = drawn(METHODS[name](), grey)[24:-36, 24:-36].astype(float)
    squares = result[:180, :240, 1].reshape(9, 20, 12, 20)
    assert squares.mean((1, 3)).std() < 6


@each
def test_the_same_photo_gives_the_same_bits(name, face):
    one = drawn(METHODS[name](), face, threads=1)
    assert one.dtype == np.uint8
    assert one.shape == face.shape
    np.testing.assert_array_equal(one, drawn(METHODS[name](), face, threads=3))
    assert np.abs(one.astype(int) - face).mean() > 4  # and it is drawn


@each
@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 500), (37, 53), (700, 3)])
def test_any_size(name, size):
    photo = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    assert drawn(METHODS[name](), photo).shape == photo.shape


@pytest.mark.parametrize("name", ["sketch", "woodcut"])
def test_larger_strokes_are_coarser(name, face):
    """A result of larger strokes loses less when it is softened."""
    photo = np.full((300, 300, 3), 70, np.uint8) if name == "sketch" else face  # its contours stay where they are

    def lost(stroke):
        light = planes_of(drawn(METHODS[name](), photo, stroke=stroke))[1][20:-20, 20:-20]
        return np.var(light - blur(light, 2.0)) / np.var(light)

    assert lost(3.0) < 0.9 * lost(0.75)


@pytest.mark.parametrize("name", ["oil", "watercolor", "cartoon"])
def test_smaller_strokes_and_a_focus_keep_more_of_the_photo(name, face):
    def detail(pixels):
        light = planes_of(pixels)[1]
        return (light - blur(light, 3.0))[15:-15, 15:-15].ravel()

    def kept(**options):
        return np.corrcoef(detail(drawn(METHODS[name](), face, **options)), detail(face))[0, 1]

    assert kept(stroke=3.0) < kept(stroke=0.75) - 0.1
    assert kept(focus=np.full(face.shape[:2], 255, np.uint8)) > kept() + 0.02


def test_a_woodcut_has_four_colours(face):
    method = Woodcut()
    inks = np.array([method.paper, method.key, method.warm, method.cool])
    result = drawn(method, np.repeat(np.repeat(face, 3, 0), 3, 1)).astype(int)
    distance = np.abs(result[:, :, None] - inks).max(-1).min(-1)
    assert (distance <= 8).mean() > 0.8
    assert all((np.abs(result - ink).max(-1) <= 8).mean() > 0.02 for ink in inks[:3])


def test_a_sketch_is_grey_on_paper(face):
    result = drawn(Sketch(), face).astype(int)
    assert np.ptp(result, axis=-1).max() <= 10
    assert np.percentile(result, 90) > 235
    assert np.percentile(result, 5) < 110


def test_a_watercolour_leaves_a_margin(face):
    result = drawn(Watercolor(), face).astype(int)
    assert result[:2].min() > 225
    assert result[:, -2:].min() > 225
    assert drawn(Watercolor(margin=0), face)[:2].min() < 200


@each
def test_built_in(name):
    style = Style.load(BUILT_IN / f"{name}.style")
    assert (style.kind, style.name, style.card.licence, set(style.tensors)) == ("filter", name, "CC0-1.0", {FILTER})
    assert read_filter(style.tensors[FILTER].tobytes()) == METHODS[name]()
    assert Style.from_bytes(style.to_bytes()).to_bytes() == style.to_bytes()
    assert style.thumbnail is not None
    assert Library([BUILT_IN]).get(style.card.title_zh).name == name


@each
def test_strength_region_and_own_colours(name, face, stylizer):
    photo = Photo.from_array(face)

    def apply(**options):
        return stylizer.apply(photo, Edit((StyleWeight(name),), faces=0.0, **options)).pixels

    whole = apply()
    np.testing.assert_array_equal(whole, drawn(METHODS[name](), face))
    np.testing.assert_array_equal(apply(strength=0.0), face)
    half = apply(strength=0.5).astype(int)
    assert np.abs(2 * half - whole - face).max() <= 2
    left = apply(region=BoxRegion(left=0, top=0, right=0.5, bottom=1, feather=0))
    np.testing.assert_array_equal(left[:, 70:], face[:, 70:])
    np.testing.assert_array_equal(left[:, :70], whole[:, :70])
    own = apply(keep_colors=True).astype(int)
    assert np.abs((own[..., 0] - own[..., 2]) - (face[..., 0].astype(int) - face[..., 2])).mean() < 12
    assert not np.array_equal(apply(stroke=2.0), whole)


def test_mixed_by_blending(face, stylizer):
    photo = Photo.from_array(face)
    alone = {name: drawn(METHODS[name](), face).astype(float) for name in ("oil", "sketch")}
    mixed = stylizer.apply(photo, Edit((StyleWeight("oil", 3.0), StyleWeight("sketch", 1.0)), faces=0.0)).pixels
    assert np.abs(mixed - (0.75 * alone["oil"] + 0.25 * alone["sketch"])).max() <= 2


def good(**change):
    return json.dumps({"method": "woodcut"} | change).encode()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"{", "not a small JSON object"),
        (b"\xff\xfe", "not a small JSON object"),
        (good(gouge=0.2)[:-1] + b" " * 5000 + b"}", "more than 4096 bytes"),
        (b"[]", "the method"),
        (b"{}", "the method None, it must be one of oil, watercolor"),
        (json.dumps({"method": ["oil"]}).encode(), "the method"),
        (json.dumps({"method": "fresco"}).encode(), "the method 'fresco'"),
        (good(gauge=1), "unknown parameter 'gauge'"),
        (good(gouge=99), "gouge 99, it must be a number in 0.05..2"),
        (good(gouge="wide"), "gouge 'wide'"),
        (good(gouge=True), "gouge True"),
        (b'{"method": "woodcut", "gouge": NaN}', "gouge nan"),
        (b'{"method": "woodcut", "gouge": 1e999}', "gouge inf"),
        (good(working_px=640.5), "working_px 640.5, it must be a whole number in 64..2048"),
        (good(working_px=100000), "working_px 100000"),
        (good(paper=[255, 255]), "it must be three whole numbers in 0..255"),
        (good(paper=[255, 255, 256]), "three whole numbers"),
        (good(paper="white"), "three whole numbers"),
    ],
)
def test_damaged_parameters_are_refused_with_a_sentence(data, words):
    with pytest.raises(StyleError) as caught:
        read_filter(data)
    assert words in str(caught.value)
    assert str(caught.value).startswith("The style's filter")


def test_a_filter_holds_its_parameters_and_nothing_else():
    style = Style.load(BUILT_IN / "oil.style")
    tensor = np.frombuffer(filter_bytes(Oil(stroke=4.0)), np.uint8)
    changed = Style("mine", "filter", {FILTER: tensor}, style.card)
    assert read_filter(Style.from_bytes(changed.to_bytes()).tensors[FILTER].tobytes()) == Oil(stroke=4.0)
    wrong: tuple[Any, ...] = (
        {},
        {FILTER: tensor, "code": np.zeros(3, np.float32)},
        {FILTER: tensor.astype(np.float32)},
        {FILTER: tensor[None]},
    )
    for tensors in wrong:
        with pytest.raises(StyleError, match="must hold its parameters as bytes"):
            Style("mine", "filter", tensors, style.card)
