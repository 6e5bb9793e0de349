"""Inspects any .tflite or .onnx: reads it, runs it in a child process, and lists its mistakes."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgekd import processes
from edgekd.errors import ArtifactError
from edgekd.formats import artifact, onnx_file, ort_file, tflite_file
from edgekd.inspection import description, from_onnx, from_tflite, micro_child, xnnpack
from edgekd.inspection.description import Description, Normalization
from edgekd.inspection.ending import parameters_of
from edgekd.inspection.lint.finding import Finding, Subject
from edgekd.inspection.lint.rules import lint
from edgekd.inspection.macs import macs
from edgekd.inspection.network import Network
from edgekd.inspection.probe import Probe, RefusedError, Shapes, probe

_MICRO_TIMEOUT_S = 30.0


@dataclass(frozen=True, eq=False)
class Inspection:
    """The contents of a file. ``subject`` holds its graph, metadata, MACs and delegated ops.

    ``versions`` are those of the file's format; ``delegation`` says how XNNPACK's share is known: measured or expected.
    """

    path: Path
    size_bytes: int
    sha256: str
    ours: bool
    versions: dict[str, Any]
    subject: Subject
    findings: tuple[Finding, ...]
    delegation: str | None
    ran: bool
    fused: dict[str, int] = field(default_factory=dict)
    subgraphs: int = 1
    parts: int | None = None
    micro_arena_bytes: int | None = None
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def network(self) -> Network:
        """Its graph."""
        return self.subject.network

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return parameters_of(self.network)

    @property
    def description(self) -> Description:
        """Its metadata."""
        return self.subject.description


def inspect_file(path: str | os.PathLike[str], *, run: bool = True, shapes: Shapes | None = None) -> Inspection:
    """Inspect a .tflite or .onnx file of any tool: its graph, metadata, MACs and classic mistakes.

    Args:
        path: The file.
        run: Also load it and run it once on zeros, in a child process; otherwise it is only read.
        shapes: Shapes of inputs by name ("" for the only one) whose sizes the file leaves free.

    Returns:
        The inspection; ``edgekd.inspection.to_json`` makes JSON of it.

    Raises:
        ArtifactError: The file is missing or damaged, or its runtime refuses it, crashes or takes too long.

    Example:
        >>> inspection = inspect_file("student.int8.tflite")  # doctest: +SKIP
        >>> [finding.rule for finding in inspection.findings]  # doctest: +SKIP
        []
    """
    path = Path(path)
    content = artifact.read_content(path)
    if content[4:8] == tflite_file.IDENTIFIER:
        return _tflite(path, content, run, shapes)
    if ort_file.is_ort(content):
        raise ArtifactError(
            f"{path} is in ONNX Runtime's own format, which holds less than .onnx. Give the .onnx that it was made from"
        )
    return _onnx(path, content, run, shapes)


def _tflite(path: Path, content: bytes, run: bool, shapes: Shapes | None) -> Inspection:
    graph = tflite_file.read(content, str(path))
    about = description.describe_tflite(content, graph.metadata, graph.description)
    record = graph.metadata.get(artifact.TFLITE_RECORD)
    ours = _check_ours(path, content, record is not None)
    if ours and record is not None:
        about = _describe_record(path, record, about.normalization)
    network = from_tflite.network(graph)
    result = _probe(path, "tflite", network, run, shapes) if run else Probe()
    if result.sizes:
        network = _with_sizes(network, result.sizes)
    delegated = result.delegated if result.delegated is not None else xnnpack.expect_delegated(network)
    return _inspection(
        (path, content, ours, {"schema": graph.version, "signatures": list(graph.signatures)}),
        _subject(network, about, graph.version, result, delegated),
        result,
        "measured: LiteRT's delegate here" if result.delegated is not None else "expected: by the table of ops",
        graph.subgraphs,
        shapes,
    )


def _onnx(path: Path, content: bytes, run: bool, shapes: Shapes | None) -> Inspection:
    graph = onnx_file.read(content, str(path))
    record = graph.metadata.get(artifact.ONNX_RECORD)
    ours = _check_ours(path, content, record is not None)
    if ours and record is not None:
        about = _describe_record(path, record.encode(), None)
    else:
        about = description.describe_onnx(graph.metadata, graph.producer)
    result = _probe(path, "onnx", from_onnx.network(graph), run, shapes)
    network = from_onnx.network(graph, result.types)
    return _inspection(
        (
            path,
            content,
            ours,
            {
                "opset": graph.opset,
                "opsets": {name or "ai.onnx": number for name, number in graph.opsets.items()},
                "ir": graph.ir_version,
            },
        ),
        replace(_subject(network, about, graph.opset, result, None), external=graph.external_files),
        result,
        None,
        1,
        shapes,
    )


def _subject(
    network: Network, description: Description, version: int, result: Probe, delegated: frozenset[int] | None
) -> Subject:
    counts = {op.index: macs(network, op) for op in network.ops}
    return Subject(
        network, description, version, counts, delegated, result.failed, result.ran and result.failed is None,
        result.guessed, result.chosen, result.shapes,
    )  # fmt: skip


def _probe(path: Path, kind: str, network: Network, run: bool, shapes: Shapes | None) -> Probe:
    """Run it; where its runtime lacks an op that is not its own, that is a finding, and not damage."""
    try:
        return probe(path, kind, run=run, shapes=shapes)
    except RefusedError as error:
        if all(op.builtin for op in network.ops):
            raise
        types = {} if kind == "tflite" else probe(path, kind, run=False).types
        return Probe(failed=error.why, types=types)


def _with_sizes(network: Network, sizes: Mapping[str, tuple[int, ...]]) -> Network:
    """The shapes that the runtime computed, of tensors between inputs and outputs."""
    inputs = {*network.inputs}
    values = {
        key: replace(value, shape=sizes[key])
        if key in sizes and key not in inputs and not value.constant and len(sizes[key]) == len(value.shape or ())
        else value
        for key, value in network.values.items()
    }
    return replace(network, values=values)


def _inspection(
    file: tuple[Path, bytes, bool, dict[str, Any]],
    subject: Subject,
    result: Probe,
    delegation: str | None,
    subgraphs: int,
    shapes: Shapes | None,
) -> Inspection:
    path, content, ours, versions = file
    return Inspection(
        path=path,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        ours=ours,
        versions=versions,
        subject=subject,
        findings=lint(subject),
        delegation=delegation,
        ran=result.ran and result.failed is None,
        fused=result.fused,
        subgraphs=subgraphs,
        parts=result.parts,
        shapes=result.shapes if result.guessed or shapes else {},
        micro_arena_bytes=_micro_arena(path, subject) if result.ran else None,
    )


def _micro_arena(path: Path, subject: Subject) -> int | None:
    """What TensorFlow Lite for Microcontrollers needs, where it is installed and loads the file; else None."""
    if not subject.is_tflite or importlib.util.find_spec("tflite_micro") is None:
        return None
    argv = [sys.executable, micro_child.__file__, str(path.absolute())]
    ended = processes.run(argv, _MICRO_TIMEOUT_S, env=dict(os.environ))
    text = ended.stdout.decode("ascii", "replace").strip()
    return int(text) if ended.status == 0 and text.isdecimal() else None


def _check_ours(path: Path, content: bytes, has_record: bool) -> bool:
    # A file with a seal, or part of one, must be unchanged since it was sealed.
    if not has_record and not artifact.has_seal(content):
        return False
    artifact.check_seal(content, str(path))
    return True


def _describe_record(path: Path, text: bytes, normalization: Normalization | None) -> Description:
    try:
        return description.describe_record(_record(path, text), normalization)
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path} has an invalid record ({error}). Export it again") from None


def _record(path: Path, text: bytes) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except ValueError as error:
        raise ArtifactError(f"{path} has a record that is not JSON ({error}). Export it again") from None
    if not isinstance(record, dict):
        raise ArtifactError(f"{path} has a record that cannot be used. Export it again")
    return record
