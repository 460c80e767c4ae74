"""The art runtime: sizes, seams, mixing, and the way back to full size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from huafeng import Edit, Photo, Stylizer, fullsize, parse_styles
from huafeng.art import NOISE_PLANES, REACH, RIM, STRIDE, Generator, coarse, frame, noise_for, spans
from huafeng.errors import StyleError
from huafeng.fullsize import STRIP, enlarge, keep_colors
from huafeng.library import BUILT_IN, Library
from huafeng.pixels import F32, U8, blend, in_strips, resize
from huafeng.style import Style, mix_arts

LIBRARY = Library([BUILT_IN])
ARTS = {"water-lilies", "monet", "blue-green", "pepper-carrot"}
NETWORKS = {
    "great-wave", "the-scream", "shipwreck", "starry-night", "composition-vii", "wheat-field", "van-gogh", "ink", "ukiyo-e",
    "tarot-line",
}  # fmt: skip


@pytest.fixture(scope="module")
def generator() -> Generator:
    return Generator.open(LIBRARY.base_path(), threads=2)


@pytest.fixture(scope="module")
def modulation(generator: Generator) -> F32:
    return generator.modulation(**LIBRARY.get("water-lilies").tensors)


@pytest.mark.parametrize("tile_px", [200, 256, 331])
def test_tiles_equal_the_whole(generator: Generator, modulation: F32, astronaut: U8, tile_px: int) -> None:
    whole = generator.paint(astronaut, modulation, tile_px=10_000)
    tiled = generator.paint(astronaut, modulation, tile_px=tile_px)
    assert len(list(spans(frame(astronaut).shape[0], tile_px))) > 1
    assert np.array_equal(whole, tiled)


def test_statistics_of_another_picture_change_the_result(generator: Generator, modulation: F32, astronaut: U8) -> None:
    dark = (astronaut * 0.3).astype(np.uint8)
    own = generator.paint(astronaut, modulation)
    shared = generator.paint(astronaut, modulation, statistics=generator.statistics(dark, modulation))
    assert np.abs(own.astype(int) - shared).mean() > 3


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 40), (3, 1000), (7, 5), (64, 64), (65, 127), (500, 2000)])
def test_any_size_comes_back_in_its_size(generator: Generator, modulation: F32, height: int, width: int) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    assert generator.paint(photo, modulation).shape == photo.shape


def test_a_modulation_is_linear_in_code_and_delta(generator: Generator) -> None:
    one, other = (LIBRARY.get(name).tensors["code"] for name in ("monet", "water-lilies"))
    delta = np.random.default_rng(0).normal(size=generator.modulation(one).size - 1).astype(np.float32)
    half = np.float32(0.5)
    middle = half * (generator.modulation(one) + generator.modulation(other))
    np.testing.assert_allclose(generator.modulation(half * (one + other)), middle, atol=1e-5)
    np.testing.assert_array_equal(generator.modulation(one, delta)[:-1], generator.modulation(one)[:-1] + delta)
    np.testing.assert_array_equal(generator.modulation(one, 0 * delta), generator.modulation(one))


def test_quiet_is_the_share_of_the_noise_that_is_left_away(generator: Generator, astronaut: U8) -> None:
    tensors = LIBRARY.get("water-lilies").tensors
    code, delta = tensors["code"], tensors["delta"]
    row = generator.modulation(code, delta, np.array([0.25], np.float32))
    assert row[-1] == 0.75
    np.testing.assert_array_equal(row[:-1], generator.modulation(code, delta)[:-1])
    small = astronaut[:160, 150:310]
    noisy, quiet = (generator.paint(small, generator.modulation(code, delta, np.array([c], np.float32))) for c in (0, 1))
    assert np.abs(noisy.astype(int) - quiet).mean() > 1
    np.testing.assert_array_equal(noisy, generator.paint(small, generator.modulation(code, delta)))


def test_a_code_or_delta_of_another_length_is_refused(generator: Generator) -> None:
    code = np.zeros(generator.code_length, np.float32)
    length = generator.modulation(code).size - 1  # its last number says how much noise enters
    with pytest.raises(StyleError, match=rf"^The style's code has 31 numbers, this generator needs {len(code)}\.$"):
        generator.modulation(code[:31])
    for wrong in (np.zeros(0, np.float32), np.zeros(length - 1, np.float32), np.zeros((1, length), np.float32)):
        with pytest.raises(StyleError, match=rf"^The style's delta has {wrong.size} numbers, this generator needs {length}\.$"):
            generator.modulation(code, wrong)


@pytest.mark.parametrize("data", [b"", b"not a generator", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_damaged_base_is_refused(data: bytes) -> None:
    with pytest.raises(StyleError, match="damaged"):
        Generator(data)


def test_built_in_arts_have_what_people_should_know() -> None:
    styles = {entry.name: entry.style for entry in LIBRARY.entries()}
    kinds = {"art": ARTS, "translator": NETWORKS}
    arts = {name: style for name, style in styles.items() if isinstance(style, Style) and style.kind in kinds}
    assert {kind: {name for name, style in arts.items() if style.kind == kind} for kind in kinds} == kinds
    for name, style in arts.items():
        card = style.card
        assert style.name == name
        assert all((card.title_en, card.author, card.licence, card.trained_on, card.provenance, style.thumbnail)), name
        assert any("\u4e00" <= letter <= "\u9fff" for letter in card.title_zh), name
        assert card.base_sha256 == (LIBRARY.base_sha256() if name in ARTS else None), name
        assert (BUILT_IN / f"{name}.style").stat().st_size <= (200_000 if name in ARTS else 2_000_000), name
    for titles in ([s.card.title_en for s in arts.values()], [s.card.title_zh for s in arts.values()]):
        assert len(set(titles)) == len(arts)
    assert "David Revoy" in arts["pepper-carrot"].card.author  # CC BY
    assert arts["pepper-carrot"].card.licence.startswith("CC-BY")


def test_built_in_styles_are_distinct_pictures(astronaut: U8) -> None:
    small, stylizer = resize(astronaut, 256, 256), Stylizer(LIBRARY, threads=2)
    photo = Photo.from_array(small)
    results = {name: stylizer.apply(photo, Edit(parse_styles(name), faces=0)).pixels.astype(int) for name in ARTS | NETWORKS}
    for name, result in results.items():
        assert np.abs(result - small).mean() > 8, f"{name} leaves the photo as it is"
        for other, compared in results.items():
            assert name == other or np.abs(result - compared).mean() > 5, f"{name} looks like {other}"


def test_mixing_lies_between(generator: Generator, astronaut: U8) -> None:
    small = resize(astronaut, 192, 192)

    def painted(*styles: tuple[Style, float]) -> U8:
        return generator.paint(small, generator.modulation(**mix_arts(styles)))

    one, two = LIBRARY.get("monet"), LIBRARY.get("water-lilies")
    pure = [generator.paint(small, generator.modulation(**s.tensors)).astype(int) for s in (one, two)]
    mixed = painted((one, 0.5), (two, 0.5))
    apart = np.abs(pure[0] - pure[1]).mean()
    assert all(np.abs(mixed - p).mean() < apart for p in pure)
    assert np.array_equal(painted((one, 1.0), (two, 0.0)), pure[0])


def test_noise_is_the_same_for_every_photo_of_a_size() -> None:
    noise = noise_for(800, 1608)
    assert noise.shape == (NOISE_PLANES, 100, 201)
    assert noise.dtype == np.float32
    assert np.array_equal(noise, noise_for(800, 1608))
    assert noise.mean() == pytest.approx(0, abs=0.02)  # 80,400 numbers: 5 deviations
    assert noise.std() == pytest.approx(1, abs=0.02)
    assert np.abs(np.corrcoef(noise.reshape(NOISE_PLANES, -1)) - np.eye(NOISE_PLANES)).max() < 0.05


def test_a_tile_s_place_on_the_coarsest_grid() -> None:
    assert coarse(slice(0, 8)) == slice(0, 1)
    assert coarse(slice(96, 400)) == slice(12, 50)
    for span in spans(1120, 300):  # as many cells as the tile has at 1/8
        place = coarse(span.read)
        assert (place.start * STRIDE, place.stop * STRIDE) == (span.read.start, span.read.stop)


@pytest.mark.parametrize(("length", "tile"), [(8, 8), (1000, 8), (1120, 1600), (3200, 1600), (5000, 1600)])
def test_spans_cover_the_length_once(length: int, tile: int) -> None:
    covered = np.zeros(length, int)
    for span in spans(length, tile):
        covered[span.write] += 1
        assert span.keep.stop - span.keep.start == span.write.stop - span.write.start
        assert span.read.start + span.keep.start == span.write.start
        assert span.read.start % STRIDE == 0
        assert span.read.start == 0 or span.write.start - span.read.start == REACH
    assert (covered == 1).all()


def test_frame_mirrors_and_rounds_up() -> None:
    photo = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
    framed = frame(photo)
    assert framed.shape == (152, 160, 3)
    assert np.array_equal(framed[RIM : RIM + 20, RIM : RIM + 30], photo)
    assert np.array_equal(framed[RIM - 1], framed[RIM + 1])  # mirrored about the edge pixel


def test_enlarging_in_strips_has_no_seams(astronaut: U8) -> None:
    big = resize(astronaut, 1100, 900)
    small = resize(astronaut, 300, 245)
    result = enlarge(small, big, small, 0.0, threads=2)
    whole = resize(small, 1100, 900)
    assert big.shape[0] > 3 * STRIP
    assert np.abs(result.astype(int) - whole).max() <= 4  # Pillow rounds between its two passes


def test_detail_brings_the_photo_back(astronaut: U8) -> None:
    """An identity painter and full detail give the photo's luminance back, up to what counts as noise."""
    working = resize(astronaut, 256, 256)
    error = {}
    for detail in (0.0, 0.5, 1.0):
        result = enlarge(working, astronaut, working, detail)
        error[detail] = np.abs(result.astype(int).mean(2) - astronaut.astype(int).mean(2)).mean()
    assert error[1.0] < 0.5 * error[0.5] + 1 < error[0.0] + 1
    assert error[1.0] < 2.5


