"""Every key that a recipe may have, with its type, default, limits and description, read from the sections."""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import annotated_types
import tomli_w
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from edgekd.recipe.sections import Recipe

_PLAIN = {int: "whole number", float: "number", bool: "true or false", str: "text", Path: "path"}
_BOUNDS = (
    (annotated_types.Ge, "ge", "at least"),
    (annotated_types.Gt, "gt", "above"),
    (annotated_types.Le, "le", "at most"),
    (annotated_types.Lt, "lt", "below"),
)


@dataclass(frozen=True)
class Key:
    """One key: ``default`` and ``example`` as TOML values, None where there is none.

    ``form`` is what selects the table that has it (``name = "dkd"``), and ``holds`` the tables that it may hold itself.
    """

    path: str
    form: str
    kind: str
    limits: str
    default: str | None
    example: str | None
    required: bool
    description: str
    listed: bool
    holds: tuple[type[BaseModel], ...]

    @property
    def leaf(self) -> str:
        """Its last part."""
        return self.path.rpartition(".")[2]

    @property
    def section(self) -> str:
        """The table that it is in; "" at the top."""
        return self.path.rpartition(".")[0]

    @property
    def summary(self) -> str:
        """The first sentence of its description."""
        return first_sentence(self.description)


@dataclass(frozen=True)
class Table:
    """One table of a recipe: its path, what selects this form of it, its model and keys."""

    path: str
    form: str
    model: type[BaseModel]
    keys: tuple[Key, ...]
    optional: bool
    listed: bool


@cache
def all_tables() -> tuple[Table, ...]:
    """Every table, parents before children."""
    return tuple(_walk(Recipe, "", "", optional=False, listed=False))


@cache
def all_keys() -> tuple[Key, ...]:
    """Every key of every table, in order; one that several forms of a table have comes once for each."""
    return tuple(key for table in all_tables() for key in table.keys)


def first_sentence(text: str) -> str:
    """``text`` up to its first full stop."""
    head, stop, _ = " ".join(text.split()).partition(". ")
    return f"{head}." if stop else head


def toml_value(value: Any) -> str:
    """A value as it is written in TOML, on one line."""
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml_value(entry) for entry in value) + "]"
    return tomli_w.dumps({"k": value}).strip().removeprefix("k = ")


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The tables that a key of this type may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in models_in(inner)]


def form_of(model: type[BaseModel]) -> str:
    """What selects this table among several, as TOML; "" where nothing does."""
    for name in ("name", "kind"):
        field = model.model_fields.get(name)
        if field is not None and get_origin(field.annotation) is Literal:
            return f'{name} = "{get_args(field.annotation)[0]}"' if len(get_args(field.annotation)) == 1 else ""
    return ""


def _walk(model: type[BaseModel], path: str, form: str, *, optional: bool, listed: bool) -> list[Table]:
    # What the table adds to its base comes first: a teacher's model before its pixels.
    fields = sorted(model.model_fields.items(), key=lambda item: item[0] not in model.__annotations__)
    keys = tuple(_key(name, field, path, form, listed) for name, field in fields)
    tables = [Table(path, form, model, keys, optional, listed)]
    for key, (_, field) in zip(keys, fields, strict=True):
        in_list = listed or _is_list(field.annotation)
        for inner in key.holds:
            tables += _walk(inner, key.path, form_of(inner), optional=field.default is None, listed=in_list)
    return tables


def _key(name: str, field: FieldInfo, section: str, form: str, listed: bool) -> Key:
    holds = tuple(models_in(field.annotation))
    required = field.is_required()
    default = None if required else field.default
    shown = default is not None and not isinstance(default, BaseModel)
    examples = field.examples or []
    return Key(
        path=f"{section}.{name}" if section else name,
        form=form,
        kind=_kind(field.annotation),
        limits=_limits(field.metadata),
        default=toml_value(default) if shown else None,
        example=toml_value(examples[0]) if examples else None,
        required=required,
        description=field.description or "",
        listed=listed,
        holds=holds,
    )


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is tuple or any(_is_list(inner) for inner in get_args(annotation))


def _kind(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(inner[0])
    if origin is Literal:
        return ", ".join(toml_value(value) for value in inner)
    if origin in (types.UnionType, typing.Union):
        kinds = dict.fromkeys(_kind(entry) for entry in inner if entry is not type(None))
        return " or ".join(kinds)
    if origin is dict:
        return f"table of a {_kind(inner[1])} a name"
    if origin is tuple:
        if inner[-1] is Ellipsis:
            return f"list of: {_kind(inner[0])}"
        return f"list of {len(inner)} numbers"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    return _PLAIN[annotation]


def _limits(metadata: list[Any]) -> str:
    found = []
    for entry in metadata:
        found += [f"{words} {getattr(entry, name)}" for kind, name, words in _BOUNDS if isinstance(entry, kind)]
        if pattern := getattr(entry, "pattern", None):
            found.append(f"pattern {pattern}")
    return ", ".join(found)
