"""Executors for independent pieces of work (in this process or Ray); the results are byte-identical."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NotRequired, Protocol, TypedDict, TypeVar


class PieceRecord(TypedDict):
    """What a finished piece of work reports: its photos, its seconds, and how many of these the teacher computed.

    ``classes`` counts the photos by the class that the teacher predicts, where the work counts them.
    """

    photos: int
    seconds: float
    teacher_s: float
    classes: NotRequired[list[int]]


Work = Callable[[int], PieceRecord]
"""Does the piece of a number. Doing it again does no harm."""
Opener = Callable[[], Work]
"""Loads what the work needs, once a worker; it is pickled, so a frozen dataclass rather than a closure."""

Task = TypeVar("Task")
TaskOpener = Callable[[], Callable[[Task], Any]]
"""Loads what tasks need, and gives what does one: its result is a JSON-able value. Pickled, as an `Opener` is."""

Report = Callable[[int, float], None]
"""Called with the epoch of a training, from 1, and its score: more is better."""
Trial = Callable[[int, Report], None]
"""One whole training, by its number; its result is what it wrote."""


class Workers(Protocol):
    """Does pieces of work by their numbers, and tasks that are decided on while others are done."""

    def each(self, opener: Opener, numbers: Sequence[int]) -> Iterator[tuple[int, PieceRecord]]:
        """Do every piece; yields its number and record as they finish, in any order. Raises what the work raises."""

    def stream(self, opener: TaskOpener[Task], tasks: Iterable[Task]) -> Iterator[tuple[Task, Any]]:
        """Do tasks, each of which is asked for when a worker is free; yields it and its result, in any order.

        Raises what the work raises.
        """

    def session(self) -> AbstractContextManager[None]:
        """Keep the workers for the block, so that they are not started for every round of work in it."""

    def require_visible(self, folder: Path, places: Sequence[Path]) -> None:
        """Raise UsageError where a worker does not see what this process sees.

        Args:
            folder: Is read and written by workers.
            places: Files and folders that they read.
        """


class Here:
    """This process, one piece after the other."""

    def each(self, opener: Opener, numbers: Sequence[int]) -> Iterator[tuple[int, PieceRecord]]:
        """Do every piece in order; without pieces the work is not opened."""
        work = opener() if len(numbers) else None
        for number in numbers:
            assert work is not None
            yield number, work(number)

    def stream(self, opener: TaskOpener[Task], tasks: Iterable[Task]) -> Iterator[tuple[Task, Any]]:
        """Do every task in order; without tasks the work is not opened."""
        work = None
        for task in tasks:
            work = work or opener()
            yield task, work(task)

    def session(self) -> AbstractContextManager[None]:
        """Nothing is to be kept."""
        return contextlib.nullcontext()

    def require_visible(self, folder: Path, places: Sequence[Path]) -> None:
        """This process sees what it sees."""


class Trials(Protocol):
    """Does several trainings at once."""

    def all(self, trial: Trial, count: int, *, epochs: int, folder: Path) -> set[int]:
        """Do the trainings 0 to ``count`` of ``epochs`` each; returns the numbers of those that were stopped early.

        A training that failed is left to the caller. ``folder`` holds temporary files and may be removed.
        """
