"""Contact sheets: one photo in many styles on one page, to choose from and to show around."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from huafeng.pixels import U8, resize

CELL_PX = 480  # long side of a picture on the page
GAP_PX = 16
TEXT_PX = 22
PAGE_ASPECT = 1.4  # width / height that the page comes near to: fit for posting
EMPTY_COST = 0.1  # how much an empty place on the page counts against a better aspect
PAPER, INK = (250, 249, 246), (40, 40, 40)

# fonts with Chinese letters, as Windows, macOS and Linux have them
_CHINESE_FONTS = (
    "msyh.ttc", "PingFang.ttc", "Hiragino Sans GB.ttc", "NotoSansCJK-Regular.ttc", "NotoSansSC-Regular.otf",
    "SourceHanSansSC-Regular.otf", "wqy-microhei.ttc", "wqy-zenhei.ttc",
)  # fmt: skip


class Cell(NamedTuple):
    """A picture uint8 [H, W, 3] and its title in English and, perhaps, in Chinese."""

    pixels: U8
    title_en: str
    title_zh: str = ""


def contact_sheet(cells: Sequence[Cell]) -> U8:
    """Pictures of one size (at least one), row by row, with their titles below: uint8 [H, W, 3].

    Pictures are drawn with a long side of CELL_PX. Chinese titles are drawn where the computer has a font for them.
    """
    first = cells[0].pixels
    width, height = cell_size(first.shape[1], first.shape[0], CELL_PX)
    pitch_x, pitch_y = width + GAP_PX, height + 2 * GAP_PX + TEXT_PX
    columns = columns_for(len(cells), pitch_x, pitch_y)
    rows = math.ceil(len(cells) / columns)
    page = Image.new("RGB", (columns * pitch_x + GAP_PX, rows * pitch_y + GAP_PX), PAPER)
    draw = ImageDraw.Draw(page)
    chinese = chinese_font(TEXT_PX)
    font = chinese or ImageFont.load_default(TEXT_PX)
    for place, cell in enumerate(cells):
        left, top = GAP_PX + place % columns * pitch_x, GAP_PX + place // columns * pitch_y
        page.paste(Image.fromarray(resize(cell.pixels, width, height)), (left, top))
        title = f"{cell.title_en}  {cell.title_zh}".strip() if chinese else cell.title_en
        text = _fitting(title, draw, font, width)
        draw.text((left + width / 2, top + height + GAP_PX / 2), text, INK, font, anchor="ma")
    return np.asarray(page)


def cell_size(width: int, height: int, long_side: int) -> tuple[int, int]:
    """Width and height with the long side scaled to `long_side`, the proportions kept to a pixel."""
    scale = long_side / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def columns_for(count: int, pitch_x: int, pitch_y: int) -> int:
    """How many columns give `count` cells of pitch_x x pitch_y a page near PAGE_ASPECT with few empty places."""

    def cost(columns: int) -> float:
        rows = math.ceil(count / columns)
        aspect = columns * pitch_x / (rows * pitch_y)
        return abs(math.log(aspect / PAGE_ASPECT)) + EMPTY_COST * (columns * rows - count)

    return min(range(1, count + 1), key=cost)


def chinese_font(size: int) -> ImageFont.FreeTypeFont | None:
    """A font with Chinese letters, `size` px, if this computer has one."""
    for name in _CHINESE_FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return None


def _fitting(text: str, draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The text, with its end cut where it is wider than `width` px."""
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(text + "...", font) > width:
        text = text[:-1]
    return text.rstrip() + "..."
