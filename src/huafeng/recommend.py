"""Which styles of the library to take for a photo, each with the reason in one line.

Every style is tried on a thumbnail, and only results are judged. By themselves: is skin still skin, does anything clip, is
there contrast, can the motif still be read, and does the photo keep some of its own colours. Or against pictures that
somebody likes: by how their colours are spread, and by the style encoder's code of their strokes and textures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from huafeng.color import ciede2000, srgb_to_lab
from huafeng.edit import Edit, StyleWeight
from huafeng.encoder import VIEW_PX, spread, views
from huafeng.errors import DataError, EngineError, PhotoError, StyleError, UserError
from huafeng.library import Entry, Library
from huafeng.photo import Photo, pictures_in_folder
from huafeng.pixels import F32, U8, Array, blend, resize
from huafeng.style import Style
from huafeng.stylizer import Stylizer

SHORT_PX, LONGEST_PX = 256, 512  # of the thumbnails: a view of the style encoder, at the scale of its strokes
SKIN_PX = 512  # short side at which skin is sought
MOST_LIKED, VIEWS_EACH = 24, 4  # pictures that are looked at in a folder, evenly chosen, and squares of each
READABLE_PX = 32  # short side that shows a motif

CLIPPED = (2, 253)  # levels: darker or lighter is black or white
SEEN = (6.0, 97.0)  # lightness between which there is something to lose
MONOCHROME = 3.0  # mean chroma below which a result has no skin colours to be wrong
JUST_RIGHT = (13.0, 30.0)  # deviation of lightness: good pictures lie in between
TOO_COLORFUL = 45.0  # mean CIELAB chroma
NATURAL_SKIN = 5.0  # CIEDE2000
CODE_UNIT, COLOR_UNIT = 1.0, 20.0  # what weighs the same: codes (root mean square) and colours (Euclidean, of Colors)
CLOSE_COLORS, FAR_COLORS = 10.0, 20.0


class Colors(NamedTuple):
    """How a picture's colours are spread, in CIELAB: means of lightness, a, b and chroma, and the deviation of lightness."""

    light: float
    red: float
    yellow: float
    chroma: float
    contrast: float


USUAL = Colors(50.0, 3.0, 6.0, 16.0, 22.0)  # of photos; what a picture is called warm or dark against


@dataclass(frozen=True)
class Effect:
    """What a style does to this photo.

    Args:
        clipped: share of the pixels that became black or white and were not nearly so before, 0..1.
        skin: mean CIEDE2000 of skin; None where no face is found, the result is monochrome, or OpenCV is not installed.
        contrast: deviation of CIELAB lightness.
        chroma: mean CIELAB chroma.
        readable: correlation of coarse lightness with the photo's, -1..1.
        moved: mean CIEDE2000 from the photo's colours, detail left out.
    """

    clipped: float
    skin: float | None
    contrast: float
    chroma: float
    readable: float
    moved: float


@dataclass(frozen=True)
class Advice:
    """A style of the library, and why it stands where it does: `distance` is 0 at best, and `figures` is what it is made of."""

    name: str
    kind: str
    path: Path
    distance: float
    reason: str
    figures: dict[str, float] = field(default_factory=dict)


class Judgement(NamedTuple):
    """Distance from what is wanted, the reason in words, and the figures."""

    distance: float
    reason: str
    figures: dict[str, float]


