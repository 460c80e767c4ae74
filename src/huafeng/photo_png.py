"""What Pillow does not tell of a PNG: its colour chunks, and all of the 16 bits of its colours."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from huafeng.pixels import U8

U16 = NDArray[np.uint16]
_FROM_16_BIT = ((np.arange(2**16, dtype=np.uint32) + 128) // 257).astype(np.uint8)


def chunks_before_pixels(data: bytes) -> dict[bytes, bytes]:
    """Name -> content of the chunks before the first IDAT, the first of each name."""
    found: dict[bytes, bytes] = {}
    for name, content in _chunks(data):
        if name == b"IDAT":
            break
        found.setdefault(name, content)
    return found


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 8
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        yield data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        place += 12 + length


def samples_16_bit(image: PngImageFile, data: bytes) -> U16 | None:
    """The samples of a PNG of 16-bit colours, uint16 [H, W, C]: RGB, RGBA, or grey three times and alpha; None for any other.

    Pillow gives the upper byte of each sample. Its unpacker for the other byte order gives the lower one.
    """
    if not image.tile or image.tile[0].args not in ("RGB;16B", "RGBA;16B", "LA;16B"):
        return None
    rawmode = str(image.tile[0].args)
    other = PngImageFile(io.BytesIO(data))
    if rawmode == "LA;16B":  # as long as RGBA of 8 bits: grey high and low, alpha high and low
        other.tile = [tile._replace(args="RGBA") for tile in other.tile]
        other.load()
        return np.asarray(np.asarray(other).view(">u2")[..., [0, 0, 0, 1]], np.uint16)
    other.tile = [tile._replace(args=rawmode.replace("16B", "16L")) for tile in other.tile]
    image.load()
    other.load()
    values = np.asarray(image).astype(np.uint16)
    values <<= 8
    values |= np.asarray(other)
    return values


def rounded_16_bit(image: PngImageFile, data: bytes) -> Image.Image | None:
    """A PNG of 16-bit colours as RGB or RGBA of 8 bits, rounded; None for any other."""
    key = image.info.get("transparency")
    values = samples_16_bit(image, data)
    if values is None:
        return None
    rounded: U8 = _FROM_16_BIT[values]
    if isinstance(key, tuple) and values.shape[2] == 3:
        rounded = np.dstack([rounded, np.where((values == key).all(-1), 0, 255).astype(np.uint8)])
    joined = Image.fromarray(rounded)
    joined.info = {name: value for name, value in image.info.items() if name != "transparency"}
    return joined
