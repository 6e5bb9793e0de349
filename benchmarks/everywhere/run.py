"""Are input tensors and answers the same everywhere? Python, Kotlin, C, Swift, JavaScript (Node, Chromium) and Dart.

    python benchmarks/everywhere/run.py RUN [--photos DIR] [--most 300] [--compiled DIR] [--swift ROOT]
        [--react-native DIR] [--out DIR]

RUN is a finished run directory; its int8 .tflite is given tags with a threshold each, and once more a threshold below
which it refuses to answer. Each reader takes the golden vectors and photos (those of the run where --photos names no
folder) and is compared with Python, byte for byte. What is not installed is left out and named: Node needs the packages
of tests/js, Kotlin what android_demo/build.py asks for (--compiled takes a build of it), Swift a root directory that
has Debian's swiftlang (--swift), React Native's engine a folder in which npm has installed metro, @babel/core,
@react-native/babel-preset and hermes-engine-cli (--react-native). --short has no browser, no Kotlin and no Swift.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "same_answers"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/integration"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

import numpy as np
import readers
from android_build import missing_packages
from browser import ask_browser
from common import TESTS, Parser, machine, run_script, temporary_folder, write_results
from decided_files import with_decision
from hermes import ask_hermes, hermes_version
from readers import Answers, Directory
from small_inputs import copied_photos, small_files

from edgekd.formats.artifact import Artifact
from edgekd.formats.decision import Decision
from edgekd.golden import make_golden
from edgekd.golden.make import OWN
from edgekd.runtime.predict import predict

PHOTO, PIXELS = "the photo's file", "Python's pixels"


@dataclass(frozen=True)
class Row:
    """One reader: where it begins, and how many tensors and answers are Python's of those that it read.

    ``inexact`` names vectors whose tensors differ, with the largest difference of a byte; ``unread`` those of formats
    that it does not read.
    """

    reader: str
    begins_with: str
    vectors: int
    vectors_equal: int
    photos: int
    photos_equal: int
    answers: int
    answers_equal: int
    inexact: Mapping[str, int]
    unread: tuple[str, ...]


def main() -> None:
    """Ask every reader and write the table."""
    parser = Parser(__file__, __doc__)
    parser.input("run", help="a run directory with an int8 .tflite [--short: a small untrained student]")
    parser.add_argument("--photos", type=Path, help="a folder of photos")
    parser.add_argument("--most", type=int, default=300, help="photos at most [300]")
    parser.add_argument("--compiled", type=Path, help="a build directory with the compiled app: compile nothing")
    parser.add_argument("--react-native", type=Path, help="a folder with metro, React Native's preset and Hermes")
    parser.add_argument("--swift", type=Path, help="a root directory that has Debian's swiftlang")
    arguments = parser.parse()
    scratch = temporary_folder()
    source = small_files(scratch / "small")["int8.tflite"] if arguments.short else run_file(arguments.run)
    photos = scratch / "photos"
    copied_photos(photos, arguments.most, arguments.photos, arguments.run, each=4)
    directories = make_directories(Artifact.open(source), photos, scratch)
    rows, left_out = ask_all(directories, photos, scratch, arguments)
    facts = {
        "file": source.name, "photos": len(list(photos.iterdir())), "left_out": left_out,
        "kinds_of_answers": len({one.answer for directory in directories for one in directory.manifest.vectors}),
        "decisions": [directory.artifact.decision.as_json() for directory in directories],
        "machine": machine()["cpu_model"],
    }  # fmt: skip
    write_results(arguments.out, "everywhere", {"schema": 1, **facts, "rows": [asdict(row) for row in rows]},
                  report(rows, facts))  # fmt: skip


def run_file(run: Path) -> Path:
    """The int8 .tflite of a run."""
    return run / "export/student.int8.tflite"


def make_directories(artifact: Artifact, photos: Path, scratch: Path) -> list[Directory]:
    """Vectors of the file with tags, with the photos, and of the file that refuses to answer, without."""
    paths = sorted(photos.iterdir())
    tags = with_decision(artifact, scratch / "tags.int8.tflite", Decision("multi-label", (0.5,) * len(artifact.labels)))
    middles = np.median([list(one.probabilities.values()) for one in predict(tags, paths)], axis=0)
    rules = {
        "tags": Decision("multi-label", tuple(middles.tolist())),
        "reject": Decision(
            reject_below=float(np.median([one.probability for one in predict(artifact, paths)])),
            none_label=artifact.labels[-1],
        ),
    }
    directories = []
    for name, rule in rules.items():
        file = with_decision(artifact, scratch / f"{name}.int8.tflite", rule)
        golden = scratch / "golden" / name
        make_golden(file, golden, photos=photos if name == "tags" else None, all_pixels=True)
        directories.append(Directory.open(golden, file))
    return directories


def ask_all(
    directories: Sequence[Directory], photos: Path, scratch: Path, arguments: Any
) -> tuple[list[Row], dict[str, str]]:
    """A row for each reader that is installed, and why the others are left out."""
    rows, left_out = [count(f"Python {sys.version.split()[0]}", PHOTO, [*map(readers.ask_python, directories)])], {}
    if arguments.short or missing_packages():
        left_out["Kotlin"] = "the short form" if arguments.short else ", ".join(missing_packages())
    else:
        found = readers.ask_kotlin(directories, photos, scratch / "app", arguments.compiled)
        rows.append(count("Kotlin, Android's decoders", PHOTO, found))
    compiler = next((name for name in ("gcc", "clang") if shutil.which(name)), None)
    if compiler is None:
        left_out["C"] = "gcc or clang"
    else:
        version = readers.first_line_of(compiler, "--version").split(" (")[0]
        found = [readers.ask_c(one, scratch / f"c-{i}", compiler) for i, one in enumerate(directories)]
        rows.append(count(f"C99, {version}", PIXELS, found))
    if arguments.swift is None:
        left_out["Swift"] = "--swift"
    else:
        version = readers.swift_version(arguments.swift)
        rows.append(count(version, PIXELS, readers.ask_swift(directories, scratch, arguments.swift)))
    if not (TESTS / "js/node_modules").is_dir() or shutil.which("node") is None:
        left_out["JavaScript"] = "the packages of tests/js"
    else:
        node = f"JavaScript, Node {readers.first_line_of('node', '--version').removeprefix('v')}"
        rows.append(count(node, PHOTO, [*map(readers.ask_node, directories)]))
        if arguments.short or shutil.which("chromium") is None:
            left_out["JavaScript in Chromium"] = "the short form" if arguments.short else "chromium"
        else:
            rows.append(ask_chromium(directories, scratch))
    if arguments.react_native is None:
        left_out["JavaScript as in React Native"] = "--react-native"
    else:
        rows.append(
            count(
                f"JavaScript, {hermes_version(arguments.react_native)}", PIXELS,
                ask_hermes(directories, scratch, arguments.react_native),
            )
        )  # fmt: skip
    dart = [readers.ask_dart(one, tensors=i == 0) for i, one in enumerate(directories)]
    return [*rows, count("Dart, translated to Python", PIXELS, dart)], left_out


def ask_chromium(directories: Sequence[Directory], scratch: Path) -> Row:
    """The page of tests/js."""
    results = []
    for number, directory in enumerate(directories):
        (scratch / f"browser-{number}").mkdir()
        results.append(ask_browser({}, directory.folder, scratch / f"browser-{number}"))
    found = [readers.of_javascript(*pair) for pair in zip(directories, results, strict=True)]
    version = results[0]["platform"].rpartition("/")[2].partition(".")[0]
    return count(f"JavaScript, Chromium {version}", PHOTO, found)


def count(reader: str, begins_with: str, found: Sequence[Answers]) -> Row:
    """Tensors of the first directory, whose photos the others have too, and the answers of all."""
    tensors = {name: one for name, one in found[0].items() if one.tensor is not None}
    answers = [one.answer for answers in found for one in answers.values() if one.answer is not None]
    vectors = [one.tensor for name, one in tensors.items() if not name.startswith(OWN)]
    photos = [one.tensor for name, one in tensors.items() if name.startswith(OWN)]
    return Row(
        reader=reader,
        begins_with=begins_with,
        vectors=len(vectors),
        vectors_equal=sum(vectors),
        photos=len(photos),
        photos_equal=sum(photos),
        answers=len(answers),
        answers_equal=sum(answers),
        inexact={name: one.difference for name, one in tensors.items() if not one.tensor},
        unread=tuple(name for name, one in found[0].items() if one.tensor is None),
    )


def report(rows: Sequence[Row], facts: Mapping[str, Any]) -> str:
    """The table, and what differs or is left out."""
    lines = [
        f"Input tensors of golden vectors and of {facts['photos']} photos that are Python's byte for byte, and answers "
        f"({facts['kinds_of_answers']} kinds of them) that are Python's for the same probabilities, by the file's "
        "rule: tags with a threshold each; a class or none of these.",
        "",
        "| reader | begins with | golden vectors | photos | answers |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        vectors, photos = f"{row.vectors_equal} of {row.vectors}", f"{row.photos_equal} of {row.photos}"
        answers = f"{row.answers_equal} of {row.answers}"
        lines.append(f"| {row.reader} | {row.begins_with} | {vectors} | {photos} | {answers} |")
    lines.append("")
    for row in rows:
        if row.inexact:
            differences = ", ".join(f"{name} by {most}" for name, most in row.inexact.items())
            lines.append(f"{row.reader}: differs in {differences} of 255.")
        if row.unread:
            lines.append(f"{row.reader} reads no {', '.join(row.unread)}.")
    lines.append(
        "Where a reader begins with Python's pixels, decoding is left to the platform. Dart's files run translated to "
        "Python, with declared types checked: no Dart SDK was used."
    )
    lines += [f"Left out, for want of {reason}: {name}." for name, reason in facts["left_out"].items()]
    return "\n".join([*lines, "", f"On {facts['machine']}."]) + "\n"


if __name__ == "__main__":
    run_script(main)
