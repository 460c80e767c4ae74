"""The door of this room: what `huafeng evaluate` does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from huafeng.errors import DataError, StyleError
from huafeng.evaluation import result as saved
from huafeng.evaluation.adversarial import adversarial_figures
from huafeng.evaluation.bench import Bench
from huafeng.evaluation.card import example_bytes, with_card
from huafeng.evaluation.generated import evaluate_generated, name_of
from huafeng.evaluation.lpips import load_lpips
from huafeng.evaluation.networks import load_network
from huafeng.evaluation.protocol import Protocol
from huafeng.evaluation.report import write_report
from huafeng.evaluation.result import Evaluation
from huafeng.evaluation.runs import Run, open_run
from huafeng.evaluation.subjects import FolderSubject, StyleSubject, Subject, is_run
from huafeng.evaluation.works import WORKS_PX, Works, read_works, works_of_run
from huafeng.files import check_output, write_whole
from huafeng.style import SUFFIX, Style
from huafeng.stylizer import Stylizer, cores
from huafeng.training.pictures import Pictures, open_pictures

JSON, REPORT = "evaluation.json", "report.html"
EXAMPLES = 6


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to measure on, and how; the fields are those of `huafeng evaluate`."""

    photos: Path | None = None
    works: Path | None = None
    styles: tuple[str, ...] = ()
    features: str = "features-v1"
    lpips: Path | None = None
    protocol: str = Protocol().name
    works_px: int = WORKS_PX
    limit: int | None = None
    card: bool = False
    threads: int | None = None
    tell: Callable[[str], None] = print


@dataclass(frozen=True)
class Found:
    """An evaluation, the name of what it is of or was read from, and the subject if it was measured just now."""

    evaluation: Evaluation
    source: str
    subject: Subject | None = None


