"""What an artifact says of photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgekd.errors import DecodeError
from edgekd.formats.artifact import Artifact
from edgekd.preprocess import decode, resize
from edgekd.runtime.open import open_runner


@dataclass(frozen=True)
class Prediction:
    """The answer for one photo; ``notes`` say what was unusual about its file."""

    path: Path
    label: str
    probability: float
    probabilities: dict[str, float] = field(repr=False)
    notes: tuple[str, ...] = ()


def predict(artifact: Artifact, paths: Sequence[Path], *, threads: int = 1) -> list[Prediction]:
    """Classify photos by path, in order.

    Raises: DecodeError naming the first file that cannot be read as a photo; ArtifactError.
    """
    runner = open_runner(artifact, threads=threads)
    answers = []
    for path in paths:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DecodeError(f"{path} cannot be read: {error.strerror}. Give the path of a photo") from None
        photo = decode(content, str(path))
        row = runner.run(resize(photo.pixels, artifact.preprocessing)[np.newaxis])[0]
        best = int(row.argmax())
        by_label = {label: float(value) for label, value in zip(artifact.labels, row, strict=True)}
        answers.append(Prediction(path, artifact.labels[best], float(row[best]), by_label, photo.notes))
    return answers
