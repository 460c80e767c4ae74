from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huafeng import cube
from huafeng.cube import read_3dl, read_cube, read_exact, read_exact_hald, read_hald, write_cube, write_hald
from huafeng.errors import LutError
from huafeng.look import Lut, apply_lut

CORNERS = "0 0 0\n1 0 0\n0 1 0\n1 1 0\n0 0 1\n1 0 1\n0 1 1\n1 1 1\n"  # the identity, red fastest
IDENTITY = "LUT_3D_SIZE 2\n" + CORNERS


def random_lut(seed: int, size: int) -> Lut:
    return Lut(np.random.default_rng(seed).random((size, size, size, 3), dtype=np.float32))


def grey(lut: Lut, level: int) -> list[int]:
    return apply_lut(np.full((1, 1, 3), level, np.uint8), lut, threads=1)[0, 0].tolist()


def test_red_is_the_fastest_axis() -> None:
    text = "LUT_3D_SIZE 2\n" + "".join(f"{i / 10} 0 0\n" for i in range(8))
    table = read_cube(text).table[..., 0]
    np.testing.assert_allclose([table[1, 0, 0], table[0, 1, 0], table[0, 0, 1]], [0.1, 0.2, 0.4])


@pytest.mark.parametrize(
    "text",
    [
        IDENTITY.replace("\n", "\r\n"),
        "\ufeff# made by hand\n\nTITLE \"a 'look' # 1\"\n" + IDENTITY,
        "  lut_3d_size\t2\n" + CORNERS.replace("\n", " \n   "),
        "Domain_Min 0 0 0\nLUT_3D_SIZE 2\nDOMAIN_MAX 1.0 1 1e0\n" + CORNERS,
        "LUT_3D_SIZE 2\n" + CORNERS.replace("1 1 0\n", "+1.0 1e0 -.0\n# between\n\n"),
        IDENTITY.replace("1 1 1", "1.5 1e3 2").replace("0 0 0", "-1 -1e-9 0"),  # clipped
        "LUT_3D_SIZE 2\nLUT_3D_INPUT_RANGE 0.0 1.0\n" + CORNERS,
        "LUT_1D_INPUT_RANGE 0 2\n" + IDENTITY,
        'TITLE "a"\nTITLE "b"\nCREATOR somebody\n"quoted"\n' + IDENTITY,
        "; old\n// new\n" + IDENTITY.replace("1 0 1", "1 0 1 # red and blue"),
        IDENTITY + "\x1a",
        IDENTITY + "\0\0\0",
        IDENTITY + "\n\x1a\nwhat is behind the end 9 9",
        IDENTITY.replace("\n", "\r"),
    ],
    ids=[
        "crlf",
        "bom",
        "spaces and case",
        "domain 0..1",
        "comments in the data",
        "clipped",
        "range 0..1",
        "1D range",
        "stray words",
        "other comments",
        "Ctrl-Z",
        "NUL",
        "behind the end",
        "cr",
    ],
)
def test_dialects_of_the_same_table(text: str) -> None:
    assert np.array_equal(read_cube(text).table, Lut.identity(2).table)


def test_a_1d_table_becomes_a_3d_one() -> None:
    text = "LUT_1D_SIZE 3\n0 1 0\n0.25 0.5 0\n1 0 0\n"  # red below itself, green inverted, blue gone
    table = read_cube(text).table
    assert len(table) == 65
    np.testing.assert_allclose(table[16, 16, 16], [0.125, 0.75, 0], atol=1e-6)
    np.testing.assert_allclose(table[48, 64, 10], [0.625, 0, 0], atol=1e-6)


def test_a_1d_gamma() -> None:
    x = np.linspace(0, 1, 256)
    text = "LUT_1D_SIZE 256\n" + "".join(f"{v:.8f} {v:.8f} {v:.8f}\n" for v in x ** (1 / 2.2))
    lut = read_cube(text)
    for level in range(4, 256, 9):  # from the first node on within half a level of x ** (1 / 2.2), and the rounding
        assert grey(lut, level)[0] == pytest.approx(255 * (level / 255) ** (1 / 2.2), abs=1.5)


def test_a_shaper_comes_before_the_3d_table() -> None:
    # The shaper squares 0.5 to 0.25 on green only, then the table inverts.
    text = "LUT_1D_SIZE 3\nLUT_3D_SIZE 2\n0 0 0\n0.5 0.25 0.5\n1 1 1\n"
    text += "".join(f"{1 - int(r)} {1 - int(g)} {1 - int(b)}\n" for r, g, b in map(str.split, CORNERS.splitlines()))
    table = read_cube(text).table
    np.testing.assert_allclose(table[32, 32, 32], [0.5, 0.75, 0.5], atol=2e-3)
    np.testing.assert_allclose(table[48, 48, 0], [0.25, 0.375, 1], atol=2e-3)


