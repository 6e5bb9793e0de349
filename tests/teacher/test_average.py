"""Averages of teachers, worked by hand, and the columns of members that see photos at other sizes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgekd.errors import ModelError
from edgekd.soft_targets.compute import compute_soft_targets
from edgekd.teacher.average import AverageTeacher, with_mirror_images


class Fixed:
    """Answers every image with the same logits; remembers the sizes that it saw."""

    num_classes = 2

    def __init__(self, logits: tuple[float, float], side: int = 8) -> None:
        self._row, self.input_size, self.key = np.float32(logits), (side, side), repr(logits)
        self.seen: set[tuple[int, ...]] = set()

    def logits(self, images: np.ndarray) -> np.ndarray:
        self.seen.add(images.shape[1:])
        return np.tile(self._row, (len(images), 1))


IMAGES = np.zeros((3, 8, 8, 3), np.uint8)
# Probabilities 3/4 and 1/4, and 1/2 and 1/2; the first with a constant that means nothing.
LEANING, UNDECIDED = (5 + float(np.log(3)), 5.0), (0.0, 0.0)


def probabilities(teacher: AverageTeacher) -> list[float]:
    values: list[float] = np.exp(teacher.logits(IMAGES)[0].astype(np.float64)).tolist()
    return values


def test_of_probabilities() -> None:
    teacher = AverageTeacher([Fixed(LEANING), Fixed(UNDECIDED)])
    assert probabilities(teacher) == pytest.approx([5 / 8, 3 / 8])


def test_of_logits() -> None:
    # The geometric mean: sqrt(3/8) and sqrt(1/8), made to add up to 1.
    teacher = AverageTeacher([Fixed(LEANING), Fixed(UNDECIDED)], "logits")
    assert probabilities(teacher) == pytest.approx([3**0.5 / (3**0.5 + 1), 1 / (3**0.5 + 1)])


def test_certainty_makes_no_infinity() -> None:
    teacher = AverageTeacher([Fixed((1e4, 0.0)), Fixed((0.0, 1e4))])
    assert teacher.logits(IMAGES)[0] == pytest.approx([np.log(0.5)] * 2)


def test_each_member_sees_its_own_size() -> None:
    small, large = Fixed(LEANING, 8), Fixed(UNDECIDED, 16)
    teacher = AverageTeacher([small, large])
    assert teacher.input_size == (16, 16)
    teacher.logits(np.zeros((2, 16, 16, 3), np.uint8))
    assert (small.seen, large.seen) == ({(8, 8, 3)}, {(16, 16, 3)})


def test_a_column_renders_the_views_at_each_size(tmp_path: Path) -> None:
    small, large = Fixed(LEANING, 8), Fixed(UNDECIDED, 16)

    def views_at(size: tuple[int, int]):  # type: ignore[no-untyped-def]
        def rendered(start: int, stop: int) -> Iterator[np.ndarray]:
            yield np.zeros((stop - start, 2, *size, 3), np.uint8)

        return rendered

    teacher = AverageTeacher([small, large])
    column = compute_soft_targets(tmp_path, teacher, views_at, photos=5, views=2, key="k")
    assert column.shape == (5, 2, 2)
    assert np.exp(column[np.array([4]), np.array([1])].astype(np.float32))[0] == pytest.approx([5 / 8, 3 / 8], abs=1e-3)
    assert (small.seen, large.seen) == ({(8, 8, 3)}, {(16, 16, 3)})


def test_keys_and_nothing_to_average() -> None:
    one, two = Fixed(LEANING), Fixed(UNDECIDED)
    keys = {AverageTeacher([one, two]).key, AverageTeacher([one]).key, AverageTeacher([one, two], "logits").key}
    assert len(keys) == 3
    with pytest.raises(ModelError, match="an average needs one teacher or more"):
        AverageTeacher([])


class LeftSide:
    """Its first logit is log 3 where the left column is bright, else 0; the second is 0."""

    num_classes, input_size, key = 2, (8, 8), "left"

    def logits(self, images: np.ndarray) -> np.ndarray:
        bright = images[:, :, 0].mean(axis=(1, 2)) > 100
        return np.stack([bright * np.log(3), np.zeros(len(images))], axis=1).astype(np.float32)


def test_a_view_and_its_mirror_image_are_averaged() -> None:
    image = np.zeros((1, 8, 8, 3), np.uint8)
    image[:, :, 0] = 200
    teacher = with_mirror_images(LeftSide())
    # Probabilities 3/4 and 1/4, and 1/2 and 1/2.
    assert np.exp(teacher.logits(image)[0]) == pytest.approx([5 / 8, 3 / 8])
    assert teacher.logits(image) == pytest.approx(teacher.logits(image[:, :, ::-1]))
    assert teacher.key != LeftSide.key


def test_members_of_an_average_each_see_the_mirror_image() -> None:
    image = np.zeros((1, 8, 8, 3), np.uint8)
    image[:, :, 0] = 200
    teacher = with_mirror_images(AverageTeacher([LeftSide(), Fixed(UNDECIDED)]))
    assert np.exp(teacher.logits(image)[0]) == pytest.approx([9 / 16, 7 / 16])
