"""How much better is the teacher that `edgekd init` proposes than the head of Lite0 alone?

    python benchmarks/teachers/proposed.py --photos DIR --pool DIR --work DIR [--seeds 1]

DIR of photos has a folder a class, or train and test with one each; the pool has photos without labels. For every seed
both teachers are trained as a run trains them, on the same split, and judged on the test photos, which chose nothing.
Needs edgekd[teachers]. --short takes few traffic lights and one network.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Parser, machine, run_script, write_results
from proposed_recipe import proposed_table
from small_inputs import HEAD_ALONE, labelled_folder

import edgekd
from edgekd.data.dataset import Dataset
from edgekd.metrics import accuracy, mcnemar_p
from edgekd.models.efficientnet_lite import LITE0
from edgekd.pipeline.fixed_teacher import logits_over
from edgekd.pipeline.soft_target_views import load_finished_teacher
from edgekd.recipe import parse_recipe
from edgekd.storage import read_json

NOTE = """\
The teacher of the first row is a linear head on Lite0, that of the second what `edgekd init` proposes for these photos.
`p` is McNemar's exact test of the two on the same test photos. A stage of fine-tuning that would take too long is left
out, so that a slower machine may train less. The times are of a machine with other work on it."""


def judge(arguments: argparse.Namespace, table: dict[str, Any], teacher: dict[str, Any], name: str) -> dict[str, Any]:
    """Train a teacher as a run does; what it answers for the test photos, and what it was made of."""
    folder, started = arguments.work / f"{name}-{table['seed']}", time.monotonic()
    recipe = parse_recipe({**table, "teacher": {**teacher, "accept_weak": True}}, arguments.work / "recipe.toml")
    edgekd.run(recipe, folder, until="teacher")
    dataset = Dataset.load(folder / "data" / "dataset.json")
    network = load_finished_teacher(recipe, folder, dataset)
    answers = logits_over(network, dataset, dataset.split("test"), recipe.data.crop).argmax(axis=1)
    summaries = [read_json(path) for path in sorted((folder / "teacher").rglob("summary.json"))]
    return {
        "name": name,
        "teacher": recipe.teacher.name,
        "answers": answers,
        "truth": dataset.labels("test"),
        "photos": {part: len(dataset.split(part)) for part in ("train", "val", "test", "unlabelled")},
        "val": next(one["val_score"]["value"] for one in summaries if one["name"] == recipe.teacher.name),
        "decisions": [line for one in summaries for line in decisions(one)],
        "minutes": round((time.monotonic() - started) / 60, 1),
    }


def decisions(summary: dict[str, Any]) -> list[str]:
    """What held-out photos decided on a network."""
    lines = [
        f"{summary['name']}: {stage['name']} {stage['score']:.1%} of {stage['n']}"
        f" ({'kept' if stage['kept'] else 'not kept'})"
        for stage in summary.get("stages", [])
    ]
    own = summary.get("self_training")
    if own:
        lines.append(
            f"{summary['name']}: own answers for {own['confident']:,} of {own['pool']:,} photos, {own['before']:.1%} "
            f"before, {own['after']:.1%} after, of {own['n']} ({'kept' if own['kept'] else 'not kept'})"
        )
    return lines


def as_row(judged: dict[str, Any], first: npt.NDArray[np.int64], seed: int) -> dict[str, Any]:
    """A row as it is written."""
    truth, answers = judged.pop("truth"), judged.pop("answers")
    own = answers is first
    return {
        "seed": seed,
        **judged,
        "test": accuracy(truth, answers).as_json(),
        "p": None if own else mcnemar_p(truth, answers, first),
    }


def as_text(results: dict[str, Any]) -> str:
    """The results as Markdown."""
    photos, lines, notes = results["photos"], [], []
    for row in results["rows"]:
        test, p = row["test"], "" if row["p"] is None else f"{row['p']:.3f}"
        lines.append(
            f"| {row['seed']} | {row['teacher']}, {row['name']} | {row['val']:.1%} | {test['value']:.2%} "
            f"({test['low']:.1%} to {test['high']:.1%}) | {p} | {row['minutes']:.0f} |"
        )
        notes += [f"- seed {row['seed']}, {row['name']}: {line}" for line in row["decisions"]]
    return "\n".join([
        "# The teacher that is proposed", "",
        f"{photos['train']:,} photos to train on and {photos['val']:,} validation photos with labels, a pool of "
        f"{photos['unlabelled']:,}, {photos['test']:,} test photos. Proposed: `{results['proposed']}`.", "",
        "| seed | teacher | validation | test (95 %) | p | minutes |", "|---|---|---|---|---|---|", *lines, "",
        f"Mean difference on the test photos: {100 * results['gain']:+.2f} points.", "", NOTE, "", *notes, "",
    ])  # fmt: skip


def main() -> None:
    parser = Parser(__file__, __doc__, work="the runs")
    parser.input("--photos", help="folder of class folders, or of train and test")
    parser.add_argument("--pool", type=Path, help="folder of photos without labels")
    parser.add_argument("--seeds", type=int, default=1, help="splits of the photos [1]")
    arguments = parser.parse()
    started, rows = time.monotonic(), []
    if arguments.photos is None:
        arguments.photos = labelled_folder(arguments.work / "photos", 10)
    for seed in range(arguments.seeds):
        table = proposed_table("proposed", arguments.photos, arguments.pool, seed)
        table["student"] = {"model": "cnn:8@32"}
        proposed = {**table["teacher"], **({**HEAD_ALONE, "model": LITE0, "input_size": 32} if arguments.short else {})}
        head = {**HEAD_ALONE, "model": LITE0, "input_size": proposed["input_size"]}
        judged = [judge(arguments, table, head, "head alone"), judge(arguments, table, proposed, "as proposed")]
        first, photos = judged[0]["answers"], judged[0]["photos"]
        for one in judged:
            one.pop("photos")
            rows.append(as_row(one, first, seed))
    values = np.array([row["test"]["value"] for row in rows]).reshape(-1, 2)
    results = {
        "schema": 1,
        "photos": photos,
        "proposed": ", ".join(f"{key} = {value}" for key, value in proposed.items()),
        "rows": rows,
        "gain": float((values[:, 1] - values[:, 0]).mean()),
        "machine": machine(),
        "seconds": round(time.monotonic() - started, 1),
    }
    write_results(arguments.out, "proposed", results, as_text(results))


if __name__ == "__main__":
    run_script(main)
