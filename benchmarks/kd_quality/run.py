"""What distillation is worth on Fashion-MNIST with 3,000 labels and 57,000 images without: 3 seeds, every objective.

    python benchmarks/kd_quality/run.py --work DIR

Goes on where it was killed; started twice on the same folder, two processes share the runs. Needs the Debian package
dataset-fashion-mnist.
"""

from __future__ import annotations

import argparse
import fcntl
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from lesson import fill_column, study, teach
from table import write_results
from variants import EPOCHS, LONG, ON_FEATURES, ON_LOGITS, VARIANTS, VIEWS, Setting, Variant, best_logits, combined

from edgekd.quiet import import_keras
from edgekd.storage import read_json, write_json

TUNING_EPOCHS, TUNING_SEED = 3, 100


def main() -> None:
    """Teacher, column, choice of settings on held-out images, then the runs, seed by seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a folder for views, column and runs (4 GB)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="TensorFlow's, of this process")
    parser.add_argument("--report", action="store_true", help="only write the tables of what is there")
    given = parser.parse_args()
    work: Path = given.work
    (work / "runs").mkdir(parents=True, exist_ok=True)
    if given.report:
        write_results(work, given.out, plan(work))
        return
    # Read by TensorFlow when it is loaded.
    os.environ |= {"TF_NUM_INTRAOP_THREADS": str(given.threads), "TF_NUM_INTEROP_THREADS": "1"}
    import_keras()
    alone(work, "teacher", lambda: teach(work))
    alone(work, "column", lambda: fill_column(work, VIEWS, features=True))
    for wait in (False, True):  # What another process is at is waited for: the choice needs all of it.
        for variant in VARIANTS:
            for setting in variant.settings if len(variant.settings) > 1 else ():
                tune = partial(study, work, variant, setting, TUNING_SEED, held_out=True, epochs=TUNING_EPOCHS)
                once(work, f"tune-{variant.name}-{setting.name}", tune, wait=wait)
    alone(work, "column-all", lambda: fill_column(work, EPOCHS, features=False))
    for name, variant, setting, seed in runs(work, given.seeds):
        if once(work, name, partial(study, work, variant, setting, seed, held_out=False, epochs=variant.epochs)):
            write_results(work, given.out, plan(work))


def runs(work: Path, seeds: int) -> Iterator[tuple[str, Variant, Setting, int]]:
    """Every run: all variants with one seed, then all with two."""
    for seed in range(seeds):
        for variant, setting in plan(work):
            yield f"run-{variant.name}-{seed}", variant, setting, seed


def plan(work: Path) -> list[tuple[Variant, Setting]]:
    """The variants, each with the setting that did best on held-out images."""
    rows = [(variant, chosen(work, variant)[0]) for variant in VARIANTS]
    logits = max((chosen(work, variant) for variant in ON_LOGITS), key=lambda found: found[1])[0]
    features = max((chosen(work, variant) for variant in ON_FEATURES), key=lambda found: found[1])[0]
    long = [
        combined(logits, features, EPOCHS),
        combined(logits, features, LONG * EPOCHS),
        best_logits(logits, LONG * EPOCHS),
    ]
    return rows + [(variant, variant.settings[0]) for variant in long]


def chosen(work: Path, variant: Variant) -> tuple[Setting, float]:
    """The setting with the highest accuracy on held-out images, and that accuracy; the first of equals."""
    scores = []
    for setting in variant.settings:
        path = work / "runs" / f"tune-{variant.name}-{setting.name}.json"
        scores.append(read_json(path)["accuracy"] if path.is_file() else 0.0)
    best = max(range(len(scores)), key=lambda i: scores[i])
    return variant.settings[best], scores[best]


def once(work: Path, name: str, do: Callable[[], dict[str, Any]], *, wait: bool = False) -> bool:
    """Keep what ``do`` gives as ``runs/NAME.json``; False where that is there, or (without ``wait``) being made."""
    path = work / "runs" / f"{name}.json"
    with (work / "runs" / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            return False
        if path.is_file():
            return False
        told = do()
        write_json(path, told)
        print(name, told.get("accuracy"), told.get("cpu_s"), flush=True)
        return True


def alone(work: Path, name: str, do: Callable[[], Any]) -> None:
    """One process at a time; who waited finds it done."""
    with (work / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        do()


if __name__ == "__main__":
    main()
