"""The library: where the styles at hand live, and how they are found by name."""

from __future__ import annotations

import difflib
import hashlib
import os
import stat
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from huafeng.errors import LutError, StyleError, StyleNotFound
from huafeng.files import data_folder
from huafeng.lookfile import FOREIGN, TABLES, hald_in, read_look
from huafeng.networkfile import ENLARGE_SUFFIX, PLAN, read_plan
from huafeng.photo import READ
from huafeng.picturestyle import pictures_in, read_pictures
from huafeng.style import SUFFIX, Style

BUILT_IN = Path(__file__).parent / "styles"
BASE_FILE = "base.safetensors"
BASE_PATTERN = "base*.safetensors"
FILE_SUFFIXES = (SUFFIX, ENLARGE_SUFFIX, *TABLES, *FOREIGN, *READ)
RUN_OPTIONS = "options.json"  # what a training run's folder holds from its beginning on
_CACHE_STYLES = 64
_CACHE_BYTES = 256 * 2**20  # of their tensors: a translator may have 192 MB


def user_folder() -> Path:
    """The user's own styles: $HUAFENG_STYLES, or huafeng/styles in the platform's folder for application data."""
    if own := os.environ.get("HUAFENG_STYLES"):
        return Path(own)
    return data_folder() / "styles"


Stamp: TypeAlias = tuple[object, ...]  # what tells whether a file, or a folder of pictures, has changed


class Entry(NamedTuple):
    """A style file of the library: its name, its path, and the style, or why it cannot be used."""

    name: str
    path: Path
    style: Style | StyleError


