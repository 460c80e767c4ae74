"""`huafeng generate`: new pictures out of noise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from huafeng.generator import Generator

PICTURES = 16  # by default
LONGEST_WALK = 60  # seconds
MOST_IN_GRID = 400  # pictures


def generate(
    source: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE|RUN", help="A built-in generator, a .generator file, or a run of huafeng train that has one."
        ),
    ],
    n: Annotated[
        int | None, typer.Option("--n", metavar="N", help=f"How many pictures (default {PICTURES}).", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Which pictures: the same seed gives the same ones.")] = 1,
    truncation: Annotated[
        float, typer.Option(metavar="X", help="1: as varied as was learned; less: nearer to the mean; 0: the mean picture.")
    ] = 0.7,
    style: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="One of the generator's classes (default: all, in turn).", show_default=False),
    ] = None,
    walk: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="A film of so many seconds: a closed walk from picture to picture.", show_default=False
        ),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(metavar="PHOTO", help="The picture that is nearest to a photo's middle, beside it.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR|FILE",
            help="Folder (default: the generator's name); for --walk also X.webp or X.mp4, for --like X.png.",
            show_default=False,
        ),
    ] = None,
    about: Annotated[
        bool, typer.Option("--about", help="Only show the generator's card: what it learned from, figures.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
) -> None:
    """Make new pictures out of noise: PNGs, and a grid of them.

    \b
    huafeng generate faces --n 64 --seed 1 --truncation 0.7 -o new
    huafeng generate runs/gan --walk 10 -o walk.mp4
    huafeng generate faces.generator --like me.jpg
    huafeng generate faces --about
    """
    from huafeng.errors import GeneratorError
    from huafeng.generator import Generator

    if walk is not None and like is not None:
        raise GeneratorError("--walk makes a film and --like a picture: ask for one at a time.")
    if n is not None and (walk is not None or like is not None):
        raise GeneratorError("--n does not go with --walk or --like, which make one file: leave it away.")
    path = _file_of(source)
    generator = Generator(path)
    if about:
        _show_card(generator, path)
        return
    if style is not None:
        generator.class_number(style)
    if walk is not None:
        files = _walk(generator, walk, seed, truncation, style, out, force)
    elif like is not None:
        files = _like(generator, like, seed, style, out, force)
    else:
        files = _pictures(generator, PICTURES if n is None else n, seed, truncation, style, out, force)
    for path in files:
        typer.echo(path)


def _show_card(generator: Generator, path: Path) -> None:
    from huafeng.cli.report import console, facts

    card, header = generator.header.card, generator.header
    rows = {
        "Name": generator.name,
        "Title": f"{card.title_en}  {card.title_zh}".strip(),
        "Makes": f"pictures of {generator.side} x {generator.side} px, each marked: {header.label}",
        "Styles": ", ".join(generator.classes),
        "About": card.description,
        "Author": card.author,
        "Licence": card.licence,
        "Trained on": card.trained_on,
        "Provenance": card.provenance,
        "Consent": card.consent,
        "Date": card.date,
        "Counts": ", ".join(f"{number:,} {what}" for what, number in header.counts.items()),
        "Figures": "\n".join(f"{name}: {value:.4g}" for name, value in card.scores.items()),
        "Measured on": card.measured_on,
        "File": f"{path} ({path.stat().st_size / 1e6:.1f} MB)",
    }
    console().print(facts(rows))


def _file_of(name: str) -> Path:
    """The generator file that is meant: the newest of a run."""
    from huafeng.errors import GeneratorError
    from huafeng.generator import SUFFIX, generator_path
    from huafeng.training.run import OPTIONS, is_training

    source = generator_path(name)
    if not source.is_dir():
        return source
    found = sorted((source / "styles").glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime)
    training = is_training(source)
    if found:
        if training:
            typer.echo(f"{source} is training again: this is the generator from before.", err=True)
        return found[-1]
    if training:
        raise GeneratorError(
            f"{source} is still training: its generator is written at the end; its samples/ show how far it is."
        )
    if (source / OPTIONS).exists():
        raise GeneratorError(f"{source} has no generator yet: train it to its end, huafeng train --resume {source}.")
    raise GeneratorError(f"{source} is a folder without a run in it: give a run of huafeng train, or a {SUFFIX} file.")


def _pictures(
    generator: Generator, n: int, seed: int, truncation: float, style: str | None, out: Path | None, force: bool
) -> list[Path]:
    from huafeng.files import check_output, write_whole
    from huafeng.generated import grid, png

    ws = generator.ws(generator.latents(n, seed), truncation=truncation, style=style)
    folder = out or Path(generator.name)
    stem = f"{generator.name}-{seed}" + (f"-{style}" if style else "")
    paths = [folder / f"{stem}-{i + 1:04}.png" for i in range(n)]
    sheet = folder / f"{stem}-grid.png"
    for path in (*paths, sheet):
        check_output(path, force)
    pictures = generator.pictures(ws)
    for path, picture in zip(paths, pictures, strict=True):
        write_whole(path, png(picture, generator.header.label), force=force)
    write_whole(sheet, png(grid(pictures[:MOST_IN_GRID]), generator.header.label), force=force)
    return [*paths, sheet]


def _walk(
    generator: Generator, seconds: float, seed: int, truncation: float, style: str | None, out: Path | None, force: bool
) -> list[Path]:
    from huafeng.errors import GeneratorError
    from huafeng.files import check_output, write_whole
    from huafeng.generated import FILMS, FRAMES_A_SECOND, film
    from huafeng.generator import walk

    if not 1 <= seconds <= LONGEST_WALK:
        raise GeneratorError(f"A walk takes 1 to {LONGEST_WALK} seconds, not {seconds:g}.")
    generator.latents(1, seed)  # refuses a seed that is none
    named = out is not None and out.suffix.lower() in FILMS
    path = out if out is not None and named else (out or Path(generator.name)) / f"{generator.name}-{seed}-walk.webp"
    check_output(path, force)
    if style is None and generator.classes:
        style = generator.classes[0]  # in turn, each frame would be of another class
    latents = walk(generator.latent_length, seconds, seed, round(seconds * FRAMES_A_SECOND))
    frames = generator.pictures(generator.ws(latents, truncation=truncation, style=style))
    write_whole(path, film(frames, path.suffix.lower(), generator.header.label), force=force)
    return [path]


def _like(generator: Generator, photo: Path, seed: int, style: str | None, out: Path | None, force: bool) -> list[Path]:
    import numpy as np

    from huafeng.errors import TrainingError
    from huafeng.files import check_output, write_whole
    from huafeng.generated import png
    from huafeng.photo import Photo
    from huafeng.pixels import blend

    generator.latents(1, seed)
    named = out is not None and out.suffix.lower() == ".png"
    path = out if out is not None and named else (out or Path(generator.name)) / f"{generator.name}-like-{photo.stem}.png"
    check_output(path, force)
    source = Photo.open(photo)
    pixels = source.pixels
    if source.alpha is not None:
        pixels = blend(np.full_like(pixels, 255), pixels, source.alpha)  # on white
    try:
        from huafeng.training.projection import project
        from huafeng.training.recipes.painting import square
    except ImportError as error:
        raise TrainingError(f'--like needs {error.name}: pip install "huafeng[train]".') from error
    wanted = square(pixels, generator.side)
    w, distance = project(generator, wanted, style=style, seed=seed)
    pair = np.concatenate([wanted, generator.pictures(w[None])[0]], 1)
    write_whole(path, png(pair, generator.header.label), force=force)
    typer.echo(f"Left the photo, right the nearest picture; their distance is {distance:.3g} (0 = the same).", err=True)
    return [path]