def recommend(
    photo: Photo, *, like: Path | None = None, library: Library | None = None, told: Callable[[str], None] = lambda text: None
) -> list[Advice]:
    """The library's styles for a photo, best first.

    Args:
        photo: the photo.
        like: a folder of pictures to come close to, or one picture; None ranks by what suits the photo.
        library: by default the built-in styles and the user's own.
        told: is called with a sentence for each style that had to be left out.

    Raises:
        DataError: there is no such folder, or no picture in it that can be read.
        StyleError: the library has no style that can be used.
    """
    library = library or Library()
    stylizer = Stylizer(library)
    liked = None if like is None else _liked(liked_pictures(like), stylizer)
    thumbnail = _thumbnail(photo)
    results: list[tuple[Entry, Style, U8]] = []
    for entry in library.entries():
        try:
            if isinstance(entry.style, StyleError):
                raise entry.style
            styled = stylizer.apply(Photo.from_array(thumbnail), Edit((StyleWeight(str(entry.path)),))).pixels
        except (UserError, EngineError) as error:  # one style that cannot be used is no reason to withhold the others
            told(f"Left out: {entry.name}: {error}")
            continue
        results.append((entry, entry.style, styled))
    if not results:
        raise StyleError("The library has no style that can be used: 'huafeng styles' lists what there is.")
    if liked is None:
        skin = _skin(photo, thumbnail)
        judged = _suiting([effect(thumbnail, styled, skin) for _, _, styled in results])
    else:
        judged = [_resembles(styled, liked, stylizer, strokes=style.kind != "look") for _, style, styled in results]
    found = [
        Advice(entry.name, style.kind, entry.path, *judgement)
        for (entry, style, _), judgement in zip(results, judged, strict=True)
    ]
    return sorted(found, key=lambda advice: (advice.distance, advice.name))


def _suiting(effects: Sequence[Effect]) -> list[Judgement]:
    """How far each is from suiting the photo."""
    every = [faults(done) for done in effects]
    usual = {name: float(np.median([found[name] for found in every if name in found])) for found in every for name in found}
    return [
        Judgement(
            math.sqrt(sum(fault**2 for fault in found.values())),
            _why(done, usual),
            {name: value for name, value in vars(done).items() if value is not None},
        )
        for done, found in zip(effects, every, strict=True)
    ]


def effect(photo: U8, styled: U8, skin: Array | None = None) -> Effect:
    """What was done to a photo: both uint8 [H, W, 3]; `skin`: bool [H, W], which of its pixels are skin."""
    before, after = srgb_to_lab(photo), srgb_to_lab(styled)
    lost = (styled.max(2) <= CLIPPED[0]) | (styled.min(2) >= CLIPPED[1])
    lost &= (before[..., 0] > SEEN[0]) & (before[..., 0] < SEEN[1])
    chroma = float(np.hypot(after[..., 1], after[..., 2]).mean())
    colored = skin is not None and skin.any() and chroma > MONOCHROME
    coarse = [_coarse(pixels) for pixels in (photo, styled)]
    lights = [lab[..., 0].ravel() for lab in coarse]
    flat = min(light.std() for light in lights) < 1e-3
    return Effect(
        clipped=float(lost.mean()),
        skin=float(ciede2000(before[skin], after[skin]).mean()) if colored else None,
        contrast=float(after[..., 0].std()),
        chroma=chroma,
        readable=0.0 if flat else float(np.corrcoef(lights[0], lights[1])[0, 1]),
        moved=float(ciede2000(*coarse).mean()),
    )


def _coarse(pixels: U8) -> Array:
    height, width = pixels.shape[:2]
    scale = min(1.0, READABLE_PX / min(height, width))
    return srgb_to_lab(resize(pixels, max(1, round(width * scale)), max(1, round(height * scale))))


def faults(done: Effect) -> dict[str, float]:
    """What is wrong with a result, each part 0 at best and 1 where it is clearly a fault."""
    found = {
        "clipped": done.clipped / 0.05,
        "contrast": max(JUST_RIGHT[0] - done.contrast, done.contrast - JUST_RIGHT[1], 0) / 6,
        "chroma": max(done.chroma - TOO_COLORFUL, 0) / 15,
        "readable": (1 - done.readable) / 0.3,
        "moved": done.moved / 30,
    }
    return found if done.skin is None else found | {"skin": max(done.skin - NATURAL_SKIN, 0) / 10}


