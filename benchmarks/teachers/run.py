"""What makes a better teacher of few labels: a larger network, fine-tuning, its own answers, mirror images, an average?

    python benchmarks/teachers/run.py --photos DIR --work DIR [--stages]

DIR of photos has a folder a class; 40 labels a class are kept, and the other photos that are not of the test split are
the pool without labels. Teachers are trained as a run trains them, and judged on the test photos, which chose nothing.
Where there is a class "daisy", the networks' ImageNet answers for its photos are counted too: ImageNet has that class.
--stages adds the first network fine-tuned in stages, which takes longer than all the rest. --short takes few traffic
lights and one network of 32 pixels.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Parser, machine, run_script, write_results
from small_inputs import HEAD_ALONE, labelled_folder

import edgekd
from edgekd.data.dataset import Dataset
from edgekd.metrics import accuracy, mcnemar_p
from edgekd.models import efficientnet_lite
from edgekd.pipeline.fixed_teacher import logits_over
from edgekd.pipeline.soft_target_views import load_finished_teacher
from edgekd.preprocess import Preprocessing, preprocess
from edgekd.recipe import parse_recipe
from edgekd.storage import read_json
from edgekd.teacher.average import average_logits, members_of, with_mirror_images
from edgekd.teacher.protocol import Teacher
from edgekd.training.loop import logits_of

_DAISY, _DAISIES = 985, 100
NOTE = """\
One split of the photos, one seed. `p` is McNemar's exact test against the first row, on the same test photos. The times
are of a machine with other work on it: they say which teacher costs more, not how long it takes alone."""


@dataclass(frozen=True)
class Setting:
    """The sizes of one form: which networks get a head, and which learn from their own answers as well."""

    heads: tuple[str, ...]
    answering: tuple[str, ...]
    input_size: int
    views: int
    labelled_per_class: int


FULL = Setting(tuple(efficientnet_lite.VARIANTS), ("efficientnet-lite0", "efficientnet-lite2"), 160, 4, 40)
SHORT = Setting((), ("efficientnet-lite0",), 32, 1, 4)


@dataclass(frozen=True)
class Judged:
    """Class numbers of a teacher's answers for the validation and the test photos, and the seconds of its training."""

    name: str
    val: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]
    seconds: float


def train(arguments: argparse.Namespace, setting: Setting, name: str, teacher: dict[str, Any]) -> edgekd.Recipe:
    """A run up to its teacher."""
    table = {
        "name": name,
        "data": {
            "source": str(arguments.photos),
            "split": {"labelled_per_class": setting.labelled_per_class},
            "views": {"views": setting.views},
        },
        "teacher": {"input_size": setting.input_size, "accept_weak": True, **HEAD_ALONE, **teacher},
        "student": {"model": "cnn:8@32"},
    }
    recipe = parse_recipe(table, arguments.work / "recipe")
    edgekd.run(recipe, arguments.work / name, until="teacher")
    return recipe


@dataclass(frozen=True)
class Answers:
    """A teacher's logits [N, C] for the validation and for the test photos."""

    val: npt.NDArray[np.float32]
    test: npt.NDArray[np.float32]

    @classmethod
    def of(cls, teacher: Teacher, dataset: Dataset) -> Answers:
        """Run it over both."""
        return cls(*(logits_over(teacher, dataset, dataset.split(part), "whole") for part in ("val", "test")))

    def judged(self, name: str, seconds: float) -> Judged:
        """The row of these answers."""
        return Judged(name, self.val.argmax(axis=1), self.test.argmax(axis=1), seconds)


def mean(parts: Sequence[Answers]) -> Answers:
    """The average of several teachers' answers."""
    val, test = ([getattr(part, name) for part in parts] for name in ("val", "test"))
    return Answers(average_logits(val, "probabilities"), average_logits(test, "probabilities"))


def judge_members(arguments: argparse.Namespace, run: str, recipe: edgekd.Recipe, suffix: str) -> list[Judged]:
    """The members of a run's average, their averages, and what mirror images add."""
    dataset = Dataset.load(arguments.work / run / "data" / "dataset.json")
    members = members_of(load_finished_teacher(recipe, arguments.work / run, dataset))
    summaries = [
        read_json(folder / "summary.json") for folder in sorted((arguments.work / run / "teacher").glob("member-*"))
    ]
    plain = [Answers.of(member, dataset) for member in members]
    mirrored = [Answers.of(with_mirror_images(member), dataset) for member in members]
    rows, everyone = [], range(len(members))
    for count in range(1, len(members) + 1):
        for chosen in itertools.combinations(everyone, count):
            title = " + ".join(summaries[i]["name"].removeprefix("efficientnet-") for i in chosen) + suffix
            seconds = sum(float(summaries[i]["seconds"]) for i in chosen)
            rows.append(mean([plain[i] for i in chosen]).judged(title, seconds))
            rows.append(mean([mirrored[i] for i in chosen]).judged(f"{title}, mirrored", seconds))
    return rows