def test_input_ranges_of_both_tables() -> None:
    # The shaper takes 0..2 to 0..4 (so it doubles), the 3D table takes 0..2 to 0..1 (so it halves).
    text = "LUT_1D_SIZE 2\nLUT_1D_INPUT_RANGE 0 2\nLUT_3D_SIZE 2\nLUT_3D_INPUT_RANGE 0 2\n0 0 0\n4 4 4\n" + CORNERS
    np.testing.assert_allclose(read_cube(text).resampled(65).table, Lut.identity(65).table, atol=1e-6)


def test_a_domain_per_channel() -> None:
    text = "LUT_3D_SIZE 2\nDOMAIN_MIN 0 0.5 -1\nDOMAIN_MAX 0.5 1 1\n" + CORNERS
    table = read_cube(text).table
    # 0.25 is half of 0..0.5, below 0.5..1, and (0.25 + 1) / 2 in -1..1
    np.testing.assert_allclose(table[16, 16, 16], [0.5, 0, 0.625], atol=1e-6)
    np.testing.assert_allclose(table[48, 48, 48], [1, 0.5, 0.875], atol=1e-6)


def test_a_large_table_with_a_domain_keeps_its_size() -> None:
    lut = random_lut(1, 80)
    text = write_cube(lut, title="").replace("DOMAIN_MAX 1 1 1", "DOMAIN_MAX 1 1 2")
    assert read_cube(text).size == 80


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("\x89PNG\r\n\x00\x00", "not a text file"),
        ("# a comment\n", "no LUT_3D_SIZE"),
        (CORNERS, "no LUT_3D_SIZE"),
        ("LUT_3D_SIZE 2\n" + IDENTITY, "Line 2 .* LUT_3D_SIZE a second time"),
        ("LUT_3D_SIZE 1\n0 0 0\n", "Line 1.* from 2 to 129, not 1"),
        ("\nLUT_3D_SIZE 130\n", "Line 2.* from 2 to 129, not 130"),
        ("LUT_3D_SIZE 2.5\n", "not 2.5"),
        ("LUT_3D_SIZE\n", "Line 1 .* a number"),
        ("LUT_3D_SIZE nan\n", "Line 1 .* a number"),
        ("LUT_1D_SIZE 65537\n", "from 2 to 65536"),
        ("DOMAIN_MAX 1 1\n" + IDENTITY, "Line 1 .* three numbers"),
        ("DOMAIN_MIN 0 1 0\n" + IDENTITY, "Line 1.* below"),
        ("DOMAIN_MAX 1e308 1 1\n" + IDENTITY, "Line 1.* no range"),
        ("DOMAIN_MAX 1e-320 1 1\n" + IDENTITY, "Line 1.* no range"),
        ("LUT_3D_INPUT_RANGE 0 1e30\n" + IDENTITY, "Line 1.* no range"),
        ("LUT_3D_INPUT_RANGE 1 0\n" + IDENTITY, "Line 1.* must rise"),
        ("DOMAIN_MAX 2 2 2\nLUT_3D_INPUT_RANGE 0 2\n" + IDENTITY, "twice"),
        (IDENTITY.replace("1 0 1", "1 x 1"), "Line 7 .* three numbers: '1 x 1'"),
        (IDENTITY.replace("1 0 1", "1 nan 1"), "Line 7 .* three numbers"),
        (IDENTITY.replace("0 0 0", "nan 0 0"), "Line 2 .* three numbers"),
        (IDENTITY.replace("1 0 1", "-inf 0 1"), "Line 7 .* three numbers"),
        (IDENTITY.replace("1 0 1\n0 1 1", "1 0 1 0\n1 1"), "Line 7 .* three numbers"),
        (IDENTITY + "LUT_1D_SIZE 2\n", "Line 10 .* three numbers"),
        (IDENTITY + "\n# more\n1 1 1\n", "more rows .* than 8, .*line 12 is one too many"),
        (IDENTITY.removesuffix("1 1 1\n"), "7 rows .* not 8 .* too soon"),
        ("LUT_3D_SIZE 129\n0 0 0\n", "not 2,146,689"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, complaint: str) -> None:
    with pytest.raises(LutError, match=complaint):
        read_cube(text)


def test_a_huge_file_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cube, "MAX_CHARS", 50)
    with pytest.raises(LutError, match="too long"):
        read_cube(IDENTITY)


