"""What the style encoder is shown of a picture, and what it makes of that."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from huafeng.art import Generator
from huafeng.encoder import MOST_VIEWS, SHORT_SIDE_PX, VIEW_PX, Encoder, views
from huafeng.errors import StyleError
from huafeng.library import BUILT_IN, Library
from huafeng.pixels import U8, resize
from huafeng.samples import sample_photos


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Generator.open(Library([BUILT_IN]).base_path(), threads=1).encoder


def addressed(height: int, width: int) -> U8:
    """A picture whose pixels say where they are: x = 256 G + R, y = 2 B or 2 B + 1."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x % 256, x // 256, y // 2], -1).astype(np.uint8)


@settings(max_examples=25, deadline=None)
@given(st.integers(SHORT_SIDE_PX, 3000))
@example(512)
@example(513)
@example(768)
@example(1536)
@example(1537)
def test_views_cover_a_picture_and_of_a_panorama_the_middle(length: int) -> None:
    seen = np.zeros((SHORT_SIDE_PX // 2, length), bool)
    for view in views(addressed(SHORT_SIDE_PX, length)):
        seen[view[..., 2].astype(int), view[..., 1].astype(int) * 256 + view[..., 0]] = True
    longest = MOST_VIEWS // 2 * VIEW_PX
    expected = np.zeros(length, bool)
    left = max(0, (length - longest) // 2)
    expected[left : left + longest] = True
    assert (seen == expected).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 1200), st.integers(1, 1200))
@example(1, 1)
@example(1, 1200)
@example(1200, 2)
@example(255, 257)
def test_any_size_gives_a_few_squares(height: int, width: int) -> None:
    shown = list(views(np.full((height, width, 3), 77, np.uint8)))
    # at a short side of 512 px as few squares of 256 px as cover it, two across
    assert len(shown) == min(MOST_VIEWS, 2 * -(-round(SHORT_SIDE_PX * max(height, width) / min(height, width)) // VIEW_PX))
    assert {view.shape for view in shown} == {(VIEW_PX, VIEW_PX, 3)}
    assert all((view == 77).all() for view in shown)


def test_views_of_an_upright_picture_are_those_of_a_lying_one_turned() -> None:
    lying = np.random.default_rng(0).integers(0, 256, (SHORT_SIDE_PX, 700, 3), np.uint8)
    turned = sorted(view.swapaxes(0, 1).tobytes() for view in views(lying.swapaxes(0, 1).copy()))
    assert turned == sorted(view.tobytes() for view in views(lying))


def test_a_set_has_the_mean_code_whatever_its_sizes(encoder: Encoder, coffee: U8, chelsea: U8) -> None:
    small = resize(chelsea, 90, 60)
    one, other = encoder.code([coffee]), encoder.code([small])
    assert one.dtype == np.float32
    assert one.ndim == 1
    np.testing.assert_allclose(encoder.code(iter([coffee, small])), (one + other) / 2, atol=1e-5)
    np.testing.assert_allclose(encoder.code([coffee]), one, atol=1e-6)
    assert np.abs(one - other).max() > 0.01


@pytest.mark.parametrize("level", [0, 255])
def test_an_empty_picture_has_a_code(encoder: Encoder, level: int) -> None:
    """No variance in any channel must not become a NaN."""
    assert np.isfinite(encoder.code([np.full((40, 30, 3), level, np.uint8)])).all()


def test_no_pictures_are_refused(encoder: Encoder) -> None:
    with pytest.raises(StyleError, match=r"^There are no pictures to take a style from\.$"):
        encoder.code([])


def test_read_off_a_picture_results_look_more_like_it_to_the_encoder(coffee: U8, astronaut: U8) -> None:
    generator = Generator.open(Library([BUILT_IN]).base_path(), threads=1)
    blinds = astronaut.copy()
    blinds[::8] = blinds[:, ::8] = (250, 220, 20)
    for picture in (coffee, blinds):
        wanted, code = generator.encoder.code([picture]), generator.code_of([picture])
        assert code.dtype == np.float32
        plain, bolder = (
            np.linalg.norm(wanted - generator.encoder.codes(np.stack([
                generator.paint(photo, generator.modulation(tried)) for photo in sample_photos()
            ])).mean(0))
            for tried in (wanted, code)
        )  # fmt: skip
        assert bolder < 0.95 * plain
