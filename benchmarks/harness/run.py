"""How far the harness can be trusted: A/A runs, the interval's width, a busy neighbour, another tool's medians.

    python benchmarks/harness/run.py RUN --work DIR [--only aa,width,busy,other]

RUN is a finished run directory (its teacher and int8 file are measured). The machine should be otherwise idle; its load
is in the result. Parts that --work already has are not repeated, nor single A/A runs, busy pairs and rounds of the
other tool, so that a killed run can be continued.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Parser, machine, run_script, write_results
from small_inputs import small_run

from edgekd.bench import BenchPlan, BenchResult, BenchTarget, compare, measure
from edgekd.bench.ratio import paired_estimate, paired_ratio
from edgekd.bench.samples import launch_medians
from edgekd.bench.validity import disturbances_of, validity
from edgekd.cli.bench_inputs import run_photos
from edgekd.devices.table import open_device
from edgekd.formats.artifact import Artifact
from edgekd.metrics import wilson
from edgekd.pipeline.run_files import artifacts_in
from edgekd.storage import read_json, sha256_file, write_json

# The tool's entry point, whether or not its script is on the PATH.
LITERT_BENCHMARK = "from ai_edge_litert.tools.benchmark_litert_model import main; main()"
# In a process of its own: the timings here are of a process that has not loaded TensorFlow.
EXPORT_MOBILENET = """
import keras, numpy as np, sys
from pathlib import Path
from edgekd.export.exporter import export
from edgekd.preprocess import Preprocessing
size = int(sys.argv[2])
photos = np.random.default_rng(0).integers(0, 256, (64, size, size, 3), dtype=np.uint8)
image = keras.Input((size, size, 3)); x = keras.layers.Rescaling(1 / 127.5, -1)(image)
base = keras.applications.MobileNetV2(weights=None, classes=10, input_shape=(size, size, 3), classifier_activation=None,
                                      alpha=1.0 if size == 224 else 0.35)
for layer in base.layers:
    # Statistics of one batch, so that no layer of random weights gives the same for every photo.
    if isinstance(layer, keras.layers.BatchNormalization):
        layer.momentum = 0.0
model = keras.Model(image, base(x))
model(photos[:16].astype("float32"), training=True)
export(model, Path(sys.argv[1]), "mobilenetv2", labels=tuple("abcdefghij"), formats=("tflite",),
       preprocessing=Preprocessing(height=size, width=size), calibration=photos)
"""


@dataclass(frozen=True)
class Sizes:
    """How much is measured in each part."""

    aa_runs: int
    aa: BenchPlan
    width: BenchPlan
    busy: BenchPlan
    busy_pairs: int
    other: BenchPlan
    other_rounds: int
    other_iterations: int
    other_size: int


_BRIEF = BenchPlan(launches=5, seconds_per_launch=0.02, warmup_max_s=0.02)
FULL = Sizes(
    aa_runs=100,
    aa=BenchPlan(launches=7, seconds_per_launch=0.1, warmup_max_s=0.3),
    # Within a minute on a quiet machine of this kind.
    width=BenchPlan(launches=50, seconds_per_launch=0.25, warmup_max_s=0.4),
    busy=BenchPlan(launches=15, seconds_per_launch=0.3, warmup_max_s=0.3),
    busy_pairs=7,
    other=BenchPlan(launches=1, seconds_per_launch=2.0, warmup_max_s=1.0),
    other_rounds=15,
    other_iterations=200,
    other_size=224,
)
_ONE_LAUNCH = _BRIEF.model_copy(update={"launches": 1})
SHORT = Sizes(1, _BRIEF, _BRIEF, _ONE_LAUNCH, 5, _ONE_LAUNCH, 1, 5, 32)
Part = Callable[[Path, Path, Sizes], dict[str, Any]]


def main() -> None:
    """Run the parts that are asked for and not there yet, then write the results of all."""
    parser = Parser(__file__, __doc__, work="the results of every part")
    parser.input("run", help="a run directory [--short: a small run]")
    parser.add_argument("--only", default=",".join(PARTS))
    arguments = parser.parse()
    sizes, directory = SHORT if arguments.short else FULL, arguments.run or small_run(arguments.work)
    for name in arguments.only.split(","):
        stored = arguments.work / f"{name}.json"
        if not stored.is_file():
            load, started = machine("load_1min")["load_1min"], time.monotonic()
            result = PARTS[name](directory, arguments.work, sizes)
            write_json(stored, {**result, "seconds": round(time.monotonic() - started), "load_before": load})
    results = {name: read_json(path) for name in PARTS if (path := arguments.work / f"{name}.json").is_file()}
    facts = machine()
    write_results(arguments.out, "harness", {"schema": 1, "machine": facts, **results}, report(results, facts))


def stored_or_made(path: Path, key: dict[str, Any], make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``path`` stores of the same ``key``, else the result of ``make``, which is then stored there."""
    stored = read_json(path) if path.is_file() else {}
    if stored.get("key") != key:
        stored = {"key": key, "made": make()}
        write_json(path, stored)
    return dict(stored["made"])


