"""Recipe files -> typed options: every fault at once, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from huafeng.errors import RecipeError
from huafeng.training.options import Between, build, explain, plain
from huafeng.training.recipefile import change, read_recipe, resolve
from huafeng.training.recipes import RECIPES
from huafeng.training.recipes.art import ArtOptions

RECIPE_FILES = sorted((Path(__file__).parents[1] / "recipes").glob("*.yaml"))


@dataclass(frozen=True)
class Inner:
    size: Annotated[int, Between(1, 10)] = 3
    """How large it is,
    in px."""
    kind: Literal["red", "blue"] = "red"


@dataclass(frozen=True)
class Outer:
    name: str
    rate: float = 0.5
    many: dict[str, Inner] = field(default_factory=dict)
    inner: Inner = field(default_factory=Inner)
    pair: Annotated[tuple[float, float], Between(0, 1)] = (0.0, 1.0)
    folders: tuple[Path, ...] = ()
    maybe: int | None = None
    yes: bool = False

    def problems(self) -> Iterator[str]:
        if self.name == "bad":
            yield "name is bad"


def faults(values: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(RecipeError) as caught:
        build(Outer, values)
    return caught.value.problems


def test_values_are_converted() -> None:
    made = build(
        Outer, {"name": "x", "rate": "1e-3", "many": {"a": {"size": 4}}, "folders": ["p/q"], "maybe": None, "pair": [0, 1]}
    )
    assert made == Outer("x", 0.001, {"a": Inner(4)}, folders=(Path("p/q"),))
    assert isinstance(made.pair[0], float)


def test_all_faults_are_told_at_once() -> None:
    values = {
        "nmae": "x",
        "rate": "fast",
        "many": {"a": {"size": 11, "kind": "blu"}},
        "inner": 3,
        "pair": [0.5],
        "folders": "p",
        "maybe": 1.5,
        "yes": 1,
    }
    assert faults(values) == (
        "there is no option nmae (did you mean 'name'?)",
        "name is missing",
        "rate is a number, not 'fast'",
        "many.a.size is 1 to 10, not 11",
        "many.a.kind is one of red, blue (did you mean 'blue'?), not 'blu'",
        "inner takes named values, not 3",
        "pair is a list of 2, not of 1",
        "folders is a list, not 'p'",
        "maybe is a whole number, not 1.5",
        "yes is true or false, not 1",
    )


@pytest.mark.parametrize("value", [True, float("nan"), float("inf"), None, [1], {}])
def test_what_is_no_number(value: object) -> None:
    assert len(faults({"name": "x", "rate": value})) == 1


def test_faults_between_fields_are_told_with_their_place() -> None:
    assert faults({"name": "bad"}) == ("name is bad",)


@given(
    st.builds(
        Outer,
        name=st.text().filter(lambda text: text != "bad"),
        rate=st.floats(allow_nan=False, allow_infinity=False),
        many=st.dictionaries(st.text(), st.builds(Inner, size=st.integers(1, 10), kind=st.sampled_from(["red", "blue"]))),
        maybe=st.none() | st.integers(),
        yes=st.booleans(),
    )
)
def test_plain_values_build_the_same_options(options: Outer) -> None:
    assert build(Outer, json.loads(json.dumps(plain(options)))) == options


def test_docstrings_are_the_help() -> None:
    rows = {name: rest for name, *rest in explain(Outer)}
    assert rows["inner.size"] == ["a whole number, 1 to 10", "3", "How large it is, in px."]
    assert rows["many.NAME.kind"] == ["red | blue", "red", ""]
    assert rows["name"][1] == "required"


@pytest.mark.parametrize("name", RECIPES)
def test_every_option_of_every_recipe_has_a_help(name: str) -> None:
    assert [option for option, _, _, text in explain(RECIPES[name].options) if not text] == []


@pytest.mark.parametrize("path", RECIPE_FILES, ids=lambda path: path.stem)
def test_recipes_in_the_repository_are_valid(path: Path) -> None:
    options = resolve(read_recipe(path))
    assert resolve(json.loads(json.dumps(plain(options)))) == options


def test_settings_reach_inside(tmp_path: Path) -> None:
    values = {"recipe": "art", "losses": {"style": 8}, "stages": None}
    changed = change(
        values, ["losses.style=4.5", "generator.learning_rate=1e-3", "photos=[a, b]", "early_stopping={patience: 2}"]
    )
    assert values["losses"] == {"style": 8}
    assert changed["losses"] == {"style": 4.5}
    assert changed["photos"] == ["a", "b"]
    assert changed["early_stopping"] == {"patience": 2}
    assert changed["generator"] == {"learning_rate": "1e-3"}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["steps"], ["--set steps is not KEY=VALUE"]),
        (["=3", "a..b=1"], ["--set =3 is not KEY=VALUE", "--set a..b=1 is not KEY=VALUE"]),
        (["recipe.name=3"], ["--set recipe.name: recipe holds no named values"]),
    ],
)
def test_settings_that_are_none(settings: list[str], told: list[str]) -> None:
    with pytest.raises(RecipeError) as caught:
        change({"recipe": "art"}, settings)
    assert list(caught.value.problems) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- a\n- b", "holds no named values"),
        ("a: [1", "is not YAML"),
        ("", "holds no named values"),
        ("recipe: atr", "there is no recipe 'atr' (did you mean 'art'?)"),
        ("steps: 3", "recipe is missing"),
        ("recipe: [art]", "there is no recipe ['art']"),
    ],
)
def test_recipe_files_that_are_none(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        resolve(read_recipe(tmp_path / "r.yaml"))
    assert told in str(caught.value)


def test_a_recipe_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="there is no file"):
        read_recipe(tmp_path / "nothing.yaml")


def art(**changes: Any) -> ArtOptions:
    card = dict.fromkeys(("title_en", "title_zh", "author", "licence", "trained_on", "provenance"), "x")
    values = {"recipe": "art", "photos": ["p"], "styles": {"a": {"works": "w", "card": card}}} | changes
    options = resolve(yaml.safe_load(json.dumps(values)))
    assert isinstance(options, ArtOptions)
    return options


def test_stages() -> None:
    options = art(stages=[{"until": 0.25, "crop_px": 64, "batch": 16}, {"until": 0.5, "crop_px": 128, "batch": 8}])
    assert [options.stage(p) for p in (0.0, 0.24, 0.25, 0.5, 1.0)] == [(64, 16), (64, 16), (128, 8), (256, 4), (256, 4)]
    assert options.crop_sizes == {64, 128, 256}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"stages": [{"until": 0.5, "crop_px": 64, "batch": 1}, {"until": 0.5, "crop_px": 64, "batch": 1}]}, "must grow"),
        ({"crop_px": 250}, "multiple of 8"),
        ({"photos": []}, "photos is empty"),
        ({"styles": {}}, "styles is empty"),
        ({"styles_per_step": {"b": 2}}, "'b'"),
        ({"adversarial": {"smoothing": 0.1}}, "adversarial.smoothing does nothing with the loss hinge"),
        ({"losses": {"stile": 3}}, "did you mean 'style'"),
    ],
)
def test_faults_of_the_art_recipe(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(RecipeError) as caught:
        art(**changes)
    assert told in str(caught.value)
    assert len(caught.value.problems) == 1
