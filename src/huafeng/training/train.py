"""`huafeng train`: from a recipe to a run folder with a result in it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

import huafeng
from huafeng.errors import TrainingError
from huafeng.files import write_whole
from huafeng.library import BASE_PATTERN
from huafeng.pixels import U8
from huafeng.training import checkpoint
from huafeng.training.loop import Loop, OnCollapse
from huafeng.training.options import plain
from huafeng.training.processes import ALONE, Processes, joined
from huafeng.training.recipe import Clock, Machine, Recipe, RunOptions
from huafeng.training.recipefile import change, read_recipe, resolve
from huafeng.training.recipes import RECIPES
from huafeng.training.run import BEST, OPTIONS, locked, new_folder, read_options

STYLES = "styles"
TRIED = 3  # steps of a dry run; the last one is timed

Device = Literal["auto", "cpu", "cuda"]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What a command line asks for, checked."""

    options: RunOptions
    folder: Path
    resumed: bool
    device: str
    steps_given: bool
    threads: int | None = None
    """With so many it computes, or did before it goes on; None: as torch has it."""


def plan(
    recipe: Path | None,
    settings: Sequence[str],
    resume: Path | None,
    out: Path | None,
    device: Device,
    minutes: float | None = None,
) -> Plan:
    """Read and check everything that needs no data.

    Raises:
        RecipeError: faults of the recipe, all of them.   TrainingError: nothing to train, or not here.
    """
    if minutes is not None and not math.isfinite(minutes):
        raise TrainingError(f"{minutes} minutes is no time that ends: give a number.")
    if resume is None and recipe is None:
        raise TrainingError("Say which recipe to train (e.g. recipes/art.yaml), or which run to resume (--resume RUN).")
    if resume is not None and out is not None:
        raise TrainingError("A resumed run stays in its folder: leave --out away.")
    before = {} if resume is None else read_options(resume)
    begun = before.get("options")
    values = read_recipe(recipe) if recipe else begun
    options = resolve(change(values, settings))  # type: ignore[arg-type]
    if begun is not None and begun["recipe"] != options.recipe:
        raise TrainingError(f"{resume} is a run of the recipe {begun['recipe']!r}, not of {options.recipe!r}: begin a new run.")
    folder = resume or new_folder(out, recipe.stem if recipe else options.recipe)
    steps_given = recipe is not None or any(setting.startswith("steps=") for setting in settings)
    resumed = resume is not None and bool(checkpoint.listed(resume))  # a kill may come before the first one
    threads = before.get("threads")
    return Plan(options, folder, resumed, chosen_device(device), steps_given, threads if type(threads) is int else None)


def chosen_device(device: Device) -> str:
    """`auto` is the GPU where there is one.

    Raises:
        TrainingError: a GPU was asked for, and there is none that torch can use.
    """
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise TrainingError("torch finds no NVIDIA GPU here: use --device cpu, or install torch with CUDA.")
    return ("cuda" if there else "cpu") if device == "auto" else device


def train(
    plan: Plan,
    *,
    minutes: float | None = None,
    on_collapse: OnCollapse = "stop",
    tell: Tell = print,
    show: Callable[[U8], None] | None = None,
) -> list[Path]:
    """Train to the end and export; gives the files of the result (none in processes that do not write).

    show: is given the samples [H, W, 3] at each checkpoint.

    Raises:
        DataError, TrainingError, OutputError: the user's to mend.   RunStopped: the run stopped itself.
        KeyboardInterrupt: Ctrl-C, after a checkpoint.
    """
    with joined(plan.device) as processes:
        said = tell if processes.first else _silent
        with locked(plan.folder) if processes.first else nullcontext(), memory_told():
            return _train(plan, processes, minutes, on_collapse, said, show)


