from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from page import Page, evaluation, examples, figures
from PIL import Image
from rich.console import Console

from huafeng.errors import DataError, OutputError
from huafeng.evaluation import plots
from huafeng.evaluation.card import example_bytes, figures_of, scores_of, with_card
from huafeng.evaluation.comparison import alike, best_among, best_of, why_apart
from huafeng.evaluation.figure import GLOSSARY, CurvePoint, Figure
from huafeng.evaluation.html import jpeg
from huafeng.evaluation.report import shortened, table, write_report
from huafeng.evaluation.words import number, title_of, titles_of, together
from huafeng.style import MAX_EXAMPLE_BYTES, MAX_SCORES, Style

EVIL = "<script>alert(1)</script> $x^{ & \"'"


def report(tmp_path: Path, *evaluations: Any) -> Page:
    write_report(evaluations, tmp_path / "report.html", force=True)
    return Page.read((tmp_path / "report.html").read_bytes())


def test_one_evaluation(tmp_path: Path) -> None:
    page = report(tmp_path, evaluation())
    assert page.row("Style gap closed (features-v1)")[1:] == ["0.500", "[0.400, 0.600]", "0", "1", "200"]
    assert page.row("PSNR, dB")[1] == "0.500"
    for text in ("monet", "photo512-crop256-v1", "There are few photos.", "LPIPS was left out.", "count: 1,234",
                 "sha256: 0123456789ab…", "0 to 0.8", "12.3 s", "Plain photos", "Works"):  # fmt: skip
        assert text in page.text
    assert "0123456789abc" not in page.text
    assert page.tags.count("svg") == 2
    assert len(page.images) == 6


def test_every_figure_leads_to_its_sentences(tmp_path: Path) -> None:
    page = report(tmp_path, evaluation())
    for name, meant in GLOSSARY.items():
        assert f"figure-{name}" in page.ids
        assert f"#figure-{name}" in page.links
        assert meant.meaning in page.text
        assert meant.misleads in page.text


def test_only_figures_that_are_there_are_explained(tmp_path: Path) -> None:
    page = report(tmp_path, evaluation(figures=figures()[:1]))
    assert "figure-style-gap-closed" in page.ids
    assert "figure-kid" not in page.ids


def test_names_are_text_and_no_markup(tmp_path: Path) -> None:
    found = examples(1)[0]
    evil = evaluation(EVIL, warnings=(EVIL,), left_out=(EVIL,), protocol=EVIL, features=EVIL, inputs={EVIL: EVIL},
                      examples=(type(found)(EVIL, found.photo, found.result, 0.5),))  # fmt: skip
    for evaluations in ([evil], [evil, evaluation()]):
        page = report(tmp_path, *evaluations)  # Page.read refuses any script
        assert page.text.count(EVIL) >= 6
        assert any(EVIL in (image["alt"] or "") for image in page.images)


def test_nothing_known_but_one_figure(tmp_path: Path) -> None:
    bare = evaluation(
        figures=(Figure("psnr", 12.345),), curve=(), safe_strength=None, warnings=(), left_out=(), examples=(), inputs={}
    )
    page = report(tmp_path, bare)
    assert page.row("PSNR, dB")[1:] == ["12.3", "–", "–", "–", "–"]
    assert "svg" not in page.tags
    assert "Unrelated photos" in page.text
    assert "Read with care" not in page.text
    assert "No figure could be measured." in report(tmp_path, evaluation(figures=(), curve=())).text


def on(subject: str, *, photos: str = "p", works: str | None = "w", **changes: Any) -> Any:
    """An evaluation on photos and works of these digests."""
    inputs = {"subject": {"sha256": subject}, "photos": {"count": 80, "fingerprint": photos}}
    given = {"works": {"source": f"{subject}/works", "count": 9, "sha256": works}} if works else {}
    return evaluation(subject, inputs=inputs | given, **changes)


