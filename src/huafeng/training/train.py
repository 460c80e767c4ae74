"""`huafeng train`: from a recipe to a run folder with a result in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

import huafeng
from huafeng.errors import TrainingError
from huafeng.files import write_whole
from huafeng.training import checkpoint
from huafeng.training.loop import BEST, Loop, OnCollapse
from huafeng.training.options import plain
from huafeng.training.processes import ALONE, Processes, joined
from huafeng.training.recipe import Machine, Recipe, RunOptions
from huafeng.training.recipefile import change, read_recipe, resolve
from huafeng.training.recipes import RECIPES
from huafeng.training.run import OPTIONS, locked, new_folder, read_options

STYLES = "styles"

Device = Literal["auto", "cpu", "cuda"]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What a command line asks for, checked."""

    options: RunOptions
    folder: Path
    resumed: bool
    device: str


def plan(recipe: Path | None, settings: Sequence[str], resume: Path | None, out: Path | None, device: Device) -> Plan:
    """Read and check everything that needs no data.

    Raises:
        RecipeError: faults of the recipe, all of them.   TrainingError: nothing to train, or not here.
    """
    if resume is None and recipe is None:
        raise TrainingError("Say which recipe to train (e.g. recipes/art.yaml), or which run to resume (--resume RUN).")
    begun = None if resume is None else read_options(resume)["options"]
    values = read_recipe(recipe) if recipe else begun
    options = resolve(change(values, settings))  # type: ignore[arg-type]
    if begun is not None and begun["recipe"] != options.recipe:
        raise TrainingError(f"{resume} is a run of the recipe {begun['recipe']!r}, not of {options.recipe!r}: begin a new run.")
    folder = resume or new_folder(out, recipe.stem if recipe else options.recipe)
    return Plan(options, folder, resume is not None, chosen_device(device))


def chosen_device(device: Device) -> str:
    """`auto` is the GPU where there is one.

    Raises:
        TrainingError: a GPU was asked for, and there is none that torch can use.
    """
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise TrainingError("torch finds no NVIDIA GPU here: use --device cpu, or install torch with CUDA.")
    return ("cuda" if there else "cpu") if device == "auto" else device


def train(plan: Plan, *, minutes: float | None = None, on_collapse: OnCollapse = "stop", tell: Tell = print) -> list[Path]:
    """Train to the end and export; gives the files of the result (none in processes that do not write).

    Raises:
        DataError, TrainingError, OutputError: the user's to mend.   RunStopped: the run stopped itself.
        KeyboardInterrupt: Ctrl-C, after a checkpoint.
    """
    with joined(plan.device) as processes:
        said = tell if processes.first else _silent
        if not processes.first:
            return _train(plan, processes, minutes, on_collapse, said)
        with locked(plan.folder):
            return _train(plan, processes, minutes, on_collapse, said)


def _train(plan: Plan, processes: Processes, minutes: float | None, on_collapse: OnCollapse, tell: Tell) -> list[Path]:
    options = plan.options
    tell(f"Training in {plan.folder}: samples, curves and checkpoints go there.")
    recipe = prepared(plan, processes, tell)
    loop = Loop(recipe, options, plan.folder, processes=processes, minutes=minutes, on_collapse=on_collapse, tell=tell)
    if plan.resumed:
        loop.load(checkpoint.newest(plan.folder, tell))
        tell(f"Resumed {plan.folder} at step {loop.at.step}.")
    loop.at.length = max(options.steps, loop.at.step) if minutes is None else loop.at.length
    if processes.first:
        write_options(plan)
    try:
        loop.run()
    except torch.OutOfMemoryError as error:
        raise TrainingError("The memory is too small for this: make batch or crop_px smaller.") from error
    if not processes.first:
        return []
    best = plan.folder / BEST
    if options.early_stopping and checkpoint.listed(best):
        loop.load(checkpoint.newest(best, tell))
        tell(f"The best weights are those of step {loop.at.step}.")
    return recipe.export(plan.folder / STYLES)


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
    machine = Machine(device, options.precision, options.compile, processes, tell)
    return RECIPES[options.recipe](options, machine)


def write_options(plan: Plan) -> None:
    """options.json: all options as resolved, and the versions they were resolved by."""
    text = {"huafeng": huafeng.__version__, "torch": torch.__version__, "device": plan.device, "options": plain(plan.options)}
    write_whole(plan.folder / OPTIONS, json.dumps(text, indent=1, ensure_ascii=False).encode(), force=True)


def _silent(text: str) -> Any:
    """For processes that do not write."""


def described(plan: Plan, tell: Tell) -> str:
    """What a run would do, in a few lines: opens the data and builds the networks, but writes nothing."""
    options = replace(plan.options, compile=False)
    recipe = prepared(replace(plan, options=options), ALONE, tell)
    lines = [f"Recipe {options.recipe}, on {plan.device} in {options.precision}, into {plan.folder}."]
    for name, part in recipe.parts.items():
        if isinstance(part, torch.nn.Module):
            weights = sum(p.numel() for p in part.parameters())
            lines.append(f"{name}: {weights:,} weights.")
    lines.append(f"{options.steps:,} steps of {options.batch} crops of {options.crop_px} px.")
    return "\n".join(lines)
