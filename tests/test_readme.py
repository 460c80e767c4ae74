"""What the READMEs say can be typed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from huafeng.pixels import U8

ROOT = Path(__file__).parents[1]
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]


def blocks(readme: Path, language: str) -> list[str]:
    found = re.findall(r"^```([a-z]*)\n(.*?)^```", readme.read_text(encoding="utf-8"), re.M | re.S)
    return [text for kind, text in found if kind == language]


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.name)
def test_the_python_example_runs(readme: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, coffee: U8) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(coffee).save("holiday.jpg")
    (example,) = blocks(readme, "python")
    exec(compile(example, readme.name, "exec"), {})
    with Image.open("holiday-painted.jpg") as image:
        assert image.size == (600, 400)


def test_both_languages_show_the_same_commands() -> None:
    commands = [[line.split("#")[0].strip() for block in blocks(r, "") for line in block.splitlines()] for r in READMES]
    assert len(commands[0]) > 10
    assert commands[0] == commands[1]


def test_the_commands_name_options_that_exist(huafeng) -> None:
    verbs = (
        "apply", "styles", "recommend", "learn", "cube", "lint", "doctor", "prepare", "train", "evaluate", "explain",
        "generate", "models",
    )  # fmt: skip
    help_text = "".join(huafeng(verb, "--help").out for verb in verbs)
    text = READMES[0].read_text(encoding="utf-8")
    typed = [line.split("huafeng ", 1)[1] for line in text.splitlines() if "huafeng " in line]
    used = {option for line in typed for option in re.findall(r" (--[a-z-]+)", line)}
    assert {"--strength", "--mask", "--sheet"} <= used
    assert all(option in help_text for option in used)
