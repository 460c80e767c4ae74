"""Looks of other programs: .cube files (Adobe, DaVinci Resolve) and HaldCLUT pictures, in and out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from huafeng.errors import LutError
from huafeng.look import APPLIED_SIZE, MAX_SIZE, MIN_SIZE, Lut, sample_grid
from huafeng.pixels import U8, Array

F64 = NDArray[np.float64]

MAX_CHARS = 160_000_000  # a table of 129 nodes per axis with numbers of 24 characters
_MAX_TITLE = 200  # Adobe's specification: no line longer than 250 bytes
_MAX_1D_SIZE = 65_536
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
    """A .cube file as a LUT over 0..1 (Adobe's Cube LUT Specification 1.0, and Resolve's dialect of it).

    A 1D table, a 3D table, or a 1D shaper followed by a 3D table, with DOMAIN_MIN and DOMAIN_MAX (of the first table)
    or LUT_1D_INPUT_RANGE and LUT_3D_INPUT_RANGE. A lone 3D table over 0..1 is taken as it is. Everything else is
    baked into one table of at least 65 nodes per axis: exact at these nodes and linear between, so a curve that
    is very steep inside the first 1/64 (a bare gamma of 1/2.2, say) is off by some levels in the four darkest ones.
    Inputs beyond a range and results beyond 0..1 are clipped.

    Raises:
        LutError: what is wrong, and in which line.
    """
    if len(text) > MAX_CHARS:
        raise LutError(f"The .cube file is too long: more than {MAX_CHARS // 1_000_000} million characters.")
    lines = text.removeprefix("\ufeff").splitlines()
    if "\0" in text:
        raise LutError("The .cube file is not a text file.")
    if not text.strip():
        raise LutError("The .cube file is empty.")
    header, first = _read_header(lines)
    size_1d = _size(header, "LUT_1D_SIZE", _MAX_1D_SIZE)
    size_3d = _size(header, "LUT_3D_SIZE", MAX_SIZE)
    if not size_1d and not size_3d:
        raise LutError("The .cube file has no LUT_3D_SIZE and no LUT_1D_SIZE.")
    for prefix, size in (("LUT_1D_", size_1d), ("LUT_3D_", size_3d)):
        if not size and prefix + "INPUT_RANGE" in header:
            raise LutError(f"The .cube file has {prefix}INPUT_RANGE but no {prefix}SIZE.")
    domain = _domain(header)
    range_1d, range_3d = (_input_range(header, keyword) for keyword in ("LUT_1D_INPUT_RANGE", "LUT_3D_INPUT_RANGE"))
    if domain and (range_1d or range_3d):
        raise LutError("The .cube file gives its input range twice: as DOMAIN_MIN or DOMAIN_MAX and as an INPUT_RANGE.")

    rows = _read_rows(lines, first, size_1d + size_3d**3)
    curves = np.clip(rows[:size_1d], -_FARTHEST, _FARTHEST)
    # Identity corners stand for a 3D table that is not there.
    table = _from_red_fastest(rows[size_1d:]) if size_3d else Lut.identity(2).table.astype(np.float64)
    if not (size_1d or domain or range_3d):
        return Lut(np.clip(table, 0, 1).astype(np.float32))

    whole = (np.zeros(3), np.ones(3))
    places = np.tile(np.linspace(0, 1, max(APPLIED_SIZE, size_3d))[:, None], (1, 3))  # per node: r, g, b
    if size_1d:
        low, high = domain or range_1d or whole
        nodes = np.linspace(0, 1, size_1d)
        inputs = (places - low) / (high - low)  # np.interp clips them
        places = np.stack([np.interp(inputs[:, c], nodes, curves[:, c]) for c in range(3)], axis=1)
        domain = None
    low, high = domain or range_3d or whole
    red, green, blue = ((places - low) / (high - low)).T
    return Lut(sample_grid(np.clip(table, 0, 1), (red, green, blue)))


def write_cube(lut: Lut, *, title: str) -> str:
    """A LUT as the text of a .cube file, six decimals; quotes, line ends and other controls in the title go."""
    title = " ".join(re.sub(r'["\x00-\x1f\x7f-\x9f\u2028\u2029]', " ", title).split())
    table = lut.table.transpose(2, 1, 0, 3).reshape(-1, 3)
    head = f'TITLE "{title[:_MAX_TITLE]}"\nLUT_3D_SIZE {lut.size}\nDOMAIN_MIN 0 0 0\nDOMAIN_MAX 1 1 1\n'
    return head + "".join("%.6f %.6f %.6f\n" % (red, green, blue) for red, green, blue in table.tolist())  # noqa: UP031


def read_hald(pixels: U8) -> Lut:
    """A HaldCLUT of level L, uint8 [L^3, L^3, 3], as a LUT of L^2 nodes per axis (Eskil Steenberg's format).

    Level 12 and above (144 nodes and more) become 65 nodes, as many as are applied, by trilinear interpolation:
    on film looks of level 12 that moves a photo's colours by 0.1 to 0.2 levels on average, and 1 in 1000 by up to 2
    or, where the look has a fold between two nodes, more.

    Raises:
        LutError: the picture is not square, or its side is not L^3 with L from 2 to 16.
    """
    level = round(len(pixels) ** (1 / 3))
    if pixels.dtype != np.uint8 or pixels.shape != (level**3, level**3, 3) or level not in _HALD_LEVELS:
        raise LutError(f"A HaldCLUT is a square picture with a side of 8, 27, 64 ... 4096 pixels, not {list(pixels.shape)}.")
    table = _from_red_fastest(pixels.reshape(-1, 3)).astype(np.float32) / np.float32(255)
    if level**2 <= MAX_SIZE:
        return Lut(table)
    nodes = np.linspace(0, 1, APPLIED_SIZE)
    return Lut(sample_grid(table, (nodes, nodes, nodes)))


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


def _read_header(lines: Sequence[str]) -> tuple[Header, int]:
    """The keywords and the index of the first data line."""
    header: Header = {}
    titled = False
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        keyword = words[0].upper()
        if not re.match("[A-Z_]", keyword) or keyword in ("NAN", "INF", "INFINITY"):
            return header, number - 1
        if keyword == "TITLE":
            if titled:
                raise LutError(f"Line {number} of the .cube file gives TITLE a second time.")
            titled = True
            continue
        if keyword not in _NUMBERS:
            raise LutError(f"Line {number} of the .cube file has the keyword {keyword[:40]!r}, which is not known.")
        if keyword in header:
            raise LutError(f"Line {number} of the .cube file gives {keyword} a second time.")
        header[keyword] = number, _floats(words[1:], number, _NUMBERS[keyword])
    return header, len(lines)


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


def _read_rows(lines: Sequence[str], first: int, count: int) -> F64:
    """The data, float64 [count, 3], from the lines from index `first` on."""
    rows = [line.split() for line in lines[first:]]
    numbers: Sequence[int] = range(first + 1, len(lines) + 1)
    if any(not row or row[0].startswith("#") for row in rows):
        kept = [(row, number) for row, number in zip(rows, numbers, strict=True) if row and not row[0].startswith("#")]
        rows, numbers = [row for row, _ in kept], [number for _, number in kept]
    try:
        values = np.fromiter(map(float, chain.from_iterable(rows)), np.float64)
        sound = all(len(row) == 3 for row in rows) and bool(np.isfinite(values).all())
    except ValueError:
        sound = False
    if not sound:  # go through them once more, for the line
        for row, number in zip(rows, numbers, strict=True):
            _floats(row, number, 3)
    if len(rows) != count:
        where = f"line {numbers[count]} is one too many" if len(rows) > count else "the file ends too soon"
        raise LutError(f"The .cube file has {len(rows):,} rows of numbers, not {count:,} as its size says: {where}.")
    return values.reshape(count, 3)


def _from_red_fastest(rows: Array) -> Array:
    """[N^3, 3] with red fastest, then green -> [N, N, N, 3] indexed [r, g, b]."""
    size = round(len(rows) ** (1 / 3))
    return rows.reshape(size, size, size, 3).transpose(2, 1, 0, 3)
