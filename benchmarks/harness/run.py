"""Whether the harness may be believed: A/A runs, the interval's width, a busy neighbour, another tool's medians.

python benchmarks/harness/run.py RUN --work DIR [--only aa,width,busy,other] [--short]

RUN is a finished run directory (its teacher and int8 file are measured). The machine should be otherwise idle; what
it was doing is in the result. Parts that --work already holds are kept, also single A/A runs and busy pairs: a killed
run goes on. --short tries the program out with few and short launches and writes its results to --work.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edgekd.bench import BenchPlan, BenchResult, BenchTarget, compare, measure
from edgekd.bench.ratio import paired_ratio
from edgekd.bench.samples import launch_medians
from edgekd.bench.validity import disturbances_of, validity
from edgekd.cli.bench_inputs import run_photos
from edgekd.devices.table import open_device
from edgekd.formats.artifact import Artifact
from edgekd.metrics import wilson
from edgekd.pipeline.run_files import artifacts_in
from edgekd.storage import read_json, write_json, write_text

AA_RUNS, AA_PLAN = 100, BenchPlan(launches=7, seconds_per_launch=0.1, warmup_max_s=0.3)
# A minute on a quiet machine of this kind.
WIDTH_PLAN = BenchPlan(launches=66, seconds_per_launch=0.5, warmup_max_s=0.5)
BUSY_PLAN = BenchPlan(launches=15, seconds_per_launch=0.3, warmup_max_s=0.3)
BUSY_PAIRS, OTHER_ROUNDS = 7, 9
OTHER_PLAN = BenchPlan(launches=1, seconds_per_launch=2.0, warmup_max_s=1.0)
SHORT = {"seconds_per_launch": 0.03, "warmup_max_s": 0.05}


def main() -> None:
    """Run the parts that are asked for and not there yet, then write the results of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", default="aa,width,busy,other")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--short", action="store_true")
    arguments = parser.parse_args()
    if arguments.short:
        shorten()
        arguments.out = arguments.work / "results"
    parts: dict[str, Callable[[Path, Path], dict[str, Any]]] = {"aa": aa, "width": width, "busy": busy, "other": other}
    for name in arguments.only.split(","):
        kept = arguments.work / f"{name}.json"
        if not kept.is_file():
            facts = open_device("host").facts()
            started = time.monotonic()
            told = parts[name](arguments.run, arguments.work)
            seconds = round(time.monotonic() - started)
            write_json(kept, {**told, "seconds": seconds, "load_before": facts["load_1min"]})
    found = {name: read_json(path) for name in parts if (path := arguments.work / f"{name}.json").is_file()}
    machine = open_device("host").facts()
    write_json(arguments.out / "harness.json", {"schema": 1, "machine": machine, **found})
    text = report(found, machine)
    write_text(arguments.out / "harness.md", text)
    print(text)


def shorten() -> None:
    """Enough to see that all of it works; the numbers mean nothing."""
    global AA_RUNS, AA_PLAN, WIDTH_PLAN, BUSY_PLAN, BUSY_PAIRS, OTHER_ROUNDS
    AA_RUNS, BUSY_PAIRS, OTHER_ROUNDS = 3, 5, 5
    AA_PLAN, WIDTH_PLAN, BUSY_PLAN = (
        plan.model_copy(update={**SHORT, "launches": 5}) for plan in (AA_PLAN, WIDTH_PLAN, BUSY_PLAN)
    )


