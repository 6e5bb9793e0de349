"""``edgekd devices``."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click


@click.group("devices", invoke_without_command=True)
@click.option("--device", "addresses", multiple=True, metavar="ADDRESS", help="Ask this one; may be given again.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
@click.pass_context
def command(context: click.Context, addresses: tuple[str, ...], as_json: bool) -> None:
    """List where a file can be measured.

    Listed, each as it stands now, are this machine, the phones that adb sees, the emulated cores, and the machines
    behind ssh that were set up from here. Ends with 4 if one of them fails; the others are shown all the same.

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
    found = [_ask(address) for address in addresses or _listed()]
    if as_json:
        print_json(found)
    else:
        _print_table(found)
    if any("error" in facts for facts in found):
        context.exit(4)


@command.command("setup")
@click.argument("address")
@click.option(
    "--wheels",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Install from this folder of .whl files: for ssh: devices without a network.",
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
    from edgekd.cli.console import ConsoleWatcher, print_json
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
        click.echo(done)


def _listed() -> list[str]:
    from edgekd.devices.table import SCHEMES

    return [address for module, _ in SCHEMES.values() for address in importlib.import_module(module).reachable()]


def _ask(address: str) -> dict[str, Any]:
    """A device's facts, or its error."""
    from edgekd.devices.table import open_device
    from edgekd.errors import DeviceError

    try:
        return open_device(address).facts() | {"address": address}
    except DeviceError as error:
        return {"address": address, "error": str(error)}


def _print_table(found: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from edgekd.cli.console import RESULT

    table = Table("address", "what", "cores", "governor", "now", "free", "runs", box=box.SIMPLE_HEAD)
    for facts in found:
        # Text, and not markup: a device's own words could be anything.
        cells = _cells(facts) if "error" not in facts else ("", "", "", "", "", "")
        what, *others = (Text(cell) for cell in cells)
        table.add_row(Text(facts["address"]), what if "error" not in facts else Text("failed"), *others)
    RESULT.print(table)
    for facts in found:
        if "error" in facts:
            RESULT.print(Text(facts["error"]))


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
