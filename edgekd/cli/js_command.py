"""``edgekd js``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("js", epilog="Nothing is installed: npm install FOLDER does that, in the app that uses it.")
@click.argument("source", metavar="RUN|FILE", type=click.Path(path_type=Path))
@click.option("--into", "folder", metavar="FOLDER", type=click.Path(path_type=Path), required=True,
              help="Folder of the package, made if it is missing; its name becomes the package's.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(source: Path, folder: Path, as_json: bool) -> None:
    """Write an npm package with the tested file, its preprocessing and decision in JavaScript, and golden vectors.

    Plain ES modules without dependencies, typed, without a DOM: for the web, Node, Electron and React Native. Your
    app's runtime computes. `node --test` in the folder compares it with Python. Called again, the command updates what
    it wrote, and leaves what somebody has edited since.

    \b
    Example:
      edgekd js runs/litter --into app/classifier
      edgekd js out/student.int8.onnx --into app/classifier
    """
    from edgekd.cli.port_packages import say_next, write_package
    from edgekd.export.js_package import write_js_package

    package = write_package(source, folder, ("int8_tflite", "int8_onnx"), write_js_package, as_json)
    if not as_json:
        say_next(package, "node --test")
