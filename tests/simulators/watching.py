"""Something that is watched while something else goes on."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def watched_by(watch: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run ``watch`` in a thread beside the body; its event is set when the body is over, and then it must end."""
    over = threading.Event()
    watcher = threading.Thread(target=watch, args=(over,))
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
