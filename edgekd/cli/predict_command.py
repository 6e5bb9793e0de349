"""``edgekd predict``."""

from __future__ import annotations

from pathlib import Path

import click


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
    from edgekd.cli.console import line, print_error, print_json
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
    if as_json:
        print_json(
            [
                {"path": str(p.path), "label": p.label, "probabilities": p.probabilities, "notes": p.notes}
                for p in predictions
            ]
        )
    if broken:
        raise DecodeError(f"{len(broken)} of {len(images)} photos could not be read; they are named above")
