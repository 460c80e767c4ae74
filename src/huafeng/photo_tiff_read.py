"""Read a TIFF: its tags say which page is the photo and who decodes it, before anything is decoded.

Pillow (libtiff) reads what has up to 8 bits a sample. What is deeper, and what Pillow has no mode for, is read here: Pillow
cuts 16-bit colours to their upper byte, and misreads some layouts without a word.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import COMPRESSION_INFO, ImageFileDirectory_v2, TiffImageFile
from PIL.TiffTags import LONG

from huafeng.errors import PhotoError
from huafeng.pixels import U8, Array

_MOST_PAGES = 1000
_SUBFILE, _OLD_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 254, 255, 256, 257, 258, 259, 262, 266
_OFFSETS, _SAMPLES, _ROWS, _COUNTS, _X_RESOLUTION, _Y_RESOLUTION, _PLANAR, _UNIT = 273, 277, 278, 279, 282, 283, 284, 296
_PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_COUNTS, _EXTRA, _FORMAT = 317, 322, 323, 324, 325, 338, 339
_SUB_DIRECTORIES, _ICC, _DNG = 330, 34675, 50706
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType
_WHITE_IS_ZERO, _GREY, _RGB, _CMYK = 0, 1, 2, 5
_COLORS = {_WHITE_IS_ZERO: 1, _GREY: 1, _RGB: 3, _CMYK: 4}  # photometric -> samples of colour
_OTHER_COLORS = {3: "a palette", 6: "YCbCr", 8: "CIELAB", 9: "ICC Lab", 10: "ITU Lab", 32844: "LogL", 32845: "LogLuv"}
_RAW = {32803, 34892}  # what a camera's sensor saw
_PLAIN, _LZW, _PACKBITS, _ZSTD, _DEFLATES = 1, 5, 32773, 50000, {8, 32946}
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_ASSOCIATED, _STRAIGHT = 1, 2  # of alpha
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))  # for FillOrder 2
_ADVICE = "save it with 8 or 16 bits a channel, uncompressed or with LZW or ZIP, and try again."


@dataclass(frozen=True)
class TiffPage:
    """The page that is the photo: its tags, and where its directory lies in the file."""

    data: bytes
    name: str
    tags: ImageFileDirectory_v2
    offset: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in px."""
        return int(self.tags.get(_WIDTH, 0)), int(self.tags.get(_HEIGHT, 0))

    @property
    def exif(self) -> Image.Exif:
        """The EXIF, which in a TIFF is the page's directory itself."""
        exif = Image.Exif()
        if self._is_foreign_to_pillow():
            return exif
        exif.endian, exif.bigtiff = _endian(self.data), _is_big(self.data)
        exif.load_from_fp(io.BytesIO(self.data), self.offset)
        return exif

    def decoded(self) -> Image.Image:
        """The picture, in a mode of 8 bits a sample or fewer.

        Raises:
            PhotoError: it is of a kind that is not read; the reason is told.
            Exception: it is cut off or damaged.
        """
        if _DNG in self.tags or self.tags.get(_PHOTOMETRIC) in _RAW:
            raise self._refused("raw data of a camera's sensor", "develop it first, and save it as TIFF or JPEG.")
        bits = _bits(self.tags)
        as_pillow_writes_it = bits == (32,) and self.tags.get(_FORMAT) in (_SIGNED, (_SIGNED,))  # its mode I, of 0..65535
        by_pillow = (max(bits) <= 8 or as_pillow_writes_it) and not self._is_foreign_to_pillow()
        if by_pillow and not (min(bits) == 8 and self._is_flat_planar()):
            compression = self.tags.get(_COMPRESSION, 1)
            if compression not in COMPRESSION_INFO:
                raise self._refused(f"compression {compression}")
            try:
                return self._by_pillow()
            except SyntaxError:  # Pillow has no mode for it
                if min(bits) < 8:
                    raise self._refused(f"{_several(bits)} bits a sample") from None
        return self._by_samples(bits)

    def _is_foreign_to_pillow(self) -> bool:
        """BigTIFF with the most significant byte first."""
        return _is_big(self.data) and _endian(self.data) == ">"

    def _is_flat_planar(self) -> bool:
        """Uncompressed colours one after the other, beside alpha or as CMYK."""
        samples = self.tags.get(_SAMPLES, 1)
        return bool(self.tags.get(_PLANAR, 1) == 2 and self.tags.get(_COMPRESSION, 1) == _PLAIN and samples != 3)

    def _refused(self, what: str, advice: str = _ADVICE) -> PhotoError:
        return PhotoError(f"{self.name} is a TIFF with {what}, which is not read: {advice}")

    def _by_pillow(self) -> Image.Image:
        image = TiffImageFile(io.BytesIO(_pointing_to(self.data, self.offset)))
        image.load()
        return image

    def samples(self) -> Array | None:
        """The samples of 16 bits, uint16 [H, W, C], as they are stored; None where they have other bits."""
        if set(_bits(self.tags)) != {16} or self.tags.get(_COMPRESSION, 1) not in {_PLAIN, _LZW, _PACKBITS, _ZSTD, *_DEFLATES}:
            return None
        if set(_numbers(self.tags.get(_FORMAT, _UNSIGNED))) != {_UNSIGNED}:
            return None
        layout = _Layout.of(self.tags, 16, False, int(self.tags.get(_SAMPLES, 1)))
        result = np.empty((layout.height, layout.width, layout.samples), np.uint16)
        for rows, columns, channels, values in layout.segments(self.data):
            result[rows, columns, channels] = values
        return result

    def _by_samples(self, bits: tuple[int, ...]) -> Image.Image:
        tags = self.tags
        photometric = tags.get(_PHOTOMETRIC, _GREY)
        formats = set(_numbers(tags.get(_FORMAT, _UNSIGNED)))
        samples = int(tags.get(_SAMPLES, 1))
        compression = tags.get(_COMPRESSION, _PLAIN)
        if photometric not in _COLORS:
            other = _OTHER_COLORS.get(photometric, f"colours of kind {photometric}")
            raise self._refused(f"{other} in {_several(bits)} bits a sample")
        if len(set(bits)) > 1 or len(formats) > 1:
            raise self._refused(f"samples of different kinds ({_several(bits)} bits)")
        form = formats.pop()
        if form == _SIGNED:
            raise self._refused("numbers below 0 (signed samples)")
        if form not in (_UNSIGNED, _FLOAT, 4):  # 4: undefined, which is read as whole numbers
            raise self._refused(f"samples of format {form}")
        if bits[0] not in ((16, 32, 64) if form == _FLOAT else (*range(8, 17), 32, 64)):
            raise self._refused(f"{'floats of ' if form == _FLOAT else ''}{bits[0]} bits a sample")
        if compression not in {_PLAIN, _LZW, _PACKBITS, _ZSTD, *_DEFLATES}:
            name = COMPRESSION_INFO.get(compression, compression)
            raise self._refused(f"{bits[0]} bits a sample and the compression {name}")
        colors = _COLORS[photometric]
        if samples < colors:
            raise ValueError(f"{samples} samples")
        extra = _numbers(tags.get(_EXTRA, ())) or ((_STRAIGHT,) if samples == colors + 1 and colors < 4 else ())
        alpha = next((colors + i for i, kind in enumerate(extra) if kind in (_ASSOCIATED, _STRAIGHT)), None)
        if colors == 4 or (alpha or 0) >= samples:
            alpha = None
        kept = [*range(colors), *([] if alpha is None else [alpha])]
        associated = alpha is not None and extra[alpha - colors] == _ASSOCIATED

        layout = _Layout.of(tags, bits[0], form == _FLOAT, samples)
        result = np.empty((layout.height, layout.width, len(kept)), np.uint8)
        to_8_bit = _to_8_bit(bits[0], form == _FLOAT)
        for rows, columns, channels, values in layout.segments(self.data):
            if channels != slice(None):
                if channels.start in kept:
                    result[rows, columns, kept.index(channels.start)] = to_8_bit(values[..., 0])
                continue
            chosen = values[..., kept]
            result[rows, columns] = to_8_bit(_unmultiplied(chosen, bits[0], form == _FLOAT) if associated else chosen)
        if associated and layout.planar:
            result = _unmultiplied(result, 8, False)
        if photometric == _WHITE_IS_ZERO:
            result[..., :1] = 255 - result[..., :1]
        modes = {(1, 1): "L", (1, 2): "LA", (3, 3): "RGB", (3, 4): "RGBA", (4, 4): "CMYK"}
        mode = modes[colors, len(kept)]
        image = Image.frombytes(mode, (layout.width, layout.height), np.ascontiguousarray(result))
        image.info.update(self._info())
        return image

    def _info(self) -> dict[str, Any]:
        info: dict[str, Any] = {"icc_profile": self.tags.get(_ICC)}
        across, down, unit = self.tags.get(_X_RESOLUTION), self.tags.get(_Y_RESOLUTION), self.tags.get(_UNIT, 2)
        if across and down and unit in (2, 3):
            scale = 1.0 if unit == 2 else 2.54  # per inch, or per centimetre
            info["dpi"] = float(across) * scale, float(down) * scale
        return info


