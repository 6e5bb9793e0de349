"""The search's arithmetic: designs that fill a budget, costs that are predicted, what is recorded, the time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekd.data.dataset import Sample
from edgekd.pipeline.search.candidates import Design, designs_at, ends_of_stages, rank, smallest_at
from edgekd.pipeline.search.costing import best_first, chance_of
from edgekd.pipeline.search.predict import Measured, Predictor, excess
from edgekd.pipeline.search.quality import ProbePhotos, expected_score, labels_from
from edgekd.pipeline.search.record import Record
from edgekd.pipeline.search.timing import Clock
from edgekd.pipeline.search.trainings import Trainings
from edgekd.students.cost import Cost, Layer, NetworkShape, Part


def layer(inputs: int, outputs: int, places: int = 64) -> Layer:
    return Layer("conv", 1, inputs, outputs, places, places, False)


def block(number: int, channels: int, outputs: int, hidden: int, *, skipped: bool) -> Part:
    narrowed = ((layer(channels, hidden), "out"), (layer(hidden, outputs), "in"))
    return Part(number, (), narrowed, hidden=hidden, skipped=skipped, outputs=outputs)


# Two stages of two blocks each; the second block of a stage can be left out.
SHAPE = NetworkShape(
    64,
    (
        Part(0, (layer(3, 16),), outputs=16),
        block(1, 16, 24, 96, skipped=False),
        block(2, 24, 24, 144, skipped=True),
        block(3, 24, 40, 144, skipped=False),
        block(4, 40, 40, 240, skipped=True),
    ),
)
# Every second block says little.
LOSSES = {
    number: (0.02 if number % 2 == 0 else 0.5) * np.linspace(1, 0, hidden + 1) ** 2
    for number, hidden in ((1, 96), (2, 144), (3, 144), (4, 240))
}


def test_a_budget_is_filled_and_goes_where_it_matters() -> None:
    whole = SHAPE.cost(4, 3).parameters
    for share in (0.3, 0.5, 0.8):
        predictor = Predictor({"parameters": share * whole})
        designs = designs_at(SHAPE, 4, 3, LOSSES, predictor.price, predictor.fits)
        best = max(designs, key=lambda design: design.survives)
        assert all(design.cost.parameters <= share * whole for design in designs)
        # The best one is at least as good as one share for all, and uses most of the budget.
        assert best.survives >= max(design.survives for design in designs)
        assert best.cost.parameters > 0.95 * share * whole
    assert len({design.student for design in designs}) == len(designs)


def test_a_block_that_says_little_is_left_out_first() -> None:
    predictor = Predictor({"parameters": 0.25 * SHAPE.cost(4, 3).parameters})
    designs = designs_at(SHAPE, 4, 3, LOSSES, predictor.price, predictor.fits)
    best = max(designs, key=lambda design: design.survives)
    assert best.student.startswith("slice:3-2")


def test_nothing_fits_a_tiny_budget_and_the_smallest_is_known() -> None:
    predictor = Predictor({"parameters": 10})
    assert designs_at(SHAPE, 4, 3, LOSSES, predictor.price, predictor.fits) == []
    smallest = smallest_at(SHAPE, 4, 3, LOSSES)
    assert smallest.student == "slice:3-2x0.03@64"
    assert excess({"parameters": smallest.cost.parameters}, {"parameters": 10}) > 1


def test_of_blocks_that_could_all_be_left_out_one_stays() -> None:
    shape = NetworkShape(32, (Part(0, (layer(3, 8),), outputs=8), block(1, 8, 8, 32, skipped=True)))
    assert smallest_at(shape, 1, 3, {1: np.linspace(1, 0, 33)}).student == "slice:1x0.03@32"


def test_slices_end_where_the_shape_changes() -> None:
    assert ends_of_stages(SHAPE) == [2, 4]


def test_measured_files_make_the_prediction_exact() -> None:
    costs = [Cost(weights=w, channels=c, ops=o) for w, c, o in ((1000, 50, 10), (9000, 90, 14), (40_000, 300, 40))]
    rest = [1.2 * (17 * one.channels + 370 * one.ops + 800) for one in costs]
    measured = [Measured(one, {"size": one.weights + beside}) for one, beside in zip(costs, rest, strict=True)]
    other = Cost(weights=20_000, channels=150, ops=25)
    before, after = Predictor({"size": 1e5}), Predictor({"size": 1e5}, measured)
    assert after.values(other)["size"] == pytest.approx(20_000 + 1.2 * (17 * 150 + 370 * 25 + 800))
    assert before.values(other)["size"] == pytest.approx(20_000 + 17 * 150 + 370 * 25 + 800)
    # Latency can't be predicted before one is measured, and then follows the work.
    assert Predictor({"latency": 5}).values(other) == {}
    slow = Predictor({"latency": 5}, [Measured(Cost(macs=m), {"latency": m / 1e6 + 1}) for m in (10**6, 10**7)])
    assert slow.values(Cost(macs=5 * 10**6))["latency"] == pytest.approx(6)


def test_different_kinds_are_looked_at_first() -> None:
    predictor = Predictor({"parameters": 0.3 * SHAPE.cost(4, 3).parameters})
    designs = [
        design for cut in (2, 4) for design in designs_at(SHAPE, cut, 3, LOSSES, predictor.price, predictor.fits)
    ]
    ordered = best_first(designs, {(64, 2): 0.6, (64, 4): 0.9}, 0.3)
    assert len(ordered) == len(designs)
    kinds = {design.cut for design in designs}
    assert {design.cut for design in ordered[: len(kinds)]} == kinds
    assert rank(ordered[0], 0.9, 0.3) <= 0.9


def test_deep_designs_are_looked_at_before_further_sizes_of_shallow_ones() -> None:
    quality = {(size, cut): 0.8 + size / 1000 for size in (64, 96, 128) for cut in (2, 4)}
    designs = [
        Design(f"slice:{cut}x{share}@{size}", size, cut, Cost(), survives)
        for cut, share, survives in ((2, 0.9, 1.0), (2, 0.5, 0.9), (4, 0.1, 0.1))
        for size in (64, 96, 128)
    ]
    ordered = [design.student for design in best_first(designs, quality, 0.3)]
    assert ordered[:2] == ["slice:2x0.9@128", "slice:4x0.1@128"]
    assert ordered[2:6] == ["slice:2x0.9@96", "slice:2x0.9@64", "slice:4x0.1@96", "slice:4x0.1@64"]
    assert len(ordered) == len(designs)


def test_scores_and_chance() -> None:
    labels = np.array([0, 0, 0, 1])
    assert chance_of(labels, "accuracy") == 0.75
    assert chance_of(labels, "balanced_accuracy") == 0.5
    logits = np.log(np.array([[0.8, 0.2]] * 3 + [[0.5, 0.5]], np.float32))
    assert expected_score(logits, labels, "accuracy") == pytest.approx((3 * 0.8 + 0.5) / 4)
    assert expected_score(logits, labels, "balanced_accuracy") == pytest.approx((0.8 + 0.5) / 2)


def test_a_killed_search_finds_its_results_and_its_time(tmp_path: Path) -> None:
    record = Record(tmp_path / "state.json", "key")
    assert record.once("a", lambda: 1) == 1
    again = Record(tmp_path / "state.json", "key")
    assert again.once("a", lambda: pytest.fail("computed twice")) == 1
    assert Record(tmp_path / "state.json", "another").once("a", lambda: 2) == 2
    (tmp_path / "state.json").write_text("{broken")
    assert Record(tmp_path / "state.json", "key").once("a", lambda: 3) == 3


def test_the_time_is_divided() -> None:
    clock = Clock(minutes=20, spent_s=300, after_s=180, earlier_s=60)
    assert clock.left_s == 720
    assert clock.search_left_s() == pytest.approx(0.4 * 720 - 60, abs=1)
    assert clock.training_s() == pytest.approx(660, abs=1)
    assert "of 20 minutes 5.0 are spent" in clock.describe()
    assert Clock(minutes=None, spent_s=0, after_s=0).search_left_s() == float("inf")
    assert Clock(minutes=5, spent_s=300, after_s=180).training_s() == 0


def test_what_the_trainings_do_not_need_is_for_the_search_and_is_said() -> None:
    clock = Clock(minutes=20, spent_s=300, after_s=180)
    clock.trainings_s = 120
    assert clock.search_left_s() == pytest.approx(600, abs=1)
    clock.trainings_s = 5_000
    assert clock.search_left_s() == pytest.approx(0.4 * 720, abs=1)

    short, long = Trainings(2, 20, 20.0, 3.0), Trainings(2, 100, 20.0, 30.0)
    each = short.minutes_each(clock)
    assert each == pytest.approx(350 / 60, abs=0.1)
    # A minute each is all that 20 epochs take: the run ends about 10 minutes earlier.
    text = short.describe(clock, each)
    assert "1.0 for each of 2 trainings: all 20 epochs of" in text and text.endswith("after about 10 of 20 minutes")
    assert long.describe(clock, each).endswith(f"{each:g} for each of 2 trainings")
    assert Trainings(1, 20, 0.0, 0.0).describe(clock, each).endswith("for its training")
    # Where all is spent, what is least is still allowed.
    assert long.minutes_each(Clock(minutes=5, spent_s=300, after_s=180)) == 1.0


def test_scores_and_chance_of_tags() -> None:
    tags = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0]])
    # The third tag, which no photo has, says nothing.
    assert chance_of(tags, "mean_average_precision") == pytest.approx((0.5 + 0.25) / 2)
    logits = np.array([[3, -3, 1], [-3, 3, 1], [-4, -4, 1], [-5, -5, 1]], np.float32)
    assert expected_score(logits, tags, "mean_average_precision") == pytest.approx(((1 + 2 / 3) / 2 + 1) / 2)
    p = 1 / (1 + np.exp(-logits[:, :2].astype(np.float64)))
    soft = 2 * (p * tags[:, :2]).sum(axis=0) / (p + tags[:, :2]).sum(axis=0)
    assert expected_score(logits, tags, "macro_f1") == pytest.approx(soft.mean())
    assert expected_score(logits, np.zeros((4, 3), int), "macro_f1") == 0.0
    assert labels_from(logits, "multi-label").tolist() == [[1, 0, 1], [0, 1, 1], [0, 0, 1], [0, 0, 1]]
    assert labels_from(logits, "single-label").tolist() == [0, 1, 2, 2]


def test_photos_with_tags_are_spread_over_folds_and_duplicates_stay_together() -> None:
    tags = np.array([[1, 0], [0, 1], [1, 1]] * 20)
    groups = [place if place < 50 else place - 3 for place in range(60)]
    samples = tuple(Sample(f"{i}", Path(), None, f"{i}", None, "train", group) for i, group in enumerate(groups))
    photos = ProbePhotos(samples, tags, 10, 2, "mean_average_precision")
    for fitted, judged in photos.folds:
        assert all(12 <= count <= 15 for count in tags[judged].sum(axis=0))
        assert not {groups[i] for i in fitted} & {groups[i] for i in judged}
