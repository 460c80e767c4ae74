"""Runs as a subject of evaluation: read without their data, and refused with one sentence where they cannot be."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from scipy.stats import norm

from huafeng import Edit, Library, Photo, StyleWeight, Stylizer
from huafeng.errors import DataError, StyleNotFound, TrainingError
from huafeng.evaluation.discriminator import (
    accuracy,
    asked,
    calibration_error,
    expected_calibration_error,
    fitted_scale,
    judge,
    patch_logits,
)
from huafeng.evaluation.runs import open_run
from huafeng.pixels import U8, resize
from huafeng.training import checkpoint
from huafeng.training.run import OPTIONS, STATS, locked
from huafeng.training.train import plan, train

CARD = dict.fromkeys(("title_en", "title_zh", "author", "licence", "trained_on", "provenance"), "test")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, astronaut: U8, chelsea: U8, coffee: U8) -> Path:
    """A run of four steps in three styles, two of them collections; its pictures are gone."""
    folder = tmp_path_factory.mktemp("training")
    for sub, pictures in (("photos", (astronaut, chelsea)), ("works", (coffee, chelsea))):
        (folder / sub).mkdir()
        for i, picture in enumerate(pictures):
            Image.fromarray(resize(picture, 120, 96)).save(folder / sub / f"{i}.png")
    one = {"works": "works/0.png", "short_side_px": 64, "card": CARD}
    many = {"works": "works", "short_side_px": 64, "collection": True, "card": CARD}
    recipe = {
        "recipe": "art", "data": str(folder), "photos": ["photos"], "hold_out_every": 2, "steps": 4, "batch": 2, "crop_px": 64,
        "check_every": 1, "precision": "fp32", "styles": {"cup": one, "many": many, "more": many},
        "styles_per_step": {"cup": 0.1},
    }  # fmt: skip
    (folder / "art.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    train(plan(folder / "art.yaml", [], None, folder / "run", "cpu"), tell=_silent)
    shutil.rmtree(folder / "photos")
    shutil.rmtree(folder / "works")
    return folder / "run"


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    """The same, to be damaged."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def _silent(text: str) -> None:
    pass


def change(run: Path, path: str, value: object) -> None:
    """Write another value into options.json."""
    text = json.loads((run / OPTIONS).read_text())
    inner = text["options"]
    *outer, last = path.split(".")
    for name in outer:
        inner = inner[name]
    inner[last] = value
    (run / OPTIONS).write_text(json.dumps(text))


def test_a_run_is_read_without_its_data(trained: Path) -> None:
    run = open_run(trained)
    assert (run.styles, run.judged, run.step, run.reason) == (["cup", "many", "more"], ("many", "more"), 4, "")
    state = checkpoint.newest(trained, _silent)["parts"]
    assert torch.equal(run.painter.codes, state["average"]["module.codes"])  # the averaged ones, not the last step's
    assert not torch.equal(run.painter.codes, state["generator"]["codes"])


def test_a_run_that_is_being_trained_is_read(trained: Path) -> None:
    with locked(trained):
        assert open_run(trained).step == 4


def test_the_best_weights_are_those_of_an_early_stop(copied: Path) -> None:
    best = checkpoint.listed(copied)[0]
    state = checkpoint.load(best)
    checkpoint.save(copied / "best", 2, state | {"progress": state["progress"] | {"step": 2}})
    assert open_run(copied).step == 2


def test_a_damaged_checkpoint_is_told_and_passed_over(copied: Path) -> None:
    first, last = checkpoint.listed(copied)
    last.write_bytes(last.read_bytes()[:-1])
    told: list[str] = []
    run = open_run(copied, told.append)
    assert run.step == checkpoint.step_of(first) == 0
    assert "is damaged" in told[0]
    assert run.discriminator is None  # nothing was learned at step 0
    assert "has not learned yet" in run.reason


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("adversarial.weight", 0, "was trained without a discriminator"),
        ("styles_per_step", {"many": 0, "more": 0}, "none of the styles is one"),
    ],
)
def test_a_run_without_a_discriminator_says_why(copied: Path, path: str, value: object, told: str) -> None:
    change(copied, path, value)
    run = open_run(copied)
    assert run.discriminator is None
    assert told in run.reason
    with pytest.raises(DataError, match=told):
        asked(run, "many")


def test_what_is_no_run_is_refused(copied: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="is not a run folder"):
        open_run(tmp_path / "nothing")
    change(copied, "recipe", "toy")
    with pytest.raises(DataError, match="recipe 'toy', and known here are runs of art: give its file"):
        open_run(copied)
    change(copied, "recipe", "art")
    change(copied, "styles.extra", {"works": "x.png", "card": CARD})
    with pytest.raises(TrainingError, match="belong to two runs"):
        open_run(copied)
    for path in checkpoint.listed(copied):
        path.unlink()
    with pytest.raises(TrainingError, match="has no checkpoint yet"):
        open_run(copied)


