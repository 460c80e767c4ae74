import hashlib
import os
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from huafeng import library as library_module
from huafeng.errors import StyleError, StyleNotFound
from huafeng.library import Library, user_folder
from huafeng.style import Card, Style

CARD = Card(
    title_en="Ink Wash",
    title_zh="墨",
    author="The Huafeng authors",
    licence="CC0-1.0",
    trained_on="80 paintings",
    provenance="public domain",
    date="2024-12-31",
)


def put(folder: Path, name: str, title_en: str = "", title_zh: str = "", value: float = 0.5) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    card = replace(CARD, title_en=title_en, title_zh=title_zh)
    style = Style("any", "look", {"lut": np.full((2, 2, 2, 3), value, np.float32)}, card)
    path = folder / f"{name}.style"
    path.write_bytes(style.to_bytes())
    return path


def value_of(style: Style) -> float:
    return float(style.tensors["lut"][0, 0, 0, 0])


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """Two folders: built in (monet, ink) and the user's own (zebra, apple, monet again, and a damaged one)."""
    built_in, own = tmp_path / "built-in", tmp_path / "own"
    put(built_in, "monet", "Water Lilies", "睡莲", value=0.25)
    put(built_in, "ink", "Ink Wash", "墨")
    put(own, "zebra")
    put(own, "apple")
    put(own, "monet", value=0.75)
    (own / "broken.style").write_bytes(b"not a style")
    (own / "readme.txt").write_text("not a style either")
    (own / "._monet.style").write_bytes(b"a file system's litter")
    return Library([built_in, tmp_path / "missing", own])


def test_names_are_sorted_and_built_in_ones_come_first(library: Library) -> None:
    assert library.names() == ["ink", "monet", "apple", "broken", "zebra"]


def test_a_damaged_style_does_not_break_the_list(library: Library) -> None:
    entries = {entry.name: entry for entry in library.entries()}
    assert list(entries) == library.names()
    error = entries.pop("broken").style
    assert isinstance(error, StyleError)
    assert "not a style file" in str(error)
    assert all(isinstance(entry.style, Style) for entry in entries.values())
    assert all(entry.path.stem == name for name, entry in entries.items())


def test_a_name_is_found_and_the_first_folder_wins(library: Library) -> None:
    assert value_of(library.get("monet")) == 0.25
    assert value_of(library.get("MoNet ")) == 0.25


@pytest.mark.parametrize("title", ["墨", "Ink Wash", "ink wash"])
def test_titles_are_names_too(library: Library, title: str) -> None:
    assert library.get(title) is library.get("ink")


def test_accents_are_found_however_the_file_system_writes_them(tmp_path: Path) -> None:
    put(tmp_path, unicodedata.normalize("NFD", "étude"))
    assert value_of(Library([tmp_path]).get("étude")) == 0.5


def test_the_nearest_name_is_told(library: Library) -> None:
    with pytest.raises(StyleNotFound, match=r"no style 'monnet': did you mean 'monet'\?.*'huafeng styles'"):
        library.get("monnet")
    with pytest.raises(StyleNotFound, match="no style 'qqq': 'huafeng styles' lists"):
        library.get("qqq")
    with pytest.raises(StyleNotFound, match="no style ''"):
        library.get("")


def test_a_path_is_read_from_there(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path / "else where", "mine", value=1.0)
    assert value_of(library.get(path)) == 1.0
    assert value_of(library.get(str(path))) == 1.0
    monkeypatch.chdir(path.parent)
    assert value_of(library.get("mine.style")) == 1.0
    assert value_of(library.get("./mine.style")) == 1.0


