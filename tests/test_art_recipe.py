"""The recipe `art`: views of works, which of them a photo is near to, any picture as a style, and tuning one style."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from conftest import Run
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from huafeng import Library
from huafeng.art import Generator
from huafeng.encoder import VIEW_PX
from huafeng.errors import DataError
from huafeng.pixels import U8, resize
from huafeng.training import checkpoint
from huafeng.training.data import recolored, to_batch
from huafeng.training.options import build
from huafeng.training.painting import Target, means, stacked
from huafeng.training.recipe import Clock, Machine
from huafeng.training.recipes import art
from huafeng.training.recipes.art import (
    AnyOptions,
    AnyWorks,
    Art,
    ArtOptions,
    Works,
    WorksOptions,
    cut_views,
    palette,
)
from huafeng.training.recipes.works import load_works

CARD = dict.fromkeys(("title_en", "title_zh", "author", "licence", "trained_on", "provenance"), "test")
RED, GREEN, BLUE, YELLOW, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 255, 255)
LUMA = np.array([0.299, 0.587, 0.114])


def silent(text: str) -> None:
    pass


# recolored


def test_draws_that_change_nothing(chelsea: U8) -> None:
    assert np.array_equal(recolored(chelsea, np.array([0.0, 0.6, 0.5])), chelsea)  # no turn, saturation and contrast 1


def test_recolored_by_hand() -> None:
    picture = np.array([[(150, 120, 110), (60, 60, 60)]], np.uint8)
    # half a turn: Y = 0.299 * 150 + 0.587 * 120 + 0.114 * 110 = 127.83, and each colour becomes 2 Y - itself
    assert recolored(picture, np.array([0.5, 0.6, 0.5])).tolist() == [[[106, 136, 146], [60, 60, 60]]]
    # a saturation of 0.5: Y + (colour - Y) / 2
    assert recolored(picture, np.array([0.0, 0.1, 0.5])).tolist() == [[[139, 124, 119], [60, 60, 60]]]
    # a contrast of 1.2 about 127.5
    assert recolored(picture, np.array([0.0, 0.6, 1.0])).tolist() == [[[154, 118, 106], [46, 46, 46]]]


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_turned_hues_keep_luminance(angle: float, saturation: float, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(110, 146, (4, 5, 3), np.uint8)  # far from black and white: nothing clips
    turned = recolored(picture, np.array([angle, saturation, 0.5]))
    assert np.abs((turned - picture.astype(int)) @ LUMA).max() <= 0.51  # rounding


# cut_views


@settings(max_examples=30, deadline=None)
@given(st.integers(256, 900), st.integers(256, 900), st.integers(2, 30))
def test_views_are_squares_spread_evenly(height: int, width: int, count: int) -> None:
    y, x = np.mgrid[:height, :width]
    views = cut_views(np.stack([x % 256, x // 256 + 16 * (y // 256), y % 256], -1).astype(np.uint8), count)
    assert all(view.shape == (256, 256, 3) for view in views)
    corners = []  # where they lie, as their first pixel says
    for low, high, line in (view[0, 0].tolist() for view in views):
        corners.append((line + 256 * (high // 16), low + 256 * (high % 16)))
    for along, length in ((0, height), (1, width)):
        places = sorted({corner[along] for corner in corners})
        assert places[0] + places[-1] == pytest.approx(length - 256, abs=1)  # as much is left out at one end as at the other
        gaps = np.diff(places)
        if len(gaps):
            assert places[0] == 0
            assert gaps.max() - gaps.min() <= 1
    assert 0.5 * count <= len(views) <= 2 * count + 1


def test_enough_views_cover_the_picture(coffee: U8) -> None:
    picture = resize(coffee, 768, 512)
    views = cut_views(picture, 6)
    assert len(views) == 6
    assert np.array_equal(np.vstack([np.hstack(views[:3]), np.hstack(views[3:])]), picture)
    (middle,) = cut_views(resize(coffee, 256, 400), 2)[:1]
    assert middle.shape == (256, 256, 3)


def test_small_works_and_single_views_are_seen_as_a_whole(coffee: U8) -> None:
    assert [view is coffee for view in cut_views(coffee, 1)] == [True]
    low = resize(coffee, 900, 255)
    assert [view is low for view in cut_views(low, 12)] == [True]


# Works


def solid(*colors: tuple[int, int, int], shares: tuple[int, ...] = (1,)) -> U8:
    """48 x 48 pixels in these colours, in these shares of 2304 pixels."""
    counts = np.array(shares) * (2304 // sum(shares))
    return np.repeat(np.array(colors, np.uint8), counts, axis=0).reshape(48, 48, 3)


def works(pictures: list[U8], nearest: int, usual: list[U8]) -> Works:
    return Works(pictures, pictures, 0, nearest, palette(to_batch(usual)))


def test_a_palette_s_squared_distance_is_twice_that_of_hellinger() -> None:
    one, half, other = palette(to_batch([solid(RED), solid(RED, BLUE, shares=(1, 1)), solid(BLUE)]))
    assert (one - other).square().sum().item() == pytest.approx(2)
    assert (one - half).square().sum().item() == pytest.approx(2 - 2 * 0.5**0.5)


def test_the_nearest_works_by_hand() -> None:
    plain, motley = solid(RED), solid(RED, GREEN, BLUE, YELLOW, shares=(1, 1, 1, 1))
    (photo,) = palette(to_batch([solid(RED, GREEN, WHITE, shares=(16, 25, 23))]))
    # squared distances are 2 - 2 sum(sqrt(p q)): to plain 2 - 2 * 4/8 = 1, to motley 2 - 2 * (4/8 + 5/8) / 2 = 0.875
    # usual are photos of one colour: plain is at (0 + 2 + 2 + 2) / 4 = 1.5 from them, motley at 2 - 2 * 1/2 = 1
    usual = [solid(color) for color in (RED, GREEN, BLUE, YELLOW)]
    assert works([plain, motley], 2, usual).nearest(photo) == [0, 1]  # 1 - 1.5 < 0.875 - 1
    assert works([plain, motley], 1, usual).nearest(photo) == [0]
    # where what is usual is as far from both, the distance alone counts: 1.0 from plain (0 and 2), 1.0 from motley
    assert works([plain, motley], 2, [solid(RED), solid(GREEN)]).nearest(photo) == [1, 0]
    assert works([plain, motley, plain], 5, usual).count == 3


def test_targets_are_means_of_the_chosen_views() -> None:
    one = [{"layer": torch.full((1, 2, 2), value)} for value in (1.0, 3.0, 5.0)]
    table = stacked((Target(g, g) for g in one), 3)
    found = means(table, [[0, 2], [], [1]])
    for part in found:
        assert part["layer"][:, 0, 0].tolist() == [3, 0, 3]  # of 1 and 5, of none, of 3


def test_some_files_of_a_folder_are_no_works_of_the_style(tmp_path: Path) -> None:
    for name, color in (("work", RED), ("sketch", WHITE)):
        Image.new("RGB", (300, 280), color).save(tmp_path / f"{name}.png")
    card = dict.fromkeys(("title_en", "title_zh", "author", "licence", "trained_on", "provenance"), "x")
    spec = build(WorksOptions, {"works": ".", "card": card, "leave_out": ["sketch.png"]})
    (work,), fingerprint = load_works(tmp_path, spec, silent)
    assert tuple(work[9, 9]) == RED
    assert fingerprint != load_works(tmp_path, replace(spec, leave_out=()), silent)[1]
    with pytest.raises(DataError, match="leaves no work"):
        load_works(tmp_path, replace(spec, leave_out=("sketch.png", "work.png")), silent)


def test_a_slip_in_leave_out_is_told(colors: Path) -> None:
    told: list[str] = []
    options = build(AnyOptions, {"works": {"warm": 1, "cold": 1}, "leave_out": ["red.png", "rde.png"]})
    AnyWorks(options, colors, 0, told.append)
    assert [text for text in told if "leave_out" in text] == ["leave_out names files that are not there: rde.png."]


# AnyWorks


@pytest.fixture
def colors(tmp_path: Path) -> Path:
    """Folders `warm` (red and yellow) and `cold` (blue and green)."""
    for folder, pictures in (("warm", {"red": RED, "yellow": YELLOW}), ("cold", {"blue": BLUE, "green": GREEN})):
        (tmp_path / folder).mkdir()
        for name, color in pictures.items():
            Image.new("RGB", (80, 60), color).save(tmp_path / folder / f"{name}.png")
    return tmp_path


def opened(folder: Path, seed: int = 0, **options: Any) -> AnyWorks:
    values = {"works": {"warm": 3, "cold": 1}, "recolored": 0.0} | options
    return AnyWorks(build(AnyOptions, values), folder, seed, silent)


def test_works_are_drawn_by_their_shares(colors: Path) -> None:
    anything = opened(colors)
    seen = [tuple(anything.view(n, 16)[8, 8].tolist()) for n in range(600)]
    warm = sum(color in (RED, YELLOW) for color in seen)
    assert warm == pytest.approx(450, abs=53)  # five deviations
    assert set(seen) == {RED, GREEN, BLUE, YELLOW}
    assert {tuple(opened(colors, works={"warm": 0, "cold": 2}).view(n, 16)[8, 8].tolist()) for n in range(60)} == {BLUE, GREEN}


def test_what_is_left_out_is_never_drawn(colors: Path) -> None:
    anything = opened(colors, leave_out=["red.png", "nothing.png"])
    assert {tuple(anything.view(n, 16)[8, 8].tolist()) for n in range(80)} == {YELLOW, BLUE, GREEN}
    with pytest.raises(DataError, match="no pictures to train on"):
        opened(colors, leave_out=["red.png", "yellow.png"])
    assert anything.fingerprints.keys() == {"any/warm", "any/cold"}
    assert anything.fingerprints["any/warm"] != opened(colors).fingerprints["any/warm"]


def test_a_view_is_a_pure_function_of_its_number(colors: Path, chelsea: U8) -> None:
    Image.fromarray(chelsea).save(colors / "warm" / "cat.png")
    one, other = opened(colors, recolored=0.5), opened(colors, recolored=0.5)
    backwards = {n: other.view(n, 32) for n in reversed(range(30))}
    assert all(np.array_equal(one.view(n, 32), backwards[n]) for n in range(30))
    elsewhere = opened(colors, seed=1, recolored=0.5)
    assert not all(np.array_equal(elsewhere.view(n, 32), backwards[n]) for n in range(30))


@given(share=st.floats(0, 1), first=st.integers(0, 10**6), sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_the_encoder_s_share_is_evenly_spread_over_batches(share: float, first: int, sizes: list[int]) -> None:
    """However samples are cut into batches, or batches among processes, the same ones go through the encoder."""
    with tempfile.TemporaryDirectory() as folder:
        Image.new("RGB", (8, 8)).save(Path(folder) / "work.png")
        anything = AnyWorks(build(AnyOptions, {"works": {"work.png": 1}, "share": share}), Path(folder), 0, silent)
    ends = list(accumulate(sizes, initial=first))
    parts = [anything.takes(start, end - start) for start, end in pairwise(ends)]
    assert torch.equal(torch.cat(parts), anything.takes(first, sum(sizes)))
    assert sum(part.sum() for part in parts) == pytest.approx(share * sum(sizes), abs=1)


def test_a_batch_shows_one_view_after_the_other(colors: Path, chelsea: U8) -> None:
    Image.fromarray(chelsea).save(colors / "warm" / "cat.png")
    anything = opened(colors, share=0.5)
    wanted = to_batch([anything.view(n, VIEW_PX) for n in range(7)])
    assert torch.equal(torch.cat([anything.batch(0, 8), anything.batch(8, 3), anything.batch(11, 3)]), wanted)


def test_views_are_recolored_as_often_as_asked(colors: Path) -> None:
    known = {RED, GREEN, BLUE, YELLOW}
    for share, expected, tolerance in ((0.0, 0, 0), (0.25, 75, 38), (1.0, 290, 10)):  # a small turn leaves pure red as it is
        anything = opened(colors, recolored=share)
        changed = sum(tuple(anything.view(n, 8)[4, 4].tolist()) not in known for n in range(300))
        assert changed == pytest.approx(expected, abs=tolerance)


# the recipe


@pytest.fixture
def training(tmp_path: Path, astronaut: U8, chelsea: U8, coffee: U8, rocket: U8, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with photos and works."""
    folder = tmp_path / "training"
    for sub, pictures in (("photos", (astronaut, chelsea, rocket)), ("works", (coffee, chelsea))):
        (folder / sub).mkdir(parents=True)
        for i, picture in enumerate(pictures):
            Image.fromarray(resize(picture, 144, 112)).save(folder / sub / f"{i}.png")
    monkeypatch.setattr(art, "USUAL", 6)
    return folder


