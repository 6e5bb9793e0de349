"""Running a recipe from the command line: shared by run, train, distill and quickstart."""

from __future__ import annotations

import json
from pathlib import Path

from edgekd.cli.console import PROGRESS, ConsoleWatcher, line, print_json, table
from edgekd.errors import GateFailed
from edgekd.recipe import Recipe
from edgekd.scale.workers import Workers


def run_recipe(
    recipe: Recipe, out: Path, until: str, accept_weak_teacher: bool, as_json: bool, workers: Workers | None = None
) -> None:
    """Run up to a stage, print the result, and raise GateFailed at the very end where a gate failed."""
    from edgekd.pipeline.run import run

    directory = out / recipe.name
    print_place(recipe, directory)
    watcher = ConsoleWatcher()
    try:
        outcome = run(
            recipe, directory, until=until, accept_weak_teacher=accept_weak_teacher, watcher=watcher, workers=workers
        )
    finally:
        watcher.stop()
    if until == "report":
        show(directory, as_json)
    elif as_json:
        print_json({"directory": str(directory), "until": until})
    else:
        line(f"done up to {until}: {directory / until}")
    if outcome.failed_gates:
        lines = [f"{gate['name']}: {gate['message']}" for gate in outcome.failed_gates]
        raise GateFailed("the files are written, but a gate failed:\n  " + "\n  ".join(lines))


def print_place(recipe: Recipe, directory: Path) -> None:
    """Say which recipe runs where: a relative folder is one of the current one, not of the recipe's."""
    here = "" if directory.is_absolute() else f", a folder of {Path.cwd()}"
    line((recipe.name, "bold"), f" in {directory}{here}", to=PROGRESS)


def show(directory: Path, as_json: bool) -> None:
    """Print a rendered run: its headline and table, or its JSON."""
    from edgekd.report.collect import collect
    from edgekd.report.table import caption, main_cells

    if as_json:
        print_json(json.loads((directory / "report.json").read_text(encoding="utf-8")))
        return
    report = collect(directory)
    cells = main_cells(report)
    line("\n", (str(report.headline), "bold"), "\n")
    table(cells.header, cells.rows, caption=caption(report))
    line(f"report: {directory / 'report.html'}")
