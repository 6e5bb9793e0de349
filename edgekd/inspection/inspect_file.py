"""Look into any .tflite or .onnx: read it, ask its runtime in a process of its own, and name its mistakes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgekd.errors import ArtifactError
from edgekd.formats import artifact, onnx_file, ort_file, tflite_file
from edgekd.inspection import described, from_onnx, from_tflite, xnnpack
from edgekd.inspection.described import Description
from edgekd.inspection.lint.finding import Finding, Subject
from edgekd.inspection.lint.rules import lint
from edgekd.inspection.macs import macs
from edgekd.inspection.network import Network
from edgekd.inspection.probe import Probe, probe

_SEAL_MARK = b'"seal":"'


@dataclass(frozen=True, eq=False)
class Inspection:
    """What is inside a file. ``subject`` holds its graph, what it says of itself, its MACs and what is delegated.

    ``versions`` are of the file's format; ``delegation`` says how it is known which ops XNNPACK takes.
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

    @property
    def network(self) -> Network:
        """Its graph."""
        return self.subject.network

    @property
    def description(self) -> Description:
        """What it says of itself."""
        return self.subject.description


def inspect_file(path: Path, *, run: bool = True) -> Inspection:
    """Inspect a .tflite or .onnx of any maker; it is loaded and run once, on zeros, in another process.

    Without ``run`` it is only read. Raises: ArtifactError where it is damaged, or its runtime refuses it or dies of it.
    """
    content = artifact.read_content(path)
    if content[4:8] == tflite_file.IDENTIFIER:
        return _tflite(path, content, run)
    if ort_file.is_ort(content):
        raise ArtifactError(
            f"{path} is in ONNX Runtime's own format, which says less than .onnx. Give the .onnx that it was made of"
        )
    return _onnx(path, content, run)


def _tflite(path: Path, content: bytes, run: bool) -> Inspection:
    graph = tflite_file.read(content, str(path))
    described_as = described.of_tflite(content, graph.metadata, graph.description)
    record = graph.metadata.get(artifact.TFLITE_RECORD)
    ours = _check_ours(path, content, record is not None)
    if ours and record is not None:
        described_as = described.of_record(_record(path, record), described_as.normalization)
    network = from_tflite.network(graph)
    loads = run and all(op.builtin for op in network.ops)
    found = probe(path, "tflite") if loads else Probe()
    taken = found.delegated if found.delegated is not None else xnnpack.expected(network)
    return _inspection(
        (path, content, ours, {"schema": graph.version, "signatures": list(graph.signatures)}),
        _subject(network, described_as, graph.version, found, taken),
        found,
        "measured: LiteRT's delegate here" if found.delegated is not None else "expected: by the table of ops",
        graph.subgraphs,
    )


def _onnx(path: Path, content: bytes, run: bool) -> Inspection:
    graph = onnx_file.read(content, str(path))
    record = graph.metadata.get(artifact.ONNX_RECORD)
    ours = _check_ours(path, content, record is not None)
    if ours and record is not None:
        described_as = described.of_record(_record(path, record.encode()), None)
    else:
        described_as = described.of_onnx(graph.metadata, graph.producer)
    found = probe(path, "onnx", run=run)
    network = from_onnx.network(graph, found.types)
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
        _subject(network, described_as, graph.opset, found, None),
        found,
        None,
        1,
    )


def _subject(
    network: Network, description: Description, version: int, found: Probe, taken: frozenset[int] | None
) -> Subject:
    counted = {op.index: macs(network, op) for op in network.ops}
    return Subject(network, description, version, counted, taken, found.failed)


def _inspection(
    file: tuple[Path, bytes, bool, dict[str, Any]],
    subject: Subject,
    found: Probe,
    delegation: str | None,
    subgraphs: int,
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
        ran=found.ran and found.failed is None,
        fused=found.fused,
        subgraphs=subgraphs,
    )


def _check_ours(path: Path, content: bytes, has_record: bool) -> bool:
    # What carries a seal, or had one, must be as it was sealed.
    if not has_record and _SEAL_MARK not in content:
        return False
    artifact.check_seal(content, str(path))
    return True


def _record(path: Path, text: bytes) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except ValueError as error:
        raise ArtifactError(f"{path} carries a record that is not JSON ({error}). Export it again") from None
    if not isinstance(record, dict):
        raise ArtifactError(f"{path} carries a record that cannot be used. Export it again")
    return record
