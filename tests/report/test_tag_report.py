"""Reports of photos with tags: scores and counts of each tag, gains by the metric, photos with wrong tags."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from synthetic_run import build_run
from synthetic_tags import TAGS, build_tag_run

from edgekd import scoring, storage
from edgekd.evaluation.tag_scores import answers_in, truth_in
from edgekd.report.collect import collect
from edgekd.report.model import Report
from edgekd.report.render import render
from edgekd.report.table import main_cells, split_cells
from edgekd.report.tags import tag_table, wrong_tags

OF_TAGS = {"tags", "mean_average_precision", "macro_f1", "exact_match", "photos", "decisions"}


@pytest.fixture(scope="module")
def tag_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of photos with tags, of two seeds, with its report."""
    folder = build_tag_run(tmp_path_factory.mktemp("tags") / "run", seeds=2)
    render(folder)
    return folder


@pytest.fixture(scope="module")
def report(tag_run: Path) -> Report:
    return collect(tag_run)


def check_of(run: Path) -> dict[str, Any]:
    return dict(storage.read_json(run / "check/check.json"))


def test_the_headline_and_the_table_are_of_the_metric(tag_run: Path, report: Report) -> None:
    check = check_of(tag_run)
    score = next(row for row in check["rows"] if row["row"] == "int8_tflite")["mean_average_precision"]
    assert report.headline.score is not None and report.headline.score.as_json() == score
    assert " mean average precision (" in report.headline.text
    header = main_cells(report).header
    assert [name.split(" (")[0] for name in header[3:7]] == [
        "mean average precision", "macro F1", "exact match", "agreement"
    ]  # fmt: skip
    assert report.curves[0].metric == "mean_average_precision" and len(report.curves[0].val_score) == 40
    # A photo counts for each of its tags, and once in the last line.
    assert split_cells(report)[0].header[0] == "tag"
    assert split_cells(report)[0].rows[-1] == ("all", "60", "60", "300", "1,000")


def test_gains_are_of_the_metric_on_the_same_photos(tag_run: Path, report: Report) -> None:
    check = check_of(tag_run)
    truth = truth_in(check)
    answers = {row["row"]: answers_in(row, "mean_average_precision", 5) for row in check["rows"]}
    gain = scoring.gain("mean_average_precision", truth, answers["labels_only"], answers["distilled"])
    assert report.distillation_gain is not None
    assert report.distillation_gain.gain == gain
    assert "get exactly their tags from it and not from labels alone" in report.distillation_gain.text
    assert "McNemar" not in report.distillation_gain.text
    seeds = report.seeds
    assert seeds is not None and seeds.gain is not None and seeds.from_scratch is not None
    assert seeds.rows[0].distilled == pytest.approx(
        scoring.score("mean_average_precision", truth, answers["distilled"]).value
    )
    assert seeds.gain.low < gain.value < seeds.gain.high
    assert seeds.recovered is not None and 0.5 < seeds.recovered <= 1.0
    step = report.steps[-1]
    expected = scoring.gain("mean_average_precision", truth, answers[step.row], answers[step.next_row])
    assert step.gain == expected


def test_tags_are_shown_with_their_counts(tag_run: Path, report: Report) -> None:
    assert report.tags is not None and report.confusion is None
    assert [one.tag for one in report.tags.tags] == [*TAGS, "zebra"]
    assert report.tags.tags[-1].f1 is None
    names = {path.name for path in (tag_run / "plots").iterdir()}
    assert names == {"tags.png", "curves.png", "latency.png", "misclassified.png", "size.png"}
    page, text = (tag_run / "report.html").read_text(), (tag_run / "report.md").read_text()
    for shown in (page, text):
        assert "Photos with wrong tags" in shown and "Misclassified photos" not in shown
        assert "No test photo has zebra: left out of the means." in shown
    assert text.count("| crossing |") == 2
    value = json.loads((tag_run / "report.json").read_text())
    assert value["tags"]["tags"][0]["tag"] == "crossing" and value["data"]["photos"]["test"] == 300


def test_wrong_tags_are_named() -> None:
    check = {"classes": ["a", "b", "c"], "ids": ["0", "1", "2", "3"], "labels": [[0], [0, 1], [], [2]]}
    row = {"predictions": [[0], [1, 2], [0], []]}
    assert [(photo.id, photo.truth, photo.predicted) for photo in wrong_tags(check, row)] == [
        ("1", "a, b", "missing a; extra c"), ("2", "no tag", "extra a"), ("3", "c", "missing c")
    ]  # fmt: skip
    assert tag_table({"row": "teacher", "title": "teacher"}) is None


def test_f1_is_reported_by_what_was_given(tmp_path: Path) -> None:
    run = build_tag_run(tmp_path / "run", metric="macro_f1")
    check, report = check_of(run), collect(run)
    assert report.headline.metric == "macro_f1" and " macro F1 (" in report.headline.text
    truth, classes = truth_in(check), len(check["classes"])
    answers = {row["row"]: answers_in(row, "macro_f1", classes) for row in check["rows"]}
    # Thresholds are not 0.5, and what they gave is what counts.
    scored = scoring.score("macro_f1", truth, answers["distilled"])
    row = report.row("distilled")
    assert row is not None and row.macro_f1 is not None
    assert row.macro_f1.value == pytest.approx(scored.value)


def test_reports_of_single_labels_have_no_keys_of_tags(tmp_path: Path) -> None:
    value = collect(build_run(tmp_path / "run")).to_json()
    parts = [value, value["data"], *value["rows"]]
    assert not any(OF_TAGS & part.keys() for part in parts)