COMMON = {
    "recipe": "art", "photos": ["photos"], "hold_out_every": 3, "batch": 2, "crop_px": 64, "precision": "fp32",
    "adversarial": {"weight": 0.0}, "styles": {"cup": {"works": "works/0.png", "short_side_px": 96, "card": CARD}},
}  # fmt: skip


def recipe(folder: Path, **values: Any) -> Art:
    torch.manual_seed(0)
    return Art(build(ArtOptions, COMMON | {"data": str(folder)} | values), Machine(precision="fp32", tell=silent))


def state(made: Art) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in made.painter.state_dict().items()}


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}


CLOCK = Clock(step=0, images=0, progress=0.0, batch=2, crop_px=64, seed=0)
ANY = {"works": {"works": 1.0}}


def test_validation_figures_are_content_and_style_alone(training: Path) -> None:
    found = recipe(training, losses={"coarse": 2.0, "grid": 1.0, "total_variation": 1.0}).figures()
    assert found.keys() == {"content", "style", "coarse", "objective"}
    assert found["objective"] == pytest.approx(found["content"] + found["style"] + found["coarse"])


def test_a_step_with_any_picture_teaches_the_encoder(training: Path) -> None:
    made = recipe(training, any=ANY | {"share": 1.0})
    before = state(made)
    report = made.step(CLOCK)
    assert all(torch.isfinite(loss) for loss in report.losses.values())
    after = state(made)
    assert changed(before, after) == {"generator", "encoder"}  # no style's own code and delta took part
    encoder = {name for name in before if name.startswith("encoder.") and not torch.equal(before[name], after[name])}
    assert encoder == {f"encoder.{layer}.{part}" for layer in ("hidden", "code") for part in ("weight", "bias")}