def test_several_stand_side_by_side_and_the_best_is_marked(tmp_path: Path) -> None:
    page = report(tmp_path, evaluation("a"), evaluation("b", figures=figures(0.3)))
    assert page.row("SSIM")[1:] == ["photo 0 works 1 n 200", "0.500 [0.400, 0.600]", "0.800 (best) [0.700, 0.900]"]
    assert "(best)" in page.row("MSE")[2]  # lower
    assert "(best)" in page.row("Halo")[2]  # nearer to the photo's 0
    near = report(tmp_path, evaluation("a"), evaluation("b", figures=figures(0.19)))
    assert "(best)" not in near.text
    other = report(tmp_path, evaluation("a"), evaluation("b", figures=figures(0.3), protocol="photo256-crop256-v1"))
    assert "(best)" not in other.text
    assert "Nothing is marked as best, for the protocols differ." in other.text


def test_what_all_share_stands_once(tmp_path: Path) -> None:
    one, other = Figure("ssim", 0.5, (0.4, 0.6), 1, 0.25, 80), Figure("ssim", 0.6, (0.5, 0.7), 1, 0.75, 79)
    page = report(tmp_path, evaluation("a", figures=(one,)), evaluation("b", figures=(other,)))
    alone = "unrelated photos"  # no figure of style, no works
    assert page.row("SSIM")[1:] == [
        "photo 1", f"0.500 [0.400, 0.600] {alone} 0.250 n 80", f"0.600 [0.500, 0.700] {alone} 0.750 n 79",
    ]  # fmt: skip


def test_style_is_compared_on_equal_works_only(tmp_path: Path) -> None:
    page = report(tmp_path, on("a"), on("b", works="other", figures=figures(0.3)))
    assert "(best)" not in " ".join(page.row("Style gap closed (features-v1)"))
    assert "(best)" in page.row("SSIM")[3]
    assert "How near to the works. Nothing is marked as best, for the works differ." in page.text
    assert "What is kept of the photo. Nothing" not in page.text
    photos = report(tmp_path, on("a"), on("b", photos="other", figures=figures(0.3)))
    assert "(best)" not in photos.text
    assert "What is kept of the photo. Nothing is marked as best, for the photos differ." in photos.text
    equal = report(tmp_path, on("a"), on("b", figures=figures(0.3)))  # from other folders
    assert "(best)" in equal.row("Style gap closed (features-v1)")[3]
    assert "differ." not in equal.text


def test_the_best_among_those_that_share_their_works(tmp_path: Path) -> None:
    both = [on("a"), on("b", works="v"), on("c", figures=figures(0.3)), on("d", works=None)]
    assert alike(both, "style") == alike(both) == [[0, 2], [1], [3]]
    assert alike(both, "content") == [[0, 1, 2, 3]]
    assert why_apart(both, "clean") == ""
    assert why_apart(both, "style").endswith("only among those that share them: a, c.")
    page = report(tmp_path, *both)
    assert ["(best)" in cell for cell in page.row("Style gap closed (features-v1)")[2:]] == [False, False, True, False]
    assert why_apart([on("a"), on("b", photos="q", works="v")], "style") == (
        "Nothing is marked as best, for the photos and works differ."
    )


def test_real_pictures_and_networks_are_told_apart() -> None:
    for role, word in (("real", "real pictures"), ("network", "feature networks")):
        made = [evaluation("a", inputs={role: {"sha256": digest}}) for digest in "xy"]
        for group in ("generator", "style", "content"):
            assert why_apart(made, group) == f"Nothing is marked as best, for the {word} differ."


def test_one_best_in_each_set() -> None:
    found = [Figure("ssim", value, (value - 0.01, value + 0.01)) for value in (0.1, 0.2, 0.3, 0.4)]
    assert best_among(found, [[0, 3], [1, 2]]) == {2, 3}
    assert best_among(found, [[0], [1], [2], [3]]) == set()


