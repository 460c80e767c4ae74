"""`huafeng train` as its users meet it: small real runs, resumed, in two processes, and what it says of mistakes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from conftest import Run
from PIL import Image

from huafeng import Edit, Library, Photo, Stylizer, parse_styles
from huafeng.library import BUILT_IN
from huafeng.pixels import U8, resize
from huafeng.training import checkpoint, pack
from huafeng.training.processes import ALONE
from huafeng.training.run import OPTIONS, STATS, locked

CARD = dict.fromkeys(("title_en", "title_zh", "author", "licence", "trained_on", "provenance"), "test")
COMMON = {
    "photos": ["photos"],
    "hold_out_every": 3,
    "steps": 6,
    "batch": 2,
    "crop_px": 64,
    "check_every": 2,
    "precision": "fp32",
}
FAST_STYLE = COMMON | {
    "recipe": "fast-style",
    "name": "cup",
    "style": {"works": "works/coffee.jpg", "short_side_px": 128},
    "crop_px": 128,
    "short_side_px": 128,
    "card": CARD,
    "discriminator": {"width": 8, "halvings": 2, "norm": "none"},
    "adversarial": {"weight": 0.1, "augment": ["color", "translation", "cutout"], "penalty": "r1", "noise": 0.1},
}
ART = COMMON | {
    "recipe": "art",
    "adversarial": {"penalty": "gradient", "loss": "wasserstein", "spectral_norm": False},
    "losses": {"coarse": 1.0},
    "styles": {
        "cup": {"works": "works/coffee.jpg", "short_side_px": 96, "trim": 0.05, "card": CARD},
        "many": {"works": "works", "short_side_px": 80, "collection": True, "tint": [1, 0.96, 0.9], "card": CARD},
    },
}


@pytest.fixture
def recipes(tmp_path: Path, astronaut: U8, chelsea: U8, coffee: U8, rocket: U8) -> Path:
    """A folder with photos, works and recipes."""
    folder = tmp_path / "training"
    for sub, pictures in (("photos", (astronaut, chelsea, rocket)), ("works", (coffee, chelsea))):
        (folder / sub).mkdir(parents=True)
        for i, picture in enumerate(pictures):
            name = "coffee" if picture is coffee else str(i)
            for k in range(1 if sub == "works" else 3):
                small = resize(np.ascontiguousarray(picture), 144 + 8 * k, 112)
                Image.fromarray(small).save(folder / sub / (f"{name}.jpg" if sub == "works" else f"{name}-{k}.jpg"))
    for values in (FAST_STYLE, ART):
        write(folder / f"{values['recipe']}.yaml", values)
    return folder


def write(path: Path, values: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump({"data": str(path.parent)} | values, sort_keys=False), encoding="utf-8")
    return path


def lines(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / STATS).read_text().splitlines()]


@pytest.mark.parametrize("name", ["fast-style", "art"])
def test_a_recipe_ends_as_styles_that_paint(huafeng: Run, recipes: Path, tmp_path: Path, astronaut: U8, name: str) -> None:
    run = tmp_path / "run"
    ran = huafeng("train", str(recipes / f"{name}.yaml"), "-o", str(run))
    assert ran.code == 0, ran.err
    styles = [Path(line) for line in ran.out.splitlines() if line.endswith(".style")]
    assert [path.stem for path in styles] == (["cup"] if name == "fast-style" else ["cup", "many"])
    assert [line["step"] for line in lines(run)] == [2, 4, 6]
    assert all(np.isfinite(list(line.values())).all() for line in lines(run))
    expected = {"content", "style", "fool", "discriminator", "diversity"}
    expected |= {"r1", "accuracy", "coarse"} if name == "fast-style" else {"gradient", "coarse"}
    assert expected <= set().union(*lines(run))
    assert len(list((run / "samples").iterdir())) == 1
    assert json.loads((run / OPTIONS).read_text())["options"]["batch"] == 2
    photo = Photo.from_array(resize(astronaut, 96, 80))
    painted = Stylizer().apply(photo, Edit(parse_styles(str(styles[0]))))
    assert np.abs(painted.pixels.astype(int) - photo.pixels).mean() > 2


def test_a_run_can_be_resumed_and_lengthened(huafeng: Run, recipes: Path, tmp_path: Path) -> None:
    recipe, whole, parts = str(recipes / "fast-style.yaml"), tmp_path / "whole", tmp_path / "parts"
    assert huafeng("train", recipe, "--set", "steps=6", "-o", str(whole)).code == 0
    assert huafeng("train", recipe, "--set", "steps=6", "-o", str(parts)).code == 0
    for path in checkpoint.listed(parts)[1:]:
        path.unlink()  # back to the beginning
    again = huafeng("train", "--resume", str(parts))
    assert again.code == 0, again.err
    assert "Resumed" in again.err
    states = [checkpoint.newest(run, print)["parts"] for run in (whole, parts)]
    for part in ("networks", "average", "discriminator"):
        assert all(torch.equal(weight, states[1][part][name]) for name, weight in states[0][part].items())
    longer = huafeng("train", "--resume", str(parts), "--set", "steps=8")
    assert longer.code == 0, longer.err
    assert [line["step"] for line in lines(parts)] == [2, 4, 6, 8]


def test_a_run_killed_before_its_first_checkpoint_begins_as_it_was_to(huafeng: Run, recipes: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    recipe = str(recipes / "fast-style.yaml")
    assert huafeng("train", recipe, "--set", "init=base", "--set", "steps=2", "-o", str(run)).code == 0
    before = checkpoint.newest(run, print)["parts"]["networks"]
    for path in checkpoint.listed(run):
        path.unlink()
    again = huafeng("train", "--resume", str(run))
    assert again.code == 0, again.err
    assert "Started from base" in again.err
    after = checkpoint.newest(run, print)["parts"]["networks"]
    assert all(torch.equal(weight, after[name]) for name, weight in before.items())


def test_starting_from_earlier_weights_and_averaging(huafeng: Run, recipes: Path, tmp_path: Path) -> None:
    recipe = str(recipes / "art.yaml")
    runs = [tmp_path / name for name in ("first", "second", "third")]
    assert huafeng("train", recipe, "--set", "init=base", "--set", "steps=1", "-o", str(runs[0])).code == 0
    for seed, run in enumerate(runs[1:], 1):
        ran = huafeng("train", recipe, "--set", f"init={runs[0]}", "--set", f"seed={seed}", "--set", "steps=2", "-o", str(run))
        assert ran.code == 0, ran.err
        assert "Started from" in ran.err
    packed = pack.pack(runs[1:], tmp_path / "mean")
    assert [path.stem for path in packed[1:]] == ["cup", "many"]
    codes = [Library().get(run / "styles" / "cup.style").tensors["code"] for run in runs[1:]]
    mean = Library().get(packed[1]).tensors["code"]
    assert np.allclose(mean, (codes[0] + codes[1]) / 2, atol=1e-6)
    assert not np.allclose(codes[0], codes[1], atol=1e-6)


def test_the_built_in_base_is_a_start() -> None:
    """What comes out of the base file and goes back into one is the same generator and encoder."""
    from safetensors.numpy import load

    from huafeng.training.export import base_tensors
    from huafeng.training.painting import Painter
    from huafeng.training.transfer import initialise

    painter, told = Painter(1, encoder=True), list[str]()
    initialise(painter, "base", told.append)
    weights = len(painter.state_dict())
    assert told == [f"Started from base: {weights - 2} of {weights} tensors, 2 begin anew."]  # its code and delta
    built_in = load(Library([BUILT_IN]).base_path().read_bytes())
    again = base_tensors(painter.generator, painter.encoder)
    assert built_in.keys() == again.keys()
    for name, tensor in built_in.items():
        assert np.allclose(tensor, again[name], atol=2e-3), name


def test_what_a_step_did_not_need_has_a_gradient_of_zero() -> None:
    """In one process as in several, where another's part of the batch may have needed it."""
    needed, idle, frozen = (torch.nn.Parameter(torch.ones(2)) for _ in range(3))
    frozen.requires_grad_(False)
    (3 * needed).sum().backward()
    ALONE.average_gradients([needed, idle, frozen])
    assert [None if p.grad is None else p.grad.tolist() for p in (needed, idle, frozen)] == [[3, 3], [0, 0], None]


