"""`huafeng lint`: what is wrong with a look, and its repair."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from huafeng.lint import Report
    from huafeng.look import Lut
    from huafeng.style import Style


def lint(
    name: Annotated[str, typer.Argument(metavar="LOOK", help="A .cube, .style or HaldCLUT file, or the name of a look.")],
    repair: Annotated[
        bool, typer.Option("--fix", help="Write a repaired look: smooth, with rising tones, not clipped.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Where --fix writes: .cube, .png (HaldCLUT) or .style (default: LOOK-fixed, of the same kind).",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Let --fix replace a file that exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON, for programs.")] = False,
) -> None:
    """Check a look for bands, falling tones, clipped colours and turned skin.

    The exit code is 1 where it has a fault.

    \b
    huafeng lint film.cube
    huafeng lint film.cube --fix          writes film-fixed.cube
    """
    import json

    from huafeng.cli.looks import HALD, check_kind, find_look, write_look
    from huafeng.errors import OutputError
    from huafeng.files import check_output
    from huafeng.lint import fix
    from huafeng.lint import lint as findings_on
    from huafeng.look import Lut

    if not repair and (out is not None or force):
        raise OutputError("-o and --force belong to --fix, which is not given.")
    if out is not None:
        check_kind(out)
        check_output(out, force)
    path, style = find_look(name)
    if repair and out is None:
        beside = path if str(path) == name else Path(path.name)  # a style of the library goes into the working folder
        suffix = HALD if path.suffix.lower() in (".tif", ".tiff") else path.suffix
        out = beside.with_name(f"{path.stem}-fixed{suffix}")
        check_output(out, force)

    lut = Lut(style.tensors["lut"])
    report = findings_on(lut)
    told: dict[str, Any] = {"file": str(path), **_facts(report)}
    if not as_json:
        _show(path, report)
    if repair:
        assert out is not None
        mended = fix(lut)
        write_look(style if mended is lut else _mended(style, mended), out, size=_size(out, lut.size), force=force)
        report = findings_on(mended)
        told["fixed"] = {"file": str(out), **_facts(report)}
        if not as_json:
            typer.echo()
            _show(out, report)
            if mended is lut:
                typer.echo("Nothing had to be repaired: the table is the same.", err=True)
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False, indent=2))
    if report.faults:
        raise typer.Exit(1)


def _facts(report: Report) -> dict[str, Any]:
    findings = [vars(finding) | {"figure": round(finding.figure, 4)} for finding in report.findings]
    return {"worst": report.worst, "findings": findings}


def _show(path: Path, report: Report) -> None:
    from huafeng.lint import percent

    typer.echo(path)
    for finding in report.findings:
        amount = percent(finding.figure) if finding.unit == "share" else f"{finding.figure:.1f} {finding.unit}"
        typer.echo(f"  {finding.severity:<8} {finding.name:<10} {amount:>14}  {finding.sentence}")


def _mended(style: Style, mended: Lut) -> Style:
    """The style with its new table; what was measured and shown of the old one goes."""
    from dataclasses import replace

    from huafeng.style import EXACT

    card = replace(style.card, scores={}, measured_on="")
    kept = {name: tensor for name, tensor in style.tensors.items() if name not in EXACT}
    return replace(style, tensors={**kept, "lut": mended.table}, card=card, thumbnail=None, examples=())


def _size(out: Path, size: int) -> int | None:
    """The nodes per axis to write: those that the table has, if the kind of file can have as many."""
    import math

    from huafeng.cli.looks import HALD

    return None if out.suffix.lower() == HALD and math.isqrt(size) ** 2 != size else size
