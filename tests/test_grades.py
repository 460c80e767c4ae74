"""Random grades, and the tables of colours that networks learn through."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from huafeng.color import srgb_to_lab
from huafeng.colortable import spline
from huafeng.training.grades import STEPS, Draw, random_grades
from huafeng.training.tables import color_difference, density, enlarged, identity, lab, lookup


def grades(count: int = 64, seed: int = 0) -> torch.Tensor:
    return random_grades(count, 9, torch.Generator().manual_seed(seed))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**9))
def test_every_grade_is_a_table(seed: int) -> None:
    tables = grades(16, seed)
    assert tables.shape == (16, 9, 9, 9, 3)
    assert bool(((tables >= 0) & (tables <= 1)).all())  # NaN would fail as well


def test_grades_follow_from_the_seed_and_differ() -> None:
    assert torch.equal(grades(), grades())
    assert not torch.equal(grades(), grades(seed=1))
    apart = (grades()[:, None] - grades()[None]).abs().mean((2, 3, 4, 5))
    assert apart[~torch.eye(64, dtype=torch.bool)].median() > 0.03


def test_some_folders_have_no_grade_at_all_and_few_are_wild() -> None:
    tables = grades(256)
    away = (tables - identity(9)).abs().mean((1, 2, 3, 4))
    assert 0.03 < (away < 1e-6).float().mean() < 0.16
    assert 0.02 < away.median() < 0.15


@pytest.mark.parametrize("step", [step for step, _ in STEPS], ids=lambda step: step.__name__)
def test_no_step_makes_colours_jump(step: object) -> None:
    """Along the greys no value moves more than a twelfth from one of 65 nodes to the next: no step tears a gradient."""
    ramp = torch.linspace(0, 1, 65).reshape(1, -1, 1).expand(32, -1, 3)
    moved = step(ramp, Draw(32, torch.Generator().manual_seed(3))).clamp(0, 1)  # type: ignore[operator]
    assert float(moved.diff(dim=1).abs().quantile(0.99)) < 1 / 12


def test_lookup_is_trilinear() -> None:
    colors = torch.rand(2, 50, 3, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(lookup(identity(5).expand(2, -1, -1, -1, -1), colors), colors, atol=1e-6)
    corner = torch.zeros(1, 2, 2, 2, 3)
    corner[0, 1, 0, 1] = 1  # red and blue full, green none
    found = lookup(corner, torch.tensor([[[0.5, 0.25, 1.0], [1.0, 0.0, 1.0]]]))
    assert torch.allclose(found[0, :, 0], torch.tensor([0.5 * 0.75 * 1.0, 1.0]))


def test_the_spline_goes_through_its_nodes_and_bends_no_straight_line() -> None:
    matrix = spline(5, 9)
    values = np.array([0.0, 1.0, 0.5, 0.25, 2.0])
    assert np.allclose((matrix @ values)[::2], values)
    assert np.allclose(matrix @ np.arange(5.0), np.linspace(0, 4, 9))
    # three nodes 0 1 0: m = -3 in the middle; halfway 1/2 + (1/8 - 1/2)(-3)/6 = 11/16
    assert np.allclose(spline(3, 5) @ [0, 1, 0], [0, 11 / 16, 1, 11 / 16, 0])
    assert torch.allclose(enlarged(identity(3)[None], 7)[0], identity(7), atol=1e-6)


def test_lab_is_the_runtime_s_lab() -> None:
    colors = torch.rand(200, 3, generator=torch.Generator().manual_seed(0))
    assert np.allclose(lab(colors).numpy(), srgb_to_lab(colors.numpy()), atol=0.05)


def test_color_difference_by_hand() -> None:
    """Greys 0.4 and 0.6: L* 43.19 and 63.22, no chroma: sqrt(20.03^2 + 0.2)."""
    greys = torch.tensor([0.4, 0.6])[:, None].expand(-1, 3)
    assert float(color_difference(greys[0], greys[1])) == pytest.approx(20.03, abs=0.05)
    assert float(color_difference(greys[0], greys[0])) == pytest.approx(0.2**0.5, abs=1e-3)


def test_density_by_hand() -> None:
    found = density(torch.tensor([[0.25, 0.0, 1.0]]), 3)  # between nodes 0 and 1 of red
    assert float(found[0, 0, 2]) == pytest.approx(0.5)
    assert float(found[1, 0, 2]) == pytest.approx(0.5)
    assert float(found.sum()) == pytest.approx(1)
