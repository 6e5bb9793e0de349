"""How a function or a run reports what it is doing: to a callback, to a watcher, to `logging`, or to a notebook.

Functions of one task take a `Progress` callback; functions of several stages take a `Watcher`. Without either they
report to ``logging.getLogger("edgekd")``, or draw a bar where they are called from a notebook.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from edgekd.text import printable

if TYPE_CHECKING:
    from rich.console import Console

Progress = Callable[[int, int], None]
"""Called with the steps done so far and the total number of steps."""

LOGGER = logging.getLogger("edgekd")
LOGGER.addHandler(logging.NullHandler())
_REFRESH_S = 0.1
_LOG_S = 10.0


class Watcher(Protocol):
    """Receives the events of a run, a sweep or a benchmark; the command line draws them."""

    def started(self, stage: str) -> None:
        """A stage begins."""

    def skipped(self, stage: str) -> None:
        """A stage is skipped: it was done before and nothing that it depends on has changed."""

    def progress(self, done: int, total: int) -> None:
        """The current stage has done ``done`` of ``total`` steps."""

    def finished(self, stage: str, seconds: float) -> None:
        """A stage ended after so many seconds."""

    def note(self, text: str) -> None:
        """A sentence that a person should read."""


@runtime_checkable
class EpochWatcher(Protocol):
    """A watcher that also receives every epoch of a training."""

    def epoch(self, stage: str, entry: dict[str, float]) -> None:
        """A training has done an epoch; ``entry`` is its line of the history."""


class Silent:
    """A watcher that ignores every event."""

    def started(self, stage: str) -> None:
        """Ignore it."""

    def skipped(self, stage: str) -> None:
        """Ignore it."""

    def progress(self, done: int, total: int) -> None:
        """Ignore it."""

    def finished(self, stage: str, seconds: float) -> None:
        """Ignore it."""

    def note(self, text: str) -> None:
        """Ignore it."""


class LoggingWatcher:
    """Logs to ``logging.getLogger("edgekd")``: stages and notes as INFO, steps as DEBUG (one line in 10 seconds).

    Example:
        >>> import logging
        >>> logging.getLogger("edgekd").setLevel(logging.INFO)
        >>> LoggingWatcher().started("teacher")
    """

    def __init__(self, logger: logging.Logger = LOGGER) -> None:
        self._logger = logger
        self._stage = ""
        self._logged_s = 0.0

    def started(self, stage: str) -> None:
        """Log the stage's name."""
        self._stage, self._logged_s = stage, time.monotonic()
        self._logger.info("%s: started", stage)

    def skipped(self, stage: str) -> None:
        """Log that nothing has changed."""
        self._logger.info("%s: unchanged", stage)

    def progress(self, done: int, total: int) -> None:
        """Log the steps, if the last such line is 10 seconds old."""
        now_s = time.monotonic()
        if now_s - self._logged_s >= _LOG_S:
            self._logged_s = now_s
            self._logger.debug("%s: %d of %d", self._stage, done, total)

    def finished(self, stage: str, seconds: float) -> None:
        """Log the stage's name and duration."""
        self._logger.info("%s: finished in %.1f s", stage, seconds)

    def note(self, text: str) -> None:
        """Log the sentence."""
        self._logger.info("%s", text)

    def epoch(self, stage: str, entry: dict[str, float]) -> None:
        """Log an epoch's numbers."""
        self._logger.debug("%s: %s", stage, entry)


class BarWatcher:
    """Draws a bar for the current stage, and leaves a line for each finished one.

    Args:
        console: Where to draw; without a terminal and outside a notebook only the lines are printed.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Any = None
        self._task: Any = None
        self._drawn_s = 0.0

    def started(self, stage: str) -> None:
        """Show a bar for the stage."""
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        self.stop()
        self._bar = Bar(
            SpinnerColumn(), TextColumn("{task.description:<13}", markup=False), BarColumn(), MofNCompleteColumn(),
            TimeElapsedColumn(), console=self._console, transient=True, disable=not _can_draw(self._console),
        )  # fmt: skip
        self._bar.start()
        self._task = self._bar.add_task(printable(stage), total=None)

    def skipped(self, stage: str) -> None:
        """Print that the stage is unchanged."""
        self._print((f"  {stage:<13} unchanged", "dim"))

    def progress(self, done: int, total: int) -> None:
        """Move the bar; at most ten times a second, because a step can be a millisecond."""
        now_s = time.monotonic()
        if self._bar and (done == total or now_s - self._drawn_s > _REFRESH_S):
            self._bar.update(self._task, completed=done, total=total)
            self._drawn_s = now_s

    def finished(self, stage: str, seconds: float) -> None:
        """Print the stage's duration."""
        self.stop()
        self._print((f"  {stage:<13} {seconds:6.1f} s", ""))

    def note(self, text: str) -> None:
        """Print the sentence."""
        self._print(("  ", ""), (f"{'note':<13}", "yellow"), (f" {text}", ""))

    def stop(self) -> None:
        """Remove the bar from the screen."""
        if self._bar:
            self._bar.stop()
            self._bar = None

    def _print(self, *parts: tuple[str, str]) -> None:
        # Texts that are not ours stand in notes: no markup, no emoji codes, no escape sequences.
        from rich.text import Text

        self._console.print(Text.assemble(*((printable(text), style) for text, style in parts)))


def default_watcher() -> Watcher:
    """The watcher of a call that gives none: bars in a notebook, `LoggingWatcher` elsewhere."""
    if not in_notebook():
        return LoggingWatcher()
    from rich.console import Console

    return BarWatcher(Console(highlight=False))


@contextmanager
def report_to(progress: Progress | None, task: str) -> Iterator[Progress]:
    """The callback for a block of work: ``progress``, or the default watcher's where it is None.

    Args:
        progress: The caller's callback, if any.
        task: Name of the work, for the default watcher.
    """
    if progress is not None:
        yield progress
        return
    watcher, start_s = default_watcher(), time.monotonic()
    watcher.started(task)
    try:
        yield watcher.progress
    except BaseException:
        if isinstance(watcher, BarWatcher):
            watcher.stop()
        raise
    watcher.finished(task, time.monotonic() - start_s)


def in_notebook() -> bool:
    """Whether this code runs in a Jupyter kernel. IPython is not imported for it."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = get_ipython() if get_ipython else None
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})


def _can_draw(console: Console) -> bool:
    # In a notebook rich draws with ipywidgets; without them it would only print a warning.
    return importlib.util.find_spec("ipywidgets") is not None if console.is_jupyter else console.is_terminal