def test_a_step_without_any_picture_leaves_the_encoder(training: Path) -> None:
    made = recipe(training, any=ANY | {"share": 0.0})
    before = state(made)
    made.step(CLOCK)
    assert changed(before, state(made)) == {"generator", "codes", "deltas"}


def test_a_step_is_a_pure_function_of_weights_and_clock(training: Path) -> None:
    """Whatever else has drawn random numbers: so a resumed run goes on as it would have done."""
    states = []
    for seed in (1, 2):
        made = recipe(training, any=ANY | {"share": 0.5}, batch=4)
        torch.manual_seed(seed)
        np.random.seed(seed)
        for step in range(2):
            made.step(Clock(step, 4 * step, 0.5 * step, 4, 64, 0))
        states.append(state(made))
    assert changed(*states) == set()


def test_a_run_with_any_picture_can_be_resumed_and_exported(huafeng: Run, training: Path, tmp_path: Path, chelsea: U8) -> None:
    recipe_file = training / "any.yaml"
    values = COMMON | {
        "data": str(training),
        "steps": 4,
        "check_every": 2,
        "checkpoint_minutes": 0,
        "any": ANY | {"share": 0.5},
    }
    values["losses"] = {"coarse": 1.0}
    recipe_file.write_text(yaml.safe_dump(values), encoding="utf-8")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for run in (whole, parts):
        ran = huafeng("train", str(recipe_file), "-o", str(run))
        assert ran.code == 0, ran.err
    assert [checkpoint.step_of(path) for path in checkpoint.listed(parts)] == [0, 2, 4]
    checkpoint.listed(parts)[-1].unlink()
    again = huafeng("train", "--resume", str(parts))
    assert again.code == 0, again.err
    states = [checkpoint.newest(run, silent)["parts"] for run in (whole, parts)]
    for part in ("generator", "average"):
        assert all(torch.equal(weight, states[1][part][name]) for name, weight in states[0][part].items())

    (base,) = (whole / "styles").glob("base-*.safetensors")
    assert base.read_bytes() == next((parts / "styles").glob("base-*.safetensors")).read_bytes()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "base.safetensors").write_bytes(base.read_bytes())
    Image.fromarray(chelsea).save(tmp_path / "cat.png")
    style = Library([tmp_path / "folder"]).get(tmp_path / "cat.png")
    trained = states[0]["average"]["module.encoder.code.bias"]
    assert style.tensors["code"].shape == trained.shape
    assert Generator.open(base).sha256 == style.card.base_sha256
