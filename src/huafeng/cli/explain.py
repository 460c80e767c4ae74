"""`huafeng explain`: where a run's discriminator sees 'made'."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer


class HeatMethod(enum.StrEnum):
    """How the map is found."""

    occlusion = "occlusion"
    gradient = "gradient"


def explain(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder of huafeng train; it may still be training.")],
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="A photo.")],
    style: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="One of the run's styles (default: the first that its discriminator judges)."),
    ] = None,
    method: Annotated[
        HeatMethod, typer.Option(help="gradient: fine; occlusion: coarse, by hiding one region after the other.")
    ] = HeatMethod.gradient,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE.png", help="Default: PHOTO-STYLE-explained.png.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
) -> None:
    """Draw where the discriminator sees 'made' (red) or 'real' (blue), in a photo and in its result.

    \b
    huafeng explain runs/art holiday.jpg --style monet      writes holiday-monet-explained.png
    """
    import numpy as np

    from huafeng.errors import DataError, OutputError, TrainingError
    from huafeng.files import check_output, write_whole
    from huafeng.photo import Photo
    from huafeng.pixels import blend

    if out is not None and out.suffix.lower() != ".png":
        raise OutputError(f"{out} is to be a PNG: give it a name that ends in .png.")
    try:
        from huafeng.evaluation import explain as seeing
        from huafeng.evaluation.discriminator import asked
        from huafeng.evaluation.runs import open_run
    except ImportError as error:
        raise TrainingError(
            f'Explaining needs {str(error.name).partition(".")[0]}: pip install "huafeng[train,evaluate]".'
        ) from error

    def tell(text: str) -> None:
        typer.echo(text, err=True)

    opened = open_run(run, tell)
    if opened.discriminator is None:
        raise DataError(opened.reason)
    name = style or opened.judged[0]
    asked(opened, name)
    out = out or photo.with_name(f"{photo.stem}-{name}-explained.png")
    check_output(out, force)
    source = Photo.open(photo)
    pixels = source.pixels
    if source.alpha is not None:
        pixels = blend(np.full_like(pixels, 255), pixels, source.alpha)  # on white
    seen = seeing.explained(opened, name, pixels, method.value)
    write_whole(out, seeing.drawn(opened, name, seen), force=force)
    typer.echo(out)
    typer.echo("T" + "; ".join(f"the {s.title} looks {seeing.verdict(s.logit, opened)}" for s in seen)[1:] + ".")
