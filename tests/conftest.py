"""Real photos for the tests (they come with scikit-image, nothing is downloaded), and the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import skimage.data
from hypothesis import settings
from numpy.typing import NDArray

from huafeng import Card, Style, cli

U8 = NDArray[np.uint8]

settings.register_profile("same every time", derandomize=True)
settings.load_profile("same every time")


def _real(name: str) -> U8:
    photo: U8 = np.ascontiguousarray(getattr(skimage.data, name)())
    photo.flags.writeable = False
    return photo


@pytest.fixture(scope="session")
def astronaut() -> U8:
    """uint8 [512, 512, 3]: a portrait."""
    return _real("astronaut")


@pytest.fixture(scope="session")
def chelsea() -> U8:
    """uint8 [300, 451, 3]: a cat."""
    return _real("chelsea")


@pytest.fixture(scope="session")
def coffee() -> U8:
    """uint8 [400, 600, 3]: a cup on a table."""
    return _real("coffee")


@pytest.fixture(scope="session")
def rocket() -> U8:
    """uint8 [427, 640, 3]: a dark sky."""
    return _real("rocket")


@pytest.fixture(scope="session")
def parts(astronaut: U8, chelsea: U8, coffee: U8, rocket: U8) -> list[U8]:
    """48 parts of four photos."""
    found = []
    for photo in (astronaut, chelsea, coffee, rocket):
        height, width = photo.shape[0] // 3, photo.shape[1] // 4
        found += [photo[height * k // 4 :, width * (k % 4) :][:height, :width] for k in range(12)]
    return [np.ascontiguousarray(part) for part in found]


@pytest.fixture(scope="session")
def heic_bytes() -> bytes:
    """A HEIC that shows, upright, 24 x 32: blue and red above white and green; stored lying, orientation 6."""
    return (Path(__file__).parent / "data" / "turned.heic").read_bytes()


class Ran(NamedTuple):
    """What a command line did."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def styles_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own styles, beside the working folder: the looks `negative` (colours turned round) and `dark`."""
    folder = tmp_path / "my styles"
    folder.mkdir()
    monkeypatch.setenv("HUAFENG_STYLES", str(folder))
    ramp = np.linspace(0, 1, 5, dtype=np.float32)
    cube = np.stack(np.meshgrid(ramp, ramp, ramp, indexing="ij"), -1)
    card = Card(title_en="Negative", title_zh="负片", author="A. Nobody", licence="CC0-1.0", trained_on="nothing",
                provenance="made by formula", date="2026-01-01", scores={"delta_e": 2.5})  # fmt: skip
    Style("negative", "look", {"lut": 1 - cube}, card).save(folder / "negative.style")
    Style("dark", "look", {"lut": cube / 2}, replace(card, title_en="Dark", title_zh="暗")).save(folder / "dark.style")
    return folder


@pytest.fixture
def huafeng(styles_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line, in this process, in the empty folder tmp_path/"album"."""
    (tmp_path / "album").mkdir()
    monkeypatch.chdir(tmp_path / "album")
    monkeypatch.delenv("COLUMNS", raising=False)  # lines are as long as where they go to a file

    def run(*arguments: str) -> Ran:
        code = cli.run(arguments)
        return Ran(code, *capsys.readouterr())

    return run
