from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from page import Page, evaluation, figures

from huafeng.evaluation.card import example_bytes, with_card
from huafeng.evaluation.figure import Figure
from huafeng.library import Library
from huafeng.style import Style

if TYPE_CHECKING:
    from conftest import Run

EVIL = "<script>alert(1)</script>"


def measure(path: Path, coffee: Any, found: tuple[Figure, ...] | None = None) -> None:
    """Give the style file figures and examples."""
    measured = evaluation(figures=figures() if found is None else found)
    with_card(Style.load(path), measured, [example_bytes(coffee)] * 6).save(path, force=True)


def written(name: str = "styles.html") -> Page:
    return Page.read(Path(name).read_bytes())


def test_the_whole_library(huafeng: Run, styles_folder: Path, coffee: Any) -> None:
    measure(styles_folder / "dark.style", coffee)
    ran = huafeng("styles", "--html")
    assert (ran.code, ran.out, ran.err) == (0, "styles.html\n", "")
    page = written()
    assert page.tags.count("article") == len(Library().names())
    for text in ("Negative", "负片", "Claude Monet", "莫奈", "A. Nobody", "made by formula", "CC0-1.0", "0 to 1", "kB"):
        assert text in page.text
    assert "delta_e2.5" in page.text.replace("\n", "").replace(" ", "")
    cards = [entry.style.card for entry in Library().entries() if isinstance(entry.style, Style)]
    measured = [card for card in cards if any(name.startswith("style-gap-closed-") for name in card.scores)]
    rows = [row for row in page.rows if row and row[0] == "Style gap closed"]
    assert len(rows) == len(measured) > 0  # who has figures shows them
    assert all(row[2:] == ["0", "1"] for row in rows)
    assert all(card.measured_on in page.text for card in measured)


def test_a_style_without_figures_and_examples(huafeng: Run) -> None:
    assert huafeng("styles", "negative", "--html").code == 0
    page = written()
    assert "What the figures mean" not in page.text
    assert not page.images


def test_figures_and_examples_are_shown(huafeng: Run, styles_folder: Path, coffee: Any) -> None:
    measure(styles_folder / "negative.style", coffee)
    assert huafeng("styles", "negative", "--html").code == 0
    page = written()
    assert len(page.images) == 6
    assert page.row("Style gap closed")[1:] == ["0.500 [0.400, 0.600]", "0", "1"]
    assert page.row("PSNR, dB")[1:] == ["0.500 [0.400, 0.600]", "0", "1"]
    assert "30 more figures" in page.text
    assert "0 to 0.8" in page.text
    assert "features-v1" in page.text
    assert "figure-kid" in page.ids


def test_a_style_with_one_figure_of_no_fame(huafeng: Run, styles_folder: Path, coffee: Any) -> None:
    measure(styles_folder / "negative.style", coffee, (Figure("banding", 0.25),))
    assert huafeng("styles", "negative", "--html").code == 0
    assert written().row("Banding")[1:] == ["0.250", "–", "–"]
    assert "more figure" not in written().text


def test_damaged_styles_are_named_and_texts_are_no_markup(huafeng: Run, styles_folder: Path) -> None:
    (styles_folder / "broken.style").write_bytes(b"broken")
    dark = Style.load(styles_folder / "dark.style")
    card = replace(dark.card, title_en=EVIL, title_zh=EVIL, author=EVIL, provenance=EVIL, description=EVIL, scores={EVIL: 1})
    replace(dark, card=card).save(styles_folder / "dark.style", force=True)
    assert huafeng("styles", "--html").code == 0
    page = written()
    assert page.text.count(EVIL) == 6
    assert "broken.style: This is not a style file." in page.text


def test_an_empty_title_falls_back_to_the_name(huafeng: Run, styles_folder: Path) -> None:
    dark = Style.load(styles_folder / "dark.style")
    replace(dark, card=replace(dark.card, title_en="", title_zh="")).save(styles_folder / "dark.style", force=True)
    assert huafeng("styles", "dark", "--html", "-o", "one.html").code == 0
    assert written("one.html").tags.count("article") == 1


def test_a_page_that_exists_is_kept(huafeng: Run) -> None:
    Path("styles.html").write_text("precious")
    ran = huafeng("styles", "--html")
    assert ran.code == 2
    assert "styles.html exists already" in ran.err
    assert Path("styles.html").read_text() == "precious"
    assert huafeng("styles", "--html", "--force").code == 0
    assert huafeng("styles", "--html", "-o", "new/page.html").out == "new/page.html\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--html", "--json"], "leave one of them out"),
        (["--html", "--sheet", "coffee.png"], "leave one of them out"),
        (["--json", "--force"], "belong to --sheet PHOTO or --html"),
        (["nothing-like-it", "--html"], "There is no style"),
    ],
)
def test_options_that_do_not_go_together(huafeng: Run, options: list[str], words: str) -> None:
    ran = huafeng("styles", *options)
    assert ran.code == 2
    assert words in ran.err
    assert list(Path().iterdir()) == []


def test_without_the_extra_one_sentence_says_so(huafeng: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, "huafeng.evaluation.html", raising=False)
    ran = huafeng("styles", "--html")
    assert ran.code == 2
    assert ran.err == 'Error: A page needs the extra evaluate: pip install "huafeng[evaluate]".\n'


def test_the_card_in_the_terminal(huafeng: Run, styles_folder: Path, coffee: Any) -> None:
    found = (*figures()[:1], Figure("content-kept-features-v1", 0.66, None, 1.0, 0.0), Figure("psnr", 21.5))
    measure(styles_folder / "negative.style", coffee, found)
    lines = [line.split() for line in huafeng("styles", "negative").out.splitlines()]
    assert ["Style", "gap", "closed", "(features-v1)", "0.500", "[0.400,", "0.600]", "photo", "0", "works", "1"] in lines
    assert ["Content", "kept", "(features-v1)", "0.660", "photo", "1", "works", "0"] in lines
    assert ["PSNR,", "dB", "21.5"] in lines
    assert ["Safe", "strength", "0", "to", "0.8"] in lines


def test_a_card_needs_no_extra(styles_folder: Path, coffee: Any) -> None:
    measure(styles_folder / "negative.style", coffee)
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('torch', 'matplotlib', 'jinja2', 'torchmetrics', 'skimage', 'cv2')));"
        "from huafeng import cli; sys.exit(cli.run(['styles', 'negative']))"
    )
    wide = os.environ | {"COLUMNS": "160"}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True, env=wide)
    assert "Style gap closed (features-v1)" in ran.stdout
