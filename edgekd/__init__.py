"""edgekd: from a folder of photos and a big image classifier to a small one that is checked and measured.

>>> import edgekd
>>> recipe = edgekd.load_recipe(Path("road.toml"))       # doctest: +SKIP
>>> edgekd.run(recipe, Path("runs/road"))                # doctest: +SKIP
>>> artifact = edgekd.Artifact.open(Path("runs/road/export/student.int8.tflite"))  # doctest: +SKIP
>>> edgekd.predict(artifact, [Path("photo.jpg")])        # doctest: +SKIP

Importing it loads nothing heavy: each name below is fetched when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from edgekd.artifact import Artifact as Artifact
    from edgekd.bench.harness import BenchTarget as BenchTarget
    from edgekd.bench.harness import measure as measure
    from edgekd.bench.plan import BenchPlan as BenchPlan
    from edgekd.data.dataset import Dataset as Dataset
    from edgekd.data.load import load_dataset as load_dataset
    from edgekd.data.splitting import SplitPolicy as SplitPolicy
    from edgekd.devices.table import open_device as open_device
    from edgekd.errors import EdgekdError as EdgekdError
    from edgekd.export.exporter import export as export
    from edgekd.export.parity import score as score
    from edgekd.pipeline.run import run as run
    from edgekd.preprocess import Preprocessing as Preprocessing
    from edgekd.preprocess import preprocess as preprocess
    from edgekd.recipe import Recipe as Recipe
    from edgekd.recipe import load_recipe as load_recipe
    from edgekd.report.render import render as render
    from edgekd.runtime.predict import predict as predict
    from edgekd.runtime.runner import open_runner as open_runner

# Public name: the module that defines it.
_HOMES = {
    "Artifact": "edgekd.artifact",
    "BenchPlan": "edgekd.bench.plan",
    "BenchTarget": "edgekd.bench.harness",
    "Dataset": "edgekd.data.dataset",
    "EdgekdError": "edgekd.errors",
    "Preprocessing": "edgekd.preprocess",
    "Recipe": "edgekd.recipe",
    "SplitPolicy": "edgekd.data.splitting",
    "export": "edgekd.export.exporter",
    "load_dataset": "edgekd.data.load",
    "load_recipe": "edgekd.recipe",
    "measure": "edgekd.bench.harness",
    "open_device": "edgekd.devices.table",
    "open_runner": "edgekd.runtime.runner",
    "predict": "edgekd.runtime.predict",
    "preprocess": "edgekd.preprocess",
    "render": "edgekd.report.render",
    "run": "edgekd.pipeline.run",
    "score": "edgekd.export.parity",
}
__all__ = [*_HOMES, "__version__"]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'edgekd' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
