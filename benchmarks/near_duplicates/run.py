"""Seconds and memory that grouping near duplicates takes, for unlike photos and for frames of fixed cameras.

    python benchmarks/near_duplicates/run.py            50,000 frames and 200,000 unlike photos
    python benchmarks/near_duplicates/run.py --short    a twentieth of them

The photos are drawn at 32 x 32 pixels, which is all that their hashes see, and hashed by the code that a run uses.
"random" photos have random hashes and colours: nothing can be skipped there.
"""

from __future__ import annotations

import argparse
import resource
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from numpy.typing import NDArray

from edgekd.data.duplicates import HAMMING_BITS, near_groups, perceptual_hash

FRAMES, PHOTOS = 50_000, 200_000
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
    cameras = [
        scene(fixed) for _ in range({"one camera": 1, "one camera, day and night": 1, "40 cameras": 40}.get(kind, 1))
    ]
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


def measure(kind: str, count: int) -> str:
    """One row of the table, from a process of its own."""
    hashes, thumbnails = draw(kind, count, 1)
    before_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start_s = time.perf_counter()
    groups, bits = near_groups(list(range(count)), hashes, thumbnails, HAMMING_BITS, max(50, count // 20))
    seconds = time.perf_counter() - start_s
    more_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before_mib
    largest = np.bincount(groups).max()
    return f"{kind:<26} {count:>8,} {seconds:>8.1f} {more_mib:>8.0f} {len(set(groups)):>8,} {largest:>8,} {bits:>4}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="a twentieth of the photos")
    divisor = 20 if parser.parse_args().short else 1
    rows = [(kind, FRAMES // divisor) for kind in ("one camera", "one camera, day and night", "40 cameras")]
    rows += [(kind, PHOTOS // divisor) for kind in ("unlike", "random")]
    print(
        f"{'photos':<26} {'number':>8} {'seconds':>8} {'MiB':>8} {'groups':>8} {'largest':>8} {'bits':>4}", flush=True
    )
    for row in rows:
        with ProcessPoolExecutor(1) as pool:
            print(pool.submit(measure, *row).result(), flush=True)


if __name__ == "__main__":
    main()
