"""What goes wrong on the command line: the exit code, one sentence that helps, and nothing half-written."""

from __future__ import annotations

import errno
import json
import os
import signal
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from conftest import U8, Ran, Run
from PIL import Image

from huafeng import Edit, Photo, StyleWeight, Stylizer
from huafeng.cli import batch
from huafeng.errors import EngineError
from huafeng.library import BUILT_IN


@pytest.fixture
def photo(huafeng: Run, coffee: U8) -> Path:
    """coffee.png in the working folder, 150 x 100."""
    Image.fromarray(np.ascontiguousarray(coffee[100:300:2, :300:2])).save("coffee.png")
    return Path("coffee.png")


@pytest.fixture
def album(photo: Path) -> list[str]:
    """Three photos in the working folder, the second of them cut off."""
    data = photo.read_bytes()
    Path("b.png").write_bytes(data[: len(data) // 2])
    Path("c.png").write_bytes(data)
    return ["b.png", "c.png", "coffee.png"]


def names(folder: str = ".") -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def refused(ran: Ran, *words: str) -> None:
    """Exit code 2, nothing on stdout, and one line on stderr with these words in it."""
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.startswith("Error: ")
    assert ran.err.count("\n") == 1
    for word in words:
        assert word in ran.err


def png(width: int, height: int) -> bytes:
    """The start of a PNG that promises width x height pixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(bytes(1000))
    chunks = (struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in (head, data))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


# --- the photo


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"just some text", ("photo.png is not an image",)),
        (b"", ("photo.png is empty",)),
        (png(64, 64), ("cut off or damaged",)),
        (png(100_000, 100_000), ("100,000 x 100,000 pixels", "make it smaller")),
        (png(20_000, 20_000), ("20,000 x 20,000 pixels", "make it smaller")),
    ],
)
def test_files_that_are_no_photos(huafeng: Run, data: bytes, words: tuple[str, ...]) -> None:
    Path("photo.png").write_bytes(data)
    refused(huafeng("apply", "negative", "photo.png"), *words)
    assert names() == ["photo.png"]


def test_a_photo_cut_in_the_middle(huafeng: Run, album: list[str]) -> None:
    refused(huafeng("apply", "negative", "b.png"), "b.png is cut off or damaged")


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_moving_pictures(huafeng: Run, suffix: str) -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    frames[0].save(f"moving.{suffix}", save_all=True, append_images=frames[1:])
    refused(huafeng("apply", "negative", f"moving.{suffix}"), "is animated", "video")


def test_a_photo_that_is_not_there(huafeng: Run, photo: Path) -> None:
    refused(huafeng("apply", "negative", "coffee.png", "gone.jpg"), "There is no file gone.jpg")
    assert names() == ["coffee.png"]
    refused(huafeng("apply", "negative", "x" * 300), "There is no file xxx")
    refused(huafeng("apply", "negative"), "No photo is given")


def test_a_folder_without_pictures(huafeng: Run) -> None:
    Path("notes.txt").write_text("no picture")
    refused(huafeng("apply", "negative", "."), "The folder . has no pictures in it (.jpg,")


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 1000)])
def test_odd_sizes_are_painted(huafeng: Run, width: int, height: int) -> None:
    Image.new("RGB", (width, height), "teal").save("odd.png")
    assert huafeng("apply", "monet+negative", "odd.png").code == 0
    assert Image.open("odd-monet+negative.png").size == (width, height)


def test_a_wide_photo_is_graded(huafeng: Run) -> None:
    Image.new("RGB", (20_000, 500), "teal").save("wide.png")
    assert huafeng("apply", "negative", "wide.png", "-o", "wide.webp.png").code == 0
    assert Image.open("wide.webp.png").size == (20_000, 500)
    refused(huafeng("apply", "negative", "wide.png", "-o", "wide.webp"), "WEBP holds 16,383 pixels a side", "write PNG")
    assert "wide.webp" not in names()


# --- the style


@pytest.mark.parametrize("verb", [["apply"], ["styles"], ["cube", "-o", "x.cube"]])
def test_a_style_that_is_not_there(huafeng: Run, photo: Path, verb: list[str]) -> None:
    photos = ["coffee.png"] if verb == ["apply"] else []
    refused(huafeng(*verb, "negativ", *photos), "no style 'negativ'", "did you mean 'negative'?")
    assert names() == ["coffee.png"]


def test_every_missing_style_of_a_mix_is_told(huafeng: Run, photo: Path) -> None:
    refused(huafeng("apply", "negativ+drak+dark", "coffee.png"), "mean 'negative'?", "mean 'dark'?")


@pytest.mark.parametrize("typed", ["coffee.png", "coffee.jpg", "folder"])
def test_the_photo_typed_before_the_style(huafeng: Run, photo: Path, typed: str) -> None:
    Path("coffee.jpg").write_bytes(photo.read_bytes())
    Path("folder").mkdir()
    refused(huafeng("apply", typed, "negative"), "The style comes first: huafeng apply STYLE PHOTO...")
    missing = huafeng("apply", "coffee.png", "gone.png")  # a picture is a style, too
    refused(missing, "There is no file gone.png.")
    assert "comes first" not in missing.err


def with_lut(value: float, version: int = 1) -> bytes:
    """A look's file, written without the checks."""
    card = dict.fromkeys(("title_en", "title_zh", "author", "licence", "trained_on", "provenance"), "x")
    header = {"version": version, "kind": "look", "name": "x", "card": card | {"date": "2026-01-01"}}
    lut = np.full((2, 2, 2, 3), value, np.float32)
    found: bytes = safetensors.numpy.save({"lut": lut}, metadata={"huafeng": json.dumps(header)})
    return found


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a style file"),
        (b"GIF89a and more", "not a style file"),
        (with_lut(0.5)[:-9], "cut off"),
        (safetensors.numpy.save({"lut": np.zeros(3, np.float32)}), "not a Huafeng style"),
        (with_lut(0.5, version=2), "newer Huafeng"),
        (with_lut(float("nan")), "NaN"),
    ],
)
def test_style_files_that_cannot_be_used(huafeng: Run, photo: Path, styles_folder: Path, data: bytes, words: str) -> None:
    (styles_folder / "mine.style").write_bytes(data)
    for style in ("mine", str(styles_folder / "mine.style")):
        refused(huafeng("apply", style, "coffee.png"), "mine.style", words)
    refused(huafeng("styles", "mine"), words)
    assert huafeng("styles").code == 0


