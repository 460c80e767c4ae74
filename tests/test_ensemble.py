"""Several generators' weights made into one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from huafeng.errors import TrainingError
from huafeng.training.ensemble import average_states
from huafeng.training.network import Generator, GeneratorShape

State = dict[str, Tensor]
numbers = st.floats(-(2.0**100), 2.0**100, width=32)


def test_means_by_hand() -> None:
    states: list[State] = [{"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([3.0, -2.0])}]
    assert average_states(states)["w"].tolist() == [2, 0]
    # (3 * 1 + 1 * 3) / 4 and (3 * 2 - 1 * 2) / 4: weights are shares, whatever their sum
    assert average_states(states, [3, 1])["w"].tolist() == [1.5, 1]
    assert average_states(states, [0.75, 0.25])["w"].tolist() == [1.5, 1]
    assert average_states(states, [0, 1])["w"].tolist() == [3, -2]


@settings(max_examples=60, deadline=None)
@given(values=st.lists(numbers, min_size=1, max_size=5), weights=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=5))
def test_the_mean_of_equal_states_is_the_state(values: list[float], weights: list[float]) -> None:
    state = {"w": torch.tensor(values), "half": torch.tensor(values).bfloat16(), "n": torch.tensor(7)}
    made = average_states([state] * len(weights), weights)
    assert made.keys() == state.keys()
    for name, tensor in state.items():
        assert made[name].dtype == tensor.dtype
        assert torch.equal(made[name], tensor)


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.tuples(numbers, st.floats(0.1, 10)), min_size=1, max_size=5))
def test_a_mean_lies_between_and_does_not_depend_on_the_order(values: list[tuple[float, float]]) -> None:
    def mean(pairs: list[tuple[float, float]]) -> float:
        return average_states([{"w": torch.tensor(v)} for v, _ in pairs], [w for _, w in pairs])["w"].item()

    found = mean(values)
    least, most = min(v for v, _ in values), max(v for v, _ in values)
    assert least <= found <= most
    assert found == pytest.approx(mean(values[::-1]), rel=1e-6, abs=1e-6 * max(abs(least), abs(most)))


def test_linear_networks_average_their_answers() -> None:
    torch.manual_seed(0)
    one, other, both = nn.Linear(4, 3), nn.Linear(4, 3), nn.Linear(4, 3)
    both.load_state_dict(average_states([one.state_dict(), other.state_dict()], [1, 3]))
    x = torch.randn(5, 4)
    assert torch.allclose(both(x), 0.25 * one(x) + 0.75 * other(x), atol=1e-6)


def test_the_mean_is_a_generator_of_its_own() -> None:
    torch.manual_seed(0)
    shape = GeneratorShape(half=4, quarter=4, eighth=8, blocks=1)
    one, other, both = Generator(shape), Generator(shape), Generator(shape)
    both.load_state_dict(average_states([one.state_dict(), other.state_dict()]))
    expected = [(a + b) / 2 for a, b in zip(one.parameters(), other.parameters(), strict=True)]
    assert all(torch.allclose(a, b, atol=1e-7) for a, b in zip(both.parameters(), expected, strict=True))
    state = one.state_dict()
    made = average_states([state])
    made["last"].zero_()
    assert state["last"].abs().sum() > 0  # its own memory


def test_counters_are_the_first_one_s() -> None:
    first, second = nn.BatchNorm2d(2).state_dict(), nn.BatchNorm2d(2).state_dict()
    first["num_batches_tracked"], second["num_batches_tracked"] = torch.tensor(5), torch.tensor(9)
    second["running_mean"] = torch.tensor([2.0, 4.0])
    made = average_states([first, second])
    assert made["num_batches_tracked"].item() == 5
    assert made["running_mean"].tolist() == [1, 2]


BAD: list[tuple[list[State], list[float] | None, str]] = [
    ([], None, "There is nothing to average: give one generator or more."),
    ([{"a": torch.ones(1)}] * 2, [1.0], "Averaging 2 generators needs as many weights"),
    ([{"a": torch.ones(1)}] * 2, [2.0, -1.0], "each at least 0"),
    ([{"a": torch.ones(1)}] * 2, [0.0, 0.0], "not all 0"),
    ([{"a": torch.ones(1)}] * 2, [float("nan"), 1.0], "each at least 0"),
    ([{"a": torch.ones(1)}] * 2, [float("inf"), 1.0], "each at least 0"),
    ([{"a": torch.ones(1)}, {"b": torch.ones(1)}], None, "Generators 1 and 2 cannot be averaged: only one of them has a."),
    ([{"a": torch.ones(2, 1)}, {"a": torch.ones(1, 2)}], None, r"a has the shapes \[2, 1\] and \[1, 2\]"),
    ([{"t": torch.tensor([0, 1])}] * 2 + [{"t": torch.tensor([1, 0])}], None, "1 and 3 .*: t holds different whole numbers"),
]


@pytest.mark.parametrize(("states", "weights", "sentence"), BAD)
def test_what_cannot_be_averaged_is_told_in_a_sentence(states: list[State], weights: list[float] | None, sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence):
        average_states(states, weights)
