"""From a photo to the answer: how much of what a student gains in inference is left of the whole way?

    python benchmarks/whole_way/run.py RUN --work DIR [--device host,pi,phone]

RUN is a finished run directory: its teacher and its int8 student are timed on photos of 12 and 2 megapixels and on
camera frames of 640 x 480, decoding, resizing and inference apart. ``pi`` and ``phone`` are the simulators of the tests
(their Debian packages and root; EDGEKD_ARM_ROOT may name an existing arm64 root): what they show is that the inputs are
the same bytes and that the stages arrive; their milliseconds mean nothing. A device that --work has is not measured
again, so that a killed run can be continued. The machine should be otherwise idle.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from common import Parser, machine, run_script, write_results
from simulated import SIMULATED, started
from small_inputs import small_run

from edgekd.bench import BenchPlan, BenchResult, BenchTarget, measure
from edgekd.bench.end_to_end import STAGES, EndToEndLine, end_to_end_lines, stage_result
from edgekd.bench.ratio import paired_ratio
from edgekd.bench.raw_photos import RawPhotosOf
from edgekd.bench.statistics import Comparison
from edgekd.devices.table import open_device
from edgekd.formats.artifact import Artifact
from edgekd.photo_input import shrink
from edgekd.photo_pixels import open_photo
from edgekd.pipeline.run_files import artifacts_in
from edgekd.preprocess import Preprocessing, decode, preprocess, resize
from edgekd.report import format as fmt
from edgekd.storage import read_json, write_json

Size = tuple[int, int]


@dataclass(frozen=True)
class Sizes:
    """The photos' widths and heights, and how much is measured on this machine and on a simulated one."""

    photos: dict[str, Size]
    host: BenchPlan
    simulated: BenchPlan
    passes: int


FULL = Sizes(
    {"12 MP": (4032, 3024), "2 MP": (1632, 1224)},
    BenchPlan(launches=9, seconds_per_launch=2.0, warmup_max_s=0.5, end_to_end=True),
    BenchPlan(launches=2, seconds_per_launch=0.1, min_iterations=2, warmup_max_s=0.1, end_to_end=True),
    25,
)
_ONCE = BenchPlan(launches=1, seconds_per_launch=0.01, min_iterations=2, warmup_max_s=0.01, end_to_end=True)
SHORT = Sizes({"12 MP": (120, 90), "2 MP": (60, 45)}, _ONCE, _ONCE, 5)


def main() -> None:
    """Measure what is asked for and not there yet, then write the results of all."""
    parser = Parser(__file__, __doc__, work="every device's results")
    parser.input("run", help="a run directory [--short: a small run]")
    parser.add_argument("--device", default="host,pi,phone", help="[host,pi,phone; --short: host]")
    arguments = parser.parse()
    sizes, run = (SHORT if arguments.short else FULL), arguments.run or small_run(arguments.work)
    devices = ["host"] if arguments.short else arguments.device.split(",")
    arguments.work.mkdir(parents=True, exist_ok=True)
    photos = {name: write_photos(arguments.work / name.replace(" ", "-"), size) for name, size in sizes.photos.items()}
    for device in devices:
        for name, paths in photos.items():
            path = arguments.work / f"{device}-{name.replace(' ', '-')}.json"
            plan = sizes.host if device == "host" else sizes.simulated
            if not path.is_file():
                measure_on(device, run, paths, plan, arguments.work, path)
    faster = arguments.work / "faster.json"
    if not faster.is_file():
        load = machine("load_1min")["load_1min"]
        rows = [row for name, paths in photos.items() for row in compare_paths(name, paths, sizes.passes)]
        write_json(faster, {"rows": rows, "load_before": load})
    results = {
        "schema": 1,
        "machine": machine("cpu_model", "cores", "os"),
        "devices": {
            f"{device}, {name}": rows_of(BenchResult.load(path))
            for device in ("host", *SIMULATED)
            for name in photos
            if (path := arguments.work / f"{device}-{name.replace(' ', '-')}.json").is_file()
        },
        "preprocessing": read_json(faster),
    }
    write_results(arguments.out, "whole_way", results, report(results))


def write_photos(folder: Path, size: Size) -> list[Path]:
    """Two JPEGs as a phone takes them, one of them on its side: gradients with a sensor's noise."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "0.jpg", folder / "1.jpg"]
    for seed, (path, orientation) in enumerate(zip(paths, (1, 6), strict=True)):
        if not path.is_file():
            exif = Image.Exif()
            exif[0x0112] = orientation
            stream = io.BytesIO()
            Image.fromarray(_pixels(size, seed)).save(stream, "JPEG", quality=90, exif=exif)
            path.write_bytes(stream.getvalue())
    return paths


def _pixels(size: Size, seed: int) -> np.ndarray:
    random, (width, height) = np.random.default_rng(seed), size
    small = random.integers(0, 232, (height // 40 + 2, width // 40 + 2, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BICUBIC))
    return np.clip(smooth, 0, 231) + random.integers(0, 24, smooth.shape, dtype=np.uint8)


def measure_on(device: str, run: Path, photos: list[Path], plan: BenchPlan, work: Path, out: Path) -> None:
    """The run's teacher and its int8 student on one device, started for it where it is a simulated one."""
    targets = [target_of(run, "teacher", "teacher", photos), target_of(run, "int8_tflite", "student", photos)]
    partial = out.with_suffix(".partial.json")
    began = time.monotonic()
    with started(device, work) as address:
        measure(targets, "teacher", plan, open_device(address), save_to=partial)
    partial.replace(out)
    print(f"{device}, {out.stem}: {time.monotonic() - began:.0f} s", file=sys.stderr)