def kept(path: Path, key: dict[str, Any], make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``path`` holds of the same ``key``, else what ``make`` gives, kept there."""
    found = read_json(path) if path.is_file() else {}
    if found.get("key") != key:
        found = {"key": key, "made": make()}
        write_json(path, found)
    return dict(found["made"])


def key_of(run: Path, plan: BenchPlan) -> dict[str, Any]:
    """What a kept measurement must be of: the run's files and the plan."""
    files = {row: artifact.sha256 for row, artifact in artifacts_in(run).items()}
    return {"files": files, "plan": plan.model_dump(mode="json")}


def aa(run: Path, work: Path) -> dict[str, Any]:
    """The same file against itself: how often the interval excludes 1. Each run is kept as it ends."""
    ratios = []
    for seed in range(AA_RUNS):
        plan = AA_PLAN.model_copy(update={"seed": seed})
        one = kept(work / "aa" / f"{seed:03d}.json", key_of(run, plan), lambda plan=plan: aa_run(run, plan))
        low, high = one["ratio"][1:3]
        print(f"A/A {seed + 1}: {one['ratio'][0]:.3f} ({low:.3f}-{high:.3f}) {one['ratio'][3]}", file=sys.stderr)
        ratios.append(one["ratio"])
    return {"plan": AA_PLAN.model_dump(), "ratios": ratios}


def aa_run(run: Path, plan: BenchPlan) -> dict[str, Any]:
    """[ratio, low, high, verdict, standing] of one measurement of a file against itself."""
    target = target_of(run, "int8_tflite", "a")
    twin = BenchTarget("b", target.path, target.format, target.inputs)
    result = measure([target, twin], "a", plan, open_device("host"))
    found, standing = compare(result, "b"), validity(result, result.measurements[1]).standing
    assert found.ratio is not None
    return {"ratio": [found.ratio.value, found.ratio.low, found.ratio.high, found.verdict, standing]}


def width(run: Path, work: Path) -> dict[str, Any]:
    """Half-width of the interval of the int8 file against the teacher after about a minute."""
    started = time.monotonic()
    result = pair(run, WIDTH_PLAN)
    found = compare(result, "student")
    assert found.ratio is not None
    ratio = found.ratio
    half = (ratio.high - ratio.low) / 2 / ratio.value
    return {
        "took_s": time.monotonic() - started,
        "ratio": ratio.as_json(),
        "half_width": half,
        "verdict": found.verdict,
        "reasons": found.reasons,
    }


def busy(run: Path, work: Path) -> dict[str, Any]:
    """The ratio with a busy loop on one core against the ratio without, by turns: the shift with its interval over the
    pairs, and whether it was flagged. Each pair is kept as it ends."""
    rows = []
    for number in range(BUSY_PAIRS):
        key = {**key_of(run, BUSY_PLAN), "pair": number}
        rows.append(kept(work / "busy" / f"{number:03d}.json", key, lambda: busy_pair(run)))
        shift = rows[-1]["busy"] / rows[-1]["quiet"] - 1
        print(f"busy pair {number + 1}: {shift:+.1%}", file=sys.stderr)
    shift = paired_ratio(*(np.array([row[which] for row in rows]) for which in ("busy", "quiet")))
    assert shift is not None
    return {"pairs": rows, "shift": shift.as_json()}


def busy_pair(run: Path) -> dict[str, Any]:
    """The ratio without and with a busy neighbour, and what was said of either."""
    quiet = compare(result := pair(run, BUSY_PLAN), "student")
    quiet_said = disturbances_of(result)
    with busy_core():
        loud = compare(result := pair(run, BUSY_PLAN), "student")
    return {
        "quiet": quiet.estimate,
        "busy": loud.estimate,
        "quiet_said": quiet_said,
        "busy_said": disturbances_of(result),
        "standing": validity(result, result.measurement("student")).standing,
    }


def other(run: Path, work: Path) -> dict[str, Any]:
    """Our median against that of ai-edge-litert's own litert-benchmark, by turns, on three models."""
    told = {}
    for name, path in three_models(run, work).items():
        artifact = Artifact.open(path)
        images = np.random.default_rng(0).integers(
            0, 256, (8, artifact.preprocessing.height, artifact.preprocessing.width, 3), dtype=np.uint8
        )
        ours, theirs = [], []
        for _ in range(OTHER_ROUNDS):
            target = BenchTarget(name, path, "tflite", images)
            result = measure([target], name, OTHER_PLAN, open_device("host"))
            ours.append(float(launch_medians(result.measurements[0])[0]))
            theirs.append(litert_benchmark(path, work))
        ratio = paired_ratio(np.array(ours), np.array(theirs))
        assert ratio is not None
        told[name] = {"ours_ms": ours, "theirs_ms": theirs, "ratio": [ratio.value, ratio.low, ratio.high]}
    return {"models": told}


def litert_benchmark(path: Path, work: Path) -> float:
    """Median milliseconds as the other tool tells them, rounded to 0.01."""
    out = work / "litert-benchmark.json"
    argv = [str(Path(sys.executable).with_name("litert-benchmark")), "--model", str(path), "--num_threads", "1"]
    argv += ["--num_runs", "200", "--warmup_runs", "50", "--result_json", str(out)]
    subprocess.run(argv, check=True, capture_output=True)
    return float(json.loads(out.read_text())["latency"]["median_ms"])


def three_models(run: Path, work: Path) -> dict[str, Path]:
    """The run's teacher, and MobileNetV2 at 224 pixels in float and int8 with random weights: all take milliseconds."""
    made = work / "mobilenetv2.float32.tflite", work / "mobilenetv2.int8.tflite"
    if not all(path.is_file() for path in made):
        code = (
            "import keras, numpy as np, sys; from pathlib import Path\n"
            "from edgekd.export.exporter import export; from edgekd.preprocess import Preprocessing\n"
            "image = keras.Input((224, 224, 3)); x = keras.layers.Rescaling(1 / 127.5, -1)(image)\n"
            "model = keras.Model(image, keras.applications.MobileNetV2(weights=None, classes=10)(x))\n"
            "photos = np.random.default_rng(0).integers(0, 256, (64, 224, 224, 3), dtype=np.uint8)\n"
            "export(model, Path(sys.argv[1]), 'mobilenetv2', labels=tuple('abcdefghij'), formats=('tflite',),\n"
            "       preprocessing=Preprocessing(height=224, width=224), calibration=photos)\n"
        )
        subprocess.run([sys.executable, "-c", code, str(work)], check=True)
    return {
        "teacher": artifacts_in(run)["teacher"].path,
        "MobileNetV2 224 float32": made[0],
        "MobileNetV2 224 int8": made[1],
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


def report(found: dict[str, Any], machine: dict[str, Any]) -> str:
    """The results in words and a table."""
    lines = [f"On {machine['cpu_model']}, {machine['cores']} cores, {machine['os']}.", ""]
    if "aa" in found:
        ratios = found["aa"]["ratios"]
        excluded = sum(low > 1 or high < 1 for _, low, high, *_ in ratios)
        verdicts = sum(verdict in ("faster", "slower") for *_, verdict, _ in ratios)
        valid = sum(standing == "valid" for *_, standing in ratios)
        share = wilson(excluded, len(ratios))
        lines += [
            f"- A/A: in {excluded} of {len(ratios)} runs of a file against itself the interval excludes 1 "
            f"(95 %: {share.low:.1%}-{share.high:.1%}; aim: at most 7); {verdicts} got a verdict of faster or slower; "
            f"{valid} runs were valid, the others semi-valid or invalid. {found['aa']['seconds']} s."
        ]
    if "width" in found:
        part = found["width"]
        said = "; ".join(part["reasons"]) or "nothing disturbed it"
        lines += [
            f"- Width: after {part['took_s']:.0f} s the ratio is {part['ratio']['value']:.4f} "
            f"± {part['half_width']:.1%} (aim: 2 %); {said}."
        ]
    if "busy" in found:
        pairs, shift = found["busy"]["pairs"], found["busy"]["shift"]
        flagged = sum(any("other programs" in said for said in row["busy_said"]) for row in pairs)
        false = sum(any("other programs" in said for said in row["quiet_said"]) for row in pairs)
        lines += [
            f"- Busy core: the ratio shifts by {shift['value'] - 1:+.1%} (95 %: {shift['low'] - 1:+.1%} to "
            f"{shift['high'] - 1:+.1%}, over {len(pairs)} pairs of quiet and busy; aim: 3 %). The busy program was "
            f"flagged in {flagged} of {len(pairs)}, something else in {false} of the quiet ones.",
            *(f"  - {row['busy'] / row['quiet'] - 1:+.1%}, {row['standing']}" for row in pairs),
        ]
    if "other" in found:
        lines += ["", "| model | edgekd p50, ms | litert-benchmark median, ms | ratio (95 %) |", "|---|---|---|---|"]
        for name, part in found["other"]["models"].items():
            value, low, high = part["ratio"]
            ours, theirs = np.median(part["ours_ms"]), np.median(part["theirs_ms"])
            lines += [f"| {name} | {ours:.2f} | {theirs:.2f} | {value:.3f} ({low:.3f}-{high:.3f}) |"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
