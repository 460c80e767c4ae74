"""Pictures for training, wherever they lie: folders, files, shards that `huafeng prepare` wrote. Without torch."""

from __future__ import annotations

import hashlib
import os
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

import numpy as np

from huafeng.errors import DataError, PhotoError
from huafeng.photo import DEFAULT_LIMITS, READ
from huafeng.photo_decode import Opened, decode, open_picture, too_many_bytes
from huafeng.pixels import U8, blend, resize
from huafeng.training.shards import Shard, parts_of, read_set, read_shard

CACHE_MB = 1500  # decoded pictures that a stream of crops keeps in memory by default, in millions of bytes
_NAMED = 3  # pictures that a sentence names at most

T = TypeVar("T")


class Entry(NamedTuple):
    """Where a picture lies: `size` bytes of `path` from `offset` on.

    name: its path in the folder or shard, with "/"; for messages and the order.
    source: number of the source that it came from.   width, height: in px as it is stored, 0 where not known yet.
    """

    name: str
    path: Path
    offset: int
    size: int
    source: int = 0
    width: int = 0
    height: int = 0

    def read(self) -> bytes:
        """The file's bytes; any thread may call this.

        Raises:
            PhotoError: larger than is allowed, gone, not readable, or shorter than it was.
        """
        if self.size > DEFAULT_LIMITS.max_bytes:
            raise too_many_bytes(self.name, self.size, DEFAULT_LIMITS)
        if not self.size:  # not opened: a pipe would wait for ever
            raise PhotoError(f"{self.name} is empty, or a link to nothing.")
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                data = file.read(self.size)
        except OSError as error:
            raise PhotoError(f"{self.name} cannot be read ({error.strerror or error}).") from error
        if len(data) < self.size:
            raise PhotoError(f"{self.name} is shorter than it was.")
        return data


def list_entries(source: Path, number: int = 0) -> list[Entry]:
    """All files that look like pictures in a folder (and below), a shard, a set of shards, or the one file `source`.

    Sorted by name, so that a seed means the same everywhere; hidden files and folders are left out.

    Raises:
        DataError: `source` is not there, may not be read, or has no pictures; a shard is damaged or missing.
    """
    there = os.path.exists(source)  # noqa: PTH110 - Path.exists() raises where a name is too long, or a folder locked
    if there and source.is_dir():
        files = files_below(source)
        found = {name: path for name, path in files.items() if path.suffix.lower() in READ}
        if found:
            return [Entry(name, found[name], 0, _size(found[name]), number) for name in sorted(found)]
        if shards := [path for name, path in sorted(files.items()) if path.suffix.lower() == ".tar"]:
            return _members(read_set(shards), number)
        raise DataError(f"The folder {source} has no pictures in it ({', '.join(READ)}).")
    if source.suffix.lower() == ".tar":
        if there:
            return _members([read_shard(source)], number)
        if parts := parts_of(source):
            return _members(read_set(parts), number)
    if not there:
        raise DataError(f"There is no file or folder {source}: check the path.")
    return [Entry(source.name, source, 0, _size(source), number)]


def files_below(folder: Path) -> dict[str, Path]:
    """Name -> path of every file, also behind links, each folder once."""

    def refuse(error: OSError) -> None:
        raise DataError(f"The folder {error.filename} may not be read by you ({error.strerror}).") from error

    found: dict[str, Path] = {}
    seen = {os.path.realpath(folder)}
    for here, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        fresh = {os.path.realpath(Path(here, name)): name for name in sorted(folders, reverse=True) if name[0] != "."}
        folders[:] = sorted(name for real, name in fresh.items() if real not in seen)
        seen.update(fresh)
        for path in (Path(here, name) for name in names if name[0] != "."):
            found[path.relative_to(folder).as_posix()] = path
    return found


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # a link to nothing: told when it is read
        return 0


def _members(shards: Iterable[Shard], number: int) -> list[Entry]:
    return [
        Entry(member.name, shard.path, member.offset, member.size, number, member.width, member.height)
        for shard in shards
        for member in shard.members
    ]


def open_header(file: BinaryIO, name: str) -> Opened:
    """A picture whose header has been read and nothing else; its `size` is as it is stored, not turned.

    Raises:
        PhotoError: foreign, damaged, animated, too large, or HEIC without the extra `heic`.
    """
    return open_picture(file, name, DEFAULT_LIMITS)


def read_upright(data: bytes, name: str, short_side_px: int | None = None) -> U8:
    """A file's bytes -> uint8 [H, W, 3], upright, sRGB, shrunk (never grown) to a short side; white where transparent.

    A large JPEG is decoded at 1/2, 1/4 or 1/8 of its size where that is enough.

    Raises:
        PhotoError: as for `Photo.open`.
    """
    pixels, alpha, _, size = decode(data, name, DEFAULT_LIMITS, short_side_px=short_side_px)
    if alpha is not None:
        pixels = blend(np.full_like(pixels, 255), pixels, alpha)
    return shrunk(pixels, short_side_px, size)


def shrunk(pixels: U8, short_side_px: int | None, size: tuple[int, int] | None = None) -> U8:
    """uint8 [H, W, 3] at a short side in px, never grown; None leaves it as it is.

    size: width and height of the whole picture where `pixels` are a smaller decoding of it.
    """
    width, height = size or (pixels.shape[1], pixels.shape[0])
    scale = min(1.0, (short_side_px or min(width, height)) / min(width, height))
    return resize(pixels, max(1, round(width * scale)), max(1, round(height * scale)))


