from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from test_style import identity_lut, look

from huafeng.edit import Edit, StyleWeight
from huafeng.errors import StyleError
from huafeng.grade import Grade, apply_grade, grain_field
from huafeng.grade_measure import BUILT_IN, GradeStatistics, Level, grade_statistics, measure_grade
from huafeng.library import Library
from huafeng.photo import Photo
from huafeng.pixels import U8, resize
from huafeng.style import Style
from huafeng.stylizer import Stylizer

GRADES = st.builds(Grade, st.floats(0, 0.9), st.floats(0, 32), st.floats(-0.8, 1))


def grey(height: int, width: int, level: int = 128) -> U8:
    return np.full((height, width, 3), level, np.uint8)


def test_no_grade_is_the_photo_itself(chelsea: U8) -> None:
    assert apply_grade(chelsea, Grade(), threads=2) is chelsea


def test_a_vignette_takes_that_share_of_the_corners_light() -> None:
    result = apply_grade(grey(201, 301, 200), Grade(vignette=0.5), threads=1)
    assert result[100, 150].tolist() == [200, 200, 200]
    # half of the light under gamma 2.2: 200 * 0.5 ** (1 / 2.2) = 145.9; half way out a quarter of the 54 levels: 186.5
    assert abs(int(result[0, 0, 0]) - 146) <= 1
    assert abs(int(result[50, 75, 0]) - 186.5) <= 1
    assert np.array_equal(result, result[::-1, ::-1])


@pytest.mark.parametrize(("level", "deviation"), [(128, 8.0), (64, 6.0), (0, 0.0), (255, 0.0)])
def test_grain_has_its_deviation_in_grey_and_none_in_black_and_white(level: int, deviation: float) -> None:
    result = apply_grade(grey(1080, 1200, level), Grade(grain=8), threads=2)
    assert result.std() == pytest.approx(deviation, abs=0.15)  # at 64: 8 * 4 * 0.251 * 0.749 = 6.0
    assert result.mean() == pytest.approx(level, abs=0.1)


