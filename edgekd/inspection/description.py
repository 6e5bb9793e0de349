"""Reads a file's metadata: labels, preprocessing and origin, written by edgekd or another tool."""

from __future__ import annotations

import ast
import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
from flatbuffers import number_types

from edgekd.formats.decision import Decision

_MAX_LABELS_BYTES = 4 << 20
_LABEL_FILES = (2, 3)  # TENSOR_AXIS_LABELS and TENSOR_VALUE_LABELS
_NORMALIZATION = 1
# Names under which tools keep labels in an .onnx file's metadata_props.
_ONNX_LABELS = ("labels", "classes", "names", "class_names")


@dataclass(frozen=True)
class Normalization:
    """What readers of the metadata apply to pixels: ``(pixel - mean) / std``."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def does_nothing(self) -> bool:
        """Whether pixels are unchanged."""
        return all(value == 0 for value in self.mean) and all(value == 1 for value in self.std)


@dataclass(frozen=True)
class Description:
    """``source`` of labels and preprocessing is "edgekd record", "TFLite metadata", "metadata_props" or None.

    ``decision`` is that of the record, None for another tool's file.
    """

    labels: tuple[str, ...] | None = None
    source: str | None = None
    preprocessing: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    normalization: Normalization | None = None
    has_metadata: bool = False
    decision: Decision | None = None


def describe_record(record: Mapping[str, Any], normalization: Normalization | None) -> Description:
    """Read the record that edgekd writes into its files. Raises KeyError, TypeError, ValueError."""
    named = record.get("labels")
    labels = tuple(str(label) for label in named) if isinstance(named, list) else None
    return Description(
        labels=labels,
        source="edgekd record",
        preprocessing={**_table(record.get("preprocessing")), "range_in_graph": record.get("range_in_graph")},
        provenance={"made by": "edgekd", "precision": record.get("precision"), **_table(record.get("provenance"))},
        normalization=normalization,
        has_metadata=True,
        decision=Decision.from_json(record.get("decision"), labels or ()),
    )


def describe_onnx(props: Mapping[str, str], producer: str) -> Description:
    """Read an .onnx file's metadata_props."""
    label_key = next((name for name in _ONNX_LABELS if props.get(name)), None)
    labels = _labels_in(props[label_key]) if label_key else None
    ranges = {name: props[name] for name in props if name.startswith("Image.") or name == "preprocessing"}
    others = {name: text[:200] for name, text in props.items() if name != label_key and name not in ranges}
    return Description(
        labels=labels,
        source="metadata_props" if labels else None,
        preprocessing=dict(ranges),
        provenance={**({"producer": producer} if producer else {}), **others},
        has_metadata=bool(props),
    )


def describe_tflite(content: bytes, metadata: Mapping[str, bytes], description: str) -> Description:
    """Read TFLite's standard metadata and the files in the zip appended to the model."""
    block = metadata.get("TFLITE_METADATA", b"")
    provenance: dict[str, Any] = {"description": description} if description else {}
    if block[4:8] != b"M001":
        return Description(provenance=provenance, has_metadata=False)
    try:
        root = _Table.root(block)
        names = {1: "described as", 4: "author", 5: "license", 2: "version", 0: "name"}
        provenance |= {name: text for slot, name in names.items() if (text := root.text(slot))}
        subgraph = next(root.tables(3), None)
        inputs = list(subgraph.tables(2)) if subgraph else []
        outputs = list(subgraph.tables(3)) if subgraph else []
        normalization = next((n for tensor in inputs for n in _normalizations(tensor)), None)
        files = [f.text(0) for tensor in outputs for f in tensor.tables(6) if f.byte(2) in _LABEL_FILES]
    except Exception as error:  # offsets outside the block raise many kinds
        return Description(provenance={**provenance, "metadata": f"cannot be read ({error})"}, has_metadata=True)
    labels = _zipped_labels(content, files)
    preprocessing = {} if normalization is None else {"mean": normalization.mean, "std": normalization.std}
    source = "TFLite metadata" if labels or preprocessing else None
    return Description(labels, source, preprocessing, provenance, normalization, has_metadata=True)


def _normalizations(tensor: _Table) -> Iterator[Normalization]:
    for unit in tensor.tables(4):
        options = unit.table(1) if unit.byte(0) == _NORMALIZATION else None
        if options is not None:
            yield Normalization(options.floats(0), options.floats(1))


def _zipped_labels(content: bytes, names: list[str]) -> tuple[str, ...] | None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in names:
                if name in archive.namelist() and archive.getinfo(name).file_size <= _MAX_LABELS_BYTES:
                    return tuple(archive.read(name).decode("utf-8").rstrip("\r\n").splitlines())
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, RuntimeError, EOFError):
        return None
    return None


def _labels_in(text: str) -> tuple[str, ...] | None:
    if len(text) > _MAX_LABELS_BYTES:
        return None
    for parse in (json.loads, ast.literal_eval):  # {0: 'cat', 1: 'dog'} is what some exporters write
        try:
            value = parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(value, dict):
            value = _by_number(value)
        if isinstance(value, (list, tuple)):
            return tuple(str(label) for label in value)
    return tuple(text.strip("\r\n").splitlines()) or None


def _by_number(labels: dict[Any, Any]) -> list[Any]:
    """The names of {2: 'cat', 0: 'dog'} in the order of the outputs; as written where the keys are not numbers."""
    try:
        return [labels[key] for key in sorted(labels, key=int)]
    except (TypeError, ValueError):
        return list(labels.values())


def _table(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}


class _Table:
    """A flatbuffer's table, read by slot number.

    Source: metadata_schema.fbs of tflite-support; a field's slot is its place in its table there.
    """

    def __init__(self, content: bytes, position: int) -> None:
        self._table = flatbuffers.table.Table(content, position)

    @classmethod
    def root(cls, content: bytes) -> _Table:
        return cls(content, flatbuffers.encode.Get(number_types.UOffsetTFlags.packer_type, content, 0))

    def _at(self, slot: int) -> int:
        return int(self._table.Offset(4 + 2 * slot))

    def text(self, slot: int) -> str:
        offset = self._at(slot)
        return self._table.String(offset + self._table.Pos).decode("utf-8", "replace") if offset else ""

    def byte(self, slot: int) -> int:
        offset = self._at(slot)
        return int(self._table.Get(number_types.Uint8Flags, offset + self._table.Pos)) if offset else 0

    def table(self, slot: int) -> _Table | None:
        offset = self._at(slot)
        return _Table(self._table.Bytes, self._table.Indirect(offset + self._table.Pos)) if offset else None

    def tables(self, slot: int) -> Iterator[_Table]:
        offset = self._at(slot)
        if offset:
            start = self._table.Vector(offset)
            for i in range(self._table.VectorLen(offset)):
                yield _Table(self._table.Bytes, self._table.Indirect(start + 4 * i))

    def floats(self, slot: int) -> tuple[float, ...]:
        offset = self._at(slot)
        if not offset:
            return ()
        return tuple(float(v) for v in self._table.GetVectorAsNumpy(number_types.Float32Flags, offset))
