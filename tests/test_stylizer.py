"""One photo end to end, through the public class."""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from huafeng import BoxRegion, Card, Edit, Library, MaskRegion, Photo, Style, StyleWeight, Stylizer, parse_styles
from huafeng.errors import StyleError, StyleNotFound
from huafeng.library import BUILT_IN
from huafeng.pixels import U8
from huafeng.stylizer import working_size


def inverting_look(name: str) -> Style:
    ramp = np.linspace(1, 0, 2, dtype=np.float32)
    lut = np.stack(np.meshgrid(ramp, ramp, ramp, indexing="ij"), -1)
    card = Card(title_en="Negative", title_zh="负片", author="test", licence="CC0-1.0", trained_on="nothing",
                provenance="made by formula", date="2026-01-01")  # fmt: skip
    return Style(name, "look", {"lut": lut}, card)


@pytest.fixture
def stylizer(tmp_path: Path) -> Stylizer:
    inverting_look("negative").save(tmp_path / "negative.style")
    return Stylizer(Library([BUILT_IN, tmp_path]), threads=2)


@pytest.fixture
def photo(astronaut: U8) -> Photo:
    """Without the face: on skin looks do less."""
    return Photo.from_array(np.ascontiguousarray(astronaut[300:500, 100:300]))


def test_strength_zero_gives_the_own_pixels(stylizer: Stylizer, photo: Photo) -> None:
    result = stylizer.apply(photo, Edit(parse_styles("monet+negative"), strength=0.0))
    assert np.array_equal(result.pixels, photo.pixels)


def test_strength_moves_from_the_photo_to_the_style(stylizer: Stylizer, photo: Photo) -> None:
    full = stylizer.apply(photo, Edit(parse_styles("negative"))).pixels
    assert np.abs(255 - photo.pixels.astype(int) - full).max() <= 1
    half = stylizer.apply(photo, Edit(parse_styles("negative"), strength=0.5)).pixels
    assert np.abs(half.astype(int) - 127).max() <= 2


def test_look_comes_after_art(stylizer: Stylizer, photo: Photo) -> None:
    art = stylizer.apply(photo, Edit(parse_styles("ink"))).pixels.astype(int)
    both = stylizer.apply(photo, Edit(parse_styles("negative:3+ink"))).pixels
    assert np.abs(255 - art - both).max() <= 1


def test_box_leaves_the_rest_untouched(stylizer: Stylizer, photo: Photo) -> None:
    edit = Edit(parse_styles("negative"), region=BoxRegion(0.5, 0.0, 1.0, 1.0, feather=0.0))
    result = stylizer.apply(photo, edit).pixels
    assert np.array_equal(result[:, :100], photo.pixels[:, :100])
    assert np.abs(255 - photo.pixels[:, 100:].astype(int) - result[:, 100:]).max() <= 1


def test_black_mask_changes_nothing_white_mask_everything(stylizer: Stylizer, photo: Photo, tmp_path: Path) -> None:
    for level, name in ((0, "black.png"), (255, "white.png")):
        Image.new("L", (200, 200), level).save(tmp_path / name)
    edit = Edit(parse_styles("ink"))
    black, white = (
        stylizer.apply(photo, replace(edit, region=MaskRegion(str(tmp_path / name)))).pixels
        for name in ("black.png", "white.png")
    )
    assert np.array_equal(black, photo.pixels)
    assert np.array_equal(white, stylizer.apply(photo, edit).pixels)


def test_alpha_and_size_stay(stylizer: Stylizer, photo: Photo) -> None:
    alpha = np.tile(np.arange(200, dtype=np.uint8), (200, 1))
    see_through = Photo.from_array(photo.pixels, alpha)
    result = stylizer.apply(see_through, Edit(parse_styles("monet"), keep_colors=True))
    assert result.pixels.shape == photo.pixels.shape
    assert result.alpha is not None
    assert np.array_equal(result.alpha, alpha)


