"""From a float student to the files that ship, each of them run and checked before it gets its name."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import edgekd
from edgekd.artifact import Artifact, sidecar_path
from edgekd.errors import GateFailed, UsageError
from edgekd.export import onnx_float, onnx_int8, tflite_pack
from edgekd.export.record import Record
from edgekd.export.verify import Expected, expected_of, stand_in_images, verify
from edgekd.preprocess import Preprocessing
from edgekd.quantize.ptq import Conversion, check_calibration, to_float32, to_int8
from edgekd.quantize.source import Source, load_source
from edgekd.storage import write_bytes

PRECISIONS = ("float32", "int8")
FORMATS = ("tflite", "onnx")


def export(
    model: Any,
    out: Path,
    stem: str,
    *,
    labels: tuple[str, ...],
    preprocessing: Preprocessing,
    precisions: tuple[str, ...] = PRECISIONS,
    formats: tuple[str, ...] = FORMATS,
    calibration: NDArray[np.uint8] | None = None,
    output: Literal["float32", "uint8"] = "float32",
    provenance: Mapping[str, str] | None = None,
) -> list[Artifact]:
    """Write ``<stem>.<precision>.<format>`` and its sidecar for every precision and format asked for.

    ``model`` is a Keras 3 model of pixel values 0..255, or the path of one; ``calibration`` is uint8 [N, H, W, 3], real
    training images, and needed for int8. ``output`` is what int8 files give: float32 probabilities, or their uint8.
    Nothing appears under ``out`` until every file has been run by its runtime and agrees.

    Raises: UsageError, ExportError, UnsupportedOpError; GateFailed where the label count does not fit the outputs.
    """
    _check_names("precisions", precisions, PRECISIONS)
    _check_names("formats", formats, FORMATS)
    if "int8" in precisions and calibration is None:
        raise UsageError("int8 needs calibration images: pass real training images, or ask for float32 only")
    source = load_source(model)
    _check_labels(source, labels, preprocessing)
    images = stand_in_images(source.height, source.width) if calibration is None else calibration
    check_calibration(images, source.height, source.width)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{stem}.", dir=out) as temporary:
        job = _Job(source, Path(temporary), stem, labels, preprocessing, dict(provenance or {}), _weights_hash(source))
        expected = expected_of(source.whole, images)
        made = [
            artifact
            for precision in dict.fromkeys(precisions)
            for artifact in _make(job, precision, formats, images, output, expected)
        ]
        return [_publish(artifact, out) for artifact in made]


@dataclass(frozen=True)
class _Job:
    source: Source
    directory: Path
    stem: str
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    provenance: dict[str, str]
    weights_sha256: str

    def record(self, precision: str, conversion: Conversion) -> Record:
        facts = {
            "edgekd": edgekd.__version__,
            "parameters": self.source.parameters,
            "weights_sha256": self.weights_sha256,
            **conversion.record,
        }
        return Record(self.labels, self.preprocessing, precision, conversion.range_in_graph, self.provenance | facts)

    def write(self, precision: str, kind: str, content: bytes) -> Artifact:
        path = self.directory / f"{self.stem}.{precision}.{kind}"
        write_bytes(path, content)
        return Artifact.open(path)


def _make(
    job: _Job,
    precision: str,
    formats: tuple[str, ...],
    images: NDArray[np.uint8],
    output: Literal["float32", "uint8"],
    expected: Expected,
) -> list[tuple[Artifact, dict[str, Any]]]:
    # Artifacts of one precision with their parity records; an int8 .onnx is made of the .tflite, asked for or not.
    integer = precision == "int8"
    conversion = to_int8(job.source, images, output) if integer else to_float32(job.source)
    record, name = job.record(precision, conversion), f"{job.stem}.{precision}"
    made = []
    if "tflite" in formats or integer:
        tflite = job.write(precision, "tflite", tflite_pack.pack(conversion.content, record, name=name))
        made.append((tflite, verify(tflite, expected)))
    if "onnx" in formats:
        if integer:
            content, twin = onnx_int8.from_tflite(tflite.content(), record, name=name), tflite
        else:
            content, twin = onnx_float.from_keras(job.source, record, name=name), None
        onnx = job.write(precision, "onnx", content)
        made.append((onnx, verify(onnx, expected, twin)))
    return [(artifact, parity) for artifact, parity in made if artifact.format in formats]


def _publish(made: tuple[Artifact, dict[str, Any]], out: Path) -> Artifact:
    artifact, parity = made
    path = out / artifact.path.name
    # A sidecar of what stood here before must not meet the new file.
    sidecar_path(path).unlink(missing_ok=True)
    artifact.path.replace(path)
    return Artifact.open(path).write_sidecar(parity)


def _check_names(what: str, given: tuple[str, ...], known: tuple[str, ...]) -> None:
    unknown = [name for name in given if name not in known]
    if unknown or not given:
        raise UsageError(f"{what} must be some of {', '.join(known)}, got {', '.join(unknown) or 'none'}")


def _check_labels(source: Source, labels: tuple[str, ...], preprocessing: Preprocessing) -> None:
    if len(labels) != source.classes:
        raise GateFailed(
            f"the model gives {source.classes} values and there are {len(labels)} labels: {', '.join(labels[:10])}. "
            "Pass the labels it was trained with, in their order"
        )
    if (preprocessing.height, preprocessing.width) != (source.height, source.width):
        raise UsageError(
            f"the model takes {source.height} x {source.width} and the preprocessing makes {preprocessing.height} x "
            f"{preprocessing.width}. Pass Preprocessing(height={source.height}, width={source.width})"
        )


def _weights_hash(source: Source) -> str:
    state = hashlib.sha256()
    for value in source.whole.get_weights():
        state.update(np.ascontiguousarray(value).tobytes())
    return state.hexdigest()
