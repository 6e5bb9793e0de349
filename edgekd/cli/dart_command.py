"""``edgekd dart``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("dart", epilog="Nothing is installed: the app's pubspec.yaml names FOLDER, as its README says.")
@click.argument("source", metavar="RUN|FILE", type=click.Path(path_type=Path))
@click.option("--into", "folder", metavar="FOLDER", type=click.Path(path_type=Path), required=True,
              help="Folder of the package, made if it is missing; its name becomes the package's.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(source: Path, folder: Path, as_json: bool) -> None:
    """Write a Dart package with the tested .tflite, its preprocessing, decision and golden vectors (experimental).

    Pure Dart, for Flutter; your app's runtime computes. `dart test` in the folder compares it with Python. Called
    again, the command updates what it wrote, and leaves what somebody has edited since. A Dart SDK has not compiled it
    yet: the package's README says how it was checked.

    \b
    Example:
      edgekd dart runs/litter --into app/packages/classifier
    """
    from edgekd.cli.port_packages import say_next, write_package
    from edgekd.export.dart_package import write_dart_package

    package = write_package(source, folder, ("int8_tflite",), write_dart_package, as_json)
    if not as_json:
        say_next(package, "dart test")
