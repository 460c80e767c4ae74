"""Damaged files: every reader gives a result or one of Huafeng's own errors, never anything else.

A reader joins by a line in MUTANTS: a name, a small sound file, and the function that reads its bytes.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from huafeng.cube import read_cube, write_cube
from huafeng.edit import BoxRegion, Edit, parse_styles
from huafeng.errors import HuafengError
from huafeng.library import BUILT_IN
from huafeng.look import Lut
from huafeng.photo import Limits, Photo
from huafeng.style import Style

MUTATIONS = 200  # of each sound file

Reader = Callable[[bytes], object]


def read_photo(data: bytes) -> Photo:
    photo = Photo.from_bytes(data, limits=Limits(max_pixels=10**6))
    photo.to_bytes("JPEG")  # what was carried over from the file must not harm the result
    return photo


def picture() -> Image.Image:
    """48 x 40, smooth colours and one sharp edge, half of it transparent."""
    y, x = np.mgrid[0:40, 0:48]
    rgba = np.stack([5 * x, 6 * y, 128 + 60 * np.sin(x / 5), np.where(x < 24, 255, 3 * y)], axis=-1).astype(np.uint8)
    rgba[10:20, 10:20, :3] = 255
    return Image.fromarray(rgba)


def photo_file(format: str, mode: str = "RGB", **options: Any) -> bytes:
    exif = Image.Exif()
    exif[271], exif[274] = "Maker", 6
    exif[0x8769] = {36867: "2024:05:06 07:08:09", 34855: 400}
    exif[0x8825] = {1: "N", 2: (48.0, 51.0, 24.0)}
    text = PngImagePlugin.PngInfo()
    text.add_itxt("Comment", "a compressed comment " * 9, zip=True)
    out = io.BytesIO()
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture().convert(mode).save(out, format, exif=exif.tobytes(), icc_profile=icc, pnginfo=text, **options)
    return out.getvalue()


def edit_file() -> bytes:
    return Edit(parse_styles("monet:2+ink"), strength=0.5, region=BoxRegion(0.1, 0.2, 0.8, 0.9)).to_json().encode()


def as_text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")


MUTANTS: list[tuple[str, Callable[[], bytes], Reader]] = [
    ("jpeg", lambda: photo_file("JPEG"), read_photo),
    ("jpeg, progressive cmyk", lambda: photo_file("JPEG", "CMYK", progressive=True), read_photo),
    ("png", lambda: photo_file("PNG", "RGBA"), read_photo),
    ("png, palette", lambda: photo_file("PNG", "P", transparency=bytes(range(200))), read_photo),
    ("webp", lambda: photo_file("WEBP", "RGBA"), read_photo),
    ("webp, lossless", lambda: photo_file("WEBP", lossless=True), read_photo),
    ("avif", lambda: photo_file("AVIF", "RGBA"), read_photo),
    ("tiff", lambda: photo_file("TIFF"), read_photo),
    ("tiff, deflated", lambda: Photo.from_bytes(photo_file("PNG", "RGBA")).to_bytes("TIFF"), read_photo),
    ("heic", lambda: (Path(__file__).parent / "data" / "turned.heic").read_bytes(), read_photo),
    ("style", lambda: (BUILT_IN / "monet.style").read_bytes(), Style.from_bytes),
    ("cube", lambda: write_cube(Lut.identity(5), title="a look").encode(), lambda data: read_cube(as_text(data))),
    ("edit", edit_file, lambda data: Edit.from_json(as_text(data))),
]


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, and now and then a part cut off, put in, taken out or doubled."""
    changed = bytearray(data)
    for _ in range(chance.choice([0, 1, 1, 2, 8, 40])):
        # headers are at the start: half of the changes fall into the first 400 bytes
        place = chance.randrange(len(data) if chance.random() < 0.5 else min(len(data), 400))
        changed[place] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, changed[place] ^ 1 << chance.randrange(8)])
    start, end = sorted(chance.choices(range(len(data)), k=2))
    match chance.randrange(8):
        case 0:
            del changed[start:]
        case 1:
            del changed[start:end]
        case 2:
            changed[start:start] = chance.randbytes(chance.randrange(1, 64))
        case 3:
            changed[end:end] = changed[start:end]
    return bytes(changed)


@pytest.mark.filterwarnings("ignore")  # Pillow warns of much that it then reads
@pytest.mark.parametrize(("name", "make", "read"), MUTANTS, ids=[name for name, _, _ in MUTANTS])
def test_only_our_own_errors_come_out(name: str, make: Callable[[], bytes], read: Reader) -> None:
    chance = random.Random(f"seed of {name}")
    data = make()
    read(data)
    refused = 0
    for number in range(MUTATIONS):
        hostile = mutated(data, chance)
        try:
            read(hostile)
        except HuafengError as error:
            refused += 1
            assert "\n" not in str(error)
        except Exception as error:
            raise AssertionError(f"{name}, mutation {number}: {error!r}") from error
    assert 0 < refused < MUTATIONS  # the mutations do damage, and not only at the door