def test_a_path_follows_the_working_folder(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [put(tmp_path / "a", "x", value=0.5), put(tmp_path / "b", "x", value=1.0)]
    for path in paths:
        os.utime(path, ns=(0, 0))
    found = []
    for path in paths:
        monkeypatch.chdir(path.parent)
        found.append(value_of(library.get("x.style")))
    assert found == [0.5, 1.0]


def test_a_path_that_leads_nowhere(library: Library, tmp_path: Path) -> None:
    with pytest.raises(StyleNotFound, match=r"There is no style file .*gone\.style\.$"):
        library.get(tmp_path / "gone.style")
    with pytest.raises(StyleNotFound, match=r"no style file monet\.style, but there is a style 'monet'"):
        library.get("monet.style")
    with pytest.raises(StyleError, match="cannot be read"):
        library.get("a\0b.style")
    with pytest.raises(StyleError, match="has no pictures in it to take a style from"):
        library.get(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_is_not_waited_for(library: Library, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.style")
    os.mkfifo(tmp_path / "pipe.cube")
    for name in ("pipe.style", "pipe.cube"):
        with pytest.raises(StyleError, match="it is not a file"):
            library.get(tmp_path / name)


def test_a_damaged_style_is_told_when_it_is_asked_for(library: Library) -> None:
    with pytest.raises(StyleError, match="not a style file"):
        library.get("broken")


def test_a_style_is_read_once_until_its_file_changes(library: Library, tmp_path: Path) -> None:
    first = library.get("apple")
    assert library.get("apple") is first
    path = put(tmp_path / "own", "apple", value=1.0)
    os.utime(path, ns=(0, 0))
    assert value_of(library.get("apple")) == 1.0


def test_only_the_styles_read_last_are_kept(tmp_path: Path) -> None:
    for number in range(70):
        put(tmp_path, f"style-{number:02}")
    library = Library([tmp_path])
    entries = list(library.entries())
    assert library.get("style-69") is entries[69].style
    assert library.get("style-00") is not entries[0].style


def test_few_large_styles_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        put(tmp_path, name)
    library = Library([tmp_path])
    size = sum(tensor.nbytes for tensor in library.get("a").tensors.values())
    monkeypatch.setattr(library_module, "_CACHE_BYTES", 2 * size)
    first = library.get("a")
    library.get("b")
    assert library.get("a") is first
    library.get("c")
    assert library.get("a") is not first
    monkeypatch.setattr(library_module, "_CACHE_BYTES", size // 2)  # one is always kept
    alone = library.get("b")
    assert library.get("b") is alone


def test_threads_share_a_library(library: Library) -> None:
    names = ["monet", "ink", "zebra", "apple", "墨"] * 20
    with ThreadPoolExecutor(8) as threads:
        styles = list(threads.map(library.get, names))
    assert [value_of(style) for style in styles] == [0.25, 0.5, 0.5, 0.5, 0.5] * 20


def test_the_users_folder_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "mine", value=1.0)
    monkeypatch.setenv("HUAFENG_STYLES", str(tmp_path))
    assert user_folder() == tmp_path
    assert value_of(Library().get("mine")) == 1.0


@pytest.mark.parametrize(
    ("platform", "variable", "folder"),
    [
        ("linux", "XDG_DATA_HOME", "data/huafeng/styles"),
        ("linux", None, "home/.local/share/huafeng/styles"),
        ("darwin", None, "home/Library/Application Support/huafeng/styles"),
        ("win32", "LOCALAPPDATA", "data/huafeng/styles"),
        ("win32", None, "home/AppData/Local/huafeng/styles"),
    ],
)
def test_the_users_folder_is_where_the_platform_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, variable: str | None, folder: str
) -> None:
    for name in ("HUAFENG_STYLES", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "data"))
    assert user_folder() == tmp_path / folder


def test_the_base_generator_is_known_by_its_sha256(tmp_path: Path) -> None:
    library = Library([tmp_path / "missing", tmp_path])
    with pytest.raises(StyleError, match=r"base generator base\.safetensors is missing"):
        library.base_path()
    with pytest.raises(StyleError, match="missing"):
        library.base_sha256()
    (tmp_path / "base.safetensors").write_bytes(b"weights")
    assert library.base_path() == tmp_path / "base.safetensors"
    assert library.base_sha256() == hashlib.sha256(b"weights").hexdigest()
    assert library.names() == []
