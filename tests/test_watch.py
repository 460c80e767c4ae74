"""The collapse watch, by figures written down by hand."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from huafeng.training.recipe import WatchOptions
from huafeng.training.watch import Watch, pairwise_distance


def test_pairwise_distance_by_hand() -> None:
    points = torch.tensor([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])  # distances 5, 5, 10
    planes = points[:, :, None, None].expand(3, 2, 4, 5)
    assert pairwise_distance(planes).item() == pytest.approx(20 / 3)
    assert pairwise_distance(torch.ones(4, 2, 3, 3)).item() == 0


@pytest.mark.parametrize(
    ("name", "bad", "told"),
    [
        ("diversity", 0.04, "all results look alike"),
        ("accuracy", 1.0, "judges 100.00% right"),
        ("generator_gradient", 300.0, "300 times what it usually was"),
        ("discriminator_gradient", 0.0, "the discriminator's gradient has vanished"),
    ],
)
def test_it_rings_when_a_figure_looks_bad_long_enough(name: str, bad: float, told: str) -> None:
    watch = Watch(WatchOptions(patience=3))
    healthy = {"diversity": 0.6, "accuracy": 0.8, "generator_gradient": 1.0, "discriminator_gradient": 1.0}
    assert [watch.see(healthy) for _ in range(6)] == [None] * 6
    assert watch.see(healthy | {name: bad}) is None
    assert watch.see(healthy) is None  # one good look begins the count anew
    assert [watch.see(healthy | {name: bad}) for _ in range(2)] == [None, None]
    assert told in str(watch.see(healthy | {name: bad}))


def test_an_explosion_does_not_become_what_is_usual() -> None:
    watch = Watch(WatchOptions(patience=50))
    for _ in range(5):
        watch.see({"generator_gradient": 1.0})
    rings = [watch.see({"generator_gradient": 1e4}) for _ in range(50)]
    assert rings[:-1] == [None] * 49
    assert "10000 times" in str(rings[-1])


@given(st.lists(st.floats(0.2, 5.0), min_size=20, max_size=60))
def test_ordinary_figures_never_ring(values: list[float]) -> None:
    watch = Watch(WatchOptions())
    for value in values:
        figures = {"generator_gradient": value, "diversity": value, "accuracy": min(value / 5.01, 0.99)}
        assert watch.see(figures) is None


def test_its_state_goes_into_a_checkpoint() -> None:
    whole, first, second = (Watch(WatchOptions(patience=4)) for _ in range(3))
    diversities, gradients = [1.0, 1, 0, 0, 0, 0, 0], [1.0, 2, 4, 1, 1, 900, 9]
    series = [{"diversity": d, "generator_gradient": g} for d, g in zip(diversities, gradients, strict=True)]
    wanted = [whole.see(figures) for figures in series]
    seen = [first.see(figures) for figures in series[:4]]
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert seen + [second.see(figures) for figures in series[4:]] == wanted
    assert any(wanted)
