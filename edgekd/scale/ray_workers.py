"""Workers on a Ray cluster: Ray Data spreads the work over the nodes and repeats what a lost node was doing."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edgekd import errors
from edgekd.errors import EdgekdError, RunError
from edgekd.scale.ray_cluster import connect, threads
from edgekd.scale.workers import Opener, PieceRecord, Work
from edgekd.text import last_line

_MOST_BLOCKS = 4096
"""Most blocks that Ray keeps track of; with more shards than that, several share one."""


@dataclass(frozen=True)
class RayWorkers:
    """Actors of a cluster, each of which opens the work once. ``address`` as ``ray.init`` takes it.

    None: a cluster that runs on this machine, or else one that is started now and stopped after the work.
    An actor takes a GPU where the cluster has any. Else it takes as many CPUs as TensorFlow has threads here: the
    order in which floats are added depends on that number, so that only the same number gives the same bytes.
    """

    address: str | None = None

    def each(self, opener: Opener, numbers: Sequence[int]) -> Iterator[tuple[int, PieceRecord]]:
        """Do every piece; yields its number and record as they finish, in any order.

        Raises: the work's own EdgekdError; RunError where Ray gives up.
        """
        if not len(numbers):
            return
        with connect(self.address), plain_errors():
            import ray

            room = resources(len(numbers))
            rows = (
                ray.data.from_items(list(numbers), override_num_blocks=min(len(numbers), _MOST_BLOCKS))
                .map_batches(_Actor, fn_constructor_args=(opener,), batch_size=1, **room)
                .iter_rows()
            )
            for row in rows:
                if row["error"]:
                    raise _rebuild_error(**json.loads(row["error"]))
                yield int(row["number"]), json.loads(row["record"])


class _Actor:
    """Opens the work once, and does the pieces that it receives."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._work: Work | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        (number,) = (int(value) for value in batch["item"])
        try:
            if self._work is None:
                self._work = self._opener()
            record: PieceRecord | None = self._work(number)
            error = ""
        except EdgekdError as failed:
            # Returned as data: of an actor that raises, Ray prints a page.
            record, error = None, _describe_error(failed)
        except Exception as failed:
            record, error = None, _describe_error(RunError(f"a worker of Ray failed at piece {number}: {failed!r}"))
        return {"number": [number], "record": [json.dumps(record)], "error": [error]}


def _describe_error(error: EdgekdError) -> str:
    return json.dumps({"kind": type(error).__name__, "message": str(error)})


def _rebuild_error(kind: str, message: str) -> EdgekdError:
    """The error that a worker reported, of the same kind."""
    error_class = getattr(errors, kind, None)
    if isinstance(error_class, type) and issubclass(error_class, EdgekdError):
        return error_class(message)
    return RunError(message)


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
def plain_errors() -> Iterator[None]:
    """No progress bars, and Ray's own errors as a RunError."""
    import ray
    import ray.data

    ray.data.DataContext.get_current().enable_progress_bars = False
    for name in ("ray.data", "ray"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    except ray.exceptions.RayError as error:
        raise RunError(f"Ray gave up: {last_line(error)}. Finished shards stay; run it again to continue") from error
