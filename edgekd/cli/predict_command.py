"""``edgekd predict``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekd.cli.model_options import model_options, open_classifier

if TYPE_CHECKING:
    from edgekd.runtime.predict import Prediction

_MOST_CLASSES = 10


@click.command("predict", epilog="A photo that cannot be read is named, the others are classified; exit code 1.")
@click.argument("artifact", type=click.Path(path_type=Path))
@click.argument("images", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--threads", type=click.IntRange(1), default=1, help="Threads of the runtime [1].")
@model_options()
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(artifact: Path, images: tuple[Path, ...], threads: int, as_json: bool, **model: Any) -> None:
    """Classify photos with a .tflite or .onnx of any tool.

    The answer follows from the probabilities by the rule in the file: one class, any number of tags, or none of these.
    What another tool's file does not say itself is given by options.

    \b
    Example:
      edgekd predict out/student.int8.tflite photo.jpg
      edgekd predict mobilenet.onnx photo.jpg --pixel-range=-1,1 --classes labels.txt
    """
    from collections import Counter

    from edgekd.cli.console import line, note_photos, print_error, print_json
    from edgekd.errors import DecodeError
    from edgekd.runtime.predict import predict
    from edgekd.task import NONE_LABEL

    opened = open_classifier(artifact, model)
    predictions, broken = [], []
    for image in images:
        try:
            (prediction,) = predict(opened, [image], threads=threads)
        except DecodeError as error:
            broken.append(str(error))
            print_error(str(error))
            continue
        predictions.append(prediction)
        if not as_json:
            notes = f"  ({', '.join(prediction.notes)})" if prediction.notes else ""
            line(f"{image}: {_describe(prediction)}{notes}")
    counts = Counter(label for prediction in predictions for label in prediction.answer.labels or (NONE_LABEL,))
    named = ", ".join(f"{label} {count:,}" for label, count in counts.most_common(_MOST_CLASSES)) or "none"
    note_photos(len(images), f"predicted: {named}{', …' if len(counts) > _MOST_CLASSES else ''}")
    if as_json:
        print_json([_to_json(prediction) for prediction in predictions])
    if broken:
        raise DecodeError(f"{len(broken)} of {len(images)} photos could not be read; they are named above")


def _describe(prediction: Prediction) -> str:
    """``wet 93.1%, littered 61.0%``; without any, what came nearest."""
    from edgekd.task import NONE_LABEL

    if prediction.answer.is_none and prediction.label != NONE_LABEL:
        return f"{NONE_LABEL} (most probable: {prediction.label} {prediction.probability:.1%})"
    labels = prediction.answer.labels or (NONE_LABEL,)
    return ", ".join(f"{label} {prediction.probabilities[label]:.1%}" for label in labels)


def _to_json(prediction: Prediction) -> dict[str, Any]:
    return {
        "path": str(prediction.path),
        "label": prediction.label,
        "answer": list(prediction.answer.labels),
        "probabilities": prediction.probabilities,
        "notes": prediction.notes,
    }
