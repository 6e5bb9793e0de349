"""Does an audit find labels that are wrong, and what does correcting them bring?

    python benchmarks/teachers/audit.py --photos DIR --work DIR [--seeds N] [--students N]

DIR of photos has a folder a class. A fixed split is drawn; a seed then changes 5 % of the training labels to another
class. A teacher is trained on these labels, `edgekd audit` ranks the photos, and its page is worked through in Chromium
by keys, by somebody who knows the labels of DIR. The page's corrections.csv goes into the recipe, which runs again.
Labels of DIR that are wrong themselves count as if they were right; how many photos are doubtful by DIR's own labels is
counted too. --students is how many seeds also train a student,
before and after. --short takes few traffic lights.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import TESTS, Parser, machine, run_script, temporary_folder, write_results
from small_inputs import HEAD_ALONE, labelled_folder

sys.path.insert(0, str(TESTS))
from chromium import Chromium, find_chromium

import edgekd
from edgekd.audit.doubtful import find_doubtful_labels
from edgekd.audit.held_out import hold_out
from edgekd.cli import group
from edgekd.data.corrections import read_corrections
from edgekd.data.dataset import Dataset
from edgekd.data.images import images_of
from edgekd.errors import UsageError
from edgekd.metrics import accuracy, mcnemar_p
from edgekd.models.load import load_model
from edgekd.pipeline.feature_table import run_features
from edgekd.preprocess import Preprocessing
from edgekd.recipe import parse_recipe
from edgekd.storage import read_json
from edgekd.training.loop import logits_of

_NOISE, _FIRST = 0.05, 50
_STUDENTS = {"scratch": "labels only", "distill": "distilled"}
NOTE = """\
Wrong labels that the photos' source has itself count as right ones: a photo of the list that no seed changed is counted
as found in vain, whoever is right. "Doubtful before" are those of them that are on the list for the source's own labels
too. The person of this benchmark knows the source's labels and answers with them."""


@dataclass(frozen=True)
class Setting:
    """The sizes of one form."""

    teacher: dict[str, Any]
    student: str
    views: int
    epochs: int


FULL = Setting({"input_size": 160}, "slice:8@96", 2, 8)
SHORT = Setting({"input_size": 32, "accept_weak": True}, "cnn:8@32", 1, 1)


@dataclass(frozen=True)
class Photos:
    """Names, true class names and splits of all photos, and which of them have another label than the true one."""

    truth: dict[str, str]
    changed: frozenset[str]
    path: Path


def write_noisy(folder: Path, source: Path, seed: int) -> Photos:
    """A CSV of the photos with fixed splits, in which a seed has changed 5 % of the training labels."""
    split = edgekd.load_dataset(source, policy=edgekd.SplitPolicy())
    samples = sorted(split.samples, key=lambda sample: sample.id)
    truth = {sample.id: split.classes[sample.class_numbers[0]] for sample in samples}
    train = [sample.id for sample in samples if sample.split == "train"]
    rng = np.random.default_rng(seed)
    changed = sorted(rng.choice(train, max(2, round(_NOISE * len(train))), replace=False).tolist())
    labels = dict(truth)
    for name in changed:
        labels[name] = str(rng.choice([other for other in split.classes if other != truth[name]]))
    path = folder / "photos.csv"
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["filename", "label", "split"])
        writer.writerows([sample.id, labels[sample.id], sample.split] for sample in samples)
    return Photos(truth, frozenset(changed), path)


def recipe_of(arguments: argparse.Namespace, setting: Setting, photos: Photos, corrections: Path | None) -> Any:
    """The recipe, with corrections or without."""
    data = {"source": str(photos.path), "images": str(arguments.photos), "views": {"views": setting.views}}
    if corrections is not None:
        data["corrections"] = str(corrections)
    table = {
        "name": "audit", "data": data, "teacher": {**HEAD_ALONE, **setting.teacher},
        "student": {"model": setting.student},
        "distill": {"schedule": {"epochs": setting.epochs}},
    }  # fmt: skip
    return parse_recipe(table, photos.path.parent / "recipe")


