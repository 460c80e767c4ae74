"""Shards: many pictures in one tar file, read in place, never unpacked. Without torch.

A shard is a plain tar. Its first member, huafeng.json, says what follows; the rest are JPEGs, upright and in sRGB:

    {"format": "huafeng shard", "version": 1, "short_side_px": 512, "quality": 95,
     "part": 0, "last": true, "pictures": {"album/holiday.jpg": [683, 512], ...}}      width and height in px

Equal pictures give equal bytes: times and owners are zero.
"""

from __future__ import annotations

import io
import json
import re
import secrets
import shutil
import tarfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from huafeng.errors import DataError
from huafeng.files import check_output, write_whole

INDEX = "huafeng.json"
FORMAT = "huafeng shard"
VERSION = 1
_INDEX_MAX_BYTES = 10**8


class Member(NamedTuple):
    """A picture in a shard: `size` bytes from `offset` on are its JPEG; width and height in px."""

    name: str
    offset: int
    size: int
    width: int
    height: int


class Shard(NamedTuple):
    """What is in one tar: part 0, 1, ... of a set, and whether it is the last."""

    path: Path
    part: int
    last: bool
    members: list[Member]


def read_shard(path: Path) -> Shard:
    """The places of all pictures; reads the index and the members' headers only.

    Raises:
        DataError: not a shard, of a newer version, cut off or changed.
    """
    try:
        with tarfile.open(path, "r:") as tar:
            index = _index(tar, path)
            sizes = index["pictures"]
            found = [(info.name, info.offset_data, info.size) for info in tar if info.name != INDEX]
        if [name for name, _, _ in found] != list(sizes):
            raise ValueError("not what the index says")
        members = [Member(*place, *map(int, sizes[place[0]])) for place in found]
        return Shard(path, int(index["part"]), bool(index["last"]), members)
    except PermissionError as error:
        raise DataError(f"{path} may not be read by you: change its permissions.") from error
    except (tarfile.TarError, OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(f"{path} is not a whole shard: write it again with huafeng prepare.") from error


def _index(tar: tarfile.TarFile, path: Path) -> dict[str, Any]:
    first = tar.next()
    if first is None or first.name != INDEX or first.size > _INDEX_MAX_BYTES:
        raise DataError(f"{path} was not written by huafeng prepare: unpack it, and give the folder.")
    opened = tar.extractfile(first)
    index = json.loads(opened.read() if opened else b"")
    if index["format"] != FORMAT or index["version"] != VERSION:
        raise DataError(f"{path} was written by another version of Huafeng: write it again with huafeng prepare.")
    return dict(index)


def read_set(paths: Iterable[Path]) -> list[Shard]:
    """The shards of whole sets (X.tar alone, or X-000.tar, X-001.tar, ...), in order.

    Raises:
        DataError: as for `read_shard`, or a part of a set is missing.
    """
    shards = [read_shard(path) for path in paths]
    sets: dict[Path, list[Shard]] = {}
    for shard in shards:
        sets.setdefault(_whole_name(shard.path), []).append(shard)
    for whole, parts in sets.items():
        parts.sort(key=lambda shard: shard.part)
        if [(s.part, s.last) for s in parts] != [(i, i == len(parts) - 1) for i in range(len(parts))]:
            raise DataError(f"Parts of {whole} are missing: copy them again, or write them again with huafeng prepare.")
    return [shard for parts in sets.values() for shard in parts]


def parts_of(out: Path) -> list[Path]:
    """The files that are there of the set `out` (X.tar): X.tar itself, X-000.tar, X-001.tar, ..."""
    if not out.parent.is_dir():
        return []
    return sorted(path for path in out.parent.iterdir() if path.name == out.name or _whole_name(path) == out)


def _whole_name(path: Path) -> Path:
    """X-003.tar -> X.tar; any other name as it is."""
    return path.with_name(re.sub(r"-\d{3,}\.tar$", ".tar", path.name))


class ShardWriter:
    """Writes one X.tar, or X-000.tar, X-001.tar, ... of at most `max_bytes` each (a larger picture has one alone).

    Used in a `with` block. All parts appear when `finish` is called, or none: until then they wait in a hidden folder
    beside X.tar, which is gone after the block. Two parts' bytes are kept in memory at most.

    Raises:
        OutputError: a file of the set exists (without `force`), or cannot be written.
    """

    def __init__(self, out: Path, about: dict[str, Any], max_bytes: int, force: bool = False) -> None:
        for there in [out, *parts_of(out)]:
            check_output(there, force)
        self.out, self.about, self.max_bytes, self.force = out, about, max_bytes, force
        self._stage = out.with_name(f".huafeng-{secrets.token_hex(8)}.tmp")
        self._waiting: dict[str, tuple[bytes, int, int]] = {}
        self._bytes = 0
        self._staged: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        shutil.rmtree(self._stage, ignore_errors=True)

    def add(self, name: str, jpeg: bytes, width: int, height: int) -> None:
        """One picture more; names are POSIX paths, and differ."""
        if self._waiting and self._bytes + len(jpeg) > self.max_bytes:
            self._flush(last=False)
        self._waiting[name] = (jpeg, width, height)
        self._bytes += len(jpeg)

    def finish(self) -> list[Path]:
        """Put all parts in their place and return them. Parts of an older set that are left over are removed."""
        self._flush(last=True)
        count = len(self._staged)
        stem = self.out.name.removesuffix(".tar")
        places = [self.out] if count == 1 else [self.out.with_name(f"{stem}-{part:03}.tar") for part in range(count)]
        old = {path: self._stage / path.name for path in parts_of(self.out)}
        for place in [*places, *old]:
            check_output(place, self.force)
        try:
            for place, aside in old.items():
                place.replace(aside)
            for staged, place in zip(self._staged, places, strict=True):
                staged.replace(place)
        except BaseException:  # Ctrl-C, too: back to what was there
            for staged, place in zip(self._staged, places, strict=True):
                if not staged.exists():
                    place.unlink()
            for place, aside in old.items():
                if aside.exists():
                    aside.replace(place)
            raise
        return places

    def _flush(self, last: bool) -> None:
        sizes = {name: [width, height] for name, (_, width, height) in self._waiting.items()}
        index = {"format": FORMAT, "version": VERSION} | self.about
        index |= {"part": len(self._staged), "last": last, "pictures": sizes}
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
            _add(tar, INDEX, json.dumps(index).encode())
            for name, (jpeg, _, _) in self._waiting.items():
                _add(tar, name, jpeg)
        self._waiting, self._bytes = {}, 0
        staged = self._stage / f"part-{len(self._staged)}"
        write_whole(staged, buffer.getvalue())
        self._staged.append(staged)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)  # time, user and group are zero
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))
