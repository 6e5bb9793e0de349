"""What slices cost by shapes alone, and how much of each block survives: held against built slices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest

from edgekd.models import efficientnet_lite
from edgekd.students import cnn
from edgekd.students.build import build_student
from edgekd.students.cost import cnn_cost, shape_of
from edgekd.students.narrow import narrow, width_at
from edgekd.students.spec import parse_student
from edgekd.students.survival import block_losses, eliminated_losses


@pytest.fixture(scope="module")
def network() -> Any:
    return efficientnet_lite.build(64, 3)


@pytest.mark.parametrize(
    ("student", "widths"),
    [
        ("slice:4@96", {}),
        ("slice:6-3x0.5/1/0.25@64", {2: 48, 3: 0, 4: 144, 5: 64, 6: 64}),
    ],
)
def test_costs_by_shapes_are_those_of_the_built_slice(network: Any, student: str, widths: dict[int, int]) -> None:
    spec = parse_student(student)
    assert spec.input_size is not None
    built = build_student(spec, network, 3, allow_larger=True, shapes_only=True)
    cost = shape_of(network, spec.input_size).cost(int(spec.argument), 3, widths)
    assert cost.parameters == built.count_params()
    # The peak of a slice counts what a skip connection holds.
    assert replace(cost, peak=0) == replace(cnn_cost(built), peak=0)
    assert cost.peak >= cnn_cost(built).peak


def test_a_cnn_of_known_cost() -> None:
    cost = cnn_cost(cnn.build(8, 64, 3))
    assert cost.parameters == cnn.build(8, 64, 3).count_params()
    # The stem: 3 x 3 x 3 x 8 at 32 x 32.
    assert cost.macs > 27 * 8 * 32 * 32


def test_losses_are_those_of_least_squares() -> None:
    rng = np.random.default_rng(3)
    rows = np.c_[rng.normal(size=(400, 24)), np.ones(400)]
    goal = rows @ np.r_[np.linspace(0.01, 0.5, 16), np.linspace(2, 3, 8), 1][:, None]
    losses = eliminated_losses(rows.T @ rows / 400, rows.T @ goal / 400)
    assert losses[24] == 0 and (np.diff(losses) <= 1e-12).all()
    # With eight maps left, the best of them by size are the last; what they can't explain is what is lost.
    _, residual, *_ = np.linalg.lstsq(rows[:, 16:], goal, rcond=None)
    assert losses[8] == pytest.approx(residual.sum() / 400, rel=0.05)


def test_what_survives_of_a_block_is_what_narrowing_keeps(network: Any) -> None:
    small = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 3)).astype(np.float32)
    photos = np.asarray(keras.ops.image.resize(small, (64, 64), interpolation="bilinear")).astype(np.uint8)
    whole = keras.Model(network.inputs, network.get_layer("block02_add").output, name="body")
    losses = block_losses(whole, photos)["block01_depthwise"]
    assert len(losses) == 97 and losses[96] == pytest.approx(0, abs=1e-3)
    first = keras.Model(network.inputs, network.get_layer("block01_project_bn").output, name="first")
    expected = np.asarray(first(photos.astype(np.float32)))
    got = np.asarray(narrow(first, first, [0.25], photos)(photos.astype(np.float32)))
    lost = ((got - expected) ** 2).sum() / ((expected - expected.mean(axis=(0, 1, 2))) ** 2).sum()
    assert losses[width_at(96, 0.25)] == pytest.approx(lost, rel=0.5)
