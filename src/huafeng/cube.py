"""Looks of other programs: .cube files (Adobe, DaVinci Resolve) and HaldCLUT pictures, in and out."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from huafeng.errors import LutError
from huafeng.exactlut import ExactLut
from huafeng.look import MAX_SIZE, MIN_SIZE, Lut
from huafeng.pixels import U8, Array

F64 = NDArray[np.float64]
U16 = NDArray[np.uint16]

MAX_CHARS = 160_000_000  # a table of 129 nodes per axis with numbers of 24 characters
_MAX_TITLE = 200  # Adobe's specification: no line longer than 250 bytes
_MAX_LINE = 4096
_BATCH = 8192  # lines that are taken apart at once
_MAX_1D_SIZE = 65_536
_FLAGS = ("LUT_IN_VIDEO_RANGE", "LUT_OUT_VIDEO_RANGE")
_HALD_LEVELS = range(2, 17)
_NARROWEST, _FARTHEST = 1e-6, 1e9  # of input ranges: all beyond is a mistake, and would overflow
_NUMBERS = {  # keyword -> how many numbers follow it
    "LUT_1D_SIZE": 1,
    "LUT_3D_SIZE": 1,
    "DOMAIN_MIN": 3,
    "DOMAIN_MAX": 3,
    "LUT_1D_INPUT_RANGE": 2,
    "LUT_3D_INPUT_RANGE": 2,
}


def read_cube(text: str) -> Lut:
    """A .cube file as one table over 0..1; see `read_exact`, whose result this is, baked where it is more than a table.

    Raises:
        LutError: what is wrong, and in which line.
    """
    if len(text) > MAX_CHARS:
        raise LutError(f"The .cube file is too long: more than {MAX_CHARS // 1_000_000} million characters.")
    return read_exact(io.StringIO(text.removeprefix("\ufeff"), newline=None)).plain()


def read_exact(file: TextIO) -> ExactLut:
    """A .cube file (Adobe's Cube LUT Specification 1.0, and Resolve's dialect of it); read no further than it has to be.

    A 1D table, a 3D table, or a 1D shaper followed by a 3D table, with DOMAIN_MIN and DOMAIN_MAX (of the first table)
    or LUT_1D_INPUT_RANGE and LUT_3D_INPUT_RANGE (those of a table that is not there are ignored, as by Resolve), and
    LUT_IN_VIDEO_RANGE and LUT_OUT_VIDEO_RANGE. Other words, a second TITLE, and comments (#, ;, //) are passed over. Inputs
    beyond a range are clipped, results beyond 0..1 after the interpolation.

    Raises:
        LutError: what is wrong, and in which line.
    """
    lines = _Lines(file)
    header, first = _read_header(lines)
    size_1d = _size(header, "LUT_1D_SIZE", _MAX_1D_SIZE)
    size_3d = _size(header, "LUT_3D_SIZE", MAX_SIZE)
    if not size_1d and not size_3d:
        if lines.number == 0 or (first is None and not header and lines.blank):
            raise LutError("The .cube file is empty.")
        if lines.ended:
            raise LutError("The .cube file is not a text file.")
        raise LutError("The .cube file has no LUT_3D_SIZE and no LUT_1D_SIZE.")
    domain = _domain(header)
    range_1d = _input_range(header, "LUT_1D_INPUT_RANGE") if size_1d else None
    range_3d = _input_range(header, "LUT_3D_INPUT_RANGE") if size_3d else None
    if domain and (range_1d or range_3d):
        raise LutError("The .cube file gives its input range twice: as DOMAIN_MIN or DOMAIN_MAX and as an INPUT_RANGE.")

    rows = _read_rows(lines, first, size_1d + size_3d**3)
    curves = np.clip(rows[:size_1d], -_FARTHEST, _FARTHEST)
    # Identity corners stand for a 3D table that is not there.
    table = _from_red_fastest(rows[size_1d:]) if size_3d else Lut.identity(2).table.astype(np.float64)
    whole = (np.zeros(3), np.ones(3))
    places = np.tile(np.linspace(0, 1, 256)[:, None], (1, 3))  # per level: r, g, b
    if "LUT_IN_VIDEO_RANGE" in header:
        places = (places * 219 + 16) / 255
    if size_1d:
        low, high = domain or range_1d or whole
        nodes = np.linspace(0, 1, size_1d)
        inputs = (places - low) / (high - low)  # np.interp clips them
        places = np.stack([np.interp(inputs[:, c], nodes, curves[:, c]) for c in range(3)], axis=1)
        domain = None
    if "LUT_OUT_VIDEO_RANGE" in header:
        if size_3d:
            table = (table * 255 - 16) / 219
        else:
            places = (places * 255 - 16) / 219
    low, high = domain or range_3d or whole
    return ExactLut.of(table, (places - low) / (high - low))


def read_3dl(file: TextIO) -> ExactLut:
    """A .3dl file of Lustre or Flame: a line of whole numbers for the shaper, then rows with blue fastest.

    Its numbers have the bits that "Mesh" says, else the fewest of 8, 10, 12, 14 and 16 that their largest fits into twofold,
    as OpenColorIO takes them; so is a shaper that is not straight, as a curve before the table.

    Raises:
        LutError: what is wrong.
    """
    shaper: list[float] = []
    rows: list[list[float]] = []
    bits = 0
    for number, line in _Lines(file, kind=".3dl"):
        words = line.split()
        if not re.fullmatch(r"[-+.\deE]+", words[0]):
            if words[0].lower() == "mesh" and len(words) == 3 and words[2].isdigit() and 8 <= int(words[2]) <= 16:
                bits = int(words[2])
            continue
        try:
            values = [float(word) for word in words]
        except ValueError:
            values = []
        if not np.isfinite(values).all() or not values or (len(values) != 3 and shaper):
            raise LutError(f"Line {number} of the .3dl file does not hold three numbers: {line[:60]!r}.")
        if len(values) != 3:
            shaper = values
            continue
        rows.append(values)
        if len(rows) > MAX_SIZE**3:
            raise LutError(f"The .3dl file has more than {MAX_SIZE} nodes per axis.")
    size = round(len(rows) ** (1 / 3))
    if size < MIN_SIZE or size**3 != len(rows):
        raise LutError(f"The .3dl file has {len(rows):,} rows of numbers, which make no cube.")
    table = np.array(rows).reshape(size, size, size, 3)  # red slowest
    table = table / (2.0 ** (bits or _likely_bits(table.max())) - 1)
    inputs = None
    if shaper:
        top = 2.0 ** _likely_bits(max(shaper)) - 1
        straight = np.linspace(0, top, len(shaper))
        if np.abs(np.array(shaper) - straight).max() > 2:
            curve = np.interp(np.linspace(0, 1, 256), np.linspace(0, 1, len(shaper)), np.array(shaper) / top)
            inputs = np.repeat(curve[:, None], 3, 1)
    return ExactLut.of(table, inputs)


def _likely_bits(largest: float) -> int:
    return next((bits for bits in range(8, 16, 2) if largest < 2 * 2**bits), 16)


def write_cube(lut: Lut, *, title: str) -> str:
    """A LUT as the text of a .cube file, six decimals; quotes, line ends and other controls in the title go."""
    title = " ".join(re.sub(r'["\x00-\x1f\x7f-\x9f\u2028\u2029]', " ", title).split())
    table = lut.table.transpose(2, 1, 0, 3).reshape(-1, 3)
    head = f'TITLE "{title[:_MAX_TITLE]}"\nLUT_3D_SIZE {lut.size}\nDOMAIN_MIN 0 0 0\nDOMAIN_MAX 1 1 1\n'
    return head + "".join("%.6f %.6f %.6f\n" % (red, green, blue) for red, green, blue in table.tolist())  # noqa: UP031


def read_hald(pixels: U8 | U16) -> Lut:
    """A HaldCLUT of level L, uint8 or uint16 [L^3, L^3, 3], as a LUT of L^2 nodes per axis (Eskil Steenberg's format).

    Level 12 and above (144 nodes and more) become 65 nodes; `read_exact_hald` keeps them all.

    Raises:
        LutError: the picture is not square, or its side is not L^3 with L from 2 to 16.
    """
    return read_exact_hald(pixels).plain()


def read_exact_hald(pixels: U8 | U16) -> ExactLut:
    """Like `read_hald`, with all of its nodes."""
    side = len(pixels)
    if pixels.dtype not in (np.uint8, np.uint16) or pixels.shape != (side, side, 3) or hald_level(side) is None:
        raise LutError(f"A HaldCLUT is a square picture with a side of 8, 27, 64 ... 4096 pixels, not {list(pixels.shape)}.")
    return ExactLut.of(_from_red_fastest(pixels.reshape(-1, 3)).astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max))


def hald_level(side: int) -> int | None:
    """The level L of a HaldCLUT with that side, L^3; None where there is none."""
    level = round(side ** (1 / 3))
    return level if level**3 == side and level in _HALD_LEVELS else None


def write_hald(lut: Lut, level: int) -> U8:
    """A LUT as a HaldCLUT uint8 [L^3, L^3, 3], rounded to 8 bit; `level` L is 2 to 11 (L^2 nodes per axis).

    Raises:
        LutError: another level.
    """
    if level not in _HALD_LEVELS or level**2 > MAX_SIZE:
        raise LutError(f"A HaldCLUT is written with a level from 2 to 11, not {level}.")
    table = lut.resampled(level**2).table.transpose(2, 1, 0, 3)
    return (table * 255 + 0.5).astype(np.uint8).reshape(level**3, level**3, 3)


Header = dict[str, tuple[int, list[float]]]  # keyword -> its line number and its numbers


class _Lines:
    """The lines of a text that say something, with their numbers; comments are left out, none is read beyond its limit."""

    def __init__(self, file: TextIO, kind: str = ".cube") -> None:
        self.file, self.kind = file, kind
        self.number = 0
        self.blank, self.ended = True, False

    def __iter__(self) -> Iterator[tuple[int, str]]:
        while line := self.file.readline(_MAX_LINE + 1):
            self.number += 1
            if len(line) > _MAX_LINE:
                raise LutError(f"Line {self.number} of the {self.kind} file is longer than {_MAX_LINE} characters.")
            text = line.strip()
            if not text:
                continue
            self.blank = False
            if not text.strip("\0\x1a "):  # how old systems end a text
                self.ended = True
                return
            if text[0] in "#;" or text.startswith("//"):
                continue
            yield self.number, text.rstrip("\0\x1a ")


def _read_header(lines: _Lines) -> tuple[Header, tuple[int, str] | None]:
    """The keywords, and the first line of data."""
    header: Header = {}
    for number, line in lines:
        if "\0" in line:
            raise LutError(f"The {lines.kind} file is not a text file.")
        words = line.split()
        keyword = words[0].upper()
        if re.match(r"[-+.\d]", keyword) or keyword in ("NAN", "INF", "INFINITY"):
            return header, (number, line)
        if keyword in _FLAGS:
            header[keyword] = number, []
        if keyword not in _NUMBERS:
            continue
        if keyword in header:
            raise LutError(f"Line {number} of the .cube file gives {keyword} a second time.")
        header[keyword] = number, _floats(words[1:], number, _NUMBERS[keyword])
    return header, None


def _floats(words: Sequence[str], number: int, count: int) -> list[float]:
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) != count or not np.isfinite(values).all():
        what = {1: "a number", 2: "two numbers", 3: "three numbers"}[count]
        raise LutError(f"Line {number} of the .cube file does not hold {what}: {' '.join(words)[:60]!r}.")
    return values


def _size(header: Header, keyword: str, largest: int) -> int:
    """The size of a table, 0 if there is none."""
    number, (size,) = header.get(keyword, (0, [0.0]))
    if number and (size != int(size) or not MIN_SIZE <= size <= largest):
        raise LutError(f"Line {number} of the .cube file: {keyword} must be from {MIN_SIZE} to {largest}, not {size:g}.")
    return int(size)


def _domain(header: Header) -> tuple[F64, F64] | None:
    """DOMAIN_MIN and DOMAIN_MAX as float [3] each, None if they are not there or say 0..1."""
    number_low, low = header.get("DOMAIN_MIN", (0, [0.0] * 3))
    number_high, high = header.get("DOMAIN_MAX", (0, [1.0] * 3))
    line = f"Line {max(number_low, number_high)} of the .cube file"
    if any(a >= b for a, b in zip(low, high, strict=True)):
        raise LutError(f"{line}: DOMAIN_MIN must be below DOMAIN_MAX.")
    if not all(map(_is_range, low, high)):
        raise LutError(f"{line}: DOMAIN_MIN and DOMAIN_MAX are no range that a photo's colours could have.")
    return None if (low, high) == ([0.0] * 3, [1.0] * 3) else (np.array(low), np.array(high))


def _input_range(header: Header, keyword: str) -> tuple[F64, F64] | None:
    """An INPUT_RANGE as float [3] each, None if it is not there or says 0..1."""
    number, (low, high) = header.get(keyword, (0, [0.0, 1.0]))
    if low >= high:
        raise LutError(f"Line {number} of the .cube file: {keyword} must rise, not {low:g} to {high:g}.")
    if not _is_range(low, high):
        raise LutError(f"Line {number} of the .cube file: {keyword} is no range that a photo's colours could have.")
    return None if (low, high) == (0.0, 1.0) else (np.full(3, low), np.full(3, high))


def _is_range(low: float, high: float) -> bool:
    return high - low >= _NARROWEST and max(abs(low), abs(high)) <= _FARTHEST


def _read_rows(lines: _Lines, first: tuple[int, str] | None, count: int) -> F64:
    """The data, float64 [count, 3], from the line `first` on; a line more than that is refused, and nothing behind it read."""
    values = np.empty((count, 3))
    done = 0
    rest = chain([] if first is None else [first], lines)
    while batch := list(islice(rest, _BATCH)):
        rows = [line.split() for _, line in batch]
        try:
            block = np.fromiter(map(float, chain.from_iterable(rows)), np.float64)
            sound = all(len(row) == 3 for row in rows) and bool(np.isfinite(block).all())
        except ValueError:
            sound = False
        if not sound:  # go through them once more, for the line
            block = np.array([_floats(_without_comment(row), number, 3) for row, (number, _) in zip(rows, batch, strict=True)])
        if done + len(batch) > count:
            number = batch[count - done][0]
            raise LutError(
                f"The .cube file has more rows of numbers than {count:,}, as its size says: line {number} is one too many."
            )
        values[done : done + len(batch)] = block.reshape(-1, 3)
        done += len(batch)
    if done < count:
        raise LutError(f"The .cube file has {done:,} rows of numbers, not {count:,} as its size says: the file ends too soon.")
    return values


def _without_comment(words: list[str]) -> list[str]:
    return words[:3] if len(words) > 3 and words[3].startswith(("#", ";", "//")) else words


def _from_red_fastest(rows: Array) -> Array:
    """[N^3, 3] with red fastest, then green -> [N, N, N, 3] indexed [r, g, b]."""
    size = round(len(rows) ** (1 / 3))
    return rows.reshape(size, size, size, 3).transpose(2, 1, 0, 3)
