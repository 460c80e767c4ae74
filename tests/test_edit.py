import json
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huafeng.edit import BoxRegion, Edit, MaskRegion, StyleWeight, parse_styles
from huafeng.errors import EditError

MONET = StyleWeight("monet")
SAMPLE = Edit(
    (StyleWeight("monet", 2), StyleWeight("墨")),
    strength=0.8,
    stroke=2,
    detail=0,
    keep_colors=True,
    region=BoxRegion(0, 0.25, 0.5, 1, feather=0.1),
)


def problems_of(make: Any, *args: Any, **kwargs: Any) -> tuple[str, ...]:
    with pytest.raises(EditError) as caught:
        make(*args, **kwargs)
    return caught.value.problems


def read(**changes: Any) -> tuple[str, ...]:
    """The problems of a good edit's JSON after some changes."""
    return problems_of(Edit.from_json, json.dumps({"version": 1, "styles": [{"style": "monet"}]} | changes))


def test_defaults_are_the_documented_ones() -> None:
    edit = Edit((MONET,))
    assert (edit.strength, edit.stroke, edit.detail, edit.keep_colors, edit.region) == (1.0, 1.0, 0.25, False, None)
    assert edit.faces == "auto"
    assert edit.skin == "auto"
    assert MONET.weight == 1.0
    assert MaskRegion("m.png").feather == BoxRegion(0, 0, 1, 1).feather == 0.01


def test_weights_are_shares_of_the_mix() -> None:
    edit = Edit((StyleWeight("a", 3), StyleWeight("b", 1), StyleWeight("c", 0)))
    assert edit.weights == {"a": 0.75, "b": 0.25, "c": 0.0}


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("strength", 1.5, "strength is 1.5, it must be between 0 and 1"),
        ("strength", -1, "strength is -1, it must be between 0 and 1"),
        ("strength", float("nan"), "strength is nan, it must be between 0 and 1"),
        ("strength", True, "strength is True, it must be a number between 0 and 1"),
        ("strength", "0.5", "strength is '0.5', it must be a number between 0 and 1"),
        ("strength", 10**400, "strength is inf, it must be between 0 and 1"),
        ("stroke", 0.2, "stroke is 0.2, it must be between 0.25 and 4"),
        ("stroke", 4.1, "stroke is 4.1, it must be between 0.25 and 4"),
        ("detail", None, "detail is None, it must be a number between 0 and 1"),
        ("keep_colors", 1, "keep_colors is 1, it must be true or false"),
        (
            "region",
            "sky",
            "region is 'sky', it must be None or one of MaskRegion, BoxRegion, FaceRegion, SubjectRegion, BackgroundRegion",
        ),
        ("styles", (), "styles is empty, at least one style is needed"),
        ("styles", ("monet",), "styles is ('monet',), it must be a tuple of StyleWeight"),
        ("styles", (MONET, MONET), "style 'monet' is given 2 times, once is allowed"),
        ("styles", (StyleWeight("a", 0),), "all weights are 0, at least one must be greater"),
    ],
)
def test_a_wrong_field_is_told_in_words(field: str, value: Any, problem: str) -> None:
    assert problems_of(Edit, **{"styles": (MONET,), field: value}) == (problem,)


@pytest.mark.parametrize(
    ("field", "value"),
    [("strength", 0), ("strength", 1), ("stroke", 0.25), ("stroke", 4), ("detail", 0), ("detail", 1)],
)
def test_the_ends_of_a_range_are_allowed(field: str, value: Any) -> None:
    held = getattr(Edit((MONET,), **{field: value}), field)
    assert held == value
    assert type(held) is float


def test_numpy_numbers_are_numbers() -> None:
    numbers: Any = {"strength": np.float32(0.5), "stroke": np.int64(2)}
    edit = Edit((MONET,), **numbers)
    assert (edit.strength, edit.stroke) == (0.5, 2.0)
    assert Edit.from_json(edit.to_json()) == edit


@pytest.mark.parametrize("weight", [-1, float("inf"), float("nan"), 2e6])
def test_a_weight_is_finite_and_not_negative(weight: Any) -> None:
    (problem,) = problems_of(StyleWeight, "a", weight)
    assert "it must be between 0 and 1,000,000" in problem


