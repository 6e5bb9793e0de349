"""``edgekd bench``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edgekd.bench.result import BenchResult


@click.command("bench", epilog="The first file is the baseline unless --baseline names another.")
@click.argument("artifacts", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--baseline", type=click.Path(path_type=Path), help="File that the others are held against.")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder of photos to run on.")
@click.option("--photos", type=click.IntRange(1), default=16, help="How many of them [16].")
@click.option("--device", default="host", help="Address, as edgekd devices lists them [host].")
@click.option("--launches", type=click.IntRange(1), default=7, help="Fresh processes a file [7].")
@click.option("--threads", type=click.IntRange(1), default=1, help="Threads of the runtime [1].")
@click.option("--out", type=click.Path(path_type=Path), help="Keep every raw timing in this JSON file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(
    artifacts: tuple[Path, ...],
    baseline: Path | None,
    data: Path,
    photos: int,
    device: str,
    launches: int,
    threads: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Time files side by side in fresh processes, in random order, on real photos.

    \b
    Example:
      edgekd bench teacher.float32.tflite student.int8.tflite --data photos
    """
    import numpy as np

    from edgekd.artifact import Artifact
    from edgekd.bench.harness import BenchTarget, measure
    from edgekd.bench.plan import BenchPlan
    from edgekd.cli.console import ConsoleWatcher
    from edgekd.data.folder import list_unlabelled
    from edgekd.devices.table import open_device
    from edgekd.errors import DataError, UsageError
    from edgekd.preprocess import FORMATS, preprocess

    where = open_device(device)
    paths = dict.fromkeys([*([baseline] if baseline else []), *artifacts])
    opened = {path.name: Artifact.open(path) for path in paths}
    if len(opened) < len(paths):
        raise UsageError("two of the files have the same name; give them different ones")
    images = [item.path for item in list_unlabelled(data).items][:photos]
    if not images:
        raise DataError(f"{data} holds no photo ({', '.join(FORMATS)})")
    contents = [(path.read_bytes(), str(path)) for path in images]
    targets = [
        BenchTarget(name, a.path, a.format, np.stack([preprocess(c, n, a.preprocessing) for c, n in contents]))
        for name, a in opened.items()
    ]
    watcher = ConsoleWatcher()
    watcher.started("bench")
    try:
        plan = BenchPlan(launches=launches, threads=threads)
        result = measure(targets, next(iter(opened)), plan, where, watcher.progress, save_to=out)
    finally:
        watcher.stop()
    _show(result, as_json)


def _show(result: BenchResult, as_json: bool) -> None:
    from dataclasses import asdict

    from rich.table import Table

    from edgekd.bench.statistics import compare, summarize
    from edgekd.cli.console import RESULT, print_json
    from edgekd.report import format as text

    rows = [(m.name, summarize(m), compare(result, m.name)) for m in result.measurements]
    if as_json:
        print_json(
            {name: {"summary": asdict(s) if s else None, "comparison": asdict(c)} for name, s, c in rows}
            | {"device": result.device, "baseline": result.baseline, "facts": dict(result.facts_before)}
        )
        return
    table = Table("file", "p50 ms", "p90 ms", "first ms", "load ms", "peak memory", "latency / baseline", "verdict")
    for name, summary, compared in rows:
        if summary is None:
            table.add_row(name, *["–"] * 6, "failed")
            continue
        table.add_row(
            name,
            text.milliseconds(summary.p50_ms),
            text.milliseconds(summary.p90_ms),
            text.milliseconds(summary.first_ms),
            text.milliseconds(summary.load_ms),
            text.size(summary.peak_memory_bytes),
            text.ratio(compared.ratio, compared.estimate),
            "; ".join([compared.verdict, *compared.reasons]),
        )
    RESULT.print(table)
