"""Predictions of a file for photos."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgekd.errors import DecodeError, UsageError
from edgekd.formats.artifact import Artifact
from edgekd.preprocess import decode, resize
from edgekd.runtime.open import open_runner


@dataclass(frozen=True)
class Prediction:
    """The prediction for one photo: the best class, and every class's probability.

    ``notes`` say what was unusual about the photo's file.
    """

    path: Path
    label: str
    probability: float
    probabilities: dict[str, float] = field(repr=False)
    notes: tuple[str, ...] = ()


def predict(
    artifact: Artifact | str | os.PathLike[str], paths: Sequence[str | os.PathLike[str]], *, threads: int = 1
) -> list[Prediction]:
    """Classify photos by path, in order.

    Args:
        artifact: a file that edgekd exported: its path, or an opened ``Artifact``.
        paths: the photos; a single path is not taken for a sequence of them.
        threads: CPU threads.

    Returns: one ``Prediction`` for each photo.

    Raises: DecodeError naming the first file that cannot be read as a photo; ArtifactError; UsageError.

    Example:

    >>> import edgekd
    >>> edgekd.predict("runs/road/export/student.int8.tflite", ["photo.jpg"])[0].label  # doctest: +SKIP
    'car'
    """
    if isinstance(paths, (str, os.PathLike)):
        raise UsageError(f"predict takes a list of photos, got one path. Write: predict(model, [{str(paths)!r}])")
    runner = open_runner(artifact, threads=threads)
    artifact = runner.artifact
    predictions = []
    for path in map(Path, paths):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DecodeError(f"{path} cannot be read: {error.strerror}. Give the path of a photo") from None
        photo = decode(content, str(path))
        row = runner.run(resize(photo.pixels, artifact.preprocessing)[np.newaxis])[0]
        best = int(row.argmax())
        by_label = {label: float(value) for label, value in zip(artifact.labels, row, strict=True)}
        predictions.append(Prediction(path, artifact.labels[best], float(row[best]), by_label, photo.notes))
    return predictions