def test_a_figure_that_one_lacks(tmp_path: Path) -> None:
    page = report(tmp_path, evaluation("a"), evaluation("b", figures=figures()[5:], curve=()))
    assert page.row("KID (style) (features-v1)")[1:] == ["photo 0 works 1 n 200", "0.500 [0.400, 0.600]", "–"]


def test_each_sentence_is_told_once_with_the_names_that_it_holds_for(tmp_path: Path) -> None:
    few, one = "There are few photos.", "The works are one picture."
    found = [evaluation("a", warnings=(few, one)), evaluation("b", warnings=(few,)), evaluation("c", warnings=(one, few))]
    text = " ".join(report(tmp_path, *found).text.split())
    assert text.count(few) == text.count(one) == text.count("LPIPS was left out.") == text.count("Read with care") == 1
    assert f"{few} {one} (a, c) Left out LPIPS was left out. Figures" in text


def test_many_names_are_shortened(tmp_path: Path) -> None:
    assert together(["a"]) == "a"
    assert together(["a", "b", "c", "d"]) == "a · b · c · d"
    assert together(["a", "b", "c", "d", "e"]) == "5 subjects: a, b, c and 2 more"
    found = [evaluation(f"style {place}", examples=()) for place in range(7)]
    text = report(tmp_path, *found).text
    assert text.count("7 subjects: style 0, style 1, style 2 and 4 more") == 2  # title and heading
    assert all(text.count(one.subject) >= 5 for one in found)


@pytest.mark.parametrize(
    ("name", "ranges", "identity", "best"),
    [
        ("ssim", [(0.1, 0.2), (0.3, 0.4)], 0, 1),
        ("ssim", [(0.1, 0.3), (0.3, 0.4)], 0, None),
        ("mse", [(0.1, 0.2), (0.3, 0.4)], 0, 0),
        ("mse", [(0.3, 0.4), (0.1, 0.2), (0.15, 0.2)], 0, None),
        ("halo", [(1, 2), (3, 4)], 0, 0),
        ("halo", [(1, 2), (3, 4)], 5, 1),
        ("halo", [(-2, -1), (1.5, 2.5)], 0, None),  # apart, but as far from the photo's
        ("halo", [(-1, 1), (2, 3)], 0.5, None),  # up to 1.5 away, and from 1.5
        ("halo", [(-1, 1), (2, 3)], 0, 0),
        ("halo", [(1, 2), (3, 4)], None, None),
        ("ssim", [None, (3, 4)], 0, None),
        ("ssim", [(3, 4)], 0, None),
    ],
)
def test_best_of(name: str, ranges: Any, identity: Any, best: Any) -> None:
    found = [Figure(name, sum(ends or (0,)) / 2, ends, identity) for ends in ranges]
    assert best_of(found) == best
    assert best_of([*found, None]) is None


@pytest.mark.parametrize(("count", "shown"), [(1, 1), (2, 2), (3, 3), (8, 6), (9, 9), (40, 9)])
def test_the_worst_are_shown_like_the_best(tmp_path: Path, count: int, shown: int) -> None:
    page = report(tmp_path, evaluation(figures=figures()[:1], examples=examples(count)))
    assert len(page.images) == 2 * shown
    assert f"photo-{count - 1}.jpg" in page.text
    assert "photo-0.jpg" in page.text
    if count >= 3:
        best, typical, worst = (page.text.index(word) for word in ("Best: most", "Typical", "Worst: least"))
        assert best < page.text.index(f"photo-{count - 1}.jpg") < typical < page.text.index(f"photo-{count // 2}.jpg") < worst
        assert worst < page.text.index("photo-0.jpg")