@pytest.mark.parametrize("name", ["", "  ", None, 3, "a\0b", "a\nb", "\ud800"])
def test_a_style_needs_a_name(name: Any) -> None:
    (problem,) = problems_of(StyleWeight, name)
    assert problem.startswith("style is ")
    (problem,) = problems_of(MaskRegion, name)
    assert problem.startswith("path is ")


def test_chinese_names_and_wide_spaces_are_allowed() -> None:
    assert StyleWeight("./我的\u3000画.style").style == "./我的\u3000画.style"


def test_a_box_has_an_inside() -> None:
    assert problems_of(BoxRegion, 0.5, 0.5, 0.2, 0.5, 0.6) == (
        "feather is 0.6, it must be between 0 and 0.5",
        "left is 0.5 and right is 0.2, left must be less than right",
        "top is 0.5 and bottom is 0.5, top must be less than bottom",
    )
    assert problems_of(BoxRegion, 2, 0, 0.5, 1) == ("left is 2, it must be between 0 and 1",)


def test_all_problems_come_at_once() -> None:
    problems = problems_of(Edit, (), strength=2, stroke=9, detail=-1, keep_colors="no", region=0)
    assert [problem.split()[0] for problem in problems] == [
        "strength", "stroke", "detail", "keep_colors", "styles", "region",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "styles"),
    [
        ("monet", [("monet", 1)]),
        ("monet:2+ink:1", [("monet", 2), ("ink", 1)]),
        (" monet : 0.5 + 墨 ", [("monet", 0.5), ("墨", 1)]),
        ("./a b.style:3", [("./a b.style", 3)]),
        ("C:\\x.style", [("C:\\x.style", 1)]),
        ("C:\\x.style:2+C:/y.style", [("C:\\x.style", 2), ("C:/y.style", 1)]),
        ("a:b", [("a:b", 1)]),
        ("a:1:2", [("a:1", 2)]),
    ],
)
def test_styles_as_typed(text: str, styles: Any) -> None:
    assert parse_styles(text) == tuple(StyleWeight(name, weight) for name, weight in styles)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["style is ''"]),
        ("a++b", ["in 'a++b': style is ''"]),
        ("a:", ["no weight follows the colon of 'a:'"]),
        ("a:-1+:2+b:nan", ["weight is -1", "style is ''", "weight is nan"]),
    ],
)
def test_styles_typed_wrongly(text: str, words: Any) -> None:
    problems = problems_of(parse_styles, text)
    assert len(problems) == len(words)
    assert all(word in problem for word, problem in zip(words, problems, strict=True))


def test_json_is_readable_and_in_a_stable_order() -> None:
    text = SAMPLE.to_json()
    assert "墨" in text
    document = json.loads(text)
    assert list(document) == ["version", "styles", "strength", "stroke", "detail", "keep_colors", "region", "faces", "skin"]
    assert document["version"] == 1
    assert document["styles"][0] == {"style": "monet", "weight": 2.0}
    assert next(iter(document["region"].items())) == ("kind", "box")
    assert Edit.from_json(text) == SAMPLE


def test_json_needs_only_version_and_styles() -> None:
    assert Edit.from_json('{"version": 1, "styles": [{"style": "monet"}]}') == Edit((MONET,))


