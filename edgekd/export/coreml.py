"""Writes Core ML with Apple's coremltools, an optional dependency: pip install "edgekd[coreml]".

Linux can write such a file but not run it: Core ML is part of Apple's systems.
"""

from __future__ import annotations

import importlib
import logging
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edgekd.errors import ExportError
from edgekd.export.record import Record
from edgekd.extras import require
from edgekd.formats.artifact import ONNX_RECORD
from edgekd.quantize.float_model import INPUT_NAME, OUTPUT_NAME, FloatModel
from edgekd.quiet import quiet, reason_of


def check_installed() -> None:
    """Raise MissingExtraError unless coremltools can be imported."""
    require("coreml", "the format coreml")


def write_mlpackage(float_model: FloatModel, record: Record, path: Path) -> None:
    """Write a Core ML image classifier in float16: an RGB image in, the label and all probabilities out.

    ``path`` ends in .mlpackage and becomes a folder. Raises: MissingExtraError without coremltools; ExportError.
    """
    check_installed()
    with quiet() as read_log:
        # It warns at import, once per module, that it cannot run models here.
        logging.getLogger("coremltools").setLevel(logging.ERROR)
        try:
            model = _convert(float_model, record)
            _describe(model, record)
            model.save(str(path))
        except Exception as error:  # its converter raises many kinds
            reason = reason_of(error, read_log)
            raise ExportError(
                f"coremltools could not convert {path.stem}: {reason[:2000]}. Leave out coreml, or replace the layer "
                "that it names"
            ) from None


def converter() -> str:
    """Name and version of the converter."""
    return f"coremltools {version('coremltools')}"


def _convert(float_model: FloatModel, record: Record) -> Any:
    import tensorflow as tf

    # An optional dependency, which type checkers may not find.
    coremltools: Any = importlib.import_module("coremltools")

    shape = (1, float_model.height, float_model.width, 3)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name=INPUT_NAME)])  # type: ignore[untyped-decorator]
    def classify(image: Any) -> dict[str, Any]:
        return {OUTPUT_NAME: float_model.model(image, training=False)}

    return coremltools.convert(
        [classify.get_concrete_function()],
        source="tensorflow",
        convert_to="mlprogram",
        # Pixels 0..255 as they are: the range is in the graph.
        inputs=[coremltools.ImageType(INPUT_NAME, shape=shape, color_layout=coremltools.colorlayout.RGB)],
        classifier_config=coremltools.ClassifierConfig(list(record.labels)),
        compute_precision=coremltools.precision.FLOAT16,
        minimum_deployment_target=coremltools.target.iOS15,
        skip_model_load=True,
    )


def _describe(model: Any, record: Record) -> None:
    model.short_description = record.describe()
    model.author, model.license, model.version = record.author, record.license, record.version
    model.user_defined_metadata[ONNX_RECORD] = record.to_json(sealed=False)
    model.user_defined_metadata["preprocessing"] = record.preprocessing.to_json()