def target_of(run: Path, row: str, name: str, photos: list[Path]) -> BenchTarget:
    """A file of the run, on the photos."""
    artifact: Artifact = artifacts_in(run)[row]
    size = artifact.preprocessing
    images = np.stack([preprocess(path, None, size) for path in photos])
    return BenchTarget(name, artifact.path, artifact.format, images, raw=RawPhotosOf(photos)(size))


def compare_paths(name: str, photos: list[Path], passes: int) -> list[dict[str, Any]]:
    """A photo's way to an input of 224 pixels: all of it turned and copied first, and as it is now; by turns."""
    size = Preprocessing(height=224, width=224, crop="center")
    rows = []
    for path in photos:
        content = path.read_bytes()
        times: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(passes):
            for way, run in WAYS.items():
                # CPU time: other programs take none of it.
                start = time.thread_time()
                run(content, size)
                times[way].append((time.thread_time() - start) * 1000)
        ratio = paired_ratio(np.array(times["now"]), np.array(times["before"]))
        assert ratio is not None
        equal = bool(np.array_equal(WAYS["before"](content, size), WAYS["now"](content, size)))
        upright = "on its side" if path.stem == "1" else "upright"
        rows.append({"photo": f"{name}, {upright}", "ms": times, "ratio": ratio.as_json(), "equal": equal})
    return rows


def _load(content: bytes, size: Preprocessing) -> object:
    """Pillow's decoder alone."""
    return Image.open(io.BytesIO(content)).load()


WAYS: dict[str, Callable[[bytes, Preprocessing], Any]] = {
    "decode": _load,
    "before": lambda content, size: resize(decode(content, "photo").pixels, size),
    "now": lambda content, size: shrink(open_photo(content, "photo"), size),
}


def rows_of(result: BenchResult) -> dict[str, Any]:
    """The student against the teacher, in inference and from end to end, and whether the inputs are this machine's."""
    lines = end_to_end_lines(result)
    return {
        "inference": describe(result.ratio("student")),
        "sources": {
            line.source: {
                "whole": describe(line.comparison),
                "inference_of_it": describe(stage_result(result, line.source, "inference").ratio("student")),
                "teacher_ms": stages_of(next(o for o in lines if (o.name, o.source) == ("teacher", line.source))),
                "student_ms": stages_of(line),
                "same_inputs": same_inputs(result, line.source),
            }
            for line in lines
            if line.name == "student"
        },
    }


def same_inputs(result: BenchResult, source: str) -> bool:
    """Whether every launch made the very bytes that this machine makes."""
    return all(
        part.inputs_sha256 == wanted.inputs_sha256
        for each in result.measurements
        for wanted in each.end_to_end
        for launch in each.launches
        for part in launch.end_to_end or ()
        if part.source == wanted.source == source
    )


def stages_of(line: EndToEndLine) -> dict[str, float | None]:
    """Medians in milliseconds."""
    return {stage: summary.p50_ms if (summary := line.latency.get(stage)) else None for stage in STAGES}


def describe(comparison: Comparison) -> dict[str, Any]:
    """A ratio with all that belongs to it."""
    ratio = comparison.ratio
    return {
        "estimate": comparison.estimate,
        "interval": None if ratio is None else [ratio.low, ratio.high],
        "verdict": comparison.verdict,
        "standing": comparison.standing,
        "reasons": list(comparison.reasons),
    }


def report(results: dict[str, Any]) -> str:
    """The results as tables."""
    facts = results["machine"]
    lines = [
        f"Teacher and int8 student of one run, on {facts['cpu_model']}, {facts['cores']} cores; the simulated devices "
        "run under qemu on it, so that their milliseconds mean nothing. A ratio below 1 is faster.",
        "",
        "| device, photos | from | decode, resize, inference of the teacher | of the student | ratio in inference | "
        "ratio to the answer | standing | inputs' bytes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, part in results["devices"].items():
        for source, row in part["sources"].items():
            lines.append(
                f"| {name} | {source} | {_stages(row['teacher_ms'])} | {_stages(row['student_ms'])} | "
                f"{_ratio(part['inference'])} | {_ratio(row['whole'])} | {row['whole']['standing']} | "
                f"{'the same' if row['same_inputs'] else '**differ**'} |"
            )
    lines += [
        "",
        "CPU time from a JPEG to an input of 224 pixels, by turns (load before: "
        f"{results['preprocessing']['load_before']}); before is all of the photo copied and turned, then cropped and "
        "resized:",
        "",
        "| photo | Pillow's decoder alone | before | now | now / before (95 %) | bytes |",
        "|---|---|---|---|---|---|",
    ]
    for row in results["preprocessing"]["rows"]:
        medians = " | ".join(f"{np.median(row['ms'][way]):.1f} ms" for way in ("decode", "before", "now"))
        ratio = row["ratio"]
        interval = f"{ratio['value']:.2f} ({ratio['low']:.2f}–{ratio['high']:.2f})"
        lines.append(f"| {row['photo']} | {medians} | {interval} | {'the same' if row['equal'] else '**differ**'} |")
    return "\n".join(lines) + "\n"


def _stages(medians: dict[str, float | None]) -> str:
    return ", ".join(fmt.milliseconds(medians[stage]) for stage in ("decode", "resize", "inference"))


def _ratio(row: dict[str, Any]) -> str:
    if row["standing"] == "invalid" or row["estimate"] is None:
        return "invalid"
    interval = row["interval"]
    bounds = f" ({fmt.significant(interval[0])}–{fmt.significant(interval[1])})" if interval else " (no interval)"
    return f"{fmt.significant(row['estimate'])}{bounds}"


if __name__ == "__main__":
    run_script(main)
