"""`huafeng train`: learn styles from pictures."""

from __future__ import annotations

import enum
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer


class Device(enum.StrEnum):
    """Where to compute."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class OnCollapse(enum.StrEnum):
    """What to do when the collapse watch rings."""

    stop = "stop"
    rollback = "rollback"
    warn = "warn"


def train(
    recipe: Annotated[
        Path | None, typer.Argument(metavar="[RECIPE]", help="A recipe file, e.g. recipes/art.yaml.", show_default=False)
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change an option of the recipe; dots reach inside: losses.style=4."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="RUN", help="Run folder; default runs/NAME.", show_default=False)
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Go on with a run, from its newest checkpoint.", show_default=False)
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(metavar="N", help="Train this long in all, resumed parts counted in.", min=0.05, show_default=False),
    ] = None,
    device: Annotated[Device, typer.Option(help="auto takes the GPU where there is one.")] = Device.auto,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=os.cpu_count(),
            show_default=False,
            help="Cores to compute on (default: all, without those that other programs keep busy).",
        ),
    ] = None,
    on_collapse: Annotated[
        OnCollapse, typer.Option(help="When the GAN collapses: stop; go back to the last good checkpoint; or just warn.")
    ] = OnCollapse.stop,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, say what would happen, write nothing.")] = False,
    fields: Annotated[bool, typer.Option("--fields", help="Show every option of the recipe with its meaning.")] = False,
) -> None:
    """Learn styles from pictures: a recipe in, a run folder with .style files out.

    \b
    huafeng train recipes/fast-style.yaml --set picture=wave.jpg --minutes 20
    huafeng train --resume runs/fast-style
    torchrun --nproc-per-node 2 -m huafeng train recipes/art.yaml
    """
    import huafeng.training  # noqa: F401 - how threads wait must be said before torch is imported
    from huafeng.errors import TrainingError

    try:
        import torch
        import tqdm  # noqa: F401
    except ImportError as error:
        raise TrainingError(f'Training needs {error.name}: pip install "huafeng[train]".') from error
    from huafeng.training import train as training
    from huafeng.training.threads import chosen_threads

    def tell(text: str) -> None:
        typer.echo(text, err=True)

    plan = training.plan(recipe, settings or [], resume, out, device.value, minutes)
    if fields:
        _show_fields(type(plan.options))
        return
    count = chosen_threads(threads, tell, resumed=resume is not None, before=plan.threads)
    if count:
        torch.set_num_threads(count)
    plan = replace(plan, threads=count)
    if dry_run:
        with training.memory_told():
            typer.echo(training.described(plan, tell))
        return
    for path in training.train(plan, minutes=minutes, on_collapse=on_collapse.value, tell=tell):
        typer.echo(path)


def _show_fields(kind: type) -> None:
    from rich.table import Table

    from huafeng.cli.report import console
    from huafeng.training.options import explain

    table = Table("option", "takes", "default", "meaning", box=None, pad_edge=False)
    for row in explain(kind):
        table.add_row(*row)
    console().print(table)
