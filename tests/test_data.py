"""Pictures and the crops drawn from them: the same numbers give the same crops, whatever is read, kept or prepared ahead."""

from __future__ import annotations

import gc
import io
import math
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL.JpegImagePlugin import JpegImageFile

from huafeng import Photo
from huafeng.errors import DataError, PhotoError
from huafeng.pixels import U8, resize
from huafeng.training.ahead import Ahead, in_order
from huafeng.training.data import Augment, Crops, Pairs, crop, to_batch
from huafeng.training.options import build
from huafeng.training.pairs import open_pairs
from huafeng.training.pictures import open_header, open_pictures, read_upright
from huafeng.training.prepare import prepare

PLAIN = Augment(reach=(1.0, 1.0), flip=False)


def silent(sentence: str) -> None:
    raise AssertionError(f"nothing was to be reported: {sentence}")


def save(path: Path, pixels: U8, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def grey(level: int, height: int = 24, width: int = 32) -> U8:
    return np.full((height, width, 3), level, np.uint8)


def noise(height: int, width: int) -> U8:
    return np.random.Generator(np.random.PCG64(0)).integers(0, 256, (height, width, 3), np.uint8)


def level(picture) -> int:
    """Which grey a flat crop shows."""
    return round(float(np.asarray(picture).mean()))


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.fixture
def album(tmp_path: Path, astronaut: U8, chelsea: U8, coffee: U8) -> Path:
    """Three real photos, two of them large beside 64 px."""
    folder = tmp_path / "album"
    for name, photo in (("a", astronaut), ("b", chelsea), ("c", coffee)):
        save(folder / f"{name}.jpg", photo, quality=90)
    return folder


@pytest.fixture
def greys(tmp_path: Path) -> Path:
    """Ten flat pictures, 00.png is grey 0, 01.png grey 10, ..."""
    for i in range(10):
        save(tmp_path / "greys" / f"{i:02}.png", grey(10 * i))
    return tmp_path / "greys"


# --- which pictures


def test_names_are_sorted_by_path_and_hidden_files_are_left_out(tmp_path: Path) -> None:
    for name in ("b/x.png", "a.PNG", "b-c/x.png", "b/a/y.webp", ".hidden.png", ".cache/z.png"):
        save(tmp_path / name, grey(5))
    (tmp_path / "notes.txt").write_text("not a picture")
    pictures = open_pictures(tmp_path, silent)
    assert pictures.names == ["a.PNG", "b-c/x.png", "b/a/y.webp", "b/x.png"]
    assert len(pictures) == 4


def test_links_are_followed_once(tmp_path: Path) -> None:
    save(tmp_path / "far" / "x.png", grey(5))
    (tmp_path / "album").mkdir()
    for name in ("one", "two"):
        (tmp_path / "album" / name).symlink_to(tmp_path / "far")
    (tmp_path / "far" / "round").symlink_to(tmp_path / "album")
    assert open_pictures(tmp_path / "album", silent).names == ["one/x.png"]


def test_one_file_is_a_set_of_one(album: Path) -> None:
    pictures = open_pictures(album / "b.jpg", silent)
    assert pictures.names == ["b.jpg"]
    assert Crops(pictures, 0, "x", Augment(), None).batch(0, 3, 32).shape == (3, 3, 32, 32)


def test_several_sources_are_one_set_after_the_other(tmp_path: Path) -> None:
    save(tmp_path / "b" / "x.png", grey(1))
    save(tmp_path / "a" / "x.png", grey(2))
    pictures = open_pictures([tmp_path / "b", tmp_path / "a" / "x.png", tmp_path / "a"], silent)
    assert pictures.names == ["b/x.png", "x.png", "a/x.png"]
    assert [level(pictures.read(i)) for i in range(3)] == [1, 2, 2]


def test_the_fingerprint_changes_with_the_set(tmp_path: Path, album: Path) -> None:
    before = open_pictures(album, silent).fingerprint
    assert open_pictures(album, silent).fingerprint == before
    (album.rename(tmp_path / "moved") / "c.jpg").rename(tmp_path / "moved" / "d.jpg")
    renamed = open_pictures(tmp_path / "moved", silent).fingerprint
    with (tmp_path / "moved" / "a.jpg").open("ab") as file:
        file.write(b"\0")
    grown = open_pictures(tmp_path / "moved", silent).fingerprint
    assert len({before, renamed, grown}) == 3


def test_held_out_are_the_first_of_every_so_many_of_each_source(greys: Path, tmp_path: Path) -> None:
    save(tmp_path / "more" / "z.png", grey(200))
    save(tmp_path / "more" / "zz.png", grey(201))
    train, held_out = open_pictures([greys, tmp_path / "more"], silent).split(4)
    assert held_out.names == ["greys/00.png", "greys/04.png", "greys/08.png", "more/z.png"]
    assert len(train) == 8
    assert not set(train.names) & set(held_out.names)


def test_a_single_picture_is_not_held_out(album: Path) -> None:
    train, held_out = open_pictures(album / "a.jpg", silent).split(20)
    assert (len(train), len(held_out)) == (1, 0)
    with pytest.raises(DataError, match="no pictures to train on"):
        Crops(held_out, 0, "x", Augment(), None)


# --- reading


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("short_side_px", [None, 64, 300])
def test_jpegs_come_upright(tmp_path: Path, coffee: U8, orientation: int, short_side_px: int | None) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "a.jpg", coffee[:, :500], quality=92, exif=exif)
    full = Photo.open(path).pixels
    read = open_pictures(path, silent).read(0, short_side_px)
    short = min(400, short_side_px or 400)
    assert min(read.shape[:2]) == short
    wanted = resize(full, *(round(side * short / 400) for side in (full.shape[1], full.shape[0])))
    assert read.shape == wanted.shape
    assert np.abs(read.astype(int) - wanted).mean() < 3