def test_the_helper_for_style_files_makes_a_sound_one(huafeng: Run, photo: Path) -> None:
    Path("x.style").write_bytes(with_lut(0.5))
    assert huafeng("apply", "x.style", "coffee.png").code == 0


def test_art_for_another_base_generator(huafeng: Run, photo: Path, styles_folder: Path) -> None:
    data = (BUILT_IN / "monet.style").read_bytes()
    at = data.index(b'base_sha256\\":\\"') + len(b'base_sha256\\":\\"')
    (styles_folder / "other.style").write_bytes(data[:at] + b"0" * 64 + data[at + 64 :])
    for photos in (["coffee.png"], ["coffee.png", str(Path("../album2.png"))]):
        Path(photos[-1]).write_bytes(photo.read_bytes())
        refused(huafeng("apply", str(styles_folder / "other.style"), *photos), "its base generator is not here")


# --- the edit


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--strength", "1.5"], ["strength is 1.5, it must be between 0 and 1"]),
        (["--strength", "nan"], ["strength is nan"]),
        (["--strength", "strong"], ["--strength"]),
        (["--stroke", "9", "--detail=-1", "--feather", "0.1"], ["stroke is 9", "detail is -1", "--mask or --box"]),
        (["--box", "0,0,1"], ["--box is '0,0,1', it must be four numbers"]),
        (["--box", "0.5,0,0.2,2"], ["left must be less than right", "bottom is 2"]),
        (["--box", "0,0,1,1", "--mask", "m.png"], ["--mask and --box"]),
        (["--quality", "0"], ["--quality"]),
        (["--jobs", "0"], ["--jobs"]),
        (["--format", "gif"], ["--format", "gif"]),
        (["--strenght", "1"], ["--strenght", "--strength"]),
    ],
)
def test_options_that_are_wrong(huafeng: Run, photo: Path, options: list[str], words: list[str]) -> None:
    refused(huafeng("apply", "negative", "coffee.png", *options), *words)
    assert names() == ["coffee.png"]


