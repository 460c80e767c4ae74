"""`huafeng apply`: give photos a style."""

from __future__ import annotations

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from huafeng.edit import Edit
    from huafeng.library import Library
    from huafeng.photo import Limits
    from huafeng.style import Style

_STYLE_FIRST = "The style comes first: huafeng apply STYLE PHOTO..."


class Format(StrEnum):
    """Formats that are written, by their suffix."""

    JPG = "jpg"
    PNG = "png"
    WEBP = "webp"
    AVIF = "avif"
    TIFF = "tiff"


class Part(StrEnum):
    """Parts of a photo that are found in it."""

    FACE = "face"
    SUBJECT = "subject"
    BACKGROUND = "background"


class Interpolation(StrEnum):
    """How colours between the nodes of a table are found."""

    TRILINEAR = "trilinear"
    TETRAHEDRAL = "tetrahedral"


class Metadata(StrEnum):
    """What of a photo's EXIF its result has."""

    KEEP = "keep"
    SAFE = "safe"
    NONE = "none"


class Profile(StrEnum):
    """The result's colour profile."""

    SRGB = "srgb"
    SOURCE = "source"


def apply(
    style: Annotated[
        str,
        typer.Argument(
            metavar="STYLE",
            help="A style (its name, title or .style file; any picture, or FOLDER/ of pictures; a look: a .cube file, a "
            "HaldCLUT) or a mix by weights: monet:2+ink:1. Left out with --edit and --enlarge.",
        ),
    ],
    photos: Annotated[
        list[str] | None, typer.Argument(metavar="PHOTO", help="Photos, or folders of photos.", show_default=False)
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(metavar="0..1", help="0 leaves the photo as it is, 1 styles it fully (default 1)."),
    ] = None,
    stroke: Annotated[
        float | None,
        typer.Option(metavar="0.25..4", help="Size of the strokes; 2 is twice as large (default 1)."),
    ] = None,
    detail: Annotated[
        float | None,
        typer.Option(metavar="0..1", help="How much of the photo's fine detail comes back (default 0.25)."),
    ] = None,
    keep_colors: Annotated[
        bool | None,
        typer.Option("--keep-colors/--new-colors", help="Keep the photo's own colours, or not."),
    ] = None,
    faces: Annotated[
        float | None,
        typer.Option(
            metavar="0..1",
            help="How gently faces are painted: with smaller strokes and less strength (default 0.75 where they can be found).",
        ),
    ] = None,
    skin: Annotated[
        str | None,
        typer.Option(
            metavar="0..100|off",
            help="How far looks may shift the colours of skin, in CIEDE2000 (default 4, where OpenCV is installed).",
        ),
    ] = None,
    region: Annotated[
        Part | None,
        typer.Option(help="Style only this part: the faces, the subject (people, an animal, a dish), or all but the subject."),
    ] = None,
    mask: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Style only where this picture is white."),
    ] = None,
    box: Annotated[
        str | None,
        typer.Option(
            metavar="L,T,R,B",
            help="Style only in this box: left, top, right, bottom as fractions 0..1 of the photo.",
        ),
    ] = None,
    feather: Annotated[
        float | None,
        typer.Option(
            metavar="0..0.5",
            help="Soft edge of the region, as a fraction of the photo's short side (default 0.01 of a mask or box, else 0).",
        ),
    ] = None,
    edit: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Do what --save-edit wrote; options given beside it take the place of what it says.",
        ),
    ] = None,
    enlarge: Annotated[
        str | None,
        typer.Option(
            metavar="2|4|FILE",
            help="Give no style, but twice or four times the size, by a .enlarge file; all arguments are photos then.",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            help="A file, or a folder (made if it is not there; NAME/ for one photo). "
            "Default: beside the photo, as holiday-monet.jpg.",
        ),
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Of folders, take the pictures in their folders as well.")
    ] = False,
    interpolation: Annotated[
        Interpolation | None, typer.Option(help="Between the nodes of a look's table (default: trilinear).")
    ] = None,
    save_edit: Annotated[bool, typer.Option("--save-edit", help="Write the edit as well: RESULT.edit.json.")] = False,
    format: Annotated[Format | None, typer.Option(help="Default: the photo's own, JPEG for a HEIC.")] = None,
    quality: Annotated[
        int | None,
        typer.Option(min=1, max=100, help="Of JPEG, WebP and AVIF (default: like the photo's)."),
    ] = None,
    profile: Annotated[Profile, typer.Option(help="Colours in sRGB, or in the photo's own profile.")] = Profile.SRGB,
    keep_gps: Annotated[bool, typer.Option("--keep-gps", help="Keep the place where the photo was taken.")] = False,
    metadata: Annotated[
        Metadata, typer.Option(help="EXIF: keep all; safe, without place, serial numbers, owner, host, comments; none.")
    ] = Metadata.SAFE,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    max_megabytes: Annotated[
        float | None, typer.Option(min=0.001, metavar="MB", help="The largest file that is read (default: 1000).")
    ] = None,
    max_megapixels: Annotated[
        float | None, typer.Option(min=0.001, metavar="MP", help="The largest photo that is read (default: 200).")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, metavar="N", help="Photos at once (default: cores, up to 4).")
    ] = None,
) -> None:
    """Give photos a style, or a mix of styles.

    \b
    huafeng apply monet holiday.jpg           writes holiday-monet.jpg
    huafeng apply monet:2+ink:1 album -o styled/ --strength 0.7
    huafeng apply --edit holiday.json album   does to an album what was done to holiday
    huafeng apply --enlarge 2 holiday.jpg     writes holiday-x2.jpg, twice as large
    """
    from huafeng.cli.batch import Batch, Order
    from huafeng.cli.plan import is_photo, is_there, plan
    from huafeng.errors import EditError, PhotoError
    from huafeng.library import Library

    if edit is not None and not is_there(Path(style)):
        raise PhotoError(f"There is no file {style}; with --edit all arguments are photos, as the edit has the style.")
    changes: dict[str, Any] = {
        "strength": strength,
        "stroke": stroke,
        "detail": detail,
        "keep_colors": keep_colors,
        "faces": faces,
        "interpolation": None if interpolation is None else interpolation.value,
    }
    if skin is not None:
        changes["skin"] = _number(skin)
    typed = photos or []
    where = Where(region, mask, box, feather)
    suffix = None if format is None else f".{format.value}"
    library = Library()  # one for all: a style that is read off pictures is read once
    task: Edit | Style
    if enlarge is None:
        task = wanted = _edit(style, edit, changes, where)
        names = _names(wanted, library)
    else:
        given = [value for value in (*changes.values(), *where, edit) if value is not None]
        if given or save_edit:
            raise EditError(["--enlarge gives no style: of the other options only those of files go with it"])
        task, names = _enlarger(enlarge, library)
    try:
        planned = plan([style, *typed] if edit or enlarge else typed, names, out, suffix, recursive=recursive)
    except PhotoError as error:
        # a picture is a style as well: told by what stands where photos should
        swapped = (
            not edit
            and not enlarge
            and is_photo(Path(style))
            and any(not is_there(Path(p)) and not Path(p).suffix for p in typed)
        )
        raise PhotoError(f"{error} {_STYLE_FIRST}") if swapped else error from None
    order = Order(
        task=task,
        options={"quality": quality, "keep_gps": keep_gps, "metadata": metadata.value, "profile": profile.value},
        force=force,
        save_edit=save_edit,
        limits=_limits(max_megabytes, max_megapixels),
    )
    raise typer.Exit(Batch(order, planned, jobs, library).run())


