"""Read golden vectors again, by this machine's decoders and runtimes, and count what is equal."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekd.errors import DataError, UsageError
from edgekd.formats.artifact import Artifact
from edgekd.formats.decision import Answer
from edgekd.golden.make import runtime_name
from edgekd.golden.manifest import GoldenManifest, GoldenVector, read_file, read_manifest, read_probabilities
from edgekd.preprocess import decode, resize
from edgekd.progress import Progress
from edgekd.runtime.open import open_runner
from edgekd.runtime.runner import Runner


@dataclass(frozen=True)
class GoldenCheck:
    """How many of ``count`` vectors were equal; the names of those that were not.

    ``probabilities_judged`` is False for a file of another precision than that of the vectors: its differences are
    counted and measured, but do not fail the check. Near ties, no further than ``tolerance`` from the other answer, are
    not among ``answers_differ``; ``answers_judged`` is also False for a file that decides by another rule.
    """

    count: int
    pixels_differ: tuple[str, ...]
    input_differs: tuple[str, ...]
    probabilities_differ: tuple[str, ...]
    top_differs: tuple[str, ...]
    largest_difference: float
    tolerance: float
    probabilities_judged: bool
    answers_differ: tuple[str, ...] = ()
    answers_judged: bool = True

    @property
    def passed(self) -> bool:
        """Every input equal, and every probability within the tolerance and every answer where they are judged."""
        return not self.failed

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the vectors that fail the check, sorted."""
        probabilities = self.probabilities_differ if self.probabilities_judged else ()
        answers = self.answers_differ if self.answers_judged else ()
        return tuple(sorted({*self.pixels_differ, *self.input_differs, *probabilities, *answers}))

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON object."""
        return {**vars(self), "passed": self.passed}


def check_golden(
    artifact: Artifact | str | os.PathLike[str], folder: str | os.PathLike[str], *, progress: Progress | None = None
) -> GoldenCheck:
    """Compare golden vectors with what a file and this machine's decoders give for the same photos.

    Args:
        artifact: An exported file, or its path.
        folder: A directory that ``make_golden`` wrote.
        progress: Called as ``progress(done, total)`` after each vector.

    Returns:
        How many vectors are equal, and the names of those that differ.

    Raises:
        DataError: A file of the directory is missing or changed.
        UsageError: The vectors are for another input or other labels.

    Example:
        >>> check_golden("student.int8.tflite", "golden").passed  # doctest: +SKIP
        True
    """
    artifact = artifact if isinstance(artifact, Artifact) else Artifact.open(Path(artifact))
    folder = Path(folder)
    manifest = read_manifest(folder)
    _refuse_other_model(artifact, manifest, folder)
    for entry in manifest.files():
        read_file(folder, entry)
    same = manifest.artifact.sha256 == artifact.sha256 and manifest.artifact.runtime == runtime_name(artifact)
    tolerance = manifest.tolerance.same_runtime if same else manifest.tolerance.other_runtime
    runner = open_runner(artifact)
    rows = []
    for number, vector in enumerate(manifest.vectors):
        rows.append((vector.name, _compare(runner, folder, vector, manifest.answer_of(vector))))
        if progress:
            progress(number + 1, len(manifest.vectors))
    same_precision = artifact.precision == manifest.artifact.precision
    return GoldenCheck(
        count=len(rows),
        pixels_differ=tuple(name for name, row in rows if not row.pixels),
        input_differs=tuple(name for name, row in rows if not row.input),
        probabilities_differ=tuple(name for name, row in rows if not row.difference <= tolerance),
        top_differs=tuple(name for name, row in rows if not row.top),
        largest_difference=max(row.difference for _, row in rows),
        tolerance=tolerance,
        probabilities_judged=same_precision,
        answers_differ=tuple(name for name, row in rows if not row.distance <= tolerance),
        answers_judged=same_precision and artifact.decision.has_rule_of(manifest.rule),
    )


@dataclass(frozen=True)
class _Row:
    pixels: bool
    input: bool
    top: bool
    difference: float
    distance: float


def _compare(runner: Runner, folder: Path, vector: GoldenVector, answer: Answer) -> _Row:
    artifact = runner.artifact
    pixels = decode(read_file(folder, vector.photo), vector.photo.file).pixels
    image = resize(pixels, artifact.preprocessing)
    expected = read_probabilities(folder, vector.probabilities, len(artifact.labels))
    row = runner.run(image[np.newaxis])[0]
    shape = (vector.pixels.height, vector.pixels.width, 3)
    return _Row(
        pixels=pixels.shape == shape and hashlib.sha256(pixels.tobytes()).hexdigest() == vector.pixels.sha256,
        input=hashlib.sha256(image.tobytes()).hexdigest() == vector.input.sha256,
        top=int(row.argmax()) == vector.top,
        difference=float(np.abs(row - expected).max()),
        distance=artifact.decision.distance_to(answer, row, artifact.labels),
    )


def _refuse_other_model(artifact: Artifact, manifest: GoldenManifest, folder: Path) -> None:
    if artifact.preprocessing != manifest.preprocessing:
        raise UsageError(
            f"{folder} holds vectors for the input {manifest.preprocessing.to_json()}, and {artifact.path} takes "
            f"{artifact.preprocessing.to_json()}. Make its own: edgekd golden {artifact.path} --out DIR"
        )
    if artifact.labels != manifest.labels:
        raise UsageError(
            f"{folder} holds vectors for the labels {', '.join(manifest.labels)}, and {artifact.path} gives "
            f"{', '.join(artifact.labels)}. Make its own: edgekd golden {artifact.path} --out DIR"
        )
    if any(vector.top >= len(manifest.labels) for vector in manifest.vectors):
        raise DataError(
            f"{folder}: a vector's top class is not one of the {len(manifest.labels)} labels. Make the vectors again"
        )
