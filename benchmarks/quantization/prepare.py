"""Train the float students that run.py starts from; run.py does it too where this was not run before."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import fashion_task as fashion
import road_task as road

if __name__ == "__main__":
    work, photos, unlabelled = (Path(text).resolve() for text in sys.argv[1:4])
    for seed in range(3):
        for make in (
            lambda seed=seed: fashion.float_student(work, fashion.SMALL, seed),
            lambda seed=seed: fashion.float_student(work, fashion.HARD, seed),
            lambda seed=seed: road.float_run(work, photos, unlabelled, seed),
        ):
            started = time.time()
            make()
            print(f"{time.time() - started:.0f} s", flush=True)
