"""Bytes -> upright sRGB pixels, alpha, and what is worth remembering of the file: the one way for photos and training."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageCms, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile, get_sampling
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from huafeng import colortags, exif, hdr, icc
from huafeng.colortags import ColorTag
from huafeng.errors import PhotoError
from huafeng.heic import open_heic
from huafeng.photo_png import chunks_before_pixels, rounded_16_bit, samples_16_bit
from huafeng.photo_tiff_read import TiffPage, open_tiff
from huafeng.pixels import U8, Array

_TIFF_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
_SUBSAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
_STRIP_PIXELS = 2**19  # a strip and its copies stay within a core's cache

# Used instead of Image.open, whose size limit is one global number for all users of Pillow in the process; and
# JpegImageFile reads a phone's MPO (a JPEG with a second picture behind it) as the JPEG that it is.
_READERS: dict[str, Callable[[BinaryIO], ImageFile.ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
    "AVIF": AvifImageFile,
    "GIF": GifImageFile,
}
_MAY_BE_ANIMATED = {"PNG", "WEBP", "AVIF", "GIF"}
# What says that a picture carries a second one beside it, for HDR screens (ISO 21496-1, Adobe, Google, Apple)
_GAIN_MAPS = (
    b"urn:iso:std:iso:ts:21496:-1",
    b"http://ns.adobe.com/hdr-gain-map/1.0/",
    b"http://ns.apple.com/HDRGainMap/1.0/",
    b"urn:com:apple:photo:2020:aux:hdrgainmap",
)

# EXIF orientation -> how to turn the stored picture upright
_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# 16 bit -> 8 bit, rounded: 65535 -> 255, 257 * k -> k
_FROM_16_BIT = ((np.arange(2**16, dtype=np.uint32) + 128) // 257).astype(np.uint8)


@dataclass(frozen=True)
class Limits:
    """The largest photo that is read; both hold before anything is decoded."""

    max_bytes: int = 1_000 * 10**6
    max_pixels: int = 200 * 10**6


@dataclass(frozen=True)
class Source:
    """Where a photo came from, as far as it matters for writing the result.

    format: JPEG, PNG, WEBP, AVIF, TIFF, GIF or HEIC; None for an array.
    icc: its colour profile, if it had a sound one, or one that says what its other colour tags say.
    exif: what of its EXIF the result may carry; it may hold GPS.
    qtables, subsampling: how a JPEG was compressed.   grey: it had no colour.
    dpi: how large it is to be printed, pixels per inch across and down; None if it did not say.
    lossless: it was a WebP without loss.
    native: its pixels before they were converted to sRGB, uint8 [H, W, 3], upright; None where they are the same.
    notes: sentences on what of the file a result cannot have.
    """

    format: str | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    qtables: tuple[tuple[int, ...], ...] | None = None
    subsampling: str | None = None
    grey: bool = False
    dpi: tuple[float, float] | None = None
    lossless: bool = False
    native: U8 | None = field(default=None, compare=False, repr=False)
    notes: tuple[str, ...] = ()


class Opened(NamedTuple):
    """A picture whose header has been read and nothing else.

    format: JPEG, PNG, WEBP, AVIF, TIFF, GIF or HEIC.   size: width and height in px as it is stored, not turned.
    """

    format: str
    image: ImageFile.ImageFile | TiffPage

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in px."""
        return self.image.size

    @property
    def exif(self) -> Image.Exif:
        """The EXIF; empty where there is none, or a damaged one."""
        try:
            return self.image.exif if isinstance(self.image, TiffPage) else self.image.getexif()
        except Exception:  # damaged EXIF fails in many ways, and is no reason to refuse a photo
            return Image.Exif()

    @property
    def may_be_transparent(self) -> bool:
        """Whether it has to be decoded to know."""
        return isinstance(self.image, TiffPage) or self.image.has_transparency_data


def open_picture(file: BinaryIO, name: str, limits: Limits) -> Opened:
    """The header of the picture that `file` holds from where it stands; `name` is for messages.

    Raises:
        PhotoError: foreign, too large, animated, damaged, or HEIC without the extra `heic`.
    """
    start = file.tell()
    head = file.read(256)
    file.seek(start)
    kind = _kind(head)
    if kind is None:
        raise PhotoError(f"{name} is not an image that Huafeng reads (JPEG, PNG, WebP, AVIF, TIFF, HEIC){_instead(head)}.")
    with _told(name):
        if size := _webp_size(head):
            _check_size(name, size, limits)  # libwebp takes the memory for the picture when it is opened
        image: ImageFile.ImageFile | TiffPage
        if kind in {"HEIC", "TIFF"}:
            data = file.read()
            image = open_heic(data, name) if kind == "HEIC" else open_tiff(data, name)
        else:
            image = _READERS[kind](file)
        _check_size(name, image.size, limits)
        if kind in _MAY_BE_ANIMATED and getattr(image, "is_animated", False):
            raise _animated(name)
    return Opened(kind, image)


