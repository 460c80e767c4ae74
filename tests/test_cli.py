"""The command line as it should be used; what goes wrong is in test_cli_errors.py."""

from __future__ import annotations

import io
import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import U8, Run
from PIL import Image

from huafeng import Edit, Photo, StyleWeight, Stylizer, __version__, cli, sheet
from huafeng.cube import read_cube, read_hald
from huafeng.library import Library
from huafeng.pixels import Array

LOOKS = ("negative", "dark")


@pytest.fixture
def photo(huafeng: Run, coffee: U8) -> Path:
    """coffee.png in the working folder, 150 x 100."""
    Image.fromarray(np.ascontiguousarray(coffee[100:300:2, :300:2])).save("coffee.png")
    return Path("coffee.png")


def pixels(path: str | Path) -> Array:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def files() -> list[str]:
    return sorted(str(path) for path in Path().rglob("*") if path.is_file())


def test_help_is_fast_and_plain() -> None:
    took = []
    for _ in range(5):
        started = time.perf_counter()
        ran = subprocess.run([sys.executable, "-m", "huafeng", "--help"], capture_output=True, text=True, check=True)
        took.append(time.perf_counter() - started)
    assert min(took) < 0.3
    assert all(verb in ran.stdout for verb in ("apply", "styles", "cube"))


@pytest.mark.parametrize("verb", ["apply", "styles", "cube", "lint"])
def test_every_verb_shows_an_example(huafeng: Run, verb: str) -> None:
    ran = huafeng(verb, "--help")
    assert ran.code == 0
    assert f"\n  huafeng {verb} " in ran.out


def test_version(huafeng: Run) -> None:
    assert huafeng("--version") == (0, f"huafeng {__version__}\n", "")


def test_nothing_typed_shows_the_help(huafeng: Run) -> None:
    ran = huafeng()
    assert ran.code == 0
    assert ran.out.startswith("Usage: huafeng")


def test_one_photo_goes_beside_its_source(huafeng: Run, photo: Path) -> None:
    ran = huafeng("apply", "negative", "coffee.png")
    assert ran == (0, "coffee.png -> coffee-negative.png\n", "")
    assert files() == ["coffee-negative.png", "coffee.png"]
    assert np.abs(255 - pixels("coffee.png") - pixels("coffee-negative.png")).max() <= 1


def test_the_real_command(styles_folder: Path, photo: Path) -> None:
    """Also: a name that begins with a hyphen, behind `--`, in Chinese and with spaces."""
    photo.rename("-度假 一.png")
    command = [sys.executable, "-m", "huafeng", "apply", "negative", "-o", "out/", "--", "-度假 一.png"]
    ran = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert ran.stdout == f"-度假 一.png -> {Path('out', '-度假 一-negative.png')}\n"
    assert (Path("out") / "-度假 一-negative.png").is_file()


@pytest.mark.parametrize("name", ["./-x.png", "照片.png", "two words.png", "a+b.png", "[bold]x.png", "A.PNG"])
def test_names_that_are_odd(huafeng: Run, photo: Path, name: str) -> None:
    photo.rename(name)
    ran = huafeng("apply", "negative", name)
    assert ran.code == 0
    assert (Path.cwd() / f"{Path(name).stem}-negative{Path(name).suffix}").is_file()


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("NEGATIVE", "coffee-negative.png"),
        ("负片", "coffee-negative.png"),
        ("negative:3+dark", "coffee-negative+dark.png"),
        ("../my styles/dark.style", "coffee-dark.png"),
    ],
)
def test_the_style_names_the_result(huafeng: Run, photo: Path, typed: str, name: str) -> None:
    assert huafeng("apply", typed, "coffee.png").code == 0
    assert Path(name).is_file()


def test_a_mix_is_what_the_api_makes_of_it(huafeng: Run, photo: Path) -> None:
    assert huafeng("apply", "negative:3+dark:1", "coffee.png", "--strength", "0.5", "-o", "mix.png").code == 0
    edit = Edit((StyleWeight("negative", 3), StyleWeight("dark", 1)), strength=0.5)
    assert np.array_equal(Stylizer().apply(Photo.open("coffee.png"), edit).pixels, pixels("mix.png"))


def test_art_with_all_its_options(huafeng: Run, photo: Path) -> None:
    options = ["--strength=0.9", "--stroke=1.5", "--detail=0.2", "--keep-colors", "--box=0,0,0.5,1", "--feather=0"]
    assert huafeng("apply", "monet+ink:2", "coffee.png", *options).code == 0
    difference = np.abs(pixels("coffee-monet+ink.png") - pixels("coffee.png"))
    assert difference[:, :75].mean() > 1
    assert difference[:, 75:].max() == 0


