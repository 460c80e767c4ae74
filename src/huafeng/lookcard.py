"""The look card: one picture that shows what a look does, how much of it was seen, and what the linter says of it."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from huafeng.color import lab_to_srgb, srgb_to_lab
from huafeng.lint import LUMA, SKIN_HUES, Report, lint, look_up, percent, skin_colors
from huafeng.look import Lut, apply_lut
from huafeng.pixels import U8, Array, resize
from huafeng.sheet import chinese_font

Box: TypeAlias = tuple[int, int, int, int]  # left, top, right, bottom
Color: TypeAlias = tuple[int, int, int]
Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

CELLS = 16  # per axis of the cube in which observed colours are counted
SEEN = 8  # pixels that a cell needs, so that stray ones do not count

MOST_PHOTOS = 6
HUES = 12
HUE_LIGHTNESS, HUE_CHROMA = 62.0, 32.0  # all twelve are within sRGB
OUTER_CHROMA = 56.0  # at the rim of the hue panel

# All lengths are in px of the finished card. It is drawn SCALE times as large and reduced: lines and letters get soft edges.
SCALE = 2
WIDTH, MARGIN, GAP, INNER = 1600, 64, 32, 6
COLUMN = (WIDTH - 2 * MARGIN - 2 * GAP) // 3
PHOTO_HEIGHT = 300
PLOT = 344  # height of the panels
ROW = 36  # height of a line of verdicts
HEADING, TITLE, TEXT, SMALL = 24, 54, 20, 17
PAPER, INK, SOFT, LINE = (250, 249, 246), (40, 40, 40), (128, 126, 122), (222, 220, 214)
CURVES: tuple[Color, Color, Color] = (208, 82, 72), (86, 152, 92), (74, 112, 190)
VERDICTS: dict[str, Color] = {"ok": (104, 158, 112), "warning": (222, 164, 58), "fault": (200, 70, 60)}


def observed(pictures: Iterable[U8], lut: Lut | None = None) -> NDArray[np.bool_]:
    """Which colours occur in pictures uint8 [H, W, 3]: cells [16, 16, 16] of the sRGB cube, indexed [r, g, b].

    With a look that was learned from these finished pictures: which colours of a photo it takes to one that occurs in them.
    """
    counts = np.zeros(CELLS**3, np.int64)
    for picture in pictures:
        r, g, b = np.moveaxis(picture.reshape(-1, 3).astype(np.intp) * CELLS // 256, -1, 0)
        counts += np.bincount((r * CELLS + g) * CELLS + b, minlength=CELLS**3)
    seen: NDArray[np.bool_] = counts >= SEEN
    if lut is not None:
        middles = (np.indices((CELLS, CELLS, CELLS)).reshape(3, -1).T + 0.5) / CELLS
        r, g, b = np.minimum(look_up(lut, middles) * CELLS, CELLS - 1).astype(np.intp).T
        seen = seen[(r * CELLS + g) * CELLS + b]
    return np.asarray(seen.reshape(CELLS, CELLS, CELLS))


def observed_share(pictures: Iterable[U8], lut: Lut | None = None) -> float:
    """The share of the colour cube that is `observed`, 0..1; in the rest of it a look that was learned is only continued."""
    return float(observed(pictures, lut).mean())


def look_card(
    lut: Lut,
    photos: Sequence[U8],
    *,
    title: str,
    seen: NDArray[np.bool_] | None = None,
    subtitle: str = "",
    notes: Sequence[str] = (),
    report: Report | None = None,
) -> U8:
    """The card of a look, uint8 [H, 1600, 3].

    Args:
        lut: the look.
        photos: ungraded photos uint8 [H, W, 3]; the first six are shown before and after.
        title: the look's name; subtitle: a line below it, as who made it of how many pictures.
        seen: which of a photo's colours it was learned for, bool [N, N, N] as from `observed`; None leaves that panel out.
        notes: sentences that follow the verdicts, as "The folder seems to hold two looks.".
        report: what the linter says; None asks it.
    """
    report = lint(lut) if report is None else report
    photos = photos[:MOST_PHOTOS]
    rows = -(-len(photos) // 3)
    top_photos = MARGIN + TITLE + (TEXT + 14 if subtitle else 0) + 30
    top_plots = top_photos + rows * (PHOTO_HEIGHT + GAP) + (SMALL + 12 if rows else 0) + 4
    top_verdicts = top_plots + HEADING + 18 + PLOT + 40
    height = top_verdicts + (len(report.findings) + len(notes)) * ROW + MARGIN - 8

    page = _Page(WIDTH, height)
    page.text((MARGIN, MARGIN - 10), title, TITLE, width=WIDTH - 2 * MARGIN)
    page.text((MARGIN, MARGIN + TITLE + 6), subtitle, TEXT, SOFT, width=WIDTH - 2 * MARGIN)
    _draw_photos(page, top_photos, lut, photos)
    panels: list[tuple[str, Callable[[_Page, Box, Lut], None]]] = [
        ("Tones", _draw_tones),
        ("Hues", _draw_hues),
        ("Skin", _draw_skin),
    ]
    if seen is not None:
        panels.append(("Colours it was learned for", partial(_draw_seen, seen=seen)))
    width = (WIDTH - 2 * MARGIN - (len(panels) - 1) * GAP) // len(panels)
    for place, (heading, draw) in enumerate(panels):
        left = MARGIN + place * (width + GAP)
        page.text((left, top_plots), heading, HEADING)
        top = top_plots + HEADING + 18
        draw(page, (left, top, left + width, top + PLOT), lut)
    _draw_verdicts(page, top_verdicts, report, notes)
    return page.reduced()


class _Page:
    """A picture to draw on, in px of the finished card."""

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGB", (width * SCALE, height * SCALE), PAPER)
        self.draw = ImageDraw.Draw(self.image)

    def text(
        self, place: tuple[float, float], text: str, size: int, ink: Color = INK, *, anchor: str = "la", width: int = 0
    ) -> None:
        """A line of text; where it is wider than `width`, its end is cut."""
        text = " ".join(text.split())
        font = _font(size * SCALE, text.isascii())
        if width and self.draw.textlength(text, font) > width * SCALE:

            def length(letters: int) -> int:
                return math.ceil(self.draw.textlength(text[:letters] + "...", font))

            fitting = bisect_right(range(1, len(text)), width * SCALE, key=length)
            text = text[:fitting].rstrip() + "..."
        self.draw.text((place[0] * SCALE, place[1] * SCALE), text, ink, font, anchor=anchor)

    def line(self, points: Sequence[tuple[float, float]], ink: Color, width: float) -> None:
        self.draw.line([(x * SCALE, y * SCALE) for x, y in points], ink, round(width * SCALE), joint="curve")

    def box(
        self, box: Box | tuple[float, float, float, float], fill: Color | None = None, outline: Color | None = None
    ) -> None:
        left, top, right, bottom = (round(value * SCALE) for value in box)
        self.draw.rectangle((left, top, right - 1, bottom - 1), fill, outline, SCALE)

    def disc(self, place: tuple[float, float], radius: float, fill: Color | None, outline: Color | None = None) -> None:
        self.draw.circle((place[0] * SCALE, place[1] * SCALE), radius * SCALE, fill, outline, SCALE)

    def paste(self, pixels: U8, left: int, top: int) -> None:
        self.image.paste(Image.fromarray(pixels), (left * SCALE, top * SCALE))

    def reduced(self) -> U8:
        return np.asarray(self.image.reduce(SCALE))


def _font(size: int, plain: bool) -> Font:
    """Pillow's own font has hardly more than ASCII."""
    return _load_font(size) if plain else chinese_font(size) or _load_font(size)


