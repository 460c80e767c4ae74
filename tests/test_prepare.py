"""`huafeng prepare`: what is in a shard, that it is whole or not there, and how it is read."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import U8, Ran, Run
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

from huafeng.errors import DataError, OutputError
from huafeng.faces import find_frames
from huafeng.pixels import resize
from huafeng.training import shards
from huafeng.training.pictures import open_pictures
from huafeng.training.prepare import FACE_MIDDLE, FACE_SHARE, face_square, prepare


def silent(sentence: str) -> None:
    raise AssertionError(f"nothing was to be reported: {sentence}")


def refused(ran: Ran, *words: str) -> None:
    """One sentence, exit code 2."""
    assert (ran.code, ran.out) == (2, "")
    (line,) = ran.err.splitlines()
    assert line.startswith("Error: ")
    for word in words:
        assert word in line


@pytest.fixture
def album(tmp_path: Path, astronaut: U8, chelsea: U8, coffee: U8) -> Path:
    """A photo on its side, a smaller one, and one of them again under two names."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    Image.fromarray(coffee).save(folder / "a.jpg", exif=exif)
    Image.fromarray(chelsea).save(folder / "sub" / "b.png")
    (folder / "c.png").write_bytes((folder / "sub" / "b.png").read_bytes())
    Image.fromarray(astronaut[:200, :200]).save(folder / "a.webp", lossless=True)
    return folder


def members(path: Path) -> list[tarfile.TarInfo]:
    with tarfile.open(path, "r:") as tar:
        return tar.getmembers()


def contents(path: Path) -> dict[str, bytes]:
    data = path.read_bytes()
    return {info.name: data[info.offset_data : info.offset_data + info.size] for info in members(path)}


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_in_a_shard(album: Path, tmp_path: Path, coffee: U8) -> None:
    made = prepare(album, tmp_path / "x.tar", short_side_px=250)
    assert made.files == [tmp_path / "x.tar"]
    assert (made.pictures, made.duplicates, made.unreadable) == (3, ["sub/b.png"], {})
    first, *rest = members(tmp_path / "x.tar")
    assert first.name == "huafeng.json"
    assert [info.name for info in rest] == ["a.jpg", "a-2.jpg", "c.jpg"]
    assert all((info.mtime, info.uid, info.gid, info.uname, info.gname) == (0, 0, 0, "", "") for info in rest)
    inside = contents(tmp_path / "x.tar")
    index = json.loads(inside["huafeng.json"])
    image = JpegImageFile(io.BytesIO(inside["a.jpg"]))
    assert index == {
        "format": "huafeng shard",
        "version": 1,
        "short_side_px": 250,
        "quality": 95,
        "faces": False,
        "edges": False,
        "part": 0,
        "last": True,
        "pictures": {"a.jpg": [250, 375], "a-2.jpg": [200, 200], "c.jpg": [376, 250]},
    }
    assert (image.size, get_sampling(image)) == ((250, 375), 0)  # upright, colours not subsampled
    assert not image.getexif()
    upright = resize(np.rot90(coffee, -1), 250, 375)
    assert np.abs(np.asarray(image).astype(int) - upright).mean() < 4


def test_equal_pictures_give_equal_bytes(album: Path, tmp_path: Path) -> None:
    for name in ("x", "y"):
        prepare(album, tmp_path / f"{name}.tar", short_side_px=100)
        for path in album.rglob("*.*"):
            os.utime(path, (10**9, 10**9))
    assert (tmp_path / "x.tar").read_bytes() == (tmp_path / "y.tar").read_bytes()


def test_other_programs_can_unpack_it(album: Path, tmp_path: Path) -> None:
    prepare(album, tmp_path / "x.tar")
    subprocess.run(["tar", "-xf", "x.tar"], cwd=tmp_path, check=True)
    assert open_pictures(tmp_path / "c.jpg", silent).read(0).shape == (300, 451, 3)


