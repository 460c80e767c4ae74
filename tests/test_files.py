"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from huafeng.errors import OutputError
from huafeng.files import check_output, write_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["a.png", "照片 一.png", "two words.png", "-rf.png", ".hidden", "ü" * 100])
def test_writes_the_bytes_and_nothing_else(tmp_path: Path, name: str) -> None:
    write_whole(tmp_path / name, b"whole")
    assert (tmp_path / name).read_bytes() == b"whole"
    assert names(tmp_path) == [name]


def test_makes_missing_folders(tmp_path: Path) -> None:
    write_whole(tmp_path / "a" / "b" / "c.png", b"whole")
    assert (tmp_path / "a" / "b" / "c.png").read_bytes() == b"whole"


def test_a_name_alone_goes_into_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_whole("-a.png", b"whole")
    assert names(tmp_path) == ["-a.png"]


@pytest.mark.skipif(os.name == "nt", reason="no permission bits")
def test_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    write_whole(tmp_path / "ours", b"")
    (tmp_path / "plain").write_bytes(b"")
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


@pytest.mark.parametrize("write", [check_output, lambda path: write_whole(path, b"new")])
def test_never_replaces_without_force(tmp_path: Path, write: Callable[[Path], None]) -> None:
    (tmp_path / "a.png").write_bytes(b"old")
    with pytest.raises(OutputError, match=r"a\.png exists already: choose another name"):
        write(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == b"old"
    assert names(tmp_path) == ["a.png"]


def test_force_replaces(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"old")
    check_output(tmp_path / "a.png", force=True)
    write_whole(tmp_path / "a.png", b"new", force=True)
    assert (tmp_path / "a.png").read_bytes() == b"new"
    assert names(tmp_path) == ["a.png"]


@pytest.mark.parametrize("hard_links", [True, False])
def test_a_file_that_appears_meanwhile_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hard_links: bool
) -> None:
    real_fsync = os.fsync

    def another_program_writes(descriptor: int) -> None:
        real_fsync(descriptor)
        (tmp_path / "a.png").write_bytes(b"theirs")

    monkeypatch.setattr(os, "fsync", another_program_writes)
    if not hard_links:
        monkeypatch.setattr(Path, "hardlink_to", no_hard_links)
    with pytest.raises(OutputError, match="exists already"):
        write_whole(tmp_path / "a.png", b"ours")
    assert (tmp_path / "a.png").read_bytes() == b"theirs"
    assert names(tmp_path) == ["a.png"]


def no_hard_links(path: Path, target: Path) -> None:
    raise OSError(errno.EPERM, "this disk has no hard links")


def test_works_on_a_disk_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "hardlink_to", no_hard_links)
    write_whole(tmp_path / "a.png", b"whole")
    assert (tmp_path / "a.png").read_bytes() == b"whole"
    assert names(tmp_path) == ["a.png"]


def test_without_hard_links_a_failed_rename_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, target: Path) -> None:
        raise OSError(errno.EIO, "the disk failed")

    monkeypatch.setattr(Path, "hardlink_to", no_hard_links)
    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OutputError, match="the disk failed"):
        write_whole(tmp_path / "a.png", b"whole")
    assert names(tmp_path) == []


@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (errno.ENOSPC, "no room left .*: free some space"),
        (errno.EACCES, "folder is not writable: choose another"),
        (errno.EROFS, "folder is not writable: choose another"),
        (errno.EIO, r"cannot be written \("),
    ],
)
def test_a_failing_disk_leaves_the_old_file_and_no_temporary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, sentence: str, force: bool
) -> None:
    def fail(descriptor: int) -> None:
        assert len(names(tmp_path)) == 1 + force  # the temporary is there, and shall go
        raise OSError(code, os.strerror(code))

    if force:
        (tmp_path / "a.png").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match=sentence):
        write_whole(tmp_path / "a.png", b"new", force=force)
    assert names(tmp_path) == (["a.png"] if force else [])
    assert not force or (tmp_path / "a.png").read_bytes() == b"old"


def test_an_interruption_leaves_no_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "a.png", b"new")
    assert names(tmp_path) == []


@pytest.mark.parametrize("force", [True, False])
def test_a_folder_is_not_a_file_name(tmp_path: Path, force: bool) -> None:
    with pytest.raises(OutputError, match="is a folder: give the name of a file"):
        write_whole(tmp_path, b"", force=force)


@pytest.mark.parametrize("path", ["a.txt/b.png", "a.txt/b/c.png"])
def test_a_file_is_not_a_folder(tmp_path: Path, path: str) -> None:
    (tmp_path / "a.txt").write_bytes(b"")
    with pytest.raises(OutputError, match=r"a\.txt is not a folder, so .* choose another folder"):
        write_whole(tmp_path / path, b"")


@pytest.mark.parametrize("goal", ["gone", "link"])
def test_a_link_that_leads_nowhere_is_not_a_folder(tmp_path: Path, goal: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path / goal)  # to nothing, or to itself
    with pytest.raises(OutputError, match="link is not a folder"):
        write_whole(tmp_path / "link" / "a.txt", b"new")


def test_a_name_too_long(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="too long for this disk: choose a shorter one"):
        check_output(tmp_path / ("x" * 300))


def test_a_name_that_no_disk_has(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="choose another name"):
        write_whole(tmp_path / "a\0b", b"")


def test_a_folder_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # a root user may write anywhere
    with pytest.raises(OutputError, match="not writable: choose another folder"):
        check_output(tmp_path / "new" / "a.png")
    assert names(tmp_path) == []


def test_a_dangling_link_counts_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match="exists already"):
        write_whole(tmp_path / "link", b"")