@pytest.mark.parametrize("how", ["fast-style", "art"])
def test_two_processes_equal_one(recipes: Path, tmp_path: Path, how: str) -> None:
    """The batch is shared, so it is one process's doubled batch."""
    steps = 20 if how == "art" else 6  # of larger crops
    values = yaml.safe_load((recipes / f"{how}.yaml").read_text(encoding="utf-8"))
    # at full rates Adam makes 2e-5 to 6e-5 of the last bits in which sums over 2 + 2 and over 4 pictures differ
    gentle: dict[str, Any] = {"learning_rate": 1e-4}
    if how == "fast-style":
        gentle |= {"warmup_steps": 10}
    values |= {"steps": steps, "check_every": steps, "batch": 4, "generator": gentle}
    values["adversarial"] = gentle | {"weight": 0.1, "penalty": "r1", "noise": 0.1, "augment": ["color"]}
    if how == "art":  # of 20 steps five or so paint nothing through the encoder
        values["any"] = {"works": {"works": 1.0}, "share": 0.3}
    recipe = write(recipes / "gentle.yaml", values)
    one, two = tmp_path / "one", tmp_path / "two"
    train = ["-m", "huafeng", "train", str(recipe), "--device", "cpu"]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for command in ([*train, "-o", str(one)], [*torchrun, *train, "-o", str(two)]):
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        ran = subprocess.run([sys.executable, *command], env=environment, capture_output=True, encoding="utf-8", timeout=1800)
        assert ran.returncode == 0, ran.stderr
    states = [checkpoint.newest(run, print) for run in (one, two)]
    assert [state["progress"]["images"] for state in states] == [4 * steps, 4 * steps]
    learned = "generator" if how == "art" else "networks"
    for part in (learned, "average", "discriminator"):
        for name, weight in states[0]["parts"][part].items():
            # of the encoder's 131,072 hidden weights some two have gradients as small as their last bits
            # R1's second derivatives of leaky ReLUs jump where a last bit decides
            tolerance = 1e-4 if (part, how) == ("discriminator", "fast-style") else 5e-5 if "encoder" in name else 1e-5
            if name.endswith("second.shift"):  # the next norm takes it away: its gradient is nothing but last bits
                continue
            assert torch.allclose(weight, states[1]["parts"][part][name], atol=tolerance, rtol=0), name
    begun = checkpoint.load(checkpoint.listed(one)[0])["parts"][learned]
    name = "codes" if how == "art" else "generator.mix2.weight"
    assert (states[0]["parts"][learned][name] - begun[name]).abs().max() > 5e-5  # five times the tolerance
    values = [lines(run)[-1] for run in (one, two)]
    assert values[1]["accuracy"] == pytest.approx(values[0]["accuracy"], abs=1e-3)
    assert values[1]["style"] == pytest.approx(values[0]["style"], rel=1e-3)