def test_long_and_foreign_names(tmp_path: Path, coffee: U8) -> None:
    names = ["度假 照片.png", f"{'x' * 90}/{'y' * 90}.png", os.fsdecode(b"latin-\xe9.png")]
    for i, name in enumerate(names):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(coffee[i : i + 30, :30]).save(tmp_path / "in" / name)
    prepare(tmp_path / "in", tmp_path / "x.tar")
    pictures = open_pictures(tmp_path / "x.tar", silent)
    assert pictures.names == [name.replace(".png", ".jpg") for name in sorted(names)]
    assert len(pictures.fingerprint) == 32
    assert np.abs(pictures.read(0).astype(int) - open_pictures(tmp_path / "in", silent).read(0)).mean() < 3


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Thirty pictures of noise, some 0.08 MB each as JPEG."""
    noise = np.random.Generator(np.random.PCG64(0))
    (tmp_path / "many").mkdir()
    for i in range(30):
        Image.fromarray(noise.integers(0, 256, (256, 256, 3), np.uint8)).save(tmp_path / "many" / f"{i:02}.jpg", quality=90)
    return tmp_path / "many"


def test_a_large_set_has_parts(many: Path, tmp_path: Path) -> None:
    made = prepare(many, tmp_path / "x.tar", shard_mb=1)
    assert [path.name for path in made.files] == ["x-000.tar", "x-001.tar", "x-002.tar"]
    assert all(path.stat().st_size < 1.1e6 for path in made.files)
    assert files(tmp_path) == ["many", "x-000.tar", "x-001.tar", "x-002.tar"]
    whole = open_pictures(tmp_path / "x.tar", silent)  # the name that was typed
    assert whole.names == [f"{i:02}.jpg" for i in range(30)]
    assert whole.fingerprint == open_pictures(made.files, silent).fingerprint
    (tmp_path / "folder").mkdir()
    for path in made.files:
        path.rename(tmp_path / "folder" / path.name)
    assert open_pictures(tmp_path / "folder", silent).fingerprint == whole.fingerprint
    assert len(open_pictures(tmp_path / "folder" / "x-001.tar", silent)) < 20


@pytest.mark.parametrize("gone", ["000", "001", "002"])
def test_a_part_that_is_missing(many: Path, tmp_path: Path, gone: str) -> None:
    prepare(many, tmp_path / "x.tar", shard_mb=1)
    (tmp_path / f"x-{gone}.tar").unlink()
    with pytest.raises(DataError, match=r"Parts of .*x\.tar are missing"):
        open_pictures(tmp_path / "x.tar", silent)


def test_force_replaces_the_whole_set(many: Path, album: Path, tmp_path: Path) -> None:
    prepare(many, tmp_path / "x.tar", shard_mb=1)
    with pytest.raises(OutputError, match=r"x-000\.tar exists already"):
        prepare(album, tmp_path / "x.tar")
    (tmp_path / "x-notes.tar").write_bytes(b"mine")
    assert prepare(album, tmp_path / "x.tar", force=True).files == [tmp_path / "x.tar"]
    assert files(tmp_path) == ["many", "photos", "x-notes.tar", "x.tar"]
    prepare(many, tmp_path / "x.tar", shard_mb=1, force=True)
    assert files(tmp_path) == ["many", "photos", "x-000.tar", "x-001.tar", "x-002.tar", "x-notes.tar"]


@pytest.mark.parametrize("when", ["while it works", "while it puts parts in place"])
def test_whole_or_not_at_all(many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    out = tmp_path / "out"
    prepare(many, out / "x.tar", shard_mb=256)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert list(before) == ["x.tar"]

    def stop(done: int, total: int) -> None:
        if done == 10 and when == "while it works":
            raise KeyboardInterrupt

    replace = Path.replace

    def fail(path: Path, target: Path) -> Path:
        if path.name == "part-1" and when != "while it works":
            raise KeyboardInterrupt
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", fail if when != "while it works" else replace)
    if when != "while it works":  # write_whole, too, ends with a rename
        monkeypatch.setattr(
            shards, "write_whole", lambda path, data: (path.parent.mkdir(exist_ok=True), path.write_bytes(data))
        )
    with pytest.raises(KeyboardInterrupt):
        prepare(many, out / "x.tar", shard_mb=1, force=True, progress=stop)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_ctrl_c_in_the_real_command(tmp_path: Path, astronaut: U8) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(astronaut).save(tmp_path / "photo.jpg", quality=90)
    photo = (tmp_path / "photo.jpg").read_bytes()
    for i in range(300):
        (tmp_path / "in" / f"{i}.jpg").write_bytes(photo + i.to_bytes(2, "big"))
    program = (
        "import signal; from huafeng import cli\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore Ctrl-C\n"
        "exit(cli.run(['prepare', 'in', '-o', 'out/x.tar', '--shard-mb', '1']))"
    )
    run = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 20
    while not list(tmp_path.glob("out/.huafeng-*/part-*")) and time.monotonic() < until:
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    assert (run.communicate(timeout=20)[1].strip(), run.returncode) == ("Stopped.", 130)
    assert files(tmp_path / "out") == []


def test_no_room(album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="no room left"):
        prepare(album, tmp_path / "out" / "x.tar")
    assert files(tmp_path / "out") == []


def test_what_cannot_be_read_is_left_out(album: Path, tmp_path: Path) -> None:
    (album / "a.jpg").write_bytes((album / "a.jpg").read_bytes()[:5000])
    (album / "d.jpg").write_bytes(b"no picture at all")
    made = prepare(album, tmp_path / "x.tar")
    assert made.pictures == 2
    assert list(made.unreadable) == ["a.jpg", "d.jpg"]
    assert "cut off" in made.unreadable["a.jpg"]
    for path in album.rglob("*.*"):
        path.write_bytes(b"no picture at all")
    with pytest.raises(DataError, match="None of the 5 pictures in .*photos can be read"):
        prepare(album, tmp_path / "y.tar")
    assert files(tmp_path) == ["photos", "x.tar"]


def rewritten(path: Path, change: Callable[[dict], object]) -> None:
    """The shard with another index."""
    inside = contents(path)
    index = json.loads(inside[shards.INDEX])
    change(index)
    inside[shards.INDEX] = json.dumps(index).encode()
    with tarfile.open(path, "w") as tar:
        for name, data in inside.items():
            shards._add(tar, name, data)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-25_000]), "not a whole shard"),
        (lambda path: path.write_bytes(path.read_bytes()[:700]), "not a whole shard"),
        (lambda path: path.write_bytes(b"this is no tar" * 100), "not a whole shard"),
        (lambda path: path.write_bytes(b""), "not a whole shard"),
        (lambda path: rewritten(path, lambda index: index["pictures"].pop("c.jpg")), "not a whole shard"),
        (lambda path: rewritten(path, lambda index: index.update(pictures=["a.jpg", "a-2.jpg", "c.jpg"])), "not a whole shard"),
        (lambda path: rewritten(path, lambda index: index["pictures"].update({"z.jpg": [9, 9]})), "not a whole shard"),
        (lambda path: rewritten(path, lambda index: index.update(part="first")), "not a whole shard"),
        (lambda path: rewritten(path, lambda index: index.update(version=2)), "another version of Huafeng"),
        (lambda path: rewritten(path, lambda index: index.pop("format")), "not a whole shard"),
        (lambda path: tarfile.open(path, "w").close(), "was not written by huafeng prepare"),
    ],
)
def test_shards_that_are_damaged(album: Path, tmp_path: Path, spoil: Callable[[Path], object], words: str) -> None:
    prepare(album, tmp_path / "x.tar")
    assert len(open_pictures(tmp_path / "x.tar", silent)) == 3
    spoil(tmp_path / "x.tar")
    with pytest.raises(DataError, match=words):
        open_pictures(tmp_path / "x.tar", silent)


def test_a_members_damage_is_found_when_it_is_read(album: Path, tmp_path: Path) -> None:
    prepare(album, tmp_path / "x.tar")
    info = members(tmp_path / "x.tar")[1]
    with (tmp_path / "x.tar").open("r+b") as file:
        file.seek(info.offset_data)
        file.write(bytes(info.size))
    said: list[str] = []
    pictures = open_pictures(tmp_path / "x.tar", said.append)
    assert np.array_equal(pictures.read(0), pictures.read(1))
    assert len(said) == 1
    assert said[0].startswith("a.jpg ")


# --- the command


def test_the_command(huafeng: Run, album: Path) -> None:
    (album / "d.jpg").write_bytes(b"no picture")
    ran = huafeng("prepare", "../photos", "-o", "x.tar", "--short-side-px", "100", "--quality", "80")
    assert (ran.code, ran.out) == (0, "x.tar\n")
    assert ran.err.splitlines() == [
        f"3 pictures, {Path('x.tar').stat().st_size / 1e6:,.1f} MB.",
        "Left out as exact duplicates: sub/b.png.",
        "Left out, as they cannot be read: d.jpg; huafeng doctor says why.",
    ]
    small = Path("x.tar").stat().st_size
    refused(huafeng("prepare", "../photos", "-o", "x.tar"), "x.tar exists already", "--force")
    assert Path("x.tar").stat().st_size == small
    assert huafeng("prepare", "../photos", "-o", "x.tar", "--force").code == 0
    assert Path("x.tar").stat().st_size > small


def test_faces_alone(huafeng: Run, album: Path, tmp_path: Path, astronaut: U8) -> None:
    """A square around the largest face, all cut alike; photos without one are told."""
    pytest.importorskip("cv2", reason="faces need the extra portrait")
    Image.fromarray(astronaut).save(album / "portrait.png")
    ran = huafeng("prepare", str(album), "--faces", "--short-side-px", "96", "-o", str(tmp_path / "faces.tar"))
    assert ran.code == 0
    assert "no face was found: a.jpg, a.webp, c.png and 1 more" in ran.err
    found = open_pictures([tmp_path / "faces.tar"], silent)
    pictures = [found.read(i) for i in range(len(found))]
    assert {picture.shape for picture in pictures} == {(96, 96, 3)}
    square = face_square(astronaut)
    assert square is not None
    face = find_frames(resize(square, 384, 384))[0]
    assert face.width / 384 == pytest.approx(FACE_SHARE, abs=0.06)
    assert (face.x + face.width / 2) / 384 == pytest.approx(0.5, abs=0.04)
    assert (face.y + face.height / 2) / 384 == pytest.approx(FACE_MIDDLE, abs=0.04)


def test_a_face_near_the_edge_stays_in_the_photo(astronaut: U8) -> None:
    pytest.importorskip("cv2", reason="faces need the extra portrait")
    whole = face_square(astronaut)
    assert whole is not None
    face = find_frames(astronaut)[0]
    cut = astronaut[:, round(face.x) - 4 :]  # the square's left part is gone
    square = face_square(cut)
    assert square is not None
    assert abs(square.shape[0] - whole.shape[0]) <= 0.1 * whole.shape[0]
    assert square.shape[0] == square.shape[1]


def test_edges_beside_their_photos(huafeng: Run, tmp_path: Path) -> None:
    """A grey field with a black square: black lines of its four sides on white, to the left of the photo; plain is plain."""
    pytest.importorskip("cv2", reason="edges need the extra portrait")
    (tmp_path / "a").mkdir()
    picture = np.full((80, 100, 3), 200, np.uint8)
    picture[20:60, 30:70] = 20
    Image.fromarray(picture).save(tmp_path / "a" / "square.png")
    Image.fromarray(np.full((80, 100, 3), 128, np.uint8)).save(tmp_path / "a" / "plain.png")
    assert huafeng("prepare", str(tmp_path / "a"), "--edges", "--quality", "100", "-o", str(tmp_path / "x.tar")).code == 0
    found = open_pictures([tmp_path / "x.tar"], silent)
    plain, pair = (found.read(i) for i in range(2))
    assert pair.shape == (80, 200, 3)
    assert plain[:, :100].min() >= 250
    assert np.abs(pair[:, 100:].astype(int) - picture).max() <= 8
    dark = pair[:, :100, 0] < 128
    for line in (dark[18:22, 40:60], dark[58:62, 40:60]):
        assert line.any(0).all()
    for line in (dark[30:50, 28:32], dark[30:50, 68:72]):
        assert line.any(1).all()
    assert not dark[25:55, 35:65].any()
    assert dark.sum() <= 4 * 42


def test_ink_lies_on_the_darker_side(huafeng: Run, tmp_path: Path) -> None:
    """A step of 100 levels between columns 39 and 40: beyond it, at 38 and 39, where the finer Gaussian is darker by
    100 (Phi(d / 1) - Phi(d / 1.6)), d = -1.5 and -0.5 px: by 10.7 and 6.9 levels, is ink; the other side stays white."""
    pytest.importorskip("cv2", reason="drawings need the extra portrait")
    (tmp_path / "a").mkdir()
    picture = np.full((80, 100, 3), 60, np.uint8)
    picture[:, 40:] = 160
    Image.fromarray(picture).save(tmp_path / "a" / "step.png")
    assert huafeng("prepare", str(tmp_path / "a"), "--ink", "--quality", "100", "-o", str(tmp_path / "x.tar")).code == 0
    pair = open_pictures([tmp_path / "x.tar"], silent).read(0)
    assert pair.shape == (80, 200, 3)
    drawn = pair[40, :100, 0].astype(int)
    assert drawn[38:40].max() <= 6
    assert drawn[40:].min() >= 249
    assert drawn[:34].min() >= 249


def test_lines_or_ink(huafeng: Run, album: Path, tmp_path: Path) -> None:
    refused(huafeng("prepare", str(album), "--edges", "--ink", "-o", str(tmp_path / "x.tar")), "take one of them")


def test_no_faces_at_all(huafeng: Run, album: Path, tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="faces need the extra portrait")
    (album / "a.webp").unlink()
    refused(huafeng("prepare", str(album), "--faces", "-o", str(tmp_path / "x.tar")), "No face was found", "leave --faces away")
    assert not (tmp_path / "x.tar").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["../gone", "-o", "x.tar"], "There is no file or folder ../gone"),
        (["../empty", "-o", "x.tar"], "has no pictures in it"),
        (["../photos", "-o", "x.zip"], "let its name end in .tar"),
        (["../photos", "-o", "../photos/x.tar"], "choose a place outside"),
        (["../photos", "-o", "../photos/a.jpg/x.tar"], "choose a place outside"),
        (["../photos", "-o", "."], "let its name end in .tar"),
        (["../photos"], "--out"),
        (["../photos", "-o", "x.tar", "--quality", "0"], "--quality"),
        (["../photos", "-o", "x.tar", "--short-side-px", "8"], "--short-side-px"),
    ],
)
def test_mistakes(huafeng: Run, album: Path, tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "empty").mkdir()
    refused(huafeng("prepare", *arguments), words)
    assert files(Path()) == []


def test_help_shows_an_example_and_imports_nothing_heavy() -> None:
    program = (
        "import sys; from huafeng import cli; code = cli.run(['prepare', '--help'])\n"
        "assert code == 0 and not {'numpy', 'PIL', 'torch', 'rich'} & set(sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "\n  huafeng prepare " in ran.stdout
