"""edgekd: from a folder of photos and a big image classifier to a small one that is checked and measured.

>>> import edgekd
>>> recipe = edgekd.load_recipe(Path("road.toml"))       # doctest: +SKIP
>>> edgekd.run(recipe, Path("runs/road"))                # doctest: +SKIP
>>> artifact = edgekd.Artifact.open(Path("runs/road/export/student.int8.tflite"))  # doctest: +SKIP
>>> edgekd.predict(artifact, [Path("photo.jpg")])        # doctest: +SKIP

Importing it loads nothing heavy: each name below is fetched when it is first used.

Where things live, in the order in which the data flows and imports may go (`tests/test_imports.py` holds it):

    errors, storage, preprocess, metrics     the error tree; atomic files; photo to input; intervals
    scale/       who does independent pieces of work (here, or Ray), where their files are kept; lists of photos
    data/        reading, duplicates, splits, seeded views of photos
    artifact, tflite_file, onnx_file, ort_file    a shipped file, read without a runtime
    runtime/     running it (LiteRT, ONNX Runtime)          golden/      vectors that a port is tested against
    inspection/  what is inside any file, and its lint
    training/    the one training loop, its batches and checkpoints, several GPUs
    teach/       teachers of every kind and their average, the stored column of their logits
    students/    cnn, slice, the user's own       distill/   objectives, a file each, and what binds them to a model
    quantize/    float to integers: calibration, ranges, ptq, ladder; saturation (weights for any CPU); bridge, aware,
                 sparsity (TFMOT on tf_keras)     export/    writing .tflite, .onnx, .ort, C, Core ML; parity
    devices/     host, ssh, adb, emulated: a file a transport, their facts, their setup
    bench/       the plan, agents on a device (agent.py is copied there), results, statistics, validity
    report/      renders a run, a sweep, or many devices    recipe/    what decides a run
    pipeline/    the stages of a run; sweeps      cli/       a file a command
    ../android_demo/                              the app; two of its files port preprocess and artifact

TensorFlow and Keras are imported inside functions of training, teach, students, distill, quantize, export and pipeline
alone. An artifact's record (labels, preprocessing, provenance) is written by `export.record` and read by `artifact`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from edgekd._version import __version__ as __version__

if TYPE_CHECKING:
    from edgekd.bench.harness import measure as measure
    from edgekd.bench.plan import BenchPlan as BenchPlan
    from edgekd.bench.targets import BenchTarget as BenchTarget
    from edgekd.data.dataset import Dataset as Dataset
    from edgekd.data.load import load_dataset as load_dataset
    from edgekd.data.splitting import SplitPolicy as SplitPolicy
    from edgekd.devices.table import open_device as open_device
    from edgekd.errors import EdgekdError as EdgekdError
    from edgekd.evaluation.score import score as score
    from edgekd.export.exporter import export as export_model
    from edgekd.formats.artifact import Artifact as Artifact
    from edgekd.pipeline.run import run as run
    from edgekd.preprocess import Preprocessing as Preprocessing
    from edgekd.preprocess import preprocess as preprocess_photo
    from edgekd.recipe import Recipe as Recipe
    from edgekd.recipe import load_recipe as load_recipe
    from edgekd.report.render import render as render
    from edgekd.runtime.open import open_runner as open_runner
    from edgekd.runtime.predict import predict as predict

# Public name: the module that defines it, and its name there where that is the name of a package here.
_HOMES = {
    "Artifact": ("edgekd.formats.artifact", "Artifact"),
    "BenchPlan": ("edgekd.bench.plan", "BenchPlan"),
    "BenchTarget": ("edgekd.bench.targets", "BenchTarget"),
    "Dataset": ("edgekd.data.dataset", "Dataset"),
    "EdgekdError": ("edgekd.errors", "EdgekdError"),
    "Preprocessing": ("edgekd.preprocess", "Preprocessing"),
    "Recipe": ("edgekd.recipe", "Recipe"),
    "SplitPolicy": ("edgekd.data.splitting", "SplitPolicy"),
    "export_model": ("edgekd.export.exporter", "export"),
    "load_dataset": ("edgekd.data.load", "load_dataset"),
    "load_recipe": ("edgekd.recipe", "load_recipe"),
    "measure": ("edgekd.bench.harness", "measure"),
    "open_device": ("edgekd.devices.table", "open_device"),
    "open_runner": ("edgekd.runtime.open", "open_runner"),
    "predict": ("edgekd.runtime.predict", "predict"),
    "preprocess_photo": ("edgekd.preprocess", "preprocess"),
    "render": ("edgekd.report.render", "render"),
    "run": ("edgekd.pipeline.run", "run"),
    "score": ("edgekd.evaluation.score", "score"),
}
__all__ = [*_HOMES, "__version__"]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'edgekd' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return __all__
