"""Colour profiles: whatever a photo comes in, Huafeng works in sRGB."""

from __future__ import annotations

import functools
import io
import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

_MODE_OF_SPACE = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION


Curve = tuple[float, ...]  # code -> light: (gamma,), or (g, a, b, c, d): (a x + b)^g from x = d on, c x below

_D50 = np.array([0.9642, 1.0, 0.8249])  # of the profile connection space
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


@functools.cache
def srgb_profile() -> bytes:
    """A small sRGB profile; LittleCMS stamps it with the time, which is taken out so that results repeat."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = (2000).to_bytes(2, "big") + bytes([0, 1, 0, 1, 0, 0, 0, 0, 0, 0])
    return bytes(profile)


def rgb_to_xyz(primaries: tuple[float, ...]) -> NDArray[np.float64]:
    """The matrix [3, 3] from linear colours to CIE XYZ, white at Y = 1 (SMPTE RP 177).

    Args:
        primaries: x and y of red, green, blue and white.

    Raises:
        ValueError: they span no colours.
    """
    x, y = np.array(primaries[:8:2]), np.array(primaries[1:8:2])
    if not ((y > 0).all() and (x >= 0).all() and (x + y <= 1.0001).all()):
        raise ValueError(f"no chromaticities: {primaries}")
    xyz = np.stack([x / y, np.ones(4), (1 - x - y) / y])  # [3, red green blue white]
    if abs(np.linalg.det(xyz[:, :3])) < 1e-6:
        raise ValueError(f"colours on a line: {primaries}")
    shares = np.linalg.solve(xyz[:, :3], xyz[:, 3])
    if not (shares > 0).all():
        raise ValueError(f"white outside of the colours: {primaries}")
    return np.asarray(xyz[:, :3] * shares)


def matrix_profile(primaries: tuple[float, ...], curve: Curve) -> bytes:
    """An RGB profile (ICC.1:2010, version 4.3) of primaries and white as for `rgb_to_xyz` and one curve for all three.

    Raises:
        ValueError: the primaries span no colours.
    """
    to_xyz = rgb_to_xyz(primaries)
    white = to_xyz.sum(1)
    adaptation = np.linalg.inv(_BRADFORD) @ np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white)) @ _BRADFORD

    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    def text(words: str) -> bytes:
        return (
            b"mluc" + bytes(4) + struct.pack(">2I2s2s2I", 1, 12, b"en", b"US", 2 * len(words), 28) + words.encode("utf-16-be")
        )

    def xyz(column: NDArray[np.float64]) -> bytes:
        return b"XYZ " + bytes(4) + fixed(*column)

    red, green, blue = (adaptation @ to_xyz).T
    para = b"para" + bytes(4) + struct.pack(">2H", 0 if len(curve) == 1 else 3, 0) + fixed(*curve)
    tags = {
        b"desc": text("RGB as the file's colour tags say"),
        b"cprt": text("No copyright"),
        b"wtpt": xyz(_D50),
        b"chad": b"sf32" + bytes(4) + fixed(*adaptation.ravel()),
        b"rXYZ": xyz(red),
        b"gXYZ": xyz(green),
        b"bXYZ": xyz(blue),
        b"rTRC": para,
        b"gTRC": para,
        b"bTRC": para,
    }
    place = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += name + struct.pack(">2I", place + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    size = place + len(body)
    date = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    head = struct.pack(">I4sI", size, b"", 0x04300000) + b"mntrRGB XYZ " + date + b"acsp"
    head += bytes(28) + fixed(*_D50)  # no platform, flags, maker, model, attributes; intent 0; illuminant
    return head.ljust(128, b"\0") + table + body


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
