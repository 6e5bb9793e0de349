"""What a file predicts for photos."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgekd.errors import DecodeError
from edgekd.formats.artifact import Artifact
from edgekd.formats.decision import Answer
from edgekd.photo_input import shrink
from edgekd.photo_pixels import open_photo
from edgekd.preprocess import MAX_BYTES
from edgekd.runtime.open import open_runner
from edgekd.storage import read_regular_file

PathText = str | os.PathLike[str]


@dataclass(frozen=True)
class Prediction:
    """What a file predicts for one photo; ``notes`` say what was unusual about the photo's file.

    ``label`` is the most probable class and ``probability`` its own; ``probabilities`` are those of all labels (0 to
    1). ``answer`` is what follows from them by the file's own decision: the label, tags, or none of these. An app acts
    by it.
    """

    path: Path
    label: str
    probability: float
    probabilities: dict[str, float] = field(repr=False)
    notes: tuple[str, ...] = ()
    answer: Answer = field(kw_only=True)


def predict(
    artifact: Artifact | PathText, paths: PathText | Sequence[PathText], *, threads: int = 1
) -> list[Prediction]:
    """Classify photos with an exported file, by its runtime and its own preprocessing.

    Args:
        artifact: An exported .tflite, .onnx or .ort, or its path.
        paths: Photos, or the path of one.
        threads: Threads of the runtime.

    Returns:
        A prediction per photo, in the same order.

    Raises:
        DecodeError: Names the first file that cannot be read as a photo.
        ArtifactError: The file cannot be opened or was changed.

    Example:
        >>> predict("student.int8.tflite", "photo.jpg")[0].answer.labels  # doctest: +SKIP
        ('red',)
    """
    opened = artifact if isinstance(artifact, Artifact) else Artifact.open(Path(artifact))
    photos = [paths] if isinstance(paths, (str, os.PathLike)) else paths
    runner = open_runner(opened, threads=threads)
    predictions = []
    for path in map(Path, photos):
        try:
            content = read_regular_file(path, MAX_BYTES)
        except OSError as error:
            raise DecodeError(f"{path} cannot be read: {error.strerror}. Give the path of a photo") from None
        photo = open_photo(content, str(path))
        row = runner.run(shrink(photo, opened.preprocessing)[np.newaxis])[0]
        best = int(row.argmax())
        by_label = {label: float(value) for label, value in zip(opened.labels, row, strict=True)}
        answer = opened.decision.decide(row, opened.labels)
        predictions.append(
            Prediction(path, opened.labels[best], float(row[best]), by_label, photo.notes, answer=answer)
        )
    return predictions
