"""Commands and scripts without the seconds in which TensorFlow is imported: see ``clients/warm_server.py``.

For tests of what one does. How it begins and ends as a process of its own is tested with one of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

SERVER = Path(__file__).parent / "clients" / "warm_server.py"


class _Server:
    """The process that forks; started by the first command of a test process, ended with that."""

    def __init__(self) -> None:
        self.lock, self._process = threading.Lock(), None

    def ask(self, request: Mapping[str, object], timeout: float) -> int:
        """The return code of a command."""
        if self._process is None:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            self._process = subprocess.Popen([sys.executable, str(SERVER)], text=True, start_new_session=True, **pipes)
        process = self._process
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], timeout)[0]:
            self._process = None
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(list(map(str, request["argv"])), timeout)
        answer = process.stdout.readline()
        assert answer, "the process that does the commands has ended"
        return int(answer)


_SERVER = _Server()


def edgekd(
    *arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None, timeout: float = 600
) -> subprocess.CompletedProcess[str]:
    """What ``python -m edgekd`` does, prints and returns."""
    return _ask({}, arguments, cwd, env, timeout)


def script(
    path: Path, *arguments: str | Path, env: Mapping[str, str] | None = None, timeout: float = 600
) -> subprocess.CompletedProcess[str]:
    """What ``python PATH`` does, prints and returns."""
    return _ask({"script": str(path.resolve())}, arguments, None, env, timeout)


def _ask(
    request: Mapping[str, object],
    arguments: Sequence[str | Path],
    cwd: Path | None,
    env: Mapping[str, str] | None,
    timeout: float,
) -> subprocess.CompletedProcess[str]:
    argv = [str(word) for word in arguments]
    with tempfile.TemporaryDirectory() as folder, _SERVER.lock:
        out, err = Path(folder) / "out", Path(folder) / "err"
        environment = dict(os.environ if env is None else env)
        places = {"cwd": str(cwd or Path.cwd()), "out": str(out), "err": str(err)}
        code = _SERVER.ask({**request, "argv": argv, "environment": environment, **places}, timeout)
        return subprocess.CompletedProcess(argv, code, *(path.read_text(encoding="utf-8") for path in (out, err)))