@pytest.mark.parametrize(("subjects", "each"), [(1, 9), (4, 9), (6, 6), (7, 3), (13, 3)])
def test_many_subjects_show_fewer_pictures_each(tmp_path: Path, subjects: int, each: int) -> None:
    shown = examples(9)
    page = report(tmp_path, *(evaluation(f"{place}", figures=figures()[5:6], examples=shown) for place in range(subjects)))
    assert len(page.images) == 2 * each * subjects


@pytest.mark.parametrize(("width", "height"), [(500, 40), (100, 700), (4000, 1)])
def test_pictures_are_small(width: int, height: int) -> None:
    picture = Image.open(io.BytesIO(jpeg(np.zeros((height, width, 3), np.uint8), 320)))
    assert picture.format == "JPEG"
    assert picture.width == min(width, 320)


def test_a_report_replaces_nothing_unasked(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        write_report([evaluation()], path)
    assert path.read_text() == "precious"
    with pytest.raises(DataError, match="nothing to report"):
        write_report([], path, force=True)


def test_the_table_for_the_terminal() -> None:
    out = io.StringIO()
    first = evaluation("[red]a", figures=figures(baselines=False)[::-1])
    Console(file=out, width=200).print(table([first, evaluation("b", figures=figures(0.25)[:-1])]))
    lines = out.getvalue().splitlines()
    assert lines[0].split() == ["Figure", "[red]a", "photo", "works", "b", "photo", "works"]
    assert [line.split("  ")[0].strip() for line in lines[1:]] == [title_of(figure.name) for figure in figures()]
    assert lines[1].split()[-8:] == ["0.500", "[0.400,", "0.600]", "0.750", "[0.650,", "0.850]", "0", "1"]


@pytest.mark.parametrize("width", [60, 100, 160, 400])
def test_the_table_breaks_no_number(width: int) -> None:
    names = [f"style-{place}" for place in range(6)] + ["a-name-that-is-wider-than-its-column"]
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(table([evaluation(name) for name in names]))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert out.getvalue().count("0.500 [0.400, 0.600]") == len(names) * len(GLOSSARY)
    heads = [line for line in lines if line.startswith("Figure")]
    assert len(heads) == {60: 7, 100: 7, 160: 3, 400: 1}[width]
    assert [name for line in heads for name in line.split() if name.startswith("style")] == names[:-1]
    assert "a-name-that-is-wider-tha" in out.getvalue()
    assert "n-its-column" in out.getvalue()


def test_the_curve() -> None:
    drawn = plots.strength_curve([evaluation(curve=(CurvePoint(0.0, 0.0, 1.0), CurvePoint(0.25, 0.4, 0.9)))])
    assert drawn is not None
    assert ">0.25<" in drawn
    assert "currentColor" in drawn
    assert plots.strength_curve([evaluation()]) == plots.strength_curve([evaluation()])
    assert plots.strength_curve([evaluation(curve=())]) is None


def test_what_cannot_be_compared_has_a_panel_each() -> None:
    equal, apart = [on("one"), on("two")], [on("one"), on("<two> $x^{", works="other"), on("墨" * 30, photos="other")]
    for draw in (plots.strength_curve, plots.against_baselines):
        together, panels = draw(equal), draw(apart)
        assert together is not None
        assert panels is not None
        assert ">one<" not in together
        for title in (">one<", ">&lt;two&gt; $x^{<", f">{'墨' * 15}…<"):
            assert panels.count(title) == 1
        width = [float(drawing.split('width="')[1].split("pt")[0]) for drawing in (together, panels)]
        assert width[1] > 0.9 * width[0]
    grouped = plots.against_baselines([*equal, on("three", works="other")])
    assert grouped is not None
    assert ">one, two<" in grouped
    assert ">three<" in grouped


def test_each_of_many_subjects_has_its_own_mark() -> None:
    assert len({plots.chip(place) for place in range(56)}) == 56


def test_networks_of_any_name_are_drawn() -> None:
    drawn = plots.against_baselines([evaluation(figures=(*figures(features="a"), *figures(features="<b> $x^{")))])
    assert drawn is not None
    assert ">KID (style) (a)<" in drawn
    assert ">KID (style) (&lt;b&gt; $x^{)<" in drawn


def test_figures_without_a_scale_are_not_drawn() -> None:
    assert plots.against_baselines([evaluation(figures=figures(baselines=False))]) is None
    drawn = plots.against_baselines([evaluation(figures=(Figure("ssim", 0.5, None, 1, 0), Figure("mse", 0.5, None, 1, 1)))])
    assert drawn is not None
    assert ">SSIM<" in drawn
    assert ">MSE<" not in drawn


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0"), (-1e-17, "0"), (1, "1"), (0.61, "0.610"), (12.345, "12.3"), (123.4, "123"), (999.6, "1,000"),
     (4567.8, "4,570"), (-0.0456, "-0.0456"), (20.0, "20"), (19.99, "20.0")],
)  # fmt: skip
def test_numbers_have_three_digits(value: Any, text: str) -> None:
    assert number(value) == text


