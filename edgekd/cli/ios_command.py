"""``edgekd ios``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("ios", epilog="Nothing is built here: Xcode does that, and `swift test` in the package runs its tests.")
@click.argument("source", metavar="RUN|FILE", type=click.Path(path_type=Path))
@click.option("--into", "app", metavar="APP", type=click.Path(path_type=Path), required=True,
              help="Folder of the app's Xcode project.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(source: Path, app: Path, as_json: bool) -> None:
    """Write a Swift package with a tested file and its golden test into an iOS app's folder.

    The package reads labels, preprocessing and decision from the file; LiteRT or Core ML computes. Its README says what
    to do in Xcode. Called again, it updates what it wrote, and leaves what somebody has edited since.

    \b
    Example:
      edgekd ios runs/litter --into MyApp
      edgekd ios out/student.float16.mlpackage --into MyApp
    """
    from edgekd.cli.console import line
    from edgekd.cli.port_packages import write_package
    from edgekd.export.ios import write_ios_package

    package = write_package(source, app, ("int8_tflite",), write_ios_package, as_json)
    if not as_json:
        line(f"what to do in Xcode: {package.folder / 'README.md'}")