@contextmanager
def memory_told() -> Iterator[None]:
    """What torch and numpy say when there is no memory left, as a sentence for the user."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        raise TrainingError("The memory is too small for this: make batch or crop_px smaller.") from error


def _train(
    plan: Plan,
    processes: Processes,
    minutes: float | None,
    on_collapse: OnCollapse,
    tell: Tell,
    show: Callable[[U8], None] | None,
) -> list[Path]:
    options = plan.options
    tell(f"Training in {plan.folder}: samples, curves and checkpoints go there.")
    recipe = prepared(plan, processes, tell)
    loop = Loop(
        recipe, options, plan.folder, processes=processes, minutes=minutes, on_collapse=on_collapse, tell=tell, show=show
    )
    if plan.resumed:
        loop.load(checkpoint.newest(plan.folder, tell))
        if minutes is not None or plan.steps_given:  # else the run goes on to where it was to end
            loop.at.minutes, loop.at.length, loop.at.looks_since_best = minutes, max(options.steps, loop.at.step), 0
        tell(f"Resumed {plan.folder} at step {loop.at.step}.")
    if processes.first:
        write_options(plan)
    try:
        loop.run()
    except KeyboardInterrupt:
        if checkpoint.listed(plan.folder):
            tell(f"Go on with: huafeng train --resume {plan.folder}")
        raise
    if not processes.first:
        return []
    best = plan.folder / BEST
    if options.early_stopping and checkpoint.listed(best):
        loop.load(checkpoint.newest(best, tell))
        tell(f"The best weights are those of step {loop.at.step}.")
    made = recipe.export(plan.folder / STYLES)
    for old in set((plan.folder / STYLES).glob(BASE_PATTERN)) - set(made):  # of this run, before it went on
        old.unlink()
    return made


def prepared(plan: Plan, processes: Processes, tell: Tell) -> Recipe:
    """The recipe with its networks and data, as its seed makes them.

    Raises:
        TrainingError: the batch cannot be shared by the processes.   DataError: the pictures cannot be used.
    """
    options = plan.options
    for batch in {options.batch, *(stage.batch for stage in options.stages)}:
        if batch % processes.count:
            raise TrainingError(f"A batch of {batch} cannot be shared by {processes.count} processes: choose a multiple.")
    torch.manual_seed(options.seed)
    device = f"cuda:{processes.local_rank}" if plan.device == "cuda" else plan.device
    if plan.resumed:  # its checkpoint has all weights; what they began from may be gone
        options = replace(options, init=None)
    machine = Machine(device, options.precision, options.compile, processes, tell)
    return RECIPES[options.recipe](options, machine)


def write_options(plan: Plan) -> None:
    """options.json: all options as resolved, the versions they were resolved by, and the number of threads if it was chosen."""
    text: dict[str, object] = {"huafeng": huafeng.__version__, "torch": torch.__version__, "device": plan.device}
    text |= {"threads": plan.threads, "options": plain(plan.options)}
    write_whole(plan.folder / OPTIONS, json.dumps(text, indent=1, ensure_ascii=False).encode(), force=True)


def _silent(text: str) -> Any:
    """For processes that do not write."""


def described(plan: Plan, tell: Tell) -> str:
    """What a run would do, in a few lines: opens the data, builds the networks, tries a few steps, but writes nothing."""
    options = replace(plan.options, compile=False)
    recipe = prepared(replace(plan, options=options), ALONE, tell)
    lines = [f"Recipe {options.recipe}, on {plan.device} in {options.precision}, into {plan.folder}."]
    for name, part in recipe.parts.items():
        if isinstance(part, torch.nn.Module):
            weights = sum(p.numel() for p in part.parameters())
            lines.append(f"{name}: {weights:,} weights.")
    lines.append(f"{options.steps:,} steps of {options.batch} crops of {options.crop_px} px.")
    for step in range(TRIED):
        began = time.monotonic()
        recipe.step(Clock(step, step * options.batch, 0.99, options.batch, options.crop_px, options.seed))
    seconds = time.monotonic() - began
    lines.append(f"{seconds:.2g} s a step here: about {seconds * options.steps / 60:,.0f} minutes in all.")
    return "\n".join(lines)