@cache
def _load_font(size: int) -> Font:
    return ImageFont.load_default(size)


def _draw_photos(page: _Page, top: int, lut: Lut, photos: Sequence[U8]) -> None:
    width = (COLUMN - INNER) // 2
    for place, photo in enumerate(photos):
        left = MARGIN + place % 3 * (COLUMN + GAP)
        if place < 3:
            page.text((left, top), "before", SMALL, SOFT)
            page.text((left + width + INNER, top), "after", SMALL, SOFT)
        upper = top + SMALL + 12 + place // 3 * (PHOTO_HEIGHT + GAP)
        before = _cut(photo, width * SCALE, PHOTO_HEIGHT * SCALE)
        page.paste(before, left, upper)
        page.paste(apply_lut(before, lut, threads=1), left + width + INNER, upper)


def _cut(photo: U8, width: int, height: int) -> U8:
    """The largest part of that aspect, at width x height: from the middle, or, of a high photo, a little above (faces)."""
    rows, columns = photo.shape[:2]
    scale = min(rows / height, columns / width)
    tall, wide = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (rows - tall) // 3, (columns - wide) // 2
    return resize(np.ascontiguousarray(photo[top : top + tall, left : left + wide]), width, height)


def _draw_tones(page: _Page, box: Box, lut: Lut) -> None:
    """Red, green, blue and luminance of what becomes of greys."""
    left, top, right, bottom = box
    page.box(box, (255, 255, 255), LINE)
    for part in (0.25, 0.5, 0.75):
        x, y = left + part * (right - left), top + part * (bottom - top)
        page.line([(x, top), (x, bottom)], (240, 238, 233), 1)
        page.line([(left, y), (right, y)], (240, 238, 233), 1)
    page.line([(left, bottom), (right, top)], LINE, 1.5)
    greys = np.linspace(0, 1, 256)
    results = look_up(lut, np.repeat(greys[:, None], 3, 1))
    luminance: list[tuple[Array, Color, float]] = [(results @ LUMA, INK, 3.5)]
    channels: list[tuple[Array, Color, float]] = [(results[:, c], CURVES[c], 2) for c in range(3)]
    for curve, ink, width in channels + luminance:
        inset = 3  # so that a curve along the frame is seen
        xs = left + inset + greys * (right - left - 2 * inset)
        ys = bottom - inset - curve * (bottom - top - 2 * inset)
        page.line(list(zip(xs.tolist(), ys.tolist(), strict=True)), ink, width)
    for row, (name, ink) in enumerate(zip(("red", "green", "blue", "light"), (*CURVES, INK), strict=True)):
        y = top + 22 + row * 24
        page.line([(left + 18, y), (left + 40, y)], ink, 3)
        page.text((left + 50, y), name, SMALL, SOFT, anchor="lm")
    page.text((right - 14, bottom - 14), "photo: black to white", SMALL, SOFT, anchor="rs")


