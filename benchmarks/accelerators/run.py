"""The same file on CPU and GPU, and in half precision: taken whole, the same answers, and what does the proof say?

    python benchmarks/accelerators/run.py --run RUN --mobilenet FILE

RUN is the quickstart's run directory; FILE is a MobileNetV2 as .tflite that takes pixels -1..1. Needs libvulkan1 and a
GPU, or Chromium's SwiftShader. A network whose squeeze-excite block overflows in half precision is made here. Three
ways to half precision: the proof by ranges, XNNPACK with half precision forced, and, of the block, NumPy's float16 with
every product and sum rounded. SwiftShader itself has no half precision. --short takes small files of the tests.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from common import TESTS, Parser, machine, run_script, temporary_folder, write_results
from small_inputs import COLOURS, light_photos
from squeeze_excite import SIZE, Layers, write

import edgekd
from edgekd.errors import EdgekdError
from edgekd.formats.artifact import Artifact

EXPORTS = {
    "teacher": "teacher.float32.tflite",
    "float student": "student.float32.tflite",
    "int8 student": "student.int8.tflite",
}
FOREIGN = TESTS / "golden" / "foreign"
SMALL = {"a float file": "float_keras.tflite", "an int8 file": "int8_keras.tflite"}


@dataclass(frozen=True)
class Sizes:
    """Photos that each file is run on, and that the squeeze-excite network is fitted to, by class."""

    photos: int
    fitted: int


FULL, SHORT = Sizes(36, 24), Sizes(2, 3)


def main() -> None:
    """Try every file and write the table."""
    parser = Parser(__file__, __doc__)
    parser.input("--run", help="the quickstart's run directory [--short: two small files of the tests]")
    parser.input("--mobilenet", help="MobileNetV2 as a .tflite that takes pixels -1..1 [--short: left out]")
    arguments = parser.parse()
    sizes = SHORT if arguments.short else FULL
    started = time.monotonic()
    paths = [(colour, path) for colour in COLOURS for path in light_photos(colour)]
    rows = [try_file(name, file, images_for(file, paths, sizes.photos)) for name, file in files_of(arguments)]
    rows.append(try_block(paths, sizes))
    results = {
        "schema": 1, "machine": machine("cpu_model", "cores", "os", "runtimes"), "rows": rows,
        "seconds": round(time.monotonic() - started),
    }  # fmt: skip
    write_results(arguments.out, "accelerators", results, render(results))


def files_of(arguments: argparse.Namespace) -> list[tuple[str, Artifact]]:
    """The files to try."""
    pixels = edgekd.FileOptions(pixel_range=(-1, 1))
    if arguments.short:
        return [(name, edgekd.open_model(FOREIGN / file, pixels)) for name, file in SMALL.items()]
    ours = [(name, Artifact.open(arguments.run / "export" / file)) for name, file in EXPORTS.items()]
    return [*ours, ("MobileNetV2", edgekd.open_model(arguments.mobilenet, pixels))]


def images_for(file: Artifact, paths: list[tuple[str, Path]], count: int) -> NDArray[np.uint8]:
    """Photos of all classes at the file's size."""
    chosen = paths[:: max(len(paths) // count, 1)][:count]
    return np.stack([edgekd.preprocess_photo(path, str(path), file.preprocessing) for _, path in chosen])


def try_file(name: str, file: Artifact, images: NDArray[np.uint8]) -> dict[str, Any]:
    """One file on the GPU and in forced half precision, and the verdict of the proof."""
    half = edgekd.prove_half_precision(file, images)
    row: dict[str, Any] = {"file": name, "photos": len(images), "proof": half.to_json()}
    for accelerator in ("gpu", "cpu-fp16"):
        try:
            (check,) = edgekd.check_accelerators(file, images, [accelerator])
            row[accelerator] = check.to_json()
        except EdgekdError as error:
            row[accelerator] = {"error": str(error)}
    print(f"{name}: {half.message}", flush=True)
    return row


def try_block(paths: list[tuple[str, Path]], sizes: Sizes) -> dict[str, Any]:
    """The network whose squeeze-excite block overflows in half precision."""
    fitted = [(colour, path) for colour in COLOURS for path in light_photos(colour)[: sizes.fitted]]
    square = edgekd.Preprocessing(height=SIZE, width=SIZE)
    images = np.stack([edgekd.preprocess_photo(path, str(path), square) for _, path in fitted])
    labels = np.array([COLOURS.index(colour) for colour, _ in fitted], np.int64)
    layers = Layers(images, labels, len(COLOURS))
    path = temporary_folder() / "squeeze_excite.tflite"
    write(path, layers)
    file = edgekd.open_model(path, edgekd.FileOptions(pixel_range=(0, 255), classes=COLOURS))
    chosen = images_for(file, paths, sizes.photos)
    row = try_file("squeeze-excite block", file, chosen)
    squeezed = layers.squeezed(chosen)
    gate, half = layers.gate(squeezed), layers.gate_in_half(squeezed)
    row["float16_simulation"] = {
        "largest_sum_float32": float((squeezed @ layers.squeeze.T).max()),
        "photos_with_a_gate_that_is_no_number": int((~np.isfinite(half)).any(axis=1).sum()),
        "gates_in_float32": [float(gate.min()), float(gate.max())],
        "photos": len(chosen),
    }
    return row


def render(results: dict[str, Any]) -> str:
    """The table, as Markdown."""
    rows = results["rows"]
    lines = [
        "# The same file on CPU and GPU, and in half precision",
        "",
        f"{results['machine']['cpu_model']}, {results['seconds']} s. GPU: {driver_of(rows)}. LiteRT's CompiledModel "
        "runs each .tflite; differences are to its CPU, over photos of traffic lights.",
        "",
        "| file | photos | GPU takes | largest difference | other answers | XNNPACK in half precision | the proof |",
        "|---|---|---|---|---|---|---|",
        *map(row_of, rows),
    ]
    simulation = rows[-1]["float16_simulation"]
    least, most = simulation["gates_in_float32"]
    lines += [
        "",
        f"The block's hidden sums reach {simulation['largest_sum_float32']:,.0f} in float32. In NumPy's float16, with "
        f"every product and sum rounded, {simulation['photos_with_a_gate_that_is_no_number']} of "
        f"{simulation['photos']} photos have a gate that is not a number; in float32 the gates lie in "
        f"{least:.2f}..{most:.2f}.",
    ]
    return "\n".join(lines) + "\n"


def row_of(row: dict[str, Any]) -> str:
    """One line of the table."""
    gpu, half = row["gpu"], row["cpu-fp16"]
    cells = (
        row["file"], row["photos"], taken(gpu), difference(gpu), others(gpu), forced(half), row["proof"]["message"],
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def driver_of(rows: list[dict[str, Any]]) -> str:
    """The driver, in words."""
    driver = next((row["gpu"]["driver"] for row in rows if row["gpu"].get("driver")), None)
    if driver is None:
        return "none"
    half = "with" if driver["half_precision"] else "without"
    return f"{driver['name']} ({driver['kind']}, {half} half precision)"


def taken(check: dict[str, Any]) -> str:
    """Whether the GPU takes all ops."""
    if "error" in check:
        return check["error"].replace("|", "/")[:200]
    left = check["left"]
    return "all ops" if check["accelerated"] else f"{left['taken']} of {left['ops']} ops"


def difference(check: dict[str, Any]) -> str:
    """The largest difference to the CPU."""
    return "–" if "error" in check else f"{check['largest_difference']:.2g}"


def others(check: dict[str, Any]) -> str:
    """Answers other than the CPU's."""
    if "error" in check:
        return "–"
    flips = check["flips"]
    margin = f", the clearest by {max(flip['margin'] for flip in flips):.2g}" if flips else ""
    lost = f", {check['not_finite']} not finite" if check["not_finite"] else ""
    return f"{len(flips)}{margin}{lost}"


def forced(check: dict[str, Any]) -> str:
    """XNNPACK's run in half precision."""
    return "refused" if "error" in check else f"difference {difference(check)}; other answers: {others(check)}"


if __name__ == "__main__":
    run_script(main)
