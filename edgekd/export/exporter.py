"""From a float student to the files that ship, each of them run and checked before it gets its name."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd._version import __version__
from edgekd.errors import GateFailed, UsageError
from edgekd.export import coreml, onnx_float, onnx_int8, ort_format, tflite_pack
from edgekd.export.c_array import identifier, write_c_array
from edgekd.export.emit.builder import OPSET
from edgekd.export.options import Batch, ExportOptions, Layout, make_onnx
from edgekd.export.record import Record, check_labels
from edgekd.export.verify import Expected, expected_of, stand_in_images, verify
from edgekd.extras import require
from edgekd.formats.artifact import Artifact, sidecar_path
from edgekd.preprocess import Preprocessing
from edgekd.quantize.calibration import check_images
from edgekd.quantize.float_model import Source, load_float_model
from edgekd.quantize.ptq import (
    Conversion,
    Output,
    for_any_cpu,
    to_dynamic_range,
    to_float16,
    to_float32,
    to_int8,
    to_int16x8,
)
from edgekd.quantize.settings import QuantizeSection
from edgekd.storage import write_bytes

DEFAULT_PRECISIONS = ("float32", "int8")
# Those that are written as .tflite alone, whatever the formats.
_EXTRA = ("float16", "dynamic", "int16x8")
# What needs training images to set its ranges.
_CALIBRATED = ("int8", "int16x8")
FORMATS = ("tflite", "onnx", "ort", "c", "coreml")

# A file, and what its check measured.
_Checked = tuple[Artifact, dict[str, Any]]


def export(
    model: Any,
    out: Path,
    stem: str,
    *,
    labels: tuple[str, ...],
    preprocessing: Preprocessing,
    precisions: tuple[str, ...] = DEFAULT_PRECISIONS,
    formats: tuple[str, ...] = ("tflite", "onnx"),
    calibration: NDArray[np.uint8] | None = None,
    output: Output = "float32",
    quantize: QuantizeSection | Conversion | None = None,
    provenance: Mapping[str, str] | None = None,
    options: ExportOptions | None = None,
) -> list[Artifact]:
    """Write ``<stem>.<precision>.<format>`` and its sidecar for every precision and format asked for.

    ``model`` is a Keras 3 model of pixel values 0..255, or the path of one; ``calibration`` is uint8 [N, H, W, 3], real
    training images, and needed for int8. ``output`` is what int8 files give: float32 probabilities, or their uint8.
    ``quantize`` says how int8 is made, or is the int8 .tflite that was made already; where ops stay float its precision
    is "int8-mixed". "float16", "dynamic" and "int16x8" are written as .tflite alone.
    Nothing appears under ``out`` until every file has been run by its runtime and agrees. Two formats are no artifacts
    and not among those returned: "c" (the int8 .tflite as C, see ``c_array``), and "coreml" (float16, which nothing
    here can run).

    Raises: UsageError, ExportError, UnsupportedOpError; GateFailed where the label count does not fit the outputs.
    """
    require("train", "exporting a model")
    _check_names("precisions", precisions, (*DEFAULT_PRECISIONS, *_EXTRA))
    _check_names("formats", formats, FORMATS)
    if calibration is None and (needing := [name for name in precisions if name in _CALIBRATED]):
        raise UsageError(
            f"{' and '.join(needing)} needs calibration images: pass real training images, or ask for float32 only"
        )
    if "c" in formats and "int8" not in precisions:
        raise UsageError("the c format is made of the int8 .tflite: ask for int8 too, or leave out c")
    if "coreml" in formats:
        coreml.check_installed()
    source = load_float_model(model)
    _check_labels(source, labels, preprocessing)
    images = stand_in_images(source.height, source.width) if calibration is None else calibration
    check_images(images, source.height, source.width)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{stem}.", dir=out) as temporary:
        job = _Job(
            source, Path(temporary), stem, labels, preprocessing, dict(provenance or {}), _weights_hash(source),
            options or ExportOptions(), formats,
        )  # fmt: skip
        expected = expected_of(source.whole, images)
        made = _make_float32(job, expected) if "float32" in precisions else []
        if "int8" in precisions:
            made += _make_int8(job, _int8(job, images, output, quantize), expected)
        made += [_make_extra(job, name, images, expected) for name in _EXTRA if name in precisions]
        if "coreml" in formats:
            path = job.directory / f"{stem}.float16.mlpackage"
            coreml.write_mlpackage(source, job.record("float16", {"converter": coreml.converter()}), path)
        published = [_publish(artifact, out) for artifact in made]
        _publish_rest(job.directory, out)
        return published


def beside(out: Path, stem: str, formats: tuple[str, ...]) -> list[Path]:
    """Where ``export`` puts what is no artifact: the C sources and the .mlpackage."""
    name = identifier(f"{stem}.int8")
    paths = {
        "c": [out / f"{name}.h", out / f"{name}.c", out / f"{name}_main.cc"],
        "coreml": [out / f"{stem}.float16.mlpackage"],
    }
    return [path for kind, made in paths.items() if kind in formats for path in made]


@dataclass(frozen=True)
class _Job:
    source: Source
    directory: Path
    stem: str
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    provenance: dict[str, str]
    weights_sha256: str
    options: ExportOptions
    formats: tuple[str, ...]

    @property
    def wants_onnx(self) -> bool:
        return make_onnx(self.formats)

    @property
    def tflite_batch(self) -> Batch:
        return self.options.batch or 1

    @property
    def onnx_batch(self) -> Batch:
        return self.options.batch or "dynamic"

    def record(self, precision: str, conversion: Mapping[str, Any], layout: Layout = "nhwc") -> Record:
        facts = {
            "edgekd": __version__,
            "parameters": self.source.parameters,
            "weights_sha256": self.weights_sha256,
            **conversion,
        }
        return Record(
            self.labels, self.preprocessing, precision, self.source.range_in_graph, self.provenance | facts,
            layout, self.options.license, self.options.version,
        )  # fmt: skip

    def write(self, precision: str, kind: str, content: bytes) -> Artifact:
        path = self.directory / f"{self.stem}.{precision}.{kind}"
        write_bytes(path, content)
        return Artifact.open(path)

    def write_onnx(self, precision: str, content: bytes) -> list[Artifact]:
        """The .onnx, and what is made of it, as far as asked for."""
        name, made = f"{self.stem}.{precision}", []
        if "onnx" in self.formats:
            made.append(self.write(precision, "onnx", content))
        if "ort" in self.formats:
            made.append(self.write(precision, "ort", ort_format.from_onnx(content, name=name)))
        return made


def _make_float32(job: _Job, expected: Expected) -> list[_Checked]:
    name, made = f"{job.stem}.float32", []
    if "tflite" in job.formats:
        conversion = to_float32(job.source)
        record = job.record("float32", conversion.record)
        content = tflite_pack.pack(conversion.content, record, name=name, batch=job.tflite_batch)
        made.append(job.write("float32", "tflite", content))
    if job.wants_onnx:
        facts = {"converter": onnx_float.converter(), "opset": OPSET}
        record = job.record("float32", facts, job.options.layout)
        made += job.write_onnx("float32", onnx_float.from_keras(job.source, record, name=name, batch=job.onnx_batch))
    return [(artifact, verify(artifact, expected)) for artifact in made]


def _make_extra(job: _Job, precision: str, images: NDArray[np.uint8], expected: Expected) -> _Checked:
    if precision == "int16x8":
        conversion = to_int16x8(job.source, images)
    else:
        conversion = (to_float16 if precision == "float16" else to_dynamic_range)(job.source)
    record = job.record(precision, conversion.record)
    content = tflite_pack.pack(conversion.content, record, name=f"{job.stem}.{precision}", batch=job.tflite_batch)
    artifact = job.write(precision, "tflite", content)
    return artifact, verify(artifact, expected)


def _int8(
    job: _Job, images: NDArray[np.uint8], output: Output, given: QuantizeSection | Conversion | None
) -> Conversion:
    # ONNX Runtime's kernels saturate on some CPUs; the .tflite changes too, so that both have one quantization.
    any_cpu = job.wants_onnx
    if isinstance(given, Conversion):
        return for_any_cpu(given) if any_cpu else given
    section = given or QuantizeSection()
    return to_int8(job.source, images, output, ranges=section.ranges, float_ops=section.float_ops, any_cpu=any_cpu)


def _make_int8(job: _Job, conversion: Conversion, expected: Expected) -> list[_Checked]:
    precision = conversion.precision
    name, record = f"{job.stem}.{precision}", job.record(precision, conversion.record)
    made: list[_Checked] = []
    content = tflite_pack.pack(conversion.content, record, name=name, batch=job.tflite_batch)
    # The others are made of the .tflite, whether that was asked for or not.
    tflite = job.write(precision, "tflite", content)
    if "tflite" in job.formats:
        made.append((tflite, verify(tflite, expected)))
    if job.wants_onnx:
        single = tflite_pack.pack(conversion.content, record, name=name)
        record = job.record(precision, {**conversion.record, "opset": OPSET}, job.options.layout)
        onnx = onnx_int8.from_tflite(single, record, name=name, batch=job.onnx_batch)
        made += [(artifact, verify(artifact, expected, tflite)) for artifact in job.write_onnx(precision, onnx)]
    if "c" in job.formats:
        write_c_array(tflite, job.directory)
    if "tflite" not in job.formats:
        tflite.path.unlink()
    return made


def _publish(made: _Checked, out: Path) -> Artifact:
    artifact, parity = made
    path = out / artifact.path.name
    # A sidecar of what stood here before must not meet the new file.
    sidecar_path(path).unlink(missing_ok=True)
    artifact.path.replace(path)
    return Artifact.open(path).write_sidecar(parity)


def _publish_rest(made: Path, out: Path) -> None:
    # C sources, and the folder of an .mlpackage, which cannot replace one that is there.
    for path in sorted(made.iterdir()):
        target = out / path.name
        if path.is_dir():
            shutil.rmtree(target, ignore_errors=True)
        path.replace(target)


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
