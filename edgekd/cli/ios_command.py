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
    from edgekd.cli.console import line, print_json
    from edgekd.cli.port_packages import say_edited
    from edgekd.export.ios import write_ios_package
    from edgekd.formats.artifact import Artifact
    from edgekd.formats.coreml_file import is_package
    from edgekd.pipeline.run_files import shipped_file
    from edgekd.storage import require_writable

    is_run = source.is_dir() and not is_package(source)
    artifact = shipped_file(source, ("int8_tflite",)) if is_run else Artifact.open(source)
    if app.is_dir():
        require_writable(app)
    package = write_ios_package(artifact, app)
    if as_json:
        print_json(
            {
                "folder": str(package.folder), "model": str(package.model), "sha256": artifact.sha256,
                "vectors": package.vectors, "files": package.changes.as_json(),
            }
        )  # fmt: skip
        return
    counts = ", ".join(f"{len(paths)} {name}" for name, paths in vars(package.changes).items() if paths)
    line(f"{package.folder}: {artifact.path.name} and {package.vectors} golden vectors; files: {counts}")
    say_edited(package.folder, package.changes.edited)
    line(f"what to do in Xcode: {package.folder / 'README.md'}")
