"""`huafeng evaluate`: how near a style comes to its works, what it keeps of the photo, how clean it is."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from huafeng.evaluation.result import Evaluation

NEEDED = 'Evaluation needs more packages: pip install torch==2.13.0, then pip install "huafeng[evaluate]".'


def evaluate(
    subjects: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="STYLE|FOLDER|RUN|X.cube...",
            help="What to evaluate: a style or look, a folder of results that have their photos' names, a run of huafeng "
            "train, or an evaluation.json of before. Several stand side by side.",
            show_default=False,
        ),
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Photos that no training has seen; without them FOLDER is compared with --works."),
    ] = None,
    works: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Real works of the style: a folder, or one picture.", show_default=False)
    ] = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="A B", help="The same as giving both as arguments.", show_default=False),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Where evaluation.json and report.html are written.")
    ] = Path("evaluation"),
    force: Annotated[bool, typer.Option("--force", help="Replace an evaluation that is there.")] = False,
    style: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this style of a run (may be repeated).", show_default=False)
    ] = None,
    features: Annotated[
        str,
        typer.Option(
            help="Feature network: features-v1, or a file with SqueezeNet's, VGG's or Inception-v3's weights, or .onnx."
        ),
    ] = "features-v1",
    lpips: Annotated[Path | None, typer.Option(metavar="FILE", help="VGG-16's weights, for LPIPS.", show_default=False)] = None,
    protocol: Annotated[
        str, typer.Option(metavar="NAME", help="Sizes in px: photos at this short side, features in the middle.")
    ] = "photo512-crop256-v1",
    works_px: Annotated[int, typer.Option(metavar="PX", help="Short side to which works are shrunk.", min=64)] = 512,
    limit: Annotated[
        int | None, typer.Option(metavar="N", help="Take N photos, evenly out of all.", min=1, show_default=False)
    ] = None,
    card: Annotated[
        bool, typer.Option("--card", help="Write figures and six pictures into the style files that are evaluated.")
    ] = False,
    card_photos: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Photos for the card's pictures (default: some of --photos).", show_default=False),
    ] = None,
    threads: Annotated[int | None, typer.Option(metavar="N", help="Cores to use (default: all).", min=1)] = None,
) -> None:
    """Measure styles, with baselines and uncertainty, and write a report.

    \b
    huafeng evaluate monet --photos holidays --works paintings
    huafeng evaluate --compare monet old.cube --photos holidays
    huafeng evaluate runs/art --photos holidays
    huafeng evaluate made/ --works real/
    """
    from huafeng.cli.progress import progress_bar
    from huafeng.cli.report import console
    from huafeng.errors import DataError, EngineError

    given = [*(compare or ()), *(subjects or ())]
    if not given:
        raise DataError("Nothing to evaluate is given: name a style, a folder of results, a run or a .cube file.")
    try:
        from huafeng.evaluation import evaluate as door
        from huafeng.evaluation import report
    except ImportError as error:
        raise EngineError(f"{NEEDED} ({error.name} is missing.)") from error
    options = door.Options(
        photos=photos, works=works, styles=tuple(style or ()), features=features, lpips=lpips, protocol=protocol,
        works_px=works_px, limit=limit, card=card, threads=threads,
        tell=lambda sentence: typer.echo(sentence, err=True),
    )  # fmt: skip
    door.check_folder(out, force)
    with tempfile.TemporaryDirectory(prefix="huafeng-") as scratch, progress_bar("Measuring") as progress:
        found = door.evaluate(given, options, Path(scratch), progress)
        if card:
            cards = door.write_cards(found, options, card_photos)
    evaluations: list[Evaluation] = [one.evaluation for one in found]
    written = door.write(evaluations, out, force=force)
    console().print(report.table(evaluations))
    for evaluation in evaluations:
        for sentence in (*evaluation.warnings, *evaluation.left_out):
            typer.echo(f"{evaluation.subject}: {sentence}", err=True)
    for path in (*written, *(cards if card else ())):
        typer.echo(path)
