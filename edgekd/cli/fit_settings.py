"""Settings of the user's own in a proposed recipe: keys of a .toml that take the place of those proposed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekd.cli.init_command import place_from
from edgekd.errors import UsageError
from edgekd.recipe.choice import Choice
from edgekd.recipe.proposal import Proposal
from edgekd.text import printable

# What the command line says, or the search decides.
_NOT_HERE = {
    ("", "name"): "the run is called as the photos are",
    ("data", "source"): "give the photos on the command line",
    ("data", "images"): "give --images",
    ("data", "unlabelled"): "give --unlabelled",
    ("data", "none"): "give --none",
    ("data", "task"): "give --task",
    ("student", "model"): "the student is looked for. For one of your own, use `edgekd run`",
}
_BUDGET = "student.budget"
_PATHS = {("data", "corrections"), ("teacher", "model"), ("teacher", "words"), ("teacher", "classes")}
_BARE = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def names_teacher(settings: Mapping[str, Any]) -> bool:
    """Whether the settings name a teacher."""
    teacher = settings.get("teacher")
    return isinstance(teacher, Mapping) and "model" in teacher


def with_settings(proposal: Proposal, settings: Mapping[str, Any], file: Path, recipe: Path) -> Proposal:
    """A proposal with the keys of ``settings`` in place of its own.

    Where they name a teacher, what was proposed for the built-in one is left out.

    Args:
        proposal: What was proposed.
        settings: Tables of a recipe, as tomllib reads them.
        file: Where they are from; paths in them are taken from its folder.
        recipe: The file that the recipe will be written to.

    Raises: UsageError for a key that the command line decides.
    """
    own = {(choice.table, choice.key): choice for choice in _choices(settings, file, recipe)}
    kept = [
        own.pop((choice.table, choice.key), choice)
        for choice in proposal.choices
        if (choice.table, choice.key) in own or not (choice.table == "teacher" and names_teacher(settings))
    ]
    return replace(proposal, choices=(*kept, *own.values()))


def _choices(table: Mapping[str, Any], file: Path, recipe: Path, name: str = "") -> Iterator[Choice]:
    """A choice for each key of a table and of those in it."""
    for key, value in table.items():
        place = f"{name}.{key}" if name else key
        reason = _NOT_HERE.get((name, key)) or ("the limits are options" if place == _BUDGET else None)
        if reason:
            raise UsageError(f"{file}: {place}: {reason}")
        if isinstance(value, Mapping):
            if not _BARE.fullmatch(place):
                raise UsageError(f"{file}: a recipe has no table [{printable(place)}]")
            yield from _choices(value, file, recipe, place)
        elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            raise UsageError(f"{file}: {place} is a list of tables. Write it into a recipe, and use `edgekd run`")
        else:
            is_path = (name, key) in _PATHS and isinstance(value, str) and (file.parent / value).exists()
            yield Choice(name, key, place_from(recipe, file.parent / value) if is_path else value, f"from {file}")
