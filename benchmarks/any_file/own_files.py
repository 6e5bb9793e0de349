"""Our own files: their bytes with and without sharing what is equal, the same answers by every runtime, what an Ethos-U
takes, and where time and instructions go by op.

    python benchmarks/any_file/own_files.py --exports DIR...

DIR is what ``edgekd export --int8`` or a run wrote. A plain copy stands for the file before: the same tables, each
written as often as it is used. ``EDGEKD_MEDIAPIPE_PYTHON``, ``EDGEKD_TFLITE_MICRO_PYTHON`` and ``EDGEKD_VELA_PYTHON``
name the Python of environments with those, ``EDGEKD_LITERT_JS`` a node_modules folder with @litertjs/core (2.5.3 was
tried, in Chromium), and ``EDGEKD_ANDROID_TFLITE`` a folder with the AARs of org.tensorflow:tensorflow-lite and
-api 2.16.1, such as Maven's repository (x86_64 Linux with gcc and Java). What is missing is left out, and said. --short
makes one small export, and tries LiteRT alone.
"""

from __future__ import annotations

import io
import os
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from _runtimes import answers
from common import Parser, machine, run_script, temporary_folder, write_results

from edgekd.bench.by_op.count import count_ops
from edgekd.bench.by_op.profile import FileProfile, profile
from edgekd.bench.by_op.side_by_side import by_kind, by_layer
from edgekd.bench.targets import BenchTarget
from edgekd.devices.table import open_device
from edgekd.errors import EdgekdError
from edgekd.export import ethos_u
from edgekd.formats import tflite_file
from edgekd.formats.artifact import Artifact


def main() -> None:
    """Look at every export, and write the tables."""
    parser = Parser(__file__, __doc__)
    parser.add_argument("--exports", type=Path, nargs="*", default=[], help="folders of exports [--short: a small one]")
    parser.add_argument("--profile", type=Path, help="the export whose ops are timed [the first]")
    parser.add_argument("--core", help="an emulated core to count their instructions on, such as emulated:cortex-a76")
    arguments = parser.parse()
    if not (arguments.short or arguments.exports):
        parser.error("needs --exports. To see whether the script works, use --short alone")
    started = time.monotonic()
    folders = arguments.exports or [_small_export()]
    results: dict[str, Any] = {"schema": 1, "machine": machine("cpu_model", "cores", "os", "runtimes")}
    results["load"] = round(os.getloadavg()[0], 1)
    results["files"] = [row for folder in folders for row in bytes_of(folder, arguments.short)]
    results["npu"] = [row for folder in folders for row in npu_rows(folder, arguments.short)]
    profiled, seconds = arguments.profile or folders[0], 0.02 if arguments.short else 2.0
    results["ops"] = ops_of(profiled, lambda target: profile(target, seconds=seconds))
    if arguments.core:
        core = open_device(arguments.core)
        results["instructions"] = {"core": core.address, **ops_of(profiled, lambda target: count_ops(target, core))}
    results["seconds"] = round(time.monotonic() - started)
    write_results(arguments.out, "own_files", results, render(results))


def _small_export() -> Path:
    from small_inputs import small_files

    folder = temporary_folder()
    small_files(folder)
    return folder


def bytes_of(folder: Path, short: bool) -> list[dict[str, Any]]:
    """Of every file its bytes; of a .tflite also those of a plain copy, and which runtimes answer both the same."""
    rows = []
    for path in sorted([*folder.glob("*.tflite"), *folder.glob("*.onnx")]):
        if any(target in path.name for target in ethos_u.TARGETS):
            continue
        artifact = Artifact.open(path)
        row = {"export": folder.name, "file": path.name, "bytes": artifact.size_bytes}
        if artifact.format == "tflite":
            plain = temporary_folder() / path.name
            content = tflite_file.pack(tflite_file.parse(artifact.content(), path.name))
            plain.write_bytes(_with_files_of(artifact.content(), content))
            row |= {"plain_bytes": plain.stat().st_size, "answers": answers(artifact, plain, short)}
        rows.append(row)
    for row in rows:
        twin = row["file"].replace("int8", "float32")
        floats = [other["bytes"] for other in rows if other["file"] == twin != row["file"]]
        row["of_float"] = round(row["bytes"] / floats[0], 3) if floats else None
    return rows


def _with_files_of(original: bytes, content: bytes) -> bytes:
    """``content`` with the zip of labels behind it that the ``original`` file has."""
    stream = io.BytesIO(content)
    stream.seek(0, io.SEEK_END)
    with zipfile.ZipFile(io.BytesIO(original)) as source, zipfile.ZipFile(stream, "a") as archive:
        for entry in source.infolist():
            archive.writestr(entry, source.read(entry))
    return stream.getvalue()