def test_dry_run_writes_nothing(huafeng: Run, recipes: Path) -> None:
    ran = huafeng("train", str(recipes / "art.yaml"), "--dry-run")
    assert ran.code == 0, ran.err
    assert "generator: 890,910 weights." in ran.out  # with two codes of 64 and two deltas of 2,089 numbers
    assert "6 steps of 2 crops of 64 px" in ran.out
    assert "minutes in all" in ran.out
    assert list(Path().iterdir()) == []


def test_fields_tell_every_option(huafeng: Run, recipes: Path) -> None:
    ran = huafeng("train", str(recipes / "art.yaml"), "--fields")
    assert ran.code == 0
    assert "adversarial.penalty_every" in ran.out
    assert "styles.NAME.short_side_px" in ran.out


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["batsh=4"], "there is no option batsh (did you mean 'batch'?)"),
        (["batch=four", "steps=0"], "steps is at least 1, not 0; batch is a whole number, not 'four'"),
        (["photos=[nowhere]"], "nowhere"),
        (["photos=[empty]"], "empty"),
        (["photos=[corrupt]"], "a.jpg is cut off or damaged"),
        (["photos=[photos/0-0.jpg]"], "One photo is too little"),
        (["style.works=works/none.jpg"], "none.jpg"),
        (["features=nothing.pth"], "nothing.pth"),
        (["features=works/coffee.jpg"], "coffee.jpg"),
        (["init=nowhere"], "init: nowhere is neither a run folder, a checkpoint nor a style"),
        (["name=Big Cup"], "'Big Cup' is not a name that can be used"),
        (["crop_px=132"], "crop_px must be a multiple of 8"),
        (["crop_px=64"], "crop_px must be 128 at least"),
        (["init=giverny"], "giverny has no network of its own"),
    ],
)
def test_mistakes_in_a_recipe(huafeng: Run, recipes: Path, settings: list[str], told: str) -> None:
    (recipes / "empty").mkdir()
    (recipes / "corrupt").mkdir()
    (recipes / "corrupt" / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a picture")
    options = [part for setting in settings for part in ("--set", setting)]
    ran = huafeng("train", str(recipes / "fast-style.yaml"), *options, "-o", "run")
    assert ran.code == 2, ran.err
    assert ran.err.splitlines()[-1].startswith("Error: ")
    assert told in ran.err.splitlines()[-1]
    assert "Traceback" not in ran.err


def test_crops_larger_than_the_photos_and_a_corrupt_one(huafeng: Run, recipes: Path) -> None:
    (recipes / "photos" / "cut.jpg").write_bytes((recipes / "photos" / "0-0.jpg").read_bytes()[:900])
    (recipes / "photos" / "text.jpg").write_text("no picture")
    ran = huafeng("train", str(recipes / "fast-style.yaml"), "--set", "crop_px=160", "--set", "steps=2", "-o", "run")
    assert ran.code == 0, ran.err
    assert "text.jpg" in ran.err
    assert "enlarged" in ran.err


def test_mistakes_with_run_folders(huafeng: Run, recipes: Path, tmp_path: Path) -> None:
    recipe, run = str(recipes / "fast-style.yaml"), tmp_path / "run"
    assert huafeng("train", recipe, "--set", "steps=1", "-o", str(run)).code == 0
    for arguments, told in (
        ((recipe, "-o", str(run)), "holds a run already"),
        (("--resume", str(tmp_path)), "is not a run folder"),
        ((str(recipes / "art.yaml"), "--resume", str(run)), "is a run of the recipe 'fast-style', not of 'art'"),
        ((), "Say which recipe to train"),
        (("nothing.yaml",), "there is no file nothing.yaml"),
        ((recipe, "--set", "batch"), "is not KEY=VALUE"),
    ):
        ran = huafeng("train", *arguments)
        assert (ran.code, told in ran.err) == (2, True), ran.err
    with locked(run):
        ran = huafeng("train", "--resume", str(run))
    assert ran.code == 2
    assert "Another process is training" in ran.err
    (path,) = checkpoint.listed(run)[-1:]
    for other in checkpoint.listed(run):
        other.unlink()
    path.write_bytes(b"damaged")
    ran = huafeng("train", "--resume", str(run))
    assert ran.code == 2
    assert "is damaged" in ran.err
    assert "no other one to go on from" in ran.err


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there(huafeng: Run, recipes: Path) -> None:
    ran = huafeng("train", str(recipes / "art.yaml"), "--device", "cuda")
    assert ran.code == 2
    assert "torch finds no NVIDIA GPU here" in ran.err


def test_without_torch_the_extra_is_named(recipes: Path) -> None:
    code = "import sys; sys.modules['torch'] = None; from huafeng import cli; sys.exit(cli.run(sys.argv[1:]))"
    ran = subprocess.run(
        [sys.executable, "-c", code, "train", str(recipes / "art.yaml")], capture_output=True, encoding="utf-8", timeout=300
    )
    assert ran.returncode == 2
    assert 'Training needs torch: pip install "huafeng[train]"' in ran.stderr


def test_a_batch_that_processes_cannot_share(recipes: Path, tmp_path: Path) -> None:
    train = ["-m", "huafeng", "train", str(recipes / "art.yaml"), "--set", "batch=3", "-o", str(tmp_path / "run")]
    ran = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *train],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert ran.returncode != 0
    assert "A batch of 3 cannot be shared by 2 processes" in ran.stderr
