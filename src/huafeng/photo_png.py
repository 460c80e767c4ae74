"""What Pillow does not tell of a PNG: its colour chunks, and all of the 16 bits of its colours."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from huafeng.pixels import U8

_STRIP_ROWS = 64
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


def rounded_16_bit(image: PngImageFile, data: bytes) -> Image.Image | None:
    """A PNG of 16-bit colours as RGB or RGBA, rounded; None for any other.

    Pillow gives the upper byte of each sample. Its unpacker for the other byte order gives the lower one.
    """
    if not image.tile or image.tile[0].args not in ("RGB;16B", "RGBA;16B", "LA;16B"):
        return None
    rawmode = str(image.tile[0].args)
    key = image.info.get("transparency")
    other = PngImageFile(io.BytesIO(data))
    if rawmode == "LA;16B":  # as long as RGBA of 8 bits: grey high and low, alpha high and low
        other.tile = [tile._replace(args="RGBA") for tile in other.tile]
        other.load()
        return _joined(image, lambda box: np.asarray(other.crop(box)).view(">u2")[..., [0, 0, 0, 1]], None)
    other.tile = [tile._replace(args=rawmode.replace("16B", "16L")) for tile in other.tile]
    image.load()
    other.load()

    def samples(box: tuple[int, int, int, int]) -> np.ndarray:  # type: ignore[type-arg]
        return np.asarray(image.crop(box)).astype(np.uint16) << 8 | np.asarray(other.crop(box))

    return _joined(image, samples, key if isinstance(key, tuple) else None)


def _joined(image: PngImageFile, samples, key: tuple[int, ...] | None) -> Image.Image:  # type: ignore[no-untyped-def]
    width, height = image.size
    channels = 4 if image.mode == "RGBA" or key else 3
    result: U8 = np.empty((height, width, channels), np.uint8)
    for top in range(0, height, _STRIP_ROWS):
        bottom = min(height, top + _STRIP_ROWS)
        values = samples((0, top, width, bottom))
        result[top:bottom, :, : values.shape[2]] = _FROM_16_BIT[values]
        if key:
            result[top:bottom, :, 3] = np.where((values == key).all(-1), 0, 255)
    joined = Image.frombytes("RGBA" if channels == 4 else "RGB", image.size, result)
    joined.info = {name: value for name, value in image.info.items() if name != "transparency"}
    return joined
