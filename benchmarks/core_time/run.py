"""Estimated milliseconds of cores that are not here, held against published times, and of edgekd's own students.

    edgekd devices setup emulated:cortex-a76
    python benchmarks/core_time/run.py --work DIR

Nothing is fitted to the published times: the estimate is LLVM's scheduling model of the code that LiteRT executes and a
model of caches and memory. The networks are those of keras.applications with random weights, which do not change what
is executed. Needs qemu-user and LLVM 17 or newer (Debian 12: llvm-19). Traces that are in DIR are used again. --short
sets the core up itself and estimates one small file, of --run where it is given.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Parser, machine, run_script, write_results
from published import ROWS, Published

import edgekd
from edgekd import storage
from edgekd.core_time import scheduling
from edgekd.core_time.accuracy import Error, Record, judge
from edgekd.core_time.cores import CORES, Core
from edgekd.core_time.estimate import join_parts
from edgekd.core_time.trace import Misses, Part, Sampling, record
from edgekd.devices import emulated
from edgekd.devices.table import open_device
from edgekd.export.exporter import export
from edgekd.preprocess import Preprocessing
from edgekd.quiet import import_keras
from edgekd.students.build import build_student
from edgekd.students.spec import parse_student

STUDENTS = ("cnn:16@64", "cnn:16@96", "slice:12@160")
TEACHER = "MobileNetV2"
RUN = "the run's student"
TRACE_TIMEOUT_S = 1800.0


@dataclass(frozen=True)
class Sizes:
    """What is estimated and how finely."""

    rows: tuple[Published, ...]
    students: tuple[str, ...]
    cores: tuple[str, ...]
    precisions: tuple[str, ...]
    sampling: Sampling


FULL = Sizes(tuple(ROWS), STUDENTS, tuple(CORES), ("float32", "int8"), Sampling())
SHORT = Sizes((), STUDENTS[:1], ("cortex-a76",), ("int8",), Sampling(parts=8, window=300))


def main() -> None:
    """Export what is missing, trace and simulate each file on each core, and write both tables."""
    parser = Parser(__file__, __doc__, work="exported files and what was traced; what is there is used again")
    parser.add_argument("--run", type=Path, help="a finished run whose exported student is estimated too")
    arguments = parser.parse()
    sizes = SHORT if arguments.short else FULL
    if arguments.short:
        emulated.setup("emulated:cortex-a76")
    arguments.work.mkdir(parents=True, exist_ok=True)
    tools = scheduling.find_tools("emulated:cortex-a76")
    bench = _Bench(arguments.work, tools, sizes, arguments.run)
    rows = [bench.compare(row) for row in sizes.rows]
    names = (RUN,) if arguments.short and arguments.run else (*sizes.students, *([RUN] if arguments.run else []))
    students = [
        bench.student(name, precision, core) for name in names for precision in sizes.precisions for core in sizes.cores
    ]
    results = {
        "schema": 1,
        "llvm": tools.version,
        "emulator": open_device("emulated:cortex-a76").facts(),
        "machine": machine(),
        "cores": {row.core.board: asdict(row.core) for row in sizes.rows} | {key: asdict(CORES[key]) for key in CORES},
        "rows": rows,
        "students": students,
        "record": asdict(judge(errors_of(rows))) if rows else None,
    }
    write_results(arguments.out, "core_time", results, render(results))


class _Bench:
    """Files, traces and cycles, each made once."""

    def __init__(self, work: Path, tools: scheduling.Tools, sizes: Sizes, run: Path | None) -> None:
        self._work, self._tools, self._sizes, self._run = work, tools, sizes, run
        self._start = time.monotonic()

    def compare(self, row: Published) -> dict[str, Any]:
        """A published time and its estimate."""
        estimate = self._estimate(row.model, row.precision, row.emulated, row.core, row.threads)
        entry = {**asdict(row), "core": row.core.board, "clock_mhz": row.core.clock_mhz, "estimate": estimate}
        return {**entry, "error": estimate["ms"] / row.ms - 1}

    def student(self, name: str, precision: str, core: str) -> dict[str, Any]:
        """One of edgekd's own students on one core."""
        return {"student": name, "precision": precision, "core": core,
                "estimate": self._estimate(name, precision, core, CORES[core], 1)}  # fmt: skip

    def _estimate(self, model: str, precision: str, emulated_core: str, core: Core, threads: int) -> dict[str, Any]:
        stem = "".join(letter if letter.isalnum() else "-" for letter in model)
        path = self._work / f"{stem}.{precision}.tflite"
        if model == RUN and self._run is not None:
            path = self._run / "export" / f"student.{precision}.tflite"
        elif not path.is_file():
            _export(model, stem, self._work)
        kept = self._work / f"{stem}.{precision}.{emulated_core}.{core.board.replace(' ', '-')}.json"
        sources = {
            "sha256": storage.sha256_file(path),
            "caches": [[cache.size_bytes, cache.ways] for cache in core.caches],
            "schedule": core.schedule,
            "sampling": asdict(self._sizes.sampling),
        }
        value = storage.read_json(kept) if kept.is_file() else {}
        if value.get("sources") != sources:
            value = {"sources": sources, **self._trace(model, path, emulated_core, core)}
            storage.write_json(kept, value)
        parts = [
            Part(part["instructions"], (bytes(4 * part["length"]),), tuple(Misses(*one) for one in part["misses"]))
            for part in value["parts"]
        ]
        return asdict(join_parts(core, parts, value["cycles"], value["llvm"], threads))

    def _trace(self, model: str, path: Path, emulated_core: str, core: Core) -> dict[str, Any]:
        size = edgekd.Artifact.open(path).preprocessing.height
        image = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), dtype=np.uint8)
        target = edgekd.BenchTarget(model, path, "tflite", image)
        device: Any = open_device(f"emulated:{emulated_core}")
        parts = record(device, core, target, self._sizes.sampling, TRACE_TIMEOUT_S)
        cycles = scheduling.count_cycles(self._tools, core.schedule, [part.window for part in parts])
        print(f"{time.monotonic() - self._start:6.0f} s  {path.name} on {core.board}", flush=True)
        return {
            "llvm": self._tools.version,
            "cycles": cycles,
            "parts": [
                {
                    "instructions": part.instructions,
                    "length": sum(len(code) // 4 for code in part.window),
                    "misses": [(one.streamed, one.scattered, one.written) for one in part.misses],
                }
                for part in parts
            ],
        }


def _export(model: str, stem: str, work: Path) -> None:
    """The float and the int8 file of a network with random weights."""
    import_keras()
    import keras

    keras.utils.set_random_seed(0)
    network = _network(model, keras)
    size = network.input_shape[1]
    photos = np.random.default_rng(0).integers(0, 256, (16, size, size, 3), dtype=np.uint8)
    # Untrained networks answer every photo alike unless their statistics are those of photos and no head is zero.
    for layer in _layers(network):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
        if isinstance(layer, keras.layers.Dense) and not np.any(layer.kernel):
            layer.kernel.assign(np.random.default_rng(1).normal(size=layer.kernel.shape))
    network(photos.astype(np.float32), training=True)
    labels = tuple(f"class {k}" for k in range(network.output_shape[-1]))
    export(
        network, work, stem, labels=labels, preprocessing=Preprocessing(height=size, width=size), calibration=photos,
        formats=("tflite",),
    )  # fmt: skip


def _network(name: str, keras: Any) -> Any:
    if "@" in name:
        spec = parse_student(name)
        teacher = _application(TEACHER, keras)
        return build_student(spec, teacher, classes=3)
    return _application(name, keras)


def _application(name: str, keras: Any) -> Any:
    build: dict[str, Callable[..., Any]] = {
        "MobileNetV1": keras.applications.MobileNet,
        "MobileNetV2": keras.applications.MobileNetV2,
        "MobileNetV3Large": keras.applications.MobileNetV3Large,
        "MobileNetV3Small": keras.applications.MobileNetV3Small,
    }
    inputs = keras.Input((224, 224, 3))
    # V3 scales its pixels itself.
    scaled = inputs if "V3" in name else keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    # One flat graph, from which a student can be cut.
    return keras.Model(inputs, build[name](weights=None, input_tensor=scaled).output)


def _layers(model: Any) -> Any:
    for layer in getattr(model, "layers", []):
        yield layer
        yield from _layers(layer)


def errors_of(rows: list[dict[str, Any]]) -> list[Error]:
    """Of every time, then of every ratio of int8 to float."""
    return [Error(row["error"], row["threads"]) for row in rows] + [
        Error(row["estimate"]["ms"] / other["estimate"]["ms"] / (row["ms"] / other["ms"]) - 1, row["threads"], True)
        for row in rows
        for other in rows
        if (row["precision"], other["precision"]) == ("int8", "float32")
        and all(other[key] == row[key] for key in ("model", "core", "threads"))
    ]


def render(results: dict[str, Any]) -> str:
    """Markdown: published against estimated, and the students."""
    lines = [
        "Estimated, not measured: LLVM's scheduling models of the code that LiteRT executes under qemu, and a model of",
        "caches and memory. Nothing is fitted to the published times.",
        "",
    ]
    rows = results["rows"]
    if rows:
        ratios = [f"{error.value:+.0%}" for error in errors_of(rows) if error.is_ratio]
        lines += [
            f"{Record(**results['record']).sentence}: {', '.join(ratios)}.",
            "In four threads everything but the way to memory is divided by four; nothing is added for their meeting.",
            "",
            "| network | precision | where | MHz | threads | published, ms | estimated, ms | error | executing, ms "
            "| transfers, ms | source | assumed |",
            "|---|---|---|---|---|---|---|---|---|---|---|---|",
        ]
    sources = list(dict.fromkeys(row["source"] for row in rows))
    for row in rows:
        one = row["estimate"]
        lines.append(
            f"| {row['model']} | {row['precision']} | {row['core']} | {row['clock_mhz']} | {row['threads']} "
            f"| {row['ms']:g} | {one['ms']:.1f} | {row['error']:+.0%} | {one['executing_ms']:.1f} "
            f"| {one['transfer_ms']:.1f} | [{sources.index(row['source']) + 1}] | {row['remark']} |"
        )
    lines += ["", *(f"[{number}] <{source}>  " for number, source in enumerate(sources, start=1)), ""]
    lines += ["| student | precision | core | estimated, ms | executing, ms | transfers, ms | instructions, millions |",
              "|---|---|---|---|---|---|---|"]  # fmt: skip
    for row in results["students"]:
        one = row["estimate"]
        lines.append(
            f"| {row['student']} | {row['precision']} | {row['core']} at {one['clock_mhz']} MHz | {one['ms']:.3f} "
            f"| {one['executing_ms']:.3f} | {one['transfer_ms']:.3f} | {one['instructions'] / 1e6:.2f} |"
        )
    facts = results["emulator"]
    lines += ["", f"One thread unless said. LLVM {results['llvm']}, {facts['emulator']}, "
              f"ai-edge-litert {facts['runtimes'].get('ai-edge-litert')}.", ""]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    run_script(main)
