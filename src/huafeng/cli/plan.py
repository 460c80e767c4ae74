"""Which photos a run reads and which files it writes, decided before any of it starts."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from huafeng.errors import OutputError, PhotoError
from huafeng.photo import READ, WRITTEN, pictures_in_folder


class Job(NamedTuple):
    """One photo and the file that its result goes to."""

    photo: Path
    result: Path

    @property
    def edit_file(self) -> Path:
        """Where `--save-edit` writes the edit."""
        return self.result.with_name(f"{self.result.name}.edit.json")


VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".3gp", ".mts")


def plan(arguments: Sequence[str], style: str, out: str | None, suffix: str | None, *, recursive: bool = False) -> list[Job]:
    """The jobs for files and folders as typed; a folder stands for its pictures.

    Args:
        arguments: files and folders.
        style: what the result's name says of the style: "holiday.jpg" becomes "holiday-STYLE.jpg".
        out: the file or folder that was asked for, as typed; None is beside each photo.
        suffix: of the format that was asked for, such as ".png"; None is the photo's own where it can be written.
        recursive: a folder stands for the pictures in its folders as well, whose results keep their place in `out`.

    Raises:
        PhotoError: no photo is given, a file is not there, or a folder has no pictures.
        OutputError: a result would replace a photo of this run or another result, or `out` names one file for many.
    """
    if not arguments:
        raise PhotoError("No photo is given: huafeng apply STYLE PHOTO...")
    for argument in arguments:
        _check_name(argument)
    paths = [Path(argument) for argument in arguments]
    one_file = len(paths) == 1 and not is_folder(paths[0])
    folder = None if out is None else _folder(out, one_file)

    def job(photo: Path, below: Path = Path()) -> Job:
        if out is not None and folder is None:
            return Job(photo, _named(Path(out), suffix))
        own = photo.suffix if photo.suffix.lower() in WRITTEN else ".png" if photo.suffix.lower() == ".gif" else ".jpg"
        name = f"{photo.stem}-{style}{suffix or own}"
        return Job(photo, photo.with_name(name) if folder is None else folder / below / name)

    jobs: dict[Path, Job] = {}
    for path in paths:
        if is_folder(path):
            found = [job(photo, photo.parent.relative_to(path)) for photo in _pictures(path, recursive, folder)]
        else:
            found = [job(path)]
        results = {_key(job.result) for job in found} if is_folder(path) else set()
        for one in found:
            if not is_there(one.photo):
                raise PhotoError(f"There is no file {one.photo}.")
            if _key(one.photo) not in results:  # the results of an earlier run, in the same folder, are not its photos
                jobs.setdefault(_key(one.photo), one)
    if out is None or folder is not None:
        jobs = _told_apart(jobs)
    _check_results(jobs)
    return list(jobs.values())


def is_there(path: Path) -> bool:
    """Whether there is such a file or folder."""
    return os.path.exists(path)  # noqa: PTH110 - Path.exists() raises where a name is too long


def is_photo(path: Path) -> bool:
    """Whether this is a folder, or a file with a photo's suffix."""
    return is_folder(path) or (path.suffix.lower() in READ and is_there(path))


def is_folder(path: Path) -> bool:
    """Whether there is such a folder."""
    return os.path.isdir(path)  # noqa: PTH112 - as above


def _folder(out: str, one_file: bool) -> Path | None:
    """`out` as a folder, or None where it names the one result."""
    separators = tuple(filter(None, (os.sep, os.altsep)))
    if out.endswith(separators) or is_folder(Path(out)):
        return Path(out)
    if one_file:
        return None
    if Path(out).suffix.lower() in READ:
        raise OutputError(f"{out} is the name of one picture, and there may be several: give a folder (-o NAME/).")
    return Path(out)


def _named(result: Path, suffix: str | None) -> Path:
    """A result whose name the user has chosen."""
    same = {".jpeg": ".jpg", ".tif": ".tiff"}
    own = result.suffix.lower()
    if suffix is not None and same.get(own, own) != suffix:
        raise OutputError(f"{result} and --format {suffix[1:]} do not agree: leave one of them out.")
    return result


