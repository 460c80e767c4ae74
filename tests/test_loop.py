"""The training loop on a toy GAN: exact resume, alarms, early stopping, what the run folder holds."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy import Toy, ToyOptions

from huafeng.errors import RunStopped, TrainingError
from huafeng.training import checkpoint
from huafeng.training.adversary import AdversarialOptions
from huafeng.training.learner import LearnerOptions
from huafeng.training.loop import Loop, OnCollapse
from huafeng.training.processes import ALONE
from huafeng.training.recipe import EarlyStopping, Machine, Stage, WatchOptions
from huafeng.training.run import BEST, STATS, Journal, locked, new_folder, read_options

OPTIONS = ToyOptions(steps=60, batch=8, crop_px=16, check_every=5, precision="fp32", checkpoint_minutes=0)
BROKEN = replace(
    OPTIONS,
    steps=400,
    batch=32,
    generator=LearnerOptions(learning_rate=0),
    adversarial=AdversarialOptions(weight=1, loss="non-saturating", learning_rate=0.01, spectral_norm=False),
)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def begin(
    folder: Path,
    options: ToyOptions = OPTIONS,
    *,
    minutes: float | None = None,
    on_collapse: OnCollapse = "stop",
    tell: Callable[[str], None] = print,
) -> Loop:
    recipe = Toy(options, Machine(precision="fp32", tell=tell))
    return Loop(recipe, options, folder, processes=ALONE, minutes=minutes, on_collapse=on_collapse, tell=tell)


def resume(folder: Path, options: ToyOptions = OPTIONS, **how: Any) -> Loop:
    loop = begin(folder, options, **how)
    loop.load(checkpoint.newest(folder, print))
    return loop


def weights(loop: Loop) -> list[bytes]:
    """Every bit that counts: networks, their average, optimisers."""
    found: list[bytes] = []

    def walk(value: Any) -> None:
        if isinstance(value, torch.Tensor):
            found.append(value.numpy().tobytes())
        elif isinstance(value, dict):
            for inner in value.values():
                walk(inner)

    walk({name: part.state_dict() for name, part in loop.recipe.parts.items()})
    assert len(found) > 30
    return found


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / STATS).read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Loop:
    """A run that was never interrupted."""
    torch.set_num_threads(1)
    loop = begin(tmp_path_factory.mktemp("whole") / "run")
    loop.run()
    return loop


def test_a_run_leaves_curves_samples_and_checkpoints(whole: Loop) -> None:
    assert [line["step"] for line in lines(whole.folder)] == list(range(5, 61, 5))
    assert {"discriminator", "fool", "accuracy", "diversity", "generator_gradient", "images"} <= lines(whole.folder)[-1].keys()
    assert lines(whole.folder)[-1]["images"] == 60 * 8
    assert [checkpoint.step_of(path) for path in checkpoint.listed(whole.folder)] == [50, 55, 60]
    assert (whole.folder / "samples" / "00000060.png").is_file()
    assert len(list(whole.folder.glob("events.*"))) == 1


@pytest.mark.parametrize("steps", [5, 7, 33])
def test_stopped_by_ctrl_c_and_resumed_gives_the_same_bits(whole: Loop, tmp_path: Path, steps: int) -> None:
    loop = begin(tmp_path)
    step = loop.recipe.step

    def interrupted(clock):
        if clock.step == steps:
            os.kill(os.getpid(), signal.SIGINT)
        return step(clock)

    loop.recipe.step = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        loop.run()
    assert checkpoint.step_of(checkpoint.listed(tmp_path)[-1]) == steps + 1  # the step was finished
    again = resume(tmp_path)
    again.run()
    assert weights(again) == weights(whole)
    assert lines(tmp_path)[-1]["step"] == 60


def _train_in_a_child(folder: Path) -> None:
    torch.set_num_threads(1)
    loop = resume(folder, tell=lambda text: None) if checkpoint.listed(folder) else begin(folder, tell=lambda text: None)
    step = loop.recipe.step

    def slowly(clock):
        time.sleep(0.004)
        return step(clock)

    loop.recipe.step = slowly  # type: ignore[method-assign]
    loop.run()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_killed_at_any_point_and_resumed_gives_the_same_bits(whole: Loop, tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")  # a fork of this process would inherit torch's threads
    context.set_forkserver_preload(["torch", "huafeng.training.loop", "toy"])
    patience = np.random.default_rng(0).uniform(0.05, 0.5, 10)
    kills = 0
    for wait_s in [*patience, 60.0]:
        child = context.Process(target=_train_in_a_child, args=(tmp_path,))
        child.start()
        child.join(wait_s)
        if child.is_alive():
            child.kill()
            child.join()
            kills += 1
        elif child.exitcode == 0:
            break
    assert child.exitcode == 0
    assert kills >= 2
    assert weights(resume(tmp_path)) == weights(whole)
    assert [line["step"] for line in lines(tmp_path)] == list(range(5, 61, 5))


def test_another_seed_gives_other_bits(whole: Loop, tmp_path: Path) -> None:
    other = begin(tmp_path, replace(OPTIONS, seed=1))
    other.run()
    assert weights(other) != weights(whole)


def test_stages_change_the_batch(tmp_path: Path) -> None:
    loop = begin(tmp_path, replace(OPTIONS, steps=20, stages=(Stage(0.5, 16, 2),)))
    loop.run()
    assert loop.at.images == 10 * 2 + 10 * 8


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    options = replace(OPTIONS, poison_at=13)
    with pytest.raises(RunStopped, match=r"the loss 'discriminator' is nan at step 13\. The last good checkpoint is kept"):
        begin(tmp_path, options).run()
    assert checkpoint.step_of(checkpoint.listed(tmp_path)[-1]) == 10
    state = checkpoint.newest(tmp_path, print)
    assert all(torch.isfinite(w).all() for w in state["parts"]["generator"].values())
    again = resume(tmp_path)
    again.run()
    assert again.at.step == 60


def test_a_collapse_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(RunStopped, match=r"Stopped at step \d+: the discriminator judges .* right"):
        begin(tmp_path, BROKEN).run()
    assert lines(tmp_path)[-1]["step"] <= 200


def test_a_generator_that_makes_one_picture_is_a_collapse(tmp_path: Path) -> None:
    loop = begin(tmp_path, replace(OPTIONS, steps=200, generator=LearnerOptions(learning_rate=0)))
    with torch.no_grad():
        loop.recipe.parts["generator"][0].weight.zero_()  # type: ignore[index]
    with pytest.raises(RunStopped, match="all results look alike"):
        loop.run()
    assert loop.at.step <= 200


def test_a_collapse_may_go_back_with_a_slower_discriminator(tmp_path: Path) -> None:
    told: list[str] = []
    options = replace(BROKEN, watch=WatchOptions(patience=4))
    with pytest.raises(RunStopped):  # this generator never learns: it goes back as often as it may
        begin(tmp_path, options, on_collapse="rollback", tell=told.append).run()
    assert len(told) == 3
    assert "Went back to step" in told[0]
    assert "learns at 0.5 of its rate" in told[0]
    assert "learns at 0.125 of its rate" in told[2]
    state = checkpoint.newest(tmp_path, print)
    assert state["progress"]["rollbacks"] == 3


def test_going_back_heals_a_run(tmp_path: Path) -> None:
    """A generator that is knocked out once: without going back the run would stop."""
    options = replace(OPTIONS, steps=150, watch=WatchOptions(patience=2))
    loop = begin(tmp_path, options, on_collapse="rollback", tell=lambda text: None)
    step, knocked = loop.recipe.step, list[int]()

    def knocked_out(clock):
        report = step(clock)
        if clock.step == 100 and not knocked:
            knocked.append(clock.step)
            with torch.no_grad():
                [p.zero_() for p in loop.recipe.parts["generator"].parameters()]  # type: ignore[attr-defined]
        return report

    loop.recipe.step = knocked_out  # type: ignore[method-assign]
    loop.run()
    assert loop.at.rollbacks == 1
    assert loop.at.step == 150
    assert lines(tmp_path)[-1]["diversity"] > 0.1


def test_a_warning_lets_the_run_go_on(tmp_path: Path) -> None:
    told: list[str] = []
    loop = begin(tmp_path, BROKEN, on_collapse="warn", tell=told.append)
    loop.run()
    assert loop.at.step == 400
    assert told
    assert "judges" in told[0]


def test_early_stopping_keeps_the_best(tmp_path: Path) -> None:
    loop = begin(tmp_path, replace(OPTIONS, steps=200, early_stopping=EarlyStopping(every=10, patience=3)))
    figures = iter([5.0, 3.0, 4.0, 2.0, 2.5, 2.0, 9.0, 0.0])
    loop.recipe.figures = lambda: {"objective": next(figures)}  # type: ignore[method-assign]
    loop.run()
    assert loop.at.step == 70  # the best at step 40, then three looks without a better one
    (best,) = checkpoint.listed(tmp_path / BEST)
    assert checkpoint.step_of(best) == 40
    looks = [line["validation_objective"] for line in lines(tmp_path) if "validation_objective" in line]
    assert looks == [5, 3, 4, 2, 2.5, 2, 9]


def test_minutes_set_the_length(tmp_path: Path) -> None:
    began = time.monotonic()
    loop = begin(tmp_path, replace(OPTIONS, steps=10**9), minutes=0.02, on_collapse="warn")
    loop.run()
    assert 1.0 < time.monotonic() - began < 6.0
    assert loop.clock().progress == pytest.approx(1, abs=0.02)


def test_a_run_that_is_over_stays_as_it_is(whole: Loop) -> None:
    before = (whole.folder / STATS).read_text()
    again = resume(whole.folder)
    again.run()
    assert weights(again) == weights(whole)
    assert (whole.folder / STATS).read_text() == before


def test_changed_pictures_are_told(whole: Loop) -> None:
    told: list[str] = []
    loop = begin(whole.folder, tell=told.append)
    loop.recipe.data = {"ring": "other"}
    loop.load(checkpoint.newest(whole.folder, print))
    assert told == ["The pictures of 'ring' have changed since the run was begun: it goes on with those that are there."]


def test_a_checkpoint_of_another_recipe_or_network_is_refused(whole: Loop) -> None:
    state = checkpoint.newest(whole.folder, print)
    with pytest.raises(TrainingError, match="belongs to the recipe 'art', not to 'toy'"):
        begin(whole.folder).load(state | {"recipe": "art"})
    state["parts"]["generator"]["0.weight"] = torch.zeros(1)
    with pytest.raises(TrainingError, match="does not fit this recipe's networks"):
        begin(whole.folder).load(state)


def test_the_folder_of_a_live_run_is_refused(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(TrainingError, match="Another process is training"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_folders_of_new_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert new_folder(None, "art") == Path("runs/art")
    Path("runs/art").mkdir(parents=True)
    assert new_folder(None, "art") == Path("runs/art-2")
    Path("runs/art/options.json").write_text("{}")
    with pytest.raises(TrainingError, match="holds a run already"):
        new_folder(Path("runs/art"), "art")
    with pytest.raises(TrainingError, match="is not a run folder"):
        read_options(tmp_path)


def test_lines_after_the_checkpoint_are_cut(tmp_path: Path) -> None:
    (tmp_path / STATS).write_text('{"step": 5}\n{"step": 10}\n{"step": 15}\n{"st')
    journal = Journal(tmp_path, 10)
    journal.line(12, {"a": 1.0})
    journal.close()
    assert lines(tmp_path) == [{"step": 5}, {"step": 10}, {"step": 12, "a": 1.0}]