@pytest.mark.parametrize(
    ("style", "words"),
    [
        ("negative:0+dark:0", "all weights are 0"),
        ("negative:-1", "weight is -1"),
        ("negative:", "no weight follows the colon"),
        ("negative+negative", "given 2 times"),
        ("", "style is ''"),
    ],
)
def test_mixes_that_are_wrong(huafeng: Run, photo: Path, style: str, words: str) -> None:
    refused(huafeng("apply", style, "coffee.png", "--strength", "1.5"), words, "strength is 1.5")


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(("data", "words"), [(b"text", "mask.png is not an image"), (None, "There is no file mask.png")])
def test_masks_that_cannot_be_used(huafeng: Run, photo: Path, data: bytes | None, words: str, count: int) -> None:
    Path("../twin.png").write_bytes(photo.read_bytes())
    if data is not None:
        Path("mask.png").write_bytes(data)
    before = names()
    photos = ["coffee.png", "../twin.png"][:count]
    refused(huafeng("apply", "negative", *photos, "--mask", "mask.png"), "The mask cannot be used", words)
    assert names() == before


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "e.json cannot be read (No such file"),
        (b"\xff\xff", "e.json is not a text file"),
        (b"{", "not JSON"),
        (b" " * 10**6, "longer than 100,000 characters"),
        (b'{"version": 1, "styles": [], "strength": 7}', "styles is empty"),
    ],
)
def test_edit_files_that_cannot_be_used(huafeng: Run, photo: Path, data: bytes | None, words: str) -> None:
    if data is not None:
        Path("e.json").write_bytes(data)
    refused(huafeng("apply", "--edit", "e.json", "coffee.png"), words)


def test_a_style_beside_an_edit(huafeng: Run, photo: Path) -> None:
    Path("e.json").write_text(Edit((StyleWeight("dark"),)).to_json())
    refused(huafeng("apply", "negative", "coffee.png", "--edit", "e.json"), "no file negative", "--edit")


# --- the result


def test_a_result_that_exists(huafeng: Run, photo: Path) -> None:
    Path("coffee-negative.png").write_bytes(b"precious")
    refused(huafeng("apply", "negative", "coffee.png"), "coffee-negative.png exists already", "--force")
    refused(huafeng("apply", "negative", "coffee.png", "-o", "coffee.png"), "coffee.png exists already")
    assert Path("coffee-negative.png").read_bytes() == b"precious"
    assert huafeng("apply", "negative", "coffee.png", "--force").code == 0
    assert Image.open("coffee-negative.png").size == (150, 100)


def test_an_edit_file_that_exists(huafeng: Run, photo: Path) -> None:
    Path("coffee-dark.png.edit.json").write_bytes(b"precious")
    refused(huafeng("apply", "dark", "coffee.png", "--save-edit"), "coffee-dark.png.edit.json exists already")
    assert names() == ["coffee-dark.png.edit.json", "coffee.png"]


def test_in_a_folder_an_existing_result_does_not_stop_the_others(huafeng: Run, photo: Path) -> None:
    Path("c.png").write_bytes(photo.read_bytes())
    Path("coffee-negative.png").write_bytes(b"precious")
    ran = huafeng("apply", "negative", "coffee.png", "c.png")
    assert (ran.code, ran.out) == (1, "c.png -> c-negative.png\n")
    assert "1 of 2 photos done" in ran.err
    assert "exists already" in ran.err
    assert Path("coffee-negative.png").read_bytes() == b"precious"


def test_two_photos_with_one_result(huafeng: Run, photo: Path) -> None:
    Path("more").mkdir()
    Path("more/coffee.png").write_bytes(photo.read_bytes())
    ran = huafeng("apply", "dark", "coffee.png", "more", "-o", "out/")
    refused(ran, "coffee.png and more/coffee.png would both be written to out/coffee-png-dark.png")
    assert names() == ["coffee.png", "more"]


