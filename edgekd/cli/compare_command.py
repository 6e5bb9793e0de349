"""``edgekd compare``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("compare", epilog="Exit code 3 where a file got slower than --max-slowdown allows, noise aside.")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option(
    "--max-slowdown", type=click.FloatRange(1), help="Fail where the whole interval of after / before is above this."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(before: Path, after: Path, max_slowdown: float | None, as_json: bool) -> None:
    """Hold one measurement against an earlier one of the same device.

    \b
    Example:
      edgekd compare monday.json tuesday.json --max-slowdown 1.02
    """
    from dataclasses import asdict

    from rich.table import Table

    from edgekd.bench.before_after import changes
    from edgekd.bench.result import BenchResult
    from edgekd.cli.console import RESULT, print_json
    from edgekd.errors import GateFailed
    from edgekd.report import format as text

    found = changes(BenchResult.load(before), BenchResult.load(after))
    if as_json:
        print_json([asdict(change) for change in found])
    else:
        table = Table("file", "bytes", "after / before (95 %)", "verdict", box=None, pad_edge=False, header_style="dim")
        for change in found:
            compared = change.comparison
            table.add_row(
                change.name,
                "same" if change.same_file else "changed",
                text.ratio(compared.ratio, compared.estimate) + (", by the baseline" if change.by_baseline else ""),
                "; ".join([compared.verdict, *compared.reasons]),
            )
        RESULT.print(table)
    slower = [c.name for c in found if max_slowdown and c.comparison.ratio and c.comparison.ratio.low > max_slowdown]
    if slower:
        raise GateFailed(f"slower than {max_slowdown:g} times before: {', '.join(slower)}")
