"""Checkpoints: whole or not at all, verified before they are used.

`checkpoint-STEP-DIGEST.pt` is a plain torch file; DIGEST is the beginning of its sha256, so that a damaged file shows.
Reading never executes anything (`weights_only`).
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from huafeng.errors import TrainingError
from huafeng.files import write_whole

VERSION = 1
KEPT = 3  # of the newest; after a collapse the run goes back to one that is older than the collapse

_NAME = re.compile(r"checkpoint-(\d{8})-([0-9a-f]{16})\.pt")


class _Damaged(TrainingError):
    """This file cannot be used, but the one before it may."""


def save(folder: Path, step: int, state: dict[str, Any], *, kept: int = KEPT, calm: int | None = None) -> Path:
    """Write the state (tensors and plain values) after `step`; then remove later ones, and all but the newest `kept`.

    The newest one of step <= `calm` is kept besides: after a collapse it is what there is to go back to.

    Raises:
        OutputError: the disk is full, or the folder is not writable; older checkpoints stay.
    """
    buffer = io.BytesIO()
    torch.save({"version": VERSION, "state": state}, buffer)
    data = buffer.getvalue()
    path = folder / f"checkpoint-{step:08d}-{hashlib.sha256(data).hexdigest()[:16]}.pt"
    write_whole(path, data, force=True)
    for old in listed(folder):
        if old != path and step_of(old) >= step:  # after going back, what came later is not this run's future
            old.unlink()
    good = [old for old in listed(folder) if calm is not None and step_of(old) <= calm][-1:]
    for old in listed(folder)[:-kept]:
        if old not in good:
            old.unlink()
    return path


def listed(folder: Path) -> list[Path]:
    """The folder's checkpoints, oldest step first."""
    return sorted(path for path in folder.glob("checkpoint-*.pt") if _NAME.fullmatch(path.name))


def step_of(path: Path) -> int:
    """The step after which a checkpoint was saved."""
    match = _NAME.fullmatch(path.name)
    assert match is not None
    return int(match[1])


def load(path: Path) -> dict[str, Any]:
    """The state in a checkpoint.

    Raises:
        TrainingError: the file is damaged, or was written by another version of Huafeng.
    """
    match = _NAME.fullmatch(path.name)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _Damaged(f"The checkpoint {path} cannot be read ({error.strerror}).") from error
    if match is None or hashlib.sha256(data).hexdigest()[:16] != match[2]:
        raise _Damaged(f"The checkpoint {path} is damaged: its content does not match its name.")
    try:
        held = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
    except Exception as error:  # torch raises almost anything where a file is none of its own
        raise TrainingError(f"The checkpoint {path} cannot be used: it holds more than tensors and plain values.") from error
    if not isinstance(held, dict) or "version" not in held:
        raise TrainingError(f"The checkpoint {path} cannot be used: it is none of Huafeng's.")
    if held["version"] != VERSION:
        raise TrainingError(
            f"The checkpoint {path} has format {held['version']}, this Huafeng reads {VERSION}: go on with the version "
            "that wrote it, or begin a new run."
        )
    state = held.get("state")
    parts = state.get("parts", {}) if isinstance(state, dict) else None
    if not isinstance(state, dict) or not isinstance(parts, dict) or not all(isinstance(part, dict) for part in parts.values()):
        raise TrainingError(f"The checkpoint {path} cannot be used: it is none of Huafeng's.")
    return dict(state)


def newest(folder: Path, tell: Callable[[str], None], before: int | None = None) -> dict[str, Any]:
    """The state of the newest sound checkpoint (at most of step `before`); damaged ones are told and passed over.

    Raises:
        TrainingError: there is none, or it was written by another version.
    """
    there = [path for path in reversed(listed(folder)) if before is None or step_of(path) <= before]
    for place, path in enumerate(there):
        try:
            return load(path)
        except _Damaged as error:
            if place == len(there) - 1:
                raise TrainingError(f"{error} There is no other one to go on from: begin a new run.") from error
            tell(f"{error} The one before it is tried.")
    raise TrainingError(f"{folder} has no checkpoint to go on from: begin a new run.")
