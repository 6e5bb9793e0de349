"""What a camera's frames cost in accuracy beside the same scenes as photo files.

    python benchmarks/android_frames/run.py RUN [--set NAME=RUN]... [--compiled DIR] [--out DIR]

RUN is a finished run directory, such as the quickstart's; --set adds those of other photos. Every test photo is
decoded, made what a camera gives of that scene (NV21, full range BT.601, the chroma of four pixels their mean, each
side up by turns), and goes the way of frames (edgekd/frames.py) to the model's input. It also goes there as a file, and
as RGBA, whose bytes must be those of the file. Each model answers both. The app's Kotlin makes its inputs of the same
NV21 frames (Maven and what android_demo/build.py asks for; --compiled takes a build), which must be Python's; --short
leaves that out. Milliseconds of frames and bitmaps: benchmarks/android_resize.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

import numpy as np
from common import ROOT, Parser, machine, run_script, temporary_folder, write_results
from frame_cases import ROTATIONS, FrameCase, camera_frame, write_cases
from small_inputs import small_run

from edgekd.data.dataset import Dataset, Sample
from edgekd.errors import UsageError
from edgekd.formats.artifact import Artifact
from edgekd.frames import Frame, Plane, preprocess_frame
from edgekd.metrics import Interval, Labels, accuracy, paired_changes, paired_gain, wilson
from edgekd.photo_pixels import Pixels, decode
from edgekd.preprocess import Preprocessing, preprocess
from edgekd.runtime.open import open_runner

MODELS = ("student.int8", "student.float32", "teacher.float32")
KOTLIN_PHOTOS = 100


@dataclass(frozen=True)
class Row:
    """One model on the test photos of one set, as files and as frames.

    ``accuracy_difference`` is of frames less files, with its 95 % interval; ``only_files`` and ``only_frames`` are
    photos that only one of them gets right. ``mean_difference`` is of the inputs' bytes.
    """

    set: str
    model: str
    photos: int
    rgba_equal: int
    mean_difference: float
    largest_difference: int
    same_answer: int
    file_accuracy: float
    frame_accuracy: float
    accuracy_difference: dict[str, float]
    only_files: int
    only_frames: int


def main() -> None:
    """Answer by both ways, hold Kotlin against the frames, and write the table."""
    parser = Parser(__file__, __doc__)
    parser.input("run", help="a run directory with files [--short: a small run]")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=RUN", help="one more run, of other photos")
    parser.add_argument("--compiled", type=Path, help="a build directory with the compiled app: compile nothing")
    arguments = parser.parse()
    runs = {"quickstart": arguments.run or small_run(temporary_folder()), **dict(map(named_run, arguments.set))}
    rows: list[Row] = []
    cases: list[FrameCase] = []
    for name, run in runs.items():
        samples = Dataset.load(run / "data/dataset.json").split("test")[: 12 if arguments.short else None]
        for title in MODELS:
            artifact = Artifact.open(run / f"export/{title}.tflite")
            rows.append(compare(name, title, artifact, samples))
        size = Artifact.open(run / f"export/{MODELS[0]}.tflite").preprocessing
        cases += [case_of(number, sample, size) for number, sample in enumerate(samples[:KOTLIN_PHOTOS])]
    kotlin = None if arguments.short else ask_kotlin(cases, arguments.compiled)
    facts = {"machine": machine()["cpu_model"], "kotlin": kotlin}
    write_results(
        arguments.out, "android_frames", {"schema": 1, **facts, "rows": [asdict(row) for row in rows]},
        report(rows, kotlin),
    )  # fmt: skip


def named_run(text: str) -> tuple[str, Path]:
    """The name and the folder of ``NAME=RUN``."""
    name, _, run = text.partition("=")
    if not run:
        raise UsageError(f"--set must be NAME=RUN, got {text}")
    return name, Path(run).resolve()


def case_of(number: int, sample: Sample, size: Preprocessing) -> FrameCase:
    """A photo as a camera's frame; every fourth lies on the same side."""
    upright = decode(sample.path.read_bytes(), str(sample.path)).pixels
    return FrameCase("nv21", camera_frame(upright, ROTATIONS[number % 4]), size)


