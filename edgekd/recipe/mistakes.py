"""What is wrong with a recipe, in one line."""

from __future__ import annotations

import difflib
from typing import Any, get_args

from pydantic import BaseModel

from edgekd.recipe.sections import Recipe


def explain_error(item: Any) -> str:
    """One line about one pydantic error: the key, what is wrong, the nearest valid name."""
    if not item["loc"]:  # What is wrong between sections has no key of its own.
        return str(item["msg"]).removeprefix("Value error, ")
    names, sections = _located(item["loc"])
    where = ".".join(names)
    if item["type"] == "extra_forbidden":
        valid = list(dict.fromkeys(name for section in sections for name in section.model_fields))
        near = difflib.get_close_matches(str(item["loc"][-1]), valid, 1, 0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"valid here: {', '.join(valid)}"
        return f"unknown key {where!r}; {hint}"
    message = str(item["msg"]).removeprefix("Value error, ")
    got = "" if item["type"] == "missing" or isinstance(item["input"], dict) else f", got {item['input']!r}"
    return f"{where}: {message}{got}" if where else message


def _located(loc: tuple[int | str, ...]) -> tuple[list[str], list[type[BaseModel]]]:
    """A key's path as a user wrote it, and the sections that its last part may be a key of."""
    names: list[str] = []
    sections: list[type[BaseModel]] = [Recipe]
    for part in loc[:-1]:
        fields = [section.model_fields[part] for section in sections if part in section.model_fields]
        if fields:
            sections = [model for field in fields for model in _models_in(field.annotation)]
        # The rest are numbers of a list's entries, and pydantic's own names for the forms that a value may have.
        if fields or isinstance(part, int):
            names.append(str(part))
    return [*names, *map(str, loc[-1:])], sections


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models_in(inner)]
