"""Ray's workers: Ray Data calls the work, spreads it over a cluster's nodes, and calls it again where one is lost."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekd import errors
from edgekd.errors import EdgekdError, RunError, UsageError
from edgekd.quiet import quiet
from edgekd.scale.workers import Opener, Told, Work
from edgekd.text import last_line

_MOST_BLOCKS = 4096
"""Blocks that Ray is asked to keep in mind; of more shards than that, several share one."""


@dataclass(frozen=True)
class RayWorkers:
    """Actors of a cluster, each of which opens the work once. ``address`` as ``ray.init`` takes it.

    None: a cluster that was started on this machine, or else one that is started now and ended with the work.
    An actor takes a GPU where the cluster has any. Else it takes as many CPUs as TensorFlow has threads here: the
    order in which floats are added depends on that number, so that only the same number gives the same bytes.
    """

    address: str | None = None

    def each(self, opened: Opener, numbers: Sequence[int]) -> Iterator[tuple[int, Told]]:
        """Do every piece; gives number and what was told as they are done, in any order.

        Raises: the work's own EdgekdError; RunError where Ray gives up.
        """
        if not len(numbers):
            return
        with connected(self.address), plainly_told():
            import ray

            room = resources(len(numbers))
            rows = (
                ray.data.from_items(list(numbers), override_num_blocks=min(len(numbers), _MOST_BLOCKS))
                .map_batches(_Actor, fn_constructor_args=(opened,), batch_size=1, **room)
                .iter_rows()
            )
            for row in rows:
                if row["error"]:
                    raise _raised(**json.loads(row["error"]))
                yield int(row["number"]), json.loads(row["told"])


class _Actor:
    """Opens the work once, and does the pieces that it is given."""

    def __init__(self, opened: Opener) -> None:
        self._opened = opened
        self._work: Work | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        (number,) = (int(value) for value in batch["item"])
        try:
            if self._work is None:
                self._work = self._opened()
            told, error = self._work(number), ""
        except EdgekdError as failed:
            # Said in so many words: of an actor that raises, Ray tells a page.
            told, error = {}, _worded(failed)
        except Exception as failed:
            told, error = {}, _worded(RunError(f"a worker of Ray failed at piece {number}: {failed!r}"))
        return {"number": [number], "told": [json.dumps(told)], "error": [error]}


def _worded(error: EdgekdError) -> str:
    return json.dumps({"kind": type(error).__name__, "message": str(error)})


def _raised(kind: str, message: str) -> EdgekdError:
    """The error that a worker told of, of the same kind."""
    found = getattr(errors, kind, None)
    if isinstance(found, type) and issubclass(found, EdgekdError):
        return found(message)
    return RunError(message)


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Be connected to a cluster. Raises UsageError where Ray is not installed or no cluster answers."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    if "RAY_AUTH_MODE" not in os.environ and _has_token():
        # As ray start decides it; ray.init alone would knock without the token.
        os.environ["RAY_AUTH_MODE"] = "token"
    try:
        import ray
    except ImportError:
        raise UsageError("--ray needs Ray. Install it: pip install 'edgekd[ray]'") from None
    if ray.is_initialized():
        yield
        return
    with quiet():
        _join(address)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # Ray tells of lost nodes there where results belong.
            yield
    finally:
        ray.shutdown()


def _has_token() -> bool:
    named = "RAY_AUTH_TOKEN" in os.environ or "RAY_AUTH_TOKEN_PATH" in os.environ
    return named or (Path.home() / ".ray" / "auth_token").is_file()


def _own_if_gone() -> str | None:
    """``local`` where a cluster of this machine has left its address but nothing listens there any more.

    Ray would wait minutes for it.
    """
    noted = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray" / "ray_current_cluster"  # noqa: S108  Ray's own place
    if "RAY_ADDRESS" in os.environ or not noted.is_file():
        return None
    host, _, port = noted.read_text(encoding="utf-8").strip().rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=3):
            return None
    except (OSError, ValueError):
        return "local"


def _join(address: str | None) -> None:
    import ray

    said: dict[str, Any] = {
        "address": address or _own_if_gone(), "log_to_driver": False, "logging_level": logging.ERROR,
        "runtime_env": {"env_vars": worker_environment()},
    }  # fmt: skip
    try:
        try:
            ray.init(**said, include_dashboard=False)
        except ValueError:  # A cluster that runs already is told nothing of dashboards.
            ray.init(**said)
    except (ValueError, ConnectionError) as error:
        raise UsageError(
            f"no Ray cluster answers at {address or 'this machine'}: {last_line(error)}. Start one: ray start --head"
        ) from None


def threads() -> int:
    """Threads that TensorFlow divides an operation among in this process."""
    return int(os.environ.get("TF_NUM_INTRAOP_THREADS") or len(os.sched_getaffinity(0)))


def worker_environment() -> dict[str, str]:
    """What workers of the same numbers as this process need: Ray would set other threads."""
    own = {name: os.environ[name] for name in ("OMP_NUM_THREADS", "PYTHONPATH") if name in os.environ}
    return {"OMP_NUM_THREADS": str(len(os.sched_getaffinity(0))), **own, "TF_NUM_INTRAOP_THREADS": str(threads())}


def resources(pieces: int) -> dict[str, Any]:
    """Resources of an actor, and how many there are."""
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = int(sum(node.get("GPU", 0) for node in nodes))
    if gpus:
        return {"num_gpus": 1, "concurrency": min(pieces, gpus)}
    cpus = max(1, min(threads(), int(min((n["CPU"] for n in nodes if n.get("CPU")), default=1))))
    actors = sum(int(node.get("CPU", 0)) // cpus for node in nodes)
    return {"num_cpus": cpus, "concurrency": max(1, min(pieces, actors))}


@contextlib.contextmanager
def plainly_told() -> Iterator[None]:
    """No progress bars, and Ray's last word as a RunError."""
    import ray
    import ray.data

    ray.data.DataContext.get_current().enable_progress_bars = False
    for name in ("ray.data", "ray"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    except ray.exceptions.RayError as error:
        raise RunError(
            f"Ray gave up: {last_line(error)}. What was computed is kept; the same command goes on"
        ) from error