def key_of(run: Path, plan: BenchPlan) -> dict[str, Any]:
    """What a stored measurement must be of: the run's files and the plan."""
    files = {row: artifact.sha256 for row, artifact in artifacts_in(run).items()}
    return {"files": files, "plan": plan.model_dump(mode="json")}


def aa(run: Path, work: Path, sizes: Sizes) -> dict[str, Any]:
    """The same file against itself: how often the interval excludes 1. Each run is stored as it ends."""
    ratios = []
    for seed in range(sizes.aa_runs):
        plan = sizes.aa.model_copy(update={"seed": seed})
        path = work / "aa" / f"{seed:03d}.json"
        ratio = stored_or_made(path, key_of(run, plan), lambda plan=plan: aa_run(run, plan))["ratio"]
        print(f"A/A {seed + 1}: {ratio[0]:.3f} ({ratio[1]:.3f}-{ratio[2]:.3f}) {ratio[3]}", file=sys.stderr)
        ratios.append(ratio)
    return {"plan": sizes.aa.model_dump(), "ratios": ratios}


def aa_run(run: Path, plan: BenchPlan) -> dict[str, Any]:
    """[ratio, low, high, verdict, standing] of one measurement of a file against itself."""
    target = target_of(run, "int8_tflite", "a")
    twin = BenchTarget("b", target.path, target.format, target.inputs)
    result = measure([target, twin], "a", plan, open_device("host"))
    comparison, standing = compare(result, "b"), validity(result, result.measurements[1]).standing
    ratio = comparison.ratio
    assert ratio is not None
    return {"ratio": [ratio.value, ratio.low, ratio.high, comparison.verdict, standing]}


def width(run: Path, work: Path, sizes: Sizes) -> dict[str, Any]:
    """Half-width of the interval of the int8 file against the teacher after about a minute."""
    started = time.monotonic()
    comparison = compare(result := pair(run, sizes.width), "student")
    assert comparison.ratio is not None
    ratio = comparison.ratio
    half = (ratio.high - ratio.low) / 2 / ratio.value
    return {
        "took_s": time.monotonic() - started,
        "student_us": 1000 * (result.median_ms("student") or 0.0),
        "per_sample": max(launch.inferences_per_sample for launch in result.measurement("student").launches),
        "standing": comparison.standing,
        "ratio": ratio.as_json(),
        "half_width": half,
        "verdict": comparison.verdict,
        "reasons": comparison.reasons,
    }


def busy(run: Path, work: Path, sizes: Sizes) -> dict[str, Any]:
    """The ratio with a busy loop on one core against the ratio without, by turns: the shift with its interval over the
    pairs, and whether it was flagged. Each pair is stored as it ends."""
    rows = []
    for number in range(sizes.busy_pairs):
        key = {**key_of(run, sizes.busy), "pair": number}
        rows.append(stored_or_made(work / "busy" / f"{number:03d}.json", key, lambda: busy_pair(run, sizes.busy)))
        shift = rows[-1]["busy"] / rows[-1]["quiet"] - 1
        print(f"busy pair {number + 1}: {shift:+.1%}", file=sys.stderr)
    shift = paired_ratio(*(np.array([row[which] for row in rows]) for which in ("busy", "quiet")))
    assert shift is not None
    return {"pairs": rows, "shift": shift.as_json()}


