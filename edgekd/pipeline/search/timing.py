"""How long a run has taken, and how long what is left of it will take: so that ``minutes`` is kept."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekd.pipeline.stage import stage_seconds
from edgekd.recipe import Recipe

_BEFORE = ("data", "teacher", "extra_targets", "soft_targets")
# Seconds of a conversion to int8 on two cores that do nothing else, and of the start of the process with its libraries.
_CONVERT_S, _START_S = 3.0, 15.0
# What follows the trainings, in conversions, which slow down with a machine as it does. Measured on two cores, idle and
# with a load of 12: an export (every kind of ranges, the other formats, the teacher in int8) 13 to 15, a check of 400
# photos 2 to 2.5, a launch beside its inferences 0.2. Those are predictions, so there is room.
_EXPORT, _CHECK, _LAUNCH = 22.0, 4.0, 0.3
_TIMED_FILES = 5
# Shapes, three conversions and one input size, which a search always looks at.
_FIRST_LOOKS_S = 50.0
# Reading a photo and rendering a view of it.
_RENDER_S = 0.004
# Of what is left for the search and the trainings, the search gets this share.
_SEARCH_SHARE = 0.4


def seconds_per_view(input_size: int, network: str) -> float:
    """What a built-in teacher takes to label a view on this machine: measured on two batches."""
    from edgekd.models import efficientnet_lite
    from edgekd.quiet import import_keras
    from edgekd.training.loop import logits_of

    import_keras()
    model = efficientnet_lite.build(input_size, 2, pretrained=False, name=network)
    images = np.zeros((32, input_size, input_size, 3), np.uint8)
    logits_of(model, images)
    started = time.monotonic()
    logits_of(model, images)
    return (time.monotonic() - started) / len(images) + _RENDER_S


def seconds_before(run: Path) -> float:
    """Seconds that the finished stages before the search took."""
    return _START_S + sum(stage_seconds(run, stage) for stage in _BEFORE)


def seconds_after(recipe: Recipe, conversion_s: float | None = None) -> float:
    """Predicted seconds of what follows the trainings: conversions (each of ``conversion_s``), check, measurement."""
    plan = recipe.bench
    one_s = conversion_s or _CONVERT_S
    bench = _TIMED_FILES * plan.launches * (plan.seconds_per_launch + _LAUNCH * one_s)
    on_device = 15.0 if recipe.student.budget and set(recipe.student.budget.limits()) & {"latency"} else 0.0
    return (_EXPORT + _CHECK) * one_s + bench + on_device


def least_seconds(recipe: Recipe) -> float:
    """What the start, the first looks of a search and all that follows the trainings take on an idle machine."""
    return _START_S + _FIRST_LOOKS_S + seconds_after(recipe) / 2


@dataclass
class Clock:
    """The time of one search. ``minutes`` None: as long as it takes.

    ``trainings_s`` are the seconds that the trainings after it need for all their epochs, once that is known.
    """

    minutes: float | None
    spent_s: float
    after_s: float
    earlier_s: float = 0.0
    trainings_s: float | None = None

    def __post_init__(self) -> None:
        self._started = time.monotonic()

    def elapsed_s(self) -> float:
        """Seconds that the search has taken, with those of earlier attempts that were killed."""
        return self.earlier_s + time.monotonic() - self._started

    @property
    def left_s(self) -> float:
        """Seconds for search and trainings, from the beginning of the search; infinite without a bound."""
        return float("inf") if self.minutes is None else 60 * self.minutes - self.spent_s - self.after_s

    def search_left_s(self) -> float:
        """Seconds that the search may still take."""
        if self.minutes is None:
            return float("inf")
        unneeded_s = 0.0 if self.trainings_s is None else self.left_s - self.trainings_s
        return max(0.0, max(_SEARCH_SHARE * self.left_s, unneeded_s) - self.elapsed_s())

    def training_s(self) -> float:
        """Seconds that are left for the trainings now."""
        return max(0.0, self.left_s - self.elapsed_s())

    def describe(self) -> str:
        """What is left, in a sentence."""
        if self.minutes is None:
            return "no bound on the time"
        search = max(0.0, _SEARCH_SHARE * self.left_s)
        return (
            f"of {self.minutes:g} minutes {self.spent_s / 60:.1f} are spent; the search may take {search / 60:.1f}, "
            f"the trainings {max(0.0, self.left_s - search) / 60:.1f}, and conversion, check and measurement need "
            f"about {self.after_s / 60:.1f}"
        )
