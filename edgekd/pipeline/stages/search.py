"""Stage ``search``: the student of ``model = "auto"``, the best one that the budget allows."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekd.data.settings import facts_of
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.search.looking import Search
from edgekd.pipeline.search.record import Record
from edgekd.pipeline.search.timing import Clock, seconds_after, seconds_before
from edgekd.pipeline.stages import soft_targets
from edgekd.recipe import Recipe
from edgekd.storage import read_json, write_json

RECORD = "search.json"


def run(context: RunContext) -> RunContext:
    """Choose the student; writes ``search/search.json``, and ``search/recipe.toml`` that repeats the run without it.

    Gives the context of a recipe whose student is the chosen one. Raises GateFailed where nothing is within the budget.
    """
    recipe, workspace = context.recipe, context.workspace
    # Candidates learn from them.
    soft_targets.run(context)
    budget = recipe.student.budget
    assert budget is not None
    depends = {
        "student": facts_of(recipe.student),
        "distill": recipe.distill.model_dump(mode="json"),
        "export": recipe.export.stage_facts(),
        "teacher": workspace.hashes["teacher"],
        "soft_targets": workspace.hashes["soft_targets"],
        "metric": recipe.metric,
        **context.view_facts(),
    }

    def work(directory: Path, key: str) -> None:
        record = Record(directory / "state.json", key)
        clock = Clock(budget.minutes, seconds_before(context.path), seconds_after(recipe), record.earlier_s)
        if budget.minutes is not None:
            workspace.watcher.note(clock.describe())
        with workspace.workers.session():
            result = Search(context, directory, record, clock).run()
        write_json(directory / RECORD, result)
        chosen_recipe(recipe, result).save(directory / "recipe.toml")
        for stale in ("state.json", "trial.npz"):
            (directory / stale).unlink(missing_ok=True)
        for folder in (*directory.glob("views-*"), directory / "files", directory / "trials"):
            shutil.rmtree(folder, ignore_errors=True)

    directory = workspace.stage("search", depends, (RECORD,), work)
    result = read_json(directory / RECORD)
    workspace.watcher.note(f"student {result['student']}: {result['reason']}")
    facts = read_json(context.path / "run.json")
    write_json(context.path / "run.json", {**facts, "student": {key: result[key] for key in ("student", "reason")}})
    return replace(context, recipe=chosen_recipe(recipe, result))


def chosen_recipe(recipe: Recipe, result: dict[str, Any]) -> Recipe:
    """The recipe with the student that was chosen, and the minutes that are left for each of its trainings."""
    student: dict[str, Any] = {"model": result["student"]}
    if result["cut_from"] is not None:
        student["cut_from"] = result["cut_from"]
    schedule = recipe.distill.schedule
    if result["minutes_each"] is not None:
        least = min(result["minutes_each"], schedule.minutes or float("inf"))
        schedule = schedule.model_copy(update={"minutes": least})
    return recipe.model_copy(
        update={
            "student": recipe.student.model_copy(update=student),
            "distill": recipe.distill.model_copy(update={"schedule": schedule}),
        }
    )