class Library:
    """The styles NAME.style in some folders; a name is the file's name. Safe to use from several threads.

    Args:
        folders: where to look, in this order; None is the built-in styles, then `user_folder()`. Of two files of the
            same name the first is used. A folder that does not exist has no styles.
    """

    def __init__(self, folders: Sequence[Path] | None = None) -> None:
        self.folders = (BUILT_IN, user_folder()) if folders is None else tuple(Path(folder) for folder in folders)
        self._lock = threading.Lock()
        self._styles: dict[Path, tuple[Stamp, Style]] = {}
        self._seen: dict[Path, None] = {}  # folders of style files that were given as paths, in that order
        self._digests: dict[tuple[Path, int, int], str] = {}

    def names(self) -> list[str]:
        """The names of all styles, sorted within each folder, the built-in ones first; damaged files among them."""
        return [path.stem for path in self._files().values()]

    def entries(self) -> Iterator[Entry]:
        """All styles with their paths, in the order of `names`; a damaged file comes with its StyleError."""
        for path in self._files().values():
            try:
                yield Entry(path.stem, path, self._load(path))
            except StyleError as error:
                yield Entry(path.stem, path, error)

    def get(self, name_or_path: str | Path) -> Style:
        """The style of that name (upper and lower case are the same), title in English or Chinese, or path.

        What has a separator in it or the suffix of a file is a path, and may lie outside the library's folders: a
        ".style" or ".enlarge" file; a look from elsewhere (".cube", or a HaldCLUT as ".png" or ".tif"); any other picture,
        or a folder of pictures, whose style the encoder reads at once.

        Raises:
            StyleNotFound: there is no such style; the nearest name is told.
            StyleError: the file is damaged, foreign or newer; the folder has no pictures.
            LutError, PhotoError: the look or the picture cannot be read.
        """
        return self._load(self.path_of(name_or_path))

    def path_of(self, name_or_path: str | Path) -> Path:
        """The file of the style that `get` finds; a path is given back unread.

        Raises:
            StyleNotFound: there is no style of that name or title; the nearest name is told.
        """
        text = str(name_or_path)
        if isinstance(name_or_path, Path) or "/" in text or "\\" in text or text.lower().endswith(FILE_SUFFIXES):
            self._seen.setdefault(Path(name_or_path).absolute().parent)
            return Path(name_or_path)
        wanted = _key(text)
        files = self._files()
        if wanted in files:
            return files[wanted]
        titles: dict[str, Path] = {}
        for entry in self.entries():
            if isinstance(entry.style, Style):
                for title in (entry.style.card.title_en, entry.style.card.title_zh):
                    titles.setdefault(_key(title), entry.path)
        if wanted and wanted in titles:
            return titles[wanted]
        near = difflib.get_close_matches(wanted, [*files, *titles], n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise StyleNotFound(f"There is no style {text!r}: {hint}'huafeng styles' lists all of them.")

    def enlarger(self, scale_or_path: str) -> Style:
        """What enlarges photos: by the path of an ".enlarge" file; or by 2 or 4, the first one in the library's folders.

        Raises:
            StyleError: the library has none of that scale, or the file cannot be used.
        """
        if scale_or_path not in ("2", "4"):
            if scale_or_path.lower().endswith(ENLARGE_SUFFIX):
                return self._load(Path(scale_or_path))
            raise StyleError(f"Photos are enlarged 2 or 4 times, or by an {ENLARGE_SUFFIX} file, not by {scale_or_path!r}.")
        for path in (path for folder in self.folders for path in sorted(folder.glob(f"*{ENLARGE_SUFFIX}"))):
            found = self._load(path)
            if PLAN in found.tensors and read_plan(found.tensors[PLAN].tobytes()).scale == int(scale_or_path):
                return found
        raise StyleNotFound(
            f"The library has nothing that enlarges {scale_or_path} times: give an {ENLARGE_SUFFIX} file (--enlarge FILE), or "
            f"train one (recipes/srgan.yaml) and put it into {user_folder()}."
        )

    def base_path(self, sha256: str | None = None) -> Path:
        """The file of the base generator with this digest; None is the one that the library's styles share.

        It is called base.safetensors, or base-ANYTHING.safetensors, and lies in one of the library's folders, or beside a
        style file that `get` was given as a path: a training run leaves both in one folder.

        Raises:
            StyleError: it is not there.
        """
        for folder in self.folders if sha256 is None else (*self.folders, *list(self._seen)):
            for path in [folder / BASE_FILE] if sha256 is None else sorted(folder.glob(BASE_PATTERN)):
                if path.is_file() and (sha256 is None or self._digest(path) == sha256):
                    return path
        if sha256 is None:
            raise StyleError(f"The base generator {BASE_FILE} is missing: install Huafeng again.")
        raise StyleError(
            "its base generator is not here: put the base-*.safetensors that belongs to it beside the style file, or get a "
            "version of the style that fits this version of Huafeng"
        )

    def base_sha256(self) -> str:
        """The sha256 of the base generator that the library's styles share, 64 lowercase hex digits.

        Raises:
            StyleError: the file is missing or cannot be read.
        """
        return self._digest(self.base_path())

    def _digest(self, path: Path) -> str:
        """The file's sha256, computed anew only when it has changed."""
        try:
            status = path.stat()
            key = (path, status.st_mtime_ns, status.st_size)
            if key not in self._digests:
                with path.open("rb") as file:
                    self._digests[key] = hashlib.file_digest(file, "sha256").hexdigest()
            return self._digests[key]
        except OSError as error:
            raise StyleError(f"{path}: The base generator cannot be read ({error.strerror}).") from error

    def _files(self) -> dict[str, Path]:
        """Key of the name -> style file, in the order of `names`."""
        found: dict[str, Path] = {}
        for folder in self.folders:
            try:
                paths = sorted(folder.iterdir())
            except OSError:  # a folder that is missing or closed to us has no styles for us
                continue
            for path in paths:
                if path.suffix.lower() == SUFFIX and not path.name.startswith("."):
                    found.setdefault(_key(path.stem), path)
        return found

    def _load(self, path: Path) -> Style:
        """The style in the file, or in the folder of pictures, read anew only when it has changed."""
        place = path.absolute()  # the working folder may change
        try:
            status = place.stat()
        except FileNotFoundError:
            raise StyleNotFound(f"There is no style file {path}{self._known_as(path)}.") from None
        except (OSError, ValueError) as error:
            raise StyleError(f"The style file {str(path)!r} cannot be read ({error}).") from error
        stamp: Stamp = (status.st_mtime_ns, status.st_size)
        if stat.S_ISDIR(status.st_mode):
            stamp = tuple((file.name, file.stat().st_mtime_ns) for file in pictures_in(path))
        elif not stat.S_ISREG(status.st_mode):  # a pipe, which would be waited for
            raise StyleError(f"The style file {str(path)!r} cannot be read: it is not a file.")
        with self._lock:
            kept = self._styles.get(place)
        if kept is not None and kept[0] == stamp:
            return kept[1]
        style = self._read(path)
        with self._lock:
            self._styles.pop(place, None)
            self._styles[place] = (stamp, style)
            while len(self._styles) > _CACHE_STYLES or (len(self._styles) > 1 and self._held() > _CACHE_BYTES):
                del self._styles[next(iter(self._styles))]  # the one that was read the longest ago
        return style

    def _held(self) -> int:
        """Bytes of all tensors that are kept."""
        return sum(tensor.nbytes for _, style in self._styles.values() for tensor in style.tensors.values())

    def _read(self, path: Path) -> Style:
        suffix = path.suffix.lower()
        if path.is_dir() or suffix in READ:
            found = None if path.is_dir() else hald_in(path)
            return found or read_pictures(path, self.base_path())
        if suffix in FOREIGN:
            raise LutError(f"{path} is {FOREIGN[suffix]}")
        return read_look(path) if suffix in TABLES else Style.load(path)

    def _known_as(self, path: Path) -> str:
        """A hint for who types the file's name where the style's name would do, or where a run has not ended."""
        if (path.parent.parent / RUN_OPTIONS).is_file():
            return f": the run {path.parent.parent} is still training, or was stopped (huafeng train --resume)"
        known = self._files().get(_key(path.stem))
        return f", but there is a style {known.stem!r}" if known and path.name == str(path) else ""


def _key(text: str) -> str:
    """What names are compared by: neither case nor the file system's way of writing accents matters."""
    return unicodedata.normalize("NFKC", text).casefold().strip()
