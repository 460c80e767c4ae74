"""Files written by Huafeng appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sys
from pathlib import Path

from huafeng.errors import OutputError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES}


def data_folder() -> Path:
    """huafeng in the platform's folder for application data."""
    if sys.platform == "win32":
        data = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        data = Path.home() / "Library" / "Application Support"
    else:
        data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return data / "huafeng"


def check_output(path: str | os.PathLike[str], force: bool = False) -> None:
    """Raise OutputError now if `write_whole` could not put a file at `path`; call it before a long computation."""
    path = Path(path)
    try:
        folder = next(parent for parent in path.parents if _is_there(parent))
        if not folder.is_dir():
            raise OutputError(f"{folder} is not a folder, so {path} cannot be written in it: choose another folder.")
        if path.is_dir():
            raise OutputError(f"{path} is a folder: give the name of a file in it.")
        if not force and _is_there(path):
            raise _exists(path)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "not writable")
    except (OSError, ValueError) as error:
        raise _explained(path, error) from error


def write_whole(path: str | os.PathLike[str], data: bytes, *, force: bool = False) -> None:
    """Write `data` to `path`: under a temporary name in the same folder, flushed to the disk, then renamed.

    Missing parent folders are made. Without `force` a file that exists is never replaced, not even one that appears
    while this function runs. Whatever goes wrong, no half-written file and no temporary is left behind.

    Raises:
        OutputError: the file exists (without `force`), its place is not writable or a folder, or the disk is full.
    """
    path = Path(path)
    check_output(path, force)
    temporary = path.with_name(f".huafeng-{secrets.token_hex(8)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_synced(temporary, data)
        if force:
            _dress_as(temporary, path)
            temporary.replace(path)
        else:
            _rename_if_free(temporary, path)
    except FileExistsError as error:
        raise _exists(path) from error
    except (OSError, ValueError) as error:
        raise _explained(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _dress_as(temporary: Path, path: Path) -> None:
    """Give a file the mode and, where that is allowed, the owner of the one that it is to replace."""
    try:
        status = path.stat()
    except OSError:  # there is none
        return
    with contextlib.suppress(OSError, AttributeError):
        os.chown(temporary, status.st_uid, status.st_gid)
    with contextlib.suppress(OSError):
        temporary.chmod(status.st_mode & 0o7777)


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _rename_if_free(temporary: Path, path: Path) -> None:
    """Rename, but raise FileExistsError where `path` exists: a hard link fails atomically, a rename would replace."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        path.touch(exist_ok=False)  # a file system without hard links: take the name first
        try:
            temporary.replace(path)
        except BaseException:
            path.unlink()
            raise


def _is_there(path: Path) -> bool:
    try:
        path.lstat()  # Path.exists() would follow a symbolic link, and say False of a name that is too long
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _exists(path: Path) -> OutputError:
    return OutputError(f"{path} exists already: choose another name, or allow it to be replaced (--force).")


def _explained(path: Path, error: OSError | ValueError) -> OutputError:
    code = error.errno if isinstance(error, OSError) else None
    if code in _NO_ROOM:
        return OutputError(f"The disk has no room left for {path}: free some space and try again.")
    if code in _NOT_ALLOWED:
        return OutputError(f"{path} cannot be written, its folder is not writable: choose another folder.")
    if code == errno.ENAMETOOLONG:
        return OutputError(f"The name {path.name[:40]}… is too long for this disk: choose a shorter one.")
    reason = (isinstance(error, OSError) and error.strerror) or error
    return OutputError(f"{path} cannot be written ({reason}): choose another name or folder.")
