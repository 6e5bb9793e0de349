"""The int8 .tflite and .onnx side by side: do they agree on every CPU, how fast are they, what do alternatives cost?

    python benchmarks/int8_runtimes/run.py --road DIR --unlabelled DIR --work DIR [--only files,agreement,...] [--short]

``--road`` holds metadata.csv and Images/, ``--unlabelled`` JPEGs of roads; the quickstart's traffic lights are the
other half of the photos. Needs qemu-x86_64, an arm64 root, made at EDGEKD_ARM_ROOT or in --work, and for its
instructions: edgekd devices setup emulated:cortex-a76. What --work holds already is kept: a killed run goes on.
``--short`` tries the program out and writes its results to --work.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from files import CALIBRATION, U8, make_files  # noqa: E402
from networks import LEARNT, NETWORKS, Photos  # noqa: E402
from report import report  # noqa: E402
from simulators.cpus import A72, A76, HASWELL, has_vnni, run_on  # noqa: E402  a helper of the tests

from edgekd.bench import BenchPlan, BenchResult, BenchTarget, compare, measure  # noqa: E402
from edgekd.bench.samples import launch_medians, values_of  # noqa: E402
from edgekd.data.traffic_lights import traffic_light_folders  # noqa: E402
from edgekd.devices.arm_root import make_root  # noqa: E402
from edgekd.devices.table import open_device  # noqa: E402
from edgekd.storage import read_json, write_json, write_text  # noqa: E402

CLIENT = ROOT / "tests/clients/instructions_client.py"
PHOTOS = 300
# Photos on emulated CPUs, which take seconds a photo and file.
EMULATED = {"road student": 24}
ELSEWHERE = ("int8.tflite", "int8.onnx", "full.onnx")
TIMED = ("road student", "MobileNetV2")
PLAN = BenchPlan(launches=11, seconds_per_launch=0.4, warmup_max_s=0.3)
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


def main() -> None:
    """Run the parts that are asked for and not there yet, then write the results of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("road", "unlabelled", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--only", default="files,options,agreement,latency,instructions")
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--short", action="store_true")
    arguments = parser.parse_args()
    if arguments.short:
        shorten()
        arguments.out = arguments.work / "results"
    photos = Photos(arguments.road, arguments.unlabelled, traffic_light_folders())
    parts: dict[str, Callable[[str, Photos, Path], dict[str, Any]]] = {
        "files": files, "options": options, "agreement": agreement, "latency": latency,
        "instructions": instructions,
    }  # fmt: skip
    for part in arguments.only.split(","):
        for network in arguments.networks.split(","):
            folder = folder_of(arguments.work, network)
            kept = folder / f"{part}.result.json"
            if kept.is_file() or (part in ("latency", "instructions") and network not in TIMED):
                continue
            load, started = os.getloadavg()[0], time.monotonic()
            found = parts[part](network, photos, folder)
            seconds = round(time.monotonic() - started)
            write_json(kept, {**found, "seconds": seconds, "load_before": load})
            print(f"{part} {network}: {seconds} s", file=sys.stderr, flush=True)
    results = {
        network: {part: read_json(path) for part in parts if (path := folder / f"{part}.result.json").is_file()}
        for network in NETWORKS
        if (folder := folder_of(arguments.work, network)).is_dir()
    }
    machine = {**open_device("host").facts(), "multiplies_bytes_without_saturating": has_vnni()}
    write_json(arguments.out / "int8_runtimes.json", {"schema": 1, "machine": machine, "networks": results})
    text = report(results, machine, LEARNT)
    write_text(arguments.out / "int8_runtimes.md", text)
    print(text)


def shorten() -> None:
    """Enough to see that all of it works; the numbers mean little."""
    global PHOTOS, EMULATED, PLAN
    plan = BenchPlan(launches=3, seconds_per_launch=0.05, warmup_max_s=0.05)
    PHOTOS, EMULATED, PLAN = 8, dict.fromkeys(EMULATED, 2), plan


def folder_of(work: Path, network: str) -> Path:
    """A network's files and results."""
    return work / network.replace(" ", "-")


def files(network: str, photos: Photos, folder: Path) -> dict[str, Any]:
    """Build the network and write its files and its photos: none of those that it was calibrated on."""
    folder.mkdir(parents=True, exist_ok=True)
    model = NETWORKS[network](photos)
    size = model.input_shape[1]
    np.save(folder / "photos.npy", photos.mixed(size, PHOTOS, skip=2 * CALIBRATION))
    make_files(model, photos.mixed(size, CALIBRATION), folder)
    sizes = {
        path.name: path.stat().st_size for path in sorted(folder.glob("*.*")) if path.suffix in (".tflite", ".onnx")
    }
    return {
        "parameters": model.count_params(),
        "input_size": size,
        "bytes": sizes,
        **read_json(folder / "narrowing.json"),
    }


def options(network: str, photos: Photos, folder: Path) -> dict[str, Any]:
    """What each quantization of weights answers, by exact products, against float32."""
    images = np.load(folder / "photos.npy")
    wanted = answers("native", folder, ("float32.tflite",), images)["float32.tflite"]
    found = answers("native", folder, ("full.tflite", "int8.tflite", "from-int8.tflite"), images)
    return {name: against(rows, wanted) for name, rows in found.items()}


def agreement(network: str, photos: Photos, folder: Path) -> dict[str, Any]:
    """Against the int8 .tflite here: its .onnx here, and both on emulated CPUs; the file of full range beside them."""
    images = np.load(folder / "photos.npy")
    here = answers("native", folder, (*ELSEWHERE, "full.tflite"), images)
    told = {"native": {name: against(here[name], here[exact_of(name)]) for name in ELSEWHERE}}
    few = images[: EMULATED.get(network, 0)]
    if not len(few):
        return told
    root = make_root(Path(os.environ.get("EDGEKD_ARM_ROOT", folder.parent / "arm-root")))
    for cpu in (HASWELL, A76, A72):
        there = answers(cpu, folder, ELSEWHERE, few, root)
        told[cpu] = {name: against(there[name], here[exact_of(name)][: len(few)]) for name in ELSEWHERE}
    return told


def exact_of(name: str) -> str:
    """The .tflite of a file, whose kernels don't saturate anywhere."""
    return "full.tflite" if name.startswith("full") else "int8.tflite"


def answers(
    cpu: str, folder: Path, names: tuple[str, ...], images: NDArray[np.uint8], root: Path | None = None
) -> dict[str, NDArray[np.float32]]:
    """Probabilities of some files on a CPU."""
    np.save(folder / "shown.npy", images)
    paths = [str(folder / name) for name in names]
    run_on(cpu, [str(CLIENT), str(folder / "shown.npy"), str(folder / "rows.npz"), *paths], root)
    with np.load(folder / "rows.npz") as rows:
        return {name: rows[name] for name in names}


def against(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> dict[str, Any]:
    """Top-1 agreement, and differences in steps of 1/256."""
    quanta = np.abs(found - wanted) * 256
    return {
        "photos": len(found),
        "same_top": int((found.argmax(axis=1) == wanted.argmax(axis=1)).sum()),
        "largest_quanta": float(quanta.max()),
        "mean_quanta": float(quanta.mean()),
    }


def timed(folder: Path, photos: int) -> list[BenchTarget]:
    """A network's files, each over the first photos."""
    images = np.load(folder / "photos.npy")[:photos]
    return [BenchTarget(name, folder / name, Path(name).suffix[1:], images) for name in TIMED_FILES]  # type: ignore[arg-type]


def latency(network: str, photos: Photos, folder: Path) -> dict[str, Any]:
    """Latencies and ratios of all files, launched by turns."""
    targets = timed(folder, 8)
    saved = folder / "latency.json"
    result = BenchResult.load(saved) if saved.is_file() else None
    if result is None or not result.complete or result.plan != PLAN:
        result = measure(targets, TIMED_FILES[0], PLAN, open_device("host"), save_to=saved)
    ratios = []
    for above, below in RATIOS:
        found = compare(replace(result, baseline=below), above)
        assert found.ratio is not None
        ratios.append(
            [above, below, found.ratio.value, found.ratio.low, found.ratio.high, found.verdict, found.reasons]
        )
    medians = {one.name: float(np.median(launch_medians(one))) for one in result.measurements}
    undisturbed = {
        one.name: float(np.percentile(np.concatenate([values_of(launch) for launch in one.launches]), UNDISTURBED))
        for one in result.measurements
    }
    plan = PLAN.model_dump(mode="json")
    return {"plan": plan, "median_ms": medians, "undisturbed_ms": undisturbed, "ratios": ratios}


def instructions(network: str, photos: Photos, folder: Path) -> dict[str, Any]:
    """Executed instructions per inference on an emulated Cortex-A76: no other program changes them."""
    targets = timed(folder, 2)
    result = measure(targets, TIMED_FILES[0], COUNTING, open_device(f"emulated:{A76}"))
    counts = {one.name: float(np.median(launch_medians(one))) for one in result.measurements}
    return {"counts": counts, "ratios": [[above, below, counts[above] / counts[below]] for above, below in RATIOS]}


if __name__ == "__main__":
    main()
