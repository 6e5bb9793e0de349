"""``edgekd android``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgekd.export.android import AndroidFiles


@click.command("android", epilog="Build scripts are never written: the lines that they lack are printed.")
@click.argument("source", metavar="RUN|EXPORT|FILE", type=click.Path(path_type=Path))
@click.option("--into", "app", type=click.Path(path_type=Path), required=True, help="Android project, or its module.")
@click.option("--module", help="Module of the project, such as app or :feature:camera [the only application].")
@click.option("--flavor", help="Product flavour or build type whose assets get the model [main].")
@click.option(
    "--runtime", type=click.Choice(["interpreter", "compiled-model"]), default="interpreter",
    help="LiteRT 1.4's Interpreter, or 2.x's CompiledModel [interpreter].",
)  # fmt: skip
@click.option("--name", help="The model's name in the app, without .tflite [that of the file].")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(
    source: Path,
    app: Path,
    module: str | None,
    flavor: str | None,
    runtime: Any,
    name: str | None,
    as_json: bool,
) -> None:
    """Put the tested .tflite into an Android app, with the Kotlin that runs it and a test.

    The file goes into the module's assets byte for byte; ImageClassifier.kt and its neighbours and the file of one
    runtime go beside the app's sources; golden vectors and GoldenTest.kt go under src/androidTest, which no shipped APK
    has. It prints the Gradle lines that the module lacks: Kotlin, Groovy or a version catalog, as the module has it.

    Run again, it updates what it wrote, and leaves and names what you edited.

    \b
    Example:
      edgekd android runs/litter --into YourApp
      edgekd android out/student.int8.tflite --into YourApp --module :feature:camera
      edgekd android runs/litter --into YourApp --runtime compiled-model
    """
    from edgekd.cli.console import print_json
    from edgekd.cli.shipped_tflite import open_tflite
    from edgekd.export.android import add_to_android, find_module

    # A folder that is not a module is refused before anything is made.
    target = find_module(app, module, flavor)
    added = add_to_android(open_tflite(source), target, runtime=runtime, name=name)
    if as_json:
        print_json(added.as_json())
    else:
        show(added)


def show(added: AndroidFiles) -> None:
    """Say what became of the files, and what the module's build still lacks."""
    from edgekd.cli.console import PROGRESS, line
    from edgekd.cli.port_packages import say_edited

    changes = added.changes.as_json()
    counts = ", ".join(f"{len(paths)} {name}" for name, paths in changes.items() if paths)
    line(f"{added.module.folder}: {counts}", to=PROGRESS)
    line(f"  {added.model}", to=PROGRESS)
    line(f"  {added.golden} ({added.golden_size_bytes:,} bytes, for tests alone)", to=PROGRESS)
    for state in ("updated", "removed"):
        for path in changes[state]:
            if not path.startswith((added.golden, added.model)):
                line(f"  {state}: {path}", to=PROGRESS)
    say_edited(added.module.folder, changes["edited"], to=PROGRESS)
    for warning in added.warnings:
        line(f"warning: {warning}", to=PROGRESS)
    if added.gradle_lines:
        line("\n  ".join(["add to the build:", *added.gradle_lines]), to=PROGRESS)
    line("GoldenTest runs on a phone or an emulator, by Gradle's task connectedAndroidTest", to=PROGRESS)
