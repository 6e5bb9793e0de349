"""What do class words give without a label, what do few labels add, and what does a student learn from them?

    python benchmarks/teachers/words.py --photos DIR --work DIR [--runs 2]

No text encoder is at hand, so the mean features of photos that nothing else sees stand in for the vectors of texts.
DIR of photos has a folder a class; 60 photos of each are held out for the table, 400 of the others are the test photos.
The encoder is EfficientNet-Lite0 cut before its head, as .onnx. For ten draws of the photos the words alone, a head on
5 and 20 labels a class (a fifth of which judge), and both together are judged on the test photos, and so are the
classes' shares that are estimated on a pool of 60, 20, 10, 5 and 5 %. For the first --runs draws whole runs train a
student on the answers of each teacher. --short takes few traffic lights and one draw.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Parser, machine, run_script, write_results
from encoder_files import save_onnx
from small_inputs import labelled_folder
from word_draws import (
    PIXELS,
    Draw,
    Photos,
    Setting,
    choose_labelled,
    draw_photos,
    encoder_network,
    make_words,
    read_photos,
)

import edgekd
from edgekd.data.dataset import Dataset
from edgekd.data.images import images_of
from edgekd.metrics import accuracy
from edgekd.models.load import load_model
from edgekd.pipeline.fixed_teacher import logits_over
from edgekd.pipeline.soft_target_views import load_finished_teacher
from edgekd.preprocess import Preprocessing
from edgekd.recipe import parse_recipe
from edgekd.storage import read_json
from edgekd.teacher.class_prior import estimate_prior
from edgekd.teacher.encoder_heads import HeadKind, HeadTrainer, LabelledFeatures, train_heads
from edgekd.teacher.words import ClassWords
from edgekd.teacher.words_head import zero_shot_head
from edgekd.training.loop import logits_of

KINDS: tuple[HeadKind, ...] = ("words", "linear", "both")
_SKEW = (0.6, 0.2, 0.1, 0.05, 0.05)
NOTE = """\
The stand-in knows more than a text does: its vectors are from photos of the same folders. Its figures say what the
mechanism does, not how good CLIP or SigLIP are on flowers. The logit scale is the one with the lowest cross-entropy on
a third of the photos held out for the table, whose other two thirds gave the vectors; a text encoder brings its own."""


FULL = Setting(128, 60, 400, (5, 20), 10, 2, 2, 12, "cnn:16@48")
SHORT = Setting(32, 6, 9, (4,), 1, 1, 1, 1, "cnn:4@32")


def judge_heads(photos: Photos, draw: Draw, words: ClassWords, each: int) -> dict[str, Any]:
    """Words alone, labels alone and both on the test photos, and which one the labelled photos choose."""
    training, judging = choose_labelled(photos, draw, each)
    numbers = np.concatenate([training, judging])
    features = LabelledFeatures((photos.features[numbers][:, None].astype(np.float16),), photos.labels[numbers])
    head = zero_shot_head(words, None)
    trainer = HeadTrainer(
        features, len(photos.classes), None, "single-label", "accuracy", draw.seed, head
    )  # fmt: skip
    places, count = np.arange(len(numbers)), len(training)
    _, records = train_heads(trainer, KINDS, places[:count], places[count:], places)
    truth, row = photos.labels[draw.test], {"seed": draw.seed, "labels": each}
    for kind in KINDS:
        (fitted,) = trainer.fit(kind, places[:count], places[count:])
        row[kind] = float((fitted.logits(photos.features[draw.test]).argmax(axis=1) == truth).mean())
    chosen = next(record["head"] for record in records if record["kept"])
    return {**row, "chosen": chosen, "chosen_score": row[chosen], "records": records}


def judge_prior(photos: Photos, draw: Draw, words: ClassWords) -> dict[str, Any]:
    """The shares of the classes estimated on a skewed pool, and the words' accuracy there by the prior."""
    of_class = [draw.rest[photos.labels[draw.rest] == c] for c in range(len(photos.classes))]
    shares = np.array(_SKEW[: len(of_class)]) / sum(_SKEW[: len(of_class)])
    most = min(len(numbers) / share for numbers, share in zip(of_class, shares, strict=True))
    pool = np.concatenate([numbers[: int(most * share)] for numbers, share in zip(of_class, shares, strict=True)])
    rows, truth = photos.features[pool], photos.labels[pool]
    estimated = estimate_prior(zero_shot_head(words, None).logits(rows))
    right = {
        name: float((zero_shot_head(words, prior).logits(rows).argmax(axis=1) == truth).mean())
        for name, prior in (("equal", None), ("estimated", estimated.shares), ("true", shares))
    }
    off = float(np.abs(estimated.shares - shares).sum() / 2)
    return {"seed": draw.seed, "photos": len(pool), "shares": estimated.shares.tolist(), "off": off, **right}


