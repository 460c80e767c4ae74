"""What the verbs say, and to whom: results on stdout, all else on stderr."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import warnings
from typing import TYPE_CHECKING

import typer

from huafeng.errors import HuafengError, Note

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TextIO

    from rich.console import Console
    from rich.table import Table

PIPED_COLUMNS = 160  # rich takes 80 where there is no terminal, and would break paths


def reason(error: BaseException) -> str:
    """One sentence for the user: our own errors have it, others are told as what they are."""
    if isinstance(error, HuafengError):
        return str(error)
    if isinstance(error, MemoryError):
        return "This computer's memory is too small for it: make the photo smaller, or work on fewer at once (--jobs 1)."
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:  # photos have their own; this is our output, redirected
        return "The disk has no room left for what is to be told here: free some space and try again."
    first = (str(error).strip().splitlines() or [""])[0]
    return f"This is a bug in Huafeng, please report it ({type(error).__name__}: {first})."


def error_line(error: BaseException | str) -> str:
    """The last line of a run that failed."""
    return f"Error: {error if isinstance(error, str) else reason(error)}"


@contextlib.contextmanager
def notes_told() -> Iterator[None]:
    """Each `Note` that is warned goes to stderr as one line, the same one once; other warnings stay as they are."""
    with warnings.catch_warnings():
        others = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, Note):
                typer.echo(f"Note: {message}", err=True)
            else:
                others(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


def console(*, stderr: bool = False) -> Console:
    """A rich console that takes texts as they are, never as markup."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPED_COLUMNS
    return Console(stderr=stderr, width=width, markup=False, highlight=False, emoji=False)


def facts(rows: Mapping[str, str]) -> Table:
    """Labels and their texts in two columns; what has no text is left out."""
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in rows.items():
        if text:
            table.add_row(label, text)
    return table
