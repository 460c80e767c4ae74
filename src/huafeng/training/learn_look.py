"""`huafeng learn --kind look`: a photographer's colour and tone, from a folder of finished pictures. Without torch."""

from __future__ import annotations

import datetime
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from huafeng.errors import DataError
from huafeng.files import check_output
from huafeng.grade import Grade
from huafeng.grade_measure import BUILT_IN as NEUTRAL_GRADE
from huafeng.grade_measure import grade_statistics, measure_grade
from huafeng.lint import LUMA, fix, lint
from huafeng.look import Lut
from huafeng.lookcard import look_card, observed
from huafeng.lookgroups import two_looks
from huafeng.looklearner import WEIGHTS, learn_lut, load_learner, moments_of
from huafeng.photo import Photo
from huafeng.pixels import F32, U8
from huafeng.style import Card, Style, name_of
from huafeng.training.finished import Progress, Seen, read, unwatched
from huafeng.training.learned_file import Told, how_to_use, learned_file, preview_file
from huafeng.training.lookpairs import enough, find_pairs, look_between, pairs_said, unpaired
from huafeng.training.pictures import listing, open_pictures

FEWEST = 8  # pictures; fewer show too little of what a look does


@dataclass(frozen=True)
class LookLesson(Told):
    """What is to be learned.

    Args:
        source: a folder of finished pictures, or one.
        name: the style's name.
        untouched: a folder of photos without the look, or one; where they are the same photos, the look is what lies between
            (`lookpairs`); None: photos in general.
        minutes: how long to read pictures at most.
        vignette, grain, local_contrast: whether to learn these beside the colours.
        neutral_greys: leave greys without a tint.
        consent: by whose consent the pictures are used; needed where they show people.
        threads: read pictures; None: one a core.
    """

    source: Path
    name: str
    untouched: Path | None = None
    minutes: float = math.inf
    vignette: bool = True
    grain: bool = True
    local_contrast: bool = True
    neutral_greys: bool = False
    consent: str = ""
    threads: int | None = None


@dataclass(frozen=True)
class Learned:
    """A look, what was read for it, and what to say of it."""

    lut: Lut
    grade: Grade
    seen: Seen
    untouched: Seen | None
    notes: tuple[str, ...]


def learn(
    lesson: LookLesson, out: Path | None, *, force: bool, tell: Callable[[str], None], progress: Progress = unwatched
) -> Path:
    """Learn the look and write its file (`out`, by default NAME.style among the user's own styles) and its card NAME.png.

    Raises:
        StyleError: the name cannot be a style's.   DataError, PhotoError: the pictures cannot be used, or there are people
        in them and no consent is given.   OutputError: a file exists and `force` is not set, or cannot be written.
    """
    path = learned_file(lesson.name, out, force=force)
    card_path = path.with_suffix(".png")
    check_output(card_path, force)
    preview_file(lesson.preview, force=force)
    learned = study(lesson, force=force, tell=tell, progress=progress)
    for note in learned.notes:
        tell(note)
    count = len(learned.seen.glimpses)
    trained_on = f"{count} pictures: {name_of(lesson.source)}"
    card = Card(
        title_en=lesson.title_en or lesson.name,
        title_zh=lesson.title_zh,
        author=lesson.author,
        licence=lesson.licence,
        trained_on=trained_on,
        provenance=lesson.provenance,
        consent=lesson.consent,
        date=datetime.date.today().isoformat(),
        description=" ".join(learned.notes)[:2000],
    )
    tensors = {"lut": learned.lut.table}
    if learned.grade:
        tensors["grade"] = learned.grade.to_tensor()
    photos, where = shown(learned.untouched)
    picture = look_card(
        learned.lut,
        photos,
        title=card.title_en,
        subtitle=f"{card.author}, learned from {trained_on}; {where}",
        seen=observed(learned.seen.kept, learned.lut),
        notes=learned.notes,
    )
    style = Style(lesson.name, "look", tensors, card)
    Photo.from_array(picture).save(card_path, force=force)
    style.save(path, force=force)
    tell(f"Card: {card_path}")
    tell(how_to_use(lesson.name, out))
    return path