def make_run(
    arguments: argparse.Namespace, setting: Setting, photos: Photos, draw: Draw, each: int, encoder: Path, table: Path
) -> dict[str, Any]:
    """A whole run to its student: labels of some photos, the rest a pool, the test photos of the draw."""
    run = arguments.work / f"run-{draw.seed}-{each}"
    training, judging = choose_labelled(photos, draw, each) if each else (draw.rest[:0], draw.rest[:0])
    pool = draw.rest[~np.isin(draw.rest, np.concatenate([training, judging]))]
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir()
    with (run / "photos.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["filename", "label", "split"])
        for split, numbers in (("train", training), ("val", judging), ("test", draw.test), ("unlabelled", pool)):
            for number in numbers:
                name = photos.classes[photos.labels[number]]
                writer.writerow(
                    [photos.files[number].relative_to(arguments.photos), "" if split == "unlabelled" else name, split]
                )
    recipe = parse_recipe(
        {
            "name": run.name,
            "data": {
                "source": str(run / "photos.csv"), "images": str(arguments.photos), "views": {"views": setting.views},
            },
            "teacher": {
                "model": str(encoder), **PIXELS, "words": str(table), "train": bool(each), "accept_weak": True,
                **({"head": "linear"} if each else {}),
            },
            "student": {"model": setting.student, "allow_larger": arguments.short},
            "distill": {"labels": "all" if each else "none", "schedule": {"epochs": setting.epochs}},
        },
        arguments.work / "recipe",
    )  # fmt: skip
    edgekd.run(recipe, run / "run", until="distill")
    dataset = Dataset.load(run / "run" / "data" / "dataset.json")
    truth, teacher = dataset.labels("test"), load_finished_teacher(recipe, run / "run", dataset)
    answers = logits_over(teacher, dataset, dataset.split("test"), "whole").argmax(axis=1)
    summary = read_json(run / "run" / "teacher" / "summary.json")
    students = {}
    for name, stage in (("distilled", "distill"), ("labels alone", "scratch")):
        path = run / "run" / stage / "student.keras"
        students[name] = accuracy(truth, _answers(path, dataset)).as_json() if path.exists() else None
    return {
        "seed": draw.seed, "labels": each, "pool": len(dataset.split("unlabelled")),
        "heads": summary["heads"], "teacher": accuracy(truth, answers).as_json(), "students": students,
    }  # fmt: skip


def _answers(path: Path, dataset: Dataset) -> npt.NDArray[np.int64]:
    model = load_model(path)
    height, width = (int(side) for side in model.input_shape[1:3])
    images = images_of(dataset, dataset.split("test"), Preprocessing(height=height, width=width))
    return np.asarray(logits_of(model, images).argmax(axis=1), np.int64)


def as_text(results: dict[str, Any]) -> str:
    """The results as Markdown."""
    draws, lines, priors, runs = results["draws"], [], results["priors"], []

    def cell(values: Sequence[float]) -> str:
        return f"{np.mean(values):.1%} ({min(values):.1%} to {max(values):.1%})"

    for each in sorted({row["labels"] for row in draws}):
        rows = [row for row in draws if row["labels"] == each]
        counts = ", ".join(f"{kind} {sum(row['chosen'] == kind for row in rows)}" for kind in KINDS)
        cells = [cell([row[name] for row in rows]) for name in (*KINDS, "chosen_score")]
        lines.append(f"| {each} | {' | '.join(cells)} | {counts} |")
    for row in results["runs"]:
        chosen = [record["head"] for record in row["heads"] if record["kept"]]
        cells = [f"{value['value']:.1%}" if value else "–" for value in (row["teacher"], *row["students"].values())]
        runs.append(f"| {row['seed']} | {row['labels']} | {chosen[0] if chosen else 'words'} | {' | '.join(cells)} |")
    skew = [cell([row[name] for row in priors]) for name in ("equal", "estimated", "true")]
    return "\n".join([
        "# Class words, few labels, and both", "", f"{results['setting']}", "", NOTE, "",
        "Test photos that are right, mean (lowest to highest) of the draws:", "",
        "| labels a class | words alone | labels alone | both | the one chosen | chosen, draws |",
        "|---|---|---|---|---|---|", *lines, "",
        "Whole runs, with the student that each teacher's answers for pool and labelled photos trained:", "",
        "| draw | labels a class | chosen | teacher | student | student, labels alone |", "|---|---|---|---|---|---|",
        *runs, "",
        f"A pool of {priors[0]['photos']:,} photos of which the classes have {results['skew']}; words alone, by the "
        "shares that they assume:", "",
        "| equal | estimated by EM | the true ones | estimate off, share of photos |", "|---|---|---|---|",
        f"| {' | '.join(skew)} | {cell([row['off'] for row in priors])} |", "",
    ])  # fmt: skip


def main() -> None:
    parser = Parser(__file__, __doc__, work="the runs")
    parser.input("--photos", help="folder of class folders")
    parser.add_argument("--runs", type=int, help="draws for which a student is trained [2]")
    arguments = parser.parse()
    setting, started = SHORT if arguments.short else FULL, time.monotonic()
    count = setting.runs if arguments.runs is None else arguments.runs
    if arguments.photos is None:
        arguments.photos = labelled_folder(arguments.work / "photos", 20)
    arguments.work.mkdir(parents=True, exist_ok=True)
    encoder = save_onnx(arguments.work / "encoder.onnx", encoder_network(setting.input_size, arguments.short))
    photos = read_photos(arguments.photos, encoder, setting.input_size)
    draws, priors, runs = [], [], []
    for seed in range(setting.draws):
        draw, table = draw_photos(photos, setting, seed), arguments.work / f"words-{seed}.npz"
        words = make_words(table, photos, draw)
        draws += [judge_heads(photos, draw, words, each) for each in setting.labels]
        priors.append(judge_prior(photos, draw, words))
        # The short form sees one of the two kinds of run.
        for each in (0, *([] if arguments.short else setting.labels)) if seed < count else ():
            runs.append(make_run(arguments, setting, photos, draw, each, encoder, table))
    results = {
        "schema": 1,
        "setting": f"{len(photos.files):,} photos of {len(photos.classes)} classes, {setting.held_out} of each for the "
        f"table, {setting.test} for the test; input of {setting.input_size} px; {setting.draws} draws. The student is "
        f"{setting.student}, {setting.epochs} epochs on {setting.views} views.",
        "skew": ", ".join(f"{share:.0%}" for share in _SKEW[: len(photos.classes)]),
        "draws": draws, "priors": priors, "runs": runs, "machine": machine(),
        "seconds": round(time.monotonic() - started, 1),
    }  # fmt: skip
    write_results(arguments.out, "words", results, as_text(results))


if __name__ == "__main__":
    run_script(main)
