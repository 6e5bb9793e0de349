"""Signals that ask a command to stop: an exception that cleans up on its way, and an end that is sure to come.

Python runs a signal's handler between two of its own steps. The exception that it raises is lost where it comes up in
a callback or a destructor, and late where C code computes for minutes. So a thread watches: it asks again where the
exception was lost, and ends the process itself where nothing else does.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import sys
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from edgekd.process_tree import descendants, kill_all

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
# Seconds that C code may take before the handler runs, and that cleaning up may take after it.
_HANDLER_S = 5.0
_CLEANUP_S = 30.0
_LOOK_S = 0.2
# Two signals at once are one wish: a terminal sends one to a whole group, and a wrapper passes it on.
_SECOND_S = 1.0


class Stopped(BaseException):
    """A signal that asks this process to stop; ``signal`` is its number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.signal = number

    @property
    def exit_code(self) -> int:
        """What a shell shows for a process that the signal ended."""
        return 128 + self.signal


class _State:
    """What is known of the first signal."""

    number: int | None = None
    received_s = 0.0
    handled_s: float | None = None
    raised: weakref.ref[Stopped] | None = None
    folder: Path | None = None
    installed = False
    ended = False
    repeats = 0
    # A copy: the original is turned away while libraries print.
    stderr = 2


def install() -> None:
    """Handle the signals of this process, in its main thread; one that is ignored (nohup) stays so."""
    if _State.installed or threading.current_thread() is not threading.main_thread():
        return
    _State.installed = True
    with contextlib.suppress(OSError):  # closed by whoever started this process
        _State.stderr = os.dup(2)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    numbers = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in numbers:
        signal.signal(number, _handle)
    # Registered first, so that it runs last: what comes after that finds the work done.
    atexit.register(_ignore, numbers)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    sys.unraisablehook = _ignore_stopped
    threading.Thread(target=_watch, args=(reader, frozenset(numbers)), daemon=True, name="edgekd-signals").start()


@contextlib.contextmanager
def postponed() -> Iterator[None]:
    """Let a signal's exception come up behind the block: a library inside it would end the process in its own way.

    Where the block takes long, the watching thread ends the process.
    """
    if threading.current_thread() is not threading.main_thread() or not _State.installed:
        yield
        return
    handlers = {number: handler for number in SIGNALS if (handler := signal.getsignal(number)) is _handle}
    for number in handlers:
        signal.signal(number, _note)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if (stopped := requested()) is not None:
        raise _remembered(stopped)


def finish() -> None:
    """Say that the exception has come to the top: from here on only time limits how long the process takes."""
    _State.ended = True


def requested() -> Stopped | None:
    """The signal that this process received, if any: what fails after it may be the exception in another guise."""
    return None if _State.number is None else Stopped(_State.number)


def end(code: int) -> NoReturn:
    """End this process after a signal, with its children and at once.

    Libraries' threads still run here, and Python's own way out takes from under them what they use.
    """
    kill_all(descendants())
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def remove_at_the_end(folder: Path | None) -> None:
    """Name the folder of temporary files, to be removed even where nothing but the watching thread still runs."""
    _State.folder = folder


def _ignore(numbers: Sequence[int]) -> None:
    """Ignore signals: Python would take its handlers away now, and a command that is done would end as if killed."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


def _handle(number: int, _frame: FrameType | None) -> None:
    # No name for it here: the frame would keep it alive, and whether it lives says whether it is on its way.
    raise _remembered(Stopped(_State.number or number))


def _note(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the watching thread has the number."""


def _remembered(error: Stopped) -> Stopped:
    _State.handled_s, _State.raised = time.monotonic(), weakref.ref(error)
    return error


def _ignore_stopped(unraisable: Any) -> None:
    # It came up where nothing can be raised; the thread asks again.
    if not issubclass(unraisable.exc_type, Stopped):
        sys.__unraisablehook__(unraisable)


def _watch(reader: int, numbers: frozenset[int]) -> None:
    while True:
        number = os.read(reader, 1)[0]
        if number not in numbers:
            continue
        if _State.repeats:
            _State.repeats -= 1
            continue
        if _State.number is None:
            _State.number, _State.received_s = number, time.monotonic()
            threading.Thread(target=_see_to_it, args=(number,), daemon=True, name="edgekd-stop").start()
        elif time.monotonic() - _State.received_s > _SECOND_S and _is_under_way():
            _end_now(number)


def _is_under_way() -> bool:
    return _State.raised is not None and _State.raised() is not None


def _see_to_it(number: int) -> None:
    """Ask again where the exception was lost; end the process where it does not end."""
    while True:
        time.sleep(_LOOK_S)
        now_s = time.monotonic()
        if _State.handled_s is None:
            if now_s - _State.received_s > _HANDLER_S:
                _end_now(number)
        elif now_s - _State.received_s > _CLEANUP_S:
            _end_now(number)
        elif not _State.ended and not _is_under_way() and threading.main_thread().is_alive():
            # Nothing holds the exception any more, and the process still runs: somebody swallowed it.
            _State.repeats += 1
            signal.pthread_kill(threading.main_thread().ident or 0, number)


def _end_now(number: int) -> None:
    """End this process and its children from a thread: the main thread does not come to it."""
    kill_all(descendants())
    if _State.folder is not None:
        shutil.rmtree(_State.folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        os.write(_State.stderr, f"edgekd: stopped by {signal.Signals(number).name}\n".encode())
    os._exit(128 + number)
