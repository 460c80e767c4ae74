"""Files of our own: safetensors with one JSON header, which is found and checked before any other code sees the bytes.

The metadata has one entry, "huafeng": a JSON object with "version" and what the format needs. Reading never executes anything.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.numpy

from huafeng.errors import UserError
from huafeng.pixels import Array

MAX_HEADER_BYTES = 2**20

_METADATA_KEY = "huafeng"


@dataclass(frozen=True)
class Format:
    """A kind of file.

    noun: what it is called in sentences.   version: of the format.   most_bytes: that a file may have.
    error: the exception that its faults are.   types: tensor's name -> the types that it may be stored in.
    """

    noun: str
    version: int
    most_bytes: int
    error: type[UserError]
    types: Callable[[str], Sequence[str]]

    def read(self, path: Path) -> bytes:
        """The bytes of a file; raises `error` where it cannot be read or is too large."""
        try:
            if path.stat().st_size > self.most_bytes:
                raise self.error(f"{path}: {self._too_large(self.most_bytes)}")
            with path.open("rb") as file:
                return file.read(self.most_bytes + 1)  # it may have grown, and a device has no size
        except (OSError, ValueError) as error:
            why = error.strerror or str(error) if isinstance(error, OSError) else str(error)
            raise self.error(f"{path}: The {self.noun} file cannot be read ({why}).") from error

    def header(self, data: bytes) -> dict[str, Any]:
        """The JSON header; raises `error` where the bytes are too many, cut off, foreign, newer, or of wrong types."""
        self.check_size(len(data), self.most_bytes)
        length = int.from_bytes(data[:8], "little")
        if len(data) < 8 or length > MAX_HEADER_BYTES or data[8:9] not in (b"{", b""):
            raise self.error(f"This is not a {self.noun} file.")
        body = len(data) - 8 - length
        if body < 0:
            raise self.error(f"The {self.noun} file is cut off.")
        entries = self._json_object(data[8 : 8 + length])
        metadata = entries.pop("__metadata__", None)
        text = metadata.get(_METADATA_KEY) if isinstance(metadata, dict) else None
        if not isinstance(text, str):
            raise self.error(f"This is a safetensors file, but not a Huafeng {self.noun}.")
        header = self._json_object(text)
        version = header.get("version")
        if type(version) is int and version > self.version:
            raise self.error(f"The {self.noun} was made by a newer Huafeng (format {shown(version)}): update Huafeng.")
        if type(version) is not int or version != self.version:
            raise self.error(f"The {self.noun}'s format version is {shown(version)}, it must be {self.version}.")
        for name, entry in entries.items():
            if self._tensor_end(name, entry) > body:
                raise self.error(f"The {self.noun} file is cut off.")
        return header

    def check_keys(self, given: Mapping[str, Any], *, known: Sequence[str], needed: Sequence[str]) -> None:
        """Raise `error` for a field that is unknown or missing."""
        for key in given:
            if key not in known:
                raise self.error(f"The {self.noun}'s header has an unknown field {shown(key)}.")
        for key in needed:
            if key not in given:
                raise self.error(f"The {self.noun}'s header lacks the field {key!r}.")

    def tensors(self, data: bytes) -> dict[str, Array]:
        """The tensors of a file whose header has been checked; raises `error` where they are damaged."""
        try:
            found: dict[str, Array] = safetensors.numpy.load(data)
        except (safetensors.SafetensorError, ArithmeticError, LookupError, MemoryError, TypeError, ValueError) as error:
            raise self.error(f"The {self.noun} file is damaged ({error}).") from error
        return found

    def packed(self, header: Mapping[str, Any], tensors: Mapping[str, Array]) -> bytes:
        """The bytes of a file; the same content gives the same bytes."""
        whole = {"version": self.version} | dict(header)
        text = json.dumps(whole, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        packed: bytes = safetensors.numpy.save(dict(tensors), metadata={_METADATA_KEY: text})
        return packed

    def check_size(self, size: int, most_bytes: int) -> None:
        """Raise `error` for a file that is larger than `most_bytes`."""
        if size > most_bytes:
            raise self.error(self._too_large(most_bytes))

    def _too_large(self, most_bytes: int) -> str:
        return f"The {self.noun} file is larger than {most_bytes // 2**20} MB."

    def _json_object(self, text: str | bytes) -> dict[str, Any]:
        try:
            found = json.loads(text if isinstance(text, str) else text.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise self.error(f"The {self.noun} file is damaged, its header is not JSON ({error}).") from error
        if not isinstance(found, dict):
            raise self.error(f"The {self.noun} file is damaged, its header is not an object.")
        return found

    def _tensor_end(self, name: str, entry: object) -> int:
        """Where a tensor's bytes end in the body, by the outer header; its type is checked on the way."""
        if not isinstance(entry, dict):
            raise self.error(f"The {self.noun} file is damaged, its tensor {shown(name)} is not described by an object.")
        allowed = self.types(name)
        if entry.get("dtype") not in allowed:
            kind = shown(entry.get("dtype"))
            raise self.error(f"The {self.noun}'s tensor {shown(name)} is of type {kind}, it must be {' or '.join(allowed)}.")
        match entry.get("data_offsets"):
            case [int(), int(end)]:
                return end
        raise self.error(f"The {self.noun} file is damaged, its tensor {shown(name)} has no place.")


def shown(value: object) -> str:
    """A value out of a foreign file, short enough for a sentence."""
    return reprlib.repr(value)
