"""How long the Kotlin resize takes on a photo of 12 megapixels against Android's createScaledBitmap, on the JVM here.

    python benchmarks/android_resize/run.py [--build DIR]

Both run in Robolectric with Android's own Skia. Milliseconds here are not a phone's; the ratio is what to look at.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
from pathlib import Path

DEMO = Path(__file__).resolve().parents[2] / "android_demo"


def main() -> None:
    """Run the one class by Maven and print what it measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, help="Maven's build directory [a temporary one].")
    with tempfile.TemporaryDirectory() as scratch:
        build = parser.parse_args().build or Path(scratch)
        argv = ["mvn", "-B", "-q", "-f", str(DEMO), "test", "-Dtest=ResizeBenchmark", f"-DbuildDirectory={build}"]
        subprocess.run(argv, check=True)
        result = json.loads((build / "resize_benchmark.json").read_text())
    milliseconds = {name: statistics.median(result[f"{name}_ms"]) for name in ("port", "create_scaled_bitmap")}
    whole = statistics.median(result["jpeg_to_input_ms"])
    print(f"{result['width']} x {result['height']} to {result['side']} x {result['side']}, median of 15:")
    print(f"  the port              {milliseconds['port']:7.1f} ms")
    print(f"  createScaledBitmap    {milliseconds['create_scaled_bitmap']:7.1f} ms")
    print(f"  ratio                 {milliseconds['port'] / milliseconds['create_scaled_bitmap']:7.2f}")
    print(f"  JPEG to input, whole  {whole:7.1f} ms, of which the port {100 * milliseconds['port'] / whole:.0f} %")
    mean, largest = result["mean_difference"], result["largest_difference"]
    print(f"  they differ by {mean:.2f} of 255 on average, by {largest} at most")


if __name__ == "__main__":
    main()
