"""A fresh process proves what is imported, and when."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

HEAVY = {"numpy", "PIL", "onnxruntime", "safetensors", "torch"}


def imported_by(code: str, **environment: str) -> set[str]:
    """The top-level modules that a fresh process has imported after running `code`."""
    code += "\nimport json, sys\nprint('\\n' + json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    ran = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, encoding="utf-8", check=True
    )
    return set(json.loads(ran.stdout.splitlines()[-1]))


def test_nothing_but_training_and_evaluation_imports_torch() -> None:
    walk = """
import importlib, pkgutil, huafeng
def walk(path, prefix):
    for module in pkgutil.iter_modules(path, prefix):
        if module.name not in ("huafeng.training", "huafeng.evaluation") and not module.name.endswith("__main__"):
            found = importlib.import_module(module.name)
            if module.ispkg:
                walk(found.__path__, module.name + ".")
walk(huafeng.__path__, "huafeng.")
for name in ("pictures", "pairs", "shards", "prepare", "doctor", "ahead"):
    importlib.import_module("huafeng.training." + name)
"""
    found = imported_by(walk)
    assert {"numpy", "onnxruntime"} <= found  # the walk has been everywhere
    assert "torch" not in found


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["apply", "--help"],
        ["styles", "--help"],
        ["cube", "--help"],
        ["lint", "--help"],
        ["recommend", "--help"],
        ["doctor", "--help"],
        ["prepare", "--help"],
        ["train", "--help"],
        ["learn", "--help"],
        ["evaluate", "--help"],
        ["explain", "--help"],
        ["generate", "--help"],
    ],
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    found = imported_by(f"from huafeng import cli; assert cli.run({arguments!r}) == 0")
    assert "typer" in found
    assert not found & HEAVY


@pytest.mark.parametrize(
    ("arguments", "paints"),
    [
        (["apply", "monet+negative", "photo.png", "twin.png", "--mask", "photo.png"], True),
        (["apply", "negative", "photo.png", "-o", "x.png"], False),
        (["apply", "twin.png", "photo.png"], True),
        (["styles"], False),
        (["recommend", "photo.png", "--top", "3"], True),
        (["styles", "monet"], False),
        (["styles", "monet", "--sheet", "photo.png"], True),
        (["cube", "negative", "-o", "x.cube"], False),
        (["lint", "dark", "--fix"], False),
    ],
)
def test_no_verb_imports_torch(
    tmp_path: Path, styles_folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], paints: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("photo.png", "twin.png"):
        Image.new("RGB", (40, 30), "teal").save(name)
    found = imported_by(f"from huafeng import cli; assert cli.run({arguments!r}) == 0")
    assert "numpy" in found
    assert "torch" not in found
    assert ("onnxruntime" in found) == paints


def test_telemetry_is_off_before_onnxruntime_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    spy = """
import os, sys
class Spy:
    seen = []
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            self.seen.append(os.environ.get("ORT_DISABLE_TELEMETRY"))
sys.meta_path.insert(0, Spy())
import huafeng.stylizer, huafeng.art
assert Spy.seen == ["1"], Spy.seen
"""
    assert "onnxruntime" in imported_by(spy)
