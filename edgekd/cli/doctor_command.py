"""``edgekd doctor``."""

from __future__ import annotations

import click


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(as_json: bool) -> None:
    """Say what is installed, what is missing and what this machine is.

    \b
    Example:
      edgekd doctor
    """
    from edgekd.cli.console import RESULT, print_json
    from edgekd.devices.table import open_device
    from edgekd.doctor import examine

    findings = examine()
    if as_json:
        print_json({"machine": open_device("host").facts(), "findings": [vars(finding) for finding in findings]})
    else:
        for finding in findings:
            RESULT.print(f"{'ok     ' if finding.ok else 'MISSING'} {finding.what}: {finding.detail}", markup=False)
    if not all(finding.ok or finding.optional for finding in findings):
        raise SystemExit(1)
