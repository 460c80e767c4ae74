"""How much of a result its photo, recoloured, explains: by hand, and against pictures that were measured elsewhere."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from huafeng.evaluation.recoloured import FEED_PX, recoloured
from huafeng.pixels import U8, resize

SHARED = Path(__file__).parents[2] / "shared"


def rounded(values: np.ndarray) -> U8:
    return (values * 255).round().clip(0, 255).astype(np.uint8)


def test_a_cubic_recolouring_is_all_photo(coffee: U8) -> None:
    r, g, b = np.moveaxis(coffee / 255, -1, 0)
    filtered = rounded(np.stack([0.8 * r**3 + 0.1, 0.5 * g + 0.4 * r * g * b, 1 - b**2], -1))
    for picture in (coffee, 255 - coffee, filtered):
        for short_side_px in (None, FEED_PX):
            assert recoloured(coffee, picture, short_side_px) == pytest.approx(1, abs=2e-3)
    assert recoloured(coffee, coffee) == pytest.approx(1, abs=1e-6)


def test_an_unrelated_picture_is_none_of_it(coffee: U8, astronaut: U8) -> None:
    noise = np.random.default_rng(0).integers(0, 256, coffee.shape, np.uint8)
    assert recoloured(coffee, noise) == pytest.approx(20 / (400 * 600), abs=2e-4)  # 20 free numbers a channel
    assert recoloured(coffee, resize(astronaut, 600, 400), FEED_PX) < 0.15


def test_variances_by_hand() -> None:
    """Photo: columns 0 and 1. Result: rows 0 and 1 on top of the columns, with a quarter of their height."""
    columns, rows = np.meshgrid([0.0, 0.8] * 8, [0.0, 0.2] * 8)
    photo, result = (rounded(np.stack([values] * 3, -1)) for values in (columns, columns + rows))
    # variances 0.4^2 of the columns, 0.1^2 of the rows
    assert recoloured(photo, result) == pytest.approx(0.16 / 0.17, abs=1e-3)


def test_detail_that_a_feed_does_not_show_counts_at_full_size_only(coffee: U8) -> None:
    checks = 40 * (np.indices((400, 600)).sum(0) % 2)[..., None]
    painted = (coffee // 2 + checks).astype(np.uint8)
    assert recoloured(coffee, painted) < 0.9
    # 400 px over 160: areas of 2.5 px leave a tenth of each check
    assert recoloured(coffee, painted, FEED_PX) > 0.98


def test_pictures_of_one_colour(coffee: U8) -> None:
    grey = np.full_like(coffee, 77)
    assert math.isnan(recoloured(coffee, grey))
    assert math.isnan(recoloured(grey, grey, FEED_PX))
    assert recoloured(grey, coffee) == pytest.approx(0, abs=1e-9)


def test_a_grey_photo_has_fewer_directions(coffee: U8) -> None:
    grey = np.repeat(coffee[..., :1], 3, axis=2)
    assert recoloured(grey, 255 - grey) == pytest.approx(1, abs=1e-6)
    assert recoloured(grey, coffee) < 0.99


@pytest.mark.skipif(not (SHARED / "peer").is_dir(), reason="../shared/peer and ../shared/tools are not there")
def test_it_agrees_with_the_tool_on_pictures_of_a_peer() -> None:
    spec = importlib.util.spec_from_file_location("tool", SHARED / "tools" / "recoloured.py")
    assert spec and spec.loader
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    for style in ("wave", "rain_princess"):
        for name in ("held_000", "held_030"):
            photo = Image.open(SHARED / "peer" / "photos" / f"{name}.png").convert("RGB")
            result = Image.open(SHARED / "peer" / style / f"{name}.jpg").convert("RGB").resize(photo.size)
            small, full, _ = tool.figures(photo, result)
            pair = np.asarray(photo), np.asarray(result)
            assert recoloured(*pair, FEED_PX) == pytest.approx(small, abs=1e-3)
            assert recoloured(*pair) == pytest.approx(full, abs=1e-3)
