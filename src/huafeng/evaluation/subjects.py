"""What is evaluated: a style or look, the results in a folder, the styles of a run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Protocol

from huafeng.edit import Edit, StyleWeight
from huafeng.errors import DataError
from huafeng.evaluation.protocol import at_short_side
from huafeng.photo import Photo
from huafeng.pixels import U8, resize
from huafeng.stylizer import Stylizer
from huafeng.training.pictures import Pictures, listing, open_pictures, read_upright

PROPORTIONS = 0.02  # by which a result's proportions may differ from its photo's: rounding to whole pixels


class Subject(Protocol):
    """Something that has a result for each photo."""

    name: str
    facts: dict[str, object]  # what it is, for the evaluation's inputs

    def result(self, name: str, photo: U8) -> U8:
        """Photo uint8 [H, W, 3] of that name -> its result, of the same size."""


class StyleSubject:
    """A style or look of the library, through the same Stylizer that users have: what is measured is what ships."""

    def __init__(self, style: str, stylizer: Stylizer, strength: float = 1.0, name: str | None = None) -> None:
        found = stylizer.library.get(style)
        self.name, self.path = name or found.name, stylizer.library.path_of(style)
        self._stylizer = stylizer
        self._edit = Edit((StyleWeight(style, 1.0),), strength=strength)
        self.facts: dict[str, object] = {
            "kind": found.kind, "strength": strength, "sha256": hashlib.sha256(found.to_bytes()).hexdigest(),
        }  # fmt: skip
        if found.card.base_sha256:
            self.facts["base_sha256"] = found.card.base_sha256

    def result(self, name: str, photo: U8) -> U8:
        """See Subject."""
        return self._stylizer.apply(Photo.from_array(photo), self._edit).pixels


class FolderSubject:
    """Results that another program made: they have their photos' names, perhaps with "-" and more behind.

    Raises:
        DataError: a photo has no result, or two; or none has the proportions of its photo.
    """

    def __init__(self, folder: Path, photos: Pictures, tell: Callable[[str], None]) -> None:
        self.name = folder.resolve().name
        self.pictures = open_pictures(folder, tell)
        self.facts: dict[str, object] = {"kind": "folder", "fingerprint": self.pictures.fingerprint}
        self._rows: dict[str, int] = {}
        taken: dict[int, str] = {}
        candidates = _by_stem(self.pictures.names, {Path(name).stem for name in photos.names})
        for name in photos.names:
            stem = Path(name).stem
            exact, longer = candidates[stem]
            rows = exact or longer
            if len(rows) > 1:
                several = listing([self.pictures.names[i] for i in rows])
                raise DataError(
                    f"The photo {name} has {len(rows)} results in {folder} ({several}): leave one result a photo, in a folder "
                    "of its own."
                )
            if rows:
                if rows[0] in taken:
                    raise DataError(f"The photos {taken[rows[0]]} and {name} share one name: rename one, and its result.")
                taken[rows[0]] = name
                self._rows[name] = rows[0]
        self.matched = [i for i, name in enumerate(photos.names) if name in self._rows]
        if not self.matched:
            raise DataError(
                f"No picture in {folder} has the name of one of the photos: results are found by their photo's name "
                "(holiday.jpg, holiday.png, holiday-monet.jpg)."
            )

    def result(self, name: str, photo: U8) -> U8:
        """See Subject.

        Raises:
            DataError: it has other proportions than its photo.   PhotoError: it cannot be read.
        """
        picture = read(self.pictures, self._rows[name])
        (height, width), (wanted_height, wanted_width) = picture.shape[:2], photo.shape[:2]
        if abs(width * wanted_height / (height * wanted_width) - 1) > PROPORTIONS:
            raise DataError(
                f"The result {self.pictures.names[self._rows[name]]} has {width} x {height} px, other proportions than its "
                f"photo {name}: results must show the whole photo."
            )
        return resize(at_short_side(picture, min(photo.shape[:2])), wanted_width, wanted_height)


def _by_stem(names: Sequence[str], stems: Collection[str]) -> dict[str, tuple[list[int], list[int]]]:
    """Photo's stem -> results of just that name, and results with "-" and more behind it.

    "beach-2-monet" belongs to the photo "beach-2" where there is one, not to "beach".
    """
    found: dict[str, tuple[list[int], list[int]]] = {stem: ([], []) for stem in stems}
    for i, name in enumerate(names):
        parts = Path(name).stem.split("-")
        starts = ("-".join(parts[:count]) for count in range(len(parts), 0, -1))
        if (stem := next((start for start in starts if start in found), None)) is not None:
            found[stem][len(stem) < len(Path(name).stem)].append(i)
    return found


def read(pictures: Pictures, i: int) -> U8:
    """Picture i, uint8 [H, W, 3]; unlike `Pictures.read_exactly` it says nothing of another one in its place.

    Raises:
        PhotoError: it cannot be read.
    """
    entry = pictures.entries[i]
    return read_upright(entry.read(), entry.name)


def is_run(path: Path) -> bool:
    """Whether a folder is one that `huafeng train` wrote."""
    return (path / "options.json").is_file()
