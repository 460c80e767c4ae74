"""The training loop: runs a recipe's steps, logs, watches, saves, stops. It knows no network and no loss.

Everything that weights depend on is in the checkpoint or follows from (seed, step), so that a run that was killed and
resumed ends with the same bits as one that was not. Only --minutes brings the clock in.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import torch
from tqdm import tqdm

from huafeng.errors import RecipeError, RunStopped, TrainingError
from huafeng.pixels import U8
from huafeng.training import checkpoint
from huafeng.training.processes import Processes
from huafeng.training.recipe import Clock, Recipe, Report, RunOptions
from huafeng.training.run import BEST, Journal
from huafeng.training.watch import Watch

OnCollapse = Literal["stop", "rollback", "warn"]

EASED = 0.5  # what going back leaves of the discriminator's learning rate
MOST_ROLLBACKS = 3


@dataclass
class Progress:
    """Where the run stands; part of every checkpoint."""

    step: int = 0
    images: int = 0
    seconds: float = 0.0
    length: float = 0.0  # steps in all
    minutes: float | None = None  # its length follows from them, if given
    calm: int = 0  # the last check's step at which nothing looked bad
    rollbacks: int = 0
    lost: int = 0  # steps that went with them
    best: float = math.inf
    looks_since_best: int = 0


class Loop:
    """One run of a recipe in a folder.

    Args:
        minutes: training time in all, parts before a resume counted in; the run's length in steps then follows from its pace.
        tell: takes sentences for the user.
    """

    def __init__(
        self,
        recipe: Recipe,
        options: RunOptions,
        folder: Path,
        *,
        processes: Processes,
        minutes: float | None,
        on_collapse: OnCollapse,
        tell: Callable[[str], None],
        show: Callable[[U8], None] | None = None,
    ) -> None:
        self.recipe, self.options, self.folder, self.processes = recipe, options, folder, processes
        self.on_collapse, self.tell, self.show = on_collapse, tell, show
        self.watch = Watch(options.watch)
        self.at = Progress(length=options.steps, minutes=minutes)
        self.waiting: list[Report] = []  # of steps since the last check
        self.asked_to_stop = False
        if options.early_stopping and options.early_stopping.figure not in (known := recipe.figures()):
            raise RecipeError([f"early_stopping.figure is one of {', '.join(known)}, not {options.early_stopping.figure!r}"])

    # ---- state

    def state(self) -> dict[str, Any]:
        """Everything to go on from."""
        return {
            "recipe": self.options.recipe,
            "parts": {name: part.state_dict() for name, part in self.recipe.parts.items()},
            "progress": vars(self.at).copy(),
            "watch": self.watch.state_dict(),
            "data": self.recipe.data,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a state.

        Raises:
            TrainingError: it belongs to another recipe, or to networks of other shapes.
        """
        if not {"recipe", "data", "progress", "watch"} <= state.keys():
            raise TrainingError("The checkpoint is damaged: parts of it are missing. Begin a new run.")
        if state["recipe"] != self.options.recipe:
            raise TrainingError(
                f"The checkpoint belongs to the recipe {state['recipe']!r}, not to {self.options.recipe!r}: begin a new run."
            )
        for name, fingerprint in self.recipe.data.items():
            if state["data"].get(name) != fingerprint:
                self.tell(
                    f"The pictures of {name!r} have changed since the run was begun: it goes on with those that are there."
                )
        try:
            for name, part in self.recipe.parts.items():
                part.load_state_dict(state["parts"][name])
        except (KeyError, RuntimeError, ValueError, TypeError, AttributeError, IndexError) as error:
            raise TrainingError(
                "The checkpoint does not fit this recipe's networks or styles: resume with the options it was begun with."
            ) from error
        try:
            self.at = Progress(**state["progress"])
            self.watch.load_state_dict(state["watch"])
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise TrainingError("The checkpoint is damaged: it does not tell how far it has come. Begin a new run.") from error

    def clock(self) -> Clock:
        """The clock of the next step."""
        progress = min(self.at.step / self.at.length, 1.0)
        crop_px, batch = self.options.stage(progress)
        return Clock(self.at.step, self.at.images, progress, batch, crop_px, self.options.seed, self.processes,
                     EASED**self.at.rollbacks)  # fmt: skip

    # ---- the run

    def run(self) -> None:
        """Train to the end; the last state is saved. Ctrl-C or SIGTERM: saves, and raises KeyboardInterrupt.

        Raises:
            RunStopped: a loss is not finite, or the run has collapsed; checkpoints from before that are kept.
        """
        journal = Journal(self.folder, self.at.step) if self.processes.first else None
        bar = tqdm(total=round(self.at.length), initial=self.at.step, unit="step", disable=None if journal else True)
        if not checkpoint.listed(self.folder) and journal:
            checkpoint.save(self.folder, self.at.step, self.state())  # a collapse may come before the first one is due
        self.processes.wait()
        if self.at.minutes is not None and self.at.step:
            self._plan()
        began, saved = time.monotonic() - self.at.seconds, time.monotonic()
        try:
            with self._signals():
                while not self._over():
                    clock = self.clock()
                    self.waiting.append(self.recipe.step(clock))
                    self.at.step += 1
                    self.at.images += clock.batch
                    bar.update()
                    alone = self.processes.count == 1
                    if self.at.step % self.options.check_every and not self._over() and not (alone and self.asked_to_stop):
                        continue
                    self.at.seconds = self.processes.agree(time.monotonic() - began)
                    lost = self._check(journal, bar)
                    if lost:
                        self._go_back(lost)
                        if journal:
                            journal.close()
                            journal = Journal(self.folder, self.at.step)
                        began = time.monotonic() - self.at.seconds
                        bar.reset(round(self.at.length))
                        bar.update(self.at.step)
                        continue
                    stop = self.processes.agree(self.asked_to_stop)
                    due = time.monotonic() - saved > 60 * self.options.checkpoint_minutes
                    if self.processes.agree(due or stop or self._over()):
                        self._save(journal)
                        saved = time.monotonic()
                    if stop:
                        raise KeyboardInterrupt
        finally:
            bar.close()
            if journal:
                journal.close()

    def _over(self) -> bool:
        patience = self.options.early_stopping.patience if self.options.early_stopping else math.inf
        return self.at.step >= self.at.length or self.at.looks_since_best >= patience

    def _check(self, journal: Journal | None, bar: Any) -> str | None:
        """Settle the steps since the last check; gives what is wrong if the run has collapsed and shall go back."""
        steps, self.waiting = self.waiting, []
        values = self._settle(steps)
        clock = self.clock()
        values["diversity"] = self.processes.agree(self.recipe.diversity(clock))  # on GPUs the last bits may differ
        alarm = self.watch.see(values) if len(steps) == self.options.check_every else None  # Ctrl-C comes at odd steps
        if self.watch.calm:
            self.at.calm = self.at.step
        if self.at.minutes is not None:
            self._plan()
            bar.total = round(self.at.length)
        if (early := self.options.early_stopping) and self.at.step % early.every == 0:
            values |= self._look(early.figure, early.least, journal)
        if journal:
            pace = {"minutes": self.at.seconds / 60, "images": self.at.images, "waited_s": self.recipe.waited_s()}
            journal.line(self.at.step, {k: float(f"{v:.5g}") for k, v in (pace | values).items()})
            shown = {k: f"{v:.3g}" for k, v in values.items()}
            bar.set_postfix(img_s=f"{self.at.images / max(self.at.seconds, 1e-9):.1f}", **shown)
        if alarm is None:
            return None
        if self.on_collapse == "rollback" and self.at.rollbacks < MOST_ROLLBACKS:
            return alarm
        if self.on_collapse == "warn":
            self.tell(f"Step {self.at.step}: {alarm}.")
            self.watch.bad.clear()
            return None
        advice = "; --on-collapse rollback goes back to it and lowers the discriminator's rate"
        raise RunStopped(
            f"Stopped at step {self.at.step}: {alarm}. The last good checkpoint is kept in {self.folder}"
            f"{advice if self.on_collapse == 'stop' else ''}."
        )

    def _settle(self, steps: list[Report]) -> dict[str, float]:
        """Mean values over these steps and all processes; one transfer from the device.

        Raises:
            RunStopped: a loss was not finite; the first such step and its term are told.
        """
        found = [report.losses | report.figures for report in steps]
        names = dict.fromkeys(name for values in found for name in values)
        absent = next(iter(found[0].values())).new_tensor(math.nan, dtype=torch.float32)
        rows = torch.stack([torch.stack([values.get(name, absent).float() for name in names]) for values in found])
        table = self.processes.mean(rows.double()).tolist()
        first = self.at.step - len(steps)
        for number, (report, row) in enumerate(zip(steps, table, strict=True), first):
            for name, value in zip(names, row, strict=True):
                norm = name in report.figures and name.endswith("_gradient")
                if (norm or name in report.losses) and not math.isfinite(value):
                    what = f"the norm {name!r}" if norm else f"the loss {name!r}"
                    raise RunStopped(
                        f"Stopped: {what} is {value} at step {number}. The last good checkpoint is kept in "
                        f"{self.folder}; lower the learning rate, clip the gradient, or use precision: fp32."
                    )
        columns = zip(names, zip(*table, strict=True), strict=True)
        there = {name: [value for value in column if not math.isnan(value)] for name, column in columns}
        return {name: sum(values) / len(values) for name, values in there.items() if values}

    def _plan(self) -> None:
        """Choose the run's length so that it ends when its minutes are over."""
        assert self.at.minutes is not None
        pace = self.at.seconds / (self.at.step + self.at.lost)
        left = self.at.minutes * 60 - self.at.seconds
        self.at.length = self.processes.agree(self.at.step + max(0.0, left / pace))

    def _look(self, figure: str, least: float, journal: Journal | None) -> dict[str, float]:
        """Validation figures; keeps the best weights."""
        found = {name: self.processes.agree(value) for name, value in self.recipe.figures().items()}
        if found[figure] < self.at.best - least:
            self.at.best, self.at.looks_since_best = found[figure], 0
            if journal:
                checkpoint.save(self.folder / BEST, self.at.step, self.state(), kept=1)
        else:
            self.at.looks_since_best += 1
        return {f"validation_{name}": value for name, value in found.items()}

    def _save(self, journal: Journal | None) -> None:
        if journal:
            checkpoint.save(self.folder, self.at.step, self.state(), calm=self.at.calm)
            samples = self.recipe.samples()
            journal.picture(self.at.step, samples)
            if self.show:
                self.show(samples)
        self.processes.wait()

    def _go_back(self, alarm: str) -> None:
        """To the newest checkpoint from before the collapse began to show, with a slower discriminator; saved at once."""
        now = self.at
        self.load(checkpoint.newest(self.folder, self.tell, now.calm))
        self.watch.bad.clear()
        self.at.rollbacks, self.at.lost = now.rollbacks + 1, now.lost + now.step - self.at.step
        self.at.seconds, self.at.best = now.seconds, now.best
        self.tell(
            f"{alarm[0].upper()}{alarm[1:]}. Went back to step {self.at.step}; the discriminator now learns at "
            f"{EASED**self.at.rollbacks:.3g} of its rate."
        )
        self.processes.wait()  # all have read it
        if self.processes.first:
            checkpoint.save(self.folder, self.at.step, self.state(), calm=self.at.calm)
        self.processes.wait()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM ask the run to stop at the next step; a second one stops at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def ask(number: int, frame: FrameType | None) -> None:
            if self.asked_to_stop:
                raise KeyboardInterrupt
            self.asked_to_stop = True

        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
