"""A style that is learned: what is told of it, and where it goes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from huafeng.errors import OutputError
from huafeng.files import check_output
from huafeng.library import BUILT_IN, Library, user_folder
from huafeng.style import SUFFIX, check_name


@dataclass(frozen=True, kw_only=True)
class Told:
    """What its maker says of it, for the card; without a title its name is the title.

    preview: a picture that is renewed while it is learned; None: there is none.
    """

    title_en: str = ""
    title_zh: str = ""
    author: str = "unknown"
    licence: str = "unknown"
    provenance: str = "unknown"
    preview: Path | None = None


def preview_file(preview: Path | None, *, force: bool) -> None:
    """Refuse a preview that cannot be written.

    Raises:
        OutputError: it is no PNG, exists and `force` is not set, or cannot be written.
    """
    if preview is None:
        return
    if preview.suffix.lower() != ".png":
        raise OutputError(f"{preview} is no name for a preview: end it in .png.")
    check_output(preview, force)


def learned_file(name: str, out: Path | None, *, force: bool) -> Path:
    """The file that a style of this name is to be written to: `out`, by default among the user's own styles.

    Raises:
        StyleError: the name cannot be a style's.
        OutputError: the file exists and `force` is not set, it cannot be written, or a built-in style has that name.
    """
    check_name(name)
    path = out or user_folder() / f"{name}{SUFFIX}"
    if path.suffix != SUFFIX:
        raise OutputError(f"{path} is no name for a style file: end it in {SUFFIX}.")
    if out is None and name in Library([BUILT_IN]).names():
        raise OutputError(f"{name!r} is a built-in style: give yours another name.")
    check_output(path, force)
    return path


def how_to_use(name: str, out: Path | None) -> str:
    """The sentence that tells how to apply it."""
    return f"Use it: huafeng apply {name if out is None else out} PHOTO"
