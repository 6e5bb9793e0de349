"""The trainings of the student that a search chooses: how long they take, and what the minutes of a run allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgekd.pipeline.context import RunContext
from edgekd.pipeline.search.timing import Clock

# Judging and saving every epoch, beside the steps themselves.
_OVERHEAD = 1.2
# A student is narrowed on so many times as many photos as a candidate.
_NARROWING = 3
_LEAST_S = 6.0


@dataclass(frozen=True)
class Trainings:
    """``count`` trainings of ``epochs`` epochs, of ``epoch_s`` seconds each, after a start of ``start_s`` seconds."""

    count: int
    epochs: int
    start_s: float
    epoch_s: float

    @property
    def total_s(self) -> float:
        """Seconds of the start and of all trainings, each with all its epochs."""
        return self.start_s + self.count * self.epochs * self.epoch_s

    def minutes_each(self, clock: Clock) -> float:
        """Minutes that each training may take, so that the run keeps its time."""
        # One epoch at least: less is no training.
        return round(max((clock.training_s() - self.start_s) / self.count, 2 * self.epoch_s, _LEAST_S) / 60, 2)

    def describe(self, clock: Clock, minutes_each: float) -> str:
        """What the minutes of each training are used for, and when the run ends where they are not all needed."""
        assert clock.minutes is not None
        start = f"about {self.start_s / 60:.1f} minutes for its start"
        each = f"for each of {self.count} trainings" if self.count > 1 else "for its training"
        needed = self.epochs * self.epoch_s / 60
        if not needed or needed >= minutes_each:
            return f"{start}, {minutes_each:g} {each}"
        end = clock.minutes - self.count * (minutes_each - needed)
        epochs = f"all {self.epochs} epochs" if self.epochs > 1 else "one epoch"
        return (
            f"{start}, {needed:.1f} {each}: {epochs} of distill.schedule. The run ends after about {max(1, end):.0f} "
            f"of {clock.minutes:g} minutes"
        )


def predict_trainings(context: RunContext, trials: Sequence[Mapping[str, float]]) -> Trainings:
    """Predict the trainings of a candidate from its short ones; without any, nothing is known of their seconds."""
    recipe, photos = context.recipe, len(context.pool.samples)
    count = recipe.seeds * (1 if context.label_free else 2)
    epochs = recipe.distill.schedule.patient_epochs(photos)
    if not trials:
        return Trainings(count, epochs, 0.0, 0.0)
    views_s = max(trial["view_s"] for trial in trials) * photos * recipe.data.views.views
    start_s = views_s + _NARROWING * recipe.seeds * trials[0]["built_s"]
    return Trainings(
        count, epochs, start_s, recipe.distill.schedule.steps_per_epoch(photos) * trials[-1]["step_s"] * _OVERHEAD
    )
