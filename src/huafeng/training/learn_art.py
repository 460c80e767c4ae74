"""`huafeng learn`: a network for one style, which starts as the built-in base generator paints the works at once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from huafeng.errors import TrainingError
from huafeng.files import write_whole
from huafeng.photo import Photo
from huafeng.pixels import U8
from huafeng.style import name_of
from huafeng.training import train
from huafeng.training.data import Augment
from huafeng.training.learned_file import Told, how_to_use, learned_file, preview_file
from huafeng.training.learner import LearnerOptions
from huafeng.training.pictures import open_pictures
from huafeng.training.recipes.fast_style import FastStyleOptions
from huafeng.training.recipes.painting import CardOptions
from huafeng.training.recipes.works import WorkOptions
from huafeng.training.transfer import BASE

MOST_STEPS = 100_000  # minutes end it before
WORK_PX = 640  # short side of works: the larger, the larger the strokes
PREVIEW_MINUTES = 0.25
SAMPLES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png")


@dataclass(frozen=True)
class Lesson(Told):
    """What is to be learned.

    Args:
        source: a picture, or a folder of pictures of one manner.
        name: the style's name.
        photos: a folder of photos to practise on; None: some that come with scikit-image.
        minutes: how long to practise.
        features: feature network, as in recipes.
    """

    source: Path
    name: str
    photos: Path | None = None
    minutes: float = 3.0
    features: str = "features-v1"


def learn(lesson: Lesson, out: Path | None, *, force: bool, tell: Callable[[str], None]) -> Path:
    """Learn the style and write its file: `out`, by default NAME.style among the user's own styles.

    Raises:
        StyleError: the name cannot be a style's.   DataError, PhotoError: the pictures cannot be used.
        OutputError: the file exists and `force` is not set, it cannot be written, or a built-in style has that name.
    """
    path = learned_file(lesson.name, out, force=force)
    preview_file(lesson.preview, force=force)

    def show(samples: U8) -> None:
        if lesson.preview:
            Photo.from_array(samples).save(lesson.preview, force=True)

    with tempfile.TemporaryDirectory() as folder:
        plan = train.Plan(
            options(lesson, tell), Path(folder) / "run", resumed=False, device=train.chosen_device("auto"), steps_given=False
        )
        made = train.train(plan, minutes=lesson.minutes, on_collapse="warn", tell=_quiet, show=show)
        write_whole(path, made[0].read_bytes(), force=force)
    tell(how_to_use(lesson.name, out))
    return path


def options(lesson: Lesson, tell: Callable[[str], None]) -> FastStyleOptions:
    """The recipe for a lesson: `fast-style`, from the built-in generator on.

    Raises:
        DataError: there are no pictures.   PhotoError: there is one, and it is damaged.
    """
    pictures = open_pictures(lesson.source, tell)
    count = len(pictures)
    if count == 1:
        pictures.read_exactly(0)  # a damaged one says why
    return FastStyleOptions(
        name=lesson.name,
        style=WorkOptions(works=lesson.source.absolute(), short_side_px=WORK_PX),
        card=CardOptions(
            title_en=lesson.title_en or lesson.name,
            title_zh=lesson.title_zh,
            author=lesson.author,
            licence=lesson.licence,
            trained_on=f"{count} picture{'s' if count > 1 else ''}: {name_of(lesson.source)}",
            provenance=lesson.provenance,
        ),
        photos=(lesson.photos.absolute(),) if lesson.photos else sample_photos(),
        hold_out_every=20 if lesson.photos else len(SAMPLES),
        augment=Augment(reach=(0.5, 1.0), color=0.4, recolored=0.5, gamma=0.8),  # five photos stand for all
        features=lesson.features,
        init=BASE,
        steps=MOST_STEPS,
        batch=2,
        crop_px=256,
        generator=LearnerOptions(learning_rate=0.002, warmup_steps=20),
        checkpoint_minutes=PREVIEW_MINUTES if lesson.preview else 60.0,
    )


def sample_photos() -> tuple[Path, ...]:
    """Some photos that come with scikit-image.

    Raises:
        TrainingError: it is not installed.
    """
    try:
        import skimage.data
    except ImportError as error:
        raise TrainingError("Give a folder of photos to practise on (--photos DIR), or pip install scikit-image.") from error
    return tuple(Path(skimage.data.__file__).with_name(name) for name in SAMPLES)


def _quiet(text: str) -> None:
    """What a run says of its folder and its weights does not concern who learns a style; the pictures have been told of."""