def open_tiff(data: bytes, name: str) -> TiffPage:
    """The page of a TIFF that is the photo: the first that is neither a reduced picture nor a mask.

    Raises:
        Exception: the file is cut off or damaged.
    """
    pages = list(_pages(data, name))
    for page in pages:
        kind, old = page.tags.get(_SUBFILE, 0), page.tags.get(_OLD_SUBFILE, 1)
        if not kind & (_REDUCED | _MASK) and old != 2:
            return page
    for page in pages:  # cameras keep the photo in a directory below that of its thumbnail
        for offset in _numbers(page.tags.get(_SUB_DIRECTORIES, ()))[:_MOST_PAGES]:
            below = TiffPage(data, name, _directory(data, int(offset)), int(offset))
            if not below.tags.get(_SUBFILE, 0) & (_REDUCED | _MASK) and _WIDTH in below.tags:
                return below
    return pages[0]


def _pages(data: bytes, name: str) -> Iterator[TiffPage]:
    offset, seen = _first(data), set[int]()
    while offset and offset not in seen and len(seen) < _MOST_PAGES:
        seen.add(offset)
        try:
            tags = _directory(data, offset)
        except Exception:
            if len(seen) == 1:
                raise
            return  # pages behind the photo are not ours to judge
        yield TiffPage(data, name, tags, offset)
        offset = int(tags.next or 0)


