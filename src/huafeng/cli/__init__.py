"""The command line: `huafeng VERB ...`, one file a verb.

This package imports typer and nothing heavier: each verb imports what it needs when it is run, so that `--help`
answers at once. Exit codes: 0 all done, 1 partly failed (or the engine failed, or there is a bug), 2 the user's
mistake, 130 Ctrl-C.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from huafeng import __version__
from huafeng.cli import apply, cube, doctor, evaluate, explain, generate, learn, lint, models, prepare, recommend, styles, train
from huafeng.cli.report import error_line, notes_told
from huafeng.errors import UserError

# newer typers have their own copy of click, older ones use the package; in both, BadParameter's grandparent is its base
_UsageError: type[Exception] = typer.BadParameter.__mro__[2]

# what newer typers quote of the library that checks numbers for them
_JARGON = re.compile(r"Input should be a valid (\w+)(, unable to parse string as an? \w+)?")
_WORDS = {"integer": "whole number", "number": "number", "boolean": "yes or no"}

INTERRUPTED = 130  # what shells give for Ctrl-C

app = typer.Typer(
    name="huafeng",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich takes 0.1 s to import, half of the time that --help may take
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("apply")(apply.apply)
app.command("styles")(styles.styles)
app.command("cube")(cube.cube)
app.command("lint")(lint.lint)
app.command("recommend")(recommend.recommend)
app.command("doctor")(doctor.doctor)
app.command("learn")(learn.learn)
app.command("models")(models.models)
app.command("prepare")(prepare.prepare)
app.command("train")(train.train)
app.command("generate")(generate.generate)
app.command("evaluate")(evaluate.evaluate)
app.command("explain")(explain.explain)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"huafeng {__version__}")
        raise typer.Exit()


@app.callback(epilog="Start here: huafeng apply monet holiday.jpg")
def huafeng(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Huafeng 画风 gives your photos a painter's hand or a photographer's colours, on this computer."""


def main() -> NoReturn:
    """The console script `huafeng`."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who started us
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file name that the terminal cannot show is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line; errors become one sentence on stderr and the exit code that is returned."""
    try:
        with notes_told():
            code = typer.main.get_command(app)(list(arguments) or ["--help"], "huafeng", standalone_mode=False)
    except _UsageError as error:
        typer.echo(error_line(_told(error)), err=True)
        return 2
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:
        typer.echo(error_line(error), err=True)
        return 2 if isinstance(error, UserError) else 1
    if code == INTERRUPTED:  # newer typers make this code of Ctrl-C themselves
        typer.echo("Stopped.", err=True)
    return code if isinstance(code, int) else 0


def _told(error: Any) -> str:
    """What typer has to say of a wrong command line, and where to read more."""
    command = error.ctx.command_path if error.ctx else "huafeng"
    text = _JARGON.sub(lambda found: f"it must be a {_WORDS.get(found[1], found[1])}", error.format_message())
    text = text.replace("Value error, ", "")
    return f"{text}{'' if text.endswith(('.', '?')) else '.'} See '{command} --help'."
