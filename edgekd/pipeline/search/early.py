"""What a budget asks for that can't be had, found before a teacher is trained."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from edgekd.devices.table import open_device
from edgekd.errors import DeviceError, EdgekdError, RecipeError
from edgekd.pipeline.search.timing import least_seconds
from edgekd.recipe import Recipe
from edgekd.storage import read_json

_ON_DEVICE = {"latency", "instructions"}


def require_possible(recipe: Recipe, run: Path, stages: Collection[str]) -> None:
    """Refuse a budget whose device can't be used, or whose minutes do not even hold what every search does.

    Args:
        recipe: What is to be run.
        run: Its directory: what is done there needs neither device nor minutes.
        stages: The names of the stages that are to be done.

    Raises:
        RecipeError: The minutes are too few.
        DeviceError: The device can't be reached, or can't measure.
    """
    budget = recipe.student.budget
    if budget is None or not {"search", "check"} & set(stages):
        return
    if _is_done(recipe, run, stages):
        return
    least = least_seconds(recipe) / 60
    if recipe.student.is_auto and budget.minutes is not None and budget.minutes < least:
        raise RecipeError(
            f"{budget.minutes:g} minutes are too few: the first looks of a search, conversion, check and measurement "
            f"take about {least:.1f} minutes, beside the teacher and the trainings. Allow {2 * least:.0f} or more"
        )
    if _ON_DEVICE & set(budget.limits()):
        _require_device(budget.where)


def _is_done(recipe: Recipe, run: Path, stages: Collection[str]) -> bool:
    """Whether the stages that measure were done by the same recipe."""
    measuring = [name for name in ("search", "check") if name in stages]
    if not all((run / name / "stage.json").is_file() for name in measuring):
        return False
    try:
        return bool(read_json(run / "run.json")["recipe_digest"] == recipe.digest())
    except (EdgekdError, KeyError, TypeError):
        return False


def _require_device(where: str) -> None:
    try:
        device = open_device(where)
        device.facts()
        if not where.startswith("adb:"):
            # Phones are also measured without a Python.
            assert device.python
    except DeviceError as error:
        error.args = (f"the budget is measured on {where}, which can't be used now: {error}",)
        raise
