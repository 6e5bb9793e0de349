"""The int8 .tflite and .onnx side by side: do they agree on every CPU, how fast are they, what do alternatives cost?

    python benchmarks/int8_runtimes/run.py --road DIR --unlabelled DIR --work DIR [--only files,agreement,...]

``--road`` holds metadata.csv and Images/, ``--unlabelled`` JPEGs of roads; the quickstart's traffic lights are the
other half of the photos. Needs qemu-x86_64 and: edgekd devices setup emulated:cortex-a76. What --work has already is
not done again, so that a killed run can be continued. ``--short`` sets the emulated core up itself.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from common import TESTS, Parser, machine, run_script, write_results
from files import U8, make_files
from networks import NETWORKS, TRAINED, Photos
from report import report
from simulators.cpus import A72, A76, HASWELL, has_vnni, run_on
from small_inputs import road_folder, unlabelled_folder

from edgekd.bench import BenchPlan, BenchResult, BenchTarget, compare, measure
from edgekd.bench.samples import launch_medians, values_of
from edgekd.data.traffic_lights import traffic_light_folders
from edgekd.devices import emulated
from edgekd.devices.table import open_device
from edgekd.storage import read_json, write_json

CLIENT = TESTS / "clients/instructions_client.py"
ELSEWHERE = ("int8.tflite", "int8.onnx", "full.onnx")
TIMED = ("road student", "MobileNetV2")
# The one network that runs on emulated CPUs too.
EMULATED = "road student"
COUNTING = BenchPlan(launches=1, min_iterations=4, max_iterations=4, warmup_min_iterations=4, launch_timeout_s=900)
TIMED_FILES = (
    "float32.tflite", "int8.tflite", "float32.onnx", "int8.onnx", "full.onnx", f"{U8}.onnx", "ort-u8.onnx",
    "ort-s8.onnx",
)  # fmt: skip
# Percentile of a file's timings that other programs did not disturb, if anything was left undisturbed.
UNDISTURBED = 5
# Above, below: the ratios of the table.
RATIOS = (
    ("int8.tflite", "float32.tflite"),
    ("int8.onnx", "float32.onnx"),
    ("int8.onnx", "ort-u8.onnx"),
    ("int8.onnx", "full.onnx"),
    (f"{U8}.onnx", "full.onnx"),
    ("ort-s8.onnx", "ort-u8.onnx"),
    ("int8.onnx", "int8.tflite"),
)


@dataclass(frozen=True)
class Sizes:
    """How much is done: photos of a network, to calibrate on, and on emulated CPUs, which take seconds a photo."""

    photos: int
    calibration: int
    emulated: int
    plan: BenchPlan
    cpus: tuple[str, ...]
    counted: tuple[str, ...]
    networks: tuple[str, ...]
    short: bool


FULL = Sizes(
    300, 100, 24, BenchPlan(launches=11, seconds_per_launch=0.4, warmup_max_s=0.3), (HASWELL, A76, A72), TIMED_FILES,
    tuple(NETWORKS), short=False,
)  # fmt: skip
SHORT = Sizes(
    6, 6, 1, BenchPlan(launches=1, seconds_per_launch=0.02, warmup_max_s=0.02), (A76,), ("int8.tflite", "int8.onnx"),
    ("road student",), short=True,
)  # fmt: skip
Part = Callable[[str, Photos, Path, Sizes], dict[str, Any]]


def main() -> None:
    """Run the parts that are asked for and not there yet, then write the results of all."""
    parser = Parser(__file__, __doc__, work="files and results of every part")
    for name in ("--road", "--unlabelled"):
        parser.input(name, help="a folder of photos [--short: few small ones]")
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--networks", default=None)
    arguments = parser.parse()
    sizes = SHORT if arguments.short else FULL
    if arguments.short:
        arguments.road = arguments.road or road_folder(arguments.work / "road", 6)
        arguments.unlabelled = arguments.unlabelled or unlabelled_folder(arguments.work / "unlabelled", 16)
        emulated.setup(f"emulated:{A76}")
    photos = Photos(arguments.road, arguments.unlabelled, traffic_light_folders())
    networks = arguments.networks.split(",") if arguments.networks else sizes.networks
    for part in arguments.only.split(","):
        for network in networks:
            do_part(part, network, photos, arguments.work, sizes)
    results = {
        network: {part: read_json(path) for part in PARTS if (path := folder / f"{part}.result.json").is_file()}
        for network in NETWORKS
        if (folder := folder_of(arguments.work, network)).is_dir()
    }
    facts = {**machine(), "multiplies_bytes_without_saturating": has_vnni()}
    content = {"schema": 1, "machine": facts, "networks": results}
    write_results(arguments.out, "int8_runtimes", content, report(results, facts, TRAINED))


def do_part(part: str, network: str, photos: Photos, work: Path, sizes: Sizes) -> None:
    """Do one part of one network and store its result, unless it is stored."""
    folder = folder_of(work, network)
    stored = folder / f"{part}.result.json"
    if stored.is_file() or (part in ("latency", "instructions") and network not in TIMED):
        return
    load, started = os.getloadavg()[0], time.monotonic()
    result = PARTS[part](network, photos, folder, sizes)
    seconds = round(time.monotonic() - started)
    write_json(stored, {**result, "seconds": seconds, "load_before": load})
    print(f"{part} {network}: {seconds} s", file=sys.stderr, flush=True)


def folder_of(work: Path, network: str) -> Path:
    """A network's files and results."""
    return work / network.replace(" ", "-")


