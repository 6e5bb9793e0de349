"""A Ray cluster for the time of some work: one that runs already, or one of this command alone."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgekd.errors import UsageError
from edgekd.extras import require
from edgekd.quiet import quiet
from edgekd.text import last_line


@contextlib.contextmanager
def connect(address: str | None) -> Iterator[None]:
    """Connect to a cluster for the block. Raises UsageError where Ray is not installed or no cluster answers."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    if "RAY_AUTH_MODE" not in os.environ and _has_token():
        # As ray start decides it; ray.init alone would knock without the token.
        os.environ["RAY_AUTH_MODE"] = "token"
    require("ray", "a Ray cluster", "ray")
    import ray

    if ray.is_initialized():
        yield
        return
    with quiet():
        _join(address)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # Ray reports lost nodes on stdout, where results belong.
            yield
    finally:
        ray.shutdown()


def _has_token() -> bool:
    named = "RAY_AUTH_TOKEN" in os.environ or "RAY_AUTH_TOKEN_PATH" in os.environ
    return named or (Path.home() / ".ray" / "auth_token").is_file()


def _local_if_gone() -> str | None:
    """``local`` where a cluster of this machine left its address but nothing listens there any more.

    Ray would wait minutes for it.
    """
    address_file = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray" / "ray_current_cluster"  # noqa: S108  Ray's own place
    if "RAY_ADDRESS" in os.environ or not address_file.is_file():
        return None
    host, _, port = address_file.read_text(encoding="utf-8").strip().rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=3):
            return None
    except (OSError, ValueError):
        return "local"


def _join(address: str | None) -> None:
    import ray

    options: dict[str, Any] = {
        "address": address or _local_if_gone(), "log_to_driver": False, "logging_level": logging.ERROR,
        "runtime_env": {"env_vars": worker_environment()},
    }  # fmt: skip
    try:
        try:
            ray.init(**options, include_dashboard=False)
        except ValueError:  # A running cluster refuses the dashboard option.
            ray.init(**options)
    except (ValueError, ConnectionError) as error:
        raise UsageError(
            f"no Ray cluster answers at {address or 'this machine'}: {last_line(error)}. Start one: ray start --head"
        ) from None


def threads() -> int:
    """Threads that TensorFlow divides an operation among in this process."""
    return int(os.environ.get("TF_NUM_INTRAOP_THREADS") or len(os.sched_getaffinity(0)))


def worker_environment() -> dict[str, str]:
    """Environment in which workers compute the same numbers as this process: Ray would set other threads."""
    inherited = {name: os.environ[name] for name in ("OMP_NUM_THREADS", "PYTHONPATH") if name in os.environ}
    return {"OMP_NUM_THREADS": str(len(os.sched_getaffinity(0))), **inherited, "TF_NUM_INTRAOP_THREADS": str(threads())}
