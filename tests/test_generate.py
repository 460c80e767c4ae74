"""`huafeng generate`: pictures, grids, walks, the nearest picture to a photo, and what it says of mistakes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tinygenerator
from conftest import Run
from PIL import Image, ImageSequence

from huafeng import Generator, faces, generator
from huafeng.generated import film, grid
from huafeng.generator import LABEL
from huafeng.label import MADE_BY_AI
from huafeng.pixels import U8, resize
from huafeng.training import projection
from huafeng.training.run import locked


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generators")
    tinygenerator.write(folder / "tiny.generator")
    tinygenerator.write(folder / "pair.generator", "plain", ("monet", "ink"))
    return folder


def test_pictures_and_a_grid_that_say_what_they_are(huafeng: Run, files: Path) -> None:
    ran = huafeng("generate", str(files / "tiny.generator"), "--n", "3", "--seed", "4", "--truncation", "0.5", "-o", "new/out")
    assert ran.code == 0, ran.err
    names = [f"tiny-4-{i:04}.png" for i in (1, 2, 3)] + ["tiny-4-grid.png"]
    assert ran.out.split() == [str(Path("new/out") / name) for name in names]
    wanted = Generator(files / "tiny.generator").generate(3, seed=4, truncation=0.5)
    for name, picture in zip(names, wanted, strict=False):
        with Image.open(Path("new/out") / name) as image:
            assert (np.asarray(image) == picture).all()
            assert MADE_BY_AI in str(image.info["XML:com.adobe.xmp"])
            assert image.info["Comment"] == LABEL
    with Image.open("new/out/tiny-4-grid.png") as image:
        assert image.size == (64, 64)

    first = Path("new/out/tiny-4-0001.png").read_bytes()
    again = huafeng("generate", str(files / "tiny.generator"), "--n", "1", "--seed", "4", "-o", "new/out")
    assert (again.code, "exists already" in again.err) == (2, True)
    assert Path("new/out/tiny-4-0001.png").read_bytes() == first
    forced = huafeng("generate", str(files / "tiny.generator"), "--n", "1", "--seed", "4", "-o", "new/out", "--force")
    assert forced.code == 0, forced.err
    assert Path("new/out/tiny-4-0001.png").read_bytes() != first  # the truncation is another one


def test_a_built_in_generator_by_its_name(huafeng: Run, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "BUILT_IN", files)
    ran = huafeng("generate", "Tiny", "--n", "1", "-o", "new")
    assert ran.code == 0, ran.err
    with Image.open("new/tiny-1-0001.png") as image:
        assert (np.asarray(image) == Generator("tiny").generate(1, seed=1, truncation=0.7)[0]).all()
    assert huafeng("generate", "tiny", "--n", "1").code == 0  # into the folder tiny, which is not taken for a run then
    again = huafeng("generate", "tiny", "--n", "1", "--force")
    assert again.code == 0, again.err
    gone = huafeng("generate", "tyni")
    assert (gone.code, gone.out) == (2, "")
    assert "There is no generator 'tyni': these are built in: pair, tiny;" in gone.err


def test_the_built_in_faces_are_faces() -> None:
    """The detector of faces finds one in nearly each, they differ, and the card says whose pictures they were learned from."""
    if not faces.available():
        pytest.skip("OpenCV is not installed")
    built_in = Generator("faces", threads=1)
    pictures = built_in.generate(20, seed=5, truncation=0.7)
    assert np.mean([bool(faces.find_frames(resize(picture, 256, 256))) for picture in pictures]) >= 0.9
    assert pictures.astype(float).std(0).mean() > 20
    card = built_in.header.card
    assert (built_in.header.counts["pictures"], card.scores["near-copies-features-v1"]) == (978, 0)
    assert card.consent


def test_the_built_in_paintings_differ_and_say_what_they_are() -> None:
    built_in = Generator("paintings", threads=1)
    pictures = built_in.generate(20, seed=5, truncation=0.7).astype(float)
    assert pictures.std(0).mean() > 30  # between pictures
    assert pictures.std((1, 2)).mean() > 20  # within each
    card = built_in.header.card
    assert (built_in.header.counts["pictures"], card.licence) == (676, "CC BY-SA 4.0")
    assert card.scores["near-copies-features-v1"] < 0.02
    assert card.consent
    assert card.licence


def test_the_card(huafeng: Run, files: Path) -> None:
    """What it learned from, by whose consent, and that its pictures are marked as made by AI; nothing is written."""
    ran = huafeng("generate", str(files / "tiny.generator"), "--about")
    assert ran.code == 0, ran.err
    told = " ".join(ran.out.split())
    for words in ("32 x 32 px", LABEL, "nobody is shown", "3 pictures", "CC0-1.0", "made by chance"):
        assert words in told
    assert list(Path().iterdir()) == []


def test_of_one_style(huafeng: Run, files: Path) -> None:
    ran = huafeng("generate", str(files / "pair.generator"), "--style", "ink", "--n", "1")
    assert ran.code == 0, ran.err
    assert sorted(path.name for path in Path("pair").iterdir()) == ["pair-1-ink-0001.png", "pair-1-ink-grid.png"]


def test_the_newest_generator_of_a_run(huafeng: Run, files: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "styles").mkdir(parents=True)
    told = huafeng("generate", str(run))
    assert (told.code, "without a run in it" in told.err) == (2, True)
    (run / "options.json").write_text("{}")
    told = huafeng("generate", str(run))
    assert (told.code, "has no generator yet: train it to its end" in told.err) == (2, True)
    with locked(run):
        told = huafeng("generate", str(run))
        assert (told.code, "is still training" in told.err) == (2, True)
    for age, name in enumerate(("pair", "tiny")):
        path = run / "styles" / f"{name}.generator"
        path.write_bytes((files / path.name).read_bytes())
        os.utime(path, (1e9 + age, 1e9 + age))
    ran = huafeng("generate", str(run), "--n", "1")
    assert (ran.code, ran.err) == (0, "")
    assert Path("tiny/tiny-1-0001.png").exists()
    with locked(run):
        ran = huafeng("generate", str(run), "--n", "1", "--seed", "2")
        assert (ran.code, "is training again: this is the generator from before" in ran.err) == (0, True)


@pytest.mark.parametrize("name", ["walk.webp", "walk.mp4"])
def test_a_walk(huafeng: Run, files: Path, name: str) -> None:
    if name.endswith("mp4"):
        av = pytest.importorskip("av", reason="an MP4 needs PyAV")
    ran = huafeng("generate", str(files / "pair.generator"), "--walk", "1", "-o", name)
    assert ran.code == 0, ran.err
    if name.endswith("mp4"):
        with av.open(name) as film:
            assert sum(1 for _ in film.decode(video=0)) == 24
            assert film.metadata["comment"] == LABEL
        return
    with Image.open(name) as image:
        assert (image.size, image.info["loop"]) == ((32, 32), 0)
        lengths = []
        for frame in ImageSequence.Iterator(image):
            frame.load()
            lengths.append(frame.info["duration"])
        assert len(lengths) > 1
        assert sum(lengths) == 24 * 42  # ms; equal frames become one
        assert MADE_BY_AI.encode() in image.info["xmp"]


def test_the_nearest_picture_to_a_photo(huafeng: Run, files: Path, astronaut: U8, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "STEPS", 8)
    monkeypatch.setattr(projection, "BEGINNINGS", 4)
    Image.fromarray(astronaut).save("me.png")
    ran = huafeng("generate", str(files / "tiny.generator"), "--like", "me.png", "-o", "pair.png")
    assert ran.code == 0, ran.err
    assert "their distance is" in ran.err
    with Image.open("pair.png") as image:
        assert image.size == (64, 32)
        left = np.asarray(image)[:, :32].astype(float)
    wanted = np.asarray(Image.fromarray(astronaut).resize((32, 32), Image.Resampling.LANCZOS))
    assert np.abs(left - wanted).mean() < 1


def test_projection_comes_nearer_than_what_it_began_with(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = Generator(files / "tiny.generator", threads=1)
    picture = generator.generate(1, seed=77, truncation=0.8)[0]
    distances = []
    for steps in (1, 25):
        monkeypatch.setattr(projection, "STEPS", steps)
        monkeypatch.setattr(projection, "BEGINNINGS", 4)
        w, distance = projection.project(generator, picture)
        distances.append(distance)
    assert distances[1] < 0.6 * distances[0]
    assert w.shape == generator.mean[0].shape


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["tiny.generator", "--n", "0"], "from 1 to 10,000, not 0"),
        (["tiny.generator", "--n", "-2"], "from 1 to 10,000, not -2"),
        (["tiny.generator", "--seed", "-1"], "from 0 on, not -1"),
        (["tiny.generator", "--truncation", "1.5"], "to 1, not 1.5"),
        (["tiny.generator", "--style", "ink"], "knows one manner only"),
        (["pair.generator", "--style", "inc"], "did you mean 'ink'?"),
        (["tiny.generator", "--walk", "0"], "1 to 60 seconds, not 0"),
        (["tiny.generator", "--walk", "2", "--like", "x.png"], "ask for one at a time"),
        (["tiny.generator", "--walk", "2", "--n", "4"], "leave it away"),
        (["tiny.generator", "--walk", "2", "--seed", "-1"], "from 0 on, not -1"),
        (["tiny.generator", "--like", "gone.png"], "There is no file gone.png"),
        (["tiny.generator", "-o", "tiny.generator/x"], "is not a folder"),
        (["gone.generator"], "cannot be read"),
        (["text.generator"], "This is not a generator file"),
    ],
)
def test_mistakes(huafeng: Run, files: Path, arguments: list[str], told: str) -> None:
    for path in files.iterdir():
        Path(path.name).write_bytes(path.read_bytes())
    Path("text.generator").write_text("not one")
    before = sorted(Path().iterdir())
    ran = huafeng("generate", *arguments)
    assert (ran.code, ran.out, "Traceback" in ran.err) == (2, "", False)
    assert ran.err.startswith("Error: ")
    assert len(ran.err.splitlines()) == 1
    assert told in ran.err
    assert sorted(Path().iterdir()) == before


def test_pictures_need_no_torch(files: Path, tmp_path: Path) -> None:
    code = "import sys; sys.modules['torch'] = None; from huafeng import cli; sys.exit(cli.run(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "generate", str(files / "tiny.generator")]
    ran = subprocess.run([*command, "--n", "1"], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    Image.new("RGB", (40, 40)).save(tmp_path / "me.png")
    ran = subprocess.run([*command, "--like", "me.png"], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert (ran.returncode, ran.stderr) == (2, 'Error: --like needs torch: pip install "huafeng[train]".\n')


def test_a_grid_is_filled_row_by_row() -> None:
    pictures = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    assert grid(pictures)[::2, ::2, 0].tolist() == [[0, 1, 2], [3, 4, 255]]
    assert grid(pictures[:1]).shape == (2, 2, 3)


def test_an_mp4_without_pyav(monkeypatch: pytest.MonkeyPatch) -> None:
    from huafeng.errors import GeneratorError

    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(GeneratorError, match=r"An MP4 needs PyAV.*\.webp"):
        film(np.zeros((2, 4, 4, 3), np.uint8), ".mp4", LABEL)
