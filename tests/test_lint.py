from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Run
from hypothesis import given, settings
from hypothesis import strategies as st

from huafeng.cube import read_cube, write_cube, write_hald
from huafeng.errors import LutError
from huafeng.lint import LIMITS, LUMA, REPAIRED, fix, hue_turns, isotonic, lint, look_up, skin_colors
from huafeng.look import Lut
from huafeng.photo import Photo
from huafeng.pixels import Array
from huafeng.style import Style

COLORS = Lut.identity(33).table
GREYS = np.arange(33)
NAMES = ("roughness", "banding", "tone", "channels", "clipping", "skin", "neutral", "contrast")


def made(function: Callable[[Array], Array], size: int = 33) -> Lut:
    """The look that is this function of sRGB floats [..., 3]."""
    return Lut(np.clip(function(Lut.identity(size).table), 0, 1).astype(np.float32))


def noisy(levels: float, seed: int = 0, size: int = 33) -> Lut:
    return made(lambda colors: colors + np.random.default_rng(seed).normal(0, levels / 255, colors.shape), size)


def film(colors: Array) -> Array:
    """A sober look: an S-curve, a little less chroma, warm highlights."""
    curved = colors + 0.05 * np.sin(2 * np.pi * (colors - 0.5))
    grey = (curved @ LUMA)[..., None]
    return np.asarray(0.02 + 0.95 * (grey + 0.9 * (curved - grey)) * (1, 0.99, 0.96))


def severities(lut: Lut) -> dict[str, str]:
    return {finding.name: finding.severity for finding in lint(lut).findings if finding.severity != "ok"}


# --- what is found


@pytest.mark.parametrize("size", [2, 3, 9, 17, 33, 48, 65, 129])
def test_untouched_colours_have_nothing(size: int) -> None:
    report = lint(Lut.identity(size))
    assert tuple(finding.name for finding in report.findings) == NAMES
    assert report.worst == "ok"
    for name in ("roughness", "tone", "channels", "clipping", "skin", "neutral"):
        assert report[name].figure == pytest.approx(0, abs=2e-4)
    assert report["banding"].figure == pytest.approx(1, abs=1e-3)
    assert report["contrast"].figure == pytest.approx(255, abs=1e-3)


def test_a_sober_look_passes() -> None:
    assert severities(made(film)) == {}
    assert severities(made(lambda colors: np.rint(film(colors) * 255) / 255)) == {}  # as it comes out of an 8-bit HaldCLUT


@pytest.mark.parametrize(
    ("lut", "faults"),
    [
        (made(lambda c: np.round(c * 15) / 15), {"roughness"}),
        (noisy(2), {"roughness"}),
        (made(lambda c: c + 0.12 * np.sin(4 * np.pi * c)), {"tone"}),
        (made(lambda c: 1 - c), {"tone", "channels", "skin"}),
        (made(lambda c: c / 0.7), {"clipping"}),
        (made(lambda c: (c - 0.25) / 0.75), {"clipping"}),
        (made(lambda c: c[..., [1, 0, 2]]), {"skin"}),
        (made(lambda c: 0.5 + 0 * c), {"contrast"}),
        (made(lambda c: np.stack([c[..., 0], c[..., 1], 0.5 - 0.2 * c[..., 2]], -1)), {"channels"}),
        (made(lambda c: (c > 0.5).astype(float), 129), {"roughness", "banding", "clipping"}),
    ],
    ids=["16 levels", "noise", "fold", "negative", "clipped light", "clipped dark", "swapped", "one grey", "blue", "two tones"],
)
def test_faults_are_found(lut: Lut, faults: set[str]) -> None:
    found = severities(lut)
    assert {name for name, severity in found.items() if severity == "fault"} == faults
    assert lint(lut).worst == "fault"
    assert {finding.name for finding in lint(lut).faults} == faults


def test_roughness_by_hand() -> None:
    # Along red the table goes 0, 2, 0, 2 ... levels to and fro: second differences are +-4, their geometric mean 4.
    zigzag = 2 / 255 * (np.arange(33) % 2)[:, None, None, None]
    table = np.full((33, 33, 33, 3), 0.5) + zigzag
    # A third of all pairs (those along red) have it, and the grey diagonal, which counts half.
    assert lint(Lut(table.astype(np.float32)))["roughness"].figure == pytest.approx(4, abs=1e-3)
    kink = made(lambda c: np.minimum(c, 0.5) * 1.5)  # one bend is no roughness
    assert lint(kink)["roughness"].figure == pytest.approx(0, abs=0.05)


