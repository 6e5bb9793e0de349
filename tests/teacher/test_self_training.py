"""A teacher learns from its own confident answers where held-out photos gain, and else stays what it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest

from edgekd.teacher.labelled_views import LabelledViews
from edgekd.teacher.self_training import self_train
from edgekd.teacher.transfer import probe
from edgekd.training.loop import Validation, make_deterministic

SIDE = 8
COUNT = 12
RED, GREEN = np.array([180, 60, 0]), np.array([60, 180, 0])


def photos(labels: np.ndarray, seed: int, noise: float) -> np.ndarray:
    """Plain photos, red of class 0 and green of class 1, that noise pulls about; blue means nothing."""
    random = np.random.default_rng(seed)
    colours = np.where(labels[:, None] == 0, RED, GREEN) + random.normal(0, noise, (len(labels), 3))
    colours[:, 2] = random.integers(0, 256, len(labels))
    return np.tile(np.clip(colours, 0, 255).astype(np.uint8)[:, None, None], (1, SIDE, SIDE, 1))


LABELS = np.arange(COUNT) % 2
LABELLED, POOL = photos(LABELS, 3, 70), photos(np.arange(200) % 2, 1, 60)
HELD_OUT = np.arange(40) % 2


class Views:
    """The labelled photos as they are."""

    views = 1

    def gather(self, sample_indices: Any, view_numbers: Any) -> Any:
        return LABELLED[sample_indices]


@pytest.fixture
def model() -> Any:
    make_deterministic(0)
    image = keras.Input((SIDE, SIDE, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(image))
    network = keras.Model(image, keras.layers.Dense(2, name="logits")(pooled))
    probe(network, VIEWS, Validation(LABELLED, LABELS))
    return network


VIEWS = LabelledViews(Views(), LABELS)


def pool() -> Iterator[np.ndarray]:
    yield POOL[:150]
    yield POOL[150:]


@pytest.mark.parametrize("helps", [True, False])
def test_the_head_changes_only_where_held_out_photos_gain(model: Any, helps: bool) -> None:
    # Labels the wrong way round, by which the pool can only be worse.
    truth = HELD_OUT if helps else 1 - HELD_OUT
    validation = Validation(photos(HELD_OUT, 2, 60), truth)
    before = model.layers[-1].get_weights()
    record = self_train(model, VIEWS, np.arange(COUNT), pool(), validation)
    assert record["pool"] == 200 and 0 < record["confident"] <= 200 and record["n"] == 40
    assert record["kept"] is helps
    assert (record["after"], -record["loss_after"]) > (record["before"], -record["loss_before"]) or not helps
    assert np.array_equal(before[0], model.layers[-1].get_weights()[0]) is not helps


def test_few_validation_photos_are_not_asked(model: Any) -> None:
    validation = Validation(photos(HELD_OUT[:2], 2, 20), HELD_OUT[:2])
    record = self_train(model, VIEWS, np.arange(8), pool(), validation, groups=np.arange(COUNT))
    assert record["cross_validated"] and record["n"] == COUNT