def _draw_hues(page: _Page, box: Box, lut: Lut) -> None:
    """Twelve hues in CIELAB's plane of colours, from where they are (rings) to where they go (discs)."""
    left, top, right, bottom = box
    page.box(box, (255, 255, 255), LINE)
    middle, centre = (left + right) / 2, (top + bottom) / 2
    scale = ((bottom - top) / 2 - 16) / OUTER_CHROMA
    page.disc((middle, centre), HUE_CHROMA * scale, None, LINE)
    page.line([(middle - 6, centre), (middle + 6, centre)], LINE, 1.5)
    page.line([(middle, centre - 6), (middle, centre + 6)], LINE, 1.5)
    angles = np.arange(HUES) * 2 * np.pi / HUES
    before = np.stack([np.full(HUES, HUE_LIGHTNESS), HUE_CHROMA * np.cos(angles), HUE_CHROMA * np.sin(angles)], 1)
    colors = np.clip(lab_to_srgb(before), 0, 1)
    results = look_up(lut, colors)
    after = srgb_to_lab(results)
    length = np.maximum(1, np.hypot(after[:, 1], after[:, 2]) / OUTER_CHROMA)[:, None]
    ends = after[:, 1:] / length  # within the panel

    def place(plane: Array) -> tuple[float, float]:
        return middle + scale * float(plane[0]), centre - scale * float(plane[1])

    for start, end, color in zip(before[:, 1:], ends, _levels(colors), strict=True):
        page.line([place(start), place(end)], color, 3)
        page.disc(place(start), 6, (255, 255, 255), color)
    for end, color in zip(ends, _levels(results), strict=True):
        page.disc(place(end), 12, color, (255, 255, 255))
    page.text((left + 14, bottom - 14), "ring: photo", SMALL, SOFT, anchor="ls")
    page.text((right - 14, bottom - 14), "disc: look", SMALL, SOFT, anchor="rs")


