"""How many cores a run takes, and how its threads wait."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from conftest import Run
from translating import COMMON, SMALL, write_pictures

from huafeng.training import threads
from huafeng.training.threads import chosen_threads, free_cores


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """One of eight cores, of which this process may use four; the environment says nothing, and nothing else runs."""
    monkeypatch.setattr(threads, "cores", lambda: 4)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    load(monkeypatch, 0.0, 0.0)
    return monkeypatch


def load(machine: pytest.MonkeyPatch, minute: float, five: float) -> None:
    machine.setattr(os, "getloadavg", lambda: (minute, five, 0.0), raising=False)


@pytest.mark.parametrize(
    ("minute", "five", "free"),
    [
        (0.0, 0.0, 4),
        (4.4, 4.4, 4),  # four cores are free, and four are ours
        (4.6, 9.0, 3),
        (6.0, 5.9, 2),
        (8.0, 1.0, 4),  # it has just begun
        (1.0, 8.0, 4),  # it has just ended
        (40.0, 40.0, 1),
    ],
)
def test_cores_that_others_leave(machine: pytest.MonkeyPatch, minute: float, five: float, free: int) -> None:
    load(machine, minute, five)
    assert free_cores() == free


def test_what_counts_first(machine: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    assert chosen_threads(None, told.append) is None
    load(machine, 6.0, 6.0)
    assert chosen_threads(3, told.append) == 3
    assert chosen_threads(None, told.append, resumed=True) is None  # a run that had all has all again
    assert told == []
    assert chosen_threads(None, told.append) == 2
    assert chosen_threads(None, told.append, resumed=True, before=3) == 3
    assert told == [
        "2 of 4 cores are taken, for other programs keep the rest busy (--threads 4 takes all).",
        "3 of 4 cores are taken, as before (--threads 4 takes all).",
    ]
    for nonsense in (-1, 0, 5):  # a file from another machine, or one that was edited
        assert chosen_threads(None, told.append, resumed=True, before=nonsense) is None
    machine.setenv("OMP_NUM_THREADS", "1")
    assert chosen_threads(None, told.append) is None
    assert len(told) == 2


def test_where_the_load_is_not_known(machine: pytest.MonkeyPatch) -> None:
    machine.delattr(os, "getloadavg")
    assert free_cores() == 4


def test_a_run_goes_on_with_the_threads_that_it_had(huafeng: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    monkeypatch.setattr(threads, "cores", lambda: 2)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    write_pictures(tmp_path)
    values = {"recipe": "pix2pix", **COMMON, **SMALL["pix2pix"], "data": str(tmp_path), "steps": 1}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(values))
    ran = huafeng("train", str(tmp_path / "small.yaml"), "-o", str(tmp_path / "run"), "--threads", "1")
    assert ran.code == 0, ran.err
    assert json.loads((tmp_path / "run" / "options.json").read_text())["threads"] == 1
    again = huafeng("train", "--resume", str(tmp_path / "run"), "--set", "steps=2")
    assert again.code == 0, again.err
    assert "1 of 2 cores are taken, as before (--threads 2 takes all)." in again.err
    assert asked == [1, 1]


@pytest.mark.parametrize("verb", ["train", "learn"])
def test_more_threads_than_cores_are_refused(huafeng: Run, verb: str) -> None:
    for number in ("0", "1000000"):
        ran = huafeng(verb, "x", "--threads", number, *(("--as", "mine") if verb == "learn" else ()))
        assert ran.code == 2
        assert "--threads" in ran.err


@pytest.mark.parametrize("said", [None, "ACTIVE"])
def test_threads_that_wait_sleep_unless_the_user_says_otherwise(said: str | None) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {"OMP_WAIT_POLICY": said} if said else {}
    code = (
        "import os, sys, typing; from huafeng.cli.train import train\n"
        "import huafeng.training.threads\n"
        "assert 'torch' not in sys.modules; print(os.environ['OMP_WAIT_POLICY'])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert ran.stdout.strip() == (said or "PASSIVE")
