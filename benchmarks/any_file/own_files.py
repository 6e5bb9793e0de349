"""Our own files: their bytes with and without sharing what is equal, the same answers by every runtime, what an Ethos-U
takes, and where the time goes by op.

    python benchmarks/any_file/own_files.py --exports DIR...

DIR is what ``edgekd export --int8`` or a run wrote. A plain copy stands for the file before: the same tables, each
written as often as it is used. ``EDGEKD_MEDIAPIPE_PYTHON``, ``EDGEKD_TFLITE_MICRO_PYTHON`` and ``EDGEKD_VELA_PYTHON``
name the Python of environments with those; what is missing is left out, and said. --short makes one small export, and
tries LiteRT alone.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from common import TESTS, Parser, machine, run_script, temporary_folder, write_results

from edgekd.bench.by_op.profile import profile
from edgekd.bench.by_op.side_by_side import by_kind, by_layer
from edgekd.bench.targets import BenchTarget
from edgekd.errors import EdgekdError
from edgekd.export import ethos_u
from edgekd.export.tflite_metadata import append_labels
from edgekd.formats import tflite_file
from edgekd.formats.artifact import Artifact

IMAGES = 4
ARENA_BYTES = 16 << 20


def main() -> None:
    """Look at every export, and write the tables."""
    parser = Parser(__file__, __doc__)
    parser.add_argument("--exports", type=Path, nargs="*", default=[], help="folders of exports [--short: a small one]")
    parser.add_argument("--profile", type=Path, help="the export whose ops are timed [the first]")
    arguments = parser.parse()
    if not (arguments.short or arguments.exports):
        parser.error("needs --exports. To see whether the script works, use --short alone")
    started = time.monotonic()
    folders = arguments.exports or [_small_export()]
    results: dict[str, Any] = {"schema": 1, "machine": machine("cpu_model", "cores", "os", "runtimes")}
    results["load"] = round(os.getloadavg()[0], 1)
    results["files"] = [row for folder in folders for row in bytes_of(folder, arguments.short)]
    results["npu"] = [row for folder in folders for row in npu_rows(folder, arguments.short)]
    results["ops"] = ops_of(arguments.profile or folders[0], 0.02 if arguments.short else 2.0)
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
            plain.write_bytes(append_labels(content, artifact.labels))
            row |= {"plain_bytes": plain.stat().st_size, "answers": answers(artifact, plain, short)}
        rows.append(row)
    for row in rows:
        twin = row["file"].replace("int8", "float32")
        floats = [other["bytes"] for other in rows if other["file"] == twin != row["file"]]
        row["of_float"] = round(row["bytes"] / floats[0], 3) if floats else None
    return rows


def answers(artifact: Artifact, plain: Path, short: bool) -> dict[str, str]:
    """By runtime: "same", or what differs, or why it was not tried."""
    size = artifact.preprocessing
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, 1, size.height, size.width, 3), dtype=np.uint8)
    found = {name: _same(run, artifact.path, plain, images) for name, run in LITERT.items()}
    if short:
        return found
    if artifact.precision == "int8":
        found["tflite-micro"] = _same_by_client("EDGEKD_TFLITE_MICRO_PYTHON", _micro, artifact.path, plain, images)
    found["MediaPipe"] = _same_by_client("EDGEKD_MEDIAPIPE_PYTHON", _mediapipe, artifact.path, plain, images)
    if importlib.util.find_spec("tensorflow") is not None:
        found["TensorFlow's TFLite"] = _same(_tensorflow, artifact.path, plain, images)
    return found


def _same(run: Any, path: Path, plain: Path, images: Any) -> str:
    first, second = (np.asarray(run(each, images)) for each in (path, plain))
    return "same" if np.array_equal(first, second) else f"differs by {np.abs(first - second).max():.3g}"


def _same_by_client(variable: str, run: Any, path: Path, plain: Path, images: Any) -> str:
    return _same(run, path, plain, images) if os.environ.get(variable) else f"not tried: {variable} is not set"


def _litert(resolver: str) -> Any:
    def run(path: Path, images: Any) -> Any:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        return _invoke(
            Interpreter(model_path=str(path), experimental_op_resolver_type=getattr(OpResolverType, resolver)), images
        )

    return run


def _tensorflow(path: Path, images: Any) -> Any:
    import warnings

    from edgekd.quiet import quiet

    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tensorflow as tf

        return _invoke(tf.lite.Interpreter(model_path=str(path)), images)


def _invoke(interpreter: Any, images: Any) -> Any:
    interpreter.allocate_tensors()
    (image,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    rows = []
    for each in images:
        interpreter.set_tensor(image["index"], each)
        interpreter.invoke()
        rows.append(interpreter.get_tensor(result["index"])[0])
    return np.stack(rows)


LITERT = {"LiteRT, XNNPACK": _litert("AUTO"), "LiteRT, plain kernels": _litert("BUILTIN_REF")}


def _micro(path: Path, images: Any) -> Any:
    stored = temporary_folder() / "images.npy"
    np.save(stored, images[:, 0])
    return json.loads(_client("EDGEKD_TFLITE_MICRO_PYTHON", "micro_client.py", path, stored, str(ARENA_BYTES)))


def _mediapipe(path: Path, images: Any) -> Any:
    from PIL import Image

    folder = temporary_folder()
    for number, image in enumerate(images[:, 0]):
        Image.fromarray(image).save(folder / f"{number}.png")
    paths = "\n".join(str(folder / f"{number}.png") for number in range(len(images)))
    said = json.loads(_client("EDGEKD_MEDIAPIPE_PYTHON", "mediapipe_client.py", path, text=paths))
    return [[answer["scores"][name] for name in sorted(answer["scores"])] for answer in said["answers"][0]]


def _client(variable: str, script: str, *words: Any, text: str = "") -> str:
    done = subprocess.run(
        [os.environ[variable], TESTS / "clients" / script, *words], input=text, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{script} {words[0]}: {done.stderr[-1000:]}")
    return done.stdout.splitlines()[-1]


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


def ops_of(folder: Path, seconds: float) -> dict[str, Any]:
    """Where the time of an export's four files goes."""
    profiles = []
    for name in ("float32.tflite", "int8.tflite", "float32.onnx", "int8.onnx"):
        for path in folder.glob(f"*.{name}"):
            artifact = Artifact.open(path)
            size = artifact.preprocessing
            images = np.random.default_rng(0).integers(0, 256, (1, size.height, size.width, 3), dtype=np.uint8)
            profiles.append(profile(BenchTarget(name, path, artifact.format, images), seconds=seconds))
    return {
        "export": folder.name,
        "files": {entry.name: round(entry.total_us, 1) for entry in profiles},
        "by_kind": {row.label: row.us for row in by_kind(profiles)},
        "by_layer": {row.label: row.us for row in by_layer(profiles)},
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
    ops = results["ops"]
    names = list(ops["files"])
    for title, rows in (("by kind of op", ops["by_kind"]), ("of the heaviest layers", ops["by_layer"])):
        lines += ["", f"Microseconds {title} ({ops['export']}):", "", f"| | {' | '.join(names)} |"]
        lines.append(f"|---|{'---:|' * len(names)}")
        lines += [
            f"| {label} | {' | '.join('–' if value is None else f'{value:.1f}' for value in values)} |"
            for label, values in rows.items()
        ]
    whole = ", ".join(f"{name} {us:,.0f}" for name, us in ops["files"].items())
    lines += ["", f"An inference, one thread, in microseconds: {whole}; load of the machine: {results['load']}.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    run_script(main)