def files(network: str, photos: Photos, folder: Path, sizes: Sizes) -> dict[str, Any]:
    """Build the network and write its files and its photos: none of those that it was calibrated on."""
    folder.mkdir(parents=True, exist_ok=True)
    model = NETWORKS[network](photos, sizes.short)
    size = model.input_shape[1]
    np.save(folder / "photos.npy", photos.mixed(size, sizes.photos, skip=2 * sizes.calibration))
    make_files(model, photos.mixed(size, sizes.calibration), folder)
    written = [path for path in sorted(folder.glob("*.*")) if path.suffix in (".tflite", ".onnx")]
    return {
        "parameters": model.count_params(),
        "input_size": size,
        "bytes": {path.name: path.stat().st_size for path in written},
        **read_json(folder / "narrowing.json"),
    }


def options(network: str, photos: Photos, folder: Path, sizes: Sizes) -> dict[str, Any]:
    """What each quantization of the weights predicts, by exact products, against float32."""
    images = np.load(folder / "photos.npy")
    wanted = predictions("native", folder, ("float32.tflite",), images)["float32.tflite"]
    rows = predictions("native", folder, ("full.tflite", "int8.tflite", "from-int8.tflite"), images)
    return {name: differences(row, wanted) for name, row in rows.items()}


def agreement(network: str, photos: Photos, folder: Path, sizes: Sizes) -> dict[str, Any]:
    """Against the int8 .tflite here: its .onnx here, and both on emulated CPUs; the file of full range beside them."""
    images = np.load(folder / "photos.npy")
    here = predictions("native", folder, (*ELSEWHERE, "full.tflite"), images)
    rows = {"native": {name: differences(here[name], here[exact_of(name)]) for name in ELSEWHERE}}
    few = images[: sizes.emulated]
    for cpu in sizes.cpus if network == EMULATED else ():
        elsewhere = predictions(cpu, folder, ELSEWHERE, few, emulated.root_folder())
        rows[cpu] = {name: differences(elsewhere[name], here[exact_of(name)][: len(few)]) for name in ELSEWHERE}
    return rows


def exact_of(name: str) -> str:
    """The .tflite of a file, whose kernels don't saturate anywhere."""
    return "full.tflite" if name.startswith("full") else "int8.tflite"


def predictions(
    cpu: str, folder: Path, names: tuple[str, ...], images: NDArray[np.uint8], root: Path | None = None
) -> dict[str, NDArray[np.float32]]:
    """Probabilities of some files on a CPU."""
    np.save(folder / "images.npy", images)
    paths = [str(folder / name) for name in names]
    run_on(cpu, [str(CLIENT), str(folder / "images.npy"), str(folder / "rows.npz"), *paths], root)
    with np.load(folder / "rows.npz") as rows:
        return {name: rows[name] for name in names}


def differences(rows: NDArray[np.float32], wanted: NDArray[np.float32]) -> dict[str, Any]:
    """Top-1 agreement, and differences in steps of 1/256."""
    quanta = np.abs(rows - wanted) * 256
    return {
        "photos": len(rows),
        "same_top": int((rows.argmax(axis=1) == wanted.argmax(axis=1)).sum()),
        "largest_quanta": float(quanta.max()),
        "mean_quanta": float(quanta.mean()),
    }


def targets_of(folder: Path, names: tuple[str, ...], photos: int) -> list[BenchTarget]:
    """A network's files, each over the first photos."""
    images = np.load(folder / "photos.npy")[:photos]
    return [BenchTarget(name, folder / name, Path(name).suffix[1:], images) for name in names]  # type: ignore[arg-type]


def latency(network: str, photos: Photos, folder: Path, sizes: Sizes) -> dict[str, Any]:
    """Latencies and ratios of all files, launched by turns."""
    targets, saved, plan = targets_of(folder, TIMED_FILES, 8), folder / "latency.json", sizes.plan
    result = BenchResult.load(saved) if saved.is_file() else None
    if result is None or not result.complete or result.plan != plan:
        result = measure(targets, TIMED_FILES[0], plan, open_device("host"), save_to=saved)
    ratios = []
    for above, below in RATIOS:
        row = compare(replace(result, baseline=below), above)
        # Of few launches there is no interval.
        value, low, high = (row.ratio.value, row.ratio.low, row.ratio.high) if row.ratio else [row.estimate] * 3
        ratios.append([above, below, value, low, high, row.verdict, row.reasons])
    medians = {one.name: float(np.median(launch_medians(one))) for one in result.measurements}
    undisturbed = {
        one.name: float(np.percentile(np.concatenate([values_of(launch) for launch in one.launches]), UNDISTURBED))
        for one in result.measurements
    }
    return {
        "plan": plan.model_dump(mode="json"), "median_ms": medians, "undisturbed_ms": undisturbed, "ratios": ratios
    }  # fmt: skip


def instructions(network: str, photos: Photos, folder: Path, sizes: Sizes) -> dict[str, Any]:
    """Executed instructions per inference on an emulated Cortex-A76: no other program changes them."""
    targets = targets_of(folder, sizes.counted, 2)
    result = measure(targets, sizes.counted[0], COUNTING, open_device(f"emulated:{A76}"))
    counts = {one.name: float(np.median(launch_medians(one))) for one in result.measurements}
    pairs = [(above, below) for above, below in RATIOS if {above, below} <= counts.keys()]
    return {"counts": counts, "ratios": [[above, below, counts[above] / counts[below]] for above, below in pairs]}


PARTS: dict[str, Part] = {
    "files": files, "options": options, "agreement": agreement, "latency": latency, "instructions": instructions,
}  # fmt: skip


if __name__ == "__main__":
    run_script(main)
