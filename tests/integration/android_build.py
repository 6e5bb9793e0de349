"""The Android demo built by its one command, with models, golden vectors of them and plans for its benchmark."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from photo_kinds import kind_of
from warm import edgekd

from edgekd.export.android import add_to_android, find_module
from edgekd.formats.artifact import Artifact

ROOT = Path(__file__).parents[2]
TOOLS = {
    "mvn": "maven", "javac": "default-jdk-headless", "aapt2": "aapt", "zipalign": "zipalign",
    "apksigner": "apksigner", "gcc": "gcc",
}  # fmt: skip

AGAIN = ("exec:exec@resources", "surefire:test", "exec:exec@apk")
"""What the one command does but compiling: a model changes no code."""
APK_AGAIN = ("exec:exec@resources", "exec:exec@apk")
"""The same without the tests."""


def goals_of_tests(compiled: bool) -> tuple[str, ...]:
    """What Maven does to run tests of files in other assets, where the app is ``compiled`` already and where not."""
    return ("exec:exec@resources", "surefire:test") if compiled else ("test",)


@dataclass(frozen=True)
class Built:
    """What the one command made in ``folder``, of ``models`` by file name and ``photos`` beside the golden ones."""

    folder: Path
    models: dict[str, Path]
    photos: list[Path]

    @property
    def build(self) -> Path:
        return self.folder / "build"

    @property
    def apk(self) -> Path:
        return self.build / "edgekd-demo.apk"

    @property
    def bare(self) -> Path:
        """What the build without a model left: its APK and the reports of its tests."""
        return self.folder / "bare"

    def read(self, name: str) -> Any:
        """A JSON that its tests left behind."""
        return json.loads((self.build / name).read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Row:
    """Photos of one kind through one model: how many gave Python's tensor, and Python's class.

    ``largest_difference`` is of a tensor's byte; ``otherwise`` names photos of another class, with the lead in
    probability that Python's class had over the app's.
    """

    model: str
    kind: str
    n: int
    unread: int
    tensors_equal: int
    largest_difference: int
    top_equal: int
    otherwise: Mapping[str, float]


def missing_packages() -> list[str]:
    """Debian packages that are to be installed first."""
    return [package for tool, package in TOOLS.items() if shutil.which(tool) is None]


def build_bare(folder: Path) -> None:
    """Run the one command with no model, and keep what it made from the build that follows in the same folder."""
    bare = folder / "bare"
    bare.mkdir()
    maven(["package"], {"assets": bare, "buildDirectory": folder / "build"})
    shutil.copytree(folder / "build/surefire-reports", bare / "surefire-reports")
    shutil.copy(folder / "build/edgekd-demo.apk", bare)


def build_demo(
    folder: Path, models: Sequence[Path], photos: Sequence[Path], goal: Sequence[str], given: Mapping[str, Path]
) -> Built:
    """Put models and golden vectors, also of ``photos``, where Maven finds them, and run it to ``goal``.

    ``given`` are further properties of the tests.
    """
    sources = folder / "app/src"
    (sources / "main").mkdir(parents=True)
    (sources / "main/AndroidManifest.xml").write_text("<manifest/>", encoding="utf-8")
    for model in models:
        add_to_android(Artifact.open(model), find_module(folder))
        out = folder / "golden" / model.stem
        made = edgekd("golden", model, "--out", out, "--photos", photos[0].parent)
        assert made.returncode == 0, made.stderr
    where = {"assets": sources / "main/assets", "vectors": sources / "androidTest/assets"}
    maven(goal, {**where, "golden": folder / "golden", "buildDirectory": folder / "build", **given})
    return Built(folder, {model.name: model for model in models}, sorted(photos))


def maven(goal: Sequence[str], given: Mapping[str, Path]) -> None:
    """Run the demo's one command."""
    argv = ["mvn", "-B", "-f", ROOT / "android_demo", *goal, *(f"-D{key}={value}" for key, value in given.items())]
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, "\n".join(line for line in done.stdout.splitlines() if "ERROR" in line)[-6000:]


def kotlin_counts(build: Path) -> Counter[str]:
    """How many of the Kotlin tests there were, failed, and were skipped."""
    counts: Counter[str] = Counter()
    for report in (build / "surefire-reports").glob("TEST-*.xml"):
        suite = ElementTree.parse(report).getroot()
        counts.update({name: int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")})
    return counts


def rows_by_kind(built: Built) -> list[Row]:
    """The byte-for-byte test's photos counted, with ``edgekd predict``'s class for those of ours."""
    return [row for model in built.read("byte_for_byte.json") for row in _rows(built, model)]


def _rows(built: Built, model: Mapping[str, Any]) -> list[Row]:
    answers = predictions(built, model["model"])
    kinds: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for photo in model["photos"]:
        own = built.photos[int(photo["name"][4:])] if photo["name"].startswith("own-") else None
        kind = kind_of(own) if own else f"golden {photo['kind']}"
        kinds.setdefault(kind, []).append((own.name if own else photo["name"], photo))
    return [_row(model, kind, found, answers) for kind, found in kinds.items()]


def _row(model: Mapping[str, Any], kind: str, found: Sequence[tuple[str, Mapping[str, Any]]], answers: Any) -> Row:
    read = [(name, photo) for name, photo in found if not photo["unread"]]
    otherwise = {}
    for name, photo in read:
        given = int(np.argmax(photo["probabilities"]))
        if name in answers:
            wanted = np.array([answers[name][label] for label in model["labels"]])
            if given != wanted.argmax():
                otherwise[name] = float(wanted.max() - wanted[given])
        elif given != photo["wanted"]:
            otherwise[name] = photo["behind"]
    return Row(
        model=model["model"],
        kind=kind,
        n=len(found),
        unread=len(found) - len(read),
        tensors_equal=sum(photo["difference"] == 0 for _, photo in read),
        largest_difference=max((photo["difference"] for _, photo in read), default=0),
        top_equal=len(read) - len(otherwise),
        otherwise=otherwise,
    )


def predictions(built: Built, model: str) -> dict[str, dict[str, float]]:
    """What ``edgekd predict`` says of every photo of ours: file name, label, probability."""
    done = edgekd("predict", built.models[model], *built.photos, "--json")
    assert done.returncode == 0, done.stderr
    return {Path(answer["path"]).name: answer["probabilities"] for answer in json.loads(done.stdout)}


def data_offset(apk: Path, entry: zipfile.ZipInfo) -> int:
    """Where an entry's bytes begin in the file."""
    with apk.open("rb") as stream:
        stream.seek(entry.header_offset + 26)
        name, extra = struct.unpack("<HH", stream.read(4))
    return entry.header_offset + 30 + int(name) + int(extra)


def page_bytes(library: bytes) -> int:
    """The smallest alignment of an ELF file's loaded segments."""
    wide = library[4] == 2
    start, size, count = (
        (*struct.unpack_from("<Q", library, 32), *struct.unpack_from("<HH", library, 54)) if wide
        else (*struct.unpack_from("<I", library, 28), *struct.unpack_from("<HH", library, 42))
    )  # fmt: skip
    headers = [start + size * number for number in range(count)]
    loaded = [at for at in headers if struct.unpack_from("<I", library, at)[0] == 1]
    return min(struct.unpack_from("<Q" if wide else "<I", library, at + (48 if wide else 28))[0] for at in loaded)
