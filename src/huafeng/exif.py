"""What a photo's EXIF may carry into the result, and what may not."""

from __future__ import annotations

import contextlib
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


# What says who owns the camera, which one it is, on whose computer the photo was, and what somebody noted
PRIVATE = {
    int(tag)
    for tag in (
        ExifTags.Base.HostComputer,
        ExifTags.Base.XPComment,
        ExifTags.Base.UserComment,
        ExifTags.Base.CameraOwnerName,
        ExifTags.Base.BodySerialNumber,
        ExifTags.Base.LensSerialNumber,
        ExifTags.Base.ImageUniqueID,
    )
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

    A tag that cannot be read, or not be written, is left out alone.
    """
    first = {tag: value for tag, value in _readable(exif).items() if tag in _KEPT}
    details = {tag: value for tag, value in _directory(exif, ExifTags.IFD.Exif).items() if tag not in _DROPPED_FROM_EXIF}
    place = _directory(exif, ExifTags.IFD.GPSInfo)
    if not (first or details or place):
        return None
    first[int(ExifTags.Base.Orientation)] = 1
    try:
        return _to_bytes(first, details, place)
    except Exception:  # damaged EXIF fails in many ways: try tag by tag
        sound = [
            {tag: value for tag, value in tags.items() if _is_writable(directory, tag, value)}
            for directory, tags in ((None, first), (ExifTags.IFD.Exif, details), (ExifTags.IFD.GPSInfo, place))
        ]
        return _to_bytes(*sound)


def _readable(tags: Any) -> dict[int, Any]:
    """The tags of a directory that can be read."""
    found: dict[int, Any] = {}
    try:
        names = list(tags)
    except Exception:  # as above
        return found
    for tag in names:
        with contextlib.suppress(Exception):
            found[int(tag)] = tags[tag]
    return found


def _directory(exif: Image.Exif, directory: int) -> dict[int, Any]:
    try:
        return _readable(exif.get_ifd(directory))
    except Exception:  # as above
        return {}


def _is_writable(directory: int | None, tag: int, value: Any) -> bool:
    try:
        if directory is None:
            _to_bytes({tag: value}, {}, {})
        elif directory == ExifTags.IFD.Exif:
            _to_bytes({}, {tag: value}, {})
        else:
            _to_bytes({}, {}, {tag: value})
    except Exception:  # as above
        return False
    return True


def without(exif: bytes, tags: Collection[int]) -> bytes:
    """The same EXIF without some tags, in whichever directory they are (`IFD.GPSInfo` is the place)."""
    loaded = Image.Exif()
    loaded.load(exif)
    directories = {ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo}
    first = {tag: value for tag, value in loaded.items() if tag not in directories and tag not in tags}
    details = {tag: value for tag, value in loaded.get_ifd(ExifTags.IFD.Exif).items() if tag not in tags}
    place = {} if ExifTags.IFD.GPSInfo in tags else loaded.get_ifd(ExifTags.IFD.GPSInfo)
    return _to_bytes(first, details, place)


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
