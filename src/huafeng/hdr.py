"""HDR pictures as sRGB: what is brighter than paper white is pressed together, all else stays (ITU-R BT.2390, 5.4)."""

from __future__ import annotations

from typing import Literal

import numpy as np

from huafeng.icc import rgb_to_xyz
from huafeng.pixels import U8, Array

WHITE = 203.0  # cd/m2, what a white sheet has in HDR (ITU-R BT.2408), and becomes 255 where nothing is brighter
PEAK = 1000.0  # cd/m2, where the file does not say how bright its brightest point is
_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128  # SMPTE ST 2084
_HLG_GAMMA = 1.2  # of BT.2100's OOTF on a screen of 1000 cd/m2
_HLG_A, _HLG_B, _HLG_C = 0.17883277, 0.28466892, 0.55991073


def pq_to_light(code: Array) -> Array:
    """SMPTE ST 2084: code 0..1 -> cd/m2."""
    power = np.maximum(code, 0) ** (1 / _M2)
    return np.asarray(10_000 * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1))


def light_to_pq(light: Array) -> Array:
    """cd/m2 -> code 0..1."""
    power = (np.maximum(light, 0) / 10_000) ** _M1
    return np.asarray(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2)


def hlg_to_light(code: Array, luminance: Array) -> Array:
    """BT.2100 HLG: code [..., 3] -> cd/m2 on a screen of 1000; `luminance` [3]: what red, green and blue add to it."""
    scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - _HLG_C) / _HLG_A) + _HLG_B) / 12)
    bright = np.maximum(scene @ luminance, 1e-9)[..., None]
    return np.asarray(1000 * scene * bright ** (_HLG_GAMMA - 1))


def tone_mapped(light: Array, peak: float) -> Array:
    """cd/m2 up to `peak` -> up to WHITE: the knee of BT.2390 in the PQ scale; below it nothing changes."""
    if peak <= WHITE:
        return light
    top, most = float(light_to_pq(np.asarray(peak))), float(light_to_pq(np.asarray(WHITE)))
    source, limit = np.clip(light_to_pq(light) / top, 0, 1), most / top
    knee = 1.5 * limit - 0.5
    t = np.clip((source - knee) / (1 - knee), 0, 1)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * limit
    return np.where(source < knee, light, pq_to_light(spline * top))


def to_srgb(pixels: U8, kind: Literal["pq", "hlg"], primaries: tuple[float, ...], peak: float | None) -> U8:
    """Codes uint8 [H, W, 3] -> sRGB uint8 [H, W, 3]. The brightest of a pixel's three lights is mapped, hues stay."""
    to_xyz = rgb_to_xyz(primaries)
    codes = np.arange(256, dtype=np.float32) / 255
    if kind == "pq":
        light = pq_to_light(codes)[pixels]
    else:
        light, peak = hlg_to_light(codes[pixels], to_xyz[1].astype(np.float32)), 1000.0
    brightest = light.max(-1, keepdims=True)
    scale = tone_mapped(brightest, peak or PEAK) / np.maximum(brightest, 1e-6)
    srgb = np.linalg.inv(rgb_to_xyz((0.640, 0.330, 0.300, 0.600, 0.150, 0.060, 0.3127, 0.3290)))
    linear = np.clip((light * (scale / WHITE)) @ (srgb @ to_xyz).T.astype(np.float32), 0, 1)
    shown = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(shown * 255 + 0.5).astype(np.uint8)
