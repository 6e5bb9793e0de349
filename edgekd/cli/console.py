"""What the commands share: progress on stderr, results on stdout."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

PROGRESS = Console(stderr=True, highlight=False)
# A table that is piped somewhere is not to be cut to 80 columns.
RESULT = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 140)


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(value, indent=1, sort_keys=True, default=str))


class ConsoleWatcher:
    """Draws a run's stages on stderr: a live bar at a terminal, a line a stage elsewhere."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: Any = None
        self._shown = 0.0

    def started(self, stage: str) -> None:
        """A stage begins."""
        self._bar = Progress(
            SpinnerColumn(), TextColumn("{task.description:<8}"), BarColumn(), MofNCompleteColumn(),
            TimeElapsedColumn(), console=PROGRESS, transient=True, disable=not PROGRESS.is_terminal,
        )  # fmt: skip
        self._bar.start()
        self._task = self._bar.add_task(stage, total=None)

    def skipped(self, stage: str) -> None:
        """A stage was done before."""
        PROGRESS.print(f"  [dim]{stage:<8} unchanged[/dim]")

    def progress(self, done: int, total: int) -> None:
        """Move the bar; at most ten times a second, for a step can be a millisecond."""
        now = time.monotonic()
        if self._bar and (done == total or now - self._shown > 0.1):
            self._bar.update(self._task, completed=done, total=total)
            self._shown = now

    def finished(self, stage: str, seconds: float) -> None:
        """A stage ended."""
        self.stop()
        PROGRESS.print(f"  {stage:<8} {seconds:6.1f} s")

    def note(self, text: str) -> None:
        """Something to read."""
        PROGRESS.print(f"  [yellow]note[/yellow]     {escape(text)}")

    def stop(self) -> None:
        """Take the bar off the screen."""
        if self._bar:
            self._bar.stop()
            self._bar = None
