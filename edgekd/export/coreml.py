"""Writes Core ML with Apple's coremltools, an optional dependency: pip install "edgekd[coreml]".

A file takes a tensor of int32 with the bytes 0 to 255 [1, height, width, 3], since Core ML has no tensors of bytes, and
gives float32 probabilities: the same contract as a .tflite. Core ML is a part of Apple's systems; here each file's
program is computed op by op in NumPy (``runtime.coreml``) and held against Keras before the file is published.
"""

from __future__ import annotations

import importlib
import json
import logging
import shutil
import warnings
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import EdgekdError, ExportError
from edgekd.export.job import Checked, Job
from edgekd.export.options import CoremlWeights
from edgekd.export.record import Record
from edgekd.export.verify import ExpectedOutputs, verify
from edgekd.extras import require
from edgekd.formats.artifact import ONNX_RECORD, Artifact
from edgekd.formats.coreml_file import SUFFIX
from edgekd.quantize.float_model import INPUT_NAME, OUTPUT_NAME, FloatModel, divide_keras_logits
from edgekd.quiet import quiet, reason_of
from edgekd.storage import write_bytes

PRECISIONS: dict[CoremlWeights, str] = {
    "float16": "float16", "int8": "int8-weights", "palette8": "palette8", "palette6": "palette6",
    "palette4": "palette4",
}  # fmt: skip
"""The precision of a file, and the middle of its name, by its weights; all of them compute in float16."""
# A smaller tensor gains nothing from scales or a palette.
_LEAST_WEIGHTS = 512
_ITERATIONS = 20
# What TensorFlow calls the result of a function.
_TF_OUTPUT = "Identity"
# Entries of the metadata that would make two exports of one model differ.
_DATES = ("com.github.apple.coremltools.conversion_date",)


def check_installed() -> None:
    """Raise MissingExtraError unless coremltools can be imported."""
    require("coreml", "the format coreml")


def converter() -> str:
    """Name and version of the converter."""
    return f"coremltools {version('coremltools')}"


def make_coreml(job: Job, expected: ExpectedOutputs) -> list[Checked]:
    """Write and check the .mlpackage of each kind of weights that is asked for; one that fails leaves nothing.

    Raises: MissingExtraError without coremltools; ExportError, UnsupportedOpError.
    """
    check_installed()
    expected = expected.with_decision(job.file_decision("float32"))
    files: list[Checked] = []
    for model in job.attempt(lambda: [convert(job)]):
        for weights in job.options.coreml_weights:
            files += job.attempt(partial(_make, job, model, weights, expected))
    return files


def _make(job: Job, model: Any, weights: CoremlWeights, expected: ExpectedOutputs) -> list[Checked]:
    try:
        artifact = write_coreml(job, model, weights)
        return [(artifact, verify(artifact, expected))]
    except BaseException:
        # What lies in the job's folder is published.
        shutil.rmtree(_path(job, weights), ignore_errors=True)
        raise


def write_coreml(job: Job, model: Any, weights: CoremlWeights) -> Artifact:
    """Write the package of ``convert``'s model with these weights, without checking it. Raises ExportError."""
    precision, path = PRECISIONS[weights], _path(job, weights)
    decision = job.file_decision("float32").rule_or_none or job.decision
    record = replace(job.record(precision, {"converter": converter()}), decision=decision)
    with quiet() as read_log:
        try:
            _save(_with_weights(model, weights), record, path)
        except Exception as error:  # coremltools raises many kinds
            raise _refused(f"could not write {path.name}", reason_of(error, read_log)) from None
    return Artifact.open(path)


def _path(job: Job, weights: CoremlWeights) -> Path:
    return job.directory / f"{job.stem}.{PRECISIONS[weights]}{SUFFIX}"


def convert(job: Job) -> Any:
    """The job's model as a Core ML program of float16, coremltools' MLModel. Raises ExportError."""
    float_model = divide_keras_logits(job.float_model, job.file_decision("float32").temperature)
    with quiet() as read_log:
        # It warns at import, once per module, that it cannot run models here.
        logging.getLogger("coremltools").setLevel(logging.ERROR)
        try:
            return _convert(float_model)
        except Exception as error:  # its converter raises many kinds
            raise _refused(f"could not convert {job.stem}", reason_of(error, read_log)) from None


def _refused(what: str, reason: str) -> EdgekdError:
    return ExportError(f"coremltools {what}: {reason[:2000]}. Leave out coreml, or replace the layer that it names")


