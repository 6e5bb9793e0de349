"""Seconds and memory that grouping near duplicates takes, for unlike photos and for frames of fixed cameras.

    python benchmarks/near_duplicates/run.py [--short] [--out DIR]

The photos are drawn at 32 x 32 pixels, which is all that their hashes see, and hashed by the code that a run uses.
"random" photos have random hashes and colours: nothing can be skipped there.
"""

from __future__ import annotations

import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Parser, machine, run_script, write_results

from edgekd.data.duplicates import HAMMING_BITS, near_groups, perceptual_hash

FRAMES, PHOTOS = 50_000, 200_000
CAMERAS = {"one camera": 1, "one camera, day and night": 1, "40 cameras": 40}
Hashed = tuple[NDArray[np.uint64], NDArray[np.uint8]]


def scene(noise: np.random.Generator) -> NDArray[np.float64]:
    """A photo of smooth shapes at 32 x 32."""
    coarse = noise.uniform(0, 255, (5, 5, 3))
    fine = np.kron(noise.normal(0, 25, (8, 8, 3)), np.ones((4, 4, 1)))
    return np.kron(coarse, np.ones((7, 7, 1)))[:32, :32] + fine


def draw(kind: str, count: int, seed: int) -> Hashed:
    """Hashes uint64 [N] and thumbnails uint8 [N, 192] of ``count`` photos."""
    noise = np.random.default_rng(seed)
    if kind == "random":
        return noise.integers(0, 2**64, count, np.uint64), noise.integers(0, 256, (count, 192), np.uint8)
    fixed = np.random.default_rng(0)
    cameras = [scene(fixed) for _ in range(CAMERAS.get(kind, 1))]
    hashes, thumbnails = np.zeros(count, np.uint64), np.zeros((count, 192), np.uint8)
    for i in range(count):
        photo = scene(noise) if kind == "unlike" else cameras[noise.integers(len(cameras))]
        if kind != "unlike":
            light = noise.uniform(0.15, 1.2) if kind.endswith("night") else noise.uniform(0.9, 1.1)
            photo = photo * light + noise.normal(0, 6, (32, 32, 3))
            y, x = noise.integers(0, 26, 2)
            photo[y : y + 6, x : x + 6] = noise.uniform(0, 255, 3)  # A passer-by.
        hashes[i], thumbnails[i] = perceptual_hash(np.clip(photo, 0, 255).astype(np.uint8))
    return hashes, thumbnails


def measure(kind: str, count: int) -> dict[str, Any]:
    """One row of the table, from a process of its own."""
    hashes, thumbnails = draw(kind, count, 1)
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start_s, start_cpu_s = time.perf_counter(), time.process_time()
    groups, bits = near_groups(list(range(count)), hashes, thumbnails, HAMMING_BITS, max(50, count // 20))
    return {
        "kind": kind,
        "count": count,
        "seconds": round(time.perf_counter() - start_s, 2),
        "cpu_seconds": round(time.process_time() - start_cpu_s, 2),
        "memory_mib": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib) // 1024,
        "groups": len(set(groups)),
        "largest": int(np.bincount(groups).max()),
        "bits": bits,
    }


def report(results: dict[str, Any]) -> str:
    """The table in Markdown."""
    rows = "\n".join(
        f"| {row['kind']} | {row['count']:,} | {row['seconds']:.1f} | {row['cpu_seconds']:.1f} | {row['memory_mib']} | "
        f"{row['groups']:,} | {row['largest']:,} | {row['bits']} |"
        for row in results["rows"]
    )
    host = results["machine"]
    return f"""Grouping near duplicates, in one process on {host["cores"]} cores of {host["cpu_model"]} under a load of
{host["load_1min"]:.1f}, so that the CPU seconds say more than the seconds:

| photos | number | seconds | CPU seconds | MiB more | groups | largest | bits |
|---|---|---|---|---|---|---|---|
{rows}

"random" photos have random hashes and colours, which no real photos have. The hashes of a fixed camera are alike, so
fewer bits may differ there until no group holds over 5 % of all photos. The groups are those of comparing every pair
(tests/data/test_near_pairs.py).
"""


def main() -> None:
    """Measure every row and write the table."""
    arguments = Parser(__file__, __doc__).parse()
    divisor = 20 if arguments.short else 1
    cases = [(kind, FRAMES // divisor) for kind in CAMERAS] + [
        (kind, PHOTOS // divisor) for kind in ("unlike", "random")
    ]
    rows = []
    for case in cases:
        with ProcessPoolExecutor(1) as pool:
            rows.append(pool.submit(measure, *case).result())
    results = {"schema": 1, "machine": machine("cpu_model", "cores", "load_1min"), "rows": rows}
    write_results(arguments.out, "near_duplicates", results, report(results))


if __name__ == "__main__":
    run_script(main)