def test_banding_and_contrast_by_hand() -> None:
    table = np.broadcast_to(np.array([10, 30, 130])[:, None, None, None] / 255, (3, 3, 3, 3))
    report = lint(Lut(table.astype(np.float32)))  # red rules all: 20 levels over half of the greys, then 100
    assert report["banding"].figure == pytest.approx(100 / 127.5, abs=1e-3)
    assert report["contrast"].figure == pytest.approx(120, abs=1e-3)
    assert "Black becomes 10 and white 130" in report["contrast"].sentence


def test_falling_tones_by_hand() -> None:
    # Along grey: 0, 200, 150, 255 levels in green, the rest rises evenly.
    table = Lut.identity(4).table.copy()
    table[..., 1] = np.array([0, 200, 150, 255], np.float32)[:, None] / 255
    report = lint(Lut(table))
    assert report["channels"].figure == pytest.approx(50, abs=0.5)
    assert report["channels"].sentence.startswith("Green falls")
    luminance = LUMA[1] * 50 - (LUMA[0] + LUMA[2]) * 85  # in the meantime the others rise by a third of 255
    assert report["tone"].figure == pytest.approx(luminance, abs=0.5)


def test_clipping_counts_colours_that_were_away_from_the_ends() -> None:
    assert lint(made(lambda c: (c - 0.04) / 0.92))["clipping"].figure == 0  # within 12 levels
    green = made(lambda c: np.stack([c[..., 0], c[..., 1] / 0.5, c[..., 2]], -1))
    assert lint(green)["clipping"].figure == pytest.approx(0.5, abs=0.1)  # those with more than half of green
    assert lint(green)["clipping"].sentence.endswith("of all.")


def test_skin_by_hand() -> None:
    skin = skin_colors()
    assert skin.shape == (12, 3)
    before = np.array([[50.0, 10, 0], [50, 10, 0], [50, 0, -10]])
    after = np.array([[40.0, 0, 5], [50, 0, -5], [50, -10, 0.0]])
    np.testing.assert_allclose(hue_turns(before, after), [90, -90, -90])
    assert lint(made(lambda c: np.repeat((c @ LUMA)[..., None], 3, -1)))["skin"].severity == "ok"  # black and white
    assert lint(made(lambda c: c * (1, 1, 0.7)))["skin"].figure > 5  # yellow
    assert lint(made(lambda c: c * (1, 0.8, 1)))["skin"].figure < -5  # magenta


def test_a_tint_is_told_and_no_fault() -> None:
    report = lint(made(lambda c: c * (1, 0.95, 0.85)))
    assert report["neutral"].severity == "ok"
    assert report["neutral"].figure > 3
    assert "tinted" in report["neutral"].sentence


def test_sentences_and_limits_belong_together() -> None:
    for lut in (Lut.identity(5), noisy(60), made(lambda c: 1 - c)):
        for finding in lint(lut).findings:
            assert finding.sentence.endswith(".")
            assert len(finding.sentence) < 130
    assert set(LIMITS) | {"neutral"} == set(NAMES)
    assert set(REPAIRED) < set(NAMES)


def test_looking_colours_up() -> None:
    lut = made(lambda c: c**2, 3)
    found = look_up(lut, np.array([[0.25, 0.5, 1.0], [0.75, 0, 2]]))
    np.testing.assert_allclose(found, [[0.125, 0.25, 1], [0.625, 0, 1]], atol=1e-6)


# --- repairs


def test_isotonic_by_hand() -> None:
    assert isotonic(np.array([1.0, 3, 2, 2, 5])).tolist() == pytest.approx([1, 7 / 3, 7 / 3, 7 / 3, 5])
    assert isotonic(np.array([3.0, 2, 1])).tolist() == [2, 2, 2]
    assert isotonic(np.array([0.0, 1, 1, 4])).tolist() == [0, 1, 1, 4]


@pytest.mark.parametrize("lut", [Lut.identity(2), Lut.identity(48), made(film), made(film, 65), made(lambda c: c * 0.8)])
def test_a_sound_look_comes_back_as_it_is(lut: Lut) -> None:
    assert fix(lut) is lut