def _check_name(argument: str) -> None:
    """Raise PhotoError for what can be no photo, before it is looked for."""
    if not argument.strip():
        raise PhotoError('A photo\'s name is empty ("" was given): give the name of a photo or of a folder.')
    if "://" in argument and not is_there(Path(argument)):
        raise PhotoError(f"{argument} is an address, and Huafeng fetches nothing: download the photo, and give its file.")
    if Path(argument).suffix.lower() in VIDEOS:
        raise PhotoError(f"{argument} is a video, and this is for still pictures: save frames of it as PNG.")


def _pictures(folder: Path, recursive: bool, out: Path | None) -> list[Path]:
    """The pictures in a folder; in all folders below it as well, but for hidden ones and `out`, if `recursive`."""
    try:
        found = pictures_in_folder(folder)
        folders = _folders_in(folder)
        if recursive:
            below = [one for one in folders if out is None or _key(one) != _key(out)]
            return found + [picture for one in below for picture in _pictures_below(one, out)] or _none(folder, False)
    except OSError as error:
        raise PhotoError(f"The folder {folder} cannot be read ({error.strerror}).") from error
    return found or _none(folder, bool(folders))


def _pictures_below(folder: Path, out: Path | None) -> list[Path]:
    found = pictures_in_folder(folder)
    for one in _folders_in(folder):
        if out is None or _key(one) != _key(out):
            found += _pictures_below(one, out)
    return found


def _folders_in(folder: Path) -> list[Path]:
    """Not behind links, which may go round in a circle; hidden ones left out."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink() and path.name[0] != ".")


def _none(folder: Path, has_folders: bool) -> list[Path]:
    more = ", but folders: --recursive takes the pictures in these" if has_folders else f" ({_listed(READ)})"
    raise PhotoError(f"The folder {folder} has no pictures in it{more}.")


def _told_apart(jobs: dict[Path, Job]) -> dict[Path, Job]:
    """Photos whose results would have one name, also on a disk for which upper and lower case are the same.

    Those that differ in their suffix only, as a telephone's IMG_1.heic and IMG_1.jpg, become IMG_1-heic-STYLE.jpg ...;
    those that differ in nothing but the case get a number.
    """
    count = Counter(_meeting(job.result) for job in jobs.values())
    alike = {key for key, number in count.items() if number > 1}
    given = {_meeting(job.result) for job in jobs.values()}
    taken: dict[str, Job] = {}

    def renamed(job: Job) -> Job:
        if _meeting(job.result) not in alike:
            return job
        photo, result = job
        rest = result.name.removeprefix(photo.stem)
        found = result.with_name(f"{photo.stem}-{photo.suffix[1:].lower()}{rest}")
        other = taken.get(_meeting(found))
        if other is not None and other.photo.name != photo.name:  # one name in two folders is told by _check_results
            number = 2
            while _meeting(found) in taken or _meeting(found) in given:
                found = result.with_name(f"{photo.stem}-{photo.suffix[1:].lower()}-{number}{rest}")
                number += 1
        taken[_meeting(found)] = Job(photo, found)
        return Job(photo, found)

    return {key: renamed(job) for key, job in jobs.items()}


def _check_results(jobs: dict[Path, Job]) -> None:
    taken: dict[str, Job] = {}
    for photo, job in jobs.items():
        result = _key(job.result)
        meeting = _meeting(job.result)
        if meeting in taken:
            raise OutputError(
                f"{taken[meeting].photo} and {job.photo} would both be written to {job.result}: "
                "run them one by one with an -o each."
            )
        if result in jobs and result != photo:
            raise OutputError(
                f"The result of {job.photo} would replace {job.result}, which is a photo of this run: give another -o."
            )
        taken[meeting] = job


def _meeting(path: Path) -> str:
    """What is the same for two names that are one file on some disk: neither case nor the way of accents counts."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", str(_key(path))).casefold())


def _key(path: Path) -> Path:
    """What tells two paths to the same file from paths to two files."""
    return Path(os.path.normcase(os.path.realpath(path)))  # Path.resolve() raises where links go round in a circle


def _listed(suffixes: Iterable[str]) -> str:
    return ", ".join(suffixes)
