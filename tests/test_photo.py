"""Photos in and out, through Photo: every number here is worked out from the formats' specifications."""

from __future__ import annotations

import functools
import io
import os
import struct
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, PngImagePlugin, TiffImagePlugin
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

from huafeng.errors import OutputError, PhotoError
from huafeng.photo import Limits, Photo

U8 = NDArray[np.uint8]
RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)
EXIF, GPS, IFD1 = ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo, ExifTags.IFD.IFD1
FORMATS = ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"]


def encoded(image: Image.Image | U8, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(out, format, **options)
    return out.getvalue()


def lossless(format: str) -> dict[str, Any]:
    options: dict[str, dict[str, Any]] = {"WEBP": {"lossless": True}, "TIFF": {"compression": "tiff_adobe_deflate"}}
    return options.get(format, {})


def reopened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def shown(data: bytes) -> U8:
    return np.asarray(reopened(data).convert("RGB"))


def difference(one: U8, other: U8) -> float:
    assert one.shape == other.shape
    return float(np.abs(one.astype(int) - other).mean())


def plain(color: tuple[int, ...], width: int = 4, height: int = 3) -> U8:
    return np.full((height, width, len(color)), color, np.uint8)


def png(width: int, height: int, depth: int, kind: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG by hand, for what Pillow does not write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    between = b"".join(chunk(*c) for c in chunks)
    return b"\x89PNG\r\n\x1a\n" + header + between + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


# -------------------- the way in and out


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_lossless_formats_keep_every_pixel(astronaut: U8, format: str) -> None:
    photo = Photo.from_bytes(encoded(astronaut, format, **lossless(format)))
    assert photo.source.format == format
    assert np.array_equal(photo.pixels, astronaut)
    again = Photo.from_bytes(photo.to_bytes(lossless=True))
    assert again.source.format == format
    assert np.array_equal(again.pixels, astronaut)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_shows_the_photo(rocket: U8, format: str) -> None:
    data = Photo.from_array(rocket).to_bytes(format)
    assert reopened(data).format == format
    assert difference(Photo.from_bytes(data).pixels, rocket) < 3


def test_a_photo_of_many_strips(astronaut: U8) -> None:
    """Decoding goes strip by strip; here are several, the last one not full."""
    wide = np.tile(astronaut, (3, 4, 1))[:1501]  # 2048 x 1501
    alpha = np.ascontiguousarray(wide[..., 1])
    data = encoded(np.dstack([wide, alpha]), "PNG", exif=exif_bytes({274: 6}), compress_level=1)
    photo = Photo.from_bytes(data)
    assert np.array_equal(photo.pixels, np.rot90(wide, -1))
    assert photo.alpha is not None
    assert np.array_equal(photo.alpha, np.rot90(alpha, -1))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (3, 1000), (1000, 3)])
def test_odd_sizes(format: str, size: tuple[int, int]) -> None:
    data = Photo.from_array(plain((90, 120, 150), *size)).to_bytes(format)
    pixels = Photo.from_bytes(data).pixels
    assert pixels.shape == (size[1], size[0], 3)
    assert np.abs(pixels.astype(int) - (90, 120, 150)).max() <= 4


@pytest.mark.parametrize("name", ["照片 一.jpg", "two words.JPEG", "-rf.png", "a.b.webp", "x.tif", "y.TIFF", "z.avif"])
def test_saves_by_suffix_and_opens_by_content(tmp_path: Path, chelsea: U8, name: str) -> None:
    path = tmp_path / "new folder" / name
    Photo.from_array(chelsea).save(path)
    photo = Photo.open(path)
    assert f".{photo.source.format}".lower().replace("jpeg", "jpg")[:4] in name.lower().replace("jpeg", "jpg")
    assert difference(photo.pixels, chelsea) < 5
    misnamed = path.rename(path.with_suffix(".txt"))
    assert np.array_equal(Photo.open(str(misnamed)).pixels, photo.pixels)


def test_save_does_not_replace_without_force(tmp_path: Path, chelsea: U8) -> None:
    photo = Photo.from_array(chelsea)
    photo.save(tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        photo.with_pixels(255 - chelsea).save(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == before
    photo.with_pixels(255 - chelsea).save(tmp_path / "a.png", force=True)
    assert np.array_equal(Photo.open(tmp_path / "a.png").pixels, 255 - chelsea)


def test_save_passes_its_options_on(tmp_path: Path, chelsea: U8) -> None:
    photo = Photo.from_array(chelsea)
    photo.save(tmp_path / "a.jpg", quality=30, subsampling="4:4:4")
    assert (tmp_path / "a.jpg").read_bytes() == photo.to_bytes("JPEG", quality=30, subsampling="4:4:4")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("a", "let its name end in one of .jpg, .jpeg, .png, .webp, .avif, .tif, .tiff"),
        ("a.gif", "let its name end in one of"),
        ("a.heic", "only reads HEIC: write .jpg, .png or .avif"),
        ("A.HEIF", "only reads HEIC"),
    ],
)
def test_unknown_suffixes(tmp_path: Path, chelsea: U8, name: str, sentence: str) -> None:
    with pytest.raises(PhotoError, match=sentence):
        Photo.from_array(chelsea).save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_default_formats(heic_bytes: bytes) -> None:
    assert reopened(Photo.from_array(plain(RED)).to_bytes()).format == "PNG"
    assert reopened(Photo.from_bytes(heic_bytes).to_bytes()).format == "JPEG"
    assert reopened(Photo.from_bytes(encoded(plain(RED), "WEBP")).to_bytes()).format == "WEBP"
    assert reopened(Photo.from_array(plain(RED)).to_bytes("jpg")).format == "JPEG"


