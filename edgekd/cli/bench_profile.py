"""``edgekd bench --profile``: time by op, several files side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from edgekd.bench.by_op.profile import FileProfile, profile
from edgekd.bench.by_op.side_by_side import Row, by_kind, by_layer
from edgekd.bench.targets import BenchTarget
from edgekd.cli.console import PROGRESS, line, print_json, table
from edgekd.errors import UsageError

# Options that say how a file is timed as a whole.
_OTHER_MODES = ("paced", "sustained", "energy", "end_to_end", "affinity")


def check_profile(options: dict[str, Any], addresses: Sequence[str], *, estimates: bool) -> None:
    """Raise UsageError for options that --profile leaves no sense to."""
    if list(addresses) != ["host"]:
        raise UsageError(
            f"--profile measures on this machine alone, not on {', '.join(addresses)}: leave out --device, or profile "
            "where the files run: pip install edgekd there"
        )
    given = [name for name in _OTHER_MODES if options[name]] + (["estimate_time"] if estimates else [])
    if options["delegate"] != "xnnpack":
        given.append("delegate")
    if given:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(f"--profile times ops one by one, not with {names}: run them one after the other")


def print_profiles(targets: Sequence[BenchTarget], options: dict[str, Any], as_json: bool) -> None:
    """Profile every file and print what takes the time. Raises: DeviceError for a file that does not run."""
    profiles = []
    for target in targets:
        line(f"timing the ops of {target.name}", to=PROGRESS)
        profiles.append(profile(target, seconds=options["seconds"] or 1.0))
    if as_json:
        print_json({"files": [asdict(entry) for entry in profiles]})
        return
    for entry in profiles:
        line("\n", (f"{entry.name}: {entry.total_us / 1000:.3g} ms ({entry.runtime}, {entry.how})", "bold"))
        for op in entry.heaviest():
            line(f"  {op.share:6.1%}  {op.share * entry.total_us:8.1f} us  {op.kind}  {op.name}")
    line("\n", ("microseconds by kind of op", "bold"))
    _print_rows(by_kind(profiles), profiles)
    layers = by_layer(profiles)
    if layers and len(profiles) > 1:
        line("\n", ("microseconds of the heaviest layers", "bold"))
        _print_rows(layers, profiles)


def _print_rows(rows: list[Row], profiles: Sequence[FileProfile]) -> None:
    header = ["", *(entry.name for entry in profiles)]
    table(header, [[row.label, *("" if us is None else f"{us:.1f}" for us in row.us)] for row in rows])
