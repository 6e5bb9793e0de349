"""``edgekd devices``."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click


@click.group("devices", invoke_without_command=True)
@click.option("--device", "addresses", multiple=True, metavar="ADDRESS", help="Ask this device only; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
@click.pass_context
def command(context: click.Context, addresses: tuple[str, ...], as_json: bool) -> None:
    """List where a file can be measured.

    These are this machine, the phones that adb sees, the emulated cores, and the machines behind ssh that were set up
    from here, each in its present state. Exit code 4 where one of them fails; the others are still listed.

    \b
    Example:
      edgekd devices
      edgekd devices --device ssh:pi@pi5
      edgekd devices setup ssh:pi@pi5
    """
    if context.invoked_subcommand is not None:
        return
    from edgekd.cli.console import print_json
    from edgekd.devices.table import check_scheme

    for address in addresses:
        check_scheme(address)
    devices = [_ask(address) for address in addresses or _reachable()]
    if as_json:
        print_json(devices)
    else:
        _print_table(devices)
    if any("error" in facts for facts in devices):
        context.exit(4)


@command.command("setup")
@click.argument("address")
@click.option(
    "--wheels",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Install from this folder of .whl files, for ssh: devices without a network.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def setup_command(address: str, wheels: Path | None, as_json: bool) -> None:
    """Make a device ready to be measured on.

    A machine behind ssh gets an interpreter with the runtimes, an emulated core its system and its plugin.

    \b
    Example:
      edgekd devices setup ssh:pi@pi5
      edgekd devices setup ssh:pi@pi5 --wheels wheels/
    """
    from edgekd.cli.console import ConsoleWatcher, line, print_json
    from edgekd.devices.setup import setup_device

    watcher = ConsoleWatcher()
    watcher.started("setup")
    try:
        done = setup_device(address, watcher.progress, wheels)
    finally:
        watcher.stop()
    if as_json:
        print_json({"address": address, "done": done})
    else:
        line(done)


def _reachable() -> list[str]:
    from edgekd.devices.table import SCHEMES

    return [address for module, _ in SCHEMES.values() for address in importlib.import_module(module).reachable()]


def _ask(address: str) -> dict[str, Any]:
    """A device's facts, or its error."""
    from edgekd.devices.table import open_device
    from edgekd.errors import DeviceError

    try:
        return {**open_device(address).facts(), "address": address}
    except DeviceError as error:
        return {"address": address, "error": str(error)}


def _print_table(devices: list[dict[str, Any]]) -> None:
    from edgekd.cli.console import line, table

    header = ("address", "what", "cores", "governor", "now", "free", "runs")
    rows = [
        (facts["address"], *(("failed", "", "", "", "", "") if "error" in facts else _cells(facts)))
        for facts in devices
    ]
    table(header, rows, boxed=True, left=len(header))
    for facts in devices:
        if "error" in facts:
            line(facts["error"])


def _cells(facts: dict[str, Any]) -> tuple[str, ...]:
    what = [facts.get("board") or facts.get("model"), facts.get("cpu_model"), facts.get("machine")]
    clock, highest = facts.get("frequency_mhz"), facts.get("max_frequency_mhz")
    degrees, throttling = facts.get("temperature_c"), facts.get("throttling")
    now = [
        f"{degrees:.0f} °C" if degrees is not None else None,
        f"{clock:.0f}" + (f"/{highest:.0f}" if highest else "") + " MHz" if clock else None,
        ", ".join(throttling) if throttling else None,
    ]
    free = facts.get("disk_free_bytes")
    runtimes = [f"{name} {version}" for name, version in (facts.get("runtimes") or {}).items()]
    return (
        _joined(what),
        str(facts.get("cores") or ""),
        str(facts.get("governor") or ""),
        _joined(now),
        f"{free / 1e9:.1f} GB" if free is not None else "",
        _joined(runtimes) or "nothing to measure with",
    )


def _joined(parts: list[Any]) -> str:
    return ", ".join(str(part) for part in parts if part)
