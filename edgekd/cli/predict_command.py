"""``edgekd predict``."""

from __future__ import annotations

from pathlib import Path

import click

_MOST_CLASSES = 10


@click.command("predict", epilog="A photo that cannot be read is named, the others are classified; exit code 1.")
@click.argument("artifact", type=click.Path(path_type=Path))
@click.argument("images", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--threads", type=click.IntRange(1), default=1, help="Threads of the runtime [1].")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(artifact: Path, images: tuple[Path, ...], threads: int, as_json: bool) -> None:
    """Classify photos with a file.

    \b
    Example:
      edgekd predict out/student.int8.tflite photo.jpg
    """
    from collections import Counter

    from edgekd.cli.console import line, note_photos, print_error, print_json
    from edgekd.errors import DecodeError
    from edgekd.formats.artifact import Artifact
    from edgekd.inspection.probe import check_runs
    from edgekd.runtime.predict import predict

    opened = Artifact.open(artifact)
    check_runs(artifact)
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
            line(f"{image}: {prediction.label} {prediction.probability:.1%}{notes}")
    counts = Counter(prediction.label for prediction in predictions)
    named = ", ".join(f"{label} {count:,}" for label, count in counts.most_common(_MOST_CLASSES)) or "none"
    note_photos(len(images), f"predicted: {named}{', …' if len(counts) > _MOST_CLASSES else ''}")
    if as_json:
        print_json(
            [
                {"path": str(p.path), "label": p.label, "probabilities": p.probabilities, "notes": p.notes}
                for p in predictions
            ]
        )
    if broken:
        raise DecodeError(f"{len(broken)} of {len(images)} photos could not be read; they are named above")
