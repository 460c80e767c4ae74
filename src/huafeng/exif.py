"""What a photo's EXIF may carry into the result, and what may not."""

from __future__ import annotations

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


def orientation(image: Image.Image) -> int:
    """1..8 as the file says, or 1 where it says nothing that makes sense."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged EXIF fails in many ways, and is no reason to refuse a photo
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def carried(image: Image.Image) -> bytes | None:
    """The EXIF of a result: upright, without thumbnail, maker note and XMP, but with GPS; None if there is none.

    A damaged EXIF counts as none.
    """
    try:
        exif = image.getexif()
        if not exif:
            return None
        result = Image.Exif()
        for tag in _KEPT & set(exif):
            result[tag] = exif[tag]
        result[ExifTags.Base.Orientation] = 1
        details = {t: v for t, v in exif.get_ifd(ExifTags.IFD.Exif).items() if t not in _DROPPED_FROM_EXIF}
        if details:
            result[ExifTags.IFD.Exif] = details
        if place := exif.get_ifd(ExifTags.IFD.GPSInfo):
            result[ExifTags.IFD.GPSInfo] = place
        return result.tobytes()
    except Exception:  # as above
        return None


def without_gps(exif: bytes) -> bytes:
    """The same EXIF without the place."""
    result = Image.Exif()
    result.load(exif)
    if ExifTags.IFD.GPSInfo in result:
        del result[ExifTags.IFD.GPSInfo]
    return result.tobytes()
