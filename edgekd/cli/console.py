"""What the commands share: progress on stderr, results on stdout."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from rich.console import Console

from edgekd.progress import BarWatcher

PROGRESS = Console(stderr=True, highlight=False)
# A table that is piped somewhere is not to be cut to 80 columns.
RESULT = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 140)


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(value, indent=1, sort_keys=True, default=str))


class ConsoleWatcher(BarWatcher):
    """Draws a run's stages on stderr: a live bar at a terminal, a line a stage elsewhere."""

    def __init__(self) -> None:
        super().__init__(PROGRESS)
