"""``edgekd predict``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("predict", epilog="A photo that cannot be read is named and the others go on; the exit code is then 1.")
@click.argument("artifact", type=click.Path(path_type=Path))
@click.argument("images", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--threads", type=click.IntRange(1), default=1, help="Threads of the runtime [1].")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(artifact: Path, images: tuple[Path, ...], threads: int, as_json: bool) -> None:
    """Say what a file sees in photos.

    \b
    Example:
      edgekd predict out/student.int8.tflite photo.jpg
    """
    from edgekd.cli.console import print_json
    from edgekd.errors import DecodeError
    from edgekd.formats.artifact import Artifact
    from edgekd.runtime.predict import predict

    opened = Artifact.open(artifact)
    answers, broken = [], []
    for image in images:
        try:
            (answer,) = predict(opened, [image], threads=threads)
        except DecodeError as error:
            broken.append(str(error))
            click.echo(f"edgekd: {error}", err=True)
            continue
        answers.append(answer)
        if not as_json:
            notes = f"  ({', '.join(answer.notes)})" if answer.notes else ""
            click.echo(f"{image}: {answer.label} {answer.probability:.1%}{notes}")
    if as_json:
        print_json(
            [
                {"path": str(a.path), "label": a.label, "probabilities": a.probabilities, "notes": a.notes}
                for a in answers
            ]
        )
    if broken:
        raise DecodeError(f"{len(broken)} of {len(images)} photos could not be read; they are named above")