def test_pictures_are_never_grown(album: Path) -> None:
    assert open_pictures(album, silent).read(1, 5000).shape == (300, 451, 3)


def test_a_large_jpeg_is_decoded_at_a_part_of_its_size(tmp_path: Path, astronaut: U8, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.jpg", resize(astronaut, 1600, 1200))
    decoded = []
    load = JpegImageFile.load

    def spy(image: JpegImageFile):
        result = load(image)
        decoded.append(image.size)
        return result

    monkeypatch.setattr(JpegImageFile, "load", spy)
    assert open_pictures(path, silent).read(0, 256).shape == (256, 341, 3)
    assert decoded[0] == (400, 300)


def test_what_plain_pillow_does_not_do_right(tmp_path: Path, coffee: U8, heic_bytes: bytes) -> None:
    """16 bit, transparency, another profile, CMYK, HEIC."""
    deep = np.full((20, 30), 40000, np.uint16)
    Image.fromarray(deep).save(tmp_path / "a-deep.png")
    clear = Image.new("RGBA", (30, 20), (0, 0, 0, 0))
    clear.save(tmp_path / "b-clear.png")
    swapped = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = swapped.index(b"rXYZ"), swapped.index(b"gXYZ")
    swapped[red : red + 4], swapped[green : green + 4] = b"gXYZ", b"rXYZ"
    save(tmp_path / "c-profile.jpg", coffee, icc_profile=bytes(swapped))
    Image.fromarray(coffee).convert("CMYK").save(tmp_path / "d-cmyk.jpg")
    (tmp_path / "e-phone.heic").write_bytes(heic_bytes)
    pictures = open_pictures(tmp_path, silent)
    assert level(pictures.read(0, 16)) == 40000 // 257 + 1
    assert level(pictures.read(1, 16)) == 255
    assert pictures.read(4, 16).shape == (21, 16, 3)
    for i, name in ((2, "c-profile.jpg"), (3, "d-cmyk.jpg")):
        wanted = resize(Photo.open(tmp_path / name).pixels, 150, 100)
        assert np.abs(pictures.read(i, 100).astype(int) - wanted).mean() < 3


# --- what is wrong with them


def test_files_that_are_no_pictures_are_reported_once_together(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("d.jpg", "e.png", "f.heic", "g.webp"):
        (album / name).write_bytes(b"this is no picture, but text that is long enough")
    (album / "h.jpg").write_bytes(b"")
    (album / "i.jpg").symlink_to(album / "nowhere.jpg")
    said: list[str] = []
    pictures = open_pictures(album, said.append)
    assert said == ["6 of 9 pictures cannot be read and are left out: d.jpg, e.png, f.heic and 3 more."]
    assert pictures.names == ["a.jpg", "b.jpg", "c.jpg"]


def test_heic_without_its_package(album: Path, heic_bytes: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    for data, words in (
        (heic_bytes, r"pip install \"huafeng\[heic\]"),
        (b"text that is no picture", "is not an image that Huafeng reads"),
    ):
        with pytest.raises(PhotoError, match=words):
            open_header(io.BytesIO(data), "a.jpg")
    (album / "phone.heic").write_bytes(heic_bytes)
    said: list[str] = []
    assert len(open_pictures(album, said.append)) == 3
    assert said == ["1 of 4 pictures cannot be read and is left out: phone.heic."]


def test_a_file_that_may_not_be_read(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    def locked(path: Path, *arguments, **options):
        if path.name == "b.jpg":
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", locked)
    said: list[str] = []
    assert open_pictures(album, said.append).names == ["a.jpg", "c.jpg"]
    assert said == ["1 of 3 pictures cannot be read and is left out: b.jpg."]


def test_a_truncated_file_is_replaced_by_the_next_and_reported_once(greys: Path) -> None:
    for name in ("03.png", "04.png", "09.png"):
        save(greys / name, noise(24, 32))
        cut_off(greys / name)
    said: list[str] = []
    pictures = open_pictures(greys, said.append)
    assert len(pictures) == 10
    assert said == []
    for _ in range(2):
        assert [level(pictures.read(i)) for i in (2, 3, 4, 5, 9)] == [20, 50, 50, 50, 0]
    assert len(said) == 3
    assert said[0].startswith("03.png is cut off or damaged: ")
    assert said[0].endswith("Until then the next picture takes its place.")
    size = (greys / "03.png").stat().st_size
    save(greys / "03.png", grey(30))  # mended meanwhile: its place stays taken, so that a run is of one piece
    (greys / "03.png").write_bytes((greys / "03.png").read_bytes().ljust(size, b"\0"))
    assert level(pictures.read(3)) == 50
    train, _ = pictures.split(5)  # 0 and 5 are held out: training must not get them
    assert [level(train.read(i)) for i in range(len(train))] == [10, 20, 60, 60, 60, 70, 80, 10]


def test_a_file_that_goes_away(greys: Path) -> None:
    said: list[str] = []
    pictures = open_pictures(greys, said.append)
    (greys / "00.png").unlink()
    assert level(pictures.read(0)) == 10
    assert said[0].startswith("00.png cannot be read (No such file or directory).")


def test_all_files_that_go_bad(greys: Path) -> None:
    pictures = open_pictures(greys, lambda sentence: None)
    for path in greys.iterdir():
        path.unlink()
    with pytest.raises(DataError, match="None of the pictures can be read any more"):
        Crops(pictures, 0, "x", Augment(), None).batch(0, 2, 16)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: None, "There is no file or folder .*x: check the path."),
        (lambda folder: folder.mkdir(), "The folder .*x has no pictures in it"),
        (lambda folder: folder.write_text("words"), "x is not an image that Huafeng reads"),
        (lambda folder: (folder.mkdir(), (folder / "a.jpg").write_bytes(b"")), "a.jpg is empty"),
        (
            lambda folder: (folder.mkdir(), [(folder / n).write_bytes(b"not a picture") for n in ("a.jpg", "b.png")]),
            "None of the 2 pictures in .*x can be read. a.jpg is not an image that Huafeng reads",
        ),
    ],
)
def test_sources_that_are_nothing(tmp_path: Path, make: Callable[[Path], object], words: str) -> None:
    make(tmp_path / "x")
    with pytest.raises(DataError, match=words):
        open_pictures(tmp_path / "x", silent)


def test_no_source_and_a_name_too_long() -> None:
    with pytest.raises(DataError, match="No pictures are given"):
        open_pictures([], silent)
    with pytest.raises(DataError, match="There is no file or folder"):
        open_pictures(Path("x" * 5000), silent)


def test_a_folder_that_may_not_be_read(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    def locked(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", locked)
    with pytest.raises(DataError, match="The folder .*album may not be read by you"):
        open_pictures(album, silent)


def test_a_decompression_bomb_is_left_out(album: Path) -> None:
    """A PNG of a few hundred bytes that says it has 60,000 x 60,000 pixels."""
    header = io.BytesIO()
    Image.new("L", (1, 1)).save(header, "PNG")
    data = bytearray(header.getvalue())
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    import zlib

    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    (album / "bomb.png").write_bytes(data)
    said: list[str] = []
    assert len(open_pictures(album, said.append)) == 3
    assert "bomb.png" in said[0]
    with pytest.raises(PhotoError, match="60,000"):
        read_upright(bytes(data), "bomb.png", 64)


# --- one crop, by hand


def ramp(height: int, width: int) -> U8:
    """Red says the column, green the row."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0] = np.arange(width)
    picture[..., 1] = np.arange(height)[:, None]
    return picture


def test_a_crop_by_hand() -> None:
    """Short side 20, reach 0.2 to 0.6, half way: 0.4 * 20 = 8 px. left = int(0.5 * (30 - 8 + 1)), top = int(0.9 * 13)."""
    draws = np.array([0.5, 0.5, 0.9, 0.5, 0.5, 0.5, 0.5])
    square = crop(ramp(20, 30), 8, Augment(reach=(0.2, 0.6)), draws)
    assert np.array_equal(square, ramp(20, 30)[11:19, 11:19])
    draws[3] = 0.49
    assert np.array_equal(crop(ramp(20, 30), 8, Augment(reach=(0.2, 0.6)), draws), square[:, ::-1])
    assert np.array_equal(crop(ramp(20, 30), 8, Augment(reach=(0.2, 0.6), flip=False), draws), square)


@pytest.mark.parametrize(("draw", "left", "top"), [(0.0, 0, 0), (np.nextafter(1, 0), 10, 0)])
def test_crops_reach_both_rims(draw: float, left: int, top: int) -> None:
    square = crop(ramp(20, 30), 20, PLAIN, np.full(7, draw))
    assert np.array_equal(square, ramp(20, 30)[top : top + 20, left : left + 20])


def test_color_by_hand() -> None:
    """(100, 50, 200) has luminance 29.9 + 29.35 + 22.8 = 82.05, which a flat picture has as its mean, too."""
    flat = np.empty((4, 4, 3), np.uint8)
    flat[:] = (100, 50, 200)

    def graded(brightness: float, contrast: float, saturation: float) -> list[int]:
        return crop(flat, 4, Augment(flip=False, color=0.5), np.array([0, 0, 0, 1, brightness, contrast, saturation]))[
            0, 0
        ].tolist()

    assert graded(0.5, 0.5, 0.5) == [100, 50, 200]  # every factor is 1
    assert graded(0.0, 0.5, 0.5) == [50, 25, 100]  # half as bright
    assert graded(1.0, 0.5, 0.5) == [150, 75, 255]  # clipped
    assert graded(0.5, 0.5, 0.0) == [91, 66, 141]  # half way to 82.05
    assert graded(0.5, 0.0, 0.5) == [91, 66, 141]  # the same, as the mean is each pixel's own luminance


def test_other_colors_and_tone_curves_by_hand() -> None:
    """gamma 0.7: level 51, a fifth, to the power of e^-0.7 to e^0.7; half a turn of the hue: 2 Y less each colour."""
    grey, red = np.full((4, 4, 3), 51, np.uint8), np.zeros((4, 4, 3), np.uint8)
    red[:] = (150, 120, 110)

    def changed(picture: U8, augment: Augment, **set_to: float) -> list[int]:
        draws = np.array([0, 0, 0, 1, 0.5, 0.5, 0.5, set_to.get("shown", 1), 0.5, 0.6, 0.5, set_to.get("curve", 0.5)])
        return crop(picture, 4, augment, draws)[0, 0].tolist()

    curves = Augment(flip=False, gamma=0.7)
    assert changed(grey, curves) == [51] * 3
    assert changed(grey, curves, curve=0.0) == [round(255 * 0.2 ** math.exp(-0.7))] * 3  # 115
    assert changed(grey, curves, curve=1.0) == [round(255 * 0.2 ** math.exp(0.7))] * 3  # 10
    turned = Augment(flip=False, recolored=0.5)
    assert changed(red, turned, shown=0.49) == [106, 136, 146]
    assert changed(red, turned, shown=0.5) == [150, 120, 110]


def test_contrast_is_about_the_mean() -> None:
    halves = np.zeros((4, 4, 3), np.uint8)
    halves[:, 2:] = 200  # mean 100; half the contrast: 50 and 150
    graded = crop(halves, 4, Augment(flip=False, color=0.5), np.array([0.99, 0, 0, 1, 0.5, 0.0, 0.5]))
    assert graded[0, :, 0].tolist() == [50, 50, 150, 150]


def test_augment_is_an_option_of_recipes() -> None:
    assert build(Augment, {"reach": [0.2, 0.5], "flip": False, "color": 0.1}) == Augment((0.2, 0.5), False, 0.1)
    with pytest.raises(Exception, match="reach must be the least share"):
        build(Augment, {"reach": [0.5, 0.2]})


def test_to_batch_by_hand() -> None:
    batch = to_batch([grey(0, 2, 2), grey(255, 2, 2), grey(51, 2, 2)])
    assert batch.shape == (3, 3, 2, 2)
    assert batch.dtype == torch.float32
    assert batch[:, 0, 0, 0].tolist() == [0.0, 1.0, pytest.approx(0.2)]


# --- the stream


def test_an_epoch_shows_every_picture_once_in_an_order_of_its_own(greys: Path) -> None:
    pictures = open_pictures(greys, lambda sentence: None)
    crops = Crops(pictures, 7, "x", Augment(), None)
    shown = [level(crops.sample(n, 8)) for n in range(40)]
    epochs = [shown[i : i + 10] for i in range(0, 40, 10)]
    assert all(sorted(epoch) == [10 * i for i in range(10)] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_a_mosaic_is_four_crops(greys: Path) -> None:
    pictures = open_pictures(greys, lambda sentence: None)
    crops = Crops(pictures, 7, "x", Augment(mosaic=1.0), None)
    for side in (8, 9):
        shown = {level(crops.sample(n, side)[y:, x:][:2, :2]) for n in range(20) for y in (0, -2) for x in (0, -2)}
        assert shown == {10 * i for i in range(10)}
        assert crops.sample(3, side).shape == (side, side, 3)
    plain, rare = (Crops(pictures, 7, "x", Augment(mosaic=share), None) for share in (0.0, 0.3))
    same = sum(np.array_equal(plain.sample(n, 8), rare.sample(n, 8)) for n in range(200))
    assert 120 <= same <= 160  # 0.7 of 200, and five deviations


def test_seed_and_purpose_name_a_stream(album: Path) -> None:
    pictures = open_pictures(album, silent)
    streams = [Crops(pictures, seed, purpose, Augment(), 128) for seed, purpose in ((1, "x"), (1, "x"), (2, "x"), (1, "y"))]
    first, again, *others = ([stream.sample(n, 48) for n in range(6)] for stream in streams)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    for other in others:
        assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


calls = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 5), st.sampled_from([16, 24])), min_size=1, max_size=8
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(calls=calls, cache_mb=st.sampled_from([0, 1, 1500]), threads=st.integers(1, 3))
def test_batches_are_their_samples_whatever_was_asked_before(
    greys_once: Path, calls: list[tuple[int, int, int]], cache_mb: int, threads: int
) -> None:
    pictures = open_pictures(greys_once, lambda sentence: None)
    crops = Crops(pictures, 3, "x", Augment(color=0.3), 40, cache_mb=cache_mb, threads=threads)
    alone = Crops(pictures, 3, "x", Augment(color=0.3), 40, cache_mb=0)
    for first, count, side in calls:
        wanted = to_batch([alone.sample(n, side) for n in range(first, first + count)])
        assert torch.equal(crops.batch(first, count, side), wanted)
    crops.close()


@pytest.fixture(scope="session")
def greys_once(tmp_path_factory: pytest.TempPathFactory, coffee: U8) -> Path:
    """Seven small pieces of a real photo."""
    folder = tmp_path_factory.mktemp("pieces")
    for i in range(7):
        save(folder / f"{i}.jpg", coffee[40 * i : 40 * i + 60, 30 * i : 30 * i + 90], quality=95)
    return folder


def test_processes_that_take_slices_see_what_one_sees(album: Path) -> None:
    pictures = open_pictures(album, silent)

    def crops() -> Crops:
        return Crops(pictures, 0, "x", Augment(), 96)

    one, left, right = crops(), crops(), crops()
    for step in range(5):
        whole = one.batch(6 * step, 6, 32)
        assert torch.equal(whole, torch.cat([left.batch(6 * step, 3, 32), right.batch(6 * step + 3, 3, 32)]))


def test_a_folder_cut_short_by_the_cache_gives_the_same(album: Path) -> None:
    """Pictures of 96 px take 28, 42 and 41 kB: a cache of 0 MB keeps none, of 1 MB all."""
    pictures = open_pictures(album, silent)
    kept, never = (Crops(pictures, 0, "x", Augment(), 96, cache_mb=mb) for mb in (1, 0))
    for first in range(0, 12, 4):
        assert torch.equal(kept.batch(first, 4, 32), never.batch(first, 4, 32))


def test_kept_pictures_are_not_read_again(album: Path) -> None:
    crops = Crops(open_pictures(album, silent), 0, "x", Augment(), 96)
    before = [crops.sample(n, 32) for n in range(6)]
    for path in album.iterdir():
        path.unlink()
    assert all(np.array_equal(crops.sample(n, 32), picture) for n, picture in enumerate(before))


def test_the_cache_has_a_limit(tmp_path: Path, astronaut: U8) -> None:
    """Each takes 512 * 512 * 3 bytes = 0.79 MB; two megabytes hold two."""
    for i in range(8):
        save(tmp_path / f"{i}.png", astronaut)
    crops = Crops(open_pictures(tmp_path, silent), 0, "x", Augment(), None, cache_mb=2)
    tracemalloc.start()
    for n in range(16):
        crops.sample(n, 16)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert 1.5e6 < held < 2.1e6


def test_small_pictures_are_enlarged_and_reported_once_for_a_size(greys: Path) -> None:
    said: list[str] = []
    save(greys / "99.png", grey(90, 80, 80))
    pictures = open_pictures(greys, said.append)
    for purpose in "xy":
        crops = Crops(pictures, 0, purpose, Augment(), None)
        for first in (0, 4):
            assert crops.batch(first, 4, 64).shape == (4, 3, 64, 64)
    assert said == ["10 of 11 pictures are smaller than the crops of 64 px, which are enlarged from them."]


# --- ahead


class Slow:
    """A pure function that says what it was asked for."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.asked: list[tuple[int, int]] = []

    def __call__(self, n: int, side: int) -> tuple[int, int]:
        self.asked.append((n, side))
        time.sleep(self.seconds)
        return n, side


def asked(slow: Slow, *numbers: int) -> None:
    """Wait until these have been asked for; for ever would be a failure."""
    end = time.monotonic() + 10
    while not {(n, 8) for n in numbers} <= set(slow.asked):
        assert time.monotonic() < end, slow.asked
        time.sleep(0.005)


def test_the_next_slice_of_the_global_batch_is_made_ahead() -> None:
    slow = Slow()
    ahead = Ahead(slow, threads=2)
    assert ahead.take(4, 2, 8) == [(4, 8), (5, 8)]
    assert ahead.take(12, 2, 8) == [(12, 8), (13, 8)]  # 8 further on: the next are 20, 21 and 28, 29
    asked(slow, 20, 21, 28, 29)
    assert ahead.take(20, 2, 8) == [(20, 8), (21, 8)]
    asked(slow, 36, 37)
    assert max(slow.asked) == (37, 8)
    assert len(set(slow.asked)) == len(slow.asked)  # nothing twice


def test_waiting_is_counted_and_work_ahead_shortens_it() -> None:
    ahead = Ahead(Slow(0.05), threads=4)
    ahead.take(0, 4, 8)
    first = ahead.waited_s
    assert first >= 0.05
    time.sleep(0.5)  # more than twelve times 0.05 s over four threads
    ahead.take(4, 4, 8)
    assert ahead.waited_s - first < 0.05


def test_errors_reach_the_caller() -> None:
    def make(n: int, side: int) -> int:
        if n == 3:
            raise DataError("three")
        return n

    ahead = Ahead(make, threads=1)
    assert ahead.take(0, 2, 1) == [0, 1]
    with pytest.raises(DataError, match="three"):
        ahead.take(2, 2, 1)


def threads_of(before: set[threading.Thread]) -> int:
    return len(set(threading.enumerate()) - before)


@pytest.mark.parametrize("how", ["close", "garbage"])
def test_no_thread_is_left(album: Path, how: str) -> None:
    before = set(threading.enumerate())
    crops = Crops(open_pictures(album, silent), 0, "x", Augment(), 96, threads=3)
    crops.batch(0, 2, 32)
    assert threads_of(before) == 3
    if how == "close":
        crops.close()
        crops.close()
        with pytest.raises(ValueError, match="closed"):
            crops.batch(2, 2, 32)
    del crops
    gc.collect()
    until = time.monotonic() + 5
    while threads_of(before) and time.monotonic() < until:
        time.sleep(0.01)
    assert threads_of(before) == 0


def test_a_process_ends_though_work_is_waiting() -> None:
    program = """
import time
from huafeng.training.ahead import Ahead
Ahead(lambda n, side: time.sleep(0 if n < 2 else 60), threads=2).take(0, 2, 8)
kept = Ahead(lambda n, side: time.sleep(0 if n < 2 else 60), threads=2)
kept.take(0, 2, 8)
"""
    started = time.monotonic()
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert time.monotonic() - started < 20


def test_in_order_keeps_the_order_and_only_a_few_results() -> None:
    begun: list[int] = []

    def work(i: int) -> int:
        begun.append(i)
        time.sleep(0.002 * (i % 3))
        return i * i

    results = in_order(work, range(100), threads=2)
    assert [next(results) for _ in range(5)] == [0, 1, 4, 9, 16]
    time.sleep(0.2)
    assert len(begun) < 20
    results.close()
    done = len(begun)
    time.sleep(0.05)
    assert len(begun) == done
    assert list(in_order(work, range(30), threads=3)) == [i * i for i in range(30)]


# --- pairs


@pytest.fixture
def paired(tmp_path: Path, coffee: U8) -> tuple[Path, Path]:
    """Three partners; a fourth picture on each side has none."""
    for i, name in enumerate(("x", "y", "sub/z")):
        piece = coffee[50 * i : 50 * i + 90, 60 * i : 60 * i + 120]
        save(tmp_path / "A" / f"{name}.png", piece)
        save(tmp_path / "B" / f"{name}.webp", 255 - piece, lossless=True)
    save(tmp_path / "A" / "alone.png", grey(1))
    save(tmp_path / "B" / "other.png", grey(2))
    return tmp_path / "A", tmp_path / "B"


def test_partners_get_the_same_crop(paired: tuple[Path, Path]) -> None:
    said: list[str] = []
    pairs = open_pairs(*paired, said.append)
    assert len(pairs) == 3
    assert len(said) == 1
    assert said[0].startswith("2 of 8 pictures have no partner and are left out: ")
    assert "alone.png" in said[0]
    assert "other.png" in said[0]
    stream = Pairs(pairs, 0, "x", Augment(), None)
    for n in range(6):
        left, right = stream.sample(n, 32)
        assert np.abs(left.astype(int) + right - 255).max() <= 2  # both directions of the resize round
    first, second = stream.batch(2, 3, 32)
    assert first.shape == second.shape == (3, 3, 32, 32)
    assert torch.equal(first[1], to_batch([stream.sample(3, 32)[0]])[0])
    assert torch.equal(second[1], to_batch([stream.sample(3, 32)[1]])[0])


def test_pairs_draw_as_crops_do(paired: tuple[Path, Path]) -> None:
    """Same seed, purpose and number: the same box, so a recipe can go from one to the other."""
    pairs = open_pairs(*paired, lambda sentence: None)
    crops = Crops(pairs.first, 5, "x", Augment(), None)
    assert np.array_equal(Pairs(pairs, 5, "x", Augment(), None).sample(4, 32)[0], crops.sample(4, 32))


def test_side_by_side_pictures_are_halved(tmp_path: Path, coffee: U8) -> None:
    piece = coffee[:130, :101]
    save(tmp_path / "AB" / "x.png", np.concatenate([piece, grey(9, 130, 1), 255 - piece], 1))
    said: list[str] = []
    pairs = open_pairs(tmp_path / "AB", None, said.append)
    left, right = pairs.read(0)
    assert np.array_equal(left, piece)
    assert np.array_equal(right, 255 - piece)
    assert [picture.shape for picture in pairs.read(0, 50)] == [(64, 50, 3)] * 2
    Pairs(pairs, 0, "x", PLAIN, None).sample(0, 120)
    assert said == ["1 of 1 pictures is smaller than the crops of 120 px, which are enlarged from them."]


def test_a_pair_with_a_bad_half_is_replaced_whole(paired: tuple[Path, Path]) -> None:
    (paired[1] / "x.webp").unlink()
    cut_off(save(paired[1] / "x.jpg", noise(90, 120)))
    said: list[str] = []
    pairs = open_pairs(*paired, said.append)
    assert pairs.names == ["sub/z.png", "x.png", "y.png"]
    for mine, next_one in zip(pairs.read(1), pairs.read(2), strict=True):
        assert np.array_equal(mine, next_one)
    assert len(said) == 2


def test_partners_of_another_size(tmp_path: Path, coffee: U8) -> None:
    save(tmp_path / "A" / "x.png", resize(coffee, 60, 40))
    save(tmp_path / "B" / "x.png", resize(coffee, 120, 80))
    left, right = open_pairs(tmp_path / "A", tmp_path / "B", silent).read(0)
    assert left.shape == right.shape == (40, 60, 3)
    save(tmp_path / "B" / "x.png", resize(coffee, 80, 80))
    said: list[str] = []
    _, right = open_pairs(tmp_path / "A", tmp_path / "B", said.append).read(0)
    assert right.shape == (40, 60, 3)
    assert said == ["Some partners are not of the same shape: the second is stretched to the first's."]


def test_folders_without_a_common_name(tmp_path: Path) -> None:
    save(tmp_path / "A" / "x.png", grey(1))
    save(tmp_path / "B" / "y.png", grey(1))
    with pytest.raises(DataError, match="has a partner of the same name"):
        open_pairs(tmp_path / "A", tmp_path / "B", silent)


def test_pairs_are_held_out_and_fingerprinted_together(paired: tuple[Path, Path]) -> None:
    pairs = open_pairs(*paired, lambda sentence: None)
    train, held_out = pairs.split(3)
    assert (train.names, held_out.names) == (["x.png", "y.png"], ["sub/z.png"])
    save(paired[1] / "y.webp", grey(7))
    assert open_pairs(*paired, lambda sentence: None).fingerprint != pairs.fingerprint


# --- shards instead of folders


def test_a_shard_is_trained_on_like_a_folder(album: Path, tmp_path: Path) -> None:
    prepare(album, tmp_path / "x.tar", short_side_px=200)
    pictures = open_pictures(tmp_path / "x.tar", silent)
    assert pictures.names == ["a.jpg", "b.jpg", "c.jpg"]
    from_folder, from_shard = (Crops(p, 0, "x", Augment(), 96, cache_mb=0) for p in (open_pictures(album, silent), pictures))
    difference = (from_folder.batch(0, 6, 64) - from_shard.batch(0, 6, 64)).abs()
    assert difference.mean() < 0.02


def test_pictures_import_no_torch() -> None:
    program = (
        "import sys, huafeng.training.pairs, huafeng.training.doctor, huafeng.training.prepare; print('torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
