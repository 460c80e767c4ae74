"""The run folder: who may write in it, and what is written.

options.json    the resolved options; `--resume` reads them      stats.jsonl   one line per check
checkpoint-*    what to go on from                               best/         the best weights (early stopping)
samples/        grids of results                                 events.*      the curves for TensorBoard
styles/         the result
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from PIL import Image

from huafeng.errors import OutputError, TrainingError
from huafeng.files import write_whole
from huafeng.library import RUN_OPTIONS
from huafeng.pixels import U8

OPTIONS, STATS, LOCK, BEST = RUN_OPTIONS, "stats.jsonl", "lock", "best"


def new_folder(wanted: Path | None, name: str) -> Path:
    """The folder of a new run: as wanted, or runs/NAME, runs/NAME-2 ...

    Raises:
        TrainingError: there is a run in it already.
    """
    if wanted is not None:
        if (wanted / OPTIONS).exists():
            raise TrainingError(f"{wanted} holds a run already: go on with it (--resume {wanted}), or choose another folder.")
        return wanted
    number = 1
    while (path := Path("runs") / (name if number == 1 else f"{name}-{number}")).exists():
        number += 1
    return path


def read_options(folder: Path) -> dict[str, Any]:
    """The options with which a run was begun.

    Raises:
        TrainingError: the folder holds no run.
    """
    try:
        found = json.loads((folder / OPTIONS).read_text(encoding="utf-8"))
        if isinstance(found, dict) and isinstance(found.get("options"), dict) and "recipe" in found["options"]:
            return found
    except (OSError, ValueError):
        pass
    raise TrainingError(f"{folder} is not a run folder: its {OPTIONS} is missing or damaged.")


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for this process; the system lets go of it when the process ends, however it ends.

    Raises:
        TrainingError: another process writes in it.
        OutputError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a+")
    except OSError as error:
        raise OutputError(f"{folder} cannot be written ({error.strerror}): choose another folder.") from error
    with file:
        try:
            _lock(file)
        except OSError as error:
            raise TrainingError(f"Another process is training in {folder}: wait for it, or choose another folder.") from error
        yield


def is_training(folder: Path) -> bool:
    """Whether a process trains in the folder now; nothing is written."""
    try:
        with (folder / LOCK).open("r+") as file:
            _lock(file)
    except FileNotFoundError:
        return False
    except OSError as error:
        return error.errno in (errno.EAGAIN, errno.EACCES)
    return False


def _lock(file: IO[str]) -> None:
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Journal:
    """Writes a run's lines, curves and pictures; cut back first to `step`, where a resumed run goes on."""

    def __init__(self, folder: Path, step: int) -> None:
        self.folder = folder
        stats = folder / STATS
        lines = stats.read_text(encoding="utf-8", errors="replace").splitlines() if stats.exists() else []
        kept = [line for line in lines if _step(line) <= step]
        write_whole(stats, "".join(line + "\n" for line in kept).encode(), force=True)
        self._stats = stats.open("a", encoding="utf-8")
        self._curves: Any = None
        with contextlib.suppress(ImportError):  # the package tensorboard is part of the extra, but not of the core
            from torch.utils.tensorboard import SummaryWriter

            self._curves = SummaryWriter(str(folder), purge_step=step + 1 if step else None)

    def line(self, step: int, values: dict[str, float]) -> None:
        """One line of stats.jsonl, one point of each curve."""
        try:
            self._stats.write(json.dumps({"step": step} | values) + "\n")
            self._stats.flush()
        except OSError as error:
            raise OutputError(f"{self.folder / STATS} cannot be written ({error.strerror}): free some space.") from error
        if self._curves is not None:
            for name, value in values.items():
                self._curves.add_scalar(name, value, step)

    def picture(self, step: int, pixels: U8) -> None:
        """A grid of samples [H, W, 3]."""
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        write_whole(self.folder / "samples" / f"{step:08d}.png", buffer.getvalue(), force=True)
        if self._curves is not None:
            self._curves.add_image("samples", pixels, step, dataformats="HWC")
            self._curves.flush()

    def close(self) -> None:
        """Flush and close."""
        with contextlib.suppress(OSError):  # a full disk has been told already
            self._stats.close()
        if self._curves is not None:
            self._curves.close()


def _step(line: str) -> int:
    """The step of a line; a line that a kill cut in two belongs to no step that counts."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, IndexError):
        return 2**62
