"""What a call reports while it works, and to whom."""

from __future__ import annotations

import io
import logging
import sys
from types import SimpleNamespace

import pytest
from rich.console import Console

from edgekd import progress
from edgekd.progress import BarWatcher, EpochWatcher, LoggingWatcher, default_watcher, in_notebook, report_to


def notebook(kernel: bool) -> SimpleNamespace:
    config = {"IPKernelApp": {}} if kernel else {"TerminalIPythonApp": {}}
    return SimpleNamespace(get_ipython=lambda: SimpleNamespace(config=config))


def test_without_a_watcher_a_script_reads_its_log(caplog: pytest.LogCaptureFixture) -> None:
    watcher = default_watcher()
    assert isinstance(watcher, LoggingWatcher) and isinstance(watcher, EpochWatcher)
    with caplog.at_level(logging.INFO, "edgekd"):
        watcher.started("teacher")
        watcher.progress(1, 2)
        watcher.finished("teacher", 1.25)
        watcher.skipped("data")
        watcher.note("look")
    assert caplog.messages == ["teacher: started", "teacher: finished in 1.2 s", "data: unchanged", "look"]


def test_steps_are_logged_once_in_a_while(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_LOG_S", 0.0)
    with caplog.at_level(logging.DEBUG, "edgekd"), report_to(None, "photos") as report:
        report(3, 4)
    assert caplog.messages[:2] == ["photos: started", "photos: 3 of 4"]
    monkeypatch.setattr(progress, "_LOG_S", 1e9)
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "edgekd"), report_to(None, "photos") as report:
        report(3, 4)
    assert len(caplog.messages) == 2


def test_a_given_callback_is_used_and_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    steps: list[tuple[int, int]] = []
    with caplog.at_level(logging.DEBUG, "edgekd"), report_to(lambda *step: steps.append(step), "photos") as report:
        report(1, 2)
    assert steps == [(1, 2)] and not caplog.messages


@pytest.mark.parametrize("kernel", [True, False])
def test_a_notebook_gets_bars(kernel: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", notebook(kernel))
    assert in_notebook() is kernel
    assert isinstance(default_watcher(), BarWatcher) is kernel


def test_without_a_terminal_a_line_a_stage_is_printed() -> None:
    stream = io.StringIO()
    watcher = BarWatcher(Console(file=stream, highlight=False, width=80))
    watcher.started("[/x]")
    watcher.progress(1, 1)
    watcher.finished("[/x]", 1.0)
    watcher.note("m[final].tflite")
    assert stream.getvalue().splitlines() == [
        f"  {'[/x]':<13}    1.0 s",
        f"  {'note':<13} m[final].tflite",
    ]
