"""What a result tells of its photo, and what not."""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from PIL import ExifTags, Image

from huafeng import Photo

EXIF, GPS = ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo


def directory(entries: list[tuple[int, int, int, bytes]], start: int) -> bytes:
    """A TIFF directory (big-endian) at `start`; each entry is tag, type, count and its bytes."""
    rows, behind, place = b"", b"", start + 2 + 12 * len(entries) + 4
    for tag, kind, count, content in sorted(entries):
        if len(content) <= 4:
            rows += struct.pack(">HHI", tag, kind, count) + content.ljust(4, b"\0")
        else:
            rows += struct.pack(">HHII", tag, kind, count, place + len(behind))
            behind += content + bytes(len(content) % 2)
    return struct.pack(">H", len(entries)) + rows + bytes(4) + behind


def jpeg(odd: tuple[int, int, int, bytes], where: str, folder: Path) -> bytes:
    """A JPEG with a sound EXIF, and one odd tag in one of its directories."""
    first: list[tuple[int, int, int, bytes]] = [
        (271, 2, 6, b"Maker\0"),
        (272, 2, 6, b"Model\0"),
        (306, 2, 20, b"2024:05:06 07:08:09\0"),
    ]
    details = [(33434, 5, 1, struct.pack(">2I", 1, 250)), (36867, 2, 20, b"2024:05:06 07:08:09\0")]
    place = [(1, 2, 2, b"N\0")]
    {"first": first, "details": details, "place": place}[where].append(odd)
    first += [(34665, 4, 1, bytes(4)), (34853, 4, 1, bytes(4))]
    start_details = 8 + len(directory(first, 8))
    start_place = start_details + len(directory(details, start_details))
    first[-2:] = [(34665, 4, 1, struct.pack(">I", start_details)), (34853, 4, 1, struct.pack(">I", start_place))]
    tiff = b"MM\0*\0\0\0\x08" + directory(first, 8) + directory(details, start_details) + directory(place, start_place)
    Image.new("RGB", (16, 16)).save(folder / "plain.jpg")
    data = (folder / "plain.jpg").read_bytes()
    segment = b"Exif\0\0" + tiff
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + data[2:]


def exif_of(data: bytes) -> Image.Exif:
    import io

    return Image.open(io.BytesIO(data)).getexif()


@pytest.mark.parametrize("target", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    ("odd", "where"),
    [
        ((282, 2, 3, b"72\0"), "first"),
        ((6, 10, 1, struct.pack(">2i", -5, 1)), "place"),
        ((2, 2, 4, b"48N\0"), "place"),
        ((33437, 2, 4, b"f/8\0"), "details"),
        ((34855, 12, 1, struct.pack(">d", 400.5)), "details"),
        ((37380, 5, 1, struct.pack(">2I", 1, 0)), "details"),
    ],
    ids=["resolution as text", "below the sea", "latitude as text", "aperture as text", "speed as float", "by zero"],
)
def test_one_odd_tag_costs_that_tag(tmp_path: Path, odd: Any, where: str, target: str) -> None:
    result = exif_of(Photo.from_bytes(jpeg(odd, where, tmp_path)).to_bytes(target))
    assert (result[271], result[272], result[306]) == ("Maker", "Model", "2024:05:06 07:08:09")
    details = result.get_ifd(EXIF)
    assert (details[33434], details[36867]) == (1 / 250, "2024:05:06 07:08:09")


def full() -> bytes:
    exif = Image.Exif()
    exif.update({271: "Maker", 315: "Zoe", 316: "zoes-laptop", 0x9C9C: "secret".encode("utf-16-le"), 33432: "(c) Zoe"})
    exif[EXIF] = {
        0xA431: "1234567",
        0xA435: "7654321",
        0xA430: "Zoe Owner",
        0x9286: b"ASCII\0\0\0note",
        0xA420: "ab" * 16,
        34855: 400,
    }
    exif[GPS] = {1: "N", 2: (48.0, 51.0, 24.0)}
    return exif.tobytes()


@pytest.mark.parametrize("target", ["jpg", "png", "webp", "tif", "avif"])
def test_safe_keep_and_none(huafeng: Run, target: str) -> None:
    Image.new("RGB", (32, 32), (90, 120, 150)).save("a.jpg", exif=full())
    Path("x.cube").write_text("LUT_1D_SIZE 2\n0 0 0\n1 1 1\n")
    secrets = [b"1234567", b"7654321", b"Zoe Owner", b"zoes-laptop", b"note", "secret".encode("utf-16-le"), b"abababab"]
    for metadata in ("safe", "keep", "none"):
        out = f"{metadata}.{target}"
        assert (
            huafeng("apply", "x.cube", "a.jpg", "-o", out, *([] if metadata == "safe" else ["--metadata", metadata])).code == 0
        )
        data = Path(out).read_bytes()
        exif = exif_of(data)
        assert (GPS in exif) == (metadata == "keep")
        assert (exif.get(271), exif.get(315)) == ((None, None) if metadata == "none" else ("Maker", "Zoe"))
        if target != "png" and metadata != "none":  # a PNG's is not compressed either, but checked by its tags as well
            assert all((one in data) == (metadata == "keep") for one in secrets)
        found = {0xA431, 0xA435, 0xA430, 0x9286} & set(exif.get_ifd(EXIF))
        assert len(found) == (4 if metadata == "keep" else 0)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_file_that_is_replaced_keeps_its_mode(tmp_path: Path) -> None:
    photo = Photo.from_array(np.zeros((8, 8, 3), np.uint8))
    photo.save(tmp_path / "a.png")
    (tmp_path / "a.png").chmod(0o640)
    photo.save(tmp_path / "a.png", force=True)
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == 0o640
