"""What a photo's EXIF may carry into the result, and what may not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from PIL import ExifTags, Image

# Who, when and with what. All else in the first directory describes the old file's layout, or holds XMP or previews.
_KEPT = {
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.XResolution,
    ExifTags.Base.YResolution,
    ExifTags.Base.ResolutionUnit,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.HostComputer,
    ExifTags.Base.Rating,
    ExifTags.Base.RatingPercent,
    ExifTags.Base.Copyright,
    ExifTags.Base.XPTitle,
    ExifTags.Base.XPComment,
    ExifTags.Base.XPAuthor,
    ExifTags.Base.XPKeywords,
    ExifTags.Base.XPSubject,
}
# A maker note breaks when it is moved, and may hold a preview of the unstyled photo or the place.
# Size and colour space are those of the old file.
_DROPPED_FROM_EXIF = {
    ExifTags.Base.MakerNote,
    ExifTags.Base.ColorSpace,
    ExifTags.Base.ExifImageWidth,
    ExifTags.Base.ExifImageHeight,
    ExifTags.IFD.Interop,
}


def orientation(exif: Image.Exif) -> int:
    """1..8 as the file says, or 1 where it says nothing that makes sense."""
    try:
        value = exif.get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged EXIF fails in many ways, and is no reason to refuse a photo
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def carried(exif: Image.Exif) -> bytes | None:
    """The EXIF of a result: upright, without thumbnail, maker note and XMP, but with GPS; None if there is none.

    A damaged EXIF counts as none.
    """
    try:
        if not exif:
            return None
        first = {int(tag): exif[tag] for tag in _KEPT & set(exif)} | {int(ExifTags.Base.Orientation): 1}
        details = {t: v for t, v in exif.get_ifd(ExifTags.IFD.Exif).items() if t not in _DROPPED_FROM_EXIF}
        return _to_bytes(first, details, exif.get_ifd(ExifTags.IFD.GPSInfo))
    except Exception:  # as above
        return None


def without(exif: bytes, tags: Collection[int]) -> bytes:
    """The same EXIF without some tags of its first directory (`IFD.GPSInfo` is the place)."""
    loaded = Image.Exif()
    loaded.load(exif)
    directories = {ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo}
    first = {tag: value for tag, value in loaded.items() if tag not in directories and tag not in tags}
    place = {} if ExifTags.IFD.GPSInfo in tags else loaded.get_ifd(ExifTags.IFD.GPSInfo)
    return _to_bytes(first, loaded.get_ifd(ExifTags.IFD.Exif), place)


class _Text(str):
    """A text of an EXIF: Pillow reads its bytes as Latin-1, but writes ASCII, with "?" for all other letters."""

    def encode(self, encoding: str = "latin-1", errors: str = "strict") -> bytes:
        return super().encode("latin-1", errors)


def texts_as_read(tags: Mapping[int, Any]) -> dict[int, Any]:
    """The same tags, with texts that Pillow will write byte for byte as it has read them (UTF-8 or whatever they are)."""
    return {tag: _Text(value) if isinstance(value, str) else value for tag, value in tags.items()}


def _to_bytes(first: Mapping[int, Any], details: Mapping[int, Any], place: Mapping[int, Any]) -> bytes:
    result = Image.Exif()
    result.update(texts_as_read(first))
    if details:
        result[ExifTags.IFD.Exif] = texts_as_read(details)
    if place:
        result[ExifTags.IFD.GPSInfo] = texts_as_read(place)
    return result.tobytes()
