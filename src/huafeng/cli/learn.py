"""`huafeng learn`: make a style of a folder of finished pictures, or of a work of art."""

from __future__ import annotations

import enum
import os
from pathlib import Path
from typing import Annotated, Any

import typer


class Kind(enum.StrEnum):
    """Kinds of styles that can be learned."""

    look = "look"
    art = "art"


def learn(
    source: Annotated[
        Path,
        typer.Argument(metavar="FOLDER|PICTURE", help="A folder of finished pictures, or of works of one manner, or one work."),
    ],
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="Name of the style.")],
    kind: Annotated[
        Kind | None,
        typer.Option(
            help="look: colour and tone, in seconds. art: texture, stroke, shape, in minutes. Default: look for a folder "
            "and with --from, art for a picture.",
            show_default=False,
        ),
    ] = None,
    untouched: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="DIR|PHOTO",
            help="Look: your photos before editing. The same photos: the look between them. Others: better 100 and more; "
            "default: photos in general.",
            show_default=False,
        ),
    ] = None,
    consent: Annotated[
        str, typer.Option(metavar="TEXT", help="Look: by whose consent pictures of people are used; kept in the style.")
    ] = "",
    vignette: Annotated[bool, typer.Option(help="Look: learn dark corners as well.")] = True,
    grain: Annotated[bool, typer.Option(help="Look: learn grain as well.")] = True,
    local_contrast: Annotated[bool, typer.Option(help="Look: learn local contrast as well.")] = True,
    neutral_greys: Annotated[bool, typer.Option("--neutral-greys", help="Look: leave greys without a tint.")] = False,
    photos: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Art: photos to practise on; default: some of scikit-image's.", show_default=False),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            help="Art: how long to practise (default 3). Look: how long to read pictures at most.",
            min=0.05,
            show_default=False,
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=os.cpu_count(),
            show_default=False,
            help="Cores to compute on (default: all, without those that other programs keep busy).",
        ),
    ] = None,
    features: Annotated[
        str, typer.Option(help="Art: feature network: features-v1, or a file with SqueezeNet's or VGG's weights.")
    ] = "features-v1",
    title: Annotated[str, typer.Option(help="Title in English (default: the name).", show_default=False)] = "",
    title_zh: Annotated[str, typer.Option(help="Title in Chinese.", show_default=False)] = "",
    author: Annotated[str, typer.Option(help="Who made the style.")] = "unknown",
    licence: Annotated[str, typer.Option(help="Under which terms it may be used.")] = "unknown",
    provenance: Annotated[str, typer.Option(help="Where the pictures come from.")] = "unknown",
    preview: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A picture, .png, that is renewed while it learns.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="NAME.style; default: among your own styles.", show_default=False),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a style that exists; learn a look from fewer than 8 pictures.")
    ] = False,
) -> None:
    """Make a style of your pictures: a look of a folder of finished photos, or an art of paintings.

    A look comes with a card, NAME.png: what it does, how much of it was observed, what to look out for.

    \b
    huafeng learn portraits/ --as mylook --consent "my sitters agreed"
    huafeng learn finished/ --from raw/ --as mylook --author "A. Photographer"
    huafeng learn after.jpg --from before.jpg --as mylook
    huafeng learn sunrise.jpg --kind art --as sunrise
    """
    from huafeng.errors import TrainingError

    def tell(text: str) -> None:
        typer.echo(text, err=True)

    chosen = kind or (Kind.look if source.is_dir() or untouched is not None else Kind.art)
    strange = {
        Kind.look: {"--photos": photos is not None, "--features": features != "features-v1"},
        Kind.art: {
            "--from": untouched is not None,
            "--consent": bool(consent),
            "--no-vignette": not vignette,
            "--no-grain": not grain,
            "--no-local-contrast": not local_contrast,
            "--neutral-greys": neutral_greys,
        },
    }[chosen]
    if given := [option for option, used in strange.items() if used]:
        other = Kind.art if chosen is Kind.look else Kind.look
        raise TrainingError(
            f"{given[0]} is for --kind {other.value}, and this learns {'a look' if chosen is Kind.look else 'an art'}."
        )
    told: dict[str, Any] = {"title_en": title or name, "title_zh": title_zh, "author": author, "licence": licence}
    told |= {"provenance": provenance, "preview": preview}
    from huafeng.training.threads import chosen_threads

    count = chosen_threads(threads, tell)
    if chosen is Kind.look:
        from huafeng.cli.progress import progress_bar
        from huafeng.training import learn_look

        lesson = learn_look.LookLesson(
            source, name, untouched, minutes or float("inf"), vignette, grain, local_contrast, neutral_greys, consent, count,
            **told,
        )  # fmt: skip
        with progress_bar("Looking at pictures") as progress:
            made = learn_look.learn(lesson, out, force=force, tell=tell, progress=progress)
        typer.echo(made)
        return
    _needs("torch", "tqdm")
    import torch

    from huafeng.training import learn_art

    if count:
        torch.set_num_threads(count)
    typer.echo(
        learn_art.learn(learn_art.Lesson(source, name, photos, minutes or 3.0, features, **told), out, force=force, tell=tell)
    )


def _needs(*modules: str) -> None:
    from importlib.util import find_spec

    from huafeng.errors import TrainingError

    for module in modules:
        if find_spec(module) is None:
            raise TrainingError(f'Learning needs {module}: pip install "huafeng[train]".')