def test_keep_colors_keeps_hue(stylizer: Stylizer) -> None:
    orange = Photo.from_array(np.full((96, 96, 3), (230, 130, 40), np.uint8))
    plain = stylizer.apply(orange, Edit(parse_styles("ink"))).pixels[48, 48].astype(int)
    kept = stylizer.apply(orange, Edit(parse_styles("ink"), keep_colors=True)).pixels[48, 48].astype(int)
    assert kept[0] - kept[2] > 60 > plain[0] - plain[2]


def test_many_threads_give_the_same_pictures(stylizer: Stylizer, photo: Photo) -> None:
    edits = [Edit((StyleWeight(name),)) for name in ("monet", "ink", "great-wave", "the-scream")]
    alone = [stylizer.apply(photo, edit).pixels for edit in edits]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda edit: stylizer.apply(photo, edit).pixels, edits))
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one, other)


def test_stroke_size_changes_the_picture(stylizer: Stylizer, photo: Photo) -> None:
    small, large = (stylizer.apply(photo, Edit(parse_styles("starry-night"), stroke=s)).pixels for s in (1.0, 2.0))
    assert np.abs(small.astype(int) - large).mean() > 5


def test_style_of_another_generator_is_refused(stylizer: Stylizer, photo: Photo, tmp_path: Path) -> None:
    monet = stylizer.library.get("monet")
    replace(monet, name="alien", card=replace(monet.card, base_sha256="0" * 64)).save(tmp_path / "alien.style")
    with pytest.raises(StyleError, match="its base generator is not here"):
        stylizer.apply(photo, Edit(parse_styles("alien")))


def test_missing_style_is_named_with_its_neighbour(stylizer: Stylizer, photo: Photo) -> None:
    with pytest.raises(StyleNotFound, match="monet"):
        stylizer.apply(photo, Edit(parse_styles("mone")))


@pytest.mark.parametrize(
    ("size", "stroke", "expected"),
    [
        ((4000, 3000), 1.0, (853, 640)),
        ((3000, 4000), 2.0, (320, 427)),
        ((640, 480), 1.0, (640, 480)),
        ((640, 480), 0.5, (1280, 960)),
        ((640, 480), 4.0, (160, 120)),
        ((100, 50), 4.0, (100, 50)),
        ((20000, 500), 1.0, (20000, 500)),
        ((20000, 500), 0.25, (25298, 632)),
        ((1, 1), 1.0, (1, 1)),
    ],
)
def test_working_size(size: tuple[int, int], stroke: float, expected: tuple[int, int]) -> None:
    assert working_size(*size, stroke) == expected


def test_jpeg_in_jpeg_out(stylizer: Stylizer, photo: Photo) -> None:
    buffer = io.BytesIO()
    Image.fromarray(photo.pixels).save(buffer, "JPEG", quality=90)
    result = stylizer.apply(Photo.from_bytes(buffer.getvalue()), Edit(parse_styles("monet"))).to_bytes()
    with Image.open(io.BytesIO(result)) as image:
        assert (image.format, image.size) == ("JPEG", (200, 200))


def test_a_style_brings_its_own_generator(photo: Photo, tmp_path: Path) -> None:
    built_in = Library()
    monet = built_in.get("monet")
    tensors = safetensors.numpy.load(built_in.base_path().read_bytes())
    tensors["last.bias"] = tensors["last.bias"] + np.float16(0.5)  # brighter
    base = safetensors.numpy.save(tensors)
    (tmp_path / "base-brighter.safetensors").write_bytes(base)
    card = replace(monet.card, base_sha256=hashlib.sha256(base).hexdigest())
    replace(monet, name="brighter", card=card).save(tmp_path / "brighter.style")
    stylizer = Stylizer()
    brighter, plain = (
        stylizer.apply(photo, Edit(parse_styles(str(name)))).pixels for name in (tmp_path / "brighter.style", "monet")
    )
    assert brighter.mean() > plain.mean() + 10
    with pytest.raises(StyleError, match="different base generators"):
        stylizer.apply(photo, Edit(parse_styles(f"monet+{tmp_path / 'brighter.style'}")))
