"""``edgekd compare``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edgekd.bench.before_after import Change


@click.command("compare", epilog="Exit code 3 where a file got slower, or executes more, than --max-slowdown allows.")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option(
    "--max-slowdown", type=click.FloatRange(1), help="Fail where all of after / before is above this: 1.01 is 1 %."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(before: Path, after: Path, max_slowdown: float | None, as_json: bool) -> None:
    """Compare a measurement with an earlier one of the same device: latencies, or instructions of an emulated core.

    \b
    Example:
      edgekd compare monday.json tuesday.json --max-slowdown 1.02
    """
    from dataclasses import asdict

    from edgekd.bench.before_after import changes
    from edgekd.bench.result import BenchResult
    from edgekd.cli.console import print_json, table

    earlier = BenchResult.load(before)
    compared = changes(earlier, BenchResult.load(after))
    if as_json:
        print_json([asdict(change) for change in compared])
    else:
        table(("file", "bytes", "after / before (95 %)", "verdict"), map(_cells, compared), left=4)
    if max_slowdown is not None:
        _check_slowdown(compared, max_slowdown, counted=earlier.unit == "instructions")


def _check_slowdown(compared: Sequence[Change], most: float, counted: bool) -> None:
    """Raises: GateFailed for files beyond the limit, and for those that a launch is missing of."""
    from edgekd.errors import GateFailed

    missing = [change.name for change in compared if change.comparison.estimate is None]
    if missing:
        raise GateFailed(f"not measured to the end, before or after: {', '.join(missing)}. Measure again: edgekd bench")
    beyond = [change for change in compared if change.comparison.ratio and change.comparison.ratio.low > most]
    if beyond:
        what = "more instructions" if counted else "slower"
        names = ", ".join(f"{change.name} ({change.comparison.estimate:.3f})" for change in beyond)
        raise GateFailed(f"{what} than {most:g} times before: {names}")


def _cells(change: Change) -> tuple[str, ...]:
    from edgekd.report import format as fmt

    comparison = change.comparison
    return (
        change.name,
        "same" if change.same_file else "changed",
        fmt.comparison(comparison) + (", by the baseline" if change.by_baseline else ""),
        "; ".join([fmt.verdict(comparison), *comparison.reasons]),
    )