def rgba_frame(upright: Pixels, rotation: int) -> Frame:
    """The photo's own pixels as a frame."""
    stored = np.rot90(upright, rotation // 90)
    height, width = stored.shape[:2]
    content = np.dstack([stored, np.zeros((height, width, 1), np.uint8)]).ravel()
    return Frame(width, height, "rgba", (Plane(content, 4 * width, 4),), rotation)


def compare(name: str, title: str, artifact: Artifact, samples: Sequence[Sample]) -> Row:
    """The answers of one model for files and for frames."""
    size = artifact.preprocessing
    files, frames, rgba_equal = [], [], 0
    for number, sample in enumerate(samples):
        content = sample.path.read_bytes()
        files.append(preprocess(content, str(sample.path), size))
        frames.append(preprocess_frame(case_of(number, sample, size).frame, size))
        upright = decode(content, str(sample.path)).pixels
        rgba = preprocess_frame(rgba_frame(upright, ROTATIONS[number % 4]), size)
        rgba_equal += bool(np.array_equal(rgba, files[-1]))
    difference = np.abs(np.array(files).astype(np.int16) - np.array(frames))
    runner = open_runner(artifact)
    of_files, of_frames = (np.argmax(runner.run(np.array(images)), axis=1) for images in (files, frames))
    truth = np.array([sample.label for sample in samples])
    only_files, only_frames = paired_changes(truth, of_files, of_frames)
    return Row(
        set=name,
        model=title,
        photos=len(samples),
        rgba_equal=rgba_equal,
        mean_difference=float(difference.mean()),
        largest_difference=int(difference.max()),
        same_answer=int((of_files == of_frames).sum()),
        file_accuracy=accuracy(truth, of_files).value,
        frame_accuracy=accuracy(truth, of_frames).value,
        accuracy_difference=difference_of(truth, of_files, of_frames).as_json(),
        only_files=only_files,
        only_frames=only_frames,
    )


def difference_of(truth: Labels, of_files: Labels, of_frames: Labels) -> Interval:
    """The accuracy of frames less that of files; Wilson's bound where nothing changed, of which no bootstrap tells."""
    if paired_changes(truth, of_files, of_frames) == (0, 0):
        bound = wilson(0, len(truth)).high
        return Interval(0.0, -bound, bound)
    return paired_gain(truth, of_files, of_frames)


def ask_kotlin(cases: Sequence[FrameCase], compiled: Path | None) -> dict[str, int]:
    """How many of the frames gave Python's input in the app's own test, which fails where one does not."""
    folder = temporary_folder()
    write_cases(folder / "frames.bin", cases)
    argv = [
        "mvn", "-B", "-q", "-f", str(ROOT / "android_demo"), "surefire:test" if compiled else "test",
        "-Dtest=FramesTest#everyFrameGivesPythonsInput", f"-Dframes={folder / 'frames.bin'}",
        f"-DbuildDirectory={compiled or folder / 'build'}",
    ]  # fmt: skip
    subprocess.run(argv, check=True, stdout=sys.stderr)
    counts = json.loads(((compiled or folder / "build") / "frames.json").read_text(encoding="utf-8"))
    return {"frames": len(cases), "equal": sum(counts.values())}


def report(rows: Sequence[Row], kotlin: Mapping[str, int] | None) -> str:
    """The table, a row a model and set."""
    lines = [
        "Test photos as files, and as NV21 frames of a camera (full range BT.601, each side up by turns):",
        "",
        "| photos | model | same answer | accuracy: files | frames | difference in points (95 %) | bytes differ by |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [line_of(row) for row in rows]
    equal, photos = sum(row.rgba_equal for row in rows), sum(row.photos for row in rows)
    lines += ["", f"As frames of RGBA the same photos give the bytes of the file's input in {equal} of {photos} cases."]
    if kotlin:
        lines += [
            f"Of {kotlin['frames']} of these NV21 frames the app's Kotlin makes Python's input of {kotlin['equal']}."
        ]
    return "\n".join(lines) + "\n"


def line_of(row: Row) -> str:
    """One line of the table."""
    gain = {key: 100 * value for key, value in row.accuracy_difference.items()}
    return (
        f"| {row.photos} of {row.set} | {row.model} | {row.same_answer} | {row.file_accuracy:.2%} | "
        f"{row.frame_accuracy:.2%} | {gain['value']:+.2f} ({gain['low']:+.2f} to {gain['high']:+.2f}); "
        f"{row.only_files} lost, {row.only_frames} gained | {row.mean_difference:.2f} on average, "
        f"{row.largest_difference} at most |"
    )


if __name__ == "__main__":
    run_script(main)