def _is_big(data: bytes) -> bool:
    return 43 in (data[2], data[3])


def _endian(data: bytes) -> str:
    return "<" if data[:2] == b"II" else ">"


def _first(data: bytes) -> int:
    """Where the first directory lies."""
    form, at = ("Q", 8) if _is_big(data) else ("I", 4)
    return int(struct.unpack_from(_endian(data) + form, data, at)[0])


def _directory(data: bytes, offset: int) -> ImageFileDirectory_v2:
    tags = ImageFileDirectory_v2(data[:2] + (b"*\0" if data[:1] == b"I" else b"\0*") + bytes(4))
    tags._bigtiff = _is_big(data)  # Pillow looks for the 43 where little-endian files have it
    file = io.BytesIO(data)
    file.seek(offset)
    tags.load(file)
    return tags


def _pointing_to(data: bytes, offset: int) -> bytes:
    """The same file with that directory as its first one."""
    if offset == _first(data):
        return data
    if _is_big(data):
        return data[:8] + struct.pack(_endian(data) + "Q", offset) + data[16:]
    return data[:4] + struct.pack(_endian(data) + "I", offset) + data[8:]


def _numbers(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, tuple) else (value,)


def _bits(tags: ImageFileDirectory_v2) -> tuple[int, ...]:
    return tuple(int(value) for value in _numbers(tags.get(_BITS, 1))) or (1,)


