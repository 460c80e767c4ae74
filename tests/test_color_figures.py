"""Figures of colour and tone: against published numbers and on pictures whose answer is known."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image

from huafeng.color import lab_to_srgb
from huafeng.evaluation.color import COLOR_FIGURES, banding, ciede2000, neutral_shift, skin_shift


def plain(*color, size=(64, 64)):
    return np.full((*size, 3), color, np.uint8)


def ramp(first=0.0, last=255.0):
    """A lying gradient, uint8 [512, 512, 3]."""
    return np.rint(np.broadcast_to(np.linspace(first, last, 512)[:, None], (512, 512, 3))).astype(np.uint8)


def jpeg(picture, quality):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def test_color_change_of_whole_pictures():
    assert ciede2000(plain(0, 0, 0), plain(255, 255, 255)) == pytest.approx(100, abs=0.01)  # 100 levels of lightness of greys
    half = plain(0, 0, 0)
    half[32:] = 255
    assert ciede2000(plain(0, 0, 0), half) == pytest.approx(50, abs=0.01)
    # two colours in gamut, 27.1492 apart (Sharma, Wu & Dalal, 2005), up to rounding to 8 bits
    labs = np.array([[50.0, 2.5, 0.0], [73.0, 25.0, -18.0]])
    one, two = (plain(*color) for color in np.rint(255 * lab_to_srgb(labs)).astype(int))
    assert ciede2000(one, two) == pytest.approx(27.1492, abs=0.4)


def test_a_sample_stands_for_the_whole_picture(coffee, astronaut):
    warm = np.clip(coffee * np.array([1.1, 1, 0.9]), 0, 255).astype(np.uint8)
    strips = [
        ciede2000(coffee[top : top + 50], warm[top : top + 50]) for top in range(0, 400, 50)
    ]  # each below the sample's size
    assert ciede2000(coffee, warm) == pytest.approx(np.mean(strips), rel=0.01)


def test_nothing_changed(astronaut):
    found = {name: figure(astronaut, astronaut) for name, figure in COLOR_FIGURES.items()}
    assert found["ciede2000"] == found["skin-shift"] == 0
    assert 0 < found["neutral-shift"] < 4
    assert math.isnan(found["banding"]) or found["banding"] < 0.1


def test_neutral_shift_is_the_chroma_that_greys_take_on():
    photo = plain(128, 128, 128)
    photo[:, 32:] = (200, 30, 30)  # not neutral
    tinted = plain(128, 128, 128)
    tinted[:, :32] = np.rint(255 * lab_to_srgb(np.array([54.0, 0.0, 20.0])))
    assert neutral_shift(photo, photo) == pytest.approx(0, abs=0.01)
    assert neutral_shift(photo, tinted) == pytest.approx(20, abs=0.6)
    assert math.isnan(neutral_shift(plain(200, 30, 30), tinted))
    assert math.isnan(neutral_shift(plain(1, 1, 1), tinted))  # too dark to have a colour


def test_skin_shift_looks_at_skin_alone():
    photo = plain(40, 90, 200)
    photo[:8] = (224, 172, 140)  # an eighth is skin
    sky_changed, skin_changed = photo.copy(), photo.copy()
    sky_changed[8:] = (200, 90, 40)
    skin_changed[:8] = (140, 172, 224)
    assert skin_shift(photo, sky_changed) == 0
    assert skin_shift(photo, skin_changed) == pytest.approx(ciede2000(photo[:8], skin_changed[:8]))
    assert skin_shift(photo, skin_changed) > 20
    assert math.isnan(skin_shift(plain(40, 90, 200), photo))


@pytest.mark.parametrize("turned", [False, True])
def test_a_gradient_in_eight_levels_is_banded(turned):
    photo = ramp()
    steps = np.rint(np.rint(photo / 255 * 7) / 7 * 255).astype(np.uint8)
    if turned:
        photo, steps = photo.swapaxes(0, 1), steps.swapaxes(0, 1)
    assert banding(photo, steps) > 0.9
    assert banding(photo, photo) == 0


def test_what_is_not_banding():
    rng, photo = np.random.default_rng(0), ramp(60, 190)
    noise = np.clip(photo + rng.normal(0, 1.5, photo.shape), 0, 255).astype(np.uint8)
    assert banding(photo, noise) == 0
    assert banding(photo, jpeg(photo, 90)) < 0.05
    assert banding(photo, jpeg(noise, 85)) < 0.05
    assert banding(photo, ramp(110, 140)) == 0  # less contrast, in steps of one level: nothing that 8 bits could do better
    assert banding(photo, ramp(255, 20)) == 0
    assert banding(noise, noise) == 0


def test_half_of_the_gradients_banded():
    photo = ramp()
    result = photo.copy()
    result[:, :256] = np.rint(np.rint(photo[:, :256] / 255 * 24) / 24 * 255)
    assert banding(photo, result) == pytest.approx(0.5, abs=0.05)


def test_no_gradients_no_banding(rocket):
    assert math.isnan(banding(plain(9, 9, 9, size=(256, 256)), plain(9, 9, 9, size=(256, 256))))
    assert math.isnan(banding(ramp(), plain(9, 9, 9, size=(512, 512))))
