"""``edgekd doctor``."""

from __future__ import annotations

import click


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(as_json: bool) -> None:
    """Show what is installed, what is missing and what this machine is.

    \b
    Example:
      edgekd doctor
    """
    from edgekd.cli.console import line, print_json
    from edgekd.devices.table import open_device
    from edgekd.doctor import examine

    findings = examine()
    if as_json:
        print_json({"machine": open_device("host").facts(), "findings": [vars(finding) for finding in findings]})
    else:
        for finding in findings:
            line(f"{'ok     ' if finding.ok else 'MISSING'} {finding.what}: {finding.detail}")
    if not all(finding.ok or finding.optional for finding in findings):
        raise SystemExit(1)