def _why(done: Effect, usual: Mapping[str, float]) -> str:
    """The reason in words: its faults, and what it does better than the library's styles usually do."""
    found, agree = faults(done), f"light and dark agree to {max(0.0, done.readable):.0%}"
    blame = {
        "clipped": f"{done.clipped:.0%} of the picture would become plain black or white",
        "contrast": f"{'little' if done.contrast < JUST_RIGHT[0] else 'very strong'} contrast ({done.contrast:.0f})",
        "chroma": f"very strong colours (chroma {done.chroma:.0f})",
        "readable": f"shapes get hard to read ({agree})",
        "moved": f"colours far from the photo's (by {done.moved:.0f})",
        "skin": f"skin changes much (by {done.skin or 0:.0f})",
    }
    praise = {
        "skin": f"skin stays natural (changes by {done.skin or 0:.1f})",
        "readable": f"shapes stay clear ({agree})",
        "moved": f"colours near the photo's (by {done.moved:.0f})",
        "clipped": "nothing clips" if done.clipped < 0.0005 else f"hardly anything clips ({done.clipped:.1%})",
        "contrast": f"good contrast ({done.contrast:.0f})",
    }
    bad = sorted((name for name, fault in found.items() if fault >= 0.6), key=lambda name: -found[name])[:2]
    good = [name for name in praise if found.get(name, 1.0) < 0.34]
    good = sorted(good, key=lambda name: found[name] - usual.get(name, 0.0))[: 2 if not bad else 1]
    told = ", ".join(praise[name] for name in good)
    if bad:
        told += (", but " if told else "") + " and ".join(blame[name] for name in bad)
    return told or f"colours move by {done.moved:.0f}"


@dataclass(frozen=True, eq=False)
class Liked:
    """What the liked pictures have in common: colours, and the encoder's code [K] where the base generator has one."""

    colors: Colors
    code: F32 | None


def liked_pictures(path: Path) -> list[U8]:
    """The pictures in a folder, or the one in a file, as uint8 [H, W, 3]; at most 24, evenly chosen, damaged ones left out.

    Raises:
        DataError: there are none.
    """
    try:
        files = pictures_in_folder(path) if path.is_dir() else [path]
    except OSError as error:
        raise DataError(f"The folder {path} cannot be read ({error.strerror}).") from error
    if not path.exists():
        raise DataError(f"There is no folder {path} of pictures that you like.")
    pictures = []
    for place in spread(len(files) - 1, min(MOST_LIKED, len(files))) if files else []:
        try:
            pictures.append(_opaque(Photo.open(files[place])))
        except PhotoError as error:
            if not path.is_dir():
                raise DataError(str(error)) from error
    if not pictures:
        raise DataError(f"The folder {path} has no picture in it that can be read: give one with pictures that you like.")
    return pictures


def _liked(pictures: Sequence[U8], stylizer: Stylizer) -> Liked:
    colors = Colors(*(float(number) for number in np.mean([colors_of(_shrunk(picture)) for picture in pictures], 0)))
    chosen = []
    for picture in pictures:
        seen = list(views(picture))
        chosen += [seen[place] for place in spread(len(seen) - 1, min(VIEWS_EACH, len(seen)))]
    codes = _codes(chosen, stylizer)
    return Liked(colors, None if codes is None else codes.mean(0))


def _codes(chosen: Sequence[U8], stylizer: Stylizer) -> F32 | None:
    """Codes [N, K] of views; None where the base generator cannot tell: then colours alone do."""
    try:
        encoder = stylizer.generator().encoder
    except (StyleError, EngineError):
        return None
    batches = [np.stack(chosen[start : start + 8]) for start in range(0, len(chosen), 8)]
    return np.concatenate([encoder.codes(batch) for batch in batches])


def colors_of(pixels: U8) -> Colors:
    """Of uint8 [H, W, 3]."""
    lab = srgb_to_lab(pixels).reshape(-1, 3)
    light, red, yellow = (float(number) for number in lab.mean(0))
    return Colors(light, red, yellow, float(np.hypot(lab[:, 1], lab[:, 2]).mean()), float(lab[:, 0].std()))