def _several(bits: tuple[int, ...]) -> str:
    return str(bits[0]) if len(set(bits)) == 1 else ", ".join(map(str, bits))


@dataclass(frozen=True)
class _Layout:
    """How the samples lie in the file: in strips or tiles, all of a pixel together or (planar) channel after channel."""

    width: int
    height: int
    samples: int
    bits: int
    dtype: np.dtype[Any]
    planar: bool
    block: tuple[int, int]  # width and height of a strip or tile
    tiled: bool
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    compression: int
    predictor: int
    reverse: bool

    @classmethod
    def of(cls, tags: ImageFileDirectory_v2, bits: int, floats: bool, samples: int) -> _Layout:
        width, height = int(tags[_WIDTH]), int(tags[_HEIGHT])
        tiled = _TILE_OFFSETS in tags
        rows = min(int(tags.get(_ROWS, height)), height)
        block = (int(tags[_TILE_WIDTH]), int(tags[_TILE_HEIGHT])) if tiled else (width, rows)
        if min(*block, width, height) < 1 or block[0] * block[1] > 4 * (width + 4096) * (height + 4096):
            raise ValueError(f"blocks of {block}")
        kind = "f" if floats else "u"
        # numbers of 9 to 15 bits are packed, and unpacked to 16
        dtype = np.dtype(f"{'>' if bits % 8 else tags._endian}{kind}{-(-bits // 8)}")
        offsets = _numbers(tags[_TILE_OFFSETS if tiled else _OFFSETS])
        counts = _numbers(tags.get(_TILE_COUNTS if tiled else _COUNTS, ()))
        layout = cls(width, height, samples, bits, dtype, tags.get(_PLANAR, 1) == 2 and samples > 1, block, tiled, offsets,
                     counts, tags.get(_COMPRESSION, 1), tags.get(_PREDICTOR, 1), tags.get(_FILL_ORDER, 1) == 2)  # fmt: skip
        if not counts:  # old programs left them out where nothing is compressed
            layout = cls(**{**vars(layout), "counts": (layout._row_bytes() * block[1],) * len(offsets)})
        return layout

    def _row_bytes(self) -> int:
        return -(-self.block[0] * self._together() * self.bits // 8)

    def _together(self) -> int:
        """Samples of a pixel that lie side by side."""
        return 1 if self.planar else self.samples

    def segments(self, data: bytes) -> Iterator[tuple[slice, slice, slice, Array]]:
        """Rows, columns, channels of the picture, and their samples [h, w, c], strip by strip or tile by tile."""
        across, down = -(-self.width // self.block[0]), -(-self.height // self.block[1])
        for i in range(across * down * (self.samples if self.planar else 1)):
            channel, place = divmod(i, across * down)
            row, column = divmod(place, across)
            top, left = row * self.block[1], column * self.block[0]
            bottom, right = min(top + self.block[1], self.height), min(left + self.block[0], self.width)
            rows = self.block[1] if self.tiled else bottom - top
            values = self._values(data[self.offsets[i] : self.offsets[i] + self.counts[i]], rows)
            channels = slice(channel, channel + 1) if self.planar else slice(None)
            yield slice(top, bottom), slice(left, right), channels, values[: bottom - top, : right - left]

    def _values(self, packed: bytes, rows: int) -> Array:
        """The samples [rows, w, c] of one strip or tile."""
        size = self._row_bytes() * rows
        if self.reverse:
            packed = packed.translate(_REVERSED)
        plain = _unpacked(packed, self.compression, size)
        if len(plain) < size:
            raise ValueError("a strip is cut off")
        lines = np.frombuffer(plain, np.uint8, size).reshape(rows, -1)
        shape = (rows, self.block[0], self._together())
        if self.bits % 8:
            single = np.unpackbits(lines, axis=1)[:, : shape[1] * shape[2] * self.bits].reshape(rows, -1, self.bits)
            lines = np.packbits(np.pad(single, ((0, 0), (0, 0), (16 - self.bits, 0))).reshape(rows, -1), axis=1)
        if self.predictor == 3:  # Adobe Technote 3: differences of bytes, the most significant of all samples first
            stride = shape[2]
            lines = np.add.accumulate(lines.reshape(rows, -1, stride), axis=1, dtype=np.uint8)
            ordered = lines.reshape(rows, self.dtype.itemsize, -1).transpose(0, 2, 1)
            return np.ascontiguousarray(ordered).view(self.dtype.newbyteorder(">"))[..., 0].reshape(shape)
        values: Array = np.ascontiguousarray(lines).view(self.dtype).reshape(shape)
        if self.predictor == 2:  # TIFF 6.0, section 14: differences to the pixel on the left, of floats as of whole numbers
            whole = values.view(f"{self.dtype.byteorder}u{self.dtype.itemsize}")
            native = whole.dtype.newbyteorder("=")
            values = np.add.accumulate(whole.astype(native), axis=1, dtype=native).view(self.dtype.newbyteorder("="))
        return values


def _unpacked(packed: bytes, compression: int, size: int) -> bytes:
    """The bytes of one strip or tile, `size` of them at most."""
    if compression == _PLAIN:
        return packed
    if compression in _DEFLATES:
        return zlib.decompressobj().decompress(packed, size)
    # LZW and the like by libtiff, which Pillow brings: as a grey picture of one row, that has these bytes for its pixels
    tags = ImageFileDirectory_v2()
    tags.tagtype[_OFFSETS] = tags.tagtype[_COUNTS] = tags.tagtype[_WIDTH] = LONG
    values = {_WIDTH: size, _HEIGHT: 1, _BITS: 8, _COMPRESSION: compression, _PHOTOMETRIC: _GREY, _SAMPLES: 1, _ROWS: 1}
    for tag, value in {**values, _OFFSETS: 0, _COUNTS: len(packed)}.items():
        tags[tag] = value
    file = io.BytesIO()
    tags.save(file)  # which makes the offset one behind the directory
    file.write(packed)
    file.seek(0)
    return TiffImageFile(file).tobytes()


_FROM_16_BIT = ((np.arange(2**16, dtype=np.uint32) + 128) // 257).astype(np.uint8)


def _to_8_bit(bits: int, floats: bool) -> Callable[[Array], U8]:
    """Samples -> uint8, rounded: whole numbers from 0..2^bits - 1, floats from 0..1 (clipped, NaN is 0)."""
    if floats:
        return lambda values: (np.clip(np.nan_to_num(values.astype(np.float32), posinf=1.0), 0, 1) * 255 + 0.5).astype(np.uint8)
    if bits == 8:
        return lambda values: values
    if bits == 16:
        return lambda values: _FROM_16_BIT[values]
    return lambda values: (values.astype(np.float64) / (2.0**bits - 1) * 255 + 0.5).astype(np.uint8)


def _unmultiplied(values: Array, bits: int, floats: bool) -> Array:
    """Colours and alpha last, [H, W, C]: colours that were multiplied with alpha, divided by it again."""
    most = 1.0 if floats else 2.0**bits - 1
    alpha = values[..., -1:].astype(np.float64)
    straight = np.minimum(values[..., :-1] * most / np.where(alpha > 0, alpha, np.inf), most)
    straight = straight if floats else np.rint(straight)
    return np.concatenate([straight.astype(values.dtype), values[..., -1:]], axis=-1)