def test_strength_zero_gives_the_photos_own_pixels(huafeng: Run, photo: Path) -> None:
    assert huafeng("apply", "monet", "coffee.png", "--strength", "0").code == 0
    assert np.array_equal(pixels("coffee-monet.png"), pixels("coffee.png"))


def test_a_mask_of_another_size_is_resized_and_told(huafeng: Run, photo: Path) -> None:
    mask = np.zeros((10, 20), np.uint8)
    mask[:, 10:] = 255
    Image.fromarray(mask).save("mask.png")
    ran = huafeng("apply", "negative", "coffee.png", "--mask", "mask.png", "--feather", "0")
    assert ran.code == 0
    assert ran.err.startswith("Note: The mask mask.png is 20 x 10 pixels: resized to the photo's 150 x 100.")
    difference = np.abs(pixels("coffee-negative.png") - pixels("coffee.png"))
    assert difference[:, :60].max() == 0
    assert difference[:, 90:].mean() > 20


def test_a_resized_mask_is_told_once_for_photos_of_one_size(huafeng: Run, photo: Path) -> None:
    Path("twin.png").write_bytes(photo.read_bytes())
    Image.new("L", (20, 10), 255).save("../mask.png")
    ran = huafeng("apply", "negative", ".", "--mask", "../mask.png")
    assert ran.code == 0
    assert ran.err.count("Note: The mask") == 1


@pytest.mark.parametrize("out", ["new/", "new", "deep/er/"])
def test_folders_in_and_out(huafeng: Run, photo: Path, out: str) -> None:
    Path("b.jpg").write_bytes(b"")
    Image.open(photo).save("b.jpg")
    for ignored in (".hidden.png", "notes.txt"):
        Path(ignored).write_bytes(b"")
    ran = huafeng("apply", "negative", ".", "-o", out)
    assert ran.code == 0
    assert sorted(ran.out.splitlines()) == [
        f"b.jpg -> {Path(out, 'b-negative.jpg')}",
        f"coffee.png -> {Path(out, 'coffee-negative.png')}",
    ]
    assert "2 of 2 photos done in " in ran.err
    assert sorted(path.name for path in Path(out).iterdir()) == ["b-negative.jpg", "coffee-negative.png"]


def test_a_folder_run_does_not_style_its_own_results(huafeng: Run, photo: Path) -> None:
    for _ in range(2):
        assert huafeng("apply", "negative", ".", "--force").code == 0
    assert files() == ["coffee-negative.png", "coffee.png"]


def test_a_photo_named_twice_is_done_once(huafeng: Run, photo: Path) -> None:
    ran = huafeng("apply", "negative", "coffee.png", ".", "../album/coffee.png")
    assert ran == (0, "coffee.png -> coffee-negative.png\n", "")


def test_jobs_do_not_change_the_results(huafeng: Run, photo: Path) -> None:
    for name in "abcd":
        Path(f"{name}.png").write_bytes(photo.read_bytes())
    for jobs in "13":
        assert huafeng("apply", "negative", ".", "-o", f"../jobs{jobs}", "--jobs", jobs).code == 0
    first, other = (sorted(Path(f"../jobs{jobs}").iterdir()) for jobs in "13")
    assert len(first) == 5
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in other]


def test_formats(huafeng: Run, photo: Path, heic_bytes: bytes) -> None:
    Path("phone.HEIC").write_bytes(heic_bytes)
    assert huafeng("apply", "negative", "phone.HEIC").code == 0
    assert Image.open("phone-negative.jpg").format == "JPEG"
    assert huafeng("apply", "negative", "phone.HEIC", "coffee.png", "--format", "webp").code == 0
    assert Image.open("phone-negative.webp").format == Image.open("coffee-negative.webp").format == "WEBP"
    assert huafeng("apply", "negative", "coffee.png", "-o", "x.jpeg", "--format", "jpg").code == 0
    assert Image.open("x.jpeg").format == "JPEG"


