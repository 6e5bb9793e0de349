"""The embedded default: traffic lights, told as most users' own case, with few labels and many photos without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekd.data.traffic_lights import traffic_light_folders
from edgekd.recipe import Recipe, parse_recipe

_TABLE: dict[str, Any] = {
    "name": "quickstart",
    "metric": "balanced_accuracy",
    "data": {
        "split": {"val": 0.2, "test": 0.25, "labelled_per_class": 20},
        "views": {"views": 4},
    },
    # The crops are small and look like nothing in ImageNet, so every block of the teacher is fine-tuned.
    "teacher": {"model": "efficientnet-lite0", "input_size": 96, "fine_tune_blocks": 16},
    "student": {"model": "cnn:16@64"},
    "distill": {"schedule": {"epochs": 25}},
}


def quickstart_recipe() -> Recipe:
    """The quickstart's recipe on the photos of the installed extra. Raises DataError where they are missing."""
    folders = [str(folder) for folder in traffic_light_folders()]
    table = {**_TABLE, "data": {**_TABLE["data"], "source": folders}}
    return parse_recipe(table, Path("quickstart"))