def _names(edit: Edit, library: Library) -> str:
    """The names of the edit's styles as they stand in a result's name; every style is found and read on the way."""
    from huafeng.cli.plan import is_folder, is_photo
    from huafeng.errors import StyleError, UserError

    names: list[str] = []
    problems: list[str] = []
    for entry in edit.styles:
        try:
            names.append(library.get(entry.style).name)
        except UserError as error:
            hint = f" {_STYLE_FIRST}" if is_photo(Path(entry.style)) else ""
            if is_folder(Path(entry.style)):
                hint += f" To take the style of the pictures in a folder, write {entry.style}/ with a slash."
            problems.append(f"{error}{hint}")
    if problems:
        raise StyleError(" ".join(problems))
    return "+".join(names)


def _enlarger(typed: str, library: Library) -> tuple[Style, str]:
    """What is to enlarge, and how a result is named after it."""
    from huafeng.errors import StyleError
    from huafeng.networkfile import ENLARGER, PLAN, read_plan

    found = library.enlarger(typed)
    if found.kind != ENLARGER:
        raise StyleError(f"{typed} is a style ({found.kind}), it does not enlarge: give a .enlarge file.")
    return found, f"x{read_plan(found.tensors[PLAN].tobytes()).scale}"


class Where(NamedTuple):
    """Where to style, as typed; all None is as the edit says, or everywhere."""

    part: Part | None
    mask: str | None
    box: str | None
    feather: float | None