def test_exported_styles_are_used_while_they_are_this_runs(copied: Path, tmp_path: Path, chelsea: U8) -> None:
    run = open_run(copied)
    assert run.export(tmp_path / "new") == [copied / "styles" / f"{name}.style" for name in run.styles]
    assert not (tmp_path / "new").exists()
    with torch.no_grad():
        run.painter.codes.add_(0.01)  # as if training had gone on
    fresh = run.export(tmp_path / "new")
    assert fresh == [tmp_path / "new" / f"{name}.style" for name in run.styles]
    assert np.array_equal(Library().get(fresh[1]).tensors["code"], run.painter.codes[1].numpy())
    photo = resize(chelsea, 121, 87)  # no multiple of 8
    by_runtime = Stylizer().apply(Photo.from_array(photo), Edit((StyleWeight(str(fresh[1])),), detail=0.0)).pixels
    difference = np.abs(by_runtime.astype(int) - run.paint("many", photo))
    assert difference.max() <= 4
    assert np.abs(by_runtime.astype(int) - photo).mean() > 4


def test_stability_is_the_spread_of_the_last_tenth(trained: Path, copied: Path) -> None:
    def written(rows: list[dict[str, float]], end: str = "") -> float | None:
        (copied / STATS).write_text("".join(json.dumps(row) + "\n" for row in rows) + end)
        return replace(open_run(trained), folder=copied).stability()

    calm: list[dict[str, float]] = [{"step": i, "validation_objective": 9.0} for i in range(1, 91)]
    last: list[dict[str, float]] = [
        {"step": i, "validation_objective": 1.0 + (i % 2)} for i in range(91, 101)
    ]  # 2, 1, 2, 1 ...
    expected = np.sqrt(10 * 0.25 / 9) / 1.5
    assert written(calm + last) == pytest.approx(expected)
    assert written(calm + last, '{"step": 101, "valid') == pytest.approx(expected)  # a line that is being written
    rows = [{"step": i, "content": 1.0, "style": float(i % 2)} for i in range(1, 101)]
    assert written(rows) == pytest.approx(expected)
    assert written(rows[:40]) is None  # four rows in the last tenth
    assert written([]) is None


def test_the_discriminator_is_asked_under_the_styles_own_number(trained: Path, chelsea: U8) -> None:
    run = open_run(trained)
    discriminator, number = asked(run, "more")
    assert number == 2
    assert not discriminator.training  # else asking would change it
    pictures = np.stack([resize(chelsea, 70, 52), 255 - resize(chelsea, 70, 52)])
    maps = patch_logits(run, "more", pictures)
    assert maps.shape == (2, 3, 4)
    expected = discriminator(torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255, torch.tensor([2, 2]))[:, 0]
    assert np.allclose(maps, expected.numpy(), atol=1e-5)
    assert np.allclose(judge(run, "more", pictures), maps.mean((1, 2)))
    assert not np.allclose(judge(run, "more", pictures), judge(run, "many", pictures), atol=1e-4)


def test_styles_that_it_cannot_judge(trained: Path) -> None:
    run, picture = open_run(trained), np.zeros((1, 64, 64, 3), np.uint8)
    with pytest.raises(DataError, match="never saw the style 'cup' in training: ask it about many or more"):
        judge(run, "cup", picture)
    with pytest.raises(StyleNotFound, match="no style 'mory': did you mean 'more'"):
        judge(run, "mory", picture)
    with pytest.raises(DataError, match="from 16 px on, not 64 x 15"):
        judge(run, "many", picture[:, :15])


def test_accuracy_by_hand() -> None:
    real, made = np.array([2.0, 0.6, 0.3, -1.0, 0.0]), np.array([-2.0, 0.4, 0.0, -0.1])
    found = accuracy(real, made, "hinge")
    assert (found.real, found.made) == (0.6, 0.5)  # what lies on the boundary is not right
    assert np.isnan(found.calibration_error)
    assert "at least 10" in found.reason
    found = accuracy(real, made, "least-squares")
    assert (found.real, found.made) == (0.4, 1.0)
    found = accuracy(real, made, "wasserstein")
    assert np.isnan([found.real, found.made, found.calibration_error]).all()
    assert "Wasserstein" in found.reason
    with pytest.raises(DataError, match="none of one kind"):
        accuracy(real, made[:0], "hinge")


def test_calibration_error_by_hand() -> None:
    # four pictures told 0.75, three of them real: no error; six told 0.35, one real: certain by 0.65, right in 5/6
    told, real = [0.75] * 4 + [0.35] * 6, [1, 1, 1, 0] + [1, 0, 0, 0, 0, 0]
    assert expected_calibration_error(np.array(told), np.array(real)) == pytest.approx(0.6 * (5 / 6 - 0.65))
    assert expected_calibration_error(np.array([1.0, 0.0]), np.array([1, 0])) == 0.0
    assert expected_calibration_error(np.array([1.0, 0.0]), np.array([0, 1])) == 1.0


def test_the_scale_is_the_one_by_which_logits_were_stretched() -> None:
    # real and made margins are normal at +-1 with deviation 1: the true log odds are 2 x, so logits 5 x need a = 0.4
    x = norm.ppf((np.arange(2000) + 0.5) / 2000)
    assert fitted_scale(5 * (x + 1), 5 * (x - 1)) == pytest.approx(0.4, rel=0.02)
    assert calibration_error(5 * (x + 1), 5 * (x - 1)) < 0.03
    assert calibration_error(x + 3, x + 1) > 0.1  # a boundary in the wrong place cannot be mended by a temperature
    assert accuracy(x + 1, x - 1, "hinge").calibration_error == calibration_error(x + 1, x - 1)
    assert accuracy(x + 1.5, x - 0.5, "least-squares").calibration_error == pytest.approx(calibration_error(x + 1, x - 1))