class Told:
    """What has been said of a set of pictures, so that it is said once; which of them have turned out unreadable."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report, self._lock = report, threading.Lock()
        self._said: set[str] = set()
        self.unreadable: dict[Entry, str] = {}

    def once(self, sentence: str) -> None:
        """Report the sentence, if it has not been."""
        with self._lock:
            if sentence not in self._said:
                self._said.add(sentence)
                self._report(sentence)


def open_pictures(source: Path | Sequence[Path], report: Callable[[str], None]) -> Pictures:
    """The pictures of a folder, a file, a shard, a set of shards, or of several of these, one after the other.

    Only headers are read. Files that are no pictures are left out and reported in one sentence; `report` may later be
    called from other threads, when a file turns out to be cut off.

    Raises:
        DataError: a source is not there, has no pictures, or none that can be read; no source is given.
    """
    sources = [source] if isinstance(source, Path) else list(source)
    if not sources:
        raise DataError("No pictures are given: name a folder.")
    listed: list[Entry] = []
    good: list[Entry] = []
    bad: list[Entry] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, on sizes and odd headers: our own limits and words hold
        for number, one in enumerate(sources):
            entries = list_entries(one, number)
            if len(sources) > 1 and one.is_dir():
                entries = [entry._replace(name=f"{one.name}/{entry.name}") for entry in entries]
            checked = [_checked(entry) for entry in entries]
            readable = [entry for entry in checked if entry]
            if not readable:
                raise DataError(_none_readable(one, entries))
            listed += entries
            good += readable
            bad += [entry for entry, found in zip(entries, checked, strict=True) if found is None]
    if bad:
        verb = "is" if len(bad) == 1 else "are"
        named = listing([entry.name for entry in bad])
        report(f"{len(bad):,} of {len(listed):,} pictures cannot be read and {verb} left out: {named}.")
    return Pictures(good, Told(report))


def _checked(entry: Entry) -> Entry | None:
    if entry.width:  # a shard's index has it
        return entry
    try:
        if not 0 < entry.size <= DEFAULT_LIMITS.max_bytes:
            return None
        with entry.path.open("rb") as file:
            width, height = open_header(file, entry.name).size
        return entry._replace(width=width, height=height)
    except (PhotoError, OSError):
        return None


def _none_readable(source: Path, entries: Sequence[Entry]) -> str:
    try:
        read_upright(entries[0].read(), entries[0].name)
        why = ""
    except PhotoError as error:
        why = str(error)
    if len(entries) == 1:
        return why or f"{source} cannot be read."
    return f"None of the {len(entries):,} pictures in {source} can be read. {why}".rstrip()


def listing(names: Sequence[str]) -> str:
    """a.jpg, b.jpg, c.jpg and 4 more."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


class Pictures:
    """A fixed sequence of pictures that are read when they are asked for; made by `open_pictures`."""

    def __init__(self, entries: Sequence[Entry], told: Told) -> None:
        self.entries, self.told = tuple(entries), told

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def names(self) -> list[str]:
        """Paths in their folder, with "/"."""
        return [entry.name for entry in self.entries]

    @property
    def fingerprint(self) -> str:
        """A hash of names and sizes in bytes: it changes when the set does."""
        text = "".join(f"{entry.name}\0{entry.size}\n" for entry in self.entries)
        return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=16).hexdigest()

    def smaller_than(self, side_px: int) -> int:
        """How many have a shorter side than `side_px`."""
        return sum(min(entry.width, entry.height) < side_px for entry in self.entries)

    def read(self, i: int, short_side_px: int | None = None) -> U8:
        """Picture i, uint8 [H, W, 3], upright, sRGB, shrunk (never grown) to a short side in px. Any thread may call it.

        A picture that turns out unreadable is reported once, and the next readable one stands in its place.

        Raises:
            DataError: none can be read any more.
        """
        return next_readable(len(self), i, lambda j: self.read_exactly(j, short_side_px))

    def read_exactly(self, i: int, short_side_px: int | None = None) -> U8:
        """Like `read`, but PhotoError if that picture cannot be read."""
        entry = self.entries[i]
        if entry in self.told.unreadable:
            raise PhotoError(self.told.unreadable[entry])
        try:
            return read_upright(entry.read(), entry.name, short_side_px)
        except PhotoError as error:
            self.told.unreadable[entry] = str(error)
            self.told.once(f"{error} Until then the next picture takes its place.")
            raise

    def subset(self, indices: Iterable[int]) -> Pictures:
        """The pictures with these indices, in this order."""
        return Pictures([self.entries[i] for i in indices], self.told)

    def split(self, every: int) -> tuple[Pictures, Pictures]:
        """Pictures for training, and pictures that it never sees: the first of every `every` of each source.

        None are held out if `every` is 0, or if none would be left to train on.
        """
        train, held = hold_out([entry.source for entry in self.entries], every)
        return self.subset(train), self.subset(held)


def hold_out(sources: Sequence[int], every: int) -> tuple[list[int], list[int]]:
    """Indices to train on and indices held out, counted within each source."""
    seen: Counter[int] = Counter()
    held: list[int] = []
    for i, source in enumerate(sources):
        if every and seen[source] % every == 0:
            held.append(i)
        seen[source] += 1
    if len(held) == len(sources):
        held = []
    chosen = set(held)
    return [i for i in range(len(sources)) if i not in chosen], held


def next_readable(count: int, i: int, read: Callable[[int], T]) -> T:
    """read(i), or of the first index behind it (in a circle) that can be read; so equal files give equal results.

    Raises:
        DataError: none can be read.
    """
    for j in range(i, i + count):
        try:
            return read(j % count)
        except PhotoError:
            continue
    raise DataError("None of the pictures can be read any more: see whether their disk is there.")
