"""TIFFs of many kinds, as tifffile writes them: read rightly, or refused with the reason."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from huafeng.errors import PhotoError
from huafeng.photo import Photo

tifffile = pytest.importorskip("tifffile", reason="tifffile (it comes with the extra `demo`) writes the cases")

U16 = NDArray[np.uint16]
Any_ = NDArray[Any]


@pytest.fixture(scope="module")
def deep(chelsea: NDArray[np.uint8]) -> U16:
    """uint16 [60, 70, 3]: a photo with random lower bytes, its edges no multiple of a tile."""
    low = np.random.default_rng(0).integers(0, 256, (60, 70, 3), np.uint16)
    return chelsea[100:160, 150:220].astype(np.uint16) << 8 | low


def tiff(array: Any_, **options: Any) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, array, **options)
    return out.getvalue()


def rounded(values: Any_) -> NDArray[np.uint8]:
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("layout", [{}, {"rowsperstrip": 7}, {"tile": (32, 48)}])
@pytest.mark.parametrize("planar", [False, True])
def test_16_bit_colour(
    deep: U16, byteorder: str, bigtiff: bool, compression: str, layout: dict[str, Any], planar: bool
) -> None:
    array = np.ascontiguousarray(deep.transpose(2, 0, 1)) if planar else deep
    options = {"photometric": "rgb", "planarconfig": "separate" if planar else "contig", "byteorder": byteorder}
    data = tiff(array, bigtiff=bigtiff, compression=compression, **options, **layout)
    assert np.array_equal(Photo.from_bytes(data).pixels, rounded(deep))


def by_libtiff(image: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "TIFF", **options)
    return out.getvalue()


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "raw"])
@pytest.mark.parametrize("predictor", [1, 2])
def test_16_bit_grey_of_every_compression(deep: U16, compression: str, predictor: int) -> None:
    info = {317: predictor} if compression in ("tiff_lzw", "tiff_adobe_deflate") else {}
    data = by_libtiff(Image.fromarray(deep[..., 0]), compression=compression, tiffinfo=info)
    assert np.array_equal(Photo.from_bytes(data).pixels[..., 1], rounded(deep[..., 0]))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.float32])
def test_white_is_zero(dtype: Any) -> None:
    top = 1.0 if dtype == np.float32 else np.iinfo(dtype).max
    data = tiff(np.array([[0, top / 5, top]]).astype(dtype), photometric="miniswhite")
    assert Photo.from_bytes(data).pixels[0, :, 0].tolist() == [255, 204, 0]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("planar", [False, True])
def test_float_colour(dtype: Any, planar: bool) -> None:
    values = np.array([[[0.0, 0.2, 1.0], [-1.0, 9.0, np.nan]]], dtype)
    array = np.ascontiguousarray(values.transpose(2, 0, 1)) if planar else values
    data = tiff(array, photometric="rgb", planarconfig="separate" if planar else "contig")
    assert Photo.from_bytes(data).pixels.tolist() == [[[0, 51, 255], [0, 255, 0]]]


def test_the_floating_point_predictor(deep: U16) -> None:
    """Adobe Technote 3, by hand: bytes of a row, the most significant ones of all samples first, as differences."""
    values = (deep[:4] / 65535).astype(">f4")
    planes = np.frombuffer(values.tobytes(), np.uint8).reshape(4, -1, 4).transpose(0, 2, 1).reshape(4, -1)
    coded = planes.copy()
    coded[:, 3:] -= planes[:, :-3]
    plain = bytearray(tiff(values.astype("<f4"), photometric="rgb"))
    with tifffile.TiffFile(io.BytesIO(bytes(plain))) as file:
        at = file.pages[0].dataoffsets[0]
    data = with_tag(bytes(plain[:at]) + coded.tobytes() + bytes(plain[at + coded.size :]), 317, 3)
    assert np.abs(Photo.from_bytes(data).pixels.astype(int) - rounded(deep[:4])).max() <= 1


def with_tag(data: bytes, tag: int, value: int) -> bytes:
    """The same little-endian TIFF, its first directory copied to the end with a SHORT more."""
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    entries = [data[first + 2 + 12 * i : first + 14 + 12 * i] for i in range(count)]
    entries = [entry for entry in entries if struct.unpack_from("<H", entry)[0] != tag]
    entries.append(struct.pack("<HHII", tag, 3, 1, value))
    entries.sort(key=lambda entry: struct.unpack_from("<H", entry))
    end = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return data[:4] + struct.pack("<I", len(data)) + data[8:] + end


def test_whole_numbers_of_32_and_64_bit() -> None:
    for bits in (32, 64):
        top = 2**bits - 1
        values = np.array([[0, top // 5, top // 255 * 200, top]], f"u{bits // 8}")
        assert Photo.from_bytes(tiff(values, photometric="minisblack")).pixels[0, :, 0].tolist() == [0, 51, 200, 255]


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_packed_bits(bits: int) -> None:
    """Numbers side by side, most significant bit first, rows padded to bytes."""
    top = 2**bits - 1
    row = "".join(f"{v:0{bits}b}" for v in (0, top // 2, top))
    packed = int(row.ljust(-(-len(row) // 8) * 8, "0"), 2).to_bytes(-(-len(row) // 8), "big")
    entries = [(256, 3), (257, 1), (258, bits), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, len(packed))]
    rows = b"".join(struct.pack("<HHII", tag, 3, 1, value) for tag, value in entries)
    place = 8 + len(packed) + len(packed) % 2
    data = (
        b"II*\0" + struct.pack("<I", place) + packed.ljust(place - 8, b"\0") + struct.pack("<H", len(entries)) + rows + bytes(4)
    )
    assert Photo.from_bytes(data).pixels[0, :, 0].tolist() == [0, 127, 255]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
@pytest.mark.parametrize("colors", [1, 3])
def test_alpha(dtype: Any, planar: bool, kind: str, colors: int) -> None:
    scale = 257 if dtype == np.uint16 else 1
    seen = np.array([[[200] * colors + [255], [100] * colors + [51], [0] * (colors + 1)]])
    stored = seen.copy()
    if kind == "assocalpha":
        stored[0, 1, :colors] = 20  # 100 x 51 / 255
    array = (stored * scale).astype(dtype)
    if planar:
        array = np.ascontiguousarray(array.transpose(2, 0, 1))
    photometric = "rgb" if colors == 3 else "minisblack"
    config = "separate" if planar else "contig"
    photo = Photo.from_bytes(tiff(array, photometric=photometric, planarconfig=config, extrasamples=[kind]))
    assert photo.alpha is not None
    assert photo.alpha.tolist() == seen[..., -1].tolist()
    assert photo.pixels[..., 0].tolist() == seen[..., 0].tolist()


def test_cmyk_of_16_bit() -> None:
    ink = np.array([[[0, 65535, 65535, 0]] * 4] * 4, np.uint16)
    assert Photo.from_bytes(tiff(ink, photometric="separated")).pixels[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("first", [{"subfiletype": 1}, {"subfiletype": 3}, {"extratags": [(255, 3, 1, 2, True)]}])
def test_a_thumbnail_or_mask_before_the_photo(chelsea: NDArray[np.uint8], first: dict[str, Any]) -> None:
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        writer.write(chelsea[:12, :16], photometric="rgb", metadata=None, **first)
        writer.write(chelsea, photometric="rgb", metadata=None)
        writer.write(chelsea[:5], photometric="rgb", metadata=None)
    assert np.array_equal(Photo.from_bytes(out.getvalue()).pixels, chelsea)


def test_the_photo_in_a_directory_below_its_thumbnail(chelsea: NDArray[np.uint8]) -> None:
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        writer.write(chelsea[:12, :16], photometric="rgb", subifds=1, subfiletype=1, metadata=None)
        writer.write(chelsea, photometric="rgb", subfiletype=0, metadata=None)
    assert np.array_equal(Photo.from_bytes(out.getvalue()).pixels, chelsea)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (tiff(np.zeros((4, 4), np.int16), photometric="minisblack"), "numbers below 0"),
        (tiff(np.zeros((4, 4), np.complex64), photometric="minisblack"), "samples of format 6|64 bits"),
        (tiff(np.zeros((4, 4), np.uint16), photometric="cfa"), "camera's sensor, which is not read: develop it"),
        (tiff(np.zeros((4, 4, 3), np.uint16), photometric="cielab"), "CIELAB in 16 bits"),
        (with_tag(tiff(np.zeros((4, 4), np.uint16)), 259, 34712), "compression"),
        (with_tag(tiff(np.zeros((4, 4), np.uint8)), 259, 34712), "compression"),
    ],
    ids=["signed", "complex", "raw", "lab", "jpeg 2000 deep", "jpeg 2000"],
)
def test_what_is_not_read_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(PhotoError, match=reason) as caught:
        Photo.from_bytes(data)
    assert "damaged" not in str(caught.value)


def test_a_cut_off_deep_file_is_called_so(deep: U16) -> None:
    with pytest.raises(PhotoError, match="cut off or damaged"):
        Photo.from_bytes(tiff(deep, photometric="rgb")[:-2000])


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_every_16_bit_value_of_a_png_is_rounded(mode: str) -> None:
    import zlib

    channels, kind = {"RGB": (3, 2), "RGBA": (4, 6), "LA": (2, 4)}[mode]
    values = np.arange(65_536).repeat(channels).reshape(256, 256, channels).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 256, 256, 16, kind, 0, 0, 0))
    photo = Photo.from_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))
    assert np.array_equal(photo.pixels[..., 0], rounded(values[..., 0]))
    if channels != 3:
        assert photo.alpha is not None
        assert np.array_equal(photo.alpha, rounded(values[..., 0]))