# -------------------- arrays


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 3), np.uint16),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 0, 3), np.uint8),
        [[[0, 0, 0]]],
        None,
    ],
)
def test_from_array_refuses_other_arrays(pixels: Any) -> None:
    with pytest.raises(PhotoError, match="pixels must be a uint8 array"):
        Photo.from_array(pixels)
    with pytest.raises(PhotoError, match="pixels must be a uint8 array"):
        Photo.from_array(plain(RED)).with_pixels(pixels)


@pytest.mark.parametrize("shape", [(4, 3), (3, 4, 1), (3,)])
def test_alpha_must_fit(shape: tuple[int, ...]) -> None:
    with pytest.raises(PhotoError, match="alpha"):
        Photo.from_array(plain(RED, 4, 3), np.zeros(shape, np.uint8))


def test_with_pixels_keeps_the_rest(chelsea: U8) -> None:
    alpha = np.ascontiguousarray(chelsea[..., 0])
    photo = Photo.from_bytes(encoded(np.dstack([chelsea, alpha]), "PNG", exif=exif_bytes({271: "Huafeng"})))
    changed = photo.with_pixels(255 - chelsea)
    assert changed.source is photo.source
    assert changed.alpha is not None
    assert np.array_equal(changed.alpha, alpha)
    assert np.array_equal(changed.pixels, 255 - chelsea)
    with pytest.raises(PhotoError, match="must have the photo's size"):
        photo.with_pixels(np.zeros((5, 5, 3), np.uint8))


def test_pixels_are_contiguous_and_read_only(chelsea: U8) -> None:
    mine = chelsea.copy()
    for photo in (Photo.from_array(mine[:, ::-1]), Photo.from_bytes(encoded(chelsea, "PNG")), Photo.from_array(mine)):
        assert photo.pixels.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            photo.pixels[0, 0] = 0
    mine[0, 0] = 0  # the caller's own array stays theirs


# -------------------- orientation and EXIF

# EXIF 2.32, tag 274: on which side of the upright photo the stored first row and first column lie.
UPRIGHT: dict[int, Callable[[U8], U8]] = {
    1: lambda stored: stored,  # top, left
    2: lambda stored: stored[:, ::-1],  # top, right
    3: lambda stored: stored[::-1, ::-1],  # bottom, right
    4: lambda stored: stored[::-1],  # bottom, left
    5: lambda stored: stored.swapaxes(0, 1),  # left, top
    6: lambda stored: stored[::-1].swapaxes(0, 1),  # right, top
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),  # right, bottom
    8: lambda stored: stored[:, ::-1].swapaxes(0, 1),  # left, bottom
}


def exif_bytes(tags: dict[int, Any]) -> bytes:
    exif = Image.Exif()
    exif.update(tags)
    return exif.tobytes()


def exif_of(data: bytes) -> Image.Exif:
    return reopened(data).getexif()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "TIFF raw", "WEBP", "AVIF"])
def test_is_turned_upright_once(chelsea: U8, format: str, orientation: int) -> None:
    stored = chelsea[:96, :64]
    format, _, raw = format.partition(" ")
    options = {} if raw else lossless(format)
    if format == "TIFF":
        data = encoded(stored, format, tiffinfo={274: orientation}, **options)
    else:
        data = encoded(stored, format, exif=exif_bytes({274: orientation}), **options)
    as_stored = shown(encoded(stored, format, **options))
    photo = Photo.from_bytes(data)
    assert np.array_equal(photo.pixels, UPRIGHT[orientation](as_stored))
    result = photo.to_bytes(lossless=True)
    assert exif_of(result).get(274, 1) == 1
    assert difference(Photo.from_bytes(result).pixels, photo.pixels) < 3


@pytest.mark.parametrize(
    ("orientation", "red", "blue", "size"),
    [  # where the first stored pixel (red) and the one right of it (blue) come to lie, (y, x) of a stored 4 x 2
        (1, (0, 0), (0, 1), (4, 2)),
        (2, (0, 3), (0, 2), (4, 2)),
        (3, (1, 3), (1, 2), (4, 2)),
        (4, (1, 0), (1, 1), (4, 2)),
        (5, (0, 0), (1, 0), (2, 4)),
        (6, (0, 1), (1, 1), (2, 4)),
        (7, (3, 1), (2, 1), (2, 4)),
        (8, (3, 0), (2, 0), (2, 4)),
    ],
)
def test_orientation_by_hand(orientation: int, red: Any, blue: Any, size: tuple[int, int]) -> None:
    stored = np.zeros((2, 4, 3), np.uint8)
    stored[0, 0], stored[0, 1] = RED, BLUE
    pixels = Photo.from_bytes(encoded(stored, "PNG", exif=exif_bytes({274: orientation}))).pixels
    assert pixels.shape == (size[1], size[0], 3)
    assert tuple(pixels[red]) == RED
    assert tuple(pixels[blue]) == BLUE


@pytest.mark.parametrize("orientation", [0, 9, 60000])
def test_senseless_orientation_is_ignored(chelsea: U8, orientation: int) -> None:
    photo = Photo.from_bytes(encoded(chelsea, "PNG", exif=exif_bytes({274: orientation})))
    assert np.array_equal(photo.pixels, chelsea)


FULL_EXIF: dict[int, Any] = {
    271: "Maker",
    272: "Model 5",
    274: 6,
    306: "2024:05:06 07:08:09",
    33432: "© me",
    700: b"<x:xmpmeta>48.8566</x:xmpmeta>",
    EXIF: {
        33434: TiffImagePlugin.IFDRational(1, 250),
        34855: 400,
        36867: "2024:05:06 07:08:09",
        42036: "50 mm",
        37500: b"preview-in-a-maker-note",
        40961: 65535,
        40962: 4000,
        40963: 3000,
    },
    GPS: {1: "N", 2: (48.0, 51.0, 24.0), 3: "E", 4: (2.0, 21.0, 3.0)},
}


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_exif_comes_along_without_the_place(chelsea: U8, source: str, target: str) -> None:
    data = encoded(chelsea[:40, :60], source, exif=exif_bytes(FULL_EXIF))
    exif = exif_of(Photo.from_bytes(data).to_bytes(target))
    assert (exif[271], exif[272], exif[306]) == ("Maker", "Model 5", "2024:05:06 07:08:09")
    assert exif.get(274, 1) == 1
    assert GPS not in exif
    assert 700 not in exif
    details = exif.get_ifd(EXIF)
    assert details[33434] == 1 / 250
    assert details[34855] == 400
    assert details[42036] == "50 mm"
    assert not {37500, 40961, 40962, 40963} & set(details)


