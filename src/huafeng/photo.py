"""A photo: upright sRGB pixels, and what is needed to write the result the way that the photo came."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self, Unpack

import numpy as np

from huafeng.errors import Note, PhotoError
from huafeng.files import check_output, write_whole
from huafeng.photo_decode import Limits, Source, Table, decode, samples, too_many_bytes
from huafeng.photo_encode import EncodeOptions, Metadata, Profile, encode, format_of
from huafeng.pixels import U8

__all__ = ["DEFAULT_LIMITS", "READ", "WRITTEN", "EncodeOptions", "Limits", "Photo", "Source"]


class Remark(Note):
    """What a user should know of what was read or done, and can do nothing wrong by."""


DEFAULT_LIMITS = Limits()
WRITTEN = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".tif", ".tiff", ".jpe", ".jfif")
READ = (*WRITTEN, ".heic", ".heif", ".hif", ".gif", ".mpo", ".jps", ".avifs")


def pictures_in_folder(folder: Path) -> list[Path]:
    """The files right in a folder that are pictures by their suffix, sorted; hidden ones left out.

    Raises:
        OSError: the folder cannot be read.
    """
    names = sorted(folder.iterdir())
    return [path for path in names if path.suffix.lower() in READ and not path.name.startswith(".") and path.is_file()]


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo in memory.

    pixels: uint8 [H, W, 3], sRGB, upright, C-contiguous, read-only.
    alpha: uint8 [H, W], straight (not multiplied into the colours), 255 = opaque, read-only; None if there is none.
    source: what the file said that is worth keeping.

    Arrays that are passed in are not copied where they have this layout already: do not change them afterwards.
    """

    pixels: U8
    alpha: U8 | None = None
    source: Source = field(default_factory=Source)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pixels", _checked(self.pixels, "pixels", (3,)))
        if self.alpha is not None:
            object.__setattr__(self, "alpha", _checked(self.alpha, "alpha", ()))
            if self.alpha.shape != self.pixels.shape[:2]:
                raise PhotoError(f"alpha {self.alpha.shape} does not fit pixels {self.pixels.shape}.")

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, limits: Limits = DEFAULT_LIMITS) -> Self:
        """Read a JPEG, PNG, WebP, AVIF, TIFF, GIF (of one frame) or HEIC file (with the extra `heic`).

        The picture is turned upright and converted from its colour profile to sRGB (relative colorimetric, black point
        compensation; a broken profile counts as none, CMYK without one is converted plainly). Without a profile its other
        colour tags count: PNG's cICP, sRGB, gAMA and cHRM, the nclx of AVIF and HEIC, Adobe RGB by EXIF. HDR (PQ, HLG) is
        tone-mapped by BT.2390 so that 203 cd/m2 and more end as white. 16-bit colours are rounded to 8 bit, (v + 128) // 257;
        floats are taken as 0..1. Of a TIFF's pages, the first that is no reduced picture and no mask is read.

        Raises:
            PhotoError: not there, not readable, too large, animated, cut off, damaged or not such an image.
        """
        data = _bytes_of(Path(path), limits)
        return cls(*decode(data, str(path), limits)[:3])

    @classmethod
    def from_bytes(cls, data: bytes, *, limits: Limits = DEFAULT_LIMITS) -> Self:
        """Like `open`, for the bytes of a file."""
        return cls(*decode(data, "The picture", limits)[:3])

    @classmethod
    def from_array(cls, pixels: U8, alpha: U8 | None = None) -> Self:
        """A photo of pixels uint8 [H, W, 3] in sRGB and alpha uint8 [H, W]; PhotoError if they are anything else."""
        return cls(pixels, alpha)

    def with_pixels(self, pixels: U8) -> Self:
        """The same photo with other pixels uint8 [H, W, 3] of the same size; PhotoError if they are anything else."""
        pixels = _checked(pixels, "pixels", (3,))
        if pixels.shape != self.pixels.shape:
            raise PhotoError(f"The new pixels {pixels.shape} must have the photo's size {self.pixels.shape}.")
        return replace(self, pixels=pixels)

    def to_bytes(
        self,
        format: str | None = None,
        *,
        quality: int | None = None,
        subsampling: str | None = None,
        lossless: bool | None = None,
        keep_gps: bool = False,
        metadata: Metadata = "safe",
        profile: Profile = "srgb",
    ) -> bytes:
        """The photo as a file's bytes.

        EXIF comes along, with orientation 1 and without thumbnail, maker note and (unless `keep_gps`) GPS; XMP does
        not, as it may say the place as well. An EXIF too long for a JPEG (64 KB) is left out. JPEG, PNG and TIFF keep
        the pixels per inch. An sRGB profile is embedded if the source had a profile. JPEG has no alpha: the photo is
        laid on white.

        An option that a format does not have is ignored, so that one set of options serves a mixed folder.

        Args:
            format: JPEG, PNG, WEBP, AVIF or TIFF; None: the source's (JPEG for a HEIC, PNG for an array).
            quality: 1..100, for JPEG, WebP and AVIF; None: a JPEG source's own quantisation tables for a JPEG, else
                92 (JPEG), 90 (WebP), 80 (AVIF).
            subsampling: of colour, "4:4:4", "4:2:2" or "4:2:0", for JPEG and AVIF; None: a JPEG source's for a JPEG,
                else 4:2:0.
            lossless: for WebP; None: as the source was, unless a quality is given.
            keep_gps: keep the place where the photo was taken.
            metadata: of the EXIF, "keep" all that can be kept, place included; "safe": all but place, serial numbers, the
                camera's owner, the computer's name and comments; "none".
            profile: "srgb", or "source": convert back to the source's RGB profile and embed it (sRGB where the source
                was grey, CMYK, or its profile can only be read from).

        Raises:
            PhotoError: an unknown format, an option out of range, or more pixels a side than the format holds.
        """
        return encode(
            self.pixels,
            self.alpha,
            self.source,
            format,
            quality=quality,
            subsampling=subsampling,
            lossless=lossless,
            keep_gps=keep_gps,
            metadata=metadata,
            profile=profile,
        )

    def save(self, path: str | os.PathLike[str], *, force: bool = False, **options: Unpack[EncodeOptions]) -> None:
        """Write the photo, whole or not at all, in the format that the suffix says; options as for `to_bytes`.

        Raises:
            PhotoError: an unknown suffix, or as for `to_bytes`.
            OutputError: the file exists (without `force`), its folder is not writable, or the disk is full.
        """
        path = Path(path)
        format = format_of(path)
        check_output(path, force)
        write_whole(path, self.to_bytes(format, **options), force=force)


