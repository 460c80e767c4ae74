"""Colours that a file explains without an ICC profile. References are worked out here, in float64, from the standards."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from huafeng.hdr import light_to_pq, pq_to_light, tone_mapped
from huafeng.photo import Photo
from huafeng.training.pictures import read_upright

U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]
COLORS = np.array([[[201, 161, 71], [128, 128, 128], [60, 90, 140], [250, 245, 235], [20, 10, 30], [128, 110, 128]]], np.uint8)
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
ADOBE = ((0.640, 0.330), (0.210, 0.710), (0.150, 0.060))
BT2020 = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
BT709 = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
D65 = (0.3127, 0.3290)


def to_xyz(primaries: tuple[tuple[float, float], ...]) -> F64:
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in (*primaries, D65)]).T
    return np.asarray(columns[:, :3] * np.linalg.solve(columns[:, :3], columns[:, 3]))


def srgb_of(linear: F64, primaries: tuple[tuple[float, float], ...]) -> F64:
    out = np.clip(linear @ (np.linalg.inv(to_xyz(BT709)) @ to_xyz(primaries)).T, 0, 1)
    return np.asarray(255 * np.where(out <= 0.0031308, 12.92 * out, 1.055 * out ** (1 / 2.4) - 0.055))


def srgb_to_linear(code: F64) -> F64:
    return np.asarray(np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4))


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(pixels: U8, *chunks: tuple[bytes, bytes], **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", **options)
    data = out.getvalue()
    return data[:33] + b"".join(chunk(*one) for one in chunks) + data[33:]


def chrm(primaries: tuple[tuple[float, float], ...]) -> tuple[bytes, bytes]:
    return b"cHRM", struct.pack(">8I", *(round(v * 100_000) for place in (D65, *primaries) for v in place))


def gama(gamma: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(gamma * 100_000))


def cicp(primaries: int, transfer: int, full: int = 1) -> tuple[bytes, bytes]:
    return b"cICP", bytes([primaries, transfer, 0, full])


def near(data: bytes, expected: F64 | U8, levels: float = 1.6) -> None:
    pixels = Photo.from_bytes(data).pixels
    assert np.abs(pixels.astype(float) - expected).max() <= levels, (pixels.tolist(), expected.round(1).tolist())
    assert np.array_equal(read_upright(data, "a"), pixels)  # training sees what users see


SRGB = (b"sRGB", b"\0")
CODE = COLORS / 255


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([gama(1.0)], srgb_of(CODE, BT709)),
        ([gama(1 / 1.8)], srgb_of(CODE**1.8, BT709)),
        ([gama(1 / 2.2), chrm(ADOBE)], srgb_of(CODE**2.2, ADOBE)),
        ([chrm(P3)], srgb_of(srgb_to_linear(CODE), P3)),
        ([SRGB, gama(1.0), chrm(P3)], COLORS),
        ([gama(0.45455)], COLORS),
        ([gama(0.45455), chrm(BT709)], COLORS),
        ([gama(0.0)], COLORS),
        ([cicp(12, 13)], srgb_of(srgb_to_linear(CODE), P3)),
        ([cicp(9, 8), SRGB], srgb_of(CODE, BT2020)),
        ([cicp(1, 13), gama(1.0)], COLORS),
        ([cicp(2, 2), gama(1.0)], srgb_of(CODE, BT709)),
        ([cicp(1, 13, full=0)], np.clip((COLORS - 16.0) * 255 / 219, 0, 255)),
    ],
    ids=["linear", "1.8", "adobe", "p3", "sRGB first", "2.2", "2.2 and 709", "nonsense", "cicp p3", "cicp first",
         "cicp is sRGB", "cicp unsaid", "narrow"],
)  # fmt: skip
def test_png(chunks: list[tuple[bytes, bytes]], expected: F64) -> None:
    near(png(COLORS, *chunks), expected)


def test_a_pngs_profile_counts_more_than_gamma_and_less_than_cicp() -> None:
    profile = Photo.from_bytes(png(COLORS, chrm(ADOBE), gama(1 / 2.2))).source.icc
    adobe = srgb_of(CODE**2.2, ADOBE)
    near(png(COLORS, gama(1.0), icc_profile=profile), adobe)
    near(png(COLORS, SRGB, icc_profile=profile), adobe)
    near(png(COLORS, cicp(1, 13), icc_profile=profile), COLORS)


def test_grey_png_with_gamma() -> None:
    grey = np.array([[0, 10, 128, 255]], np.uint8)
    near(png(grey, gama(1.0)), srgb_of(np.repeat(grey[..., None] / 255, 3, -1), BT709))


def interop(index: bytes, space: int) -> bytes:
    exif = Image.Exif()
    exif[0x8769] = {0xA001: space, 0xA005: {1: index}}
    return exif.tobytes()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("index", "space", "is_adobe"),
    [("R03", 65535, True), ("R98", 1, False), ("R98", 65535, False), ("R98", 2, True), ("R03", 1, False)],
)
def test_adobe_rgb_by_exif(format: str, index: str, space: int, is_adobe: bool) -> None:
    flat = np.repeat(np.repeat(COLORS[:, :1], 16, 0), 16, 1)
    out = io.BytesIO()
    options = {"quality": 100} if format == "JPEG" else {"lossless": True} if format == "WEBP" else {}
    Image.fromarray(flat).save(out, format, exif=interop(index.encode(), space), **options)
    expected = srgb_of((flat / 255) ** 2.2, ADOBE) if is_adobe else flat
    near(out.getvalue(), expected, 3)
    result = Photo.from_bytes(Photo.from_bytes(out.getvalue()).to_bytes("PNG", profile="source"))
    assert np.abs(result.pixels - expected).max() <= 3  # the profile that says so is written


def avif(pixels: U8, primaries: int, transfer: int) -> bytes:
    """An AVIF with these nclx numbers (its own matrix stays)."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "AVIF", quality=100, subsampling="4:4:4")
    data = bytearray(out.getvalue())
    at = data.index(b"colrnclx") + 8
    data[at : at + 4] = struct.pack(">2H", primaries, transfer)
    return bytes(data)


