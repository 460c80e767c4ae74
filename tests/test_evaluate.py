"""`huafeng evaluate` from the command line to the report: the baselines that it must reach, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Ran
from conftest import Run as CommandLine
from PIL import Image
from scipy.ndimage import gaussian_filter
from test_evaluate_space import onnx_file
from test_runs import change, trained  # noqa: F401 - a fixture

from huafeng import Style
from huafeng.evaluation.evaluate import Options, evaluate
from huafeng.evaluation.figure import Figure
from huafeng.evaluation.result import Evaluation, from_json, to_json
from huafeng.library import BUILT_IN
from huafeng.pixels import U8, resize
from huafeng.training.run import OPTIONS

SMALL = "photo96-crop64-v1"
GRID = "photo256-crop256-v1"
COUNT = 12
IDENTITY = "LUT_3D_SIZE 2\n" + "".join(f"{r} {g} {b}\n" for b in (0, 1) for g in (0, 1) for r in (0, 1))


@pytest.fixture(scope="session")
def pieces(astronaut: U8, chelsea: U8, coffee: U8, rocket: U8) -> list[U8]:
    """Twelve pieces uint8 [150, 180, 3] of four photos, which do not overlap."""
    corners = [(0, 0), (0, 200), (150, 0)]
    return [
        np.ascontiguousarray(photo[y : y + 150, x : x + 180])
        for y, x in corners
        for photo in (astronaut, chelsea, coffee, rocket)
    ]


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory, pieces: list[U8]) -> Path:
    return written(tmp_path_factory.mktemp("pictures") / "photos", pieces)


@pytest.fixture(scope="session")
def paintings() -> list[U8]:
    """Twenty-four pictures of blurred noise in ochre: their style has nothing of a photo."""
    found = []
    for seed in range(24):
        draw = np.random.default_rng(seed)
        noise = gaussian_filter(draw.normal(size=(80, 96, 3)), (2 + seed % 3, 2, 0))
        found.append((128 + 400 * noise + (60, 10, -70)).clip(0, 255).astype(np.uint8))
    return found


@pytest.fixture(scope="session")
def works(tmp_path_factory: pytest.TempPathFactory, paintings: list[U8]) -> Path:
    return written(tmp_path_factory.mktemp("works") / "ochre", paintings[:12])


def written(folder: Path, pictures: list[U8], name: str = "{:02}.png") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i, picture in enumerate(pictures):
        Image.fromarray(np.ascontiguousarray(picture)).save(folder / name.format(i), compress_level=1)
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _cached(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUAFENG_CACHE", str(cache))


def measured(subject: Path | str, photos: Path, scratch: Path, **options: Any) -> Evaluation:
    """The evaluation of one subject, without the command line."""
    given = replace(Options(photos=photos, protocol=SMALL, threads=1, tell=lambda sentence: None), **options)
    (found,) = evaluate([str(subject)], given, scratch)
    return found.evaluation


def figure(found: Evaluation, name: str) -> Figure:
    there = found.figure(name) or found.figure(f"{name}-features-v1")
    assert there is not None, name
    return there


# --- what it must reach


def test_the_identity_closes_no_gap_and_keeps_all(photos: Path, works: Path, pieces: list[U8], tmp_path: Path) -> None:
    """A look that changes nothing, and copies of the photos: the two baselines that figures come with are met exactly."""
    (tmp_path / "same.cube").write_text(IDENTITY)
    for subject in (tmp_path / "same.cube", written(tmp_path / "copies", pieces)):
        found = measured(subject, photos, tmp_path, works=works)
        for name, value in {"style-gap-closed": 0, "content-kept": 1, "ssim": 1, "mse": 0, "psnr": 100, "ciede2000": 0}.items():
            assert figure(found, name).value == pytest.approx(value, abs=1e-6), name
        for one in found.figures:
            if one.identity is not None and one.name != "face-shift":
                assert one.value == pytest.approx(one.identity, abs=1e-5), one.name
        assert figure(found, "style-gap-closed").interval == pytest.approx((0, 0), abs=1e-9)
        assert figure(found, "curve-area").value == pytest.approx(0, abs=1e-6)
        assert found.safe_strength == (0, 1)


def test_other_works_in_the_photos_place_close_the_gap_and_keep_nothing(
    photos: Path, works: Path, paintings: list[U8], tmp_path: Path
) -> None:
    """Works that are not among those compared with: 1 and 0, within the intervals, and they are not called mixed up."""
    results = [resize(painting, 180, 150) for painting in paintings[12:]]
    found = measured(written(tmp_path / "works", results), photos, tmp_path, works=works)
    closed, kept = figure(found, "style-gap-closed"), figure(found, "content-kept")
    assert closed.value == pytest.approx(1, abs=0.05)
    assert closed.interval is not None
    assert closed.interval[0] - 0.03 < 1 < closed.interval[1] + 0.03
    assert kept.value == pytest.approx(0, abs=0.1)
    assert kept.random == pytest.approx(0, abs=0.1)
    for name in ("recoloured-160", "recoloured"):
        filtered = figure(found, name)
        assert (filtered.identity, filtered.count) == (1, COUNT)
        assert filtered.value == pytest.approx(0, abs=0.3)  # 20 free numbers on blurred noise of few blots
        assert filtered.random == pytest.approx(0, abs=0.3)


def test_works_that_are_photos_leave_no_gap(photos: Path, pieces: list[U8], tmp_path: Path) -> None:
    (tmp_path / "same.cube").write_text(IDENTITY)
    found = measured(tmp_path / "same.cube", photos, tmp_path, works=photos)
    assert found.figure("style-gap-closed-features-v1") is None
    assert any("there is no gap" in sentence for sentence in found.left_out)
    assert (found.curve, found.safe_strength) == ((), None)
    assert figure(found, "kid").value < 0.05


def test_two_runs_and_two_threads_give_the_same_figures(photos: Path, works: Path, tmp_path: Path) -> None:
    """All that the JSON says is the same, but for the seconds. An art, whose painter is shared by the threads."""
    facts = []
    for threads in (1, 1, 2):
        found = json.loads(to_json([measured("monet", photos, tmp_path, works=works, threads=threads)]))
        assert found[0].pop("seconds") > 0
        facts.append(found)
    assert facts[0] == facts[1]
    assert facts[0] == facts[2]


def test_every_value_is_finite_and_lies_in_its_interval(photos: Path, works: Path, tmp_path: Path) -> None:
    (tmp_path / "warm.cube").write_text(IDENTITY.replace("1 1 1", "1 0.9 0.6"))
    found = measured(tmp_path / "warm.cube", photos, tmp_path, works=works)
    large = measured(tmp_path / "warm.cube", photos, tmp_path, protocol=GRID, limit=10)
    assert {"kid-features-v1", "frechet-features-v1", "gram-distance-features-v1"} <= {one.name for one in found.figures}
    assert {one.name for one in large.figures} >= {"ms-ssim", "grid", "halo"}
    for one in (*found.figures, *large.figures):
        assert all(np.isfinite([one.value, one.identity or 0, one.random or 0]))
        if one.interval:
            assert one.interval[0] <= one.value + 1e-9
            assert one.value - 1e-9 <= one.interval[1]
    assert [point.strength for point in found.curve] == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert found.curve[-1].style_gap_closed == pytest.approx(figure(found, "style-gap-closed").value)
    assert found.curve[-1].content_kept == pytest.approx(figure(found, "content-kept").value)
    assert any("Frechet distance is biased under 2,000 pictures" in sentence for sentence in found.warnings)


def test_without_works_style_is_left_out_and_said(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "same.cube").write_text(IDENTITY)
    found = measured(tmp_path / "same.cube", photos, tmp_path)
    assert not [one.name for one in found.figures if one.name.startswith(("style", "kid", "frechet", "gram", "curve"))]
    assert "Style figures and the strength curve need works: --works DIR." in found.left_out
    assert figure(found, "content-kept").random == pytest.approx(0, abs=0.2)


# --- pictures as users have them


def test_all_kinds_of_photos(pieces: list[U8], tmp_path: Path) -> None:
    """Grey, with transparency, of 16 bits, turned by EXIF: each is what it shows, and a copy of it keeps everything."""
    folder, plain = written(tmp_path / "photos", pieces), tmp_path / "copies"
    copies = list(pieces)
    grey = Image.fromarray(pieces[0]).convert("L")
    grey.save(folder / "00.png")
    copies[0] = np.asarray(grey.convert("RGB"))
    Image.fromarray(np.dstack([pieces[1], np.full((150, 180), 255, np.uint8)])).save(folder / "01.png")
    Image.fromarray(np.asarray(grey).astype(np.uint16) * 257).save(folder / "02.png")
    copies[2] = copies[0]
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying: to be turned a quarter clockwise
    Image.fromarray(np.rot90(pieces[3])).save(folder / "03.webp", exif=exif, lossless=True)
    (folder / "03.png").unlink()
    found = measured(written(plain, copies), folder, tmp_path)
    assert figure(found, "mse").value == pytest.approx(0, abs=1e-9)
    assert figure(found, "mse").count == COUNT


def test_corrupt_pictures_are_left_out_and_told(photos: Path, pieces: list[U8], tmp_path: Path) -> None:
    """One without a header is told at once, one that is cut off in the report; neither has another one in its place."""
    folder, told = written(tmp_path / "photos", [*pieces, pieces[0]]), list[str]()
    (folder / "00.png").write_bytes(b"no picture")
    (folder / "05.png").write_bytes((folder / "05.png").read_bytes()[:5000])
    (tmp_path / "same.cube").write_text(IDENTITY)
    found = measured(tmp_path / "same.cube", folder, tmp_path, tell=told.append)
    assert told == ["1 of 13 pictures cannot be read and is left out: 00.png."]
    assert "Photos that cannot be read are left out: 05.png." in found.warnings
    assert {one.count for one in found.figures if one.name in {"mse", "ssim"}} == {11}


def test_results_of_other_sizes_are_fine_and_of_other_proportions_not(
    photos: Path, pieces: list[U8], tmp_path: Path, huafeng: CommandLine
) -> None:
    folder = written(tmp_path / "half", [resize(piece, 90, 75) for piece in pieces], "{:02}-mine.png")
    assert figure(measured(folder, photos, tmp_path), "ssim").value > 0.5
    Image.fromarray(pieces[4][:, :150]).save(folder / "04-mine.png")
    ran = huafeng("evaluate", str(folder), "--photos", str(photos), "--protocol", SMALL)
    refused(ran, "04-mine.png has 150 x 150 px", "04.png")


def test_the_longest_name_is_the_photos(pieces: list[U8], tmp_path: Path) -> None:
    """ "a-1-monet" is the result of the photo "a-1", though there is a photo "a", too."""
    folder, results = tmp_path / "photos", tmp_path / "results"
    names = ["a", *(f"a-{i}" for i in range(1, COUNT))]
    for name, piece in zip(names, pieces, strict=True):
        written(folder, [piece], f"{name}.png")
        written(results, [piece], f"{name}-monet-big.png")
    found = measured(results, folder, tmp_path)
    assert (figure(found, "mse").value, figure(found, "mse").count) == (0, COUNT)


# --- the command line


def refused(ran: Ran, *words: str) -> None:
    """Exit code 2, nothing on stdout, one line of error, and nothing written."""
    assert ran.code == 2, ran.err
    assert ran.out == ""
    *_, line = ran.err.splitlines()
    assert line.startswith("Error: ")
    assert "Traceback" not in ran.err
    for word in words:
        assert word in line
    assert not Path("evaluation").exists()


@pytest.fixture
def small(huafeng: CommandLine, photos: Path) -> Callable[..., Ran]:
    """`huafeng evaluate ... --photos` in the small protocol, in an empty folder."""

    def run(*arguments: str) -> Ran:
        return huafeng("evaluate", "--photos", str(photos), "--protocol", SMALL, "--threads", "1", *arguments)

    return run


def test_a_report_from_the_command_line(small: Callable[..., Ran], works: Path) -> None:
    ran = small("--compare", "negative", "dark", "--works", str(works), "--limit", "10")
    assert ran.code == 0, ran.err
    assert ran.out.split()[-2:] == ["evaluation/evaluation.json", "evaluation/report.html"]
    assert "Content kept" in ran.out
    assert "negative: Frechet distance is biased" in ran.err
    entries = json.loads(Path("evaluation/evaluation.json").read_text("utf-8"))
    assert [entry["subject"] for entry in entries] == ["negative", "dark"]
    assert [entry["inputs"]["photos"]["count"] for entry in entries] == [10, 10]
    page = Path("evaluation/report.html").read_text("utf-8")
    assert "data:image/jpeg;base64," in page
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    for text in (page, Path("evaluation/evaluation.json").read_text("utf-8"), ran.out):
        assert str(works.parent) not in text  # where pictures lie is nobody's business
    assert "ochre" in page

    # what is there stays, and nothing is measured in vain
    before = Path("evaluation/evaluation.json").read_bytes()
    again = small("nonsense")
    assert again.code == 2
    assert "evaluation/evaluation.json" in again.err
    assert "--force" in again.err
    assert Path("evaluation/evaluation.json").read_bytes() == before

    # an evaluation of before stands beside a new one, of the same protocol and photos
    (found,) = [one for one in from_json(Path("evaluation/evaluation.json")) if one.subject == "dark"]
    Path("old").mkdir()
    Path("old/evaluation.json").write_text(to_json([found]), "utf-8")
    ran = small("old/evaluation.json", "dark", "-o", "both", "--limit", "10")
    assert ran.code == 0, ran.err
    assert "The figures rest on different works" in ran.err
    assert [one.subject for one in from_json(Path("both/evaluation.json"))] == ["dark (old)", "dark (dark)"]
    shutil.rmtree("evaluation")
    other = small("old/evaluation.json", "dark", "--protocol", "photo128-crop64-v1")
    refused(other, "photo128-crop64-v1 on features-v1", "photo96-crop64-v1 on features-v1")


@pytest.mark.parametrize(
    ("change_text", "words"),
    [
        (lambda text: text[:100], ("is not an evaluation",)),
        (lambda text: text.replace('"version": 1', '"version": 9'), ("another version",)),
        (lambda text: text.replace('"ssim"', '"beauty"'), ("is not an evaluation",)),
        (lambda text: text.replace('"value": ', '"value": NaN, "was": '), ("is not an evaluation",)),
        (lambda text: "{}", ("is not an evaluation", "another version")),
        (lambda text: "[]", ("another version",)),
    ],
)
def test_evaluations_that_cannot_be_read(huafeng: CommandLine, change_text: Callable[[str], str], words: tuple[str]) -> None:
    found = Evaluation("x", SMALL, "features-v1", {}, (Figure("ssim", 0.5, (0.4, 0.6), 1, None, 10),))
    Path("e.json").write_text(to_json([found]), "utf-8")
    assert from_json(Path("e.json")) == [found]
    Path("e.json").write_text(change_text(to_json([found])), "utf-8")
    ran = huafeng("evaluate", "e.json")
    refused(ran)
    assert any(word in ran.err for word in words)


def test_a_card_is_written_into_the_style(small: Callable[..., Ran], styles_folder: Path, works: Path) -> None:
    before = Style.load(styles_folder / "dark.style")
    ran = small("dark", "--works", str(works), "--card")
    assert ran.code == 0, ran.err
    style = Style.load(styles_folder / "dark.style")
    (found,) = from_json(Path("evaluation/evaluation.json"))
    for name in ("content-kept-features-v1", "ssim"):
        assert style.card.scores[name] == found.figure(name).value  # type: ignore[union-attr]
        assert style.card.scores[f"{name} identity"] == pytest.approx(1)
    assert "delta_e" not in style.card.scores
    assert len(style.examples) == 6
    assert np.array_equal(style.tensors["lut"], before.tensors["lut"])
    assert style.card.title_zh == before.card.title_zh
    assert str(styles_folder / "dark.style") in ran.out.replace("\n", "")


def test_a_card_needs_a_style_file(small: Callable[..., Ran], photos: Path) -> None:
    """It is said before anything is measured."""
    Path("x.cube").write_text(IDENTITY)
    refused(small("x.cube", "--card"), "x is no .style file", "leave --card out")
    refused(small(str(photos), "--card"), "photos is no .style file")


def test_generated_pictures_against_works(huafeng: CommandLine, works: Path, paintings: list[U8]) -> None:
    made = written(Path("made"), paintings[12:])
    ran = huafeng("evaluate", str(made), "--works", str(works), "--protocol", SMALL)
    assert ran.code == 0, ran.err
    (found,) = from_json(Path("evaluation/evaluation.json"))
    names = [one.name.removesuffix("-features-v1") for one in found.figures]
    assert names == ["generated-frechet", "generated-kid", "precision", "recall", "diversity", "duplicates"]
    assert figure(found, "diversity").value == pytest.approx(1, abs=0.3)
    for one in found.figures:
        assert one.interval is not None
        assert one.interval[0] <= one.value <= one.interval[1]
    shutil.rmtree("evaluation")

    # copies: nothing is new in them, and it is told
    ran = huafeng("evaluate", str(works), "--works", str(works), "--protocol", SMALL)
    (found,) = from_json(Path("evaluation/evaluation.json"))
    assert (figure(found, "duplicates").value, figure(found, "recall").value) == (1, 1)
    assert "The made picture most like a real one is" in ran.err


def test_a_network_without_layers_measures_generated_pictures_alone(
    small: Callable[..., Ran], huafeng: CommandLine, works: Path
) -> None:
    onnx_file(Path("pool.onnx"), ("pooled",))
    refused(small("dark", "--features", "pool.onnx"), "no layers for style and content")
    ran = huafeng("evaluate", str(works), "--works", str(works), "--protocol", SMALL, "--features", "pool.onnx")
    assert ran.code == 0, ran.err
    assert any(one.name.startswith("generated-kid-pool-") for one in from_json(Path("evaluation/evaluation.json"))[0].figures)


def test_figures_in_a_network_of_ones_own(photos: Path, works: Path, tmp_path: Path) -> None:
    mine = onnx_file(tmp_path / "mine.onnx", ("layer", "again"))
    found = measured(BUILT_IN / "monet.style", photos, tmp_path, works=works, features=str(mine))
    assert {one.name.split("-mine-")[0] for one in found.figures if "-mine-" in one.name} == {
        "style-gap-closed", "kid", "frechet", "gram-distance", "content-kept", "curve-area",
    }  # fmt: skip
    assert 0.3 < next(one.value for one in found.figures if one.name.startswith("content-kept")) < 1


# --- bad input


def test_what_is_refused(small: Callable[..., Ran], huafeng: CommandLine, photos: Path, works: Path, pieces: list[U8]) -> None:
    refused(huafeng("evaluate"), "Nothing to evaluate")
    refused(huafeng("evaluate", "dark"), "--photos DIR")
    refused(small("monett"), "'monet'")
    refused(small("dark", "--protocol", "photo512"), "no protocol 'photo512'", "photo512-crop256-v1")
    refused(small("dark", "--limit", "9"), "At least 10 photos", "here are 9")
    refused(small("dark", "--works", "nowhere"), "nowhere")
    refused(small("dark", "--features", "nowhere.onnx"), "nowhere.onnx")
    refused(small("dark", "--lpips", "nowhere.pth"), "nowhere.pth")
    refused(small("dark", "--style", "x"), "--style")
    refused(small("nothing.json"), "nothing.json")

    nine = written(Path("nine"), pieces[:9])
    refused(huafeng("evaluate", "dark", "--photos", str(nine), "--protocol", SMALL), "At least 10 photos", "here are 9")
    refused(huafeng("evaluate", str(nine), "--works", str(works), "--protocol", SMALL), "At least 10 made", "here are 9")
    same = written(Path("same"), [pieces[0]] * 10)
    refused(huafeng("evaluate", "dark", "--photos", str(same), "--protocol", SMALL), "give different photos")

    refused(small(str(written(Path("others"), pieces, "holiday{}.png"))), "others", "name")
    twice = written(written(Path("twice"), pieces, "{:02}-a.png"), pieces, "{:02}-b.png")
    refused(small(str(twice)), "00.png has 2 results", "00-a.png", "00-b.png")
    Path("empty").mkdir()
    refused(small("empty"), "empty")
    small_work = written(Path("one"), [pieces[0][:70, :70]])
    refused(small("dark", "--works", str(small_work)), "8 are needed")

    Path("occupied").write_text("a file")
    ran = small("dark", "-o", "occupied")
    refused(ran, "occupied")


def test_a_result_that_is_cut_off_is_named(small: Callable[..., Ran], pieces: list[U8]) -> None:
    folder = written(Path("results"), pieces)
    (folder / "03.png").write_bytes((folder / "03.png").read_bytes()[:5000])
    refused(small("results"), "03.png")


def test_results_in_a_circle_are_refused(small: Callable[..., Ran], pieces: list[U8]) -> None:
    """Each result is that of the next photo: figures of such a folder would say that nothing is kept."""
    turned = written(Path("turned"), [*pieces[1:], pieces[0]])
    refused(small(str(turned)), "mixed up", "12 of 12 results show another photo", "00.png shows 01.png")


def test_results_of_one_colour_have_figures(photos: Path, works: Path, tmp_path: Path) -> None:
    """Nothing is kept, and no number is infinite."""
    black = written(tmp_path / "black", [np.zeros((150, 180, 3), np.uint8)] * COUNT)
    found = measured(black, photos, tmp_path, works=works)
    assert json.loads(to_json([found]))
    assert figure(found, "content-kept").value < 0.1


def test_a_run_and_its_styles(small: Callable[..., Ran], trained: Path, works: Path, tmp_path: Path) -> None:  # noqa: F811
    run = str(trained)
    refused(small(run, "--style", "cupp"), "'cupp'", "'cup'")
    ran = small(run, "--style", "many", "--works", str(works))
    assert ran.code == 0, ran.err
    (found,) = from_json(Path("evaluation/evaluation.json"))
    assert found.subject == "many"
    assert {"accuracy-real", "accuracy-made"} <= {one.name for one in found.figures}
    shutil.rmtree("evaluation")

    without = Path(shutil.copytree(trained, tmp_path / "without"))
    change(without, "adversarial.weight", 0)
    ran = small(str(without), "--style", "cup")  # its own works are gone
    assert ran.code == 0, ran.err
    assert "run's own works are not there" in ran.err
    assert "need works" in ran.err
    shutil.rmtree("evaluation")
    ran = small(str(without), "--style", "cup", "--works", str(works))
    assert "was trained without a discriminator" in ran.err
    shutil.rmtree("evaluation")

    fresh = Path(shutil.copytree(trained, tmp_path / "fresh", ignore=shutil.ignore_patterns("styles")))
    refused(small(str(fresh), "--style", "cup", "--card"), "no .style file of the run's newest weights")
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(trained / OPTIONS, bare)
    refused(small(str(bare)), "no checkpoint yet")