@pytest.mark.parametrize("target", FORMATS)
def test_the_place_is_kept_on_request(chelsea: U8, target: str) -> None:
    photo = Photo.from_bytes(encoded(chelsea[:40, :60], "JPEG", exif=exif_bytes(FULL_EXIF)))
    place = exif_of(photo.to_bytes(target, keep_gps=True)).get_ifd(GPS)
    assert (place[1], place[2], place[4]) == ("N", (48.0, 51.0, 24.0), (2.0, 21.0, 3.0))


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("keep_gps", [False, True])
def test_texts_in_any_script_come_along_byte_for_byte(chelsea: U8, target: str, keep_gps: bool) -> None:
    texts = {315: "张伟".encode(), 33432: "© 2024 Zoë".encode("latin-1")}  # cameras write UTF-8 or Latin-1
    exif = encoded(chelsea, "JPEG", exif=exif_bytes({**texts, EXIF: {42036: "M"}, GPS: {1: "N"}}))
    result = exif_of(Photo.from_bytes(exif).to_bytes(target, keep_gps=keep_gps))
    assert {tag: result[tag].encode("latin-1") for tag in texts} == texts  # Pillow reads bytes as Latin-1
    assert result.get_ifd(EXIF)[42036] == "M"


@pytest.mark.parametrize("source", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("target", ["JPEG", "PNG", "TIFF"])
def test_the_size_in_print_is_kept(chelsea: U8, source: str, target: str) -> None:
    result = reopened(Photo.from_bytes(encoded(chelsea, source, dpi=(300, 300))).to_bytes(target))
    assert result.info["dpi"] == pytest.approx((300, 300), abs=0.01)


def test_the_size_in_print_turns_with_the_photo(chelsea: U8) -> None:
    data = encoded(chelsea, "JPEG", dpi=(300, 150), exif=exif_bytes({ExifTags.Base.Orientation: 6}))
    assert reopened(Photo.from_bytes(data).to_bytes()).info["dpi"] == (150, 300)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
def test_no_size_in_print_is_made_up(chelsea: U8, format: str) -> None:
    assert Photo.from_bytes(encoded(chelsea, format)).source.dpi is None


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_of_the_place_is_in_the_bytes(chelsea: U8, format: str) -> None:
    """The place in EXIF as ASCII, and XMP, in which it may be said again."""
    exif = exif_bytes({271: "Maker", GPS: {18: "FIND-ME", 29: "2024:05:06"}})
    xmp = b"<x:xmpmeta>FIND-ME</x:xmpmeta>"
    with_xmp: dict[str, dict[str, Any]] = {
        "PNG": {"pnginfo": png_text("XML:com.adobe.xmp", xmp.decode())},
        "TIFF": {"tiffinfo": {700: xmp}},
    }
    options = with_xmp.get(format, {"xmp": xmp})
    data = encoded(chelsea[:40, :60], format, **({} if format == "TIFF" else {"exif": exif}), **options)
    assert b"FIND-ME" in data
    photo = Photo.from_bytes(data)
    assert b"FIND-ME" not in photo.to_bytes()
    assert format == "TIFF" or b"FIND-ME" in photo.to_bytes(keep_gps=True)


def png_text(key: str, text: str) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_itxt(key, text)
    return info


def test_the_thumbnail_is_dropped(chelsea: U8) -> None:
    """It would show the photo as it was. EXIF by hand: IFD0 with Make, then IFD1 with a JPEG thumbnail."""
    thumbnail = encoded(chelsea[:30, :40], "JPEG")
    ifd0 = struct.pack("<HHHI4sI", 1, 271, 2, 4, b"abc\0", 26)
    ifd1 = struct.pack("<HHHIIHHIII", 2, 513, 4, 1, 56, 514, 4, 1, len(thumbnail), 0)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + ifd0 + ifd1 + thumbnail
    data = encoded(chelsea, "JPEG", exif=exif)
    assert exif_of(data).get_ifd(IFD1)[514] == len(thumbnail)
    result = Photo.from_bytes(data).to_bytes()
    assert exif_of(result)[271] == "abc"
    assert exif_of(result).get_ifd(IFD1) == {}
    assert thumbnail[-200:] not in result


def test_no_exif_in_no_exif_out(chelsea: U8) -> None:
    assert "exif" not in reopened(Photo.from_bytes(encoded(chelsea, "JPEG")).to_bytes()).info


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0garbage garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01"])
def test_damaged_exif_is_dropped(chelsea: U8, exif: bytes) -> None:
    photo = Photo.from_bytes(encoded(chelsea, "JPEG", exif=exif))
    assert photo.source.exif is None
    assert difference(photo.pixels, chelsea) < 5


def test_exif_too_long_for_a_jpeg_is_left_out(chelsea: U8) -> None:
    photo = Photo.from_bytes(encoded(chelsea, "PNG", exif=exif_bytes({271: "Maker", 270: "x" * 70_000})))
    assert exif_of(photo.to_bytes())[271] == "Maker"
    assert not exif_of(photo.to_bytes("JPEG"))


# -------------------- colour profiles


@functools.cache  # LittleCMS writes the time into it
def lcms_srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_profile() -> bytes:
    """sRGB with the red and green colorants swapped: what such a file calls red is shown green."""
    profile = bytearray(lcms_srgb())
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)


