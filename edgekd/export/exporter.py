"""From a float student to the files that ship, each of them run and checked before it gets its name."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import edgekd
from edgekd.artifact import Artifact, sidecar_path
from edgekd.errors import GateFailed, UsageError
from edgekd.export import onnx_float, onnx_int8, tflite_pack
from edgekd.export.record import Record, check_labels
from edgekd.export.verify import Expected, expected_of, stand_in_images, verify
from edgekd.preprocess import Preprocessing
from edgekd.quantize.ptq import Output, check_calibration, to_float32, to_int8
from edgekd.quantize.source import Source, load_source
from edgekd.storage import write_bytes

PRECISIONS = ("float32", "int8")
FORMATS = ("tflite", "onnx")

# A file, and what its check measured.
_Checked = tuple[Artifact, dict[str, Any]]


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
    output: Output = "float32",
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
        made = _make_float32(job, formats, expected) if "float32" in precisions else []
        if "int8" in precisions:
            made += _make_int8(job, formats, images, output, expected)
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

    def record(self, precision: str, conversion: Mapping[str, Any]) -> Record:
        facts = {
            "edgekd": edgekd.__version__,
            "parameters": self.source.parameters,
            "weights_sha256": self.weights_sha256,
            **conversion,
        }
        return Record(self.labels, self.preprocessing, precision, self.source.range_in_graph, self.provenance | facts)

    def write(self, precision: str, kind: str, content: bytes) -> Artifact:
        path = self.directory / f"{self.stem}.{precision}.{kind}"
        write_bytes(path, content)
        return Artifact.open(path)


def _make_float32(job: _Job, formats: tuple[str, ...], expected: Expected) -> list[_Checked]:
    name, made = f"{job.stem}.float32", []
    if "tflite" in formats:
        conversion = to_float32(job.source)
        content = tflite_pack.pack(conversion.content, job.record("float32", conversion.record), name=name)
        made.append(job.write("float32", "tflite", content))
    if "onnx" in formats:
        record = job.record("float32", {"converter": onnx_float.converter()})
        made.append(job.write("float32", "onnx", onnx_float.from_keras(job.source, record, name=name)))
    return [(artifact, verify(artifact, expected)) for artifact in made]


def _make_int8(
    job: _Job, formats: tuple[str, ...], images: NDArray[np.uint8], output: Output, expected: Expected
) -> list[_Checked]:
    name, conversion = f"{job.stem}.int8", to_int8(job.source, images, output)
    record = job.record("int8", conversion.record)
    # The .onnx is made of the .tflite, whether that was asked for or not.
    tflite = job.write("int8", "tflite", tflite_pack.pack(conversion.content, record, name=name))
    made = [(tflite, verify(tflite, expected))] if "tflite" in formats else []
    if "onnx" in formats:
        onnx = job.write("int8", "onnx", onnx_int8.from_tflite(tflite.content(), record, name=name))
        made.append((onnx, verify(onnx, expected, tflite)))
    return made


def _publish(made: _Checked, out: Path) -> Artifact:
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
    check_labels(labels)
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
