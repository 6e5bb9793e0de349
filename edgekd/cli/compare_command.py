"""``edgekd compare``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgekd.bench.before_after import Change


@click.command(
    "compare",
    epilog="Exit code 3 where a file got slower, or executes more, than --max-slowdown allows, noise aside; 1 where "
    "the measurements cannot tell, because one is invalid, disturbed or has too few launches.",
)
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
    from edgekd.cli.console import line, print_json, table

    earlier = BenchResult.load(before)
    compared = changes(earlier, BenchResult.load(after))
    if as_json:
        print_json([asdict(change) for change in compared])
    else:
        table(("file", "bytes", "after / before (95 %)", "verdict"), map(_cells, compared), left=4)
        for change in compared:
            for reason in change.comparison.reasons:
                line(f"  {change.name}: {reason}")
    if max_slowdown is not None:
        _judge(compared, max_slowdown, "more instructions" if earlier.unit == "instructions" else "slower")


def _judge(compared: Sequence[Change], max_slowdown: float, what: str) -> None:
    """Raise GateFailed for files that got slower, RunError for those of which the measurements do not tell."""
    from edgekd.errors import GateFailed, RunError

    slower, undecided = [], []
    for change in compared:
        comparison = change.comparison
        above = comparison.ratio is not None and comparison.ratio.low > max_slowdown
        unsure = above and comparison.verdict == "inconclusive"
        if comparison.ratio is None or comparison.standing == "invalid" or unsure:
            undecided.append(f"{change.name}: {'; '.join(comparison.reasons)}")
        elif above:
            slower.append(f"{change.name} ({comparison.estimate:.3f})")
    unknown = [f"--max-slowdown {max_slowdown:g} cannot be decided. Measure both again", *undecided]
    if slower:
        verdict = f"{what} than {max_slowdown:g} times before: {', '.join(slower)}"
        raise GateFailed("\n  ".join([verdict, *(unknown if undecided else [])]))
    if undecided:
        raise RunError("\n  ".join(unknown))


def _cells(change: Change) -> tuple[str, ...]:
    from edgekd.report import format as fmt

    comparison = change.comparison
    return (
        change.name,
        "same" if change.same_file else "changed",
        fmt.comparison(comparison) + (", by the baseline" if change.by_baseline else ""),
        fmt.verdict(comparison),
    )
