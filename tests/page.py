"""Reading the pages that Huafeng writes, and made-up evaluations to fill them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

import numpy as np

from huafeng.evaluation.figure import GLOSSARY, CurvePoint, Figure, pinned
from huafeng.evaluation.result import Evaluation, Example

_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


@dataclass
class Page(HTMLParser):
    """What is in a page; it must be well-formed, complete and load nothing from elsewhere."""

    tags: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    images: list[dict[str, str | None]] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []

    @classmethod
    def read(cls, data: bytes) -> Page:
        page = cls()
        page.feed(data.decode("utf-8"))
        page.close()
        assert page._open == []
        assert "script" not in page.tags
        assert all(link.startswith("#") and link[1:] in page.ids for link in page.links), page.links
        assert all((image["src"] or "").startswith("data:image/") and image["alt"] for image in page.images)
        assert len(page.ids) == len(set(page.ids))
        page.rows = [[" ".join(cell.split()) for cell in row] for row in page.rows]
        return page

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attributes)
        assert not {"onload", "onerror", "onclick"} & given.keys()
        assert tag not in ("link", "iframe", "object")
        if tag == "th":
            assert given["scope"] in ("row", "col")
        if given.get("id"):
            self.ids.append(given["id"] or "")
        for name in ("href", "xlink:href"):
            if given.get(name):
                self.links.append(given[name] or "")
        if tag == "img":
            self.images.append(given)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            assert "http" not in data
            assert "@import" not in data
            return
        self.text += data
        if {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data

    def row(self, title: str) -> list[str]:
        """The cells of the first row with that heading."""
        return next(row for row in self.rows if row and row[0] == title)


def figures(shift: float = 0.0, *, baselines: bool = True, features: str = "features-v1") -> tuple[Figure, ...]:
    """All figures of the glossary: 0.5 + shift, with an interval of +-0.1, between 0 (identity) and 1 (random)."""
    value = 0.5 + shift
    ends = (value - 0.1, value + 0.1)
    identity, random = (0.0, 1.0) if baselines else (None, None)
    return tuple(Figure(pinned(name, features), value, ends, identity, random, 200) for name in GLOSSARY)


def examples(count: int) -> tuple[Example, ...]:
    """Pairs whose content kept rises from 0.01 in steps of 0.01, in a shuffled order."""
    order = np.random.default_rng(0).permutation(count)
    photo = np.full((40, 500, 3), 90, np.uint8)
    return tuple(Example(f"photo-{place}.jpg", photo, photo // 2, (place + 1) / 100) for place in order)


def evaluation(subject: str = "monet", **changes: object) -> Evaluation:
    facts: dict[str, object] = {
        "subject": subject,
        "protocol": "photo512-crop256-v1",
        "features": "features-v1",
        "inputs": {"photos": {"count": 1234, "sha256": "0123456789abcdef" * 4}, "works": ["a", "b"]},
        "figures": figures(),
        "curve": tuple(CurvePoint(at, 0.7 * at, 1 - 0.6 * at) for at in (0.0, 0.5, 1.0)),
        "safe_strength": (0.0, 0.8),
        "warnings": ("There are few photos.",),
        "left_out": ("LPIPS was left out.",),
        "seconds": 12.34,
        "examples": examples(3),
    }
    return Evaluation(**facts | changes)  # type: ignore[arg-type]
