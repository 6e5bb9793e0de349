"""Photos to label first: which they are, what they look like in the result, and never a duplicate."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from feature_tables import clouds

from edgekd.audit.learning_curve import Gain, NoForecast, forecast_gains
from edgekd.audit.next_labels import (
    describe_gain,
    forecast_section,
    photos_to_label,
    suggestion_section,
    suggestions_csv,
)
from edgekd.audit.suggest import Suggestions, choose_photos, suggest_photos


@pytest.mark.parametrize("tags", [False, True])
def test_no_duplicate_is_suggested(tags: bool) -> None:
    # Groups of four: the last of the labelled photos have duplicates in the pool.
    table = clouds({"train": 50, "unlabelled": 62}, tags=tags, group_size=4)
    suggestions = suggest_photos(table, 12, "accuracy", 0)
    groups = [table.groups[each.row] for each in suggestions.photos]
    assert len(set(groups)) == len(groups) == 12
    assert not set(groups) & set(table.groups[table.labelled].tolist())
    assert all(table.splits[each.row] == "unlabelled" for each in suggestions.photos)
    assert suggestions == suggest_photos(table, 12, "accuracy", 0)
    everyone = suggest_photos(table, 500, "accuracy", 0)
    assert len(everyone.photos) == everyone.pool == 15


def test_uncertain_photos_that_are_unlike_each_other_come_first() -> None:
    rng = np.random.default_rng(0)
    kinds = np.repeat(np.eye(6), 40, axis=0) * 5 + rng.normal(size=(240, 6)) * 0.1
    uncertainty = np.where(np.arange(240) < 160, 0.9, 0.05) + rng.random(240) * 0.01
    chosen = choose_photos(uncertainty, kinds, 4, rng)
    # One of each of the four uncertain kinds.
    assert sorted(chosen // 40) == [0, 1, 2, 3]


def test_photos_that_are_all_the_same_are_still_suggested() -> None:
    chosen = choose_photos(np.full(50, 0.5), np.ones((50, 3)), 5, np.random.default_rng(0))
    assert len(set(chosen.tolist())) == 5


def test_the_worth_is_tried_on_the_labels_at_hand() -> None:
    suggestions = suggest_photos(clouds({"train": 64, "unlabelled": 20}, classes=2), 10, "balanced_accuracy", 0)
    assert suggestions.advantage is not None
    assert suggestions.advantage.low < suggestions.advantage.value < suggestions.advantage.high
    assert suggest_photos(clouds({"train": 30, "unlabelled": 20}), 10, "accuracy", 0).advantage is None


def test_without_a_pool_there_is_nothing_to_suggest() -> None:
    nothing = suggest_photos(clouds({"train": 40}), 5, "accuracy", 0)
    assert nothing == Suggestions((), 0, None)
    assert "no photo without a label" in suggestion_section(nothing, False).sentences[0]


def test_the_csv_holds_a_line_a_photo() -> None:
    suggestions = suggest_photos(clouds({"train": 40, "unlabelled": 20}), 5, "accuracy", 0)
    rows = list(csv.DictReader(io.StringIO(suggestions_csv(suggestions))))
    assert [row["photo"] for row in rows] == [each.sample.id for each in suggestions.photos]
    assert all(len(row["probably"].split("|")) == 2 for row in rows)
    shown = photos_to_label(suggestions, False)
    assert [photo.sample.id for photo in shown] == [row["photo"] for row in rows]
    assert all(photo.suggested == (each.classes[0],) for photo, each in zip(shown, suggestions.photos, strict=True))


def test_the_section_says_what_can_be_told() -> None:
    curve = forecast_gains(clouds({"train": 60, "test": 60}), "accuracy", 0)
    section = forecast_section(curve)
    first = section.sentences[0].split("\n")
    assert first[0].endswith("60 labels now")
    assert first[3].startswith("  20 more of class ")
    assert len(section.rows) == 5
    assert section.plot is not None
    assert "<svg" in section.plot.svg
    assert describe_gain(Gain(0.015, 0.004, 0.026)) == "+1.5 points (+0.4 to +2.6)"
    assert describe_gain(Gain(0.015, -0.02, 0.04)) == "can't be told (−2.0 to +4.0)"
    assert "can't be told: it is night" in forecast_section(NoForecast("it is night")).sentences[0]