def daisies(photos: Path) -> list[dict[str, Any]]:
    """How many daisies each network's ImageNet head calls a daisy, at the size that it was trained at."""
    paths = sorted((photos / "daisy").glob("*"))[:_DAISIES] if (photos / "daisy").is_dir() else []
    rows = []
    for name, variant in efficientnet_lite.VARIANTS.items() if paths else ():
        size = variant.input_size
        preprocessing = Preprocessing(height=size, width=size, crop="center")
        images = np.stack([preprocess(path, path.name, preprocessing) for path in paths])
        answers = logits_of(efficientnet_lite.build(size, name=name), images).argmax(axis=1)
        rows.append(
            {"network": name, "input_size": size, "photos": len(paths), "daisy": int((answers == _DAISY).sum())}
        )
    return rows


def table_row(row: Judged, first: Judged, val: npt.NDArray[np.int64], test: npt.NDArray[np.int64]) -> dict[str, Any]:
    """A row as it is written."""
    return {
        "teacher": row.name,
        "val": accuracy(val, row.val).as_json(),
        "test": accuracy(test, row.test).as_json(),
        "p": None if row is first else mcnemar_p(test, row.test, first.test),
        "training_s": round(row.seconds, 1),
    }


def as_text(results: dict[str, Any]) -> str:
    """The results as Markdown."""
    photos, lines = results["photos"], []
    for row in results["rows"]:
        test, val = row["test"], row["val"]
        p = "" if row["p"] is None else f"{row['p']:.2f}"
        lines.append(
            f"| {row['teacher']} | {val['value']:.1%} | {test['value']:.2%} ({test['low']:.1%} to {test['high']:.1%}) "
            f"| {p} | {row['training_s']:.0f} s |"
        )
    known = "\n".join(
        f"- {row['network']} at {row['input_size']} px: {row['daisy']} of {row['photos']} photos of daisies"
        for row in results["daisies"]
    )
    return "\n".join([
        "# Teachers of few labels", "",
        f"{photos['train']:,} photos to train on and {photos['val']:,} validation photos with labels, a pool of "
        f"{photos['unlabelled']:,}, {photos['test']:,} test photos; {results['setting']}.", "",
        "| teacher | validation | test (95 %) | p | training |", "|---|---|---|---|---|", *lines, "", NOTE, "",
        *(["What the ImageNet heads call a daisy:", "", known, ""] if known else []),
        *(f"- {note}" for note in results["decisions"]), "",
    ])  # fmt: skip


def decisions(work: Path, runs: Sequence[str]) -> list[str]:
    """What the photos with labels decided in each run."""
    found = []
    for path in sorted(path for run in runs for path in (work / run / "teacher").rglob("summary.json")):
        summary = read_json(path)
        for stage in summary.get("stages", []):
            found.append(
                f"{path.parents[1].name if path.parent.name == 'teacher' else summary['name']}, fine-tuning: "
                f"{stage['name']} {stage['score']:.1%} of {stage['n']} ({'kept' if stage['kept'] else 'not kept'})"
            )
        own = summary.get("self_training")
        if own:
            found.append(
                f"{summary['name']}, own answers: {own['confident']:,} of {own['pool']:,} photos; {own['before']:.1%} "
                f"before, {own['after']:.1%} after, of {own['n']} ({'kept' if own['kept'] else 'not kept'})"
            )
    return found


def judge_staged(arguments: argparse.Namespace, setting: Setting) -> Judged:
    """The first network, fine-tuned in stages."""
    name = setting.answering[0]
    staged = train(arguments, setting, "staged", {"model": name, "fine_tune_blocks": "auto"})
    run = arguments.work / "staged"
    dataset = Dataset.load(run / "data" / "dataset.json")
    teacher = load_finished_teacher(staged, run, dataset)
    seconds = float(read_json(run / "teacher" / "summary.json")["seconds"])
    return Answers.of(teacher, dataset).judged(f"{name.removeprefix('efficientnet-')}, in stages", seconds)


def main() -> None:
    parser = Parser(__file__, __doc__, work="the runs")
    parser.input("--photos", help="folder of class folders")
    parser.add_argument("--stages", action="store_true", help="also fine-tune the first network in stages")
    arguments = parser.parse()
    setting, started = SHORT if arguments.short else FULL, time.monotonic()
    if arguments.photos is None:
        arguments.photos = labelled_folder(arguments.work / "photos", 12)
    rows: list[Judged] = []
    for run, networks, extra, suffix in (
        ("heads", setting.heads, {}, ", head"), ("own", setting.answering, {"self_train": "auto"}, ", own answers"),
    ):  # fmt: skip
        if networks:
            recipe = train(arguments, setting, run, {"model": list(networks), **extra})
            rows += judge_members(arguments, run, recipe, suffix)
    if arguments.stages:
        rows.append(judge_staged(arguments, setting))
    dataset = Dataset.load(arguments.work / "own" / "data" / "dataset.json")
    val, test = dataset.labels("val"), dataset.labels("test")
    results = {
        "schema": 1,
        "setting": f"input of {setting.input_size} px, {setting.views} view{'' if setting.views == 1 else 's'}",
        "photos": {name: len(dataset.split(name)) for name in ("train", "val", "test", "unlabelled")},
        "rows": [table_row(row, rows[0], val, test) for row in rows],
        "daisies": daisies(arguments.photos),
        "decisions": decisions(arguments.work, ("own", "staged")),
        "machine": machine(),
        "seconds": round(time.monotonic() - started, 1),
    }
    write_results(arguments.out, "teachers", results, as_text(results))


if __name__ == "__main__":
    run_script(main)
