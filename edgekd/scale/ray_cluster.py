"""A Ray cluster for the time of some work: one that runs already, or one of this command alone."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edgekd.errors import UsageError
from edgekd.extras import require
from edgekd.process_tree import Running, descendants, kill_all
from edgekd.quiet import quiet
from edgekd.scale import cluster_guard
from edgekd.stopping import SIGNALS, postponed
from edgekd.temporary import owned_name, remove_leftovers, shared_folder
from edgekd.text import last_line

# Ray's sockets lie below its folder, and the path of one has no more bytes than this.
_SOCKET_PATH_BYTES = 103
_SOCKET = "/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store"
_numbers = itertools.count()


@contextlib.contextmanager
def connect(address: str | None) -> Iterator[None]:
    """Connect to a cluster for the block: at ``address``, or the one of this machine, or one for the block alone.

    One for the block alone listens on this machine only, connects to nothing else, and ends with its files.

    Raises: UsageError where Ray is not installed or no cluster answers.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    if "RAY_AUTH_MODE" not in os.environ and _has_token():
        # As ray start decides it; ray.init alone would knock without the token.
        os.environ["RAY_AUTH_MODE"] = "token"
    require("ray", "a Ray cluster", "ray")
    alone = starts_alone(address)
    if alone:
        # Else Ray looks for the address that other machines would see, by a socket to a server of the internet.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    import ray

    if ray.is_initialized():
        yield
        return
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(_session_folder()) if alone else None
        if alone:
            stack.callback(_shut_down, descendants())
        else:
            stack.callback(ray.shutdown)
        with quiet(), postponed(), _signals_stay():
            _join(address, folder)
        with contextlib.redirect_stdout(sys.stderr):  # Ray reports lost nodes on stdout, where results belong.
            yield


def starts_alone(address: str | None) -> bool:
    """Whether `connect` starts a cluster for its block alone: none runs here, and no other is named."""
    return address == "local" or (address is None and not _runs_here())


def _shut_down(others: Sequence[Running]) -> None:
    """End this command's own cluster with what Ray leaves running for seconds; ``others`` are no part of it."""
    import ray

    cluster = [process for process in descendants() if process not in others]
    try:
        ray.shutdown()
    finally:
        kill_all(cluster)


def _has_token() -> bool:
    named = "RAY_AUTH_TOKEN" in os.environ or "RAY_AUTH_TOKEN_PATH" in os.environ
    return named or (Path.home() / ".ray" / "auth_token").is_file()


def _runs_here() -> bool:
    """Whether a cluster answers at the address that the environment or the last ``ray start`` of this machine gives.

    Ray would wait minutes for one that is gone.
    """
    if "RAY_ADDRESS" in os.environ:
        return True
    folder = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"  # noqa: S108  Ray's own places
    try:
        text = (Path(folder) / "ray" / "ray_current_cluster").read_text(encoding="utf-8")
        host, _, port = text.strip().rpartition(":")
        with socket.create_connection((host, int(port)), timeout=3):
            return True
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def _session_folder() -> Iterator[Path]:
    """A folder for a cluster's logs and sockets, which go with it; what killed commands left goes too."""
    # Another one for each cluster of a process: the guard of the last one may still look at its folder.
    parent, name = shared_folder(), f"{owned_name('ray')}{next(_numbers)}"
    if len(os.fsencode(parent / name)) + len(_SOCKET) > _SOCKET_PATH_BYTES:
        parent = Path("/tmp")  # noqa: S108  as Ray does
    remove_leftovers(parent)
    folder = parent / name
    folder.mkdir(mode=0o700)
    try:
        with _guarded(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _guarded(folder: Path) -> Iterator[None]:
    """Have what uses ``folder`` ended with this process, by SIGKILL too, and after the block (Linux; elsewhere not)."""
    if not Path("/proc/self/fd").is_dir():
        yield
        return
    words = [sys.executable, "-I", cluster_guard.__file__, str(folder), str(os.getpid())]
    null = subprocess.DEVNULL
    guard = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=null, stderr=null)  # noqa: S603  no shell
    try:
        # It has gone on without its parent, so that it is no child of this process.
        guard.wait()
        yield
    finally:
        assert guard.stdin is not None
        guard.stdin.close()


@contextlib.contextmanager
def _signals_stay() -> Iterator[None]:
    """Leave the signals to this process: Ray would end it by SIGTERM with another exit code and a stack of its own."""
    import ray._private.utils as ray_utils

    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    original, ray_utils.set_sigterm_handler = ray_utils.set_sigterm_handler, lambda _: None
    try:
        yield
    finally:
        ray_utils.set_sigterm_handler = original
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                # Set again also where Python knows of no change: Ray's C++ code has put its own before it.
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _join(address: str | None, folder: Path | None) -> None:
    """Connect to the cluster at ``address``; with a ``folder``, start one whose files lie there."""
    import ray

    options: dict[str, Any] = {
        "address": address if folder is None else "local", "log_to_driver": False, "logging_level": logging.ERROR,
        "runtime_env": {"env_vars": worker_environment()},
    }  # fmt: skip
    try:
        if folder is not None:
            with _without_dashboard():
                ray.init(**options, include_dashboard=False, _temp_dir=str(folder))
        else:
            ray.init(**options)
    except (ValueError, ConnectionError) as error:
        raise UsageError(
            f"no Ray cluster answers at {address or 'this machine'}: {last_line(error)}. Start one: ray start --head"
        ) from None


@contextlib.contextmanager
def _without_dashboard() -> Iterator[None]:
    """Start a cluster without the process that asks the addresses of three clouds who runs this machine."""
    from ray._private.node import Node

    original = Node.start_api_server
    Node.start_api_server = lambda *_, **__: None
    try:
        yield
    finally:
        Node.start_api_server = original


def threads() -> int:
    """Threads that TensorFlow divides an operation among in this process."""
    return int(os.environ.get("TF_NUM_INTRAOP_THREADS") or len(os.sched_getaffinity(0)))


def worker_environment() -> dict[str, str]:
    """Environment in which workers compute the same numbers as this process: Ray would set other threads."""
    inherited = {name: os.environ[name] for name in ("OMP_NUM_THREADS", "PYTHONPATH") if name in os.environ}
    return {"OMP_NUM_THREADS": str(len(os.sched_getaffinity(0))), **inherited, "TF_NUM_INTRAOP_THREADS": str(threads())}
