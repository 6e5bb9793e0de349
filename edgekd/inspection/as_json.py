"""An inspection as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from edgekd.inspection.inspect_file import Inspection
from edgekd.inspection.memory import plan_activations
from edgekd.inspection.summary import summarize
from edgekd.inspection.tables import delegation, heaviest, layers, op_rows, tensor, totals

SCHEMA = 1


def to_json(inspection: Inspection) -> dict[str, Any]:
    """Everything as a JSON object, whose keys are stable across releases."""
    network, description = inspection.network, inspection.description
    return {
        "summary": summarize(inspection),
        "parameters": inspection.parameters,
        "activation_bytes": plan_activations(network, inspection.shapes),
        "micro_arena_bytes": inspection.micro_arena_bytes,
        "heaviest": [asdict(layer) for layer in heaviest(inspection)],
        "schema": SCHEMA,
        "file": str(inspection.path),
        "format": network.format,
        "size_bytes": inspection.size_bytes,
        "sha256": inspection.sha256,
        "made_by_edgekd": inspection.ours,
        "versions": inspection.versions,
        "subgraphs": inspection.subgraphs,
        "inputs": [tensor(network.values[key]) for key in network.inputs],
        "outputs": [tensor(network.values[key]) for key in network.outputs],
        "labels": None if description.labels is None else list(description.labels),
        "decision": None if description.decision is None else description.decision.as_json(),
        "described_by": description.source,
        "preprocessing": description.preprocessing,
        "provenance": description.provenance,
        "ops": [asdict(row) for row in op_rows(inspection)],
        "layers": [asdict(layer) for layer in layers(inspection)],
        "totals": totals(inspection),
        "xnnpack": delegation(inspection),
        "onnxruntime_ops": inspection.fused or None,
        "ran": inspection.ran,
        "findings": [asdict(finding) for finding in inspection.findings],
    }
