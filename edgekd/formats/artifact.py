"""An exported file: its record, the seal on its bytes, and the sidecar with its checks."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from edgekd.errors import ArtifactChangedError, ArtifactError, EdgekdError
from edgekd.formats import coreml_file, onnx_file, ort_file, tflite_file
from edgekd.formats.decision import Decision
from edgekd.formats.pixels import Feed, Layout
from edgekd.preprocess import Preprocessing
from edgekd.storage import read_json, read_regular_file, write_json

SCHEMA = 1
# Images that a file may take at once: each call is filled up to that number.
LARGEST_BATCH = 1024
# Both formats count their bytes with 31 bits.
LARGEST_MODEL_BYTES = 2 << 30
# Names of the record inside a file: a TFLite metadata buffer, an entry of ONNX's metadata_props.
TFLITE_RECORD = "EDGEKD"
ONNX_RECORD = "edgekd"
# The record holds the SHA-256 of the file, computed with these 64 zeros in the hash's place.
BLANK_SEAL = "0" * 64
_SEAL = re.compile(rb'"seal":"([0-9a-f]{64})"')

Format = Literal["tflite", "onnx", "ort", "mlpackage"]
ScoreKind = Literal["probabilities", "independent", "logits", "sigmoid", "logit"]


@dataclass(frozen=True)
class TensorSpec:
    """An input or output; a dimension of ``shape`` is a number or the name of a free one ("N")."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True)
class Artifact:
    """A .tflite, .onnx or .ort file: one exported by edgekd, whose bytes are verified, or a classifier of another tool.

    Also an .mlpackage that edgekd exported, which is a folder and has no seal; ``sha256`` is of all its files.

    ``parity`` is the result of its checks, from the sidecar ``<file>.json``; None without a sidecar. The other tool's
    file has a ``feed``, from photos to what it takes; ``scores`` is what it gives, in the output ``output_index``
    ("sigmoid" and "logit": one number for two classes), and ``has_labels`` whether its outputs have names. ``decision``
    is how an answer follows from the probabilities.
    """

    path: Path
    format: Format
    precision: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    provenance: dict[str, Any] = field(repr=False)
    sha256: str
    size_bytes: int
    parity: dict[str, Any] | None = field(default=None, repr=False)
    layout: Layout = "nhwc"
    feed: Feed | None = field(default=None, repr=False)
    scores: ScoreKind = "probabilities"
    output_index: int = 0
    has_labels: bool = True
    decision: Decision = field(default_factory=Decision)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Artifact:
        """Read a file's record and its sidecar.

        Raises: ArtifactError if it is missing, damaged or not written by edgekd; ArtifactChangedError if it is not
        the file that its sidecar describes.
        """
        path = Path(path)
        is_package = coreml_file.is_package(path)
        contents = coreml_file.read_package(path) if is_package else {"": read_content(path)}
        sidecar = _read_sidecar(path)
        sha256 = coreml_file.package_sha256(contents) if is_package else hashlib.sha256(contents[""]).hexdigest()
        if sidecar is not None and sidecar["sha256"] != sha256:
            raise ArtifactChangedError(
                f"{path} has changed since it was checked: its SHA-256 is {sha256[:12]}..., and "
                f"{sidecar_path(path).name} says {str(sidecar['sha256'])[:12]}.... Export it again, or delete the "
                "sidecar to use it unchecked"
            )
        describe = _describe_package(contents, str(path)) if is_package else _describe(contents[""], str(path))
        record, inputs, outputs, kind = describe
        try:
            labels = tuple(str(label) for label in record["labels"])
            decision = Decision.from_json(record.get("decision"), labels)
            return cls(
                path=path,
                format=kind,
                precision=str(record["precision"]),
                inputs=inputs,
                outputs=outputs,
                labels=labels,
                preprocessing=Preprocessing.model_validate(record["preprocessing"]),
                provenance={**record["provenance"], "range_in_graph": record["range_in_graph"]},
                sha256=sha256,
                size_bytes=sum(map(len, contents.values())),
                parity=None if sidecar is None else sidecar["parity"],
                layout="nchw" if record.get("layout") == "nchw" else "nhwc",
                scores="independent" if decision.task == "multi-label" else "probabilities",
                decision=decision,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"{path} has an invalid record ({error}). Export it again") from None

    def write_sidecar(self, parity: Mapping[str, Any]) -> Artifact:
        """Write ``parity`` to the sidecar, with the hash of the file's bytes; returns the artifact with it."""
        record = {"schema": SCHEMA, "sha256": self.sha256, "size_bytes": self.size_bytes, "parity": dict(parity)}
        write_json(sidecar_path(self.path), record)
        return Artifact(**{**vars(self), "parity": dict(parity)})

    def content(self) -> bytes:
        """The file's bytes. Raises ArtifactChangedError if they are no longer those that were opened."""
        content = read_content(self.path)
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise ArtifactChangedError(f"{self.path} has changed since it was opened. Open it again")
        return content

    def package(self) -> dict[str, bytes]:
        """An .mlpackage's files by their paths in it. Raises ArtifactChangedError if they have changed."""
        contents = coreml_file.read_package(self.path)
        if coreml_file.package_sha256(contents) != self.sha256:
            raise ArtifactChangedError(f"{self.path} has changed since it was opened. Open it again")
        return contents

    def float_ops(self) -> tuple[str, ...]:
        """The ops in the file that compute in float; empty if all compute in integers."""
        if self.format == "mlpackage":
            ops = coreml_file.program(self.package(), str(self.path)).ops
            return tuple(op.kind for op in ops if op.kind != "const" and not op.kind.startswith("constexpr_"))
        content = self.content()
        if self.format == "tflite":
            return tflite_file.float_ops(tflite_file.read(content, str(self.path)))
        reader = ort_file.read if self.format == "ort" else onnx_file.read
        return onnx_file.float_ops(reader(content, str(self.path)))


