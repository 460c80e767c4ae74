"""Bytes -> upright sRGB pixels, alpha, and what is worth remembering of the file."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageCms, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.JpegImagePlugin import JpegImageFile, get_sampling
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from huafeng import exif, icc
from huafeng.errors import PhotoError
from huafeng.heic import open_heic
from huafeng.pixels import U8

_TIFF_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
_SUBSAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
_STRIP_PIXELS = 2**19  # a strip and its copies stay within a core's cache

# Used instead of Image.open, whose size limit is one global number for all users of Pillow in the process; and
# JpegImageFile reads a phone's MPO (a JPEG with a second picture behind it) as the JPEG that it is.
_READERS: dict[str, Callable[[io.BytesIO], ImageFile.ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
    "AVIF": AvifImageFile,
    "TIFF": TiffImageFile,
}

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

    max_bytes: int = 200 * 10**6
    max_pixels: int = 200 * 10**6


@dataclass(frozen=True)
class Source:
    """Where a photo came from, as far as it matters for writing the result.

    format: JPEG, PNG, WEBP, AVIF, TIFF or HEIC; None for an array.
    icc: its colour profile, if it had a sound one.   exif: what of its EXIF the result may carry; it may hold GPS.
    qtables, subsampling: how a JPEG was compressed.   grey: it had no colour.
    dpi: how large it is to be printed, pixels per inch across and down; None if it did not say.
    lossless: it was a WebP without loss.
    """

    format: str | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    qtables: tuple[tuple[int, ...], ...] | None = None
    subsampling: str | None = None
    grey: bool = False
    dpi: tuple[float, float] | None = None
    lossless: bool = False


def decode(data: bytes, name: str, limits: Limits) -> tuple[U8, U8 | None, Source]:
    """Pixels uint8 [H, W, 3] (sRGB, upright), alpha uint8 [H, W] or None, and the source; `name` is for messages.

    Raises:
        PhotoError: empty, foreign, too large, animated, cut off or damaged.
    """
    if not data:
        raise PhotoError(f"{name} is empty.")
    if len(data) > limits.max_bytes:
        raise too_many_bytes(name, len(data), limits)
    kind = _kind(data)
    if kind is None:
        raise PhotoError(f"{name} is not an image that Huafeng reads (JPEG, PNG, WebP, AVIF, TIFF, HEIC).")
    if kind == "GIF":
        raise _animated(name)
    try:
        if size := _webp_size(data):
            _check_size(name, size, limits)  # libwebp takes the memory for the picture when it is opened
        image = open_heic(data, name) if kind == "HEIC" else _READERS[kind](io.BytesIO(data))
        _check_size(name, image.size, limits)
        if kind in {"PNG", "WEBP", "AVIF"} and getattr(image, "is_animated", False):
            raise _animated(name)
        image.load()
        pixels, alpha, source = _converted(image, kind)
        return pixels, alpha, replace(source, lossless=kind == "WEBP" and _is_lossless_webp(data))
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
        f"{name} has {size / 1e6:,.1f} MB, more than the {limits.max_bytes / 1e6:,.1f} MB that are allowed (max_bytes)."
    )


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
            "(max_pixels): make it smaller."
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


def _converted(image: ImageFile.ImageFile, kind: str) -> tuple[U8, U8 | None, Source]:
    """The decoded image as arrays, strip by strip, so that no second full copy is made on the way."""
    profile: bytes | None = image.info.get("icc_profile") or None
    first, first_alpha = _split(image.crop((0, 0, 1, 1)))
    transform: ImageCms.ImageCmsTransform | None = None
    if profile or first.mode == "LAB":
        try:
            transform = icc.to_srgb(profile, first.mode)
        except icc.ProfileError:  # a broken profile is no reason to refuse a photo
            profile = None
            transform = icc.to_srgb(None, "LAB") if first.mode == "LAB" else None

    orientation = exif.orientation(image)
    sideways = orientation >= 5
    width, height = image.size
    shape = (width, height) if sideways else (height, width)
    pixels = np.empty((*shape, 3), np.uint8)
    alpha: U8 | None = np.empty(shape, np.uint8) if first_alpha is not None else None
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        # stored rows top..bottom become these rows (or columns, if the photo lies on its side) of the upright photo
        at = slice(height - bottom, height - top) if orientation in {3, 4, 6, 7} else slice(top, bottom)
        place = (slice(None), at) if sideways else (at, slice(None))
        strip, strip_alpha = _split(image.crop((0, top, width, bottom)))
        pixels[place] = np.asarray(_turned(_rgb(strip, transform), orientation))
        if alpha is not None and strip_alpha is not None:
            alpha[place] = np.asarray(_turned(strip_alpha, orientation))

    source = Source(
        format=kind,
        icc=profile,
        exif=exif.carried(image),
        qtables=_qtables(image) if isinstance(image, JpegImageFile) else None,
        subsampling=_SUBSAMPLING.get(get_sampling(image)),
        grey=image.mode in {"1", "L", "LA", "La", "F"} or image.mode.startswith("I"),
        dpi=_dpi(image, sideways),
    )
    return pixels, alpha, source


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
    if image.has_transparency_data:
        key = image.info.get("transparency")
        if isinstance(key, tuple) and max(key) > 255:  # Pillow has reduced the pixels to 8 bit, but not the key
            image.info["transparency"] = tuple(value >> 8 for value in key)
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