def _resembles(styled: U8, liked: Liked, stylizer: Stylizer, *, strokes: bool) -> Judgement:
    """Distance from the liked pictures, the reason, the figures; `strokes`: the style paints, and that is worth a word."""
    colors = colors_of(styled)
    away = math.dist(colors, liked.colors)
    height, width = styled.shape[:2]
    seen = [_view(styled, top, left) for top, left in {(0, 0), (max(0, height - VIEW_PX), max(0, width - VIEW_PX))}]
    codes = None if liked.code is None else _codes(seen, stylizer)
    reason, figures = _colors_said(colors, liked.colors, away), {"color_distance": away}
    if codes is None or liked.code is None:
        return Judgement(away / COLOR_UNIT, reason, figures)
    apart = float(np.sqrt(np.square(codes.mean(0) - liked.code).mean()))
    if strokes and not CODE_UNIT <= apart <= 1.5 * CODE_UNIT:
        reason += "; strokes and textures alike" if apart < CODE_UNIT else "; other strokes and textures"
    return Judgement(math.hypot(away / COLOR_UNIT, apart / CODE_UNIT), reason, figures | {"code_distance": apart})


def _view(pixels: U8, top: int, left: int) -> U8:
    """A square of VIEW_PX; of a picture that is smaller, enlarged."""
    part = np.ascontiguousarray(pixels[top : top + VIEW_PX, left : left + VIEW_PX])
    return resize(part, VIEW_PX, VIEW_PX)


_WORDS = {  # below and above what it is compared to
    "yellow": ("cooler", "warmer"),
    "light": ("darker", "lighter"),
    "contrast": ("lower in contrast", "higher in contrast"),
    "chroma": ("less colourful", "more colourful"),
    "red": ("greener", "redder"),
}
_WORTH_A_WORD = Colors(light=7.0, red=4.0, yellow=4.0, chroma=5.0, contrast=4.0)
_PLAIN = {"cooler": "cool", "warmer": "warm", "darker": "dark", "lighter": "light", "lower in contrast": "low contrast",
          "higher in contrast": "high contrast", "less colourful": "soft colours", "more colourful": "strong colours",
          "greener": "greenish", "redder": "reddish"}  # fmt: skip


def _colors_said(colors: Colors, liked: Colors, away: float) -> str:
    if away <= CLOSE_COLORS:
        words = [_PLAIN[word] for word in compared(liked, USUAL)[:2]]
        return "close to your pictures in colour" + (f": {', '.join(words)}" if words else "")
    words = compared(colors, liked)[:2]
    nearness = "not far from" if away <= FAR_COLORS else "far from"
    return f"{nearness} your pictures in colour: {' and '.join(words)}" if words else f"{nearness} your pictures in colour"


def compared(one: Colors, other: Colors) -> list[str]:
    """In words how one picture's colours are unlike another's; the largest difference first, small ones left out."""
    steps = {name: (getattr(one, name) - getattr(other, name)) / getattr(_WORTH_A_WORD, name) for name in _WORDS}
    told = sorted((name for name, step in steps.items() if abs(step) >= 1), key=lambda name: -abs(steps[name]))
    return [_WORDS[name][1 if steps[name] > 0 else 0] for name in told]


def _opaque(photo: Photo) -> U8:
    """On white where it is transparent."""
    return photo.pixels if photo.alpha is None else blend(np.full_like(photo.pixels, 255), photo.pixels, photo.alpha)


def _thumbnail(photo: Photo) -> U8:
    return _shrunk(_opaque(photo))


def _shrunk(pixels: U8, short_px: int = SHORT_PX) -> U8:
    height, width = pixels.shape[:2]
    scale = min(1.0, short_px / min(height, width), LONGEST_PX * short_px / SHORT_PX / max(height, width))
    return resize(pixels, max(1, round(width * scale)), max(1, round(height * scale)))


def _skin(photo: Photo, thumbnail: U8) -> Array | None:
    """Which pixels of the thumbnail are skin, bool [h, w]; None where faces cannot be sought."""
    from huafeng.skin import find_skin

    try:
        mask = find_skin(_shrunk(_opaque(photo), SKIN_PX))
    except DataError:
        return None
    return np.asarray(resize(mask, thumbnail.shape[1], thumbnail.shape[0]) > 127)