@pytest.mark.parametrize(
    "lut",
    [
        made(lambda c: np.round(film(c) * 15) / 15),
        made(lambda c: np.round(film(c) * 15) / 15, 65),
        made(lambda c: film(c) + 0.12 * np.sin(4 * np.pi * c)),
        made(lambda c: c / 0.7),
        made(lambda c: (c - 0.25) / 0.75, 17),
        made(lambda c: 1 / (1 + np.exp(-20 * (c - 0.5)))),
        made(lambda c: np.where(c < 0.7, c, 1.4 - c), 20),
    ],
    ids=["16 levels", "16 levels, 65 nodes", "fold", "clipped light", "clipped dark", "hard", "solarised"],
)
def test_a_repaired_look_is_sound(lut: Lut) -> None:
    mended = fix(lut)
    report = lint(mended)
    assert mended.size == lut.size
    assert [report[name].severity for name in REPAIRED] == ["ok"] * len(REPAIRED)
    assert np.abs(mended.table - lut.table).mean() < 16 / 255  # and still the same look
    assert fix(mended) is mended


@settings(max_examples=8, deadline=None)
@given(
    st.integers(2, 24),
    st.integers(0, 999),
    st.floats(0, 0.3),
    st.floats(0.5, 2),
    st.floats(-0.3, 0.3),
    st.sampled_from([4, 16, 255]),
)
def test_whatever_is_broken_is_mended(size: int, seed: int, noise: float, gain: float, lift: float, steps: int) -> None:
    random = np.random.default_rng(seed)
    table = np.round((Lut.identity(size).table * gain + lift + random.normal(0, noise, (size,) * 3 + (3,))) * steps) / steps
    lut = Lut(np.clip(table, 0, 1).astype(np.float32))
    try:
        mended = fix(lut)
    except LutError as error:
        assert "negative" in str(error)
        assert lut.table[-1, -1, -1] @ LUMA < lut.table[0, 0, 0] @ LUMA
        return
    report = lint(mended)
    assert [report[name].severity for name in REPAIRED] == ["ok"] * len(REPAIRED)
    sound = all(lint(lut)[name].severity == "ok" for name in REPAIRED)
    assert (mended is lut) == sound


def test_smoothing_finds_the_look_behind_the_noise() -> None:
    truth = made(film)
    broken = made(lambda c: film(c) + np.random.default_rng(0).normal(0, 4 / 255, c.shape))
    before, after = (np.abs(lut.table - truth.table).mean() * 255 for lut in (broken, fix(broken)))
    assert after < before / 2
    assert after < 1.5


def test_clipped_light_gets_its_detail_back_and_keeps_black_and_white() -> None:
    mended = fix(made(lambda c: c / 0.7)).table
    greys = mended[GREYS, GREYS, GREYS, 1]
    assert (np.diff(greys) > 0.5 / 255).all()  # before, 3 in 10 were all white
    assert (greys[0], greys[-1]) == pytest.approx((0, 1), abs=1e-3)
    np.testing.assert_allclose(greys[:13], np.arange(13) / 32 / 0.7, atol=0.02)  # dark tones stay


def test_a_fold_is_flattened_where_it_is_and_nowhere_else() -> None:
    broken = made(lambda c: c - 0.1 * np.exp(-(((c - 0.5) / 0.05) ** 2)))
    mended = fix(broken)
    greys = mended.table[GREYS, GREYS, GREYS]
    assert (np.diff(greys, axis=0) >= 0).all()
    np.testing.assert_allclose(mended.table[:8, :8, :8], broken.table[:8, :8, :8], atol=0.01)


def test_a_negative_is_not_repaired() -> None:
    with pytest.raises(LutError, match="light and dark"):
        fix(made(lambda c: 1 - c))


# --- the command line


def write(path: str, lut: Lut) -> None:
    Path(path).write_text(write_cube(lut, title="film"))


def test_lint_prints_aligned_lines(huafeng: Run) -> None:
    write("film.cube", made(film))
    ran = huafeng("lint", "film.cube")
    assert (ran.code, ran.err) == (0, "")
    head, *lines = ran.out.splitlines()
    assert head == "film.cube"
    assert [line.split()[1] for line in lines] == list(NAMES)
    assert all(line.startswith("  ok ") and line[36:38] == "  " and line[38] != " " for line in lines)


def test_lint_exits_with_1_where_there_is_a_fault(huafeng: Run) -> None:
    write("steps.cube", made(lambda c: np.round(c * 15) / 15))
    ran = huafeng("lint", "steps.cube")
    assert ran.code == 1
    assert "\n  warning  banding" in ran.out or "\n  fault    roughness" in ran.out
    assert huafeng("lint", "dark").code == 0  # the name of a look in the library


