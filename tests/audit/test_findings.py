"""What an audit finds among real photos in which something was hidden."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
from feature_tables import table_of

from edgekd.audit.confusable import find_confusable
from edgekd.audit.findings import find_photos
from edgekd.audit.held_out import hold_out
from edgekd.audit.outliers import find_outliers
from edgekd.audit.section import record_of
from edgekd.data import load_dataset
from edgekd.pipeline.feature_table import FeatureTable
from edgekd.progress import Silent
from edgekd.storage import digest


def test_wrong_labels_twins_and_oddities_are_found_and_decided_photos_left_out(
    table: FeatureTable, lights: Path, tmp_path: Path
) -> None:
    findings = find_photos(table, Silent())
    record = record_of(findings.sections, table.source)
    digest(record)
    by_kind = {
        kind: {entry["photo"]: entry for entry in record[kind]["photos"]} for kind in ("labels", "duplicates", "odd")
    }
    assert {"green/wrong-3.jpg", "green/wrong-7.jpg"} <= by_kind["labels"].keys()
    assert by_kind["labels"]["green/wrong-3.jpg"]["suggested"] == ["red"]
    assert set(list(by_kind["labels"])[:2]) <= {"green/wrong-3.jpg", "green/wrong-7.jpg", "red/twin.jpg"}
    twins = by_kind["duplicates"]
    assert twins["red/twin.jpg"]["suggested"] == ["yellow"] and twins["yellow/05.jpg"]["suggested"] is None
    assert twins["red/twin.jpg"]["why"] == "the same file as yellow/05.jpg, which is yellow"
    assert next(iter(by_kind["odd"])) == "yellow/board.png"
    assert len({photo.sample.id for photo in findings.photos}) == len(findings.photos)

    rows = [(photo.sample.id, "keep", "") for photo in findings.photos]
    rows[0] = (findings.photos[0].sample.id, "drop", "")
    with (tmp_path / "c.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("photo", "action", "label"), *rows])
    again = find_photos(table_of(load_dataset(lights, corrections=tmp_path / "c.csv")), Silent())
    assert not {row[0] for row in rows} & {photo.sample.id for photo in again.photos}


def test_doubtful_tags_are_named_one_by_one(table: FeatureTable) -> None:
    samples = [replace(s, label=None, tags=() if s.label == 2 else (s.label,)) for s in table.samples]
    truth = np.zeros((len(samples), 2), np.int8)
    for row, sample in zip(truth, samples, strict=True):
        row[list(sample.tags or ())] = 1
    tags = replace(table, samples=tuple(samples), truth=truth, classes=("green", "red"))
    photos = {photo.sample.id: photo for photo in find_photos(tags, Silent()).photos}
    wrong = photos["green/wrong-3.jpg"]
    assert "red probably shows" in wrong.why or "green probably does not show" in wrong.why
    assert wrong.labels == ("green",) and wrong.suggested in (("red",), ("green", "red"), ())
    assert photos["red/twin.jpg"].why.count("the same file as yellow/05.jpg, which is none of these") == 1


def test_few_labels_are_not_judged_and_one_class_alone_is_no_reason_to_fail(table: FeatureTable) -> None:
    few = np.concatenate([np.flatnonzero(table.truth == c)[:3] for c in range(3)])
    truth = np.full(len(table.samples), -1)
    truth[few] = table.truth[few]
    findings = find_photos(replace(table, truth=truth), Silent())
    assert findings.held_out is None and "labels were not judged: 9 photos" in findings.sections[0].sentences[0]
    none = find_photos(replace(table, truth=np.where(table.truth == 0, 0, -1)), Silent())
    assert [section.name for section in none.sections] == ["labels", "duplicates", "odd", "pairs"]
    assert none.held_out is not None and not [p for p in none.photos if "probably" in p.why]


def test_classes_that_look_the_same_are_named_with_an_interval(table: FeatureTable) -> None:
    # Every second red light becomes one of another class.
    halves = np.where((table.truth == 1) & (np.arange(len(table.truth)) % 2 == 1), 3, table.truth)
    split = replace(table, truth=halves, classes=("green", "red by day", "yellow", "red by night"))
    worst, *others = find_confusable(hold_out(split), split.classes)
    assert (worst.first, worst.second) == ("red by day", "red by night")
    assert worst.verdict == "no better than chance" and worst.told_apart.low < 0.5 < worst.told_apart.high
    assert all(pair.told_apart.high < 0.9 or pair.told_apart.low <= 0.5 for pair in others)


def test_duplicates_are_no_neighbours_and_few_photos_no_crowd() -> None:
    rng = np.random.default_rng(0)
    crowd = rng.normal(0, 0.05, (200, 16)).astype(np.float32) + np.eye(16, dtype=np.float32)[0]
    odd = np.repeat(np.eye(16, dtype=np.float32)[5:6], 7, axis=0)
    features, groups = np.concatenate([crowd, odd]), np.append(np.arange(200), np.full(7, 200))
    found = find_outliers(features, groups)
    assert set(found.rows.tolist()) >= set(range(200, 207)) and len(found.rows) < 7 + 12
    assert len(find_outliers(features[:4], groups[:4]).rows) == 0
