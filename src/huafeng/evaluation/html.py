"""Self-contained pages: one HTML file each, nothing loaded from elsewhere."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from huafeng.evaluation.words import BETTER, interval, number, short_name, title_of
from huafeng.pixels import U8, resize


def render(template: str, **facts: Any) -> bytes:
    """The page that the template of that name makes of the facts, as UTF-8; every text is escaped."""
    folder = Path(__file__).parent / "templates"
    pages = Environment(
        loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    pages.filters |= {
        "number": _typeset(number),
        "interval": _typeset(interval),
        "typeset": _typeset(str),
        "title_of": title_of,
        "anchor": lambda name: f"figure-{short_name(name)}",
        "wanted": BETTER.__getitem__,
        "uri": data_uri,
    }
    return pages.get_template(template).render(facts).encode()


def data_uri(picture: bytes) -> str:
    """A WebP, JPEG or PNG as a data: URI."""
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg" if picture.startswith(b"\xff\xd8") else "webp"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def jpeg(picture: U8, width: int) -> bytes:
    """A picture uint8 [H, W, 3] as a JPEG (quality 88), shrunk to at most `width` px."""
    if picture.shape[1] > width:
        picture = resize(picture, width, max(1, round(picture.shape[0] * width / picture.shape[1])))
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=88, optimize=True)
    return buffer.getvalue()


def _typeset(write: Any) -> Any:
    """The same text with real minus signs."""
    return lambda value: write(value).replace("-", "\N{MINUS SIGN}")
