"""How long the Kotlin resize takes on a photo of 12 megapixels against Android's createScaledBitmap, on the JVM here.

    python benchmarks/android_resize/run.py [--build DIR] [--out DIR]

Both run in Robolectric with Android's own Skia. Milliseconds here are not a phone's; the ratio is what to look at.
That a large photo is never decoded subsampled, as the specification says, is a test of the demo's own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekd.devices.table import open_device
from edgekd.storage import write_json, write_text

DEMO = Path(__file__).resolve().parents[2] / "android_demo"


def main() -> None:
    """Run the one class by Maven, and write what it measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, help="Maven's build directory [a temporary one].")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        build = arguments.build or Path(scratch)
        argv = ["mvn", "-B", "-q", "-f", str(DEMO), "test", "-Dtest=ResizeBenchmark", f"-DbuildDirectory={build}"]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
        found = json.loads((build / "resize_benchmark.json").read_text(encoding="utf-8"))
    facts = open_device("host").facts()
    found = {"schema": 1, "machine": {key: facts[key] for key in ("cpu_model", "cores", "load_1min")}, **found}
    write_json(arguments.out / "android_resize.json", found)
    text = report(found)
    write_text(arguments.out / "android_resize.md", text)
    print(text)


def report(found: Mapping[str, Any]) -> str:
    """Medians, the ratio, and how far the two resizes' pixels differ."""
    port, android, whole = (
        statistics.median(found[f"{name}_ms"]) for name in ("port", "create_scaled_bitmap", "jpeg_to_input")
    )
    side, runs = found["side"], len(found["port_ms"])
    return f"""{found["width"]} x {found["height"]} to {side} x {side}, the median of {runs}, in a JVM on \
{found["machine"]["cpu_model"]}:

| | ms | to createScaledBitmap |
|---|---|---|
| the port of the specification's resize | {port:.1f} | {port / android:.2f} |
| `Bitmap.createScaledBitmap(filter = true)` | {android:.1f} | 1 |
| JPEG to input, decoding included | {whole:.1f} | {whole / android:.2f} |

Their pixels differ by {found["mean_difference"]:.2f} of 255 on average, by {found["largest_difference"]} at most: \
createScaledBitmap looks at four pixels for each of its own, the specification at all of them.
"""


if __name__ == "__main__":
    main()