def busy_pair(run: Path, plan: BenchPlan) -> dict[str, Any]:
    """The ratio without and with a busy neighbour, and the disturbances reported for either."""
    quiet = compare(result := pair(run, plan), "student")
    quiet_disturbances = disturbances_of(result)
    with busy_core():
        loud = compare(result := pair(run, plan), "student")
    return {
        "quiet": quiet.estimate,
        "busy": loud.estimate,
        "quiet_said": quiet_disturbances,
        "busy_said": disturbances_of(result),
        "standing": validity(result, result.measurement("student")).standing,
    }


def other(run: Path, work: Path, sizes: Sizes) -> dict[str, Any]:
    """Our median against that of ai-edge-litert's own litert-benchmark, by turns, on three models."""
    rows = {}
    for name, path in three_models(run, work, sizes.other_size).items():
        settings = Artifact.open(path).preprocessing
        images = np.random.default_rng(0).integers(0, 256, (8, settings.height, settings.width, 3), dtype=np.uint8)
        ours, theirs = [], []
        target = BenchTarget(name, path, "tflite", images)
        for number in range(sizes.other_rounds):
            plan = sizes.other.model_dump(mode="json")
            key = {"sha256": sha256_file(path), "plan": plan, "iterations": sizes.other_iterations}
            stored = work / "other" / f"{name.replace(' ', '-')}-{number:03d}.json"
            round_ = stored_or_made(stored, key, lambda target=target: other_round(target, work, sizes))
            ours.append(round_["ours_ms"])
            theirs.append(round_["theirs_ms"])
            print(f"{name} {number + 1}: {ours[-1]:.2f} and {theirs[-1]:.2f} ms", file=sys.stderr)
        # A model of few microseconds is 0.00 ms in the other tool's output.
        pair = np.array(ours), np.maximum(theirs, 0.005)
        interval = paired_ratio(*pair)
        # The short form has too few rounds for an interval.
        ratio = [interval.value, interval.low, interval.high] if interval else [paired_estimate(*pair)] * 3
        rows[name] = {"ours_ms": ours, "theirs_ms": theirs, "ratio": ratio}
    return {"models": rows}


def other_round(target: BenchTarget, work: Path, sizes: Sizes) -> dict[str, Any]:
    """Our median and the other tool's, one after the other."""
    result = measure([target], target.name, sizes.other, open_device("host"))
    ours = float(launch_medians(result.measurements[0])[0])
    return {"ours_ms": ours, "theirs_ms": litert_benchmark(target.path, work, sizes.other_iterations)}


