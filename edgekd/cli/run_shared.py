"""Running a recipe from the command line: shared by run, train, distill and quickstart."""

from __future__ import annotations

from pathlib import Path

import click

from edgekd.cli.console import PROGRESS, RESULT, ConsoleWatcher, print_json
from edgekd.errors import GateFailed
from edgekd.recipe import Recipe
from edgekd.scale.workers import Workers


def run_recipe(
    recipe: Recipe, out: Path, until: str, accept_weak_teacher: bool, as_json: bool, workers: Workers | None = None
) -> None:
    """Run up to a stage, print what it came to, and raise GateFailed at the very end where a gate failed."""
    from edgekd.pipeline.run import run

    directory = out / recipe.name
    PROGRESS.print(f"[bold]{recipe.name}[/bold] in {directory}")
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
        RESULT.print(f"done up to {until}: {directory / until}")
    if outcome.failed_gates:
        lines = [f"{gate['name']}: {gate['message']}" for gate in outcome.failed_gates]
        raise GateFailed("the files are written, but a gate failed:\n  " + "\n  ".join(lines))


def show(directory: Path, as_json: bool) -> None:
    """Print a rendered run: its headline and table, or its JSON."""
    from edgekd.report.collect import collect
    from edgekd.report.table import table

    report = collect(directory)
    if as_json:
        click.echo((directory / "report.json").read_text(encoding="utf-8"), nl=False)
        return
    RESULT.print(f"\n[bold]{report.headline}[/bold]\n")
    RESULT.print(table(report))
    RESULT.print(f"report: {directory / 'report.html'}")