def table_in(path: Path, is_wanted: Callable[[int, int], bool], *, limits: Limits = DEFAULT_LIMITS) -> Table | None:
    """A picture's samples as they are stored, for pictures that hold data; None where its width and height are not wanted.

    Raises:
        PhotoError: as for `Photo.open`.
    """
    return samples(_bytes_of(path, limits), str(path), limits, is_wanted)


def _bytes_of(path: Path, limits: Limits) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise PhotoError(f"{path} is a folder: give the name of a photo in it.")
        if not stat.S_ISREG(status.st_mode):
            raise PhotoError(f"{path} is not a file.")
        if status.st_size > limits.max_bytes:
            raise too_many_bytes(str(path), status.st_size, limits)
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise PhotoError(f"There is no file {path}.") from error
    except PermissionError as error:
        raise PhotoError(f"{path} may not be read by you: change its permissions.") from error
    except (OSError, ValueError) as error:
        raise PhotoError(f"{path} cannot be read ({getattr(error, 'strerror', None) or error}).") from error
    return data


def _checked(array: U8, name: str, channels: tuple[int, ...]) -> U8:
    """A read-only, C-contiguous view of a uint8 array [H, W, *channels]."""
    sound = isinstance(array, np.ndarray) and array.dtype == np.uint8
    if not sound or array.ndim != 2 + len(channels) or array.shape[2:] != channels or array.size == 0:
        what = f"{array.dtype} {list(array.shape)}" if isinstance(array, np.ndarray) else type(array).__name__
        raise PhotoError(f"{name} must be a uint8 array [H, W{', 3' if channels else ''}] of at least 1 x 1, not {what}.")
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
