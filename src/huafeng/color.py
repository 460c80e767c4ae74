"""Colours as people see them: CIELAB, and how different two colours look."""

from __future__ import annotations

from functools import cache

import numpy as np

from huafeng.pixels import F32, Array

# Linear sRGB -> XYZ (IEC 61966-2-1). The white point D65 is this matrix's own, so that grey has no colour at all.
_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_TO_CONE = _TO_XYZ / _TO_XYZ.sum(1, keepdims=True)  # linear sRGB -> XYZ relative to white
_FROM_CONE = np.linalg.inv(_TO_CONE)
_DARK = 6 / 29  # below its cube CIELAB is a straight line
_SLOPE = 3 * _DARK**2


def srgb_to_lab(colors: Array) -> Array:
    """sRGB [..., 3], uint8 or floats 0..1 -> CIELAB, white point D65: lightness 0..100, a, b.

    float32, or float64 where float64 is given. (CIE 15:2004; IEC 61966-2-1.)
    """
    if colors.dtype == np.uint8:
        linear = _levels().take(colors)
    else:
        linear = _linear(colors.astype(np.float32) if colors.dtype != np.float64 else colors)
    cone = linear @ _TO_CONE.T.astype(linear.dtype)
    root = np.where(cone > _DARK**3, np.cbrt(cone), cone / _SLOPE + 4 / 29)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def lab_to_srgb(lab: Array) -> Array:
    """CIELAB floats [..., 3], white point D65 -> sRGB floats; those outside 0..1 are colours that sRGB does not have."""
    y = (lab[..., 0] + 16) / 116
    root = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], -1)
    cone = np.where(root > _DARK, root**3, _SLOPE * (root - 4 / 29))
    linear = cone @ _FROM_CONE.T.astype(cone.dtype)
    powered = 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(linear > 0.0031308, powered, 12.92 * linear).astype(lab.dtype, copy=False)


def ciede2000(one: Array, other: Array) -> Array:
    """Colour difference of CIELAB floats [..., 3] -> [...]; about 1 is just seen. All weights 1.

    (CIE 142-2001; the steps as in Sharma, Wu & Dalal, Color Research & Application 30, 2005.)
    """
    (light1, a1, b1), (light2, a2, b2) = np.moveaxis(one, -1, 0), np.moveaxis(other, -1, 0)
    mean_ab = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * np.sqrt(_saturation(mean_ab))
    a1, a2 = stretch * a1, stretch * a2
    chroma1, chroma2 = np.hypot(a1, b1), np.hypot(a2, b2)
    hue1, hue2 = np.arctan2(b1, a1) % (2 * np.pi), np.arctan2(b2, a2) % (2 * np.pi)

    coloured = chroma1 * chroma2 > 0
    turn = np.where(coloured, (hue2 - hue1 + np.pi) % (2 * np.pi) - np.pi, 0)
    hue_shift = 2 * np.sqrt(chroma1 * chroma2) * np.sin(turn / 2)
    hue = np.where(coloured, hue1 + turn / 2, hue1 + hue2)
    light, chroma = (light1 + light2) / 2, (chroma1 + chroma2) / 2
    tint = (
        1 - 0.17 * np.cos(hue - np.pi / 6) + 0.24 * np.cos(2 * hue)
        + 0.32 * np.cos(3 * hue + np.pi / 30) - 0.20 * np.cos(4 * hue - 63 * np.pi / 180)
    )  # fmt: skip
    around = (np.rad2deg(hue) - 275 + 180) % 360 - 180  # degrees from blue, where hue and chroma pull on each other
    twist = -2 * np.sqrt(_saturation(chroma)) * np.sin(np.pi / 3 * np.exp(-((around / 25) ** 2)))

    light_part = (light2 - light1) / (1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2))
    chroma_part = (chroma2 - chroma1) / (1 + 0.045 * chroma)
    hue_part = hue_shift / (1 + 0.015 * chroma * tint)
    total = light_part**2 + chroma_part**2 + hue_part**2 + twist * chroma_part * hue_part
    return np.asarray(np.sqrt(np.maximum(total, 0)))


def _saturation(chroma: Array) -> Array:
    """C^7 / (C^7 + 25^7), without powers that float32 cannot hold."""
    ratio = (chroma / 25) ** 7
    return np.asarray(ratio / (ratio + 1))


def _linear(colors: Array) -> Array:
    return np.asarray(np.where(colors > 0.04045, ((np.maximum(colors, 0) + 0.055) / 1.055) ** 2.4, colors / 12.92))


@cache
def _levels() -> F32:
    """The light of each of the 256 levels."""
    return _linear(np.arange(256) / 255).astype(np.float32)
