"""``edgekd inspect``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekd.cli.model_options import read_shapes, shape_option

if TYPE_CHECKING:
    from edgekd.inspection import Inspection

_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}
_LABELS_SHOWN = 12
_LEFT_SHOWN = 6
_HASH = re.compile("[0-9a-f]{64}")


@click.command(
    "inspect",
    epilog="The file is loaded and run once, on zeros, in a separate process. Exit code 1 where it is damaged or its "
    "runtime refuses it; 3 with --strict where a mistake of severity error is found.",
)
@click.argument("artifact", type=click.Path(path_type=Path))
@click.option("--all", "everything", is_flag=True, help="Show metadata, inputs, every kind of op and every layer.")
@click.option("--layers/--no-layers", default=None, help="Show sizes and MACs by layer [with --all].")
@shape_option
@click.option("--no-run", is_flag=True, help="Only read the file, do not load it into its runtime.")
@click.option("--strict", is_flag=True, help="End with exit code 3 where an error is found.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(
    artifact: Path,
    everything: bool,
    layers: bool | None,
    shapes: tuple[str, ...],
    no_run: bool,
    strict: bool,
    as_json: bool,
) -> None:
    """Say what any .tflite or .onnx is, which layers are heaviest, and what is wrong with it.

    \b
    Example:
      edgekd inspect out/student.int8.tflite
      edgekd inspect detector.onnx --shape 1,3,320,320 --all
    """
    from edgekd.cli.console import print_json
    from edgekd.errors import GateFailed
    from edgekd.inspection import inspect_file, to_json

    inspection = inspect_file(artifact, run=not no_run, shapes=read_shapes(shapes))
    if as_json:
        print_json(to_json(inspection))
    else:
        _show(inspection, everything, everything if layers is None else layers)
    errors = [finding for finding in inspection.findings if finding.severity == "error"]
    if strict and errors:
        raise GateFailed(f"{artifact}: {', '.join(finding.rule for finding in errors)}")


def _show(inspection: Inspection, everything: bool, with_layers: bool) -> None:
    from edgekd.cli.console import line
    from edgekd.inspection.summary import summarize

    line((f"{inspection.path.name}: ", "bold"), summarize(inspection))
    if everything:
        _head(inspection)
        _tensors(inspection)
        _ops(inspection)
    else:
        _origin(inspection)
    if with_layers:
        _layers(inspection)
    else:
        _heaviest(inspection)
    if everything:
        _totals(inspection)
    _findings(inspection)
    if not everything:
        line(("--all shows metadata, inputs and outputs, every kind of op and every layer", "dim"))


def _origin(inspection: Inspection) -> None:
    """Where it comes from, its labels and, for a microcontroller, its arena."""
    labels = inspection.description.labels
    names = (
        "no labels in it"
        if labels is None
        else f"{len(labels)} label{'s' if len(labels) != 1 else ''}: {_some_labels(labels, 5)}"
    )
    maker = "made by edgekd, its seal is intact" if inspection.ours else "not edgekd's"
    _line("file", f"{inspection.network.format}, {inspection.size_bytes:,} bytes, {maker}; {names}")
    if inspection.micro_arena_bytes is not None:
        _line("micro", f"{inspection.micro_arena_bytes:,} bytes of arena on a microcontroller, by tflite-micro")


def _heaviest(inspection: Inspection) -> None:
    from edgekd.cli.console import table
    from edgekd.inspection.summary import format_bytes, format_count
    from edgekd.inspection.tables import heaviest

    rows = [
        (
            _short(layer.name),
            layer.type,
            f"{layer.share:.1%}",
            format_count(layer.macs),
            format_bytes(layer.constant_bytes),
        )
        for layer in heaviest(inspection)
    ]
    if rows:
        table(("heaviest layers", "op", "share", "MACs", "weights"), rows)


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"…{name[-39:]}"


def _some_labels(labels: tuple[str, ...], most: int) -> str:
    return ", ".join(labels[:most]) + (f" and {len(labels) - most} more" if len(labels) > most else "")


def _line(name: str, text: str) -> None:
    from edgekd.cli.console import line

    line((f"{name:<14}", "bold"), f" {text}")


def _head(inspection: Inspection) -> None:
    description, versions = inspection.description, inspection.versions
    maker = "made by edgekd, its seal is intact" if inspection.ours else "not edgekd's"
    _line("file", f"{inspection.path.name}: {inspection.network.format}, {inspection.size_bytes:,} bytes, {maker}")
    _line("sha256", inspection.sha256)
    _line("versions", _pairs(versions))
    if inspection.subgraphs > 1:
        _line("subgraphs", f"{inspection.subgraphs}; those that an op of the first runs are counted with it")
    labels = description.labels
    if labels is None:
        _line("labels", "none in the file")
    else:
        _line("labels", f"{len(labels)}: {_some_labels(labels, _LABELS_SHOWN)}")
    _line("preprocessing", _pairs(description.preprocessing) or "not stated in the file")
    _line("provenance", _pairs(description.provenance) or "not stated in the file")


def _tensors(inspection: Inspection) -> None:
    from edgekd.cli.console import table
    from edgekd.inspection.tables import tensor

    rows = []
    network = inspection.network
    for side, keys in (("in", network.inputs), ("out", network.outputs)):
        for key in keys:
            facts = tensor(network.values[key])
            scale = "–" if facts["scale"] is None else f"{facts['scale']:.7g}"
            zero = "–" if facts["zero_point"] is None else str(facts["zero_point"])
            rows.append((side, facts["name"], facts["dtype"], _shape(facts["shape"]), scale, zero))
    header = ("", "name", "dtype", "shape", "scale", "zero point")
    table(header, rows, title="Inputs and outputs", boxed=True, left=len(header))


def _ops(inspection: Inspection) -> None:
    from edgekd.cli.console import table
    from edgekd.inspection.tables import op_rows

    is_tflite = inspection.subject.delegated is not None
    rows = [
        (
            row.type, row.precision, str(row.count), _count(row.macs),
            *([f"{row.delegated} of {row.count}"] if is_tflite else []),
        )
        for row in op_rows(inspection)
    ]  # fmt: skip
    header = ("op", "precision", "count", "MACs", *(["XNNPACK"] if is_tflite else []))
    table(header, rows, title="Ops", boxed=True, left=len(header))


def _layers(inspection: Inspection) -> None:
    from edgekd.cli.console import table
    from edgekd.inspection.network import DEQUANTIZE, QUANTIZE
    from edgekd.inspection.tables import layers

    is_tflite = inspection.subject.delegated is not None
    rows = []
    for layer in layers(inspection):
        if layer.macs == 0 and layer.type in (*QUANTIZE, *DEQUANTIZE):
            continue
        shape = _shape(None if layer.output_shape is None else list(layer.output_shape))
        name = _short(layer.name)
        delegated = [("yes" if layer.delegated else "no")] if is_tflite else []
        rows.append(
            (
                str(layer.index), name, layer.type, layer.precision, shape, f"{layer.constant_bytes:,}",
                _count(layer.macs), *delegated,
            )
        )  # fmt: skip
    header = ("#", "layer", "op", "precision", "output", "bytes", "MACs", *(["XNNPACK"] if is_tflite else []))
    table(header, rows, title="Layers", boxed=True, left=len(header))


def _totals(inspection: Inspection) -> None:
    from edgekd.inspection.tables import delegation, totals

    total = totals(inspection)
    unknown = total["macs_not_counted_in"]
    not_counted = f", not counted in {', '.join(unknown)}" if unknown else ""
    _line("total", f"{total['ops']} ops, {total['macs']:,} MACs an image{not_counted}")
    _line("bytes", f"{total['constant_bytes']:,} of constants, {total['other_bytes']:,} of structure and metadata")
    delegated = delegation(inspection)
    if delegated is not None:
        share = "" if delegated["macs_share"] is None else f", with {delegated['macs_share']:.1%} of the MACs"
        left = f"; leaves {', '.join(delegated['left'][:_LEFT_SHOWN])}" if delegated["left"] else ""
        left += f" and {len(delegated['left']) - _LEFT_SHOWN} more" if len(delegated["left"]) > _LEFT_SHOWN else ""
        _line("XNNPACK", f"takes {delegated['ops']} of {delegated['of']} ops{share} ({delegated['how']}){left}")
    if inspection.fused:
        ops = ", ".join(f"{count} {op}" for op, count in sorted(inspection.fused.items(), key=lambda kv: -kv[1]))
        _line("ONNX Runtime", f"fuses it to: {ops}")
    if inspection.ran:
        _line("runs", "yes, once on zeros")


def _findings(inspection: Inspection) -> None:
    from edgekd.cli.console import line

    if not inspection.findings:
        _line("lint", "no mistake found")
    for finding in inspection.findings:
        severity = (f"{finding.severity:<7}", _COLOURS[finding.severity])
        line(severity, " ", (finding.rule, "bold"), f": {finding.message}")
        line("        ", (finding.fix, "dim"))


def _shape(shape: list[Any] | None) -> str:
    return "?" if shape is None else " x ".join("any" if size == -1 else str(size) for size in shape) or "scalar"


def _count(value: int | None) -> str:
    return "?" if value is None else f"{value:,}" if value else "–"


def _pairs(table: dict[str, Any]) -> str:
    return ", ".join(f"{name} {_text(value)}" for name, value in table.items() if value not in (None, "", [], {}))


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "(" + _pairs(value) + ")"
    if isinstance(value, (list, tuple)):
        return " ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in value)
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if _HASH.fullmatch(text):
        return text[:12]
    return text if len(text) <= 60 else f"{text[:57]}..."