def npu_rows(folder: Path, short: bool) -> list[dict[str, Any]]:
    """What each NPU takes of an export's int8 .tflite, and what one scale a tensor cost where it has that."""
    paths = [path for path in folder.glob("*.int8.tflite") if path.is_file()]
    try:
        ethos_u.check_installed()
    except EdgekdError as error:
        return [{"export": folder.name, "not_tried": str(error)}]
    rows = []
    for path in paths:
        artifact = Artifact.open(path)
        for target in ethos_u.TARGETS[: 1 if short else None]:
            compiled = ethos_u.compile_for_npu(artifact, target, temporary_folder())
            rows.append(
                {
                    "export": folder.name, "file": path.name, "weight_scales": _scales(artifact),
                    "cost": artifact.provenance.get("weight_scales_compared", ""), **compiled.to_json(),
                }
            )  # fmt: skip
    return rows


def _scales(artifact: Artifact) -> str:
    return str(artifact.provenance.get("weight_scales", "one per channel"))


def ops_of(folder: Path, measure: Callable[[BenchTarget], FileProfile]) -> dict[str, Any]:
    """Where the time, or the instructions, of an export's four files go."""
    profiles = []
    for name in ("float32.tflite", "int8.tflite", "float32.onnx", "int8.onnx"):
        for path in folder.glob(f"*.{name}"):
            artifact = Artifact.open(path)
            size = artifact.preprocessing
            images = np.random.default_rng(0).integers(0, 256, (1, size.height, size.width, 3), dtype=np.uint8)
            profiles.append(measure(BenchTarget(name, path, artifact.format, images)))
    return {
        "export": folder.name,
        "files": [entry.name for entry in profiles],
        "totals": [round(entry.total, 1) for entry in profiles],
        "by_kind": [asdict(row) for row in by_kind(profiles)],
        "by_layer": [asdict(row) for row in by_layer(profiles)],
    }


def render(results: dict[str, Any]) -> str:
    """The tables in Markdown."""
    lines = [
        "# Our own files: bytes, runtimes, NPUs, time by op",
        "",
        "Plain: the same file with each table, vector and buffer written as often as it is used.",
        "",
        "| export | file | bytes | plain | int8 / float32 | the same answers |",
        "|---|---|---:|---:|---:|---|",
    ]
    for row in results["files"]:
        same = "; ".join(name if said == "same" else f"{name}: {said}" for name, said in row.get("answers", {}).items())
        plain, share = f"{row['plain_bytes']:,}" if "plain_bytes" in row else "–", row["of_float"] or "–"
        lines.append(f"| {row['export']} | {row['file']} | {row['bytes']:,} | {plain} | {share} | {same or '–'} |")
    lines += [
        "",
        "Ethos-U by Vela. Time is Vela's own estimate; nothing here ran on an NPU.",
        "",
        "| export | weight scales | NPU | ops on it | on the CPU | SRAM, KiB | flash, KiB | estimate, ms |",
        "|---|---|---|---:|---|---:|---:|---:|",
    ]
    for row in results["npu"]:
        if "not_tried" in row:
            lines.append(f"| {row['export']} | not tried: {row['not_tried']} |||||||")
            continue
        on_npu, on_cpu = sum(row["on_npu"].values()), row["on_cpu"]
        ops = f"{on_npu} of {on_npu + sum(on_cpu.values())}"
        left = ", ".join(f"{count} {kind}" for kind, count in on_cpu.items())
        lines.append(
            f"| {row['export']} | {row['weight_scales']} | {row['target']} | {ops} | {left or 'none'} "
            f"| {row['sram_bytes'] / 1024:.1f} | {row['flash_bytes'] / 1024:.1f} | {row['estimated_ms']:.3f} |"
        )
    costs = {row["export"]: row["cost"] for row in results["npu"] if row.get("cost")}
    lines += ["", *(f"{export}: {cost}." for export, cost in costs.items())]
    lines += _op_tables(results["ops"], "Microseconds", "on this machine")
    whole = _totals(results["ops"], "{:,.0f}", 1)
    lines += ["", f"An inference, one thread, in microseconds: {whole}; load of the machine: {results['load']}.", ""]
    if counted := results.get("instructions"):
        lines += _op_tables(counted, "Thousands of instructions", f"on {counted['core']}", 1000)
        whole = _totals(counted, "{:,.1f}", 1e6)
        lines += ["", f"An inference, in millions of instructions: {whole}.", ""]
    return "\n".join(lines)


def _totals(ops: dict[str, Any], form: str, unit: float) -> str:
    pairs = zip(ops["files"], ops["totals"], strict=True)
    return ", ".join(f"{name} {form.format(total / unit)}" for name, total in pairs)


def _op_tables(ops: dict[str, Any], what: str, where: str, unit: float = 1) -> list[str]:
    names = ops["files"]
    lines = []
    for title, rows in (("by kind of op", ops["by_kind"]), ("of the heaviest layers", ops["by_layer"])):
        lines += ["", f"{what} {where} {title} ({ops['export']}):", "", f"| | {' | '.join(names)} |"]
        lines.append(f"|---|{'---:|' * len(names)}")
        for row in rows:
            cells = ["–" if value is None else f"{value / unit:,.1f}" for value in row["values"]]
            lines.append(f"| {row['label']} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    run_script(main)