@pytest.mark.parametrize(
    ("primaries", "transfer", "expected"),
    [
        (12, 13, srgb_of(srgb_to_linear(CODE), P3)),
        (9, 13, srgb_of(srgb_to_linear(CODE), BT2020)),
        (1, 13, COLORS),
        (1, 1, COLORS),
        (2, 2, COLORS),
        (1, 8, srgb_of(CODE, BT709)),
    ],
)
def test_avif(primaries: int, transfer: int, expected: F64) -> None:
    flat = np.repeat(np.repeat(COLORS, 16, 0), 16, 1)
    data = avif(flat, primaries, transfer)
    near(data, np.repeat(np.repeat(expected, 16, 0), 16, 1), 5 if transfer == 8 else 3)  # linear light magnifies the coding


def test_camera_curve_of_bt2020() -> None:
    linear = np.where(CODE < 0.081, CODE / 4.5, ((CODE + 0.099) / 1.099) ** (1 / 0.45))
    near(png(COLORS, cicp(9, 14)), srgb_of(linear, BT2020))


def test_pq_by_hand() -> None:
    """SMPTE ST 2084: 100 cd/m2 has the code 0.5081, 10,000 has 1; and back."""
    assert light_to_pq(np.array([0, 100, 10_000], np.float32)).round(4).tolist() == pytest.approx([0, 0.5081, 1], abs=1e-4)
    light = np.array([0.1, 1, 203, 5000], np.float32)
    assert pq_to_light(light_to_pq(light)) == pytest.approx(light, rel=1e-3)


def test_the_knee_of_bt_2390() -> None:
    """Below the knee nothing changes, the peak becomes paper white, and it never falls. At the knee: 1.5 x 0.7728 - 0.5."""
    light = np.linspace(0, 1000, 2001, dtype=np.float32)
    mapped = tone_mapped(light, 1000.0)
    assert mapped[light < 90] == pytest.approx(light[light < 90], rel=1e-3)
    assert mapped[-1] == pytest.approx(203, rel=1e-3)
    assert (np.diff(mapped) > -1e-3).all()
    assert np.array_equal(tone_mapped(light, 203.0), light)


@pytest.mark.parametrize("transfer", [16, 18])
@pytest.mark.parametrize("container", ["png", "avif"])
def test_hdr_is_tone_mapped_and_told(container: str, transfer: int) -> None:
    """Grey of 10 cd/m2 is sRGB 63 as it would be on a screen whose white has 203; 1000 is white."""
    if transfer == 16:
        codes = [round(255 * float(light_to_pq(np.asarray(light)))) for light in (10, 1000)]
    else:  # HLG: 10 cd/m2 = 1000 E^1.2, so E = 0.0215 and the code is sqrt(3 E) = 0.254
        codes = [65, 255]
    pixels = np.repeat(np.repeat(np.array([[[c] * 3 for c in codes]], np.uint8), 16, 0), 16, 1)
    data = png(pixels, cicp(9, transfer)) if container == "png" else avif(pixels, 9, transfer)
    photo = Photo.from_bytes(data)
    assert photo.pixels[8, 8].tolist() == pytest.approx([63] * 3, abs=2)
    assert photo.pixels[8, 24].min() >= 253
    assert "HDR" in photo.source.notes[0]


def test_unknown_numbers_are_told() -> None:
    photo = Photo.from_bytes(png(COLORS, cicp(1, 200)))
    assert np.array_equal(photo.pixels, COLORS)
    assert "transfer characteristics 200" in photo.source.notes[0]


def test_untouched_pixels_come_back_in_the_photos_own_profile() -> None:
    """Colours beyond sRGB survive where nothing was styled."""
    wide = np.array([[[255, 0, 0], [0, 255, 0], [10, 200, 30], [128, 128, 128]]], np.uint8)
    profile = Photo.from_bytes(png(wide, cicp(12, 13))).source.icc
    photo = Photo.from_bytes(png(wide, icc_profile=profile))
    back = np.asarray(Image.open(io.BytesIO(photo.to_bytes(profile="source"))))
    assert np.array_equal(back, wide)
    changed = photo.pixels.copy()
    changed[0, 3] = 0
    back = np.asarray(Image.open(io.BytesIO(photo.with_pixels(changed).to_bytes(profile="source"))))
    assert np.array_equal(back[0, :3], wide[0, :3])
    assert back[0, 3].max() <= 1


def test_a_gain_map_is_told() -> None:
    out = io.BytesIO()
    Image.fromarray(COLORS).save(out, "JPEG")
    jpeg = out.getvalue()
    xmp = b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"/>'
    photo = Photo.from_bytes(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(xmp) + 2) + xmp + jpeg[2:])
    assert "gain map" in photo.source.notes[0]
    assert Photo.from_bytes(jpeg).source.notes == ()