def test_grain_is_the_same_again_and_another_with_another_seed() -> None:
    photo = grey(90, 60)
    once, again, other = (apply_grade(photo, Grade(grain=16), threads=1, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


@pytest.mark.parametrize("size", [(1200, 800), (800, 1200)])
def test_a_preview_is_the_full_picture_shrunk(astronaut: U8, size: tuple[int, int]) -> None:
    photo = resize(astronaut, *size)
    grade = Grade(0.5, 16, 0.6)
    full = resize(apply_grade(photo, grade, threads=2), size[0] // 2, size[1] // 2).astype(int)
    preview = apply_grade(resize(photo, size[0] // 2, size[1] // 2), grade, threads=2).astype(int)
    none = resize(photo, size[0] // 2, size[1] // 2).astype(int)
    assert np.abs(preview - full).mean() < 0.15 * np.abs(preview - none).mean()


def test_local_contrast_spreads_the_middle_band_and_leaves_flat_areas() -> None:
    across = np.arange(384) * 2 * np.pi / 384
    band = np.tile(128 + 12 * np.sin(40 * across), (384, 1))  # 40 waves a side: between 24 and 192 px
    photo = np.repeat(np.rint(band).astype(np.uint8)[:, :, None], 3, axis=2)
    more, less = (apply_grade(photo, Grade(local_contrast=gain), threads=1) for gain in (0.5, -0.5))
    middle = np.s_[64:-64, 64:-64, 0]
    assert more[middle].std() / photo[middle].std() == pytest.approx(1.5, abs=0.1)
    assert less[middle].std() / photo[middle].std() == pytest.approx(0.5, abs=0.1)
    assert np.array_equal(apply_grade(grey(99, 99, 77), Grade(local_contrast=1), threads=1), grey(99, 99, 77))


@settings(max_examples=15, deadline=None)
@given(GRADES, st.integers(1, 150), st.integers(1, 150), st.integers(1, 4))
def test_any_grade_on_any_size_keeps_black_and_does_not_depend_on_threads(
    grade: Grade, height: int, width: int, threads: int
) -> None:
    photo = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    photo[0, 0] = 0
    before = photo.copy()
    result = apply_grade(photo, grade, threads=threads)
    assert result.shape == photo.shape
    assert result.dtype == np.uint8
    assert np.array_equal(result, apply_grade(photo, grade, threads=1))
    assert np.array_equal(photo, before)
    assert result[0, 0].tolist() == [0, 0, 0]


def test_nothing_clips_in_a_strong_grade(astronaut: U8) -> None:
    soft = (astronaut.astype(float) * 0.8 + 25).astype(np.uint8)
    result = apply_grade(soft, Grade(0.3, 12, 0.8), threads=1)
    assert ((result == 0) | (result == 255)).mean() < 0.001


def test_a_panorama_takes_no_more_memory_for_its_grain() -> None:
    assert grain_field(2, 100_000, 0).size < 17_000_000


@pytest.mark.parametrize("numbers", [(-0.1, 0, 0), (0.91, 0, 0), (0, 33, 0), (0, 0, -0.9), (0, 0, 1.1), (float("nan"), 0, 0)])
def test_grades_out_of_range_are_refused(numbers: tuple[float, float, float]) -> None:
    with pytest.raises(StyleError, match="must be from"):
        Grade(*numbers)


def test_a_mix_by_hand() -> None:
    mixed = Grade.mixed([3, 1], [Grade(0.4, 8, -0.4), Grade()])
    np.testing.assert_allclose(mixed.to_tensor(), [0.3, 6, -0.3], rtol=1e-6)


@given(GRADES)
def test_a_style_file_keeps_its_grade(grade: Grade) -> None:
    style = look(tensors={"lut": identity_lut(2), "grade": grade.to_tensor()})
    back = Style.from_bytes(style.to_bytes()).grade
    np.testing.assert_allclose(back.to_tensor(), grade.to_tensor(), rtol=1e-5, atol=1e-30)


def test_a_style_without_a_grade_has_none_and_a_bad_one_is_refused() -> None:
    assert look().grade == Grade()
    for bad in (np.zeros(2), np.array([0.0, 99.0, 0.0])):
        with pytest.raises(StyleError, match="grade|grain"):
            look(tensors={"lut": identity_lut(2), "grade": bad})


def test_the_stylizer_lays_the_grade_over_the_look_by_its_share(tmp_path: Path, coffee: U8) -> None:
    grade = Grade(0.8, 0, 0)
    look(name="dark", tensors={"lut": identity_lut(2), "grade": grade.to_tensor()}).save(tmp_path / "dark.style")
    look(name="plain", tensors={"lut": identity_lut(2)}).save(tmp_path / "plain.style")
    stylizer, photo = Stylizer(Library([tmp_path]), threads=1), Photo.from_array(coffee)
    whole = stylizer.apply(photo, Edit((StyleWeight("dark"),))).pixels
    assert np.array_equal(whole, apply_grade(coffee, grade, threads=1))
    shared = stylizer.apply(photo, Edit((StyleWeight("dark"), StyleWeight("plain")))).pixels
    assert np.array_equal(shared, apply_grade(coffee, Grade(0.4, 0, 0), threads=1))
    half = stylizer.apply(photo, Edit((StyleWeight("dark"),), strength=0.5)).pixels
    assert np.abs(half - (coffee.astype(float) + whole) / 2).max() <= 1.5


# What is measured: crops of the real photos stand for a folder.


@pytest.fixture(scope="module")
def folder(astronaut: U8, chelsea: U8, coffee: U8, rocket: U8) -> list[U8]:
    crops = [photo[:, place : place + photo.shape[0]] for photo in (chelsea, coffee, rocket) for place in (0, 60, 120)]
    return [resize(np.ascontiguousarray(crop), 384, 384) for crop in [astronaut, *crops]]


def test_nothing_is_found_where_nothing_is(folder: list[U8]) -> None:
    assert measure_grade(folder, grade_statistics(folder)) == Grade()


def test_a_vignette_is_found_in_flat_areas() -> None:
    random, folder = np.random.default_rng(5), []
    for _ in range(12):
        picture = grey(384, 512, int(random.integers(90, 200)))
        for _ in range(8):  # walls, tables, doors
            top, left = random.integers(0, 300), random.integers(0, 400)
            picture[top : top + random.integers(40, 200), left : left + random.integers(40, 200)] = random.integers(40, 220, 3)
        folder.append(picture)
    neutral = grade_statistics(folder)
    assert neutral.vignette.mean == pytest.approx(0, abs=0.02)
    assert measure_grade(folder, neutral).vignette == 0
    shaded = measure_grade([apply_grade(picture, Grade(vignette=0.6), threads=1) for picture in folder], neutral)
    # found nearly whole here, and enlarged by what real photos hide of it: 1 - (1 - 0.34 / 0.88) ** 2.2
    assert shaded.vignette == pytest.approx(0.66, abs=0.05)


@pytest.mark.parametrize("wanted", [Grade(0, 12, 0), Grade(0, 0, 0.9), Grade(0, 0, -0.7)])
def test_a_strong_grade_is_found_again(folder: list[U8], wanted: Grade) -> None:
    found = measure_grade([apply_grade(p, wanted, threads=1, seed=n) for n, p in enumerate(folder)], grade_statistics(folder))
    assert found.vignette == pytest.approx(wanted.vignette, abs=0.2)
    assert found.grain == pytest.approx(wanted.grain, rel=0.25)
    assert found.local_contrast == pytest.approx(wanted.local_contrast, abs=0.45)
    assert [number != 0 for number in found.to_tensor()] == [number != 0 for number in wanted.to_tensor()]


def test_grain_is_found_in_larger_pictures_too(folder: list[U8]) -> None:
    large = [apply_grade(resize(picture, 900, 900), Grade(grain=12), threads=1, seed=n) for n, picture in enumerate(folder[:4])]
    assert measure_grade(large).grain == pytest.approx(12, rel=0.3)


def test_what_does_not_stand_out_of_neutral_folders_is_nothing(folder: list[U8]) -> None:
    grainy = [apply_grade(picture, Grade(grain=12), threads=1) for picture in folder]
    never = GradeStatistics(*(Level(level.mean, 99.0, level.picture) for level in vars(BUILT_IN).values()))
    assert measure_grade(grainy, never) == Grade()


def test_pictures_too_small_say_nothing() -> None:
    small = np.asarray(Image.effect_noise((200, 200), 90).convert("RGB"))
    assert measure_grade([small]) == Grade()
    assert grade_statistics([small]) is BUILT_IN
    assert measure_grade([grey(400, 400, 0), grey(400, 400, 255)]).grain == 0
