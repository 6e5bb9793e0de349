"""``edgekd demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekd.cli.model_options import model_options, open_classifier, require_labels

if TYPE_CHECKING:
    from edgekd.formats.artifact import Artifact


@click.command("demo", epilog="The page sends nothing: a policy in it forbids every request.")
@click.argument("source", metavar="RUN|FILE", type=click.Path(path_type=Path), required=False)
@click.option("--out", type=click.Path(path_type=Path), help="The page to write [demo.html; of a run: in the run].")
@click.option("--fetch", is_flag=True, help="Fetch the runtime that the page carries, with npm, into the cache.")
@model_options()
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(source: Path | None, out: Path | None, fetch: bool, as_json: bool, **model: Any) -> None:
    """Write one HTML file that runs a .tflite or .onnx in a browser, without a network or a server.

    It takes a photo or the camera, and shows the answer with bars, what the model sees and milliseconds. When it opens
    it compares its own answers with Python's on golden vectors.

    The page carries LiteRT.js for a .tflite and ONNX Runtime Web for an .onnx. --fetch brings the one that is needed,
    once; without RUN or FILE it brings both.

    \b
    Example:
      edgekd demo runs/litter --fetch
      edgekd demo out/student.int8.onnx --out demo.html
    """
    from edgekd.demo import RUNTIMES
    from edgekd.errors import UsageError
    from edgekd.formats.coreml_file import is_package
    from edgekd.pipeline.run_files import shipped_file

    if source is None:
        if not fetch:
            raise UsageError(
                "give a run's directory or a .tflite or .onnx file, or --fetch to fetch the runtimes alone"
            )
        _fetch(*RUNTIMES)
        return
    is_run = source.is_dir() and not is_package(source)
    artifact = shipped_file(source) if is_run else open_classifier(source, model)
    require_labels(artifact)
    if fetch and artifact.format in RUNTIMES:
        _fetch(artifact.format)
    _write(source, artifact, out, is_run, as_json)


def _fetch(*formats: str) -> None:
    from edgekd.cli.console import PROGRESS, line
    from edgekd.demo import RUNTIMES, fetch_runtime, has_runtime

    for name in formats:
        runtime = RUNTIMES[name]
        what = f"{runtime.package} {runtime.version}"
        if has_runtime(runtime):
            line(f"{what} is already in {runtime.folder}", to=PROGRESS)
            continue
        line(f"fetching {what} with npm, {runtime.size_bytes / 1e6:.0f} MB", to=PROGRESS)
        line(f"{what} is now in {fetch_runtime(runtime)}", to=PROGRESS)


def _write(source: Path, artifact: Artifact, out: Path | None, is_run: bool, as_json: bool) -> None:
    from edgekd.cli.console import line, print_json
    from edgekd.demo import write_demo
    from edgekd.report.demo_link import DEMO
    from edgekd.report.render import render
    from edgekd.storage import require_writable

    path = out or (source / DEMO if is_run else Path(DEMO))
    require_writable(path.parent)
    title = source.resolve().name if is_run else artifact.path.name
    demo = write_demo(artifact, path, title, _fetching_command(source, artifact, out))
    if is_run and out is None and (source / "report.html").is_file():
        render(source)
    if as_json:
        print_json(
            {
                "path": str(path), "size_bytes": demo.size_bytes, "vectors": demo.vectors, "file": artifact.path.name,
                "sha256": artifact.sha256, "runtime": f"{demo.runtime.title} {demo.runtime.version}",
            }
        )  # fmt: skip
        return
    runtime = f"{demo.runtime.title} {demo.runtime.version}"
    line(f"{path}: {demo.size_bytes:,} bytes, with {artifact.path.name}, {runtime} and {demo.vectors} golden vectors")


def _fetching_command(source: Path, artifact: Artifact, out: Path | None) -> str:
    """The command that fetches the runtime and writes the page; of another tool's file, with its options, the first."""
    import shlex

    if artifact.feed is not None:
        return "edgekd demo --fetch"
    words = ["edgekd", "demo", str(source), *(() if out is None else ("--out", str(out))), "--fetch"]
    return shlex.join(words)
