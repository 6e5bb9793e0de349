"""``edgekd bench --profile``: time or instructions by op, several files side by side."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from edgekd.bench.by_op.count import count_ops
from edgekd.bench.by_op.profile import FileProfile, profile
from edgekd.bench.by_op.side_by_side import Row, by_kind, by_layer
from edgekd.bench.targets import BenchTarget
from edgekd.cli.console import PROGRESS, ConsoleWatcher, line, print_json, table
from edgekd.devices.protocol import Device
from edgekd.errors import UsageError

# Options that say how a file is timed as a whole.
_OTHER_MODES = ("paced", "sustained", "energy", "end_to_end", "affinity", "out")
_WORDS = {"us": "microseconds", "instructions": "instructions"}


def check_profile(options: dict[str, Any], addresses: Sequence[str], *, estimates: bool) -> None:
    """Raise UsageError for options that --profile leaves no sense to."""
    elsewhere = [address for address in addresses if address != "host" and not address.startswith("emulated:")]
    if elsewhere:
        raise UsageError(
            f"--profile measures on this machine and on emulated cores, not on {', '.join(elsewhere)}: leave out "
            "--device, take --device emulated:cortex-a76, or profile where the files run: pip install edgekd there"
        )
    given = [name for name in _OTHER_MODES if options[name]] + (["estimate_time"] if estimates else [])
    if options["delegate"] != "xnnpack":
        given.append("delegate")
    if given:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        advice = " For a file of its results: --profile --json > FILE" if given == ["out"] else ""
        raise UsageError(f"--profile times ops one by one, not with {names}: run them one after the other.{advice}")


def print_profiles(
    targets: Sequence[BenchTarget], addresses: Sequence[str], options: dict[str, Any], as_json: bool
) -> None:
    """Profile every file on every device and print what takes the most.

    Raises: DeviceError for a file that does not run, or a core that is not set up.
    """
    from edgekd.devices.table import open_device

    devices = {address: open_device(address) for address in addresses}
    profiles = {
        address: [_measure(target, device, options) for target in targets] for address, device in devices.items()
    }
    if as_json:
        print_json({"files": [asdict(entry) for entries in profiles.values() for entry in entries]})
        return
    for entries in profiles.values():
        _print_device(entries)


def _measure(target: BenchTarget, device: Device, options: dict[str, Any]) -> FileProfile:
    if device.address == "host":
        line(f"timing the ops of {target.name}", to=PROGRESS)
        return profile(target, seconds=options["seconds"] or 1.0)
    watcher, stage, start_s = ConsoleWatcher(), f"{target.name} on {device.address}", time.monotonic()
    watcher.started(stage)
    try:
        counted = count_ops(target, device, options["timeout"], watcher.progress)
        watcher.finished(stage, time.monotonic() - start_s)
    finally:
        watcher.stop()
    return counted


def _print_device(profiles: list[FileProfile]) -> None:
    for entry in profiles:
        where = f"{entry.device}, " if entry.unit == "instructions" else ""
        line("\n", (f"{entry.name}: {_total(entry)} ({where}{entry.runtime}, {entry.how})", "bold"))
        for op in entry.heaviest():
            line(f"  {op.share:6.1%}  {_amount(op.share * entry.total, entry)}  {op.kind}  {op.name}")
    words = _WORDS[profiles[0].unit]
    line("\n", (f"{words} by kind of op", "bold"))
    _print_rows(by_kind(profiles), profiles)
    layers = by_layer(profiles)
    if layers and len(profiles) > 1:
        line("\n", (f"{words} of the heaviest layers", "bold"))
        _print_rows(layers, profiles)


def _total(entry: FileProfile) -> str:
    return f"{entry.total / 1000:.3g} ms" if entry.unit == "us" else f"{entry.total / 1e6:.3g} million instructions"


def _amount(value: float, entry: FileProfile) -> str:
    return f"{value:8.1f} us" if entry.unit == "us" else f"{value:11,.0f}"


def _print_rows(rows: list[Row], profiles: list[FileProfile]) -> None:
    decimals = 1 if profiles[0].unit == "us" else 0
    header = ["", *(entry.name for entry in profiles)]
    cells = [["" if value is None else f"{value:,.{decimals}f}" for value in row.values] for row in rows]
    table(header, [[row.label, *values] for row, values in zip(rows, cells, strict=True)])
