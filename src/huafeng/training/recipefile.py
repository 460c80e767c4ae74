"""Recipe files: YAML (or JSON) -> options, with changes from the command line."""

from __future__ import annotations

import copy
import difflib
import json
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from huafeng.errors import RecipeError
from huafeng.training.options import Typed, build
from huafeng.training.recipe import RunOptions
from huafeng.training.recipes import RECIPES

MOST_VALUES = 100_000  # in a recipe file


def read_recipe(path: Path) -> dict[str, Any]:
    """The values in a recipe file.

    Raises:
        RecipeError: it cannot be read, or holds no named values.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError([f"there is no file {path}"]) from None
    except (OSError, ValueError) as error:
        raise RecipeError([f"{path} cannot be read ({error})"]) from error
    values = _parsed(text, str(path))
    if not isinstance(values, dict):
        raise RecipeError([f"{path} holds no named values: see recipes/ for examples"])
    return values


def change(values: dict[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """A copy of `values` with settings `key=value`; keys may be dotted, values are YAML.

    Raises:
        RecipeError: with every setting that is none.
    """
    changed, problems = copy.deepcopy(values), []
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not (equals and all(key.split("."))):
            problems.append(f"--set {setting} is not KEY=VALUE")
            continue
        *path, last = key.split(".")
        inner = changed
        for name in path:
            if getattr(inner.get(name), "value", inner.get(name)) is None:
                inner[name] = {}
            inner = inner[name]
            if not isinstance(inner, dict):
                problems.append(f"--set {key}: {name} holds no named values")
                break
        else:
            inner[last] = _parsed(text, f"--set {key}")
    if problems:
        raise RecipeError(problems)
    return changed


def resolve(values: dict[str, Any]) -> RunOptions:
    """Values -> the options of the recipe that they name.

    Raises:
        RecipeError: with every fault.
    """
    name = values.get("recipe")
    if not isinstance(name, str) or name not in RECIPES:
        near = difflib.get_close_matches(str(name), RECIPES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(RECIPES)}"
        raise RecipeError(["recipe is missing" if name is None else f"there is no recipe {name!r} ({hint})"])
    return build(RECIPES[name].options, values)


def _parsed(text: str, where: str) -> Any:
    try:
        import yaml
    except ImportError:
        try:
            return json.loads(text)
        except ValueError:
            raise RecipeError([f"{where} is not JSON; for YAML install pyyaml"]) from None
    try:
        return _as_typed(yaml.compose(text, yaml.SafeLoader), yaml.SafeLoader(""), count(1))
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # ValueError: the 45th of the 13th month
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise RecipeError([f"{where} is not YAML ({getattr(error, 'problem', None) or 'unreadable'}{place})"]) from error


def _as_typed(node: Any, loader: Any, values: Iterator[int]) -> Any:
    """A YAML node's value; of numbers, dates and words like "on" with what was typed, as an option may want text.

    values: counts them, as a few lines of aliases (*name) within aliases can stand for any number.
    """
    import yaml

    if next(values) > MOST_VALUES:
        raise RecipeError([f"it has more than {MOST_VALUES:,} values: of YAML aliases (*name), write some out"])
    if node is None:
        return None
    if isinstance(node, yaml.MappingNode):
        return {
            key.value if isinstance(key, yaml.ScalarNode) else str(_as_typed(key, loader, values)): _as_typed(
                value, loader, values
            )
            for key, value in node.value
        }
    if isinstance(node, yaml.SequenceNode):
        return [_as_typed(one, loader, values) for one in node.value]
    value = loader.construct_object(node)
    return value if isinstance(value, str) or node.value == "" else Typed(node.value, value)