fractions = st.floats(0, 1)
feathers = st.floats(0, 0.5)
texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1).filter(str.strip)
masks = st.builds(MaskRegion, texts, feathers)
boxes = st.builds(BoxRegion, st.floats(0, 0.4), st.floats(0, 0.4), st.floats(0.5, 1), st.floats(0.5, 1), feathers)
edits = st.builds(
    Edit,
    st.lists(st.builds(StyleWeight, texts, st.floats(1e-9, 1e6)), min_size=1, max_size=4, unique_by=lambda s: s.style)
    .map(tuple),
    fractions,
    st.floats(0.25, 4),
    fractions,
    st.booleans(),
    st.none() | masks | boxes,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(edits)
def test_what_is_written_is_read_back(edit: Edit) -> None:
    assert Edit.from_json(edit.to_json()) == edit
    assert sum(edit.weights.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"strenght": 1}, "unknown key 'strenght', did you mean 'strength'?"),
        (
            {"zzz": 1},
            "unknown key 'zzz', known are styles, strength, stroke, detail, keep_colors, region, faces, skin, interpolation",
        ),
        ({"version": "1"}, "version is '1', it must be 1"),
        ({"version": True}, "version is True, it must be 1"),
        ({"version": 0}, "version is 0, it must be 1"),
        ({"version": 2, "new": 1}, "it was made by a newer Huafeng: version 2; update Huafeng"),
        ({"styles": {}}, "styles is {}, it must be a list of objects"),
        ({"styles": []}, "styles is empty, at least one style is needed"),
        ({"styles": ["monet"]}, "style 1 is 'monet', it must be an object"),
        ({"styles": [{"style": "a"}, {"weight": 1}]}, "style 2: style is missing"),
        ({"styles": [{"style": "a", "wieght": 1}]}, "style 1: unknown key 'wieght', did you mean 'weight'?"),
        ({"strength": float("nan")}, "strength is nan, it must be between 0 and 1"),
        ({"strength": float("inf")}, "strength is inf, it must be between 0 and 1"),
        ({"keep_colors": None}, "keep_colors is None, it must be true or false"),
        ({"region": []}, "region is [], it must be null or an object of kind 'mask', 'box', 'face', 'subject', 'background'"),
        ({"region": {"kind": ["box"]}}, "region is {'kind': ['box']}, it must be null or an object of kind"),
        ({"region": {"kind": "mask"}}, "region: path is missing"),
        ({"region": {"kind": "mask", "path": "m.png", "feather": 1}}, "region: feather is 1, it must be between"),
    ],
)
def test_json_with_one_fault(changes: Any, problem: str) -> None:
    (found,) = read(**changes)
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is not JSON"),
        ('{"version": 1,', "it is not JSON"),
        ('{"version": ' + "1" * 5000 + "}", "it is not JSON"),
        ("[1]", "it must be a JSON object"),
        ("[" * 90_000, "nested too deep"),
        (" " * 100_001, "longer than 100,000 characters"),
        ('{"version": 1, "styles": [{"style": "a"}], "detail": 0, "detail": 1}', "key 'detail' is given twice"),
        ('{"version": 1, "styles": [{"style": "a", "style": "b"}]}', "key 'style' is given twice"),
        ('{"version": 1}', "styles is missing"),
        ('{"styles": [{"style": "a"}]}', "version is missing, it must be 1"),
    ],
)
def test_text_that_is_no_edit(text: str, words: Any) -> None:
    (problem,) = problems_of(Edit.from_json, text)
    assert words in problem


def test_all_problems_of_a_json_come_at_once() -> None:
    region = {"kind": "box", "left": 2, "right": 0.5, "to": 0, "bottom": 1}
    styles = [{"style": "", "weight": -1}, {"style": "a"}]
    assert read(version=0, styles=styles, strength=2, strokes=1, region=region) == (
        "version is 0, it must be 1",
        "unknown key 'strokes', did you mean 'stroke'?",
        "style 1: style is '', it must be a text that is not empty",
        "style 1: weight is -1, it must be between 0 and 1,000,000",
        "region: unknown key 'to', did you mean 'top'?",
        "region: top is missing",
        "region: left is 2, it must be between 0 and 1",
        "strength is 2, it must be between 0 and 1",
    )


def test_damaged_json_is_refused_or_valid() -> None:
    good = SAMPLE.to_json().encode()
    chance = random.Random(0)
    outcomes: set[type] = set()
    for _ in range(300):
        bad = bytearray(good)
        for _ in range(chance.randint(1, 3)):
            bad[chance.randrange(len(bad))] = chance.randrange(256)
        try:
            outcomes.add(type(Edit.from_json(bad.decode("utf-8", "replace"))))
        except EditError:
            outcomes.add(EditError)
    assert outcomes == {Edit, EditError}
