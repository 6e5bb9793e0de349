"""The answers of a run's files on the same photos: Python, JavaScript (Node, a browser), MediaPipe and Kotlin.

    python benchmarks/same_answers/run.py RUN [--photos DIR] [--most 100] [--compiled DIR] [--out DIR]

RUN is a finished run directory, with tags or with a rule that refuses photos; its own test photos are taken where
--photos names no folder. Every reader answers by what the file itself says: labels, thresholds, rejection. MediaPipe
gets photos that are resized already, since it resizes otherwise. What is not installed is left out and named; Node
needs the packages of tests/js, MediaPipe EDGEKD_MEDIAPIPE_PYTHON, Kotlin what android_demo/build.py asks for, and
--compiled takes a build of it. --short has no browser and no Kotlin.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/integration"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

import numpy as np
from android_build import build_demo, goals_of_tests, missing_packages
from browser import ask_browser
from common import TESTS, Parser, machine, run_script, temporary_folder, write_results
from PIL import Image
from small_inputs import copied_photos, small_files

from edgekd.formats.artifact import Artifact
from edgekd.formats.decision import Answer, Decision
from edgekd.golden import make_golden
from edgekd.preprocess import preprocess
from edgekd.runtime.predict import predict

FILES = ("float32.tflite", "int8.tflite", "float32.onnx", "int8.onnx")
Answers = Mapping[str, Sequence[tuple[str, ...] | None]]


@dataclass(frozen=True)
class Row:
    """The photos of one file by one reader: answers that are Python's, near ties, others, and photos not read.

    A near tie is another answer where Python's probabilities would have to change by no more than ``tolerance``.
    """

    reader: str
    file: str
    photos: int
    equal: int
    near_ties: int
    different: int
    unread: int
    tolerance: float


def main() -> None:
    """Ask every reader, compare, and write the table."""
    parser = Parser(__file__, __doc__)
    parser.input("run", help="a run directory with files [--short: a small untrained student with tags]")
    parser.add_argument("--photos", type=Path, help="a folder of photos")
    parser.add_argument("--most", type=int, default=100, help="photos at most [100]")
    parser.add_argument("--compiled", type=Path, help="a build directory with the compiled app: compile nothing")
    arguments = parser.parse()
    scratch = temporary_folder()
    files = small_tag_files(scratch) if arguments.run is None else files_of(arguments.run)
    photos = copied_photos(scratch / "photos", arguments.most, arguments.photos, arguments.run, each=6)
    python = {name: predict(file, photos) for name, file in files.items()}
    answers, missing = ask_all(files, photos, scratch, arguments)
    rows = [
        compare(reader, files[name], python[name], said)
        for reader, by_file in answers.items()
        for name, said in by_file.items()
    ]
    kinds = {name: sorted({len(one.answer.labels) for one in ours}) for name, ours in python.items()}
    facts = {
        "photos": len(photos), "labels_of_an_answer": kinds, "left_out": missing,
        "decisions": {name: file.decision.as_json() for name, file in files.items()},
        "machine": machine()["cpu_model"],
    }  # fmt: skip
    results = {"schema": 1, **facts, "rows": [asdict(row) for row in rows]}
    write_results(arguments.out, "same_answers", results, report(rows, facts))


def files_of(run: Path) -> dict[str, Artifact]:
    """The student's files, by ``precision.format``."""
    paths = {name: run / "export" / f"student.{name}" for name in FILES}
    return {name: Artifact.open(path) for name, path in paths.items() if path.is_file()}


def small_tag_files(folder: Path) -> dict[str, Artifact]:
    """A small student's files with sigmoids and a threshold a tag."""
    from decided_files import with_decision

    rule = Decision("multi-label", (0.4, 0.45, 0.5, 0.55, 0.6))
    made = {name: Artifact.open(path) for name, path in small_files(folder / "small").items()}
    return {name: with_decision(one, folder / f"student.{name}", rule) for name, one in made.items()}


def ask_all(
    files: Mapping[str, Artifact], photos: list[Path], scratch: Path, arguments: Any
) -> tuple[dict[str, Answers], dict[str, str]]:
    """Answers by reader and file, and what was left out and why."""
    onnx = {name: file for name, file in files.items() if file.format == "onnx"}
    tflite = {name: file for name, file in files.items() if file.format == "tflite"}
    answers: dict[str, Answers] = {}
    missing: dict[str, str] = {}
    if not (TESTS / "js/node_modules").is_dir() or shutil.which("node") is None:
        missing["JavaScript"] = "the packages of tests/js"
    elif onnx:
        golden = scratch / "golden"
        make_golden(next(iter(onnx.values())), golden, photos=photos[0].parent)
        answers["JavaScript, Node"] = ask_node(onnx, golden, len(photos))
        if not arguments.short and shutil.which("chromium") is not None:
            answers["JavaScript, Chromium"] = of_own(ask_browser(onnx, golden, scratch), onnx, len(photos))
    if not os.environ.get("EDGEKD_MEDIAPIPE_PYTHON"):
        missing["MediaPipe"] = "EDGEKD_MEDIAPIPE_PYTHON"
    elif tflite:
        answers["MediaPipe"] = ask_mediapipe(tflite, photos, scratch / "prepared")
    if arguments.short or missing_packages():
        missing["Kotlin"] = "the short form" if arguments.short else ", ".join(missing_packages())
    elif tflite:
        answers["Kotlin"] = ask_kotlin(tflite, photos, scratch / "app", arguments.compiled)
    return answers, missing


