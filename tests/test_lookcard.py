from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from huafeng.lint import lint
from huafeng.look import Lut, apply_lut
from huafeng.lookcard import CELLS, MARGIN, PAPER, SEEN, WIDTH, look_card, observed, observed_share
from huafeng.pixels import U8

WARM = Lut((Lut.identity(9).table * (1, 0.9, 0.6)).astype(np.float32))
TITLE = "A warm look"


def flat(*color: int, height: int = 60, width: int = 40) -> U8:
    return np.full((height, width, 3), color, np.uint8)


def differs(one: U8, other: U8) -> bool:
    return one.shape != other.shape or bool((one != other).any())


def test_observed_colours_by_hand() -> None:
    few = np.full((1, SEEN - 1, 3), (255, 0, 16), np.uint8)
    enough = np.full((1, SEEN, 3), (0, 15, 255), np.uint8)
    seen = observed([few, enough])
    assert seen.shape == (CELLS, CELLS, CELLS)
    assert np.argwhere(seen).tolist() == [[0, 0, 15]]
    assert observed([few, few])[15, 0, 1]  # over all pictures together
    assert observed_share([few, enough]) == 1 / CELLS**3
    assert observed_share([]) == 0


def test_observed_through_a_look() -> None:
    half = Lut((Lut.identity(2).table / 2).astype(np.float32))  # takes two cells per axis to one
    pictures = [flat(5, 5, 5)]
    assert np.argwhere(observed(pictures, half)).tolist() == np.argwhere(np.ones((2, 2, 2))).tolist()
    assert np.array_equal(observed(pictures, Lut.identity(2)), observed(pictures))


def test_the_card_shows_photos_before_and_after() -> None:
    photo = flat(200, 180, 160)
    card = look_card(WARM, [photo] * 8, title=TITLE)
    assert card.dtype == np.uint8
    assert card.shape[1:] == (WIDTH, 3)
    after = apply_lut(photo, WARM, threads=1)[0, 0]
    for color in ((200, 180, 160), after):
        assert (card == color).all(2).sum() >= 6 * 220 * 280  # six of each, and no more
        assert (card == color).all(2).sum() < 7 * 240 * 310


def test_everything_that_is_told_is_on_the_card() -> None:
    photos = [flat(90, 60, 30)]
    plain = look_card(WARM, photos, title=TITLE)
    seen = np.zeros((CELLS,) * 3, np.bool_)
    seen[4:9, 4:9, 4:9] = True
    assert np.array_equal(plain, look_card(WARM, photos, title=TITLE, report=lint(WARM)))
    for other in (
        look_card(WARM, photos, title="Another"),
        look_card(WARM, photos, title=TITLE, subtitle="of 40 pictures"),
        look_card(WARM, photos, title=TITLE, notes=["Two looks."]),
        look_card(WARM, photos, title=TITLE, seen=seen),
        look_card(WARM, photos, title=TITLE, report=lint(Lut.identity(9))),
        look_card(Lut.identity(9), photos, title=TITLE, report=lint(WARM)),
    ):
        assert differs(plain, other)


def test_a_fault_is_red_and_a_sound_look_has_no_red() -> None:
    faulty = Lut(1 - Lut.identity(9).table)
    red = (200, 70, 60)
    assert (look_card(faulty, [], title=TITLE) == red).all(2).sum() > 100
    assert (look_card(Lut.identity(9), [], title=TITLE) == red).all(2).sum() == 0


@pytest.mark.parametrize("count", [0, 1, 3, 4])
def test_few_photos_and_odd_ones(count: int, chelsea: U8) -> None:
    photos = [chelsea, flat(1, 2, 3, height=1, width=1), flat(9, 9, 9, height=3, width=900), flat(8, 8, 8, height=900, width=2)]
    card = look_card(WARM, photos[:count], title=TITLE)
    assert (card[:, : MARGIN - 2] == PAPER).all()
    assert (card[:, 2 - MARGIN :] == PAPER).all()


def test_long_and_foreign_texts_stay_on_the_card() -> None:
    long = "Very long words " * 40
    for text in (long, "黑金 " * 200, "\x07\n"):
        card = look_card(WARM, [], title=text, subtitle=text, notes=[text])
        assert (card[:, 2 - MARGIN // 2 :] == PAPER).all()


def test_the_card_is_the_same_each_time_and_a_picture(chelsea: U8) -> None:
    one, other = (look_card(WARM, [chelsea], title=TITLE, seen=observed([chelsea])) for _ in range(2))
    assert np.array_equal(one, other)
    assert Image.fromarray(one).size == (WIDTH, len(one))