def evaluate(
    given: Sequence[str], options: Options, scratch: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> list[Found]:
    """Evaluate styles, folders, runs, .cube files; read evaluations that were saved before.

    Args:
        given: what to evaluate.
        scratch: a folder for a run's style files where the run has not exported them.
        progress: told (done, total).

    Raises:
        DataError, StyleError, TrainingError: what was given cannot be evaluated; the sentence says why.
    """
    protocol = Protocol.named(options.protocol)
    before = [
        Found(one, Path(name).resolve().parent.name)
        for name in given
        if name.endswith(".json")
        for one in saved.from_json(Path(name))
    ]
    if options.card and (before or options.photos is None):
        raise StyleError("Cards are written into style files that are measured now: leave evaluations of before out of --card.")
    fresh = [name for name in given if not name.endswith(".json")]
    if options.photos is None:
        measured = [_generated(Path(name), options, protocol, progress) for name in fresh]
    else:
        measured = _styled(fresh, options, protocol, scratch, progress) if fresh else []
    found = before + measured
    evaluations = [one.evaluation for one in found]
    _refuse_different(evaluations)
    for role in ("photos", "works"):
        if before and any(one.inputs.get(role) != evaluations[0].inputs.get(role) for one in evaluations):
            options.tell(f"The figures rest on different {role}: compare them with care.")
    return _told_apart(found)


def _refuse_different(evaluations: Sequence[Evaluation]) -> None:
    kinds = {(one.protocol, one.features) for one in evaluations}
    if len(kinds) > 1:
        named = " and ".join(sorted(f"{protocol} on {features}" for protocol, features in kinds))
        raise DataError(f"Figures of different protocols cannot be compared ({named}): evaluate again with one.")
    if any(one.inputs.get("network") != evaluations[0].inputs.get("network") for one in evaluations):
        raise DataError(f"Figures of two files with a {evaluations[0].features} cannot be compared: evaluate again with one.")


def _told_apart(found: Sequence[Found]) -> list[Found]:
    """Of two runs' styles of one name each has its run's name behind; what has one name even so is numbered."""
    named = list(found)
    for by_number in (False, True):
        count = Counter(one.evaluation.subject for one in named)
        for i, one in enumerate(named):
            subject = one.evaluation.subject
            if count[subject] > 1:
                other = f"{subject} ({i + 1 if by_number else one.source})"
                named[i] = replace(one, evaluation=replace(one.evaluation, subject=other))
    return named


def _generated(folder: Path, options: Options, protocol: Protocol, progress: Callable[[int, int], None]) -> Found:
    if options.works is None or not folder.is_dir():
        raise DataError(
            "Photos are needed: --photos DIR. (Only a folder of generated pictures is compared with --works DIR alone.)"
        )
    made, real = limited(open_pictures(folder, options.tell), options.limit), open_pictures(options.works, options.tell)
    total = 2 * (len(made) + len(real))
    network = load_network(options.features)
    evaluation = evaluate_generated(name_of(folder), made, real, network, protocol, _Counter(total, progress))
    return Found(evaluation, name_of(folder))


def _styled(
    given: Sequence[str], options: Options, protocol: Protocol, scratch: Path, progress: Callable[[int, int], None]
) -> list[Found]:
    assert options.photos is not None
    photos = open_pictures(options.photos, options.tell)
    stylizer = Stylizer(threads=1)  # the bench has a photo on each core
    works = read_works(options.works, protocol, options.tell, options.works_px) if options.works else None
    subjects = [one for name in given for one in _subjects(name, options, protocol, works, stylizer, photos, scratch)]
    if options.styles and not any(one.run for one in subjects):
        raise DataError("--style chooses among a run's styles, and no run is given: leave it out.")
    if options.card:
        for one in subjects:
            _check_card(one, scratch)
    folders = [set(one.subject.matched) for one in subjects if isinstance(one.subject, FolderSubject)]
    rows = [i for i in range(len(photos)) if all(i in matched for matched in folders)]
    if len(rows) < len(photos):
        options.tell(f"{len(photos) - len(rows):,} of {len(photos):,} photos have no result of their name and are left out.")
    photos = limited(photos.subset(rows), options.limit)
    network = load_network(options.features)
    lpips = load_lpips(options.lpips) if options.lpips else None
    sets = {id(one.works): one.works for one in subjects}
    counter = _Counter(len(photos) * (2 + len(sets) + 2 * len(subjects)), progress)
    bench = Bench(photos, network, protocol, lpips=lpips, threads=options.threads or cores(), advance=counter)
    found: list[Found | None] = [None] * len(subjects)
    for key, against in sets.items():  # one set after the other: what is measured of its works serves all of its subjects
        ready = bench.against(against)
        for i, one in enumerate(subjects):
            if id(one.works) == key:
                more = partial(adversarial_figures, one.run, one.subject.name, one.works) if one.run else None
                found[i] = Found(ready.evaluate(one.subject, more), one.source, one.subject)
    return [one for one in found if one]


@dataclass(frozen=True)
class _Asked:
    source: str
    subject: Subject
    works: Works | None
    run: Run | None = None


def _subjects(
    name: str,
    options: Options,
    protocol: Protocol,
    works: Works | None,
    stylizer: Stylizer,
    photos: Pictures,
    scratch: Path,
) -> Iterator[_Asked]:
    path = Path(name)
    if is_run(path):
        run = open_run(path, options.tell)
        wanted = [run.styles[run.number(style)] for style in options.styles] or run.styles
        for file in run.export(scratch / path.resolve().name):
            if file.stem in wanted:
                own = works or works_of_run(run.options, file.stem, protocol, options.tell)
                yield _Asked(path.resolve().name, StyleSubject(str(file), stylizer), own, run)
    elif path.is_dir():
        yield _Asked(path.resolve().name, FolderSubject(path, photos, options.tell), works)
    else:
        yield _Asked(path.name, StyleSubject(name, stylizer), works)


def limited(pictures: Pictures, limit: int | None) -> Pictures:
    """At most `limit` pictures, evenly out of all."""
    if limit is None or limit >= len(pictures):
        return pictures
    return pictures.subset(np.linspace(0, len(pictures) - 1, limit).round().astype(int).tolist())


class _Counter:
    """Counts steps of several threads for a progress bar."""

    def __init__(self, total: int, progress: Callable[[int, int], None]) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def __call__(self) -> None:
        self._done += 1
        self._progress(min(self._done, self._total), self._total)


def check_folder(folder: Path, force: bool) -> None:
    """Refuse a place where an evaluation is already, before the work is done.

    Raises:
        OutputError: there is one and `force` is not set, or nothing can be written in `folder`.
    """
    for name in (JSON, REPORT):
        check_output(folder / name, force)


def _check_card(asked: _Asked, scratch: Path) -> None:
    """Refuse a subject without a style file for a card, before the work is done."""
    subject = asked.subject
    if not isinstance(subject, StyleSubject) or subject.path.suffix != SUFFIX:
        raise StyleError(f"{subject.name} is no {SUFFIX} file, so no card can be written into it: leave --card out.")
    if scratch in subject.path.parents:
        raise StyleError(
            f"{subject.name} has no {SUFFIX} file of the run's newest weights that a card could go into: finish the training, "
            "or leave --card out."
        )
    check_output(subject.path, force=True)


def write(evaluations: Sequence[Evaluation], folder: Path, *, force: bool = False) -> list[Path]:
    """Write evaluation.json and report.html; gives their paths.

    Raises:
        OutputError: they are there and `force` is not set, or cannot be written.
    """
    paths = [folder / JSON, folder / REPORT]
    write_whole(paths[0], saved.to_json(evaluations).encode(), force=force)
    write_report(evaluations, paths[1], force=force)
    return paths


def write_cards(found: Sequence[Found], options: Options, photos: Path | None) -> list[Path]:
    """Write figures and pictures into the style files that were evaluated; gives their paths.

    Raises:
        OutputError: a style file cannot be written.
    """
    written = []
    for one in found:
        subject = one.subject
        assert isinstance(subject, StyleSubject)  # `Options.card` has had this checked
        pictures = [example.result for example in one.evaluation.examples]
        if photos is not None:
            shown = open_pictures(photos, options.tell)
            pictures = [subject.result(shown.names[i], shown.read(i, 512)) for i in range(min(EXAMPLES, len(shown)))]
        style = with_card(Style.load(subject.path), one.evaluation, [example_bytes(p) for p in pictures[:EXAMPLES]])
        style.save(subject.path, force=True)
        written.append(subject.path)
    return written
