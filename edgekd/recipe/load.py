"""Reading a recipe: TOML, checked, its paths made absolute."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from edgekd.data.text_file import read_names
from edgekd.errors import DataError, RecipeError
from edgekd.recipe.mistakes import explain_error
from edgekd.recipe.sections import Recipe
from edgekd.scale.place import is_uri
from edgekd.storage import read_regular_file
from edgekd.students.spec import parse_student
from edgekd.teacher.settings import TeacherSection

_LARGEST_BYTES = 16 << 20


def load_recipe(path: str | os.PathLike[str], *, strict: bool = False) -> Recipe:
    """Read a recipe from a TOML file.

    Args:
        path: The file. Relative paths in it are taken from its folder.
        strict: Set ``data.strict``: every finding about the photos is an error.

    Returns:
        The recipe, with every default filled in and its paths made absolute.

    Raises:
        RecipeError: A line per mistake, with the file, the key and the nearest valid name.

    Example:
        >>> load_recipe("litter.toml").student.model  # doctest: +SKIP
        'slice:8@128'
    """
    path = Path(path)
    recipe = parse_recipe(read_table(path), path)
    if strict:
        recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"strict": True})})
    return recipe


def read_table(path: Path) -> dict[str, Any]:
    """The tables of a TOML file, unchecked. Raises RecipeError where it is none."""
    try:
        return tomllib.loads(read_regular_file(path, _LARGEST_BYTES).decode("utf-8"))
    except FileNotFoundError:
        raise RecipeError(
            f"{path} does not exist. A recipe is a TOML file; `edgekd recipe` prints one to start from"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise RecipeError(f"{path} is not a TOML file: {reason}") from None


def parse_recipe(table: dict[str, Any], path: str | os.PathLike[str]) -> Recipe:
    """Check a recipe's table.

    Args:
        table: The recipe as nested dicts, as tomllib reads it.
        path: The file that errors name; relative paths are taken from its folder. It need not exist.

    Returns:
        The recipe, with every default filled in and its paths made absolute.

    Raises:
        RecipeError: A line per mistake, with the file, the key and the nearest valid name.
    """
    path = Path(path)
    folder = path.resolve().parent
    for section in ("data", "teacher"):
        if isinstance(table.get(section), dict):
            table = {**table, section: _with_class_names(table[section], folder, f"{path}: {section}")}
    try:
        recipe = Recipe.model_validate(table)
    except ValidationError as error:
        raise RecipeError("\n  ".join(f"{path}: {explain_error(item)}" for item in error.errors())) from None
    return _anchor(recipe, folder)


def _anchor(recipe: Recipe, folder: Path) -> Recipe:
    def absolute(value: Path | None) -> Path | None:
        return None if value is None else (folder / value.expanduser()).resolve()

    data = recipe.data
    source = absolute(data.source) if isinstance(data.source, Path) else tuple(map(absolute, data.source))
    stores = data.soft_labelled and tuple(w if is_uri(w) else str(absolute(Path(w))) for w in data.soft_labelled)
    paths = {
        "source": source,
        "images": absolute(data.images),
        "unlabelled": absolute(data.unlabelled),
        "none": absolute(data.none),
        "corrections": absolute(data.corrections),
        "soft_labelled": stores,
    }
    changes: dict[str, Any] = {"data": data.model_copy(update=paths)}
    student = parse_student(recipe.student.model)
    changes["teacher"] = _anchored_teacher(recipe.teacher, folder)
    if student.kind == "keras":
        text = f"{absolute(Path(student.argument))}" + (f"@{student.input_size}" if student.input_size else "")
        changes["student"] = recipe.student.model_copy(update={"model": text})
    return recipe.model_copy(update=changes)


def _anchored_teacher(teacher: TeacherSection, folder: Path) -> TeacherSection:
    def absolute(model: str) -> str:
        return str((folder / Path(model).expanduser()).resolve())

    if isinstance(teacher.model, tuple):
        members = tuple(m if m.is_trained else m.model_copy(update={"model": absolute(m.model)}) for m in teacher.model)
        return teacher.model_copy(update={"model": members})
    if teacher.words is not None:
        teacher = teacher.model_copy(update={"words": absolute(teacher.words)})
    model = teacher.model
    assert isinstance(model, str)
    return teacher.model_copy(update={"model": absolute(model)}) if teacher.members() else teacher


def _with_class_names(table: dict[str, Any], folder: Path, where: str) -> dict[str, Any]:
    """A section's table with the names in the text file that ``classes`` may be the path of. Raises RecipeError."""
    table = dict(table)
    if isinstance(table.get("model"), list):
        table["model"] = [_with_class_names(m, folder, where) if isinstance(m, dict) else m for m in table["model"]]
    if isinstance(table.get("classes"), str):
        file = folder / table["classes"]
        try:
            table["classes"] = list(read_names(file))
        except DataError as error:
            raise RecipeError(f"{where}.classes: {error}") from None
    return table
