"""A whole run, from photos to a report."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from edgekd._version import __version__
from edgekd.devices.table import open_device
from edgekd.extras import require
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.search.early import require_possible
from edgekd.pipeline.stage import Workspace
from edgekd.pipeline.stage_table import Stage, stages_until
from edgekd.progress import Watcher, default_watcher
from edgekd.recipe import Recipe, load_recipe
from edgekd.scale.workers import Here, Workers
from edgekd.storage import locked, read_json, write_json

_PACKAGES = (
    "tensorflow", "keras", "tf_keras", "tensorflow-model-optimization", "numpy", "pillow", "onnx", "onnxruntime",
    "tf2onnx", "ai-edge-litert",
)  # fmt: skip


@dataclass(frozen=True)
class RunOutcome:
    """``directory`` of the run and the gates that failed and were not accepted: name, value, bar and message."""

    directory: Path
    failed_gates: tuple[dict[str, Any], ...]


def run(
    recipe: Recipe | str | os.PathLike[str],
    directory: str | os.PathLike[str] | None = None,
    *,
    until: str = "report",
    accept_weak_teacher: bool = False,
    watcher: Watcher | None = None,
    workers: Workers | None = None,
) -> RunOutcome:
    """Do the stages of ``recipe`` up to ``until`` in ``directory``; those whose inputs have not changed are skipped.

    Killed and called again, it resumes where it was and ends in the same files.

    Args:
        recipe: A recipe, or the path of its TOML file.
        directory: The run's directory; runs/NAME of the current folder where it is not given.
        until: A name of `edgekd.pipeline.stage_table`: that stage is done, and all that it needs.
        accept_weak_teacher: Continue with a teacher that failed its gates, as the recipe's ``accept_weak`` does.
        watcher: Receives what happens.
        workers: Compute the soft targets and take the search's looks at candidates; this process by default.

    Returns:
        The directory and the gates that failed.

    Raises:
        MissingExtraError: ``edgekd[train]`` is not installed.
        GateFailed: The teacher is not worth learning from.
        UsageError: Workers do not see the run's directory or its photos.
        EdgekdError: The errors of the stages.

    Example:
        >>> outcome = run("litter.toml")  # doctest: +SKIP
        >>> outcome.directory  # doctest: +SKIP
        PosixPath('runs/litter')
    """
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(Path(recipe))
    directory = Path("runs", recipe.name) if directory is None else Path(directory)
    stages = [stage for stage in stages_until(until) if stage.when(recipe)]
    require("train", "running a recipe")
    with locked(directory):
        context = RunContext(
            Workspace(directory, watcher or default_watcher(), workers or Here()), recipe, accept_weak_teacher
        )
        # It sees by the files of an earlier run what is done already.
        require_possible(recipe, directory, [stage.name for stage in stages])
        recipe.save(directory / "recipe.toml")
        write_json(directory / "run.json", _facts(recipe))
        for stage in stages:
            stage.check(recipe)
        context.workspace.workers.require_visible(directory.absolute(), _places(recipe))
        for stage in stages:
            context = stage.run(context)
    gates = read_json(directory / "check" / "check.json")["gates"] if _includes(stages, "check") else []
    return RunOutcome(directory, tuple(gate for gate in gates if not gate["passed"] and not gate.get("accepted")))


def _includes(stages: Sequence[Stage], name: str) -> bool:
    return any(stage.name == name for stage in stages)


def _places(recipe: Recipe) -> list[Path]:
    """Files and folders of the recipe that are read where its work is done."""
    data = recipe.data
    sources = (data.source,) if isinstance(data.source, Path) else data.source
    photos = [place for place in (*sources, data.images, data.unlabelled, data.none) if place is not None]
    return [*photos, *(Path(member.model) for member in recipe.teacher.members() if not member.is_trained)]


def _facts(recipe: Recipe) -> dict[str, Any]:
    return {
        "schema": 1,
        "name": recipe.name,
        "edgekd": __version__,
        "versions": {name: _version(name) for name in _PACKAGES} | {"python": sys.version.split()[0]},
        "machine": open_device("host").facts(),
        "seed": recipe.seed,
        "seeds": recipe.seeds,
        "labels": recipe.distill.labels,
        "recipe_digest": recipe.digest(),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
