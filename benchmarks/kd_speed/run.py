"""What a step of distillation costs: on stored soft targets, on labels alone, and in keras.distillation.Distiller.

    python benchmarks/kd_speed/run.py --work DIR

Blocks of steps of all trainings take turns, in a new order every round, for ``--minutes`` in all. Every round is stored
in DIR, so that a killed run can be continued. Also measured: either precision on this CPU, and the share of its time
that a training waits for its input.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from arms import FULL, GROUPS, PRECISIONS, SHORT, Sizes, serve
from common import Parser, machine, run_script, write_results

import edgekd
from edgekd.storage import read_json, write_json

RESAMPLES, FEWEST = 4000, 5
SOFT_TARGETS_AIM, DISTILLER_AIM, RATIO_AIM = 1.10, 5.0, 100.0
Round = Mapping[str, Sequence[float]]


def main() -> None:
    """Measure and write ``results/``."""
    parser = Parser(__file__, __doc__, work="soft targets, and every round as it ends")
    parser.add_argument("--rounds", type=int, help="at most [30; --short: 1]")
    parser.add_argument("--minutes", type=float, default=7.5, help="no round begins after these, but the first five")
    arguments = parser.parse()
    arguments.work.mkdir(parents=True, exist_ok=True)
    sizes, rounds_wanted = (SHORT, arguments.rounds or 1) if arguments.short else (FULL, arguments.rounds or 30)
    load_before = os.getloadavg()
    rounds, parameters = measure(arguments.work, rounds_wanted, arguments.minutes, sizes)
    results = {
        "schema": 1, "pairs": {name: {"teacher": teacher, "student": f"cnn:{width}", "parameters": parameters[name]}
                               for name, (teacher, width) in sizes.pairs.items()},
        "input_size": sizes.size, "batch_size": sizes.batch, "large": sizes.large, "rounds": len(rounds),
        # Of each arm and round: milliseconds a step, and the share of them spent waiting for input.
        "raw": rounds, "ratios": ratios(rounds, sizes),
        "load": {"before": load_before, "after": os.getloadavg()}, "machine": machine(),
        "versions": {name: metadata.version(name) for name in ("tensorflow", "keras")},
    }  # fmt: skip
    results["versions"]["edgekd"] = edgekd.__version__
    write_results(arguments.out, "kd_speed", results, markdown(results))


def measure(work: Path, wanted: int, minutes: float, sizes: Sizes) -> tuple[list[Round], dict[str, Any]]:
    """Rounds of every arm's block, those of an earlier call first; and the networks' parameters."""
    stored = work / "rounds.json"
    state: dict[str, Any] = read_json(stored) if stored.is_file() else {"done": False, "rounds": [], "parameters": {}}
    if state["done"]:
        return state["rounds"], state["parameters"]
    begun = time.monotonic()
    context = multiprocessing.get_context("spawn")
    doors, workers = {}, []
    arms: dict[str, Any] = {}
    for group in GROUPS:
        doors[group], other = context.Pipe()
        workers.append(context.Process(target=serve, args=(other, group, work, sizes), daemon=True))
        workers[-1].start()
        # So that a worker that dies is an error here and not an endless wait.
        other.close()
        started = time.monotonic()
        # One after the other, so that they do not slow each other's preparation.
        names, facts = doors[group].recv()
        arms |= dict.fromkeys(names, doors[group])
        state["parameters"] |= facts
        print(f"{group}: ready after {time.monotonic() - started:.0f} s", flush=True)
    while not state["done"]:
        taken = {}
        for name in np.random.default_rng(len(state["rounds"])).permutation(list(arms)):
            arms[name].send(str(name))
            taken[str(name)] = arms[name].recv()
        state["rounds"].append(taken)
        seconds, count = time.monotonic() - begun, len(state["rounds"])
        state["done"] = count >= wanted or (count >= FEWEST and seconds > 60 * minutes)
        write_json(stored, state)
        print(f"round {count}, {seconds:.0f} s", flush=True)
    for door in doors.values():
        door.send(None)
    for worker in workers:
        worker.join()
    return state["rounds"], state["parameters"]


def ratios(rounds: Sequence[Round], sizes: Sizes) -> dict[str, dict[str, float]]:
    """Every ratio that is reported, by its two arms."""
    pairs = [(f"{pair}/{a}", f"{pair}/{b}") for pair in sizes.pairs for a, b in (
        ("soft_targets", "labels"), ("distiller", "soft_targets"), ("distiller", "keras_labels"),
        ("labels", "keras_labels"),
        ("teacher_forward", "student_forward"))]  # fmt: skip
    pairs += [(f"{PRECISIONS[1]}/{size}", f"{PRECISIONS[0]}/{size}") for size in ("small", "large")]
    return {f"{a} over {b}": ratio(rounds, a, b) for a, b in pairs}


def ratio(rounds: Sequence[Round], arm: str, other: str) -> dict[str, float]:
    """The median over rounds of the ratio within a round, with a 95 % bootstrap interval over rounds."""
    values = np.array([one[arm][0] / one[other][0] for one in rounds])
    drawn = np.median(values[np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))], axis=1)
    low, high = np.percentile(drawn, (2.5, 97.5))
    return {"value": float(np.median(values)), "low": float(low), "high": float(high)}


def markdown(results: dict[str, Any]) -> str:
    """The tables, and what they compare."""
    lines = ["# The cost of a step of distillation"]
    for pair, facts in results["pairs"].items():
        lines += [f"## {facts['teacher']} to {facts['student']}", paired(results, pair, facts)]
    lines += ["## Precision", precision(results), "## What was measured", how(results)]
    return "\n\n".join(lines) + "\n"


def paired(results: dict[str, Any], pair: str, facts: Mapping[str, Any]) -> str:
    """One pair's table and its ratios, each with its aim."""
    titles = {
        "labels": "edgekd, labels alone", "soft_targets": "edgekd, stored soft targets",
        "keras_labels": "Keras, labels alone",
        "distiller": "keras.distillation.Distiller", "teacher_forward": "the teacher's forward pass",
        "student_forward": "the student's forward pass",
    }  # fmt: skip
    lines = ["| training | ms a step (median) | waits for its input |", "|---|---|---|"]
    for name, text in titles.items():
        taken = np.array([one[f"{pair}/{name}"] for one in results["raw"]])
        waits = f"{100 * float(np.median(taken[:, 1])):.1f} %" if name in ("labels", "soft_targets") else "not counted"
        lines.append(f"| {text} | {np.median(taken[:, 0]):.1f} | {waits} |")

    def of(a: str, b: str) -> dict[str, float]:
        value: dict[str, float] = results["ratios"][f"{pair}/{a} over {pair}/{b}"]
        return value

    cost, stored, online = (of(*names) for names in (
        ("teacher_forward", "student_forward"), ("soft_targets", "labels"), ("distiller", "soft_targets")))  # fmt: skip
    aimed = f"; {verdict(online, DISTILLER_AIM, above=True)}" if cost["value"] >= RATIO_AIM else ""
    lines += [
        "",
        f"- the teacher's forward pass costs {spread(cost)} the student's",
        f"- a step on stored soft targets over one on labels alone: {spread(stored)}; "
        f"{verdict(stored, SOFT_TARGETS_AIM, above=False)}",
        f"- keras.distillation.Distiller over stored soft targets: {spread(online)}{aimed}",
        f"- keras.distillation.Distiller over Keras on labels alone: {spread(of('distiller', 'keras_labels'))}",
        "- edgekd on labels alone (deterministic, its input made as it goes) over Keras (its input ready): "
        f"{spread(of('labels', 'keras_labels'))}",
        "",
        f"Parameters: {facts['parameters']['teacher']:,} and {facts['parameters']['student']:,}.",
    ]
    return "\n".join(lines)


