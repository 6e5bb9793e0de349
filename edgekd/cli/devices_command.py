"""``edgekd devices``."""

from __future__ import annotations

import click


@click.command("devices")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(as_json: bool) -> None:
    """List where a file can be measured.

    \b
    Example:
      edgekd devices
    """
    from rich.table import Table

    from edgekd.cli.console import RESULT, print_json
    from edgekd.devices.table import list_devices

    found = [device.facts() | {"address": device.address} for device in list_devices()]
    if as_json:
        print_json(found)
        return
    table = Table("address", "what", "runs")
    for facts in found:
        runtimes = ", ".join(f"{name} {version}" for name, version in (facts.get("runtimes") or {}).items())
        table.add_row(facts["address"], _what(facts), runtimes)
    RESULT.print(table)


def _what(facts: dict[str, object]) -> str:
    parts = (facts.get("cpu_model"), f"{facts.get('cores')} cores", facts.get("machine"))
    return ", ".join(str(part) for part in parts if part)