@given(st.floats(-1e6, 1e6))
def test_numbers_are_near_what_they_tell(value: float) -> None:
    told = float(number(value).replace(",", ""))
    assert told == pytest.approx(value, rel=0.0051, abs=1e-9)


def test_titles() -> None:
    assert title_of("kid-net-a") == "KID (style) (net-a)"
    assert titles_of(["kid-net-a", "ssim"]) == {"kid-net-a": "KID (style)", "ssim": "SSIM"}
    assert titles_of(["kid-a", "kid-b"]) == {"kid-a": "KID (style) (a)", "kid-b": "KID (style) (b)"}


def test_inputs_are_shortened() -> None:
    assert shortened({"folder": "x", "digests": ["ab" * 32, "cd" * 16]}) == "folder: x, digests: abababababab…, cdcdcdcdcdcd…"
    assert shortened(True) == "True"


def test_scores_come_back_as_figures() -> None:
    found = evaluation(figures=(*figures()[:3], Figure("psnr", 20), Figure("grid", -3.5, (-4, -3), None, 2)))
    scores = scores_of(found)
    assert scores["kid-features-v1 low"] == 0.4
    back, others = figures_of({"delta_e": 2.5, **dict(reversed(scores.items()))})
    assert others == {"delta_e": 2.5}
    assert back == tuple(Figure(f.name, f.value, f.interval, f.identity, f.random) for f in found.figures)
    assert len(scores_of(evaluation())) == 5 * len(GLOSSARY) <= MAX_SCORES


def test_half_an_interval_is_none() -> None:
    assert figures_of({"ssim": 0.5, "ssim low": 0.4, "mse high": 1.0}) == ((Figure("ssim", 0.5),), {"mse high": 1.0})


def test_a_style_takes_its_card_along(styles_folder: Path, coffee: Any) -> None:
    style = Style.load(styles_folder / "negative.style")
    measured = with_card(style, evaluation(safe_strength=(0.1, 0.7)), [example_bytes(coffee)] * 6)
    back = Style.from_bytes(measured.to_bytes())
    assert back.card.safe_strength == (0.1, 0.7)
    assert back.card.scores == scores_of(evaluation())
    assert back.card.measured_on.startswith(evaluation().protocol)
    assert back.examples == (example_bytes(coffee),) * 6
    assert back.card.title_zh == style.card.title_zh
    assert with_card(style, evaluation(safe_strength=None), []).card.safe_strength == style.card.safe_strength


def test_examples_are_small_whatever_they_show(coffee: Any) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    for pixels in (coffee, noise, coffee[:, ::-1]):
        data = example_bytes(pixels)
        picture = Image.open(io.BytesIO(data))
        assert picture.format == "WEBP"
        assert max(picture.size) <= 240
        assert len(data) <= MAX_EXAMPLE_BYTES
    assert Image.open(io.BytesIO(example_bytes(coffee))).size == (240, 160)