def study(lesson: LookLesson, *, force: bool, tell: Callable[[str], None], progress: Progress = unwatched) -> Learned:
    """Read the folder and learn the look; see `learn`."""
    pictures = open_pictures(lesson.source, tell)
    end = time.monotonic() + 60 * lesson.minutes
    seen = read(pictures, "pictures", end, tell, progress, lesson.threads)
    count = len(seen.glimpses)
    before = open_pictures(lesson.untouched, tell) if lesson.untouched else None
    pairs = find_pairs(pictures, before, progress) if before else []
    if before and not enough(pairs, len(pictures)):
        tell(unpaired(len(pairs), len(pictures)))
        pairs = []
    if count < FEWEST and not force and not pairs:
        there = f"{count} picture{' that differs' if count == 1 else 's that differ'}"
        raise DataError(
            f"{lesson.source} has {there}: a look wants at least {FEWEST}. With --force it is learned all the same."
        )
    check_consent(lesson, seen)
    untouched = read(before, "untouched photos", end, tell, progress, lesson.threads) if before else None
    notes = []
    grey = sum(seen.grey)
    if grey == count:
        notes.append("The pictures are black and white: so is the look.")
    elif grey:
        notes.append(f"{grey:,} of {count:,} pictures are black and white, the others are not: one look cannot be both.")
    watch = partial(preview, lesson, seen, untouched) if lesson.preview else None
    if pairs:
        explained = look_between(pairs, load_learner(WEIGHTS)[1].fields)
        notes += pairs_said(pairs, explained, pictures.names)
        lut = explained.lut
        if watch:
            watch(lut)
    else:
        each = moments_of(seen.glimpses)
        notes += two_look_notes(seen, each)
        lut = learn_lut(each, untouched.glimpses if untouched else None, watch=watch)
    if grey == count:
        lut = without_color(lut)
    elif lesson.neutral_greys:
        lut = with_neutral_greys(lut)
    if lint(lut).faults:
        lut = fix(lut)
    grade = Grade()
    if lesson.vignette or lesson.grain or lesson.local_contrast:
        found = measure_grade(seen.kept, grade_statistics(untouched.kept) if untouched else NEUTRAL_GRADE)
        grade = Grade(
            found.vignette if lesson.vignette else 0.0,
            found.grain if lesson.grain else 0.0,
            found.local_contrast if lesson.local_contrast else 0.0,
        )
    return Learned(lut, grade, seen, untouched, tuple(notes))


def two_look_notes(seen: Seen, each: F32) -> list[str]:
    """A warning where the pictures in colour, whose moments are `each` [n, M], hardly have one look in common."""
    color = np.flatnonzero(~np.array(seen.grey))
    group = two_looks(load_learner(WEIGHTS)[0], each[color])
    if group is None:
        return []
    one, other = (color[part] for part in (group, ~group))
    names = [listing([seen.names[k] for k in part]) for part in (one, other)]
    return [
        f"The folder seems to hold two looks, of which this is the mean: {len(one):,} pictures ({names[0]}) differ from the "
        f"other {len(other):,} ({names[1]}). If you finished them differently, learn each group by itself."
    ]


def preview(lesson: LookLesson, seen: Seen, untouched: Seen | None, lut: Lut) -> None:
    """Write the card of the look so far."""
    assert lesson.preview
    photos, where = shown(untouched)
    card = look_card(
        lut, photos, title=lesson.title_en or lesson.name, subtitle=f"so far; {where}", seen=observed(seen.kept, lut), notes=()
    )
    Photo.from_array(card).save(lesson.preview, force=True)


def check_consent(lesson: LookLesson, seen: Seen) -> None:
    """Refuse pictures of people without a word of consent.

    Raises:
        DataError: there are faces, or nobody can tell here, and `consent` is empty.
    """
    if lesson.consent.strip():
        return
    say = '--consent "..." (who agreed to it, e.g. "my own pictures, the sitters agreed")'
    from huafeng.faces import find_frames

    try:
        people = sum(bool(find_frames(picture)) for picture in seen.kept)
    except DataError as error:
        raise DataError(
            f"Whether the pictures show people cannot be seen here without OpenCV: say {say}, "
            'or pip install "huafeng[portrait]".'
        ) from error
    if people > max(1, 0.03 * len(seen.kept)):  # a detector sees a face in a cloud now and then
        raise DataError(f"The pictures show people: say by whose consent they are used, {say}.")


def without_color(lut: Lut) -> Lut:
    """The same tones, without colour: the luminance (ITU-R BT.709) of each entry."""
    luma = lut.table @ LUMA
    return Lut(np.repeat(np.clip(luma, 0, 1)[..., None], 3, -1).astype(np.float32))


def with_neutral_greys(lut: Lut) -> Lut:
    """Greys come out without a tint; what is taken off there fades out towards saturated colours."""
    table, size = lut.table, lut.size
    axis = np.arange(size)
    greys = table[axis, axis, axis]
    tint = greys - greys @ LUMA[:, None]
    nodes = Lut.identity(size).table
    luma = nodes @ LUMA
    nearness = np.exp(-(((nodes.max(-1) - nodes.min(-1)) / 0.25) ** 2))[..., None]
    there = np.stack([np.interp(luma, nodes[:, 0, 0, 0], tint[:, c]) for c in range(3)], -1)
    return Lut(np.clip(table - nearness * there, 0, 1).astype(np.float32))


def shown(untouched: Seen | None) -> tuple[list[U8], str]:
    """Six photos for the card, and what they are: the user's untouched ones, else scikit-image's, else none."""
    if untouched:
        kept = untouched.kept
        return [
            kept[i] for i in np.linspace(0, len(kept) - 1, min(6, len(kept))).round().astype(int)
        ], "shown on untouched photos"
    return [*_sample_photos()], "shown on sample photos"


def _sample_photos() -> Iterator[U8]:
    try:
        import skimage.data
    except ImportError:
        return
    for name in ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png"):
        path = Path(skimage.data.__file__).with_name(name)
        if path.is_file():
            yield np.asarray(Image.open(path).convert("RGB"))
