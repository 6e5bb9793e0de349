"""Takes looks by the workers of a run, and records each at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from edgekd.pipeline.search.looks import Look, LookInputs, LooksJob, LookTaker
from edgekd.pipeline.search.record import Record
from edgekd.scale.workers import Here, TaskOpener

SomeLook = TypeVar("SomeLook", bound=Look)


def take_looks(looks: Iterable[SomeLook], inputs: LookInputs, record: Record, most: int) -> dict[SomeLook, Any]:
    """Results of looks: those of the record as they are, others by the workers of the run's workspace.

    Args:
        looks: Each is asked for when a worker is free; whether there is time for it may be decided then.
        inputs: Of this process.
        record: Receives each result as soon as it is there.
        most: How many looks there may be, for the progress.
    """
    workspace = inputs.context.workspace
    taken: dict[SomeLook, Any] = {}

    def missing() -> Iterator[SomeLook]:
        for look in looks:
            if record.has(look.name):
                taken[look] = record.result(look.name)
            else:
                yield look

    for look, result in workspace.workers.stream(_opener(inputs), missing()):
        taken[look] = record.keep(look.name, result)
        workspace.watcher.progress(len(taken), most)
    return taken


def _opener(inputs: LookInputs) -> TaskOpener[Look]:
    """What takes looks: with what is loaded here, or with what a worker loads."""
    context = inputs.context
    if isinstance(context.workspace.workers, Here):
        return lambda: LookTaker(inputs)
    return LooksJob(context.recipe, context.path.absolute(), inputs.directory.absolute())
