"""``edgekd report``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the report's JSON to stdout.")
def command(run: Path, as_json: bool) -> None:
    """Render a run directory's report again, from its files alone.

    \b
    Example:
      edgekd report runs/quickstart
    """
    from edgekd.cli.run_shared import show
    from edgekd.errors import RunError
    from edgekd.report.render import render

    if not (run / "run.json").is_file():
        raise RunError(f"{run} is no run directory (it has no run.json). Make one: edgekd run RECIPE")
    render(run)
    show(run, as_json)