def work_through(page: Path, photos: Photos, downloads: Path) -> Path:
    """Open the page in Chromium, press the key of each photo's true class, and download corrections.csv."""
    if find_chromium() is None:
        raise UsageError("the page is worked through in Chromium, which is not installed: apt-get install chromium")
    downloads.mkdir(parents=True, exist_ok=True)
    # A profile that was used before remembers decisions.
    with Chromium(temporary_folder() / "profile") as browser:
        browser.open(page.as_uri())
        config = "JSON.parse(document.getElementById('config').textContent)"
        names = browser.value(f"{config}.photos.map((photo) => photo.name)")
        classes, keys = browser.value(f"{config}.classes"), browser.value(f"{config}.keys")
        for name in names:
            assert browser.value("photoNow().name") == name, "the page shows another photo"
            key = keys[classes.index(photos.truth[name])]
            browser.press(key, ord(key.upper()), key)
        browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))
        browser.value("document.getElementById('download').click()")
        saved = downloads / "corrections.csv"
        while not saved.is_file():
            time.sleep(0.05)
        assert not browser.messages, browser.messages
    return saved


def found(ranked: list[str], changed: frozenset[str]) -> dict[str, Any]:
    """Precision and recall of a list of photos."""
    hits = sum(name in changed for name in ranked)
    return {
        "listed": len(ranked),
        "found": hits,
        "precision": hits / max(1, len(ranked)),
        "recall": hits / len(changed),
    }


def doubtful_before(run: Path, photos: Photos) -> set[str]:
    """The photos that are on the list for the labels of the source, none of them changed."""
    table = run_features(run)
    truth = np.array([table.classes.index(photos.truth[sample.id]) for sample in table.samples])
    issues = find_doubtful_labels(replace(table, truth=truth), hold_out(replace(table, truth=truth)))
    return {photo.sample.id for photo in issues.photos}


def judge_students(run: Path) -> dict[str, dict[str, Any]]:
    """Accuracy of a run's students on the test photos, and which they get right."""
    dataset = Dataset.load(run / "data" / "dataset.json")
    samples, truth, rows = dataset.split("test"), dataset.labels("test"), {}
    for stage, name in _STUDENTS.items():
        model = load_model(next((run / stage).glob("*.keras")))
        size = Preprocessing(height=model.input_shape[1], width=model.input_shape[2])
        answers = logits_of(model, images_of(dataset, samples, size)).argmax(axis=1)
        rows[name] = {**accuracy(truth, answers).as_json(), "n": len(truth), "answers": answers.tolist()}
    return rows


def one_seed(arguments: argparse.Namespace, setting: Setting, seed: int, with_student: bool) -> dict[str, Any]:
    """All of one seed."""
    folder = arguments.work / f"seed-{seed}"
    photos = write_noisy(folder, arguments.photos, seed)
    until, before = "distill" if with_student else "teacher", folder / "before"
    edgekd.run(recipe_of(arguments, setting, photos, None), before, until=until)
    started = time.monotonic()
    group.main(["audit", str(before)], standalone_mode=False)
    seconds = time.monotonic() - started
    before_changes = doubtful_before(before, photos)
    listed = [entry["photo"] for entry in read_json(before / "audit" / "audit.json")["labels"]["photos"]]
    page = before / "audit" / "audit.html"
    saved = work_through(page, photos, folder / "downloads")
    corrections, after = saved.replace(folder / "corrections.csv"), folder / "after"
    edgekd.run(recipe_of(arguments, setting, photos, corrections), after, until=until)
    dataset = Dataset.load(after / "data" / "dataset.json")
    still = [s.id for s in dataset.split("train") if dataset.classes[s.class_numbers[0]] != photos.truth[s.id]]
    students = None
    if with_student:
        first, second = judge_students(before), judge_students(after)
        truth = dataset.labels("test")
        students = {}
        for name in _STUDENTS.values():
            answers = [np.array(rows[name].pop("answers")) for rows in (first, second)]
            students[name] = {"before": first[name], "after": second[name], "p": mcnemar_p(truth, *answers)}
    return {
        "seed": seed, "changed": len(photos.changed), "doubtful_before": len(before_changes),
        "first_doubtful_before": len((set(listed[:_FIRST]) & before_changes) - photos.changed),
        "first": found(listed[:_FIRST], photos.changed),
        "all": found(listed, photos.changed), "page_bytes": page.stat().st_size, "audit_s": round(seconds, 1),
        "rows": len(read_corrections(corrections)), "summary": dataset.summary_line().split("; ")[-1],
        "wrong_after": len(still), "students": students,
        "teacher": [read_json(run / "teacher" / "summary.json")["val_score"] for run in (before, after)],
    }  # fmt: skip