def test_photos_that_differ_in_the_suffix_only(huafeng: Run, photo: Path) -> None:
    Path("coffee.webp").write_bytes(photo.read_bytes())
    assert huafeng("apply", "dark", "coffee.png", "coffee.webp", "--format", "jpg").code == 0
    assert names() == ["coffee-png-dark.jpg", "coffee-webp-dark.jpg", "coffee.png", "coffee.webp"]


def test_a_result_over_another_photo_of_the_run(huafeng: Run, photo: Path) -> None:
    Path("coffee-dark.png").write_bytes(photo.read_bytes())
    ran = huafeng("apply", "dark", "coffee.png", "coffee-dark.png", "--force")
    refused(ran, "would replace coffee-dark.png, which is a photo of this run")


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("result", "does not say which format to write"),
        ("result.heic", "only reads HEIC"),
        ("coffee.png/x.png", "coffee.png is not a folder"),
        ("x" * 300 + ".png", "too long"),
    ],
)
def test_results_that_cannot_be(huafeng: Run, photo: Path, out: str, words: str) -> None:
    refused(huafeng("apply", "dark", "coffee.png", "-o", out), words)
    assert names() == ["coffee.png"]


def test_links_that_go_round_in_a_circle(huafeng: Run, photo: Path) -> None:
    Path("loop").symlink_to("loop")
    refused(huafeng("apply", "negative", "coffee.png", "-o", "loop/x.png"), "loop is not a folder")
    refused(huafeng("apply", "negative", "loop"), "There is no file loop")


def test_one_name_for_many_results(huafeng: Run, photo: Path) -> None:
    refused(huafeng("apply", "dark", ".", "-o", "x.jpg"), "x.jpg is the name of one picture", "give a folder")


def test_a_name_and_a_format_that_disagree(huafeng: Run, photo: Path) -> None:
    refused(huafeng("apply", "dark", "coffee.png", "-o", "x.jpg", "--format", "png"), "x.jpg and --format png")


