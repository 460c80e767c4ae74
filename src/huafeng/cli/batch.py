"""Photos through an edit, several at a time; one that fails does not stop the others."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import NamedTuple

import typer

from huafeng.cli.plan import Job
from huafeng.cli.report import console, reason
from huafeng.edit import Edit
from huafeng.files import check_output, write_whole
from huafeng.library import Library
from huafeng.photo import EncodeOptions, Limits, Photo
from huafeng.pixels import U8
from huafeng.region import MaskResized
from huafeng.style import Style
from huafeng.stylizer import Stylizer, cores

MOST_JOBS = 4  # by default: a 12-megapixel photo takes up to 0.7 GB while it is worked on
LARGE_PIXELS = 24_000_000  # photos larger than this are styled one at a time, whatever --jobs says


class Order(NamedTuple):
    """What is to be done to every photo of a run."""

    task: Edit | Style  # an edit, or what is to enlarge them
    options: EncodeOptions
    force: bool
    save_edit: bool
    limits: Limits | None = None


class Stopped(Exception):
    """The run is to end: the photo in work is given up before its result is written."""


class Batch:
    """A run over some photos.

    By default as many photos at once as there are cores, four at most, and the cores are shared out among them: reading
    and writing a photo takes one core, so this is faster than all cores on one photo.
    """

    def __init__(self, order: Order, jobs: Sequence[Job], at_once: int | None, library: Library) -> None:
        self.order, self.jobs = order, jobs
        self.at_once = min(len(jobs), at_once or min(cores(), MOST_JOBS))
        self.stylizer = Stylizer(library, threads=max(1, cores() // self.at_once))
        self._large = threading.Lock()
        self._stop = threading.Event()

    def run(self) -> int:
        """Do the work and return the exit code. With a single photo its error is raised instead."""
        if len(self.jobs) == 1:
            self._work(self.jobs[0])
            _tell(self.jobs[0])
            return 0
        self._rehearse()
        started = time.monotonic()
        failed = self._work_on_all()
        done = len(self.jobs) - len(failed)
        typer.echo(f"{done} of {len(self.jobs)} photos done in {_duration(time.monotonic() - started)}.", err=True)
        if failed:
            _tell_failures(failed)
        return 1 if failed else 0

    def _rehearse(self) -> None:
        """The task on a grey square: what fails here would fail for every photo, and is told once, before the work."""
        import numpy as np

        grey: U8 = np.full((64, 64, 3), 128, np.uint8)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MaskResized)
            self._done(Photo.from_array(grey))

    def _work_on_all(self) -> list[tuple[Job, BaseException]]:
        """The photos that failed, and why, in the order of the jobs."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        errors: dict[Job, BaseException] = {}
        screen = console(stderr=True)
        columns = (TextColumn("Styling"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("left"))
        with (
            Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress,
            ThreadPoolExecutor(self.at_once) as pool,
        ):
            bar = progress.add_task("", total=len(self.jobs))
            try:
                futures: dict[Future[None], Job] = {pool.submit(self._work, job): job for job in self.jobs}
                for future in as_completed(futures):
                    job = futures[future]
                    if error := future.exception():
                        errors[job] = error
                    elif not (screen.is_terminal and sys.stdout.isatty()):  # there, the bar is enough
                        _tell(job)
                    progress.advance(bar)
            except BaseException:  # Ctrl-C, or nobody reads our output any more
                self._stop.set()
                pool.shutdown(cancel_futures=True)
                raise
        return [(job, errors[job]) for job in self.jobs if job in errors]

    def _work(self, job: Job) -> None:
        order = self.order
        check_output(job.result, order.force)
        if order.save_edit:
            check_output(job.edit_file, order.force)
        self._go_on()
        photo = Photo.open(job.photo, limits=order.limits) if order.limits else Photo.open(job.photo)
        for note in photo.source.notes:
            typer.echo(f"Note: {job.photo}: {note}.", err=True)
        self._go_on()
        height, width = photo.pixels.shape[:2]
        with self._large if height * width > LARGE_PIXELS else contextlib.nullcontext():
            photo = self._done(photo)
        self._go_on()
        photo.save(job.result, force=order.force, **order.options)
        if order.save_edit and isinstance(order.task, Edit):
            write_whole(job.edit_file, order.task.to_json().encode(), force=order.force)

    def _done(self, photo: Photo) -> Photo:
        task = self.order.task
        return self.stylizer.apply(photo, task) if isinstance(task, Edit) else self.stylizer.enlarge(photo, task)

    def _go_on(self) -> None:
        if self._stop.is_set():
            raise Stopped


def _tell(job: Job) -> None:
    typer.echo(f"{job.photo} -> {job.result}")


def _tell_failures(failed: Sequence[tuple[Job, BaseException]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table("Failed", "Why", box=SIMPLE_HEAD)
    for job, error in failed:
        table.add_row(Text(str(job.photo), overflow="fold"), Text(reason(error), overflow="fold"))
    console(stderr=True).print(table)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
