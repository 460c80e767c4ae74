"""Typed options: a mapping out of a recipe file -> frozen dataclasses, all faults told at once.

The text under a dataclass's field is its help, and `Annotated[float, Between(0, 1)]` its range.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import inspect
import math
import textwrap
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from huafeng.errors import RecipeError

T = TypeVar("T")


@dataclass(frozen=True)
class Between:
    """A number's range, both ends included."""

    least: float = -math.inf
    most: float = math.inf

    def __str__(self) -> str:
        if self.most == math.inf:
            return f"at least {self.least:g}"
        return f"{self.least:g} to {self.most:g}"


class Typed(str):
    """What was typed for a value that is no text by itself: 007, on, 2024, null."""

    value: object

    def __new__(cls, text: str, value: object) -> Typed:
        """`text` as it stands in the file, `value` as YAML means it."""
        made = super().__new__(cls, text)
        made.value = value
        return made

    def __eq__(self, other: object) -> bool:
        return bool(self.value == other) or str.__eq__(self, other)

    def __getnewargs__(self) -> tuple[str, object]:  # type: ignore[override]
        return str(self), self.value  # for copies

    __hash__ = str.__hash__


class _Wrong(Exception):
    """One fault, without the place where it is."""


def build(kind: type[T], values: Mapping[str, Any]) -> T:
    """The dataclass `kind` with these values, nested dataclasses included.

    A dataclass may have a method `problems(self) -> Iterator[str]` for what no single field can tell.

    Raises:
        RecipeError: with every fault: unknown names (and the nearest known one), wrong types, ranges, missing fields.
    """
    problems: list[str] = []
    made = _dataclass(kind, values, "", problems)
    if problems:
        raise RecipeError(problems)
    return made


def plain(options: object) -> Any:
    """Options -> what JSON and YAML can hold; `build` reads it back to equal options."""
    if dataclasses.is_dataclass(options):
        return {f.name: plain(getattr(options, f.name)) for f in dataclasses.fields(options)}
    if isinstance(options, Mapping):
        return {key: plain(value) for key, value in options.items()}
    if isinstance(options, tuple):
        return [plain(value) for value in options]
    return options.as_posix() if isinstance(options, Path) else options


