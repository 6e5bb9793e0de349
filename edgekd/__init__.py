"""edgekd: from a folder of photos and a big image classifier to a small one that is checked and measured.

>>> import edgekd
>>> outcome = edgekd.run("litter.toml", "runs/litter")                        # doctest: +SKIP
>>> edgekd.predict("runs/litter/export/student.int8.tflite", ["photo.jpg"])   # doctest: +SKIP
>>> edgekd.BenchResult.load("runs/litter/bench/bench.json").device            # doctest: +SKIP
'host'

Importing it loads nothing heavy: each public name is fetched when it is first used. What a public function takes or
gives can be imported from here, and wherever it takes a path it takes a string.

Stability. Public are the names in ``edgekd.__all__`` with their parameters and attributes, the commands with their
options and exit codes, the keys of recipes, and the files with a ``schema`` number: an exported file's record,
run.json, check.json, bench.json, sweep.json and report.json. CHANGELOG.md lists their changes: what is public is first
deprecated and works for at least one more minor version, under its old name or with a warning, and a file of an older
schema is read, or refused with its version. Everything else may change in any version: modules below ``edgekd`` and
their names, messages, the layout of a report and of a run's folder, and anything called experimental. The same recipe,
photos, versions and machine give the same bytes; another version of edgekd may give others.

Where things are, in the order in which data flows and imports may go (tests/test_imports.py):

    text, errors, extras            foreign text; the error tree; what each extra brings
    stopping, process_tree, memory  signals; what a process started; free memory, archive bombs
    storage, temporary, processes   atomic files; temporary ones; child processes
    parent_death                    commands that end with the thread that started them
    progress, section               watchers; what every section of a recipe is
    preprocess                      photo to input tensor, as it is specified
    frames                          the same for frames of a camera: planes of RGBA or YUV
    photo_pixels, photo_input       its two halves, which devices run too: decoding, and what makes inputs of pixels
    quiet, task                     silent libraries; one label a photo, or tags
    metrics, tag_metrics            intervals of what is said of labels, and of tags
    tag_randomization, scoring      a test of two models' tags; how models of either task are judged
    scale/        executors for independent tasks (in-process or Ray), and where their files are
    data/         reading photos and labels, duplicates, splits, seeded views
    formats/      exported files, read without a runtime
    runtime/      running them (LiteRT, ONNX Runtime)         golden/      vectors that a port is tested against
    inspection/   what is inside any file, and its lint
    training/     the training loop, its batches and checkpoints, several GPUs
    models/       networks that teachers and students share: loading, logits, blocks, pixel range
    teacher/      teachers of every kind and their average    foreign/    other tools' files, opened to be run
    soft_targets/ stored logits: computing, joining
    students/     cnn, slice, the user's                      distill/     objectives, a file each, and their binding
    quantize/     float to integers: calibration, PTQ, QAT, the ladder of conversions, sparsity
    decisions/    temperature, rejection and thresholds of a file, and its last op
    evaluation/   accuracy of any file, the teacher's gates   export/      writing .tflite, .onnx, .ort, C, Core ML
    accelerators/ the same answers on GPU and CPU, and a proof about half precision
    devices/      host, ssh, adb, emulated: a file a transport, their facts, their setup
    bench/        the plan, agents on a device, results, statistics, validity, energy
    core_time/    estimated milliseconds of an emulated core
    report/       renders a run, a sweep, or many devices     demo/        a file as a web page that runs it
    recipe/       what decides a run
    pipeline/     a run: stages/ a file a stage, sweep/ many students of one teacher
    audit/        doubtful labels of a run, what to label next
    doctor        what is installed                           cli/         a file a command
    js/           preprocess, record and decision in JavaScript, for browsers, Node and apps
    kotlin/       the same in Kotlin: the files that an Android app takes
    apple/        a Swift package for iOS around edgekd_preprocess.h
    dart/         preprocess, record and decision in Dart, for Flutter
    ../android_demo/      the app that shows the Kotlin files

TensorFlow and Keras are imported inside functions of training, models, teacher, soft_targets, students, distill,
quantize, export and pipeline alone. A file's record (labels, preprocessing, provenance) is written by ``export.record``
and read by ``formats.artifact``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from edgekd._version import __version__ as __version__

if TYPE_CHECKING:
    from edgekd.accelerators.half_precision import HalfOp as HalfOp
    from edgekd.accelerators.half_precision import HalfPrecision as HalfPrecision
    from edgekd.accelerators.half_precision import prove_half_precision as prove_half_precision
    from edgekd.accelerators.records import AcceleratorCheck as AcceleratorCheck
    from edgekd.accelerators.records import Flip as Flip
    from edgekd.accelerators.same_answers import check_accelerators as check_accelerators
    from edgekd.bench.before_after import Change as Change
    from edgekd.bench.before_after import changes as compare
    from edgekd.bench.harness import measure as measure
    from edgekd.bench.plan import BenchPlan as BenchPlan
    from edgekd.bench.records import Launch as Launch
    from edgekd.bench.records import Measurement as Measurement
    from edgekd.bench.result import BenchResult as BenchResult
    from edgekd.bench.statistics import Comparison as Comparison
    from edgekd.bench.statistics import Summary as Summary
    from edgekd.bench.targets import BenchTarget as BenchTarget
    from edgekd.bench.validity import Validity as Validity
    from edgekd.data.dataset import Dataset as Dataset
    from edgekd.data.dataset import Sample as Sample
    from edgekd.data.load import load_dataset as load_dataset
    from edgekd.data.splitting import SplitPolicy as SplitPolicy
    from edgekd.data.warnings import DataWarning as DataWarning
    from edgekd.devices.protocol import Device as Device
    from edgekd.devices.table import open_device as open_device
    from edgekd.distill.attention_transfer import AttentionTransfer as AttentionTransfer
    from edgekd.distill.dist import Dist as Dist
    from edgekd.distill.dkd import DKD as DKD
    from edgekd.distill.fitnet import FitNet as FitNet
    from edgekd.distill.hinton import Hinton as Hinton
    from edgekd.distill.relational import Relational as Relational
    from edgekd.distill.similarity_preserving import SimilarityPreserving as SimilarityPreserving
    from edgekd.distill.standardized import Standardized as Standardized
    from edgekd.distill.table import Weighted as Weighted
    from edgekd.errors import ArtifactChangedError as ArtifactChangedError
    from edgekd.errors import ArtifactError as ArtifactError
    from edgekd.errors import DataError as DataError
    from edgekd.errors import DecodeError as DecodeError
    from edgekd.errors import DeviceError as DeviceError
    from edgekd.errors import DeviceNotFound as DeviceNotFound
    from edgekd.errors import DeviceTimeout as DeviceTimeout
    from edgekd.errors import EdgekdError as EdgekdError
    from edgekd.errors import ExportError as ExportError
    from edgekd.errors import GateFailed as GateFailed
    from edgekd.errors import MemoryShortage as MemoryShortage
    from edgekd.errors import MissingExtraError as MissingExtraError
    from edgekd.errors import ModelError as ModelError
    from edgekd.errors import RecipeError as RecipeError
    from edgekd.errors import RunError as RunError
    from edgekd.errors import SplitError as SplitError
    from edgekd.errors import StorageError as StorageError
    from edgekd.errors import UnsupportedOpError as UnsupportedOpError
    from edgekd.errors import UsageError as UsageError
    from edgekd.evaluation.gates import ParityGates as ParityGates
    from edgekd.evaluation.rows import CheckRow as CheckRow
    from edgekd.evaluation.rows import GateResult as GateResult
    from edgekd.evaluation.score import score as evaluate
    from edgekd.evaluation.score import score as score
    from edgekd.export.exporter import export as export_model
    from edgekd.export.options import ExportOptions as ExportOptions
    from edgekd.foreign.open_model import open_model as open_model
    from edgekd.foreign.options import FileOptions as FileOptions
    from edgekd.formats.artifact import Artifact as Artifact
    from edgekd.formats.decision import Answer as Answer
    from edgekd.formats.decision import Decision as Decision
    from edgekd.inspection.inspect_file import Inspection as Inspection
    from edgekd.inspection.inspect_file import inspect_file as inspect
    from edgekd.metrics import Interval as Interval
    from edgekd.pipeline.label_list import LabelSummary as LabelSummary
    from edgekd.pipeline.label_list import label_photos as label_photos
    from edgekd.pipeline.run import RunOutcome as RunOutcome
    from edgekd.pipeline.run import run as run
    from edgekd.pipeline.sweep.records import Sweep as Sweep
    from edgekd.pipeline.sweep.records import SweptStudent as SweptStudent
    from edgekd.pipeline.sweep.sweep import sweep as sweep
    from edgekd.preprocess import Preprocessing as Preprocessing
    from edgekd.preprocess import preprocess as preprocess_photo
    from edgekd.progress import Watcher as Watcher
    from edgekd.quantize.settings import QuantizeSection as QuantizeSection
    from edgekd.recipe import Recipe as Recipe
    from edgekd.recipe import load_recipe as load_recipe
    from edgekd.report.model import Headline as Headline
    from edgekd.report.model import Report as Report
    from edgekd.report.render import render as render
    from edgekd.runtime.open import open_runner as open_runner
    from edgekd.runtime.predict import Prediction as Prediction
    from edgekd.runtime.predict import predict as predict
    from edgekd.runtime.runner import Runner as Runner
    from edgekd.scale.workers import Workers as Workers
    from edgekd.training.labels import LabelsOnly as LabelsOnly

# Public name: the module that defines it, and its name there.
_HOMES = {
    "AcceleratorCheck": ("edgekd.accelerators.records", "AcceleratorCheck"),
    "Answer": ("edgekd.formats.decision", "Answer"),
    "Artifact": ("edgekd.formats.artifact", "Artifact"),
    "ArtifactChangedError": ("edgekd.errors", "ArtifactChangedError"),
    "ArtifactError": ("edgekd.errors", "ArtifactError"),
    "AttentionTransfer": ("edgekd.distill.attention_transfer", "AttentionTransfer"),
    "BenchPlan": ("edgekd.bench.plan", "BenchPlan"),
    "BenchResult": ("edgekd.bench.result", "BenchResult"),
    "BenchTarget": ("edgekd.bench.targets", "BenchTarget"),
    "Change": ("edgekd.bench.before_after", "Change"),
    "CheckRow": ("edgekd.evaluation.rows", "CheckRow"),
    "Comparison": ("edgekd.bench.statistics", "Comparison"),
    "DKD": ("edgekd.distill.dkd", "DKD"),
    "DataError": ("edgekd.errors", "DataError"),
    "DataWarning": ("edgekd.data.warnings", "DataWarning"),
    "Dataset": ("edgekd.data.dataset", "Dataset"),
    "Decision": ("edgekd.formats.decision", "Decision"),
    "DecodeError": ("edgekd.errors", "DecodeError"),
    "Device": ("edgekd.devices.protocol", "Device"),
    "DeviceError": ("edgekd.errors", "DeviceError"),
    "DeviceNotFound": ("edgekd.errors", "DeviceNotFound"),
    "DeviceTimeout": ("edgekd.errors", "DeviceTimeout"),
    "Dist": ("edgekd.distill.dist", "Dist"),
    "EdgekdError": ("edgekd.errors", "EdgekdError"),
    "ExportError": ("edgekd.errors", "ExportError"),
    "ExportOptions": ("edgekd.export.options", "ExportOptions"),
    "FileOptions": ("edgekd.foreign.options", "FileOptions"),
    "Flip": ("edgekd.accelerators.records", "Flip"),
    "FitNet": ("edgekd.distill.fitnet", "FitNet"),
    "GateFailed": ("edgekd.errors", "GateFailed"),
    "GateResult": ("edgekd.evaluation.rows", "GateResult"),
    "HalfOp": ("edgekd.accelerators.half_precision", "HalfOp"),
    "HalfPrecision": ("edgekd.accelerators.half_precision", "HalfPrecision"),
    "Headline": ("edgekd.report.model", "Headline"),
    "Hinton": ("edgekd.distill.hinton", "Hinton"),
    "Inspection": ("edgekd.inspection.inspect_file", "Inspection"),
    "Interval": ("edgekd.metrics", "Interval"),
    "LabelSummary": ("edgekd.pipeline.label_list", "LabelSummary"),
    "LabelsOnly": ("edgekd.training.labels", "LabelsOnly"),
    "Launch": ("edgekd.bench.records", "Launch"),
    "Measurement": ("edgekd.bench.records", "Measurement"),
    "MemoryShortage": ("edgekd.errors", "MemoryShortage"),
    "MissingExtraError": ("edgekd.errors", "MissingExtraError"),
    "ModelError": ("edgekd.errors", "ModelError"),
    "ParityGates": ("edgekd.evaluation.gates", "ParityGates"),
    "Prediction": ("edgekd.runtime.predict", "Prediction"),
    "Preprocessing": ("edgekd.preprocess", "Preprocessing"),
    "QuantizeSection": ("edgekd.quantize.settings", "QuantizeSection"),
    "Recipe": ("edgekd.recipe", "Recipe"),
    "RecipeError": ("edgekd.errors", "RecipeError"),
    "Relational": ("edgekd.distill.relational", "Relational"),
    "Report": ("edgekd.report.model", "Report"),
    "RunError": ("edgekd.errors", "RunError"),
    "RunOutcome": ("edgekd.pipeline.run", "RunOutcome"),
    "Runner": ("edgekd.runtime.runner", "Runner"),
    "Sample": ("edgekd.data.dataset", "Sample"),
    "SimilarityPreserving": ("edgekd.distill.similarity_preserving", "SimilarityPreserving"),
    "SplitError": ("edgekd.errors", "SplitError"),
    "SplitPolicy": ("edgekd.data.splitting", "SplitPolicy"),
    "Standardized": ("edgekd.distill.standardized", "Standardized"),
    "StorageError": ("edgekd.errors", "StorageError"),
    "Summary": ("edgekd.bench.statistics", "Summary"),
    "Sweep": ("edgekd.pipeline.sweep.records", "Sweep"),
    "SweptStudent": ("edgekd.pipeline.sweep.records", "SweptStudent"),
    "UnsupportedOpError": ("edgekd.errors", "UnsupportedOpError"),
    "UsageError": ("edgekd.errors", "UsageError"),
    "Validity": ("edgekd.bench.validity", "Validity"),
    "Watcher": ("edgekd.progress", "Watcher"),
    "Weighted": ("edgekd.distill.table", "Weighted"),
    "Workers": ("edgekd.scale.workers", "Workers"),
    "check_accelerators": ("edgekd.accelerators.same_answers", "check_accelerators"),
    "compare": ("edgekd.bench.before_after", "changes"),
    "evaluate": ("edgekd.evaluation.score", "score"),
    "export_model": ("edgekd.export.exporter", "export"),
    "inspect": ("edgekd.inspection.inspect_file", "inspect_file"),
    "label_photos": ("edgekd.pipeline.label_list", "label_photos"),
    "load_dataset": ("edgekd.data.load", "load_dataset"),
    "load_recipe": ("edgekd.recipe", "load_recipe"),
    "measure": ("edgekd.bench.harness", "measure"),
    "open_device": ("edgekd.devices.table", "open_device"),
    "open_model": ("edgekd.foreign.open_model", "open_model"),
    "open_runner": ("edgekd.runtime.open", "open_runner"),
    "predict": ("edgekd.runtime.predict", "predict"),
    "preprocess_photo": ("edgekd.preprocess", "preprocess"),
    "prove_half_precision": ("edgekd.accelerators.half_precision", "prove_half_precision"),
    "render": ("edgekd.report.render", "render"),
    "run": ("edgekd.pipeline.run", "run"),
    "score": ("edgekd.evaluation.score", "score"),
    "sweep": ("edgekd.pipeline.sweep.sweep", "sweep"),
}
__all__ = [*_HOMES, "__version__"]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'edgekd' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
