"""Reading a recipe: TOML, checked, its paths made absolute."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from edgekd.errors import RecipeError
from edgekd.recipe.mistakes import explain_error
from edgekd.recipe.sections import Recipe
from edgekd.scale.place import is_uri
from edgekd.students.spec import parse_student
from edgekd.teacher.settings import TeacherSection


def load_recipe(path: Path, *, strict: bool = False) -> Recipe:
    """Read a recipe; ``strict`` sets ``data.strict``.

    Raises RecipeError naming the file, the key and the nearest valid name.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"{path} does not exist. A recipe is a TOML file; see: edgekd run --help") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path} is not a TOML file that can be read: {error}") from None
    recipe = parse_recipe(table, path)
    if strict:
        recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"strict": True})})
    return recipe


def parse_recipe(table: dict[str, Any], path: Path) -> Recipe:
    """Check a recipe's table; ``path`` is where relative paths start and what errors name. Raises RecipeError."""
    folder = path.resolve().parent
    if isinstance(table.get("teacher"), dict):
        table = {**table, "teacher": _with_class_names(table["teacher"], folder, path)}
    try:
        recipe = Recipe.model_validate(table)
    except ValidationError as error:
        raise RecipeError("\n".join(f"{path}: {explain_error(item)}" for item in error.errors())) from None
    return _anchor(recipe, folder)


def _anchor(recipe: Recipe, folder: Path) -> Recipe:
    def absolute(value: Path | None) -> Path | None:
        return None if value is None else (folder / value.expanduser()).resolve()

    given = recipe.data
    source = absolute(given.source) if isinstance(given.source, Path) else tuple(map(absolute, given.source))
    taught = given.taught and tuple(where if is_uri(where) else str(absolute(Path(where))) for where in given.taught)
    paths = {
        "source": source, "images": absolute(given.images), "unlabelled": absolute(given.unlabelled), "taught": taught,
    }  # fmt: skip
    data = given.model_copy(update=paths)
    changes: dict[str, Any] = {"data": data}
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
        members = tuple(m.model_copy(update={"model": absolute(m.model)}) for m in teacher.model)
        return teacher.model_copy(update={"model": members})
    return teacher.model_copy(update={"model": absolute(teacher.model)}) if teacher.members() else teacher


def _with_class_names(table: dict[str, Any], folder: Path, path: Path) -> dict[str, Any]:
    """A teacher's table with the names in the text file that ``classes`` may be the path of. Raises RecipeError."""
    table = dict(table)
    if isinstance(table.get("model"), list):
        table["model"] = [_with_class_names(m, folder, path) if isinstance(m, dict) else m for m in table["model"]]
    if isinstance(table.get("classes"), str):
        file = folder / table["classes"]
        try:
            table["classes"] = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(
                f"{path}: teacher.classes: {file} is no text file with a class name a line ({error})"
            ) from None
    return table