def explain(kind: type, prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """(name, type, default, help) of each option, nested ones with dotted names."""
    hints = get_type_hints(kind, include_extras=True)
    helps = _docstrings(kind)
    for field in dataclasses.fields(kind):
        hint, name = hints[field.name], prefix + field.name
        inner = next((part for part in _inside(hint) if isinstance(part, type) and dataclasses.is_dataclass(part)), None)
        default = "required" if _required(field) else "" if inner else str(plain(_default(field)))
        yield name, _told(hint), default, helps.get(field.name, "")
        if inner is not None:
            between = {dict: ".NAME.", tuple: "[]."}.get(get_origin(hint), ".")
            yield from explain(inner, name + between)


def _inside(hint: Any) -> Iterator[Any]:
    yield hint
    for part in get_args(hint):
        yield from _inside(part)


def _docstrings(kind: type) -> dict[str, str]:
    """Field -> the string literal under it, base classes first."""
    found: dict[str, str] = {}
    for owner in reversed(kind.__mro__):
        if not dataclasses.is_dataclass(owner):
            continue
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
        assert isinstance(body, ast.ClassDef)
        for field, text in zip(body.body, body.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
                found[field.target.id] = " ".join(str(ast.literal_eval(text.value)).split())
    return found


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _dataclass(kind: Any, values: Any, where: str, problems: list[str]) -> Any:
    if not isinstance(values, Mapping):
        problems.append(f"{where.rstrip('.') or 'a recipe'} takes named values, not {_shown(values)}")
        return None
    fields = {field.name: field for field in dataclasses.fields(kind)}
    hints = get_type_hints(kind, include_extras=True)
    before = len(problems)
    for name in values:
        if name not in fields:
            near = difflib.get_close_matches(str(name), fields, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(fields)}"
            problems.append(f"there is no option {where}{name} ({hint})")
    made: dict[str, Any] = {}
    for name, field in fields.items():
        if name in values:
            made[name] = _value(hints[name], values[name], where + name, problems)
        elif _required(field):
            problems.append(f"{where}{name} is missing")
    if len(problems) > before:
        return None
    result = kind(**made)
    if hasattr(result, "problems"):
        problems.extend(where + fault if where else fault for fault in result.problems())
    return result


def _value(hint: Any, value: Any, where: str, problems: list[str]) -> Any:
    """`value` as the type `hint` says; a fault goes into `problems`."""
    origin, args = get_origin(hint), get_args(hint)
    if isinstance(value, Typed) and not (
        hint in (str, Path)
        or (origin is Literal and str(value) in args)
        or (origin in (Union, types.UnionType) and value.value is not None)
    ):
        value = value.value
    if origin is Annotated:
        made, before = _value(args[0], value, where, problems), len(problems)
        numbers = made if isinstance(made, tuple) else (made,)
        if len(problems) == before and any(
            isinstance(n, int | float) and not args[1].least <= n <= args[1].most for n in numbers
        ):
            problems.append(f"{where} is {args[1]}, not {_shown(value)}")
        return made
    if origin in (Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _value(next(a for a in args if a is not type(None)), value, where, problems)
    if dataclasses.is_dataclass(hint):
        return _dataclass(hint, value, f"{where}.", problems)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            problems.append(f"{where} is a list, not {_shown(value)}")
            return None
        if args[-1] is not Ellipsis and len(value) != len(args):
            problems.append(f"{where} is a list of {len(args)}, not of {len(value)}")
            return None
        kinds = [args[0]] * len(value) if args[-1] is Ellipsis else args
        return tuple(_value(k, v, f"{where}[{i}]", problems) for i, (k, v) in enumerate(zip(kinds, value, strict=True)))
    if origin is dict:
        if not isinstance(value, Mapping):
            problems.append(f"{where} takes named values, not {_shown(value)}")
            return None
        return {str(key): _value(args[1], v, f"{where}.{key}", problems) for key, v in value.items()}
    try:
        return _plain_value(hint, value)
    except _Wrong as wrong:
        problems.append(f"{where} is {wrong}, not {_shown(value)}")
        return None


def _plain_value(hint: Any, value: Any) -> Any:
    if get_origin(hint) is Literal:
        if value in get_args(hint) and not isinstance(value, bool):
            return str(value) if isinstance(value, Typed) else value
        near = difflib.get_close_matches(str(value), [str(a) for a in get_args(hint)], n=1)
        raise _Wrong(f"one of {', '.join(map(str, get_args(hint)))}" + (f" (did you mean {near[0]!r}?)" if near else ""))
    if hint is Path:
        if isinstance(value, str | Path) and str(value):
            return Path(value)
    elif hint is float:
        if isinstance(value, str):  # YAML reads 1e-3, without a point, as text
            try:
                value = float(value)
            except ValueError:
                raise _Wrong("a number") from None
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    elif hint is int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    elif isinstance(value, hint):
        return str(value) if isinstance(value, Typed) else value
    raise _Wrong(_told(hint))


_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path"}


def _told(hint: Any) -> str:
    """A type in words."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return f"{_told(args[0])}, {args[1]}"
    if origin in (Union, types.UnionType):
        return " or ".join("none" if a is type(None) else _told(a) for a in args)
    if origin is Literal:
        return " | ".join(map(str, args))
    if origin is tuple:
        return f"a list: {_told(args[0])}" if args[-1] is Ellipsis else f"a list of {len(args)}: {_told(args[0])}"
    if origin is dict:
        return "named: " + _told(args[1])
    return _NAMES.get(hint, "named values")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