def has_seal(content: bytes) -> bool:
    """Whether a file has the record that edgekd writes, or part of one."""
    return b'"seal":"' in content


def tflite_spec(tensor: tflite_file.TfliteTensor) -> TensorSpec:
    """An input or output of a .tflite."""
    scale = float(tensor.scales[0]) if len(tensor.scales) else None
    zero_point = int(tensor.zero_points[0]) if len(tensor.zero_points) else None
    shape = tuple("N" if size < 0 else size for size in tensor.signature or tensor.shape)
    return TensorSpec(tensor.name, tensor.type.lower(), shape, scale, zero_point)


def sidecar_path(path: Path) -> Path:
    """``model.int8.tflite`` to ``model.int8.tflite.json``."""
    return path.with_name(path.name + ".json")


def read_content(path: Path) -> bytes:
    """Read a file's bytes. Raises ArtifactError if it is missing or cannot be read."""
    if coreml_file.is_package(path):
        raise ArtifactError(
            f"{path} is a Core ML file, which check, predict, golden and ios take. Give the .tflite or .onnx of the "
            "same export"
        )
    try:
        return read_regular_file(path, LARGEST_MODEL_BYTES)
    except FileNotFoundError:
        raise ArtifactError(f"{path} does not exist. Give the path of a .tflite or .onnx file") from None
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be read: {error.strerror}. Give the path of a .tflite or .onnx file"
        ) from None


def seal(content: bytes, where: str) -> bytes:
    """Replace the seal in a finished file by the hash of the file with a blank one. Raises ArtifactError."""
    span = _seal_span(content, where)
    content = content[: span[0]] + BLANK_SEAL.encode() + content[span[1] :]
    digest = hashlib.sha256(content).hexdigest().encode()
    return content[: span[0]] + digest + content[span[1] :]


