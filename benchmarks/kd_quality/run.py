"""What distillation is worth on Fashion-MNIST with 3,000 labels and 57,000 images without: 3 seeds, every objective.

    python benchmarks/kd_quality/run.py --work DIR

Goes on where it was killed: every run is kept under a name that hashes all that decides it, and the tables are written
anew after each. Needs the Debian package dataset-fashion-mnist.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from lesson import policy_of, run_name, study
from table import write_results
from teaching import fill_soft_targets, teach
from variants import (
    HINTON,
    ON_LOGITS,
    TUNING_EPOCHS,
    TUNING_SEED,
    VIEWS,
    Setting,
    Variant,
    combined,
    main_rows,
    on_features,
    other_rows,
)

from edgekd.quiet import import_keras
from edgekd.storage import read_json, write_json

Row = tuple[Variant, Setting]


def main() -> None:
    """Teacher, column, then the runs in the order of their weight, each choice made before the runs that need it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a folder for views, column and runs (4 GB)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="TensorFlow's, of this process")
    parser.add_argument("--report", action="store_true", help="only write the tables of what is there")
    given = parser.parse_args()
    work: Path = given.work
    # Read by TensorFlow when it is loaded.
    os.environ |= {"TF_NUM_INTRAOP_THREADS": str(given.threads), "TF_NUM_INTEROP_THREADS": "1"}
    if not given.report:
        import_keras()
        teach(work)
        fill_soft_targets(work, VIEWS, features=True)
    done: list[Row] = []
    for rows in plan(work, tune=not given.report):
        done += rows
        for seed in range(given.seeds):
            for variant, setting in rows:
                if not given.report and once(work, variant, setting, seed, held_out=False, epochs=variant.epochs):
                    write_results(work, given.out, done, given.seeds, tried(work))
    write_results(work, given.out, done, given.seeds, tried(work))


def plan(work: Path, *, tune: bool) -> Iterator[list[Row]]:
    """The rows, group by group; with ``tune`` what has to be chosen for a group is tried before it is given."""
    hinton, _ = chosen(work, HINTON, tune=tune)
    yield [(variant, hinton if variant is HINTON else variant.settings[0]) for variant in main_rows(hinton)]
    on_logits = {variant: chosen(work, variant, tune=tune) for variant in ON_LOGITS}
    with_features = {variant: chosen(work, variant, tune=tune) for variant in on_features(hinton)}
    best, term = (max(found.values(), key=lambda one: one[1])[0] for found in (on_logits, with_features))
    for variant in combined(best, term):
        yield [(variant, variant.settings[0])]
    yield [(v, setting) for v, (setting, _) in (on_logits | with_features).items() if v is not HINTON]
    for variant in other_rows(hinton):
        if tune:
            fill_soft_targets(work, variant.views, features=False, policy=policy_of(variant))
        yield [(variant, variant.settings[0])]


def chosen(work: Path, variant: Variant, *, tune: bool) -> tuple[Setting, float]:
    """The setting with the highest accuracy on held-out images, and that accuracy; the first of equals."""
    scores = []
    for setting in variant.settings:
        if tune:
            once(work, variant, setting, TUNING_SEED, held_out=True, epochs=TUNING_EPOCHS)
        name = run_name(variant, setting, TUNING_SEED, held_out=True, epochs=TUNING_EPOCHS)
        path = work / "runs" / f"{name}.json"
        scores.append(read_json(path)["accuracy"] if path.is_file() else 0.0)
    best = max(range(len(scores)), key=lambda i: scores[i])
    return variant.settings[best], scores[best]


def tried(work: Path) -> dict[str, float]:
    """Accuracy on held-out images of everything tried, by the run's name."""
    return {path.stem: read_json(path)["accuracy"] for path in sorted((work / "runs").glob("tune-*.json"))}


def once(work: Path, variant: Variant, setting: Setting, seed: int, *, held_out: bool, epochs: int) -> bool:
    """Make the run and keep what it gives; False where it is there."""
    name = run_name(variant, setting, seed, held_out=held_out, epochs=epochs)
    path = work / "runs" / f"{name}.json"
    if path.is_file():
        return False
    found = study(work, variant, setting, seed, held_out=held_out, epochs=epochs)
    write_json(path, found)
    print(name, found["accuracy"], found["cpu_s"], flush=True)
    return True


if __name__ == "__main__":
    main()
