"""The command line of edgekd as a user meets it, and the judgements that the cases share.

A judgement runs one command and gives a `Step`: the command, its exit code, what happened, and whether that is right.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import TESTS
from small_inputs import HEAD_ALONE

from edgekd.storage import write_text

sys.path.insert(0, str(TESTS))

import warm

COLOURS = ("green", "red", "yellow")
_TIMEOUT_S = 900.0
_CONVERTED = ("float32.tflite", "int8.tflite", "float32.onnx", "int8.onnx")
# Of all photos, for how many a file must predict what Keras predicts.
_LEAST_AGREEMENT = {"float32": 1.0, "int8": 0.95}


@dataclass(frozen=True)
class Reply:
    """How one command ended."""

    command: str
    exit_code: int
    stdout: str
    stderr: str

    @property
    def crash(self) -> str | None:
        """Death by a signal, or a traceback; None where the command ended on purpose."""
        if self.exit_code < 0:
            return f"died of signal {-self.exit_code}"
        if "Traceback (most recent call last)" in self.stderr:
            return f"traceback: {self.stderr.strip().splitlines()[-1][:200]}"
        if "EDGEKD_TRACEBACK" in self.stderr:
            return f"unexpected error: {' '.join(self.stderr.split())[-300:]}"
        return None

    @property
    def message(self) -> str:
        """The error that the command ended with, on one line."""
        _, marker, message = self.stderr.rpartition("edgekd: ")
        lines = (message if marker else self.stderr).split()
        return " ".join(lines)[:600]


@dataclass(frozen=True)
class Step:
    """One command of a case: what happened, and whether it is what the case expects."""

    command: str
    exit_code: int
    happened: str
    right: bool

    def to_json(self) -> dict[str, Any]:
        """As it is in the results."""
        return asdict(self)


@dataclass(frozen=True)
class Trial:
    """Where a case runs: the folder of ``cases``, and an empty ``work`` folder."""

    cases: Path
    work: Path

    @property
    def photos(self) -> Path:
        """A folder per colour."""
        return self.cases / "photos"

    def photo_list(self, colours: Sequence[str] = COLOURS) -> list[Path]:
        """Every photo of these colours, in the order of the colours and of their names."""
        return [path for colour in colours for path in sorted((self.photos / colour).iterdir())]

    def model(self, name: str) -> Path:
        """The path of a case's file."""
        return self.cases / name

    def edgekd(self, *words: str | Path) -> Reply:
        """Run a command in the work folder, in a process of its own that is forked from one with TensorFlow.

        A command that takes too long counts as one that died.
        """
        texts = [str(word) for word in words]
        command = shlex.join(["edgekd", *(_shorten(text, self) for text in texts)])
        try:
            done = warm.edgekd(*texts, cwd=self.work, timeout=_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return Reply(command, -9, "", f"stopped after {_TIMEOUT_S:g} s")
        return Reply(command, done.returncode, done.stdout, _shorten(done.stderr, self))


def _shorten(text: str, trial: Trial) -> str:
    return text.replace(f"{trial.work}/", "").replace(f"{trial.cases}/", "")


def expect_refusal(reply: Reply, *patterns: str, unwritten: Path | None = None) -> Step:
    """Right is one clear error (no traceback, no signal) that has every pattern, and nothing in ``unwritten``."""
    missing = [pattern for pattern in patterns if not re.search(pattern, reply.message, re.IGNORECASE)]
    written = sorted(path.name for path in unwritten.rglob("*") if path.is_file()) if unwritten else []
    faults = [reply.crash] if reply.crash else []
    if reply.exit_code == 0:
        faults = ["not refused"]
    elif missing and not faults:
        faults = [f"the message lacks {' and '.join(missing)}"]
    if written:
        faults.append(f"{len(written)} files written")
    happened = "; ".join([*faults, *([reply.message] if reply.exit_code and not reply.crash else [])])
    return Step(reply.command, reply.exit_code, happened, not faults)


def expect_success(reply: Reply) -> Step:
    """Right is exit code 0."""
    if reply.exit_code or reply.crash:
        return Step(reply.command, reply.exit_code, reply.crash or reply.message, False)
    return Step(reply.command, 0, "done", True)


def expect_export(
    trial: Trial, model: str, *options: str | Path, data: Path | None = None, answers: Sequence[int] | None = None,
    photos: Sequence[Path] | None = None, accuracy: float = 1.0, labels: Sequence[str] = COLOURS,
) -> Step:  # fmt: skip
    """Right is an int8 and a float32 file in both formats that predict what Keras does.

    ``answers`` are Keras' classes for ``photos``, numbers of ``labels``; without them, only the ``accuracy`` that
    ``edgekd export`` itself states for every file is judged.
    """
    out = trial.work / f"out-{Path(model).name}-{len(list(trial.work.glob('out-*')))}"
    reply = trial.edgekd(
        "export", trial.model(model), "--int8", "--data", data or trial.photos, "--out", out, "--json", *options
    )
    if reply.crash or reply.exit_code:
        return Step(reply.command, reply.exit_code, reply.crash or reply.message, False)
    scores = {row["artifact"]: row["accuracy"]["value"] for row in json.loads(reply.stdout)}
    faults = _lost_files(scores)
    faults += [f"{name}: accuracy {value:.1%}" for name, value in scores.items() if value < accuracy - 1e-9]
    texts = [
        f"{len(scores)} files, accuracy {min(scores.values(), default=0):.1%} to {max(scores.values(), default=0):.1%}"
    ]
    if answers is not None:
        for path in sorted(out.glob("*.tflite")) + sorted(out.glob("*.onnx")):
            share = _agreement(path, photos or trial.photo_list(), answers, labels)
            kind = "float32" if ".float32." in path.name else "int8"
            texts.append(f"{path.name.split('.', 1)[1]} as Keras on {share:.1%}")
            least = float(options[-1]) if "--min-agreement" in options and kind == "int8" else _LEAST_AGREEMENT[kind]
            if share < least:
                faults.append(f"{path.name} predicts other classes than Keras")
    return Step(reply.command, reply.exit_code, "; ".join([*faults, *texts]), not faults)


def _lost_files(scores: Mapping[str, float]) -> list[str]:
    names = [name.replace("int8-mixed", "int8") for name in scores]
    missing = [ending for ending in _CONVERTED if not any(name.endswith(ending) for name in names)]
    return [f"without {', '.join(missing)}"] if missing else []


def _agreement(path: Path, photos: Sequence[Path], answers: Sequence[int], labels: Sequence[str]) -> float:
    import edgekd

    predictions = edgekd.predict(path, photos)
    return float(np.mean([p.label == labels[k] for p, k in zip(predictions, answers, strict=True)]))


def write_recipe(trial: Trial, name: str, teacher: Mapping[str, Any], *, student: str = "cnn:4@32",
                 source: Path | None = None, tables: Mapping[str, Any] | None = None) -> Path:  # fmt: skip
    """A short recipe with this ``[teacher]`` in the work folder."""
    import tomli_w

    recipe: dict[str, Any] = {
        "name": name, "data": {"source": str(source or trial.photos), "views": {"views": 1}},
        "teacher": {**HEAD_ALONE, **teacher},
        "student": {"model": student, "allow_larger": True},
        "distill": {"schedule": {"epochs": 1, "batch_size": 16}}, **(tables or {}),
    }  # fmt: skip
    path = trial.work / f"{name}.toml"
    write_text(path, tomli_w.dumps(recipe))
    return path


def expect_teacher(
    trial: Trial, name: str, teacher: Mapping[str, Any], *, classes: Sequence[str] = COLOURS, accuracy: float = 1.0,
    source: Path | None = None, answers: Sequence[int] | None = None,
) -> Step:  # fmt: skip
    """Right is a teacher that labels the photos of ``classes`` as they are labelled, or as ``answers``, as stored."""
    photos = trial.photo_list(classes)
    truth = np.array([classes.index(path.parent.name) for path in photos] if answers is None else answers)
    write_text(trial.work / "list.txt", "".join(f"{path}\n" for path in photos))
    recipe = write_recipe(trial, name, teacher, source=source)
    folder = trial.work / f"soft-{name}"
    reply = trial.edgekd("label", recipe, "--photos", trial.work / "list.txt", "--to", folder)
    if reply.crash or reply.exit_code:
        return Step(reply.command, reply.exit_code, reply.crash or reply.message, False)
    value = float(np.mean(stored_classes(folder, len(photos)) == truth))
    reference = "the labels" if answers is None else "Keras"
    return Step(reply.command, 0, f"labels {value:.1%} of the photos as {reference}", value >= accuracy - 1e-9)


def stored_classes(folder: Path, count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The class of each photo's stored logits, in the order of the list."""
    from edgekd.soft_targets.store import SoftTargets

    places = np.arange(count)
    return np.asarray(SoftTargets(folder)[places, np.zeros_like(places)].argmax(axis=1), np.int64)


def keras_answers(
    model: Path, photos: Sequence[Path], *, scale: float = 1.0, size: int = 32, custom: Callable[[], Any] | None = None
) -> list[int]:
    """The classes that Keras itself predicts for photos, of pixels 0..255 times ``scale``."""
    from edgekd.preprocess import Preprocessing, decode, resize
    from edgekd.quiet import import_keras, quiet

    import_keras()
    import keras

    if custom is not None:
        custom()
    square = Preprocessing(height=size, width=size)
    pixels = np.stack([resize(decode(path.read_bytes(), str(path)).pixels, square) for path in photos])
    with quiet():
        network = keras.saving.load_model(model, compile=False)
        outputs = network(pixels.astype(np.float32) * np.float32(scale), training=False)
    scores = np.asarray(outputs[0] if isinstance(outputs, (list, tuple)) else outputs, np.float32)
    return [int(value) for value in ((scores[:, 0] > 0.5) if scores.shape[1] == 1 else scores.argmax(axis=1))]
