"""How long the Kotlin resize takes on a frame and on 12 megapixels, against Android's createScaledBitmap, in a JVM.

    python benchmarks/android_resize/run.py [--build DIR] [--out DIR]

Both run in Robolectric with Android's own Skia. Milliseconds here are not a phone's: look at the ratio. That a large
photo is never decoded subsampled, as the specification says, is tested in the demo itself.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import ROOT, Parser, machine, run_script, temporary_folder, write_results

DEMO = ROOT / "android_demo"
TURNED = {
    "turned_bitmap_ms": "a bitmap turned by `Bitmap.createBitmap` and given upright",
    "rotation_ms": "a bitmap given with its rotation",
    "rgba_frame_ms": "planes of RGBA given with their rotation, no bitmap",
    "nv21_frame_ms": "planes of NV21 given with their rotation, no bitmap",
}


def main() -> None:
    """Run the one class by Maven, and write what it measured."""
    parser = Parser(__file__, __doc__)
    parser.add_argument("--build", type=Path, help="Maven's build directory [a temporary one]")
    parser.add_argument("--compiled", type=Path, help="a build directory with the compiled app: compile nothing")
    arguments = parser.parse()
    build = arguments.build or temporary_folder() / "build"
    if arguments.compiled:
        shutil.copytree(arguments.compiled, build)
    goal = "surefire:test" if arguments.compiled else "test"
    # Timed with all of the JVM's compilers.
    words = ["-Dtest=ResizeBenchmark", "-Dtests.jvm=-XX:+TieredCompilation", f"-DbuildDirectory={build}"]
    argv = ["mvn", "-B", "-q", "-f", str(DEMO), goal, *words]
    subprocess.run(argv, check=True, stdout=sys.stderr)
    times = json.loads((build / "resize_benchmark.json").read_text(encoding="utf-8"))
    results = {"schema": 1, "machine": machine("cpu_model", "cores", "load_1min"), **times}
    write_results(arguments.out, "android_resize", results, report(results))


def report(results: Mapping[str, Any]) -> str:
    """Medians, the ratio, and how far the two resizes' pixels differ."""
    names = ("port", "create_scaled_bitmap", "jpeg_to_input", "frame")
    port, android, whole, frame = (statistics.median(results[f"{name}_ms"]) for name in names)
    turned = [f"| {name} | {statistics.median(results[key]):.1f} |" for key, name in TURNED.items()]
    side, runs = results["side"], len(results["port_ms"])
    return f"""{results["width"]} x {results["height"]} to {side} x {side}, the median of {runs}, in a JVM on \
{results["machine"]["cpu_model"]}:

| | ms | to createScaledBitmap |
|---|---|---|
| the port of the specification's resize | {port:.1f} | {port / android:.2f} |
| `Bitmap.createScaledBitmap(filter = true)` | {android:.1f} | 1 |
| JPEG to input, decoding included | {whole:.1f} | {whole / android:.2f} |

The port makes the same input of a frame of {results["frame_width"]} x {results["frame_height"]} in {frame:.1f} ms. Of \
one that a quarter turn puts upright:

| | ms |
|---|---|
{chr(10).join(turned)}

Their pixels differ by {results["mean_difference"]:.2f} of 255 on average, by {results["largest_difference"]} at most: \
createScaledBitmap looks at four pixels for each of its own, the specification at all of them.
"""


if __name__ == "__main__":
    run_script(main)