def icc_profile(space: bytes, connection: bytes, kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A version 2 profile by hand (ICC.1:2001-04, section 6.1)."""
    table, body, start = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data
    header = struct.pack(">I4sI4s4s4s12x4s24x", start + len(body), b"lcms", 0x02100000, kind, space, connection, b"acsp")
    white = struct.pack(">III", 0xF6D6, 0x10000, 0xD32D)  # D50
    return (header + struct.pack(">I", 1) + white).ljust(128, b"\0")[:128] + table + body


def linear_grey_profile() -> bytes:
    """Grey whose values are light itself (gamma 1)."""
    white = b"XYZ \0\0\0\0" + struct.pack(">III", 0xF6D6, 0x10000, 0xD32D)
    return icc_profile(b"GRAY", b"XYZ ", b"mntr", {b"wtpt": white, b"kTRC": b"curv\0\0\0\0" + struct.pack(">I", 0)})


def cmyk_profile() -> bytes:
    """A press of our own: no ink is white (L* 100), full black is black (L* 0), any other corner is L* 50, grey."""
    ramp = bytes(range(256))
    corners = bytearray()
    for corner in range(16):  # C changes slowest, K fastest
        lightness = 255 if corner == 0 else 0 if corner & 1 else 128
        corners += bytes([lightness, 128, 128])
    identity = struct.pack(">9I", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + ramp * 4 + bytes(corners) + ramp * 3
    return icc_profile(b"CMYK", b"Lab ", b"prtr", {b"A2B0": table})


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("filed", "seen"), [(RED, GREEN), (GREEN, RED), (BLUE, BLUE), ((200, 100, 50), (100, 200, 50))])
def test_a_profile_is_honoured(format: str, filed: tuple[int, ...], seen: tuple[int, ...]) -> None:
    best: dict[str, dict[str, Any]] = {
        "AVIF": {"quality": 100, "subsampling": "4:4:4"},
        "JPEG": {"quality": 100, "subsampling": 0},
    }
    data = encoded(plain(filed, 16, 16), format, icc_profile=swapped_profile(), **best.get(format, lossless(format)))
    photo = Photo.from_bytes(data)
    assert np.abs(photo.pixels.astype(int) - seen).max() <= 3

    in_srgb = photo.to_bytes(quality=100, lossless=True)
    assert len(reopened(in_srgb).info["icc_profile"]) < 1000
    assert difference(shown(in_srgb), photo.pixels) < 3
    assert difference(Photo.from_bytes(in_srgb).pixels, photo.pixels) < 3

    in_source = photo.to_bytes(quality=100, lossless=True, profile="source")
    assert reopened(in_source).info["icc_profile"] == swapped_profile()
    assert np.abs(shown(in_source).astype(int) - filed).max() <= 5


def test_source_profile_round_trip_is_close(coffee: U8) -> None:
    photo = Photo.from_bytes(encoded(coffee, "PNG", icc_profile=swapped_profile()))
    assert difference(shown(photo.to_bytes(profile="source")), coffee) < 0.1
    assert difference(photo.pixels, coffee[..., [1, 0, 2]]) < 0.1


def test_an_srgb_profile_changes_no_pixel_and_results_repeat(coffee: U8) -> None:
    photo = Photo.from_bytes(encoded(coffee, "PNG", icc_profile=lcms_srgb()))
    assert np.array_equal(photo.pixels, coffee)
    first = photo.to_bytes()
    embedded = reopened(first).info["icc_profile"]
    assert embedded[24:36] == bytes([7, 208, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0])  # the date in it is fixed: 2000-01-01
    assert np.array_equal(shown(first), coffee)


def test_no_profile_in_no_profile_out(coffee: U8) -> None:
    photo = Photo.from_bytes(encoded(coffee, "PNG"))
    assert photo.source.icc is None
    assert "icc_profile" not in reopened(photo.to_bytes(profile="source")).info


@pytest.mark.parametrize("damage", [b"not a profile", lcms_srgb()[:200], cmyk_profile(), linear_grey_profile()])
def test_a_broken_or_foreign_profile_counts_as_none(coffee: U8, damage: bytes) -> None:
    photo = Photo.from_bytes(encoded(coffee, "PNG", icc_profile=damage))
    assert np.array_equal(photo.pixels, coffee)
    assert photo.source.icc is None


def test_alpha_passes_a_profile_untouched(coffee: U8) -> None:
    alpha = np.ascontiguousarray(coffee[..., 2])
    photo = Photo.from_bytes(encoded(np.dstack([coffee, alpha]), "PNG", icc_profile=swapped_profile()))
    assert photo.alpha is not None
    assert np.array_equal(photo.alpha, alpha)
    assert difference(photo.pixels, coffee[..., [1, 0, 2]]) < 0.1
    again = Image.open(io.BytesIO(photo.to_bytes(profile="source")))
    assert np.array_equal(np.asarray(again)[..., 3], alpha)


def test_grey_with_a_linear_profile() -> None:
    """128/255 = 0.50196 of the light is 1.055 * 0.50196**(1/2.4) - 0.055 = 0.7366 of 255 = 188 in sRGB."""
    data = encoded(Image.new("L", (4, 3), 128), "PNG", icc_profile=linear_grey_profile())
    photo = Photo.from_bytes(data)
    assert photo.source.grey
    assert np.abs(photo.pixels.astype(int) - 188).max() <= 1
    result = photo.to_bytes(profile="source")  # a grey profile cannot hold the colours of a style
    assert np.abs(shown(result).astype(int) - 188).max() <= 1
    assert reopened(result).info["icc_profile"] == reopened(photo.to_bytes()).info["icc_profile"]


def test_grey_with_an_rgb_profile() -> None:
    photo = Photo.from_bytes(encoded(Image.new("LA", (4, 3), (100, 7)), "PNG", icc_profile=swapped_profile()))
    assert np.abs(photo.pixels.astype(int) - 100).max() <= 1  # a grey stays the same grey
    assert photo.alpha is not None
    assert (photo.alpha == 7).all()


@pytest.mark.parametrize(
    ("ink", "plainly", "by_profile"),
    [  # L* 50 is 0.1842 of the light, 119 in sRGB; L* 128/255 * 100 = 50.2 is 119.3
        ((0, 0, 0, 0), (255, 255, 255), (255, 255, 255)),
        ((0, 0, 0, 255), (0, 0, 0), (0, 0, 0)),
        ((255, 0, 0, 0), (0, 255, 255), (119, 119, 119)),
        ((0, 255, 255, 0), (255, 0, 0), (119, 119, 119)),
    ],
)
@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk(format: str, ink: Any, plainly: Any, by_profile: Any) -> None:
    """Pillow writes CMYK JPEGs inverted, as Adobe does."""
    image = Image.new("CMYK", (16, 16), ink)
    photo = Photo.from_bytes(encoded(image, format))
    assert np.abs(photo.pixels.astype(int) - plainly).max() <= 3
    photo = Photo.from_bytes(encoded(image, format, icc_profile=cmyk_profile()))
    assert np.abs(photo.pixels.astype(int) - by_profile).max() <= 3
    result = reopened(photo.to_bytes(profile="source"))
    assert result.mode == "RGB"
    assert len(result.info["icc_profile"]) < 1000


@pytest.mark.parametrize(
    ("lab", "seen"),
    [  # as TIFF stores them: L* in 0..255, a* and b* signed
        ((255, 0, 0), (255, 255, 255)),
        ((0, 0, 0), (0, 0, 0)),
        ((128, 0, 0), (119, 119, 119)),
        ((138, 81, 70), (255, 0, 0)),  # sRGB red is L* 54.3, a* 80.8, b* 69.9 under D50
    ],
)
@pytest.mark.parametrize("profile", [None, b"broken"])
def test_lab_tiff(lab: tuple[int, int, int], seen: tuple[int, int, int], profile: bytes | None) -> None:
    in_pillow = (lab[0], lab[1] + 128, lab[2] + 128)
    data = encoded(Image.new("LAB", (4, 3), in_pillow), "TIFF", icc_profile=profile)
    assert bytes(lab) * 12 in data
    assert np.abs(Photo.from_bytes(data).pixels.astype(int) - seen).max() <= 6


# -------------------- modes and alpha


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_grey_16_bit_is_scaled_not_clipped(format: str) -> None:
    values = np.array([[0, 128, 129, 257, 12_850, 32_768, 65_278, 65_535]], np.uint16)
    photo = Photo.from_bytes(encoded(Image.fromarray(values), format))
    # by 257, rounded: 128/257 = 0.498, 129/257 = 0.502, 32768/257 = 127.50, 65278/257 = 254
    assert photo.pixels[0, :, 0].tolist() == [0, 0, 1, 1, 50, 128, 254, 255]
    assert (photo.pixels == photo.pixels[..., :1]).all()
    assert photo.source.grey


def test_every_16_bit_value_is_rounded_to_nearest() -> None:
    values = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    pixels = Photo.from_bytes(encoded(Image.fromarray(values), "PNG")).pixels[..., 0]
    assert np.array_equal(pixels, np.rint(values / 257.0))


def test_big_endian_grey_16_bit() -> None:
    image = Image.frombytes("I;16B", (3, 1), struct.pack(">3H", 0, 25_700, 65_535))
    assert Photo.from_bytes(encoded(image, "TIFF")).pixels[0, :, 1].tolist() == [0, 100, 255]


def test_16_bit_colour() -> None:
    """0x00ff, 0x8000 and 0xffff, rounded: Pillow itself keeps the high byte."""
    row = struct.pack(">3H", 0x00FF, 0x8000, 0xFFFF)
    assert Photo.from_bytes(png(2, 1, 16, 2, b"\0" + row * 2)).pixels.tolist() == [[[1, 128, 255]] * 2]
    with_alpha = Photo.from_bytes(png(1, 1, 16, 6, b"\0" + row + b"\x40\x00"))
    assert with_alpha.alpha is not None
    assert (with_alpha.pixels.tolist(), with_alpha.alpha.tolist()) == ([[[1, 128, 255]]], [[64]])


def test_whole_numbers_of_32_bit_are_taken_as_16_bit() -> None:
    image = Image.fromarray(np.array([[-5, 0, 257, 65_535, 70_000]], np.int32))
    assert Photo.from_bytes(encoded(image, "TIFF")).pixels[0, :, 2].tolist() == [0, 0, 1, 255, 255]


def test_floats_are_taken_as_0_to_1() -> None:
    values = np.array([[-1.0, 0.0, 0.2, 0.5, 1.0, 9.0, np.nan, np.inf, -np.inf]], np.float32)
    photo = Photo.from_bytes(encoded(Image.fromarray(values), "TIFF"))
    assert photo.pixels[0, :, 0].tolist() == [0, 0, 51, 128, 255, 255, 0, 255, 0]


def test_grey_1_bit_and_ycbcr(coffee: U8) -> None:
    grey = Image.fromarray(coffee).convert("L")
    photo = Photo.from_bytes(encoded(grey, "PNG"))
    assert photo.source.grey
    assert photo.alpha is None
    assert np.array_equal(photo.pixels, np.dstack([np.asarray(grey)] * 3))
    bits = Photo.from_bytes(encoded(Image.fromarray(np.array([[True, False]])), "PNG"))
    assert bits.source.grey
    assert bits.pixels.tolist() == [[list(WHITE), list(BLACK)]]
    ycbcr = Photo.from_bytes(encoded(Image.fromarray(coffee).convert("YCbCr"), "TIFF"))
    assert not ycbcr.source.grey
    assert difference(ycbcr.pixels, coffee) < 1.5


def test_a_grey_jpeg_becomes_a_colour_jpeg(coffee: U8) -> None:
    photo = Photo.from_bytes(encoded(Image.fromarray(coffee).convert("L"), "JPEG"))
    assert photo.source.grey
    assert difference(shown(photo.with_pixels(coffee).to_bytes()), coffee) < 8


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_alpha_is_kept_exactly(coffee: U8, format: str) -> None:
    alpha = np.ascontiguousarray(coffee[::-1, :, 0])
    photo = Photo.from_bytes(encoded(np.dstack([coffee, alpha]), format, exact=True, **lossless(format)))
    assert photo.alpha is not None
    assert np.array_equal(photo.alpha, alpha)
    assert np.array_equal(photo.pixels, coffee)  # also below alpha 0
    assert np.array_equal(np.asarray(reopened(photo.to_bytes(lossless=True))), np.dstack([coffee, alpha]))


@pytest.mark.parametrize("target", ["PNG", "WEBP", "AVIF", "TIFF"])
def test_alpha_is_written(target: str) -> None:
    alpha = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))
    photo = Photo.from_bytes(Photo.from_array(plain((200, 100, 50), 64, 48), alpha).to_bytes(target))
    assert photo.alpha is not None
    assert difference(photo.alpha, alpha) < 1


def test_grey_with_alpha() -> None:
    image = Image.fromarray(np.array([[[10, 0], [20, 128], [30, 255]]], np.uint8), "LA")
    photo = Photo.from_bytes(encoded(image, "PNG"))
    assert photo.source.grey
    assert photo.alpha is not None
    assert photo.alpha.tolist() == [[0, 128, 255]]
    assert photo.pixels[0, :, 0].tolist() == [10, 20, 30]


def palette_image() -> Image.Image:
    image = Image.new("P", (3, 1))
    image.putpalette([*RED, *GREEN, *BLUE])
    for x in range(3):
        image.putpixel((x, 0), x)
    return image


def test_palette() -> None:
    photo = Photo.from_bytes(encoded(palette_image(), "PNG"))
    assert photo.pixels.tolist() == [[list(RED), list(GREEN), list(BLUE)]]
    assert photo.alpha is None
    assert not photo.source.grey


@pytest.mark.parametrize(("transparency", "alpha"), [(1, [255, 0, 255]), (bytes([9, 80, 255]), [9, 80, 255])])
def test_palette_with_transparency(transparency: int | bytes, alpha: list[int]) -> None:
    photo = Photo.from_bytes(encoded(palette_image(), "PNG", transparency=transparency))
    assert photo.pixels.tolist() == [[list(RED), list(GREEN), list(BLUE)]]
    assert photo.alpha is not None
    assert photo.alpha.tolist() == [alpha]


@pytest.mark.parametrize(
    ("depth", "kind", "row", "key", "colours", "alpha"),
    [
        (8, 0, bytes([5, 6]), struct.pack(">H", 6), [5, 6], [255, 0]),
        (8, 2, bytes([5, 5, 5, 6, 6, 6]), struct.pack(">3H", 6, 6, 6), [5, 6], [255, 0]),
        (1, 0, bytes([0b10000000]), struct.pack(">H", 1), [255, 0], [0, 255]),
        (16, 0, struct.pack(">2H", 0, 65_535), struct.pack(">H", 65_535), [0, 255], [255, 0]),
        (16, 2, struct.pack(">6H", 0, 0, 0, 2570, 2570, 2570), struct.pack(">3H", 2570, 2570, 2570), [0, 10], [255, 0]),
    ],
)
def test_transparent_colour(depth: int, kind: int, row: bytes, key: bytes, colours: list[int], alpha: list[int]) -> None:
    """PNG's tRNS: one colour of an image without alpha is transparent."""
    photo = Photo.from_bytes(png(2, 1, depth, kind, b"\0" + row, (b"tRNS", key)))
    assert photo.pixels[0, :, 0].tolist() == colours
    assert photo.alpha is not None
    assert photo.alpha.tolist() == [alpha]


def test_jpeg_has_no_alpha_and_lies_on_white() -> None:
    alpha = np.array([[0, 51, 255]], np.uint8)
    pixels = np.repeat(np.repeat(plain(BLACK, 3, 1), 8, 0), 8, 1)
    photo = Photo.from_array(pixels, np.repeat(np.repeat(alpha, 8, 0), 8, 1))
    result = shown(photo.to_bytes("JPEG", quality=100))
    assert np.abs(result[0, ::8, 0].astype(int) - [255, 204, 0]).max() <= 2  # 255 * (1 - 51/255) = 204


def test_heic(heic_bytes: bytes) -> None:
    """Stored lying on its side, turned by its decoder; we must not turn it again."""
    photo = Photo.from_bytes(heic_bytes)
    assert photo.source.format == "HEIC"
    assert photo.pixels.shape == (32, 24, 3)
    corners = photo.pixels[[5, 5, -5, -5], [5, -5, 5, -5]].astype(int)
    expected = [(30, 30, 220), (220, 30, 30), (240, 240, 240), (30, 200, 30)]
    assert np.abs(corners - expected).max() <= 6
    exif = exif_of(photo.to_bytes())
    assert (exif[271], exif[274]) == ("Huafeng", 1)


def test_heic_without_the_extra(heic_bytes: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(PhotoError, match=r'pip install "huafeng\[heic\]"'):
        Photo.from_bytes(heic_bytes)


@pytest.mark.parametrize("place", range(4))
def test_a_heic_that_would_end_the_process(heic_bytes: bytes, place: int) -> None:
    """pi-heif 1.4 dies of an item type that is not text."""
    data = bytearray(heic_bytes)
    data[data.index(b"Exif") + place] = 0xFF
    with pytest.raises(PhotoError, match="damaged"):
        Photo.from_bytes(bytes(data))


def test_mpo_is_read_as_the_jpeg_that_it_is(coffee: U8, chelsea: U8) -> None:
    second = Image.fromarray(chelsea)
    data = encoded(coffee, "MPO", save_all=True, append_images=[second], quality=90)
    assert reopened(data).format == "MPO"
    photo = Photo.from_bytes(data)
    assert photo.source.format == "JPEG"
    assert np.array_equal(photo.pixels, shown(data))
    assert difference(photo.pixels, coffee) < 4


def test_a_tiff_of_many_pages_gives_the_first(coffee: U8, chelsea: U8) -> None:
    data = encoded(coffee, "TIFF", save_all=True, append_images=[Image.fromarray(chelsea)])
    assert np.array_equal(Photo.from_bytes(data).pixels, coffee)


# -------------------- options


@pytest.mark.parametrize(("quality", "sampling"), [(75, 2), (95, 0), (40, 1)])
def test_a_jpeg_is_written_like_its_source(coffee: U8, quality: int, sampling: int) -> None:
    source = reopened(encoded(coffee, "JPEG", quality=quality, subsampling=sampling))
    result = reopened(Photo.from_bytes(encoded(coffee, "JPEG", quality=quality, subsampling=sampling)).to_bytes())
    assert isinstance(source, JpegImageFile)
    assert isinstance(result, JpegImageFile)
    assert result.quantization == source.quantization
    assert get_sampling(result) == sampling


def test_a_told_quality_wins(coffee: U8) -> None:
    photo = Photo.from_bytes(encoded(coffee, "JPEG", quality=40, subsampling=1))
    result = reopened(photo.to_bytes(quality=85))
    expected = reopened(encoded(coffee, "JPEG", quality=85))
    assert isinstance(result, JpegImageFile)
    assert isinstance(expected, JpegImageFile)
    assert result.quantization == expected.quantization
    assert get_sampling(result) == 1
    assert get_sampling(reopened(photo.to_bytes(subsampling="4:4:4"))) == 0


def test_default_quality(coffee: U8) -> None:
    photo = Photo.from_array(coffee)
    assert photo.to_bytes("JPEG") == photo.to_bytes("JPEG", quality=92, subsampling="4:2:0")
    assert photo.to_bytes("WEBP") == photo.to_bytes("WEBP", quality=90)
    small = Photo.from_array(coffee[100:228, 200:328])
    assert small.to_bytes("AVIF") == small.to_bytes("AVIF", quality=80, subsampling="4:2:0")
    assert small.to_bytes("AVIF") != small.to_bytes("AVIF", subsampling="4:4:4")


def test_options_that_a_format_does_not_have_are_ignored(chelsea: U8) -> None:
    photo = Photo.from_array(chelsea)
    options: Any = {"quality": 10, "subsampling": "4:2:0", "lossless": True}
    assert photo.to_bytes("PNG", **options) == photo.to_bytes("PNG")
    assert photo.to_bytes("TIFF", **options) == photo.to_bytes("TIFF")


@pytest.mark.parametrize(
    "options",
    [
        {"quality": 0},
        {"quality": 101},
        {"subsampling": "4:1:0"},
        {"profile": "p3"},
        {"format": "GIF"},
        {"format": "HEIC"},
        {"format": ""},
    ],
)
def test_options_out_of_range(chelsea: U8, options: dict[str, Any]) -> None:
    with pytest.raises(PhotoError):
        Photo.from_array(chelsea).to_bytes(**options)


@pytest.mark.parametrize(("format", "side"), [("JPEG", 65_500), ("WEBP", 16_383), ("AVIF", 65_536)])
def test_the_longest_side_of_a_format(format: str, side: int) -> None:
    with pytest.raises(PhotoError, match=f"{side:,} pixels a side at most, and the photo has 1 x {side + 1:,}: write PNG"):
        Photo.from_array(plain(RED, 1, side + 1)).to_bytes(format)
    if format != "AVIF":  # its encoder takes seconds for this
        assert Photo.from_bytes(Photo.from_array(plain(RED, 1, side)).to_bytes(format)).pixels.shape == (side, 1, 3)


# -------------------- limits and refusals


def no_decoding(*args: object) -> None:
    raise AssertionError("decoded in spite of the limit")


@pytest.fixture
def refuses_to_decode(monkeypatch: pytest.MonkeyPatch) -> None:
    for plugin in ("JpegImageFile", "PngImageFile", "WebPImageFile", "AvifImageFile"):
        monkeypatch.setattr(f"huafeng.photo_decode.{plugin}.load", no_decoding)
    monkeypatch.setattr("huafeng.photo_tiff_read.TiffPage.decoded", no_decoding)


def jpeg_of_size(width: int, height: int) -> bytes:
    data = bytearray(encoded(plain(RED, 16, 16), "JPEG"))
    start = data.index(b"\xff\xc0") + 5
    data[start : start + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def tiff_of_size(width: int, height: int) -> bytes:
    entries = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (279, 4, 9)]
    rows = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + rows + bytes(4)


def webp_of_size(width: int, height: int) -> bytes:
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + canvas


@pytest.mark.usefixtures("refuses_to_decode")
@pytest.mark.parametrize(
    ("data", "size"),
    [
        (png(100_000, 100_000, 8, 2, b""), "100,000 x 100,000"),
        (jpeg_of_size(65_000, 65_000), "65,000 x 65,000"),
        (tiff_of_size(100_000, 100_000), "100,000 x 100,000"),
        (webp_of_size(100_000, 100_000), "100,000 x 100,000"),
        (encoded(plain(RED, 15_000, 15_000 // 3), "WEBP", lossless=True, method=0), None),
    ],
    ids=["png", "jpeg", "tiff", "webp", "webp that fits"],
)
def test_a_huge_header_is_refused_before_decoding(data: bytes, size: str | None) -> None:
    limits = Limits() if size else Limits(max_pixels=74_999_999)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(PhotoError, match=f"{size or '15,000 x 5,000'} pixels, more than the"):
            Photo.from_bytes(data, limits=limits)


def test_a_photo_at_the_limit_is_read(coffee: U8) -> None:
    for data in (encoded(coffee, "PNG"), encoded(coffee, "WEBP"), encoded(coffee, "WEBP", lossless=True)):
        Photo.from_bytes(data, limits=Limits(max_pixels=240_000, max_bytes=len(data)))
        with pytest.raises(PhotoError, match="600 x 400 pixels"):
            Photo.from_bytes(data, limits=Limits(max_pixels=239_999))
        with pytest.raises(PhotoError, match="MB that are allowed"):
            Photo.from_bytes(data, limits=Limits(max_bytes=len(data) - 1))


def test_beyond_pillows_own_limit_but_within_ours(monkeypatch: pytest.MonkeyPatch, coffee: U8) -> None:
    """Pillow's limit is one number for the whole process; ours is per call, and warns of nothing."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for format in ("JPEG", "PNG", "AVIF"):
            Photo.from_bytes(encoded(coffee, format))
    with pytest.raises(PhotoError, match="too large"):
        Photo.from_bytes(encoded(coffee, "TIFF"))


def test_a_file_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    os.truncate(tmp_path / "a.png", 3 * 10**9)
    monkeypatch.setattr(Path, "read_bytes", no_decoding)
    with pytest.raises(PhotoError, match=r"a\.png has 3,000\.0 MB, more than the 1,000\.0 MB that are allowed"):
        Photo.open(tmp_path / "a.png")


@pytest.mark.usefixtures("refuses_to_decode")
def test_a_decompression_bomb_is_refused() -> None:
    """28 MB of black in some 30 KB."""
    data = png(15_000, 15_000, 1, 0, bytes(15_000 * 1876))
    assert len(data) < 40_000
    with pytest.raises(PhotoError, match="15,000 x 15,000"):
        Photo.from_bytes(data)


@pytest.mark.parametrize(
    "chunk",
    [
        (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(50_000_000), 1)),
        (b"iCCP", b"profile\0\0" + zlib.compress(bytes(50_000_000), 1)),
    ],
)
def test_a_bomb_in_a_text_or_profile_is_harmless(chunk: tuple[bytes, bytes]) -> None:
    data = png(1, 1, 8, 2, b"\0\x01\x02\x03", chunk)
    try:
        photo = Photo.from_bytes(data)
    except PhotoError as error:
        assert "damaged" in str(error)
    else:
        assert photo.pixels.tolist() == [[[1, 2, 3]]]
        assert photo.source.icc is None


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "AVIF"])
def test_animations_are_refused(coffee: U8, chelsea: U8, format: str) -> None:
    frames = [Image.fromarray(coffee[:64, :64]), Image.fromarray(chelsea[:64, :64])]
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:], duration=100)
    with pytest.raises(PhotoError, match=r"animated.*video"):
        Photo.from_bytes(data)


@pytest.mark.parametrize("format", [*FORMATS, "HEIC"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_a_cut_off_file_is_refused(tmp_path: Path, coffee: U8, heic_bytes: bytes, format: str, part: float) -> None:
    data = heic_bytes if format == "HEIC" else encoded(coffee, format)
    (tmp_path / "holiday.jpg").write_bytes(data[: int(len(data) * part)])
    with pytest.raises(PhotoError, match=r"holiday\.jpg is cut off or damaged: .* copy it again"):
        Photo.open(tmp_path / "holiday.jpg")


@pytest.mark.parametrize(
    "data", [b"hello", b"\0" * 100, b"<svg></svg>", b"%PDF-1.7", b"BM" + bytes(60), b"P6 1 1 255 abc", b"\xff\xd8"]
)
def test_other_files_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.jpg").write_bytes(data)
    with pytest.raises(PhotoError, match=r"x\.jpg is not an image that Huafeng reads \(JPEG, PNG, WebP, AVIF, TIFF, HEIC"):
        Photo.open(tmp_path / "x.jpg")


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").touch()
    with pytest.raises(PhotoError, match=r"x\.jpg is empty"):
        Photo.open(tmp_path / "x.jpg")
    with pytest.raises(PhotoError, match="The picture is empty"):
        Photo.from_bytes(b"")


def test_paths_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PhotoError, match=r"There is no file .*none\.jpg"):
        Photo.open(tmp_path / "none.jpg")
    with pytest.raises(PhotoError, match="is a folder"):
        Photo.open(tmp_path)
    with pytest.raises(PhotoError, match="cannot be read"):
        Photo.open("a\0b.jpg")
    with pytest.raises(PhotoError, match="cannot be read"):
        Photo.open(tmp_path / ("x" * 300))
    (tmp_path / "secret.jpg").touch()

    def forbidden(path: Path) -> bytes:
        raise PermissionError

    monkeypatch.setattr(Path, "read_bytes", forbidden)  # a root user may read anything
    with pytest.raises(PhotoError, match=r"secret\.jpg may not be read"):
        Photo.open(tmp_path / "secret.jpg")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(PhotoError, match="is not a file"):
        Photo.open(tmp_path / "pipe.jpg")


def test_a_webp_stays_as_exact_as_it_came(coffee: U8) -> None:
    exact = Photo.from_bytes(encoded(coffee, "WEBP", lossless=True, icc_profile=swapped_profile()))
    assert exact.source.lossless
    assert np.array_equal(Photo.from_bytes(Photo.from_array(exact.pixels).to_bytes("WEBP", lossless=True)).pixels, exact.pixels)
    assert np.array_equal(Photo.from_bytes(exact.to_bytes()).pixels, exact.pixels)
    assert len(exact.to_bytes(quality=50)) < len(exact.to_bytes()) / 3
    lossy = Photo.from_bytes(encoded(coffee, "WEBP", quality=80))
    assert not lossy.source.lossless
