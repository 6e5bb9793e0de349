"""What distillation is worth on Fashion-MNIST with 3,000 labels and 57,000 images without: 3 seeds, every objective.

    python benchmarks/kd_quality/run.py --work DIR

A killed run can be continued: every training is stored under a name that hashes all that decides it, and the tables are
written anew after each. Needs the Debian package dataset-fashion-mnist, or a folder of its files (--fashion-mnist).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import fashion_mnist
from common import Parser, run_script
from student_training import policy_of, run_name, train_student
from table import write_results
from teacher import fill_soft_targets, train_teacher
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
    short_rows,
)

from edgekd.quiet import import_keras
from edgekd.storage import read_json, write_json

Row = tuple[Variant, Setting]


def main() -> None:
    """Teacher, soft targets, then the runs in the order of their weight; each choice before the runs that need it."""
    parser = Parser(__file__, __doc__, work="views, soft targets and runs (4 GB)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="TensorFlow's, of this process")
    parser.add_argument("--report", action="store_true", help="only write the tables of what is there")
    fashion_mnist.add_option(parser)
    arguments = parser.parse()
    work: Path = arguments.work
    fashion_mnist.use(arguments.fashion_mnist, short=arguments.short, work=work)
    # Read by TensorFlow when it is loaded.
    os.environ |= {"TF_NUM_INTRAOP_THREADS": str(arguments.threads), "TF_NUM_INTEROP_THREADS": "1"}
    train = not arguments.report
    if train:
        import_keras()
        train_teacher(work)
        fill_soft_targets(work, VIEWS, features=True)
    done: list[Row] = []
    seeds = 1 if arguments.short else arguments.seeds
    for rows in short_plan(work) if arguments.short else plan(work, tune=train):
        done += rows
        for seed in range(seeds):
            for variant, setting in rows:
                if train and once(work, variant, setting, seed, held_out=False, epochs=variant.epochs):
                    write_results(work, arguments.out, done, seeds, tuning_results(work))
    write_results(work, arguments.out, done, seeds, tuning_results(work))


def short_plan(work: Path) -> Iterator[list[Row]]:
    """A row for each kind of training, and one setting chosen on held-out images."""
    best, _ = chosen(work, replace(HINTON, settings=HINTON.settings[:1]), tune=True)
    for variant in short_rows():
        if variant.mixed:
            fill_soft_targets(work, variant.views, features=False, policy=policy_of(variant))
    yield [(replace(HINTON, epochs=1), best), *((variant, variant.settings[0]) for variant in short_rows())]


def plan(work: Path, *, tune: bool) -> Iterator[list[Row]]:
    """The rows, group by group; with ``tune`` the settings of a group are chosen before it is yielded."""
    hinton, _ = chosen(work, HINTON, tune=tune)
    yield [(variant, hinton if variant is HINTON else variant.settings[0]) for variant in main_rows(hinton)]
    on_logits = {variant: chosen(work, variant, tune=tune) for variant in ON_LOGITS}
    with_features = {variant: chosen(work, variant, tune=tune) for variant in on_features(hinton)}
    best, term = (max(choices.values(), key=lambda one: one[1])[0] for choices in (on_logits, with_features))
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


def tuning_results(work: Path) -> dict[str, float]:
    """Accuracy on held-out images of every setting that was tried, by the run's name."""
    return {path.stem: read_json(path)["accuracy"] for path in sorted((work / "runs").glob("tune-*.json"))}


def once(work: Path, variant: Variant, setting: Setting, seed: int, *, held_out: bool, epochs: int) -> bool:
    """Train and store the result; False if it is stored already."""
    name = run_name(variant, setting, seed, held_out=held_out, epochs=epochs)
    path = work / "runs" / f"{name}.json"
    if path.is_file():
        return False
    result = train_student(work, variant, setting, seed, held_out=held_out, epochs=epochs)
    write_json(path, result)
    print(name, result["accuracy"], result["cpu_s"], flush=True)
    return True


if __name__ == "__main__":
    run_script(main)