def test_quality_and_gps(huafeng: Run, photo: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    Image.open(photo).save("gps.jpg", exif=exif)
    assert huafeng("apply", "dark", "gps.jpg", "-o", "small.jpg", "--quality", "5").code == 0
    assert huafeng("apply", "dark", "gps.jpg", "-o", "large.jpg", "--quality", "95", "--keep-gps").code == 0
    assert Path("small.jpg").stat().st_size * 2 < Path("large.jpg").stat().st_size
    assert not Image.open("small.jpg").getexif().get_ifd(0x8825)
    assert Image.open("large.jpg").getexif().get_ifd(0x8825)[1] == "N"


def test_a_saved_edit_gives_the_same_bytes(huafeng: Run, photo: Path) -> None:
    Image.new("L", (150, 100), 128).save("mask.png")
    options = ["--strength=0.8", "--stroke=0.5", "--detail=1", "--keep-colors", "--mask=mask.png", "--feather=0.1"]
    assert huafeng("apply", "monet+dark:2", "coffee.png", *options, "--save-edit", "-o", "a.png").code == 0
    assert huafeng("apply", "--edit", "a.png.edit.json", "coffee.png", "-o", "b.png").code == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    assert Edit.from_json(Path("a.png.edit.json").read_text("utf-8")).strength == 0.8


def test_options_beside_an_edit_take_its_place(huafeng: Run, photo: Path) -> None:
    assert huafeng("apply", "dark", "coffee.png", "--box=0,0,0.5,1", "--feather=0", "--save-edit").code == 0
    edit = ["apply", "--edit", "coffee-dark.png.edit.json", "coffee.png", "--save-edit", "-o", "b.png"]
    assert huafeng(*edit, "--strength", "0.5", "--new-colors", "--feather", "0.2").code == 0
    before, after = (json.loads(Path(f"{name}.edit.json").read_text()) for name in ("coffee-dark.png", "b.png"))
    before["strength"], before["region"]["feather"] = 0.5, 0.2
    assert before == after


def test_an_edit_over_a_folder_names_its_styles(huafeng: Run, photo: Path) -> None:
    Path("../e.json").write_text(Edit((StyleWeight("negative"), StyleWeight("暗"))).to_json(), "utf-8")
    Path("b.png").write_bytes(photo.read_bytes())
    assert huafeng("apply", ".", "--edit", "../e.json", "-o", "../out/").code == 0
    assert sorted(path.name for path in Path("../out").iterdir()) == ["b-negative+dark.png", "coffee-negative+dark.png"]


def test_the_list_of_styles(huafeng: Run, styles_folder: Path) -> None:
    (styles_folder / "broken.style").write_bytes(b"broken")
    ran = huafeng("styles")
    assert ran.code == 0
    lines = {line.split()[0]: line for line in ran.out.splitlines()}
    assert {"great-wave", "ink", "monet", "shipwreck", "starry-night", "the-scream", "van-gogh", *LOOKS} <= lines.keys()
    for text in ("look", "Negative", "负片", "A. Nobody", "CC0-1.0", "kB"):
        assert text in lines["negative"]
    assert "art" in lines["monet"]
    assert ran.err.startswith("Not usable: ")
    assert "broken.style: This is not a style file." in ran.err


def test_one_style_in_full(huafeng: Run, styles_folder: Path) -> None:
    ran = huafeng("styles", "负片")
    assert ran.code == 0
    for text in ("negative", "Negative  负片", "colour and tone", "made by formula", "delta_e: 2.5", "0 to 1", " kB"):
        assert text in ran.out
    assert "negative.style" in ran.out.replace("\n", "")


def test_styles_as_json(huafeng: Run, styles_folder: Path) -> None:
    (styles_folder / "broken.style").write_bytes(b"broken")
    found = {entry["name"]: entry for entry in json.loads(huafeng("styles", "--json").out)}
    assert list(found) == Library().names()
    assert "not a style file" in found["broken"]["error"]
    one = json.loads(huafeng("styles", "negative", "--json").out)
    assert one == found["negative"]
    assert one["kind"] == "look"
    assert one["bytes"] == (styles_folder / "negative.style").stat().st_size


def test_the_contact_sheet(huafeng: Run, photo: Path, styles_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "CELL_PX", 180)  # small pictures are painted faster
    (styles_folder / "broken.style").write_bytes(b"broken")
    ran = huafeng("styles", "--sheet", "coffee.png")
    assert (ran.code, ran.out) == (0, "coffee-styles.jpg\n")
    assert ran.err.startswith("Left out: ")
    page = pixels("coffee-styles.jpg")
    count = len(Library().names())  # one is broken, and the photo itself comes first
    columns = (page.shape[1] - sheet.GAP_PX) // (180 + sheet.GAP_PX)
    rows = (page.shape[0] - sheet.GAP_PX) // (120 + 2 * sheet.GAP_PX + sheet.TEXT_PX)
    assert 0 <= columns * rows - count < columns
    first = page[sheet.GAP_PX :, sheet.GAP_PX :][:120, :180]
    small = np.asarray(Image.fromarray(first.astype(np.uint8)).resize((150, 100))).astype(int)
    assert np.abs(small - pixels("coffee.png")).mean() < 6


def test_a_sheet_of_one_style_shows_it_beside_the_photo(huafeng: Run, photo: Path) -> None:
    assert huafeng("styles", "negative", "--sheet", "coffee.png", "-o", "sheet.png").code == 0
    page, gap = pixels("sheet.png"), sheet.GAP_PX
    original, negative = page[gap : gap + 320, gap : gap + 480], page[gap : gap + 320, 2 * gap + 480 :][:, :480]
    assert np.abs(255 - original - negative).mean() < 2
    titles = page[gap + 320 + 1 : -gap]
    assert (titles[:, : 480 + gap] < 128).any()
    assert (titles[:, 480 + 2 * gap :] < 128).any()


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (3, 2), (8, 3), (9, 3), (12, 4), (16, 4)])
def test_a_sheets_page_is_near_a_cards_shape(count: int, columns: int) -> None:
    assert sheet.columns_for(count, 496, 374) == columns