def check_seal(content: bytes, where: str) -> None:
    """Raise ArtifactError unless a file's bytes are those that were sealed."""
    begin, end = _seal_span(content, where)
    state = hashlib.sha256(content[:begin])
    state.update(BLANK_SEAL.encode())
    state.update(content[end:])
    if state.hexdigest().encode() != content[begin:end]:
        raise ArtifactError(
            f"{where} is damaged, cut short or edited since its export: its bytes do not match its stored "
            "hash. Copy it again, or export it again"
        )


def _seal_span(content: bytes, where: str) -> tuple[int, int]:
    seals = list(_SEAL.finditer(content))
    if len(seals) == 1:
        return seals[0].span(1)
    if content[4:8] not in (tflite_file.IDENTIFIER, ort_file.IDENTIFIER):
        onnx_file.read(content, where)  # raises if it is not one of the formats
    raise ArtifactError(
        f"{where} has no edgekd record (labels, preprocessing, hash): it is another tool's model, or damaged. "
        "Open another tool's with edgekd.open_model, or export the Keras model: edgekd export MODEL.keras --int8"
    )


def _describe(
    content: bytes, where: str
) -> tuple[dict[str, Any], tuple[TensorSpec, ...], tuple[TensorSpec, ...], Format]:
    check_seal(content, where)
    kind: Format
    if content[4:8] == tflite_file.IDENTIFIER:
        kind = "tflite"
        tflite = tflite_file.read(content, where)
        text = tflite.metadata.get(TFLITE_RECORD, b"").decode("utf-8", "replace")
        inputs = tuple(tflite_spec(tflite.tensors[i]) for i in tflite.inputs)
        outputs = tuple(tflite_spec(tflite.tensors[i]) for i in tflite.outputs)
    else:
        kind = "ort" if ort_file.is_ort(content) else "onnx"
        onnx = ort_file.read(content, where) if kind == "ort" else onnx_file.read(content, where)
        text = onnx.metadata.get(ONNX_RECORD, "")
        inputs = tuple(TensorSpec(v.name, v.dtype, v.shape) for v in onnx.inputs)
        outputs = tuple(TensorSpec(v.name, v.dtype, v.shape) for v in onnx.outputs)
    return _parse_record(text, where), inputs, outputs, kind


def _describe_package(
    contents: Mapping[str, bytes], where: str
) -> tuple[dict[str, Any], tuple[TensorSpec, ...], tuple[TensorSpec, ...], Format]:
    text = coreml_file.metadata(contents, where).get(ONNX_RECORD)
    if text is None:
        raise ArtifactError(
            f"{where} has no edgekd record (labels, preprocessing): it is another tool's model. Export the Keras "
            "model: edgekd export MODEL.keras --format coreml"
        )
    program = coreml_file.program(contents, where)
    inputs = tuple(TensorSpec(name, kind.dtype, kind.shape) for name, kind in program.inputs)
    types = {name: kind for op in program.ops for name, kind in op.outputs}
    if not set(program.outputs) <= types.keys():
        raise ArtifactError(f"{where} is damaged: its program does not compute its outputs. Export it again")
    outputs = tuple(TensorSpec(name, types[name].dtype, types[name].shape) for name in program.outputs)
    return _parse_record(text, where), inputs, outputs, "mlpackage"


def _parse_record(text: str, where: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{where} has a record that is not JSON ({error}). Export it again") from None
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise ArtifactError(f"{where} was written by another version of edgekd. Export it again with this one")
    return record


def _read_sidecar(path: Path) -> dict[str, Any] | None:
    sidecar = sidecar_path(path)
    if not sidecar.exists():
        return None
    try:
        record = read_json(sidecar)
    except EdgekdError as error:
        raise ArtifactError(f"{error}. Delete it, or export {path.name} again") from None
    except RecursionError:
        raise ArtifactError(f"{sidecar} is nested too deep to be a sidecar. Delete it") from None
    if not isinstance(record, dict) or not {"sha256", "parity"} <= record.keys():
        raise ArtifactError(f"{sidecar} is not the sidecar of an artifact. Delete it, or export {path.name} again")
    return record
