"""Who does independent pieces of work. What is done, and the bytes that come of it, are the same whoever does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

Told = dict[str, Any]
"""What a piece of work says of itself when it is done: JSON-able, and small."""
Work = Callable[[int], Told]
"""Does the piece of a number. Doing it again does no harm."""
Opener = Callable[[], Work]
"""Loads what the work needs, once a worker; it is pickled, so a frozen dataclass rather than a closure."""

Report = Callable[[int, float], None]
"""Told of a training's epoch, from 1, and how good it is there: more is better."""
Trial = Callable[[int, Report], None]
"""One whole training, by its number; its result is what it wrote."""


class Workers(Protocol):
    """Those who are given the numbers of pieces."""

    def each(self, opened: Opener, numbers: Sequence[int]) -> Iterator[tuple[int, Told]]:
        """Do every piece; gives number and what was told as they are done, in any order. Raises what the work does."""


class Here:
    """This process, one piece after the other."""

    def each(self, opened: Opener, numbers: Sequence[int]) -> Iterator[tuple[int, Told]]:
        """Do every piece in order; with none to do nothing is opened."""
        work = opened() if len(numbers) else None
        for number in numbers:
            assert work is not None
            yield number, work(number)


class Trials(Protocol):
    """Those who do several trainings at once."""

    def all(self, trial: Trial, count: int, *, epochs: int, folder: Path) -> set[int]:
        """Do the trainings 0 to ``count``, of so many ``epochs``; gives the numbers of those that were stopped early.

        One that could not be done is left to whoever asked. ``folder`` is for notes and may be removed.
        """
