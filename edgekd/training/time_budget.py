"""How long a training takes: a few steps are measured, the whole is predicted, and what fits a time follows.

For everything that is bounded by minutes: ``measure_pace`` on the model and the batches that are to be trained with,
then ``Pace.seconds`` of a plan, or ``Pace.epochs_within`` a number of seconds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from edgekd.training.batches import BatchStream
from edgekd.training.checkpoint import assign, copy_values
from edgekd.training.loop import Loss, Validation, logits_of, step_function

_MEASURED_STEPS = 4
# An epoch also copies and stores the weights, which is not measured: a share of its steps, and more than it needs.
_STORE_SHARE = 0.03


@dataclass(frozen=True)
class Pace:
    """Seconds of an optimizer step and of judging an epoch on the validation photos, as this machine has them now."""

    step_s: float
    judge_s: float

    def seconds(self, epochs: int, steps_per_epoch: int) -> float:
        """Predicted seconds of a training."""
        return epochs * (steps_per_epoch * self.step_s * (1 + _STORE_SHARE) + self.judge_s)

    def epochs_within(self, seconds: float, steps_per_epoch: int) -> int:
        """The most epochs that are predicted to end in that time; 0 where not even one is."""
        return max(0, int(seconds / self.seconds(1, steps_per_epoch)))


def measure_pace(model: Any, loss: Loss, stream: BatchStream, validation: Validation, *, tapped: Any = None) -> Pace:
    """Train a few steps, judge once, and put the weights back as they were.

    The first step is not counted: TensorFlow traces the function in it. Of the others the median counts, so that one
    that another program delayed does not.

    Args:
        model: What is to be trained: pixels 0..255 to logits.
        loss: What it is to be trained by.
        stream: Its batches.
        validation: The photos that judge every epoch.
        tapped: As for `edgekd.training.loop.train`.
    """
    import keras

    learner = model if tapped is None else tapped
    before = copy_values(learner.variables)
    optimizer = keras.optimizers.AdamW(0.0)
    optimizer.build(learner.trainable_variables)
    step, seconds = step_function(learner, loss, optimizer), []
    for batch in stream.range(0, _MEASURED_STEPS):
        started = time.perf_counter()
        float(step(batch))
        seconds.append(time.perf_counter() - started)
    assign(learner.variables, before)
    judged = 0.0
    if len(validation.labels):
        logits_of(model, validation.images[:1])
        started = time.perf_counter()
        logits_of(model, validation.images)
        judged = time.perf_counter() - started
    return Pace(sorted(seconds[1:])[len(seconds[1:]) // 2], judged)


def describe_duration(seconds: float) -> str:
    """A predicted time in words, with no more digits than a prediction has: "about 40 s", "about 6 minutes"."""
    if seconds < 90:
        step = 1 if seconds < 10 else 5
        return f"about {max(1, round(seconds / step) * step)} s"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} minutes"
    return f"about {seconds / 3600:.1f} hours"
