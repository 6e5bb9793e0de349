"""How sure files are, and what they reject: before and after calibration, of photos that show none of the classes.

    python benchmarks/decisions/run.py --work DIR --set road=metadata.csv,Images --set flowers=PHOTOS

A set is a folder of class folders, or a CSV and the folder of its photos; the traffic lights of a package are always
one. Each set is a run without [decide], the same run with it, and a run that is also given photos of the set after it
as data.none. Every other set is foreign to it: its photos took no part in any choice (of a run with data.none, only
the sets that it was not given are counted). --part tags composes the sets' photos to photos with several tags, and
--part same-bytes compares the files of a run without any of this by this checkout and by that of --old. A kill loses at
most one stage. --short takes an untrained student and traffic lights by colour.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Parser, machine, run_script, write_results
from same_bytes import compare_checkouts, text_of_bytes
from scores import separations
from sets import PhotoSet, foreign_images, images_of_split, none_folder, photo_set, recipe_of, traffic_lights
from short import write_files
from small_inputs import labelled_folder
from tags import NOTE as NOTE_OF_TAGS
from tags import measure_tags, text_of_tags

import edgekd
from edgekd.decisions.quality import measure_calibration
from edgekd.decisions.rejection import certainty, choose_threshold, separation, shares_at
from edgekd.formats.artifact import Artifact
from edgekd.metrics import accuracy
from edgekd.storage import read_json
from edgekd.task import NONE_LABEL

PRECISIONS = ("float32", "int8")
KEEP = 0.95
ARMS = ("before", "decided", "with data.none")
NOTE = """\
Before: the file of a run without [decide], with the threshold on its best probability that keeps 95 % of its validation
photos. Decided: the file of the same student with [decide] calibrate and reject. With data.none: a student that learned
from 150 photos of the set after it too, as data.none; these foreign photos are not counted, only those of the other
set. The last table: how often a number of the file's logits is larger for an own photo than for a foreign one; 0.5 is
chance. Own and foreign photos are test photos that nothing was chosen on; intervals are of 95 %. Students are small
(slice:6@96, at most 150 photos a class), and ranges of int8 are min-max, to save time."""


def main() -> None:
    """Make the runs, measure their files and write the tables."""
    parser = Parser(__file__, __doc__, work="the photos and runs")
    parser.input("--set", many=True, help="NAME=SOURCE[,IMAGES] [--short: traffic lights of two kinds]")
    parser.add_argument("--each", type=int, default=150, help="photos of a class, at most [150]")
    parser.add_argument("--part", choices=["decisions", "tags", "same-bytes"], default="decisions")
    parser.add_argument("--old", type=Path, help="another checkout of edgekd, for --part same-bytes")
    arguments = parser.parse()
    started = time.time()
    if arguments.short:
        rows = short_rows(arguments.work)
    else:
        sets = [
            traffic_lights(arguments.work, arguments.each),
            *(photo_set(str(text), arguments.work, arguments.each) for text in arguments.set),
        ]
        if arguments.part == "same-bytes":
            if arguments.old is None:
                parser.error("--part same-bytes needs --old: another checkout of edgekd")
            same = compare_checkouts(sets[0], arguments.old, arguments.work)
            text = text_of_bytes(same)
            write_results(arguments.out, "same_bytes", {"schema": 1, **same}, text)
            return
        if arguments.part == "tags":
            found = measure_tags(sets, arguments.work)
            text = f"{text_of_tags(found)}\n\n{NOTE_OF_TAGS}\n"
            write_results(arguments.out, "tags", {"schema": 1, "machine": machine(), **found}, text)
            return
        rows = []
        for place, photos in enumerate(sets):
            following = sets[place + 1 :] + sets[:place]
            for arm in ARMS:
                folder = make_run(photos, following, arm, arguments.work)
                foreign = following[1:] if arm == "with data.none" else following
                rows += [measure(photos, arm, folder, precision, foreign) for precision in PRECISIONS]
                print(f"{time.time() - started:7.0f} s  {photos.name}, {arm}", flush=True)
    results = {"schema": 1, "machine": machine(), "keep": KEEP, "rows": rows}
    write_results(arguments.out, "decisions", results, f"{text_of(rows)}\n\n{NOTE}\n")


def short_rows(work: Path) -> list[dict[str, Any]]:
    """The rows of an untrained student's files, to which other lights are foreign."""
    own, other = (PhotoSet(name, labelled_folder(work / name, 10, skip=10 * place)) for place, name in enumerate("ab"))
    write_files(own, work, ("before", "decided"))
    return [
        measure(own, arm, work / arm, precision, [other]) for arm in ("before", "decided") for precision in PRECISIONS
    ]


def make_run(photos: PhotoSet, following: Sequence[PhotoSet], arm: str, work: Path) -> Path:
    """The directory of an arm's run; that with [decide] starts from a copy of the one without."""
    directory = work / "runs" / f"{photos.name}-{arm.replace(' ', '-')}"
    none = none_folder(following[0], work) if arm == "with data.none" else None
    if arm == "decided" and not directory.is_dir():
        copy = directory.with_name(f"{directory.name}.part")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(work / "runs" / f"{photos.name}-before", copy)
        copy.replace(directory)
    edgekd.run(recipe_of(photos, decide=arm != "before", none=none), directory, until="export")
    return directory