def test_lint_as_json(huafeng: Run) -> None:
    write("steps.cube", noisy(8))
    ran = huafeng("lint", "steps.cube", "--json")
    told = json.loads(ran.out)
    assert (ran.code, told["file"], told["worst"]) == (1, "steps.cube", "fault")
    assert [finding["name"] for finding in told["findings"]] == list(NAMES)
    assert set(told["findings"][0]) == {"name", "severity", "figure", "unit", "sentence"}
    fixed = json.loads(huafeng("lint", "steps.cube", "--json", "--fix").out)["fixed"]
    assert fixed["file"] == "steps-fixed.cube"
    assert fixed["worst"] == "ok"


def test_fix_writes_the_same_kind_of_file(huafeng: Run) -> None:
    broken = made(lambda c: film(c) + np.random.default_rng(0).normal(0, 4 / 255, c.shape), 25)
    write("a.cube", broken)
    Photo.from_array(write_hald(broken, 5)).save("b.png")
    assert huafeng("cube", "a.cube", "-o", "c.style").code == 0
    for name in ("a.cube", "b.png", "c.style"):
        path = Path(name)
        untouched = path.read_bytes()
        ran = huafeng("lint", name, "--fix")
        assert (ran.code, ran.err) == (0, "")
        fixed = f"{path.stem}-fixed{path.suffix}"
        assert f"\n{fixed}\n" in ran.out
        assert path.read_bytes() == untouched
        assert huafeng("lint", fixed).code == 0
    assert read_cube(Path("a-fixed.cube").read_text()).size == 25
    assert len(Photo.open(Path("b-fixed.png")).pixels) == 125
    style = Style.load("c-fixed.style")
    assert (style.name, style.tensors["lut"].shape) == ("c-fixed", (25, 25, 25, 3))


def test_fix_never_replaces_a_file_unasked(huafeng: Run) -> None:
    write("a.cube", noisy(8))
    before = Path("a.cube").read_bytes()
    for options in (["-o", "a.cube"], ["-o", "b.txt"], []):
        Path("a-fixed.cube").write_text("precious")
        ran = huafeng("lint", "a.cube", "--fix", *options)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("Error: ")
    assert Path("a.cube").read_bytes() == before
    assert Path("a-fixed.cube").read_text() == "precious"
    assert huafeng("lint", "a.cube", "--fix", "-o", "a.cube", "--force").code == 0
    assert Path("a.cube").read_bytes() != before


def test_fix_of_a_sound_look_says_so(huafeng: Run) -> None:
    ran = huafeng("lint", "dark", "--fix", "-o", "copy.cube")
    assert ran.code == 0
    assert "Nothing had to be repaired" in ran.err
    assert np.abs(read_cube(Path("copy.cube").read_text()).table - Lut.identity(5).table / 2).max() < 1e-5


def test_a_style_of_the_library_is_fixed_into_the_working_folder(huafeng: Run, styles_folder: Path) -> None:
    before = sorted(styles_folder.iterdir())
    assert huafeng("lint", "dark", "--fix").code == 0
    assert Path("dark-fixed.style").exists()
    assert sorted(styles_folder.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["monet"], "is art"),
        (["nothing"], "no style 'nothing'"),
        (["gone.cube"], "no style file gone.cube"),
        (["photo.png"], "photo.png holds no colour table"),
        (["."], "no style"),
        (["./"], "holds no colour table"),
        (["negative", "--fix"], "light and dark"),
        (["dark", "-o", "x.cube"], "belong to --fix"),
        (["empty.cube"], "is empty"),
        (["short.cube"], "the file ends too soon"),
    ],
)
def test_mistakes(huafeng: Run, coffee: Array, arguments: list[str], words: str) -> None:
    Photo.from_array(np.ascontiguousarray(coffee[:343, :343])).save("photo.png")  # as large as a HaldCLUT of level 7
    Path("empty.cube").touch()
    Path("short.cube").write_text("LUT_3D_SIZE 33\n0 0 0\n")
    files = sorted(Path().iterdir())
    ran = huafeng("lint", *arguments)
    assert ran.code == 2
    assert words in ran.err
    assert ran.err.startswith("Error: ") and ran.err.count("\n") == 1
    assert sorted(Path().iterdir()) == files
