"""Tasks of a Ray cluster that are decided on while others are done; its worker processes stay between rounds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from edgekd.scale.worker_errors import attempt, rebuild_error
from edgekd.scale.workers import Task, TaskOpener

# How often a task of a lost worker is done again.
_TRIES = 3


def do_tasks(
    opener: TaskOpener[Task], tasks: Iterable[Task], *, most: int, room: dict[str, Any]
) -> Iterator[tuple[Task, Any]]:
    """Do tasks on the cluster that this process is connected to; yields each with its result as they finish.

    Args:
        opener: Called once in a worker process, which keeps what it gives for further tasks of an equal opener.
        tasks: The next one is asked for when fewer than ``most`` are being done.
        most: Tasks at the same time.
        room: What a task takes, as Ray's ``num_cpus`` or ``num_gpus``.

    Raises: the work's own EdgekdError; Ray's errors.
    """
    import ray
    from ray import cloudpickle

    key = hashlib.sha256(cloudpickle.dumps(opener)).hexdigest()
    shared = ray.put(opener)
    remote = ray.remote(_do).options(max_retries=_TRIES, **room)
    running: dict[Any, Task] = {}
    for task in tasks:
        running[remote.remote(key, shared, task)] = task
        if len(running) >= most:
            yield _next(running)
    while running:
        yield _next(running)


def _next(running: dict[Any, Task]) -> tuple[Task, Any]:
    """Wait for one task; it is taken out of ``running``."""
    import ray

    (done,), _ = ray.wait(list(running), num_returns=1)
    result, error = ray.get(done)
    if error:
        raise rebuild_error(error)
    return running.pop(done), json.loads(result)


_opened: dict[str, Callable[[Any], Any]] = {}


def _do(key: str, opener: TaskOpener[Task], task: Task) -> tuple[str | None, str]:
    """Do one task in a worker; gives its result as JSON, and its error as text."""

    def work() -> str:
        if key not in _opened:
            _opened.clear()
            _opened[key] = opener()
        return json.dumps(_opened[key](task))

    return attempt(work, str(task))
