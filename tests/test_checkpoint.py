"""Checkpoints: whole, verified, and none lost."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from huafeng.errors import OutputError, TrainingError
from huafeng.training import checkpoint


def steps(folder: Path) -> list[int]:
    return [checkpoint.step_of(path) for path in checkpoint.listed(folder)]


def test_a_state_comes_back_bit_by_bit(tmp_path: Path) -> None:
    state: dict[str, Any] = {
        "a": torch.tensor([0.1, -0.0]),
        "deep": {"b": [1, 2.5, None, "x"], "c": torch.arange(3, dtype=torch.int64)},
    }
    path = checkpoint.save(tmp_path, 7, state)
    back = checkpoint.load(path)
    assert checkpoint.step_of(path) == 7
    assert back["deep"]["b"] == [1, 2.5, None, "x"]
    assert torch.equal(back["a"], state["a"])
    assert back["deep"]["c"].dtype == torch.int64


def test_the_newest_three_are_kept(tmp_path: Path) -> None:
    for step in (1, 5, 9, 12):
        checkpoint.save(tmp_path, step, {})
    assert steps(tmp_path) == [5, 9, 12]


def test_after_going_back_later_ones_are_no_future(tmp_path: Path) -> None:
    for step in (1, 5, 9):
        checkpoint.save(tmp_path, step, {"run": "first"})
    checkpoint.save(tmp_path, 5, {"run": "second"})
    assert steps(tmp_path) == [1, 5]
    assert checkpoint.newest(tmp_path, print) == {"run": "second"}


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_one_is_told_and_the_one_before_is_used(tmp_path: Path, damage: str) -> None:
    checkpoint.save(tmp_path, 1, {"step": 1})
    path = checkpoint.save(tmp_path, 2, {"step": 2, "w": torch.zeros(100)})
    data = bytearray(path.read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 1
    path.write_bytes(b"" if damage == "empty" else data[: -5 if damage == "cut" else None])
    told: list[str] = []
    assert checkpoint.newest(tmp_path, told.append) == {"step": 1}
    assert len(told) == 1
    assert "is damaged" in told[0]
    with pytest.raises(TrainingError, match="is damaged"):
        checkpoint.load(path)


def test_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "VERSION", 99)
    checkpoint.save(tmp_path, 1, {})
    monkeypatch.undo()
    with pytest.raises(TrainingError, match="has format 99, this Huafeng reads 1"):
        checkpoint.newest(tmp_path, print)


def test_nothing_to_go_on_from(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-notes.pt").write_bytes(b"mine")
    with pytest.raises(TrainingError, match="has no checkpoint"):
        checkpoint.newest(tmp_path, print)


def test_reading_executes_nothing(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    buffer = io.BytesIO()
    torch.save({"version": 1, "state": Evil()}, buffer)
    import hashlib

    digest = hashlib.sha256(buffer.getvalue()).hexdigest()[:16]
    path = tmp_path / f"checkpoint-00000001-{digest}.pt"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(TrainingError, match="cannot be used"):
        checkpoint.load(path)
    assert not (tmp_path / "executed").exists()


def test_no_space_left_keeps_the_older_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.save(tmp_path, 1, {"step": 1})

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="no room left"):
        checkpoint.save(tmp_path, 2, {"step": 2})
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == [path.name for path in checkpoint.listed(tmp_path)]
    assert checkpoint.newest(tmp_path, print) == {"step": 1}
