"""Workers on a Ray cluster: Ray Data spreads the work over the nodes and repeats what a lost node was doing."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekd.errors import RunError
from edgekd.scale.ray_cluster import connect, starts_alone, threads
from edgekd.scale.ray_tasks import do_tasks
from edgekd.scale.ray_visible import find_blind_nodes
from edgekd.scale.worker_errors import attempt, rebuild_error
from edgekd.scale.workers import Opener, PieceRecord, Task, TaskOpener, Work
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
                    raise rebuild_error(row["error"])
                yield int(row["number"]), json.loads(row["record"])

    def stream(self, opener: TaskOpener[Task], tasks: Iterable[Task]) -> Iterator[tuple[Task, Any]]:
        """Do tasks, as many at once as there is room for; a lost worker's are done again by another.

        Raises: the work's own EdgekdError; RunError where Ray gives up.
        """
        with connect(self.address), plain_errors():
            room = resources(_MOST_BLOCKS)
            most = room.pop("concurrency")
            yield from do_tasks(opener, tasks, most=most, room=room)

    def session(self) -> AbstractContextManager[None]:
        """One connection, and where the cluster is this command's alone one cluster, for the block."""
        return connect(self.address)

    def require_visible(self, folder: Path, places: Sequence[Path]) -> None:
        """Ask every node of a cluster that others started. Raises UsageError naming what a node does not see."""
        if starts_alone(self.address):
            return
        with connect(self.address), plain_errors():
            find_blind_nodes(folder, places)


class _Actor:
    """Opens the work once, and does the pieces that it receives."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._work: Work | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        (number,) = (int(value) for value in batch["item"])
        record, error = attempt(lambda: self._do(number), f"piece {number}")
        return {"number": [number], "record": [json.dumps(record)], "error": [error]}

    def _do(self, number: int) -> PieceRecord:
        if self._work is None:
            self._work = self._opener()
        return self._work(number)


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
        raise RunError(f"Ray gave up: {last_line(error)}. What is finished stays; run it again to continue") from error
