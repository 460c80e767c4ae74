"""How a file says what its colours mean, where it has no ICC profile: numbers for primaries and transfer, gamma, EXIF."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from PIL import ExifTags, Image

from huafeng import bmff
from huafeng.icc import Curve, matrix_profile

Chromaticities = tuple[float, ...]  # CIE x and y of red, green, blue, white

_D65 = (0.3127, 0.3290)
_BT709: Chromaticities = (0.640, 0.330, 0.300, 0.600, 0.150, 0.060, *_D65)
_ADOBE: Chromaticities = (0.640, 0.330, 0.210, 0.710, 0.150, 0.060, *_D65)
_SMPTE_C: Chromaticities = (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *_D65)
# ITU-T H.273 (07/2021), table 2
_PRIMARIES: dict[int, Chromaticities] = {
    1: _BT709,
    4: (0.67, 0.33, 0.21, 0.71, 0.14, 0.08, 0.310, 0.316),
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, *_D65),
    6: _SMPTE_C,
    7: _SMPTE_C,
    8: (0.681, 0.319, 0.243, 0.692, 0.145, 0.049, 0.310, 0.316),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *_D65),
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *_D65),
    22: (0.630, 0.340, 0.295, 0.605, 0.155, 0.077, *_D65),
}
_SRGB: Curve = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_CAMERA: Curve = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)  # of BT.709, BT.601 and BT.2020
# table 3: code -> light; (gamma,) or a curve with a straight foot
_TRANSFERS: dict[int, Curve] = {
    1: _CAMERA,
    4: (2.2,),
    5: (2.8,),
    6: _CAMERA,
    7: (1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4.0, 0.0912),
    8: (1.0,),
    11: _CAMERA,
    13: _SRGB,
    14: _CAMERA,
    15: _CAMERA,
    17: (2.6,),
}
_UNSAID = {0, 2}
_HDR: dict[int, Literal["pq", "hlg"]] = {16: "pq", 18: "hlg"}
_SRGB_GAMMA = 45455  # what gAMA says of sRGB
_NEAR = 0.002  # of chromaticities that are the same, written with fewer digits


@dataclass(frozen=True)
class ColorTag:
    """What a file's colours mean.

    profile: an ICC profile that says the same; None for plain sRGB, and for HDR.
    hdr: "pq" (SMPTE ST 2084) or "hlg" (BT.2100), with BT.2020's or other `primaries`.
    narrow: 16..235 stands for black..white.
    peak: the brightest of the picture in cd/m2 where the file says it.
    unknown: a sentence's end for what is not known, and is taken as sRGB.
    """

    profile: bytes | None = None
    hdr: Literal["pq", "hlg"] | None = None
    primaries: Chromaticities = _BT709
    narrow: bool = False
    peak: float | None = None
    unknown: str | None = None


_PLAIN = ColorTag()


def of_png(chunks: Mapping[bytes, bytes]) -> ColorTag | None:
    """By precedence (PNG, third edition, 4.3): cICP, iCCP, sRGB, then gAMA and cHRM; None where none of them is there.

    A PNG with a profile that counts gives None as well. gAMA 45455 is what writers of sRGB put down, and is taken as sRGB.
    """
    code = chunks.get(b"cICP", b"")
    if len(code) == 4 and (tag := _of_numbers(code[0], code[1], narrow=code[3] == 0)):
        light = chunks.get(b"cLLI", chunks.get(b"cLLi", b""))
        peak = int.from_bytes(light[:4], "big") / 10_000 if len(light) == 8 else None
        return ColorTag(**{**vars(tag), "peak": peak or None})
    if b"iCCP" in chunks:
        return None
    if b"sRGB" in chunks:
        return _PLAIN
    gamma = int.from_bytes(chunks.get(b"gAMA", b"")[:4], "big")
    places = chunks.get(b"cHRM", b"")
    primaries = None
    if len(places) == 32:
        white_x, white_y, *colors = (value / 100_000 for value in struct.unpack(">8I", places))
        primaries = (*colors, white_x, white_y)
    curve: Curve = _SRGB if not 1_000 <= gamma <= 1_000_000 else (100_000 / gamma,)
    if primaries is None or _alike(primaries, _BT709):
        if not gamma:
            return None if primaries is None else _PLAIN
        return _PLAIN if curve == _SRGB or abs(gamma - _SRGB_GAMMA) <= 50 else _tag(_BT709, curve)
    return _tag(primaries, curve)


def of_heif(data: bytes) -> ColorTag | None:
    """The nclx colours of an AVIF or HEIC file; None where it has none, or a profile, which counts more."""
    try:
        found = bmff.properties(data)
    except IndexError:  # a box ends too soon
        return None
    colors = [content for name, content in found if name == b"colr"]
    if any(content[:4] in (b"prof", b"rICC") for content in colors):
        return None
    code = next((content for content in colors if content[:4] == b"nclx" and len(content) >= 11), None)
    if code is None:
        return None
    primaries, transfer = struct.unpack_from(">2H", code, 4)
    tag = _of_numbers(primaries, transfer, narrow=False)  # the decoder has made full range of it
    light = next((content for name, content in found if name == b"clli" and len(content) >= 4), b"")
    return ColorTag(**{**vars(tag), "peak": float(int.from_bytes(light[:2], "big")) or None}) if tag else None


def of_exif(exif: Image.Exif) -> ColorTag | None:
    """Adobe RGB as cameras say it (DCF 2.0): interoperability index R03; or ColorSpace 2, which some write."""
    try:
        space = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.ColorSpace)
        index = exif.get_ifd(ExifTags.IFD.Interop).get(1)
    except Exception:  # damaged EXIF fails in many ways, and is no reason to refuse a photo
        return None
    text = index.decode("latin-1") if isinstance(index, bytes) else str(index)
    # R98 says sRGB; ColorSpace 1 beside R03 contradicts itself, and the colour space is what it is named after
    if space != 1 and (text.rstrip("\0 ") == "R03" or space == 2):
        return _tag(_ADOBE, (563 / 256,))
    return None


def _of_numbers(primaries: int, transfer: int, narrow: bool) -> ColorTag | None:
    """By the numbers of ITU-T H.273; None where they say nothing."""
    if primaries in _UNSAID and transfer in _UNSAID:
        return None
    where = _BT709 if primaries in _UNSAID else _PRIMARIES.get(primaries)
    if where is None:
        return ColorTag(narrow=narrow, unknown=f"colour primaries {primaries}")
    if transfer in _HDR:
        return ColorTag(hdr=_HDR[transfer], primaries=where, narrow=narrow)
    curve = _SRGB if transfer in _UNSAID else _TRANSFERS.get(transfer)
    if curve is None:
        return ColorTag(narrow=narrow, unknown=f"transfer characteristics {transfer}")
    # cameras' curve with sRGB's primaries is what many programs write for sRGB, and screens show it so
    if where == _BT709 and curve in (_SRGB, _CAMERA):
        return ColorTag(narrow=narrow)
    return ColorTag(_tag(where, curve).profile, narrow=narrow)


def _tag(primaries: Chromaticities, curve: Curve) -> ColorTag:
    try:
        return ColorTag(matrix_profile(primaries, curve), primaries=primaries)
    except ValueError:  # no colours are there
        return _PLAIN


def _alike(one: Chromaticities, other: Chromaticities) -> bool:
    return all(abs(a - b) <= _NEAR for a, b in zip(one, other, strict=True))
