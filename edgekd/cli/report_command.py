"""``edgekd report``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("report")
@click.argument("sources", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for a report over devices [that of the files].")
@click.option("--json", "as_json", is_flag=True, help="Print a run's report as JSON to stdout.")
def command(sources: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """Render a run directory's report again, or join measurements of several devices in one.

    \b
    Example:
      edgekd report runs/quickstart
      edgekd report host.json pi.json --out devices
    """
    from edgekd.cli.run_shared import show
    from edgekd.errors import RunError, UsageError
    from edgekd.report.render import render

    results = _results(sources)
    if results:
        _join(results, out or results[0].parent)
        return
    if len(sources) > 1:
        raise UsageError("several run directories are several reports: name one, or the .json files of edgekd bench")
    if not (sources[0] / "run.json").is_file():
        raise RunError(f"{sources[0]} is not a run directory: it has no run.json. Make one: edgekd run RECIPE")
    render(sources[0])
    show(sources[0], as_json)


def _results(sources: tuple[Path, ...]) -> list[Path]:
    """The measurements named, or those in a folder that ``edgekd bench --out`` wrote."""
    if len(sources) == 1 and sources[0].is_dir() and not (sources[0] / "run.json").is_file():
        files = sorted(sources[0].glob("*.json"))
        return [path for path in files if not path.name.startswith(".") and not path.name.endswith(".partial.json")]
    return [path for path in sources if not path.is_dir()]


def _join(paths: list[Path], out: Path) -> None:
    from edgekd.bench.result import BenchResult
    from edgekd.cli.console import line
    from edgekd.report.devices_render import render_devices
    from edgekd.report.devices_report import join

    page = render_devices(join([BenchResult.load(path) for path in paths]), out, out.resolve().name)
    line(f"report: {page}")
