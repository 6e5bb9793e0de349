"""The readers of the table: each reads golden vectors and says which tensors and answers are Python's."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import c_preprocess as c
import numpy as np
from android_build import build_demo, goals_of_tests
from c_decision import decide_in_c
from common import ROOT, TESTS
from dart_translator.translate import run_dart

from edgekd.export.ios import write_ios_package
from edgekd.formats.artifact import Artifact
from edgekd.golden import GoldenManifest, GoldenVector, read_manifest
from edgekd.golden.manifest import read_probabilities
from edgekd.preprocess import preprocess

_DART = ROOT / "edgekd/dart/src"
_DART_FILES = ("preprocess", "decision", "record", "golden")


@dataclass(frozen=True)
class Found:
    """One photo by one reader: whether its tensor and its answer are Python's; None where it was not read.

    ``difference`` is the largest one of a tensor's byte.
    """

    tensor: bool | None
    answer: bool | None
    difference: int = 0


Answers = Mapping[str, Found]
"""What a reader found in one directory, by the names of its vectors."""


@dataclass(frozen=True)
class Directory:
    """Golden vectors of a file, with the pixels of every photo."""

    folder: Path
    artifact: Artifact
    manifest: GoldenManifest

    @classmethod
    def open(cls, folder: Path, artifact: Artifact) -> Directory:
        return cls(folder, artifact, read_manifest(folder))

    def read(self, file: str) -> bytes:
        return (self.folder / file).read_bytes()

    def probabilities(self, vector: GoldenVector) -> Any:
        return read_probabilities(self.folder, vector.probabilities, len(self.manifest.labels))


def ask_python(directory: Directory) -> Answers:
    """Photos turned when they are small, as runs and `edgekd predict` do; the vectors were turned first."""
    found = {}
    for vector in directory.manifest.vectors:
        tensor = preprocess(directory.read(vector.photo.file), vector.name, directory.artifact.preprocessing)
        rule = directory.artifact.decision.decide(directory.probabilities(vector), directory.manifest.labels)
        is_equal = tensor.tobytes() == directory.read(vector.input.file)
        found[vector.name] = Found(is_equal, rule.labels == vector.answer)
    return found


def ask_c(directory: Directory, scratch: Path, compiler: str) -> Answers:
    """Pixels as the photos' files store them, decoded by Python; the decision is that of ``--format c``."""
    vectors, target = directory.manifest.vectors, directory.artifact.preprocessing
    scratch.mkdir(parents=True)
    program = c.compile_client((compiler, "-std=c99", "-O2"), scratch / "preprocess")
    cases = [c.stored_case(directory.read(one.photo.file), one.photo.file, target) for one in vectors]
    tensors = [None if one.tensor is None else one.tensor.tobytes() for one in c.ask(program, cases)]
    rows = np.stack([directory.probabilities(vector) for vector in vectors])
    answers = decide_in_c(directory.artifact, rows, scratch / "decide", compiler)
    return {
        vector.name: Found(tensor == directory.read(vector.input.file), answer == vector.answer)
        for vector, tensor, answer in zip(vectors, tensors, answers, strict=True)
    }


def ask_dart(directory: Directory, tensors: bool) -> Answers:
    """Python's pixels, by the Dart files translated to Python, which is slow: without ``tensors`` the answers alone."""
    port = run_dart([_DART / f"{name}.dart" for name in _DART_FILES])
    manifest = json.loads(directory.read("manifest.json"))
    found = {}
    for vector in manifest["vectors"]:
        probabilities, labels = directory.read(vector["probabilities"]["file"]), manifest["labels"]
        rule = port.Decision.fromJson(manifest["decision"], labels)
        answer = rule.decide(np.frombuffer(probabilities, "<f4").tolist(), labels)
        one = json.dumps({**manifest, "vectors": [vector]}).encode()
        wrong = tensors and port.findWrongVectors(
            lambda file, one=one: one if file == "manifest.json" else directory.read(file)
        )
        is_right = answer == vector["answer"]
        found[vector["name"]] = Found(is_right and not wrong if tensors else None, is_right)
    return found


def ask_node(directory: Directory) -> Answers:
    """The photos, decoded by sharp."""
    argv = ["node", "--preserve-symlinks", TESTS / "js/run_node.mjs", directory.folder]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"run_node.mjs: {done.stderr[-1000:]}")
    return of_javascript(directory, json.loads(done.stdout))


def of_javascript(directory: Directory, result: Mapping[str, Any]) -> Answers:
    """What tests/js/port.mjs says."""
    wanted = {vector.name: list(vector.answer or ()) for vector in directory.manifest.vectors}
    return {
        row["name"]: Found(
            None if row["unsupported"] else row["input"], row["answer"] == wanted[row["name"]], row["difference"] or 0
        )
        for row in result["vectors"]
    }


def ask_swift(directories: Sequence[Directory], scratch: Path, root: Path) -> list[Answers]:
    """Python's pixels, by the Swift package of ``edgekd ios``, compiled and run in a root that has Swift."""
    app = root / "root/edgekd-everywhere"
    shutil.rmtree(app, ignore_errors=True)
    app.mkdir(parents=True)
    try:
        write_ios_package(directories[0].artifact, app)
        shutil.copytree(Path(__file__).parent / "swift", app / "Everywhere")
        for number, directory in enumerate(directories):
            shutil.copytree(directory.folder, app / f"golden-{number}")
        inside = f"/{app.relative_to(root)}"
        folders = [f"{inside}/golden-{number}" for number in range(len(directories))]
        argv = ["chroot", root, "swift", "run", "--package-path", f"{inside}/Everywhere", "-c", "release", "Everywhere"]
        done = subprocess.run([*argv, *folders], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"swift: {done.stdout[-1000:]}{done.stderr[-2000:]}")
        reports = json.loads(done.stdout.splitlines()[-1])
    finally:
        shutil.rmtree(app, ignore_errors=True)
    return [
        {
            vector.name: Found(vector.name not in report["inputs"], vector.name not in report["answers"])
            for vector in directory.manifest.vectors
        }
        for directory, report in zip(directories, reports, strict=True)
    ]


def ask_kotlin(
    directories: Sequence[Directory], photos: Path | None, folder: Path, compiled: Path | None
) -> list[Answers]:
    """The photos, decoded by Android's own decoders on a PC; its test ends with an error at the first other answer."""
    if compiled:
        shutil.copytree(compiled, folder / "build")
    goals = [*goals_of_tests(compiled is not None), "-Dtest=ByteForByteTest"]
    models = [directory.artifact.path for directory in directories]
    built = build_demo(folder, models, sorted(photos.iterdir()) if photos else [], goals, {})
    by_model = {one["model"]: {row["name"]: row for row in one["photos"]} for one in built.read("byte_for_byte.json")}
    return [
        {
            name: Found(None, None) if row.get("unread") else Found(row["difference"] == 0, True, row["difference"])
            for name, row in by_model[directory.artifact.path.name].items()
            if name in {vector.name for vector in directory.manifest.vectors}
        }
        for directory in directories
    ]


def swift_version(root: Path) -> str:
    """Such as "Swift 6.0.3"."""
    said = subprocess.run(["chroot", root, "swift", "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"version (\S+)", said)
    return f"Swift {version[1]}" if version else "Swift"


def first_line_of(*argv: str, pick: Callable[[str], str] = str.strip) -> str:
    """The first line that a program writes about its version."""
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"})
    return pick(done.stdout.splitlines()[0])