def _draw_skin(page: _Page, box: Box, lut: Lut) -> None:
    """Colours of skin from dark to light: above as they are, below as the look has them."""
    left, top, right, bottom = box
    page.box(box, (255, 255, 255), LINE)
    colors = lab_to_srgb(skin_colors())
    rows = len(SKIN_HUES)
    columns = len(colors) // rows
    wide, high = (right - left - 40) / columns, (bottom - top - 80) / rows
    for place, (before, after) in enumerate(zip(_levels(colors), _levels(look_up(lut, colors)), strict=True)):
        column, row = divmod(place, rows)
        x0, y0 = left + 20 + column * wide, top + 20 + row * (high + 8)
        page.box((x0, y0, x0 + wide, y0 + high / 2), before)
        page.box((x0, y0 + high / 2, x0 + wide, y0 + high), after)
    page.text((left + 20, bottom - 14), "upper half: photo", SMALL, SOFT, anchor="ls")
    page.text((right - 20, bottom - 14), "lower half: look", SMALL, SOFT, anchor="rs")


def _draw_seen(page: _Page, box: Box, lut: Lut, *, seen: NDArray[np.bool_]) -> None:
    """The colour cube in slices of more and more blue, red to the right, green upwards; cells as the look has them."""
    left, top, right, bottom = box
    page.box(box, (255, 255, 255), LINE)
    page.text((left + 20, top + 14), f"{percent(float(seen.mean()))} of the colour cube", TEXT)
    page.text((left + 20, top + 42), "Elsewhere the look is only continued.", SMALL, SOFT)
    size, across, down, gap = len(seen), 3, 2, 8
    side = (right - left - 40 - (across - 1) * gap) / across
    first = (top + 70 + bottom - 40 - down * side - (down - 1) * gap) / 2
    middles = (np.arange(size) + 0.5) / size
    for place, blues in enumerate(np.array_split(np.arange(size), across * down)):
        x0, y0 = left + 20 + place % across * (side + gap), first + place // across * (side + gap)
        page.box((x0, y0, x0 + side, y0 + side), (243, 242, 238))
        reds, greens = np.nonzero(seen[:, :, blues].any(2))
        if not len(reds):
            continue
        blue = np.full(len(reds), middles[blues].mean())
        colors = _levels(look_up(lut, np.stack([middles[reds], middles[greens], blue], 1)))
        for red, green, color in zip(reds.tolist(), greens.tolist(), colors, strict=True):
            x, y = x0 + red * side / size, y0 + side - (green + 1) * side / size
            page.box((x, y, x + side / size, y + side / size), color)
    page.text((left + 20, bottom - 14), "across red, up green; blue by slices", SMALL, SOFT, anchor="ls")


def _draw_verdicts(page: _Page, top: int, report: Report, notes: Sequence[str]) -> None:
    page.line([(MARGIN, top - 20), (WIDTH - MARGIN, top - 20)], LINE, 1)
    for row, finding in enumerate(report.findings):
        y = top + row * ROW + ROW / 2
        page.disc((MARGIN + 8, y), 7, VERDICTS[finding.severity])
        page.text((MARGIN + 32, y), finding.name.capitalize(), TEXT, anchor="lm")
        page.text((MARGIN + 290, y), _amount(finding.figure, finding.unit), TEXT, SOFT, anchor="rm")
        page.text((MARGIN + 320, y), finding.sentence, TEXT, anchor="lm", width=WIDTH - 2 * MARGIN - 320)
    for row, note in enumerate(notes, len(report.findings)):
        y = top + row * ROW + ROW / 2
        page.disc((MARGIN + 8, y), 7, VERDICTS["warning"])
        page.text((MARGIN + 32, y), note, TEXT, anchor="lm", width=WIDTH - 2 * MARGIN - 32)


def _amount(figure: float, unit: str) -> str:
    return percent(figure) if unit == "share" else f"{figure:.1f} {unit}"


def _levels(colors: Array) -> list[Color]:
    """sRGB floats [N, 3] in 0..1 as rounded levels."""
    return [(r, g, b) for r, g, b in np.rint(np.clip(colors, 0, 1) * 255).astype(int).tolist()]