class Decoded(NamedTuple):
    """pixels: uint8 [H, W, 3] (sRGB, upright).   alpha: uint8 [H, W] or None.   source: as said there.

    size: width and height in px of the whole picture, upright, where `pixels` are a smaller decoding of it.
    """

    pixels: U8
    alpha: U8 | None
    source: Source
    size: tuple[int, int]


def decode(data: bytes, name: str, limits: Limits, *, short_side_px: int | None = None) -> Decoded:
    """A file's bytes decoded; `name` is for messages.

    Args:
        data: the bytes.
        name: for messages.
        limits: the largest that is read.
        short_side_px: a JPEG in colour may be decoded at 1/2, 1/4 or 1/8 of its size, but no smaller than this.

    Raises:
        PhotoError: empty, foreign, too large, animated, cut off or damaged, or of a kind that is not read.
    """
    if not data:
        raise PhotoError(f"{name} is empty.")
    if len(data) > limits.max_bytes:
        raise too_many_bytes(name, len(data), limits)
    opened = open_picture(io.BytesIO(data), name, limits)
    with _told(name):
        whole: tuple[int, int] | None = None
        image = opened.image
        if isinstance(image, JpegImageFile) and short_side_px and image.mode == "RGB":
            whole = image.size
            image.draft(None, (short_side_px, short_side_px))  # at least so large a side, by scaling the cosine transform
        loaded: Image.Image
        if isinstance(image, TiffPage):
            loaded = image.decoded()
        elif isinstance(image, PngImageFile) and (rounded := rounded_16_bit(image, data)):
            loaded = rounded
        else:
            image.load()
            loaded = image
        # not before: Pillow decodes a PNG to look for its EXIF, and turns a TIFF upright
        information = loaded.getexif() if isinstance(loaded, TiffImageFile) else opened.exif
        decoded = _converted(loaded, opened.format, information, _color_tag(opened, information, data))
    source = replace(
        decoded.source,
        lossless=opened.format == "WEBP" and _is_lossless_webp(data),
        notes=decoded.source.notes + _gain_map_note(data),
    )
    if whole is not None:
        decoded = decoded._replace(size=whole[::-1] if exif.orientation(information) >= 5 else whole)
    return decoded._replace(source=source)


class Table(NamedTuple):
    """samples: uint8 or uint16 [H, W, 3], as they are stored.   lossy: the format does not keep them exactly."""

    samples: Array
    lossy: bool


def samples(data: bytes, name: str, limits: Limits, is_wanted: Callable[[int, int], bool]) -> Table | None:
    """What `photo.table_in` says."""
    if not data:
        raise PhotoError(f"{name} is empty.")
    opened = open_picture(io.BytesIO(data), name, limits)
    if not is_wanted(*opened.size):
        return None
    lossy = opened.format in {"JPEG", "AVIF", "HEIC"} or (opened.format == "WEBP" and not _is_lossless_webp(data))
    with _told(name):
        image = opened.image
        if isinstance(image, TiffPage):
            deep = image.samples()
            if deep is not None:
                return Table(_three(deep), lossy)
            image_8_bit: Image.Image = image.decoded()
        elif isinstance(image, PngImageFile) and (values := samples_16_bit(image, data)) is not None:
            return Table(_three(values[..., :3]), lossy)
        else:
            image.load()
            image_8_bit = image
        if image_8_bit.mode.startswith("I"):
            return Table(_three(np.clip(np.asarray(image_8_bit), 0, 2**16 - 1).astype(np.uint16)[..., None]), lossy)
        return Table(np.asarray(image_8_bit.convert("RGB")), lossy)


def _three(values: Array) -> Array:
    """[H, W, C] as [H, W, 3]: grey three times, or the first three."""
    return np.repeat(values[..., :1], 3, -1) if values.shape[2] < 3 else np.ascontiguousarray(values[..., :3])


def _color_tag(opened: Opened, information: Image.Exif, data: bytes) -> ColorTag | None:
    """What the file says of its colours in other ways than by a profile; None where that is nothing, or counts less."""
    if opened.format == "PNG":
        chunks = chunks_before_pixels(data)
        tag = colortags.of_png(chunks)
        if tag is None and b"iCCP" in chunks:
            return None
    else:
        tag = colortags.of_heif(data) if opened.format in {"AVIF", "HEIC"} else None
    return tag or colortags.of_exif(information)


