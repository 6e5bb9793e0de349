"""Labels in another order than the outputs are found, and predictions at chance; a weak model is not blamed."""

from __future__ import annotations

import numpy as np
import pytest

from edgekd.evaluation.label_order import LabelOrder, check_label_order

CLASSES = ("green", "red", "yellow")


def check(truth: list[int], predictions: list[int], classes: int = 3) -> LabelOrder | None:
    return check_label_order(np.array(truth), np.array(predictions), classes)


def test_a_rotated_order_is_named_in_the_order_of_the_outputs() -> None:
    # The outputs are red, yellow, green, and the file calls them green, red, yellow.
    truth = [0, 1, 2] * 8
    order = check(truth, [{0: 2, 1: 0, 2: 1}[label] for label in truth])
    assert order is not None and not order.fits
    assert order.permutation == (1, 2, 0)
    assert (order.score, order.permuted_score) == (0.0, 1.0)
    assert "--classes red,yellow,green" in order.describe(CLASSES, CLASSES)
    # The same file whose own order of labels is another than the data's.
    assert "--classes green,red,yellow" in order.describe(("yellow", "green", "red"), CLASSES)


def test_two_swapped_labels_of_many_are_found() -> None:
    truth = [label for label in range(40) for _ in range(10)]
    order = check(truth, [{3: 7, 7: 3}.get(label, label) for label in truth], 40)
    assert order is not None and order.permutation is not None and not order.fits
    assert [i for i, meant in enumerate(order.permutation) if meant != i] == [3, 7]
    assert order.score == pytest.approx(0.95)


@pytest.mark.parametrize("accuracy", [0.45, 0.6, 0.9])
def test_a_model_that_makes_mistakes_is_not_blamed(accuracy: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        truth = rng.integers(0, 3, 60)
        wrong = (truth + rng.integers(1, 3, 60)) % 3
        order = check_label_order(truth, np.where(rng.random(60) < accuracy, truth, wrong), 3)
        assert order is not None and order.permutation is None


@pytest.mark.parametrize(("classes", "each"), [(2, 5), (3, 4), (4, 3), (10, 3), (50, 3)])
def test_few_photos_a_class_raise_no_false_alarm(classes: int, each: int) -> None:
    rng, truth, alarms, permuted = np.random.default_rng(1), np.repeat(np.arange(classes), each), 0, 0
    for _ in range(60):
        # A third of the way from chance to all right, and pure chance, which no permutation explains.
        wrong = (truth + rng.integers(1, classes, len(truth))) % classes
        weak = np.where(rng.random(len(truth)) < 1 / classes + (1 - 1 / classes) / 3, truth, wrong)
        order = check_label_order(truth, weak, classes)
        alarms += order is None or not order.fits
        order = check_label_order(truth, rng.integers(0, classes, len(truth)), classes)
        permuted += order is None or order.permutation is not None
    assert alarms <= 5 and permuted == 0


@pytest.mark.parametrize(("classes", "each"), [(2, 5), (3, 4), (4, 3), (10, 3), (50, 3)])
def test_a_rotation_shows_on_few_photos_too(classes: int, each: int) -> None:
    truth = np.repeat(np.arange(classes), each)
    order = check_label_order(truth, (truth + 1) % classes, classes)
    assert order is not None and order.permutation == tuple((i - 1) % classes for i in range(classes))
    assert "Set it to c0" in order.describe(
        tuple(f"c{(i + 1) % classes}" for i in range(classes)),
        tuple(f"c{i}" for i in range(classes)),
        "Set it to {order}",
    )


def test_chance_needs_enough_photos_to_be_shown() -> None:
    # Three of twelve right, of four classes: a model that is right half the time does so in one of 14.
    truth, predictions = np.repeat(np.arange(4), 3), np.array([0, 1, 2, 1, 0, 2, 2, 3, 0, 0, 1, 2])
    order = check_label_order(truth, predictions, 4)
    assert order is not None and order.fits and order.score == order.chance
    order = check_label_order(np.repeat(truth, 3), np.repeat(predictions, 3), 4)
    assert order is not None and not order.fits
    # One photo of another class that is missed does not make a model one that predicts the same for all.
    order = check_label_order(np.array([0] * 20 + [1]), np.zeros(21, np.int64), 2)
    assert order is not None and order.fits and order.score == order.chance


def test_one_class_for_every_photo_is_at_chance() -> None:
    order = check([0] * 18 + [1] * 6, [0] * 24, 2)
    assert order is not None and not order.fits and order.permutation is None
    assert "not above chance (50.0%)" in order.describe(("a", "b"), ("a", "b"))


def test_too_few_photos_or_one_class_are_not_judged() -> None:
    assert check([0, 1, 2] * 3, [1, 2, 0] * 3) is None
    assert check([0] * 30, [1] * 30) is None
    # A class without photos takes no part in the mean.
    order = check([0, 1] * 10, [0, 1] * 10)
    assert order is not None and order.fits and order.chance == 0.5
