"""Random film stocks, of which the look learner is shown many."""

from __future__ import annotations

import torch

from huafeng.training.filmgrades import film_grades, mixed_grades
from huafeng.training.grades import random_grades
from huafeng.training.tables import identity


def drawn(count: int = 200, seed: int = 0) -> torch.Tensor:
    return film_grades(count, 9, torch.Generator().manual_seed(seed))


def greys(tables: torch.Tensor) -> torch.Tensor:
    """What greys become [F, N, 3]."""
    axis = torch.arange(tables.shape[1])
    return tables[:, axis, axis, axis]


def test_stocks_follow_from_the_seed_and_differ() -> None:
    tables = drawn(20)
    assert torch.equal(tables, drawn(20)) and not torch.equal(tables, drawn(20, 1))
    assert tables.shape == (20, 9, 9, 9, 3)
    assert float(tables.min()) >= 0 and float(tables.max()) <= 1
    assert float((tables[0] - tables[1]).abs().mean()) > 0.01


def test_greys_hardly_turn_to_colors_and_other_colors_move() -> None:
    """Of most stocks greys are tinted by less than saturated colours are moved, and rise from dark to bright."""
    tables = drawn()
    tint = greys(tables) - greys(tables).mean(-1, keepdim=True)
    assert float(tint.abs().mean((1, 2)).median()) < 0.03
    assert float((tables - identity(9)).abs().mean((1, 2, 3, 4)).median()) > 0.05
    rising = greys(tables).mean(-1).diff(dim=1).min(1).values > -0.01
    assert float(rising.float().mean()) > 0.95


def test_some_stocks_are_black_and_white() -> None:
    tables = drawn(400)
    saturation = tables.max(-1).values - tables.min(-1).values
    grey = float((saturation.mean((1, 2, 3)) < 0.08).float().mean())
    assert 0.03 < grey < 0.3


def test_a_share_of_mixed_grades_are_stocks() -> None:
    def random(film: float) -> torch.Tensor:
        return mixed_grades(60, 5, film, torch.Generator().manual_seed(2))

    draw = torch.Generator().manual_seed(2)
    grades, stocks = random_grades(60, 5, draw), film_grades(60, 5, draw)
    assert torch.equal(random(0.0), grades) and torch.equal(random(1.0), stocks)
    taken = (random(0.5) == stocks).flatten(1).all(1)
    assert torch.equal(random(0.5)[~taken], grades[~taken])
    assert 15 < int(taken.sum()) < 45