def as_text(results: dict[str, Any]) -> str:
    """The results as Markdown."""
    lines, students = [], []
    for row in results["rows"]:
        first, all_ = row["first"], row["all"]
        lines.append(
            f"| {row['seed']} | {row['changed']} | {first['found']} of {first['listed']}: {first['precision']:.0%} | "
            f"{row['first_doubtful_before']} | "
            f"{first['recall']:.0%} | {all_['listed']} | {all_['precision']:.0%} | {all_['recall']:.0%} | "
            f"{row['rows']} | {row['wrong_after']} |"
        )
        for name, pair in (row["students"] or {}).items():
            before, after = (
                f"{one['value']:.1%} ({one['low']:.0%} to {one['high']:.0%})" for one in (pair["before"], pair["after"])
            )
            students.append(f"| {row['seed']} | {name} | {before} | {after} | {pair['p']:.2f} |")
    table = (
        ["", f"Students ({results['setting']}) on {results['test']} test photos, p by McNemar's test:", "",
         "| seed | student | before | after the corrections | p |", "|---|---|---|---|---|", *students]
        if students else []
    )  # fmt: skip
    summaries = [f"- seed {row['seed']}: {row['summary']}" for row in results["rows"]]
    mean = [float(np.mean([row["first"][what] for row in results["rows"]])) for what in ("precision", "recall")]
    return "\n".join([
        "# Labels that an audit finds", "",
        f"{results['train']:,} training photos, {_NOISE:.0%} of their labels changed by a seed; {results['photos']:,} "
        f"photos audited, of which {results['rows'][0]['doubtful_before']} are on the list "
        f"for the source's own labels. Mean of the first {_FIRST}: precision {mean[0]:.1%}, recall {mean[1]:.1%}.", "",
        f"| seed | changed | of the first {_FIRST} changed | doubtful before | recall | listed | precision | "
        "recall | rows of corrections.csv | wrong after |",
        "|---|---|---|---|---|---|---|---|---|---|", *lines, "", NOTE, "",
        "What the data stage of the corrected run says:", "", *summaries, *table, "",
    ])  # fmt: skip


def main() -> None:
    parser = Parser(__file__, __doc__, work="the runs")
    parser.input("--photos", help="folder of class folders")
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds [3]")
    parser.add_argument("--students", type=int, default=3, help="how many of them train a student too [3]")
    arguments = parser.parse()
    setting, started = SHORT if arguments.short else FULL, time.monotonic()
    if arguments.photos is None:
        arguments.photos = labelled_folder(arguments.work / "photos", 14)
    seeds, students = (1, 0) if arguments.short else (arguments.seeds, arguments.students)
    rows = [one_seed(arguments, setting, seed, seed < students) for seed in range(seeds)]
    dataset = Dataset.load(arguments.work / "seed-0" / "before" / "data" / "dataset.json")
    results = {
        "schema": 1, "setting": f"{setting.student}, {setting.epochs} epochs", "photos": len(dataset.samples),
        "train": len(dataset.split("train")), "test": len(dataset.split("test")), "rows": rows, "machine": machine(),
        "seconds": round(time.monotonic() - started, 1),
    }  # fmt: skip
    write_results(arguments.out, "audit", results, as_text(results))


if __name__ == "__main__":
    run_script(main)