def measure(photos: PhotoSet, arm: str, directory: Path, precision: str, foreign: Sequence[PhotoSet]) -> dict[str, Any]:
    """What a file says of its test photos and of foreign ones."""
    artifact = Artifact.open(next((directory / "export").glob(f"student.{precision}*.tflite")))
    dataset = edgekd.Dataset.load(directory / "data" / "dataset.json")
    runner = edgekd.open_runner(artifact, threads=2)
    truth, none_class = dataset.labels("test"), none_class_of(artifact)
    rows = {split: runner.run(images_of_split(dataset, split, artifact.preprocessing)) for split in ("val", "test")}
    is_own = {split: dataset.labels(split) != none_class for split in rows}
    sure = {split: certainty(rows[split], none_class)[is_own[split]] for split in rows}
    threshold = artifact.decision.reject_below
    if arm == "before":
        threshold = choose_threshold(sure["val"], KEEP).below
    pictures = {one.name: foreign_images(one, artifact.preprocessing, 400) for one in foreign}
    strangers = {name: certainty(runner.run(images), none_class) for name, images in pictures.items()}
    unsure = np.concatenate(list(strangers.values()))
    own = is_own["test"]
    return {
        "set": photos.name,
        "arm": arm,
        "precision": precision,
        "classes": len(artifact.labels),
        "photos": {"val": len(sure["val"]), "test": len(sure["test"]), "foreign": len(unsure)},
        "temperature": (artifact.decision.calibration or {}).get("temperature"),
        "accuracy": accuracy(truth[own], rows["test"][own].argmax(axis=1)).as_json(),
        "calibration": measure_calibration(rows["test"], truth).as_json(),
        "rejection": shares_at(0.0 if threshold is None else threshold, sure["test"], unsure),
        "by_set": {
            name: shares_at(threshold or 0.0, sure["test"], values)["foreign_rejected"]
            for name, values in strangers.items()
        },
        "separation": separation(sure["test"], unsure),
        "other_scores": separations(
            artifact,
            images_of_split(dataset, "test", artifact.preprocessing)[own],
            np.concatenate(list(pictures.values())),
        ),
        "answers": [int(value) for value in rows["test"].argmax(axis=1)],
        "note": note_of(directory, precision),
    }  # fmt: skip


def none_class_of(artifact: Artifact) -> int | None:
    """The number of the class of foreign photos, where the file has one."""
    return artifact.labels.index(NONE_LABEL) if NONE_LABEL in artifact.labels else None


def note_of(directory: Path, precision: str) -> str | None:
    """Why a file was not calibrated, or what to keep in mind, if there is anything."""
    path = directory / "decide" / "summary.json"
    if not path.is_file():
        return None
    fitted = read_json(path)["files"][precision]
    return (fitted["temperature"] or {}).get("note") or (fitted["rejection"] or {}).get("note")


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """Both tables: rejection, and calibration."""
    lines = [
        "| set | file | accuracy | own photos kept | foreign photos rejected | surer of own than of foreign |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        kept, rejected = row["rejection"]["own_kept"], row["rejection"]["foreign_rejected"]
        lines.append(
            f"| {row['set']} | {row['precision']}, {row['arm']} | {share(row['accuracy'])} | {share(kept)} | "
            f"{share(rejected)} of {row['photos']['foreign']} | {row['separation']:.3f} |"
        )
    lines += [
        "",
        "| set | file | temperature | calibration error before | after | log loss before | after | answers changed |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for before in (row for row in rows if row["arm"] == "before"):
        (after,) = (
            row for row in rows
            if (row["set"], row["precision"], row["arm"]) == (before["set"], before["precision"], "decided")
        )  # fmt: skip
        changed = int(np.sum(np.array(before["answers"]) != np.array(after["answers"])))
        errors, losses = (
            [row["calibration"][key] for row in (before, after)] for key in ("calibration_error", "log_loss")
        )
        temperature = "1 (left)" if after["temperature"] is None else f"{after['temperature']:.2f}"
        lines.append(
            f"| {before['set']} | {before['precision']} | {temperature} | {share(errors[0])} | {share(errors[1])} | "
            f"{losses[0]['value']:.3f} | {losses[1]['value']:.3f} | {changed} of {len(after['answers'])} |"
        )
    names = list(rows[0]["other_scores"])
    lines += ["", f"| surer of own than of foreign, by | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    for row in rows:
        if row["arm"] == "before":
            cells = [f"{row['other_scores'][name]:.3f}" for name in names]
            lines.append(f"| {row['set']}, {row['precision']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def share(interval: dict[str, float] | None) -> str:
    """A share and its interval in percent."""
    if interval is None:
        return "-"
    return f"{interval['value']:.1%} [{interval['low']:.1%}, {interval['high']:.1%}]"


if __name__ == "__main__":
    run_script(main)