def _edit(style: str, file: Path | None, changes: dict[str, Any], where: Where) -> Edit:
    """The edit in `file`, or one of the styles as typed, with the changes that are not None; all problems at once."""
    from huafeng.edit import EDIT_VERSION, Edit, parse_styles
    from huafeng.errors import EditError

    problems: list[str] = []
    if file is not None:
        document = json.loads(_saved(file).to_json())
    else:
        document = {"version": EDIT_VERSION, "styles": [{"style": "unknown"}]}
        try:
            document["styles"] = [vars(entry) for entry in parse_styles(style, _is_file)]
        except EditError as error:  # the options are still to be judged, with a style that stands in
            problems += error.problems
    document |= {name: value for name, value in changes.items() if value is not None}
    if region := _region(where, problems):
        document["region"] = region
    if where.feather is not None:
        if document.get("region") is None:
            problems.append("--feather is given without --region, --mask or --box")
        else:
            document["region"]["feather"] = where.feather
    try:
        found = Edit.from_json(json.dumps(document))
    except EditError as error:
        problems += error.problems
    if problems:
        raise EditError(problems)
    return found


def _limits(megabytes: float | None, megapixels: float | None) -> Limits | None:
    """The limits as typed; None where none is."""
    from huafeng.photo import DEFAULT_LIMITS, Limits

    if megabytes is None and megapixels is None:
        return None
    return Limits(
        DEFAULT_LIMITS.max_bytes if megabytes is None else round(megabytes * 1e6),
        DEFAULT_LIMITS.max_pixels if megapixels is None else round(megapixels * 1e6),
    )


def _is_file(name: str) -> bool:
    """Whether a style's name is that of a file as it stands."""
    return os.path.isfile(name)  # noqa: PTH113 - Path.is_file() raises where a name is too long


def _number(text: str) -> float | str:
    """The number that is typed, or the text: the edit judges it."""
    try:
        return float(text)
    except ValueError:
        return text


def _region(where: Where, problems: list[str]) -> dict[str, Any] | None:
    """The region as an edit's JSON has it, None where none is given."""
    given = [name for name, value in zip(("--region", "--mask", "--box"), where, strict=False) if value is not None]
    if len(given) > 1:
        problems.append(f"{' and '.join(given)} are given together, one is allowed")
    if where.part is not None:
        return {"kind": where.part.value}
    if where.mask is not None:
        return {"kind": "mask", "path": where.mask}
    if where.box is None:
        return None
    try:
        left, top, right, bottom = map(float, where.box.split(","))
    except ValueError:
        problems.append(f"--box is {where.box!r}, it must be four numbers 0..1: left,top,right,bottom")
        return None
    return {"kind": "box", "left": left, "top": top, "right": right, "bottom": bottom}


def _saved(file: Path) -> Edit:
    from huafeng.edit import MAX_JSON_CHARS, Edit
    from huafeng.errors import EditError

    try:
        with file.open(encoding="utf-8-sig") as opened:
            text = opened.read(MAX_JSON_CHARS + 1)
    except OSError as error:
        raise EditError([f"{file} cannot be read ({error.strerror})"]) from error
    except ValueError as error:
        raise EditError([f"{file} is not a text file"]) from error
    return Edit.from_json(text)
