"""`huafeng learn`: make a style of one picture or of a folder of them."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer


class Kind(enum.StrEnum):
    """Kinds of styles that can be learned."""

    art = "art"


def learn(
    source: Annotated[Path, typer.Argument(metavar="PICTURE|FOLDER", help="A picture, or a folder of pictures of one manner.")],
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="Name of the style.")],
    kind: Annotated[Kind, typer.Option(help="art: texture, stroke, shape.")] = Kind.art,
    photos: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Photos to practise on; default: some of scikit-image's.", show_default=False),
    ] = None,
    minutes: Annotated[float, typer.Option(metavar="N", help="How long to practise.", min=0.05)] = 3.0,
    features: Annotated[
        str, typer.Option(help="Feature network: features-v1, or a file with SqueezeNet's or VGG's weights.")
    ] = "features-v1",
    title: Annotated[str, typer.Option(help="Title in English (default: the name).", show_default=False)] = "",
    title_zh: Annotated[str, typer.Option(help="Title in Chinese.", show_default=False)] = "",
    author: Annotated[str, typer.Option(help="Who made the style.")] = "unknown",
    licence: Annotated[str, typer.Option(help="Under which terms it may be used.")] = "unknown",
    provenance: Annotated[str, typer.Option(help="Where the pictures come from, and by whose consent.")] = "unknown",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="NAME.style; default: among your own styles.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a style that exists.")] = False,
) -> None:
    """Make a style of a picture or a folder of pictures: three minutes of practice, one small .style file.

    To try a picture without practice: huafeng apply PICTURE PHOTO

    \b
    huafeng learn sunrise.jpg --kind art --as sunrise
    huafeng learn my_paintings/ --kind art --as mine --photos holiday/ --author "A. Painter"
    """
    from huafeng.errors import TrainingError

    try:
        import torch  # noqa: F401
        import tqdm  # noqa: F401
    except ImportError as error:
        raise TrainingError(f'Learning needs {error.name}: pip install "huafeng[train]".') from error
    from huafeng.training.learn import Lesson
    from huafeng.training.learn import learn as practise

    lesson = Lesson(
        source, name, photos, minutes, features, title or name, title_zh, author=author, licence=licence, provenance=provenance
    )
    typer.echo(practise(lesson, out, force=force, tell=lambda text: typer.echo(text, err=True)))