def test_a_title_too_long_for_its_picture_is_cut() -> None:
    cells = [sheet.Cell(np.zeros((30, 20, 3), np.uint8), "A very long title " * 9)] * 2
    page = sheet.contact_sheet(cells)
    assert (page[:, : sheet.GAP_PX] == sheet.PAPER).all()
    assert (page[:, -sheet.GAP_PX :] == sheet.PAPER).all()


def test_a_cube_holds_the_look(huafeng: Run) -> None:
    assert huafeng("cube", "negative", "-o", "n.cube") == (0, "n.cube\n", "")
    lut = read_cube(Path("n.cube").read_text("utf-8"))
    assert lut.size == 33
    ramp = np.linspace(1, 0, 33)
    assert np.abs(lut.table[:, 0, 0, 0] - ramp).max() < 1e-5
    assert huafeng("cube", "negative", "-o", "small.cube", "--size", "9").code == 0
    assert read_cube(Path("small.cube").read_text("utf-8")).size == 9


def test_a_haldclut_holds_the_look(huafeng: Run) -> None:
    assert huafeng("cube", "负片", "-o", "n.png").code == 0
    assert Image.open("n.png").size == (512, 512)
    lut = read_hald(np.asarray(Image.open("n.png")))
    assert np.abs(lut.table[:, 0, 0, 0] - np.linspace(1, 0, 64)).max() < 1 / 255
    assert huafeng("cube", "negative", "-o", "small.png", "--size", "16").code == 0
    assert Image.open("small.png").size == (64, 64)


@pytest.mark.parametrize("name", ["n.cube", "n.png"])
def test_what_cube_writes_is_a_style_for_apply(huafeng: Run, photo: Path, name: str) -> None:
    assert huafeng("cube", "negative", "-o", name).code == 0
    assert huafeng("apply", name, "coffee.png", "-o", "a.png").code == 0
    assert np.abs(255 - pixels("coffee.png") - pixels("a.png")).max() <= 1


def test_main_ends_with_the_exit_code(huafeng: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["huafeng", "styles", "nothing-like-it"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_results_are_listed_where_stdout_is_no_terminal(huafeng: Run, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("b.png").write_bytes(photo.read_bytes())
    monkeypatch.setattr(sys, "stderr", Terminal())  # as in: huafeng apply negative . > list.txt
    ran = huafeng("apply", "negative", ".")
    assert sorted(ran.out.splitlines()) == ["b.png -> b-negative.png", "coffee.png -> coffee-negative.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_closed_streams_are_no_mistake(huafeng: Run, photo: Path) -> None:
    Path("b.png").write_bytes(photo.read_bytes())
    for arguments in ("styles", "apply negative coffee.png b.png"):
        line = f"exec {shlex.quote(sys.executable)} -m huafeng {arguments} <&- >&- 2>&-"
        assert subprocess.run(["sh", "-c", line], check=False).returncode == 0
    assert Image.open("b-negative.png").size == Image.open("coffee-negative.png").size


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_behind_stdout_is_no_bug(huafeng: Run) -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run([sys.executable, "-m", "huafeng", "styles"], stdout=full, stderr=subprocess.PIPE, check=False)
    assert ran.returncode == 1
    assert ran.stderr.startswith(b"Error: The disk has no room left")