class Watched(io.StringIO):
    """A text that says how much of it was read."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.characters = 0

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
        line = super().readline(size)
        self.characters += len(line)
        return line


@pytest.mark.parametrize("rest", ["0 0 0\n" * 100_000, "0 " * 300_000, "\0" * 600_000], ids=["rows", "a line", "NUL"])
@pytest.mark.parametrize("head", [IDENTITY, ""])
def test_no_more_is_read_than_the_size_says(head: str, rest: str) -> None:
    file = Watched(head + rest)
    with pytest.raises(LutError):
        read_exact(file)
    assert file.characters < 60_000


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet='0123456789.eE+- \n\r\tLUT_3D1SIZEnaif#"x\u2028\x00', max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    for candidate in (text, "LUT_3D_SIZE 2\n" + text, IDENTITY + text):
        try:
            assert isinstance(read_cube(candidate), Lut)
        except LutError as error:
            assert "cube" in str(error)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 99), st.integers(2, 12), st.text(max_size=300))
def test_write_then_read(seed: int, size: int, title: str) -> None:
    lut = random_lut(seed, size)
    text = write_cube(lut, title=title)
    assert np.abs(read_cube(text).table - lut.table).max() <= 1e-6
    assert len(text.splitlines()) == 4 + size**3
    assert text.splitlines()[0].count('"') == 2


def test_the_title_is_cleaned() -> None:
    assert write_cube(Lut.identity(2), title=' my "best"\n look ').startswith('TITLE "my best look"\n')


def test_a_hald_by_hand() -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)  # level 2: 4 nodes per axis
    pixels[0, 1] = (10, 0, 0)  # index 1: red's second node
    pixels[0, 4] = (20, 0, 0)  # index 4: green's
    pixels[2, 0] = (30, 0, 0)  # index 16: blue's
    table = read_hald(pixels).table[..., 0] * 255
    np.testing.assert_allclose([table[1, 0, 0], table[0, 1, 0], table[0, 0, 1]], [10, 20, 30], rtol=1e-6)


@settings(max_examples=10, deadline=None)
@given(st.integers(2, 5), st.integers(0, 99))
def test_hald_round_trip(level: int, seed: int) -> None:
    lut = random_lut(seed, level**2)
    pixels = write_hald(lut, level)
    assert pixels.shape == (level**3, level**3, 3)
    assert np.abs(read_hald(pixels).table - lut.table).max() <= 0.5 / 255 + 1e-6
    assert np.array_equal(write_hald(read_hald(pixels), level), pixels)


def test_the_identity_hald() -> None:
    assert np.abs(read_hald(write_hald(Lut.identity(17), 4)).table - Lut.identity(16).table).max() <= 0.5 / 255 + 1e-6


def test_a_hald_larger_than_a_lut_becomes_65_nodes() -> None:
    ramp = (np.arange(144) / 143 * 255 + 0.5).astype(np.uint8)
    blue, green, red = np.meshgrid(ramp, ramp, ramp, indexing="ij")
    lut = read_hald(np.stack([red, green, blue], -1).reshape(1728, 1728, 3))
    assert lut.size == 65
    assert np.abs(lut.table - Lut.identity(65).table).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("shape", [(1, 1, 3), (9, 9, 3), (8, 27, 3), (8, 8, 4), (8, 8), (4913, 1, 3)])
def test_pictures_that_are_no_hald_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(LutError, match="square"):
        read_hald(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("level", [1, 12])
def test_hald_levels_out_of_range_are_refused(level: int) -> None:
    with pytest.raises(LutError, match="from 2 to 11"):
        write_hald(Lut.identity(2), level)


def rows_of(table: np.ndarray) -> str:
    return "".join(f"{r:.0f} {g:.0f} {b:.0f}\n" for r, g, b in table.reshape(-1, 3))  # blue fastest


@pytest.mark.parametrize(("bits", "mesh"), [(10, ""), (12, "3DMESH\nMesh 4 12\n"), (16, "")])
def test_3dl(bits: int, mesh: str) -> None:
    """Red slowest; whole numbers of 10, 12 or 16 bits; the shaper of whole steps changes nothing."""
    inverted = 1 - Lut.identity(17).table.astype(np.float64)
    shaper = " ".join(str(round(i / 16 * 1023)) for i in range(17)) + "\n"
    text = "# Flame\n" + mesh + shaper + rows_of(inverted[..., [0, 1, 2]] * (2**bits - 1)) + "LUT8\ngamma 1.0\n"
    lut = read_3dl(io.StringIO(text))
    assert np.abs(lut.table - inverted).max() <= 0.51 / (2**bits - 1)
    assert np.abs(lut.inputs[:, 0] - np.linspace(0, 1, 256)).max() < 1e-6


def test_the_shaper_of_a_3dl_is_a_curve_before_the_table() -> None:
    text = "0 100 400 1023\n" + rows_of(Lut.identity(2).table * 1023)
    assert read_3dl(io.StringIO(text)).inputs[[0, 255], 0].tolist() == [0, 1]
    assert float(read_3dl(io.StringIO(text)).inputs[51, 1]) == pytest.approx(0.6 * 100 / 1023)  # 51/255 = 0.2, 0.6 of a step


@pytest.mark.parametrize("text", ["", "0 512 1023\n1 2 3\n", "0 1 2 3\n0 0 x\n", "1 2 3 4\n1 2\n"])
def test_no_3dl(text: str) -> None:
    with pytest.raises(LutError, match=r"\.3dl"):
        read_3dl(io.StringIO(text))


def test_a_hald_of_16_bit_keeps_them() -> None:
    table = np.random.default_rng(0).integers(0, 65536, (8, 8, 3), np.uint16)
    assert read_exact_hald(table).table[1, 0, 0] == pytest.approx(table[0, 1] / 65535)
