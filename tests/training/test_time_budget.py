"""A few measured steps predict a training, and leave nothing behind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgekd.training.batches import BatchStream
from edgekd.training.labels import LabelsOnly
from edgekd.training.loop import Validation
from edgekd.training.schedule import StudentSchedule
from edgekd.training.time_budget import Pace, describe_duration, measure_pace

LABELS = np.array([0, 1, 2, 0], np.int64)


class Greys:
    """Four photos of one grey each."""

    views = 1

    def gather(self, sample_indices: Any, view_numbers: Any) -> Any:
        return np.stack([np.full((48, 48, 3), 60 * int(i), np.uint8) for i in sample_indices])


def test_a_measured_model_keeps_its_weights(student: Any) -> None:
    before = [value.numpy() for value in student.variables]
    stream = BatchStream(Greys(), np.arange(4), LABELS, None, batch_size=4, seed=0)
    validation = Validation(Greys().gather(np.arange(4), np.zeros(4)), LABELS)
    pace = measure_pace(student, LabelsOnly(), stream, validation)
    assert pace.step_s > 0 and pace.judge_s > 0
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, student.variables, strict=True))


def test_what_fits_a_time() -> None:
    pace = Pace(step_s=0.1, judge_s=1.0)
    epochs = pace.epochs_within(60, steps_per_epoch=10)
    assert pace.seconds(epochs, 10) <= 60 < pace.seconds(epochs + 1, 10)
    assert pace.epochs_within(1, steps_per_epoch=100) == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "about 1 s"), (43, "about 45 s"), (100, "about 2 minutes"), (9000, "about 2.5 hours")],
)
def test_durations_have_no_more_digits_than_a_prediction(seconds: float, text: str) -> None:
    assert describe_duration(seconds) == text


@pytest.mark.parametrize(("photos", "epochs"), [(200, 100), (1_400, 69), (60_000, 20)])
def test_fewer_photos_are_seen_more_often(photos: int, epochs: int) -> None:
    schedule = StudentSchedule(epochs="auto", batch_size=32)
    assert schedule.patient_epochs(photos) == epochs <= schedule.most_epochs
    assert StudentSchedule(epochs=7).patient_epochs(photos) == 7
    assert schedule.with_epochs(epochs).epochs == epochs