def _gain_map_note(data: bytes) -> tuple[str, ...]:
    if any(mark in data for mark in _GAIN_MAPS):
        return ("it holds a gain map, which makes it brighter on HDR screens: results are its SDR picture, without the map",)
    return ()


@contextlib.contextmanager
def _told(name: str) -> Iterator[None]:
    """What a decoder raises, as a PhotoError."""
    try:
        yield
    except PhotoError:
        raise
    except MemoryError as error:
        raise PhotoError(f"{name} does not fit into this computer's memory: make it smaller.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PhotoError(f"{name} is too large to be read safely: make it smaller.") from error
    except Exception as error:  # decoders raise almost anything when bytes are damaged
        raise PhotoError(
            f"{name} is cut off or damaged: the whole picture is not there; copy it again from where it came."
        ) from error


def too_many_bytes(name: str, size: int, limits: Limits) -> PhotoError:
    """The error for a file of `size` bytes."""
    return PhotoError(
        f"{name} has {size / 1e6:,.1f} MB, more than the {limits.max_bytes / 1e6:,.1f} MB that are allowed "
        "(max_bytes; on the command line --max-megabytes)."
    )


def _instead(head: bytes) -> str:
    """What a foreign file is, where its first bytes say so."""
    if head[4:8] == b"ftyp" or head.startswith((b"\x1aE\xdf\xa3", b"\0\0\1\xba")) or head[8:12] == b"AVI ":
        return ": it is a video; save one frame of it as PNG"
    return ""


def _animated(name: str) -> PhotoError:
    return PhotoError(
        f"{name} is animated, and this is for still pictures: save one frame of it as PNG; "
        "moving pictures will get a command of their own, for video."
    )


def _check_size(name: str, size: tuple[int, int], limits: Limits) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise PhotoError(f"{name} has no pixels.")
    if width * height > limits.max_pixels:
        raise PhotoError(
            f"{name} has {width:,} x {height:,} pixels, more than the {limits.max_pixels:,} that are allowed "
            "(max_pixels; on the command line --max-megapixels): make it smaller."
        )


def _kind(data: bytes) -> str | None:
    """The format by the first bytes."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith(_TIFF_HEADS):
        return "TIFF"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data[4:8] == b"ftyp":
        brands = data[8 : min(int.from_bytes(data[:4], "big"), 256)]
        if b"avif" in brands or b"avis" in brands:
            return "AVIF"
        if data[8:12] in _HEIC_BRANDS:
            return "HEIC"
    return None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in a WebP's header (RFC 9649), None if `data` is not a WebP."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return None
    little = int.from_bytes
    if data[12:16] == b"VP8X":
        return little(data[24:27], "little") + 1, little(data[27:30], "little") + 1
    if data[12:16] == b"VP8L":
        bits = little(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return little(data[26:28], "little") & 0x3FFF, little(data[28:30], "little") & 0x3FFF


def _converted(image: Image.Image, kind: str, information: Image.Exif, tag: ColorTag | None) -> Decoded:
    """The decoded image as arrays, strip by strip, so that no second full copy is made on the way."""
    profile: bytes | None = image.info.get("icc_profile") or None
    first, first_alpha = _split(image.crop((0, 0, 1, 1)))
    # PNG's cICP counts more than a profile, all other tags count less
    if tag is not None and (profile is None or kind == "PNG"):
        profile = tag.profile
    elif profile is not None:
        tag = None
    transform: ImageCms.ImageCmsTransform | None = None
    if profile or first.mode == "LAB":
        try:
            transform = icc.to_srgb(profile, first.mode)
        except icc.ProfileError:  # a broken profile is no reason to refuse a photo
            profile = None
            transform = icc.to_srgb(None, "LAB") if first.mode == "LAB" else None

    orientation = exif.orientation(information)
    sideways = orientation >= 5
    width, height = image.size
    shape = (width, height) if sideways else (height, width)
    pixels = np.empty((*shape, 3), np.uint8)
    native = np.empty_like(pixels) if transform and first.mode == "RGB" and not (tag and tag.narrow) else None
    alpha: U8 | None = np.empty(shape, np.uint8) if first_alpha is not None else None
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        # stored rows top..bottom become these rows (or columns, if the photo lies on its side) of the upright photo
        at = slice(height - bottom, height - top) if orientation in {3, 4, 6, 7} else slice(top, bottom)
        place = (slice(None), at) if sideways else (at, slice(None))
        strip, strip_alpha = _split(image.crop((0, top, width, bottom)))
        if native is not None:
            native[place] = np.asarray(_turned(strip, orientation))
        pixels[place] = np.asarray(_turned(_rgb(_as_tagged(strip, tag), transform), orientation))
        if alpha is not None and strip_alpha is not None:
            alpha[place] = np.asarray(_turned(strip_alpha, orientation))

    source = Source(
        format=kind,
        icc=profile,
        exif=exif.carried(information),
        qtables=_qtables(image) if isinstance(image, JpegImageFile) else None,
        subsampling=_SUBSAMPLING.get(get_sampling(image)) if isinstance(image, JpegImageFile) else None,
        grey=image.mode in {"1", "L", "LA", "La", "F"} or image.mode.startswith("I"),
        dpi=_dpi(image, sideways),
        native=native,
        notes=_tag_notes(tag),
    )
    return Decoded(pixels, alpha, source, shape[::-1])


def _as_tagged(strip: Image.Image, tag: ColorTag | None) -> Image.Image:
    """A strip with its narrow range made full, and with HDR made sRGB."""
    if tag is not None and tag.narrow:
        strip = strip.point([round(min(max((code - 16) * 255 / 219, 0), 255)) for code in range(256)] * len(strip.getbands()))
    if tag is not None and tag.hdr:
        return Image.fromarray(hdr.to_srgb(np.asarray(strip.convert("RGB")), tag.hdr, tag.primaries, tag.peak))
    return strip


def _tag_notes(tag: ColorTag | None) -> tuple[str, ...]:
    if tag is not None and tag.hdr:
        return (f"it is an HDR picture ({tag.hdr.upper()}): tones brighter than paper white are pressed together for SDR",)
    if tag is not None and tag.unknown:
        return (f"its colours are tagged with {tag.unknown}, which is not known: they are taken as sRGB",)
    return ()


def _is_lossless_webp(data: bytes) -> bool:
    """Whether the picture is in a VP8L chunk; chunks are a name, a length and content, padded to even length."""
    place = 12  # after RIFF, length, WEBP
    while place + 8 <= len(data):
        if data[place : place + 4] in (b"VP8L", b"VP8 "):
            return data[place : place + 4] == b"VP8L"
        length = int.from_bytes(data[place + 4 : place + 8], "little")
        place += 8 + length + length % 2
    return False


def _split(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Any mode -> colours in mode L, RGB, CMYK or LAB, and alpha in mode L.

    Whole numbers beyond 8 bit are taken as 16 bit (0..65535) and clipped; floats as 0..1, clipped (NaN is 0).
    """
    if image.mode.startswith("I"):
        values = np.asarray(image)
        alpha = None
        if "transparency" in image.info:
            alpha = Image.fromarray(np.where(values == image.info["transparency"], 0, 255).astype(np.uint8))
        return Image.fromarray(_FROM_16_BIT[np.clip(values, 0, 2**16 - 1)]), alpha
    if image.mode == "F":
        values = np.nan_to_num(np.asarray(image), posinf=1.0)
        return Image.fromarray((np.clip(values, 0.0, 1.0) * 255 + 0.5).astype(np.uint8)), None
    if image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data:
        full = image.convert("RGBA")
        grey = image.mode in {"1", "L", "LA", "La"}
        return full.getchannel("R") if grey else full.convert("RGB"), full.getchannel("A")
    if image.mode == "1":
        return image.convert("L"), None
    if image.mode in {"L", "RGB", "CMYK", "LAB"}:
        return image, None
    return image.convert("RGB"), None


def _rgb(image: Image.Image, transform: ImageCms.ImageCmsTransform | None) -> Image.Image:
    if transform is None:
        return image.convert("RGB")
    if image.mode != transform.input_mode:
        image = image.convert(transform.input_mode)
    return transform.apply(image)


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_TURN[orientation]) if orientation in _TURN else image


def _dpi(image: Image.Image, sideways: bool) -> tuple[float, float] | None:
    match image.info.get("dpi"):
        case (across, down) if 1 < across < 2**16 and 1 < down < 2**16:  # a TIFF that says nothing has 1
            return (float(down), float(across)) if sideways else (float(across), float(down))
    return None


def _qtables(image: JpegImageFile) -> tuple[tuple[int, ...], ...] | None:
    """The quantisation table of each component: three at most (the fourth is a CMYK's black), the last one repeats."""
    tables = [tuple(image.quantization.get(component[3], ())) for component in image.layer[:3]]
    while len(tables) > 1 and tables[-1] == tables[-2]:
        tables.pop()
    return tuple(tables) if all(tables) else None
