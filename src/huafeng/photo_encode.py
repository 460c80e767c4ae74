"""sRGB pixels -> the bytes of a file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Literal, TypedDict

import numpy as np
from PIL import ExifTags, Image

from huafeng import exif, icc
from huafeng.errors import PhotoError
from huafeng.photo_decode import Source
from huafeng.photo_tiff import write_tiff
from huafeng.pixels import U8

Profile = Literal["srgb", "source"]
Metadata = Literal["keep", "safe", "none"]

_FORMATS = {
    "jpg": "JPEG",
    "jpeg": "JPEG",
    "png": "PNG",
    "webp": "WEBP",
    "avif": "AVIF",
    "tif": "TIFF",
    "tiff": "TIFF",
    "jpe": "JPEG",
    "jfif": "JPEG",
}
_KNOWN = ", ".join(f".{suffix}" for suffix in _FORMATS if suffix not in {"jpe", "jfif"})
_LONGEST_SIDE = {"JPEG": 65500, "WEBP": 16383, "AVIF": 65536}
_QUALITY = {"JPEG": 92, "WEBP": 90, "AVIF": 80}
_SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")
_STRIP_ROWS = 256
_PNG_LEVEL = 3  # a third of the time of Pillow's 6, for files some 4 % larger
_JPEG_MAX_EXIF = 65533  # what one JPEG marker holds


class EncodeOptions(TypedDict, total=False):
    """The options of Photo.to_bytes and Photo.save, said at Photo.to_bytes."""

    quality: int | None
    subsampling: str | None
    lossless: bool | None
    keep_gps: bool
    metadata: Metadata
    profile: Profile


def format_of(path: Path) -> str:
    """JPEG, PNG, WEBP, AVIF or TIFF, by the suffix; PhotoError for any other."""
    suffix = path.suffix.lower().removeprefix(".")
    if suffix in {"heic", "heif", "hif"}:
        raise PhotoError(f"{path} cannot be written, as Huafeng only reads HEIC: write .jpg, .png or .avif instead.")
    if suffix not in _FORMATS:
        raise PhotoError(f"{path} does not say which format to write: let its name end in one of {_KNOWN}.")
    return _FORMATS[suffix]


def encode(
    pixels: U8,
    alpha: U8 | None,
    source: Source,
    format: str | None,
    *,
    quality: int | None,
    subsampling: str | None,
    lossless: bool | None,
    keep_gps: bool,
    profile: Profile,
    metadata: Metadata = "safe",
) -> bytes:
    """What Photo.to_bytes says."""
    format = _checked_format(format, source)
    if quality is not None and not 1 <= quality <= 100:
        raise PhotoError(f"The quality must be from 1 to 100, not {quality}.")
    if subsampling is not None and subsampling not in _SUBSAMPLINGS:
        raise PhotoError(f"The subsampling must be one of {', '.join(_SUBSAMPLINGS)}, not {subsampling}.")
    if profile not in ("srgb", "source"):
        raise PhotoError(f"The profile must be srgb or source, not {profile}.")
    if metadata not in ("keep", "safe", "none"):
        raise PhotoError(f"The metadata must be keep, safe or none, not {metadata}.")
    height, width = pixels.shape[:2]
    longest = _LONGEST_SIDE.get(format)
    if longest is not None and max(width, height) > longest:
        raise PhotoError(
            f"{format} holds {longest:,} pixels a side at most, and the photo has {width:,} x {height:,}: write PNG."
        )

    options: dict[str, Any] = {}
    if format == "JPEG":
        options = _jpeg_options(source, quality, subsampling)
    elif format == "WEBP":
        without_loss = source.lossless and quality is None if lossless is None else lossless
        options = {"quality": quality or _QUALITY[format], "lossless": without_loss, "exact": without_loss}
    elif format == "AVIF":
        options = {"quality": quality or _QUALITY[format], "subsampling": subsampling or "4:2:0"}
    elif format == "PNG":
        options = {"compress_level": _PNG_LEVEL}
    if source.dpi is not None:
        options["dpi"] = source.dpi  # JPEG and PNG have a place for it
    if source.exif is not None and metadata != "none":
        dropped = set() if keep_gps or metadata == "keep" else {int(ExifTags.IFD.GPSInfo)}
        if metadata == "safe":
            dropped |= exif.PRIVATE
        if format == "AVIF":  # else Pillow takes it out, and writes the rest anew with "?" for letters beyond ASCII
            dropped.add(int(ExifTags.Base.Orientation))
        kept = exif.without(source.exif, dropped)
        if format != "JPEG" or len(kept) <= _JPEG_MAX_EXIF:
            options["exif"] = kept

    try:
        image = Image.fromarray(pixels)
        if source.icc is not None:
            options["icc_profile"] = _to_profile(image, source) if profile == "source" else icc.srgb_profile()
        if format == "TIFF":
            return write_tiff(np.asarray(image), alpha, options.get("exif"), options.get("icc_profile"), source.dpi)
        if alpha is not None:
            image = _with_alpha(image, Image.fromarray(alpha), flat=format == "JPEG")
        out = io.BytesIO()
        image.save(out, format, **options)
    except Exception as error:  # encoders, too, raise almost anything
        raise PhotoError(f"The photo cannot be written as {format} ({error}): try another format.") from error
    return out.getvalue()


def _checked_format(format: str | None, source: Source) -> str:
    if format is None:
        return {"HEIC": "JPEG", "GIF": "PNG", None: "PNG"}.get(source.format) or str(source.format)
    known = _FORMATS.get(format.lower())
    if known is None:
        raise PhotoError(f"Huafeng does not write {format}: choose JPEG, PNG, WEBP, AVIF or TIFF.")
    return known


def _jpeg_options(source: Source, quality: int | None, subsampling: str | None) -> dict[str, Any]:
    options: dict[str, Any] = {"subsampling": subsampling or source.subsampling or "4:2:0"}
    if quality is None and source.qtables is not None:
        return options | {"qtables": [list(table) for table in source.qtables]}
    return options | {"quality": quality or _QUALITY["JPEG"]}


def _to_profile(image: Image.Image, source: Source) -> bytes:
    """Convert `image` in place to the source's profile and return it; where that cannot be, leave sRGB, return its profile.

    Pixels that are as they were decoded become the source's very own again: sRGB holds fewer colours than most profiles.
    """
    profile = source.icc or icc.srgb_profile()
    try:
        transform = icc.from_srgb(profile)
        before = icc.to_srgb(profile, "RGB")
    except icc.ProfileError:
        return icc.srgb_profile()
    native = source.native if source.native is not None and source.native.shape[1::-1] == image.size else None
    for top in range(0, image.height, _STRIP_ROWS):
        box = (0, top, image.width, min(top + _STRIP_ROWS, image.height))
        strip = image.crop(box)
        result = strip if transform is None else transform.apply(strip)
        if native is not None and before is not None:
            own = Image.fromarray(native[top : box[3]])
            same = (np.asarray(before.apply(own)) == np.asarray(strip)).all(-1)
            result.paste(own, mask=Image.fromarray(same))
        image.paste(result, box)
    return profile


def _with_alpha(image: Image.Image, alpha: Image.Image, *, flat: bool) -> Image.Image:
    if not flat:
        image.putalpha(alpha)
        return image
    page = Image.new("RGB", image.size, "white")
    page.paste(image, mask=alpha)
    return page
