"""Reading what a process writes, up to a limit: a device may write without end."""

from __future__ import annotations

import os
import subprocess
import threading
from typing import IO


class Pump(threading.Thread):
    """Copies one pipe to its end; kills the process when more than the limit has come.

    ``overflowed`` says whether it did, ``failed`` what kept ``sink`` from being written.
    """

    def __init__(self, process: subprocess.Popen[bytes], pipe: IO[bytes], sink: IO[bytes], limit_bytes: int) -> None:
        super().__init__(daemon=True)
        self.overflowed = False
        self.failed: OSError | None = None
        self._process, self._pipe, self._sink, self._left = process, pipe, sink, limit_bytes
        self.start()

    def run(self) -> None:
        """The thread's own work."""
        while content := os.read(self._pipe.fileno(), 65536):
            self._left -= len(content)
            self.overflowed = self._left < 0
            try:
                if not self.overflowed:
                    self._sink.write(content)
                    continue
            except OSError as error:
                self.failed = error
            self._process.kill()
            return