def _convert(float_model: FloatModel) -> Any:
    import tensorflow as tf

    coremltools = _coremltools()
    shape = (1, float_model.height, float_model.width, 3)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.int32, name=INPUT_NAME)])  # type: ignore[untyped-decorator]
    def classify(image: Any) -> Any:
        return float_model.model(tf.cast(image, tf.float32), training=False)

    return coremltools.convert(
        [classify.get_concrete_function()],
        source="tensorflow",
        convert_to="mlprogram",
        # Pixels 0..255 as they are: the range is in the graph.
        inputs=[coremltools.TensorType(INPUT_NAME, shape=shape, dtype=np.int32)],
        outputs=[coremltools.TensorType(_TF_OUTPUT, dtype=np.float32)],
        compute_precision=coremltools.precision.FLOAT16,
        # The first that knows weights of integers and palettes.
        minimum_deployment_target=coremltools.target.iOS16,
        skip_model_load=True,
    )


def _with_weights(model: Any, weights: CoremlWeights) -> Any:
    """The same program with other weights; it computes in float16 all the same."""
    if weights == "float16":
        return model
    optimize = importlib.import_module("coremltools.optimize.coreml")
    if weights == "int8":
        config = optimize.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=_LEAST_WEIGHTS)
        return optimize.linear_quantize_weights(model, optimize.OptimizationConfig(global_config=config))
    bits = int(weights.removeprefix("palette"))
    config = optimize.OpPalettizerConfig(
        mode="custom", lut_function=lambda values: make_palette(values, bits), weight_threshold=_LEAST_WEIGHTS
    )
    return optimize.palettize_weights(model, optimize.OptimizationConfig(global_config=config))


def make_palette(values: NDArray[Any], bits: int) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """The palette of 2^bits values that is nearest to ``values``, and each value's place in it, of the same shape.

    k-means in one dimension, without chance. It starts between quantiles and equal steps, where few weights are far
    from an entry: with 64 entries it leaves half the error of a start from quantiles.
    """
    from scipy.cluster.vq import kmeans2

    flat, count = np.asarray(values, np.float64).reshape(-1), 1 << bits
    quantiles = np.quantile(flat, (np.arange(count) + 0.5) / count)
    steps = np.linspace(flat.min(), flat.max(), 2 * count + 1)[1::2]
    start = (quantiles + steps) / 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an entry that no weight is nearest to stays where it is
        palette, _ = kmeans2(flat[:, np.newaxis], start[:, np.newaxis], iter=_ITERATIONS, minit="matrix")
    entries = np.sort(palette[:, 0])
    places = np.searchsorted((entries[1:] + entries[:-1]) / 2, flat).astype(np.uint8)
    return entries.astype(np.asarray(values).dtype), places.reshape(np.shape(values))


def _save(model: Any, record: Record, path: Path) -> None:
    """Write the package; the same model and record give the same bytes."""
    model.short_description = record.describe()
    model.author, model.license, model.version = record.author, record.license, record.version
    model.user_defined_metadata[ONNX_RECORD] = record.to_json(sealed=False)
    model.save(str(path))
    _make_reproducible(path)


def _make_reproducible(path: Path) -> None:
    """Give the package's items names that follow from their paths, and its description one order and our names."""
    manifest = json.loads((path / "Manifest.json").read_text(encoding="utf-8"))
    names = {
        name: f"item-{number}"
        for number, name in enumerate(
            sorted(manifest["itemInfoEntries"], key=lambda name: str(manifest["itemInfoEntries"][name]["path"]))
        )
    }
    manifest["itemInfoEntries"] = {names[name]: entry for name, entry in manifest["itemInfoEntries"].items()}
    manifest["rootModelIdentifier"] = names[manifest["rootModelIdentifier"]]
    write_bytes(path / "Manifest.json", (json.dumps(manifest, indent=4, sort_keys=True) + "\n").encode())
    model = path / "Data" / manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]["path"]
    spec = importlib.import_module("coremltools.proto.Model_pb2").Model.FromString(model.read_bytes())
    importlib.import_module("coremltools.models.utils").rename_feature(spec, _TF_OUTPUT, OUTPUT_NAME)
    for key in _DATES:
        spec.description.metadata.userDefined.pop(key, None)
    write_bytes(model, spec.SerializeToString(deterministic=True))


def _coremltools() -> Any:
    # An optional dependency, which type checkers may not find.
    return importlib.import_module("coremltools")