def ask_node(files: Mapping[str, Artifact], golden: Path, count: int) -> Answers:
    """The JavaScript port in Node."""
    argv = ["node", "--preserve-symlinks", TESTS / "js/run_node.mjs", golden, *(file.path for file in files.values())]
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(f"run_node.mjs: {done.stderr[-1000:]}")
    return of_own(json.loads(done.stdout), files, count)


def of_own(said: Mapping[str, Any], files: Mapping[str, Artifact], count: int) -> Answers:
    """The answers for the photos beside the golden ones."""
    return {
        name: [found if found is None else tuple(found) for found in _own(said["answers"][file.path.name], count)]
        for name, file in files.items()
    }


def _own(by_name: Mapping[str, list[str]], count: int) -> list[list[str] | None]:
    return [by_name.get(f"own-{number:04d}") for number in range(count)]


def ask_mediapipe(files: Mapping[str, Artifact], photos: list[Path], folder: Path) -> Answers:
    """MediaPipe's ImageClassifier, with its own reading of the metadata and no options."""
    folder.mkdir()
    wanted = next(iter(files.values())).preprocessing
    prepared = [folder / f"{photo.stem}.png" for photo in photos]
    for photo, path in zip(photos, prepared, strict=True):
        Image.fromarray(preprocess(photo.read_bytes(), photo.name, wanted)).save(path)
    client = [os.environ["EDGEKD_MEDIAPIPE_PYTHON"], TESTS / "clients/mediapipe_client.py"]
    argv = [*client, *(file.path for file in files.values())]
    text = "\n".join(map(str, prepared))
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"mediapipe_client.py: {done.stderr[-1000:]}")
    said = json.loads(done.stdout.splitlines()[-1])["answers"]
    return {
        name: [_category_answer(file, one) for one in rows]
        for (name, file), rows in zip(files.items(), said, strict=True)
    }


def _category_answer(file: Artifact, said: Mapping[str, Any]) -> tuple[str, ...]:
    if file.decision.task == "multi-label":
        return tuple(label for label in file.labels if label in said["scores"])
    top = said["top"]
    return () if top is None or top == file.decision.none_label else (top,)


def ask_kotlin(files: Mapping[str, Artifact], photos: list[Path], folder: Path, compiled: Path | None) -> Answers:
    """The demo's classifier, with Android's decoders and TensorFlow Lite's Android library."""
    if compiled:
        shutil.copytree(compiled, folder / "build")
    goals = [*goals_of_tests(compiled is not None), "-Dtest=ByteForByteTest"]
    built = build_demo(folder, [file.path for file in files.values()], photos, goals, {})
    by_model = {
        model["model"]: {row["name"]: row.get("answer") for row in model["photos"]}
        for model in built.read("byte_for_byte.json")
    }
    return {
        name: [found if found is None else tuple(found) for found in _own(by_model[file.path.name], len(photos))]
        for name, file in files.items()
    }


def compare(reader: str, file: Artifact, ours: Sequence[Any], theirs: Sequence[tuple[str, ...] | None]) -> Row:
    """Count one reader's answers for one file."""
    # Kotlin's TensorFlow Lite has no XNNPACK here: the vectors of a file say what its kernels round by.
    tolerance = 1e-4 if file.precision == "float32" else 1 / 256
    if reader == "Kotlin" and file.precision != "float32":
        tolerance = other_kernels(file)
    equal = ties = different = 0
    for one, answer in zip(ours, theirs, strict=True):
        if answer is None:
            continue
        near = file.decision.distance_to(Answer(answer), np.array(list(one.probabilities.values())), file.labels)
        equal += answer == one.answer.labels
        ties += answer != one.answer.labels and near <= tolerance
        different += answer != one.answer.labels and not near <= tolerance
    unread = sum(answer is None for answer in theirs)
    return Row(reader, file.path.name, len(ours), equal, ties, different, unread, tolerance)


def other_kernels(file: Artifact) -> float:
    """What kernels without XNNPACK may be off by, as golden vectors say it."""
    return make_golden(file, temporary_folder() / "golden").tolerance.other_kernels or 1 / 256


def report(rows: Sequence[Row], facts: Mapping[str, Any]) -> str:
    """The counts by reader and file."""
    lines = [
        f"Answers of {facts['photos']} photos, by the rule in each file, that are those of `edgekd predict`. A near "
        "tie is another answer where a probability stood no further from it than the reader's kernels round.",
        "",
        "| reader | file | the same answer | near ties | another answer | not read |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        counts = f"{row.equal} of {row.photos} | {row.near_ties} | {row.different} | {row.unread}"
        lines.append(f"| {row.reader} | {row.file} | {counts} |")
    lines += [""]
    for name, kinds in facts["labels_of_an_answer"].items():
        lines.append(f"{name}: answers of {', '.join(map(str, kinds))} labels.")
    lines += [f"Left out, for want of {reason}: {name}." for name, reason in facts["left_out"].items()]
    return "\n".join([*lines, "", f"On {facts['machine']}."]) + "\n"


if __name__ == "__main__":
    run_script(main)