def litert_benchmark(path: Path, work: Path, iterations: int) -> float:
    """Median milliseconds as the other tool gives them, rounded to 0.01."""
    out = work / "litert-benchmark.json"
    argv = [sys.executable, "-c", LITERT_BENCHMARK, "--model", str(path), "--num_threads", "1"]
    argv += ["--num_runs", str(iterations), "--warmup_runs", str(iterations // 4), "--result_json", str(out)]
    subprocess.run(argv, check=True, capture_output=True)
    return float(json.loads(out.read_text())["latency"]["median_ms"])


def three_models(run: Path, work: Path, size: int) -> dict[str, Path]:
    """The run's teacher, and MobileNetV2 at 224 pixels in float and int8 with random weights: all take milliseconds."""
    exported = work / "mobilenetv2.float32.tflite", work / "mobilenetv2.int8.tflite"
    if not all(path.is_file() for path in exported):
        subprocess.run([sys.executable, "-c", EXPORT_MOBILENET, str(work), str(size)], check=True)
    return {
        "teacher": artifacts_in(run)["teacher"].path,
        "MobileNetV2 224 float32": exported[0],
        "MobileNetV2 224 int8": exported[1],
    }


def pair(run: Path, plan: BenchPlan) -> BenchResult:
    """The int8 file against the teacher."""
    targets = [target_of(run, "teacher", "teacher"), target_of(run, "int8_tflite", "student")]
    return measure(targets, "teacher", plan, open_device("host"))


def target_of(run: Path, row: str, name: str) -> BenchTarget:
    """A file of the run on its own test photos."""
    artifact = artifacts_in(run)[row]
    return BenchTarget(name, artifact.path, artifact.format, run_photos(run, 16).images(artifact.preprocessing))


@contextmanager
def busy_core() -> Iterator[None]:
    """Another program that never rests on the first CPU."""
    process = multiprocessing.get_context("spawn").Process(target=spin, daemon=True)
    process.start()
    time.sleep(1.0)
    try:
        yield
    finally:
        process.kill()
        process.join()


def spin() -> None:
    """Until killed."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    while True:
        pass


def report(results: dict[str, Any], facts: dict[str, Any]) -> str:
    """The results in words and a table."""
    lines = [f"On {facts['cpu_model']}, {facts['cores']} cores, {facts['os']}.", ""]
    if "aa" in results:
        ratios = results["aa"]["ratios"]
        excluded = sum(low > 1 or high < 1 for _, low, high, *_ in ratios)
        verdicts = sum(verdict in ("faster", "slower") for *_, verdict, _ in ratios)
        valid = sum(standing == "valid" for *_, standing in ratios)
        share = wilson(excluded, len(ratios))
        lines += [
            f"- A/A: in {excluded} of {len(ratios)} runs of a file against itself the interval excludes 1 "
            f"(95 %: {share.low:.1%}-{share.high:.1%}; aim: at most 7); {verdicts} got a verdict of faster or slower; "
            f"{valid} runs were valid, the others semi-valid or invalid. {results['aa']['seconds']} s."
        ]
    if "width" in results:
        part = results["width"]
        reasons = "; ".join(part["reasons"]) or "nothing disturbed it"
        lines += [
            f"- Width: after {part['took_s']:.0f} s the ratio of a file of {part['student_us']:.0f} µs, "
            f"{part['per_sample']} inferences a timing, is {part['ratio']['value']:.4f} ± {part['half_width']:.1%} "
            f"(aim: 1.5 %), {part['standing']}; {reasons}."
        ]
    if "busy" in results:
        pairs, shift = results["busy"]["pairs"], results["busy"]["shift"]
        flagged = sum(any("other programs" in text for text in row["busy_said"]) for row in pairs)
        false = sum(any("other programs" in text for text in row["quiet_said"]) for row in pairs)
        lines += [
            f"- Busy core: the ratio shifts by {shift['value'] - 1:+.1%} (95 %: {shift['low'] - 1:+.1%} to "
            f"{shift['high'] - 1:+.1%}, over {len(pairs)} pairs of quiet and busy; aim: 2 %). The busy program was "
            f"flagged in {flagged} of {len(pairs)}, something else in {false} of the quiet ones.",
            *(f"  - {row['busy'] / row['quiet'] - 1:+.1%}, {row['standing']}" for row in pairs),
        ]
    if "other" in results:
        lines += ["", "| model | edgekd p50, ms | litert-benchmark median, ms | ratio (95 %) |", "|---|---|---|---|"]
        for name, part in results["other"]["models"].items():
            value, low, high = part["ratio"]
            ours, theirs = np.median(part["ours_ms"]), np.median(part["theirs_ms"])
            lines += [f"| {name} | {ours:.2f} | {theirs:.2f} | {value:.3f} ({low:.3f}-{high:.3f}) |"]
    return "\n".join(lines) + "\n"


PARTS: dict[str, Part] = {"aa": aa, "width": width, "busy": busy, "other": other}


if __name__ == "__main__":
    run_script(main)
