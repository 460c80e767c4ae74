"""Colour profiles: whatever a photo comes in, Huafeng works in sRGB."""

from __future__ import annotations

import functools
import io

import numpy as np
from PIL import Image, ImageCms

_MODE_OF_SPACE = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION


@functools.cache
def srgb_profile() -> bytes:
    """A small sRGB profile; LittleCMS stamps it with the time, which is taken out so that results repeat."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = (2000).to_bytes(2, "big") + bytes([0, 1, 0, 1, 0, 0, 0, 0, 0, 0])
    return bytes(profile)


class ProfileError(ValueError):
    """The profile is damaged, or is not one for this kind of picture."""


def to_srgb(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform of pixels of `mode` (L, RGB, CMYK or LAB) to sRGB; None where they are sRGB as they are.

    Relative colorimetric with black point compensation. The transform may ask for RGB (`input_mode`) where `mode` is L.

    Raises:
        ProfileError: the profile is damaged or does not describe such pixels.
    """
    try:
        source = _opened(profile) if profile else ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        wanted = _MODE_OF_SPACE.get(source.profile.xcolor_space.strip())
        if wanted is None or (wanted != mode and (wanted, mode) != ("RGB", "L")):
            raise ProfileError(f"a {source.profile.xcolor_space} profile on {mode} pixels")
        transform = ImageCms.buildTransform(source, _opened(srgb_profile()), wanted, "RGB", _INTENT, _FLAGS)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        raise ProfileError(str(error)) from error
    return None if wanted == "RGB" and _changes_nothing(transform) else transform


def from_srgb(profile: bytes) -> ImageCms.ImageCmsTransform | None:
    """The transform of sRGB pixels to those of an RGB profile; None where they are the same.

    Raises:
        ProfileError: the profile is not an RGB one, or can only be read from.
    """
    try:
        transform = ImageCms.buildTransform(_opened(srgb_profile()), _opened(profile), "RGB", "RGB", _INTENT, _FLAGS)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        raise ProfileError(str(error)) from error
    return None if _changes_nothing(transform) else transform


def _opened(profile: bytes) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(io.BytesIO(profile))


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """True if no colour of a grid moves by more than one step: the many files that are all called sRGB."""
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(len(steps), -1, 3)
    moved = np.asarray(transform.apply(Image.fromarray(grid)))
    return bool(np.abs(moved.astype(np.int16) - grid).max() <= 1)