def test_keep_colors_keeps_the_chroma_and_takes_the_luminance() -> None:
    photo = np.full((4, 4, 3), (200, 100, 50), np.uint8)  # Y 124.2, Cb 86.1, Cr 182.1
    styled = np.full((4, 4, 3), 124, np.uint8)
    assert np.abs(keep_colors(styled, photo).astype(int) - photo).max() <= 2


def test_blend_is_exact_at_its_ends() -> None:
    under, over = np.full((3, 3, 3), 10, np.uint8), np.full((3, 3, 3), 210, np.uint8)
    assert np.array_equal(blend(under, over, 0.0), under)
    assert np.array_equal(blend(under, over, 1.0), over)
    assert blend(under, over, 0.5)[0, 0, 0] in (110, 111)
    mask = np.array([[0, 255, 51]] * 3, np.uint8)
    assert blend(under, over, mask)[0, :, 0].tolist() == [10, 210, 50]


def test_every_row_has_one_strip_that_writes_it(astronaut: U8, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the result would depend on which thread comes last."""
    working = resize(astronaut, 200, 200)
    photo = resize(astronaut, 500, STRIP + 44)

    def backwards(work: Callable[[int, int], None], height: int, rows: int, threads: int) -> None:
        strips: list[tuple[int, int]] = []
        in_strips(lambda top, bottom: strips.append((top, bottom)), height, rows, 1)
        assert len(strips) == 2
        for top, bottom in reversed(strips):
            work(top, bottom)

    forwards = enlarge(working, photo, working, 0.5)
    monkeypatch.setattr(fullsize, "in_strips", backwards)
    assert np.array_equal(enlarge(working, photo, working, 0.5), forwards)
