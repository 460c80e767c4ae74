"""Where the discriminator sees 'made': maps that must depend on it, and find what it was taught to find."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from conftest import Ran
from conftest import Run as CommandLine
from PIL import Image
from scipy.ndimage import gaussian_filter

from huafeng import cli
from huafeng.cli.explain import explain as verb
from huafeng.evaluation import explain
from huafeng.evaluation.discriminator import judge, to_tensor
from huafeng.evaluation.explain import Method, heat
from huafeng.evaluation.runs import Run, open_run
from huafeng.pixels import U8, Array, resize
from huafeng.training.adversarial import discriminator_loss
from huafeng.training.network import Discriminator
from huafeng.training.run import OPTIONS
from huafeng.training.train import plan, train

CARD = dict.fromkeys(("title_en", "title_zh", "author", "licence", "trained_on", "provenance"), "test")
METHODS: list[Method] = ["occlusion", "gradient"]
SIDE, PATCH = 128, 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, astronaut: U8, chelsea: U8, coffee: U8) -> Path:
    """A run of two steps with a collection `many` and a single work `cup`."""
    folder = tmp_path_factory.mktemp("training")
    for sub, pictures in (("photos", (astronaut, chelsea)), ("works", (coffee, chelsea))):
        (folder / sub).mkdir()
        for i, picture in enumerate(pictures):
            Image.fromarray(resize(picture, 120, 96)).save(folder / sub / f"{i}.png")
    styles = {
        "cup": {"works": "works/0.png", "short_side_px": 64, "card": CARD},
        "many": {"works": "works", "short_side_px": 64, "collection": True, "card": CARD},
    }
    recipe = {"recipe": "art", "data": str(folder), "photos": ["photos"], "hold_out_every": 2, "steps": 2, "batch": 2,
              "crop_px": 64, "precision": "fp32", "styles": styles, "styles_per_step": {"cup": 0.1}}  # fmt: skip
    (folder / "art.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    train(plan(folder / "art.yaml", [], None, folder / "run", "cpu"), tell=lambda text: None)
    return folder / "run"


def smooth(numbers: np.random.Generator) -> U8:
    """A soft picture [128, 128, 3]."""
    noise = gaussian_filter(numbers.normal(size=(SIDE, SIDE, 3)), (12, 12, 0))
    return np.clip(128 + 40 * noise / noise.std(), 0, 255).astype(np.uint8)


def spoilt(picture: U8, top: int, left: int) -> U8:
    """The picture with a patch of 32 px as a checkerboard: +-40 in squares of 4 px."""
    made = picture.astype(int)
    made[top : top + PATCH, left : left + PATCH] += checkerboard()[:, :, None]
    return np.clip(made, 0, 255).astype(np.uint8)


def checkerboard() -> Array:
    rows, columns = np.indices((PATCH, PATCH)) // 4
    return (rows + columns) % 2 * 80 - 40


@pytest.fixture(scope="module")
def taught(folder: Path) -> Run:
    """A run whose discriminator has learned that pictures with a checkerboard in them are made."""
    torch.manual_seed(0)
    numbers = np.random.default_rng(0)
    discriminator = Discriminator(2, 8)
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=3e-3, betas=(0.5, 0.99))
    for _ in range(120):
        real = to_tensor(np.stack([smooth(numbers) for _ in range(4)]))
        made = np.stack([spoilt(smooth(numbers), *numbers.integers(0, SIDE - PATCH + 1, 2)) for _ in range(4)])
        style = torch.ones(4, dtype=torch.long)
        loss = discriminator_loss("hinge", discriminator(real, style), discriminator(to_tensor(made), style)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return replace(open_run(folder), discriminator=discriminator.eval().requires_grad_(False))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("top", "left"), [(0, 0), (53, 40), (96, 70)])
def test_what_it_was_taught_to_find_lights_up(taught: Run, method: Method, top: int, left: int) -> None:
    plain = smooth(np.random.default_rng(7))
    made = spoilt(plain, top, left)
    assert judge(taught, "many", made[None]) < judge(taught, "many", plain[None])
    found = heat(taught, "many", made, method)
    assert found.shape == (SIDE, SIDE)
    assert found.dtype == np.float32
    y, x = np.unravel_index(found.argmax(), found.shape)
    slack = explain.CELL // 2 if method == "occlusion" else 0  # its occluders move by cells
    assert top - slack <= y < top + PATCH + slack
    assert left - slack <= x < left + PATCH + slack
    assert found.max() > 0
    assert found.max() > 3 * np.abs(heat(taught, "many", plain, method)).max()


@pytest.mark.parametrize("method", METHODS)
def test_another_discriminator_sees_something_else(taught: Run, method: Method, astronaut: U8) -> None:
    """The sanity check of Adebayo et al. (NeurIPS 2018): a map that survives random weights is an edge detector."""
    torch.manual_seed(1)
    picture = spoilt(np.asarray(resize(astronaut, SIDE, SIDE)), 48, 48)
    blank = replace(taught, discriminator=Discriminator(2, 8).eval().requires_grad_(False))
    maps = [heat(run, "many", picture, method).ravel() for run in (taught, taught, blank)]
    assert np.array_equal(maps[0], maps[1])
    assert abs(np.corrcoef(maps[0], maps[2])[0, 1]) < 0.5


@pytest.mark.parametrize("method", METHODS)
def test_the_map_adds_up_to_what_hiding_does(taught: Run, method: Method) -> None:
    """The mean over the picture foretells the logit's change when all detail is hidden: detail so small that this is linear,
    and large beside what rounding to levels adds."""
    picture = smooth(np.random.default_rng(3))
    faint = np.clip(picture + np.tile(checkerboard(), (4, 4))[:, :, None] // 5, 0, 255).astype(np.uint8)
    hidden = gaussian_filter(faint.astype(float), (explain.HIDING_PX, explain.HIDING_PX, 0)).round().astype(np.uint8)
    before, after = judge(taught, "many", np.stack([faint, hidden]))
    assert heat(taught, "many", faint, method).mean() == pytest.approx(after - before, rel=0.35)


def test_occluders_tried_together_do_not_disturb_each_other() -> None:
    """The same map as by trying one after the other."""
    torch.manual_seed(2)
    discriminator = Discriminator(1, 4).eval().requires_grad_(False)
    shown, hidden = torch.rand(2, 1, 3, 144, 112).unbind()
    h, w, px = 9, 7, explain.CELL

    def score(pictures: torch.Tensor) -> torch.Tensor:
        return discriminator(pictures, torch.zeros(len(pictures), dtype=torch.long))[:, 0]

    total, count = torch.zeros(h, w), torch.zeros(h, w)
    for i in range(-1, h):
        for j in range(-1, w):
            rows, columns = slice(max(i, 0), i + 2), slice(max(j, 0), j + 2)
            one = shown.clone()
            y, x = (slice(s.start * px, s.stop * px) for s in (rows, columns))
            one[:, :, y, x] = hidden[:, :, y, x]
            total[rows, columns] += (score(one) - score(shown)).sum() / total[rows, columns].numel()
            count[rows, columns] += 1
    expected = F.interpolate((total / count)[None, None], scale_factor=px, mode="bilinear")[0, 0]
    assert torch.allclose(explain.by_occlusion(score, shown, hidden), expected, atol=1e-5)


@pytest.fixture
def huafeng_explain(huafeng: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Ran]]:
    """`huafeng explain`, registered if it is not yet."""
    known = list(cli.app.registered_commands)
    if not any(command.name == "explain" for command in known):
        cli.app.command("explain")(verb)
    yield lambda *arguments: huafeng("explain", *map(str, arguments))
    cli.app.registered_commands[:] = known


@pytest.fixture
def photo(huafeng: CommandLine, chelsea: U8) -> Path:
    """cat.png in the working folder, transparent in a corner."""
    alpha = np.full((90, 130, 1), 255, np.uint8)
    alpha[:20, :20] = 0
    Image.fromarray(np.concatenate([resize(chelsea, 130, 90), alpha], 2)).save("cat.png")
    return Path("cat.png")


@pytest.mark.parametrize("method", METHODS)
def test_a_picture_and_a_line(huafeng_explain: Callable[..., Ran], folder: Path, photo: Path, method: str) -> None:
    ran = huafeng_explain(folder, photo, "--method", method)
    assert ran.code == 0, ran.err
    name, line = ran.out.splitlines()
    assert name == "cat-many-explained.png"
    run = open_run(folder)
    pixels = np.asarray(Image.open(photo))
    white = np.where(pixels[:, :, 3:] == 255, pixels[:, :, :3], 255).astype(np.uint8)
    logits = [float(judge(run, "many", p[None])[0]) for p in (white, run.paint("many", white))]
    said = [f"{'real' if x > 0 else 'made'} (logit {x:+.2f})" for x in logits]
    assert line == f"The photo looks {said[0]}; the result looks {said[1]}."
    drawn = np.asarray(Image.open(name).convert("RGB")).astype(int)
    assert min(drawn.shape[:2]) > 400
    assert np.abs(drawn[:, :, 0] - drawn[:, :, 2]).max() > 100  # there is red or blue


def test_mistakes(huafeng_explain: Callable[..., Ran], folder: Path, photo: Path, tmp_path: Path) -> None:
    untaught = Path(shutil.copytree(folder, tmp_path / "untaught"))
    options = (untaught / OPTIONS).read_text()
    (untaught / OPTIONS).write_text(options.replace('"weight": 0.1', '"weight": 0.0'))
    Path("there.png").touch()
    Path("text.jpg").write_text("no photo")
    for arguments, told in (
        ((tmp_path, photo), "is not a run folder"),
        ((untaught, photo), "was trained without a discriminator"),
        ((folder, photo, "--style", "mani"), "has no style 'mani': did you mean 'many'?"),
        ((folder, photo, "--style", "cup"), "never saw the style 'cup' in training: ask it about many"),
        ((folder, "none.jpg"), "There is no file none.jpg"),
        ((folder, "text.jpg"), "text.jpg"),
        ((folder, photo, "-o", "there.png"), "there.png exists already"),
        ((folder, photo, "-o", "x.jpg"), "give it a name that ends in .png"),
    ):
        ran = huafeng_explain(*arguments)
        assert ran.code == 2, told
        assert told in ran.err
        assert ran.err.startswith("Error: ")
        assert len(ran.err.splitlines()) == 1
    assert sorted(path.name for path in Path().iterdir()) == ["cat.png", "text.jpg", "there.png"]
    assert huafeng_explain(folder, photo, "-o", "there.png", "--force").code == 0
    assert Path("there.png").stat().st_size > 0


def test_without_the_extra_it_is_named(
    huafeng_explain: Callable[..., Ran], folder: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(("matplotlib", "huafeng.evaluation"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    ran = huafeng_explain(folder, photo)
    assert ran.code == 2
    assert 'needs matplotlib: pip install "huafeng[train,evaluate]"' in ran.err