def test_a_folder_that_may_not_be_written(huafeng: Run, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # a root user may write anywhere
    refused(huafeng("apply", "dark", "coffee.png", "-o", "new/"), "not writable", "choose another folder")
    assert names() == ["coffee.png"]


def test_a_full_disk_leaves_nothing(huafeng: Run, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    refused(huafeng("apply", "dark", "coffee.png"), "no room left", "free some space")
    refused(huafeng("cube", "dark", "-o", "d.cube"), "no room left")
    assert names() == ["coffee.png"]


# --- many photos


def test_one_broken_photo_does_not_stop_the_others(huafeng: Run, album: list[str]) -> None:
    ran = huafeng("apply", "negative", ".", "-o", "../out")
    assert ran.code == 1
    assert names("../out") == ["c-negative.png", "coffee-negative.png"]
    assert "2 of 3 photos done" in ran.err
    assert "b.png is cut off or damaged" in ran.err
    assert "Traceback" not in ran.err


def test_a_bug_in_one_photo_does_not_stop_the_others(huafeng: Run, album: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    real = Photo.open

    def buggy(path: Path) -> Photo:
        if path.name == "b.png":
            raise KeyError("surprise")
        return real(path)

    monkeypatch.setattr(Photo, "open", buggy)
    ran = huafeng("apply", "negative", ".", "-o", "../out")
    assert ran.code == 1
    assert names("../out") == ["c-negative.png", "coffee-negative.png"]
    assert "bug in Huafeng, please report it (KeyError: 'surprise')" in ran.err
    ran = huafeng("apply", "negative", "b.png")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "Error: This is a bug in Huafeng, please report it (KeyError: 'surprise').\n"


@pytest.mark.parametrize("count", [1, 2])
def test_a_failing_engine_is_not_the_users_mistake(
    huafeng: Run, photo: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    def fail(*_: object) -> Photo:
        raise EngineError("onnxruntime failed: no luck")

    Path("../twin.png").write_bytes(photo.read_bytes())
    monkeypatch.setattr(Stylizer, "apply", fail)
    ran = huafeng("apply", "negative", *["coffee.png", "../twin.png"][:count])
    assert ran == (1, "", "Error: onnxruntime failed: no luck\n")


def test_too_little_memory_is_told(huafeng: Run, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Photo:
        raise MemoryError

    monkeypatch.setattr(Stylizer, "apply", fail)
    ran = huafeng("apply", "negative", "coffee.png")
    assert ran.code == 1
    assert "memory is too small" in ran.err


def test_large_photos_are_styled_one_at_a_time(huafeng: Run, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Stylizer.apply
    at_once, most = [0], [0]

    def slow(stylizer: Stylizer, opened: Photo, edit: Edit) -> Photo:
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        time.sleep(0.05)
        at_once[0] -= 1
        return real(stylizer, opened, edit)

    for name in "abc":
        Path(f"{name}.png").write_bytes(photo.read_bytes())
    monkeypatch.setattr(Stylizer, "apply", slow)
    assert huafeng("apply", "dark", ".", "-o", "../small", "--jobs", "4").code == 0
    assert most[0] > 1
    most[0] = 0
    monkeypatch.setattr(batch, "LARGE_PIXELS", 100)
    assert huafeng("apply", "dark", ".", "-o", "../large", "--jobs", "4").code == 0
    assert most[0] == 1


@pytest.mark.parametrize("count", [1, 3])
def test_ctrl_c_stops_the_run(huafeng: Run, photo: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    real = Photo.open

    left = [signal.SIGINT]

    def interrupted(path: Path) -> Photo:
        if left:
            os.kill(os.getpid(), left.pop())
        time.sleep(0.3)  # time for the main thread to notice
        return real(path)

    for name in "ab":
        Path(f"{name}.png").write_bytes(photo.read_bytes())
    monkeypatch.setattr(Photo, "open", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore Ctrl-C
    try:
        ran = huafeng("apply", "dark", *["coffee.png", "a.png", "b.png"][:count], "--jobs", "2")
    finally:
        signal.signal(signal.SIGINT, before)
    assert (ran.code, ran.out, ran.err.strip()) == (130, "", "Stopped.")
    assert names() == ["a.png", "b.png", "coffee.png"]


# --- the other verbs


def test_art_has_no_cube(huafeng: Run) -> None:
    refused(huafeng("cube", "monet", "-o", "m.cube"), "'monet' is art", "no colour table can hold")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-o", "x.txt"], "let its name end in .cube"),
        (["-o", "x.cube", "--size", "200"], "from 2 to 129"),
        (["-o", "x.png", "--size", "33"], "is a square"),
        (["-o", "x.png", "--size", "1"], "level from 2 to 11"),
        ([], "--out"),
    ],
)
def test_cubes_that_cannot_be(huafeng: Run, options: list[str], words: str) -> None:
    refused(huafeng("cube", "negative", *options), words)
    assert names() == []


def test_a_cube_that_exists(huafeng: Run) -> None:
    Path("x.cube").write_bytes(b"precious")
    refused(huafeng("cube", "negative", "-o", "x.cube"), "x.cube exists already")
    assert Path("x.cube").read_bytes() == b"precious"
    assert huafeng("cube", "negative", "-o", "x.cube", "--force").code == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--sheet", "gone.png"], "There is no file gone.png"),
        (["--sheet", "coffee.png", "-o", "coffee.png"], "exists already"),
        (["--sheet", "coffee.png", "-o", "sheet"], "which format to write"),
        (["--sheet", "coffee.png", "--json"], "leave one of them out"),
        (["-o", "x.jpg"], "belong to --sheet"),
    ],
)
def test_sheets_that_cannot_be(huafeng: Run, photo: Path, options: list[str], words: str) -> None:
    refused(huafeng("styles", *options), words)
    assert names() == ["coffee.png"]


def test_a_command_line_that_is_incomplete(huafeng: Run) -> None:
    refused(huafeng("aply", "monet"), "aply", "See 'huafeng --help'.")
    refused(huafeng("apply"), "STYLE", "See 'huafeng apply --help'.")