def precision(results: dict[str, Any]) -> str:
    """The step in either precision, and what follows for edgekd."""
    lines = ["| student | float32, ms a step | mixed_bfloat16, ms a step | ratio |", "|---|---|---|---|"]
    measured = []
    for size, text in (("small", "cnn:16"), ("large", results["large"])):
        medians = [np.median([one[f"{kind}/{size}"][0] for one in results["raw"]]) for kind in PRECISIONS]
        measured.append(results["ratios"][f"{PRECISIONS[1]}/{size} over {PRECISIONS[0]}/{size}"])
        lines.append(f"| {text} | {medians[0]:.1f} | {medians[1]:.1f} | {spread(measured[-1])} |")
    faster = [one["high"] < 1 for one in measured]
    conclusion = (
        "edgekd trains in float32, and on this CPU that is right: mixed_bfloat16 is not faster for either."
        if not any(faster)
        else "edgekd trains in float32. On this CPU mixed_bfloat16 would be faster for "
        f"{'both' if all(faster) else 'one'} of these students."
    )
    return "\n".join([*lines, "", conclusion])


def how(results: dict[str, Any]) -> str:
    """What the figures measure."""
    machine, load = results["machine"], results["load"]
    return (
        f"Images of {results['input_size']} px, batches of {results['batch_size']}, teachers of random weights. "
        "edgekd's steps are those of its training loop, with deterministic kernels as always, views read from a memory "
        "map and logits from disk. Keras is called by train_on_batch, without XLA and without deterministic kernels, "
        "on a batch that is ready. The cost of the soft targets, one pass of the teacher over every view, is not in "
        "these figures. Ratios are medians of the ratios within a round, with 95 % bootstrap intervals over rounds.\n\n"
        f"{machine['cpu_model']}, {machine['cores']} cores, load {load['before'][0]:.1f} before and "
        f"{load['after'][0]:.1f} after; {results['rounds']} rounds, interleaved."
    )


def spread(value: Mapping[str, float]) -> str:
    """A ratio with its interval."""
    return f"{value['value']:.2f}x ({value['low']:.2f}-{value['high']:.2f})"


def verdict(value: Mapping[str, float], aim: float, *, above: bool) -> str:
    """Whether the aim was reached, and whether the interval is on one side of it."""
    sign = "at least" if above else "at most"
    reached = value["value"] >= aim if above else value["value"] <= aim
    sure = (value["low"] >= aim if above else value["high"] <= aim) if reached else (
        value["high"] < aim if above else value["low"] > aim)  # fmt: skip
    doubt = "" if sure else ", though the interval reaches past it"
    return f"{sign} {aim:.2f}x was the aim: {'reached' if reached else 'missed'}{doubt}"


if __name__ == "__main__":
    run_script(main)
