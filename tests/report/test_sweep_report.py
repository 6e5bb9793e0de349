"""A sweep's report: what was picked and how, who was left out and why, and what each step on the front gains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgekd import storage
from edgekd.report.sweep_render import render_sweep
from edgekd.report.sweep_text import headline, pick_sentences, step_sentences, sweep_cells


def _student(name: str, size: int, share: float, **more: Any) -> dict[str, Any]:
    score = {"value": share, "low": share - 0.05, "high": share + 0.03}
    return {
        "student": name, "directory": name, "parameters": size // 2, "size_bytes": size, "val_accuracy": score,
        "accuracy": score, "latency": {"value": size / 1e7, "low": size / 1.1e7, "high": size / 0.9e7},
        "p50_ms": size / 1e5, "seconds": 60.0, "failed_gates": [], "on_front": True, "standing": "valid", **more,
    }  # fmt: skip


@pytest.fixture
def sweep() -> dict[str, Any]:
    cost = {"device": "ssh:pi@pi5", "p50_ms": 3.2, "instructions": None, "standing": "valid"}
    students = [
        _student("slice:12-8-11x0.20@128", 150_000, 0.88, devices=[cost], agreement=0.95, left_out=[]),
        _student(
            "slice:12-8-11x0.35@128", 290_000, 0.93, on_front=False, failed_gates=["int8_tflite: loss"],
            left_out=["the gate int8_tflite: loss failed", "not p50[ssh:pi@pi5]<=5ms"],
        ),
        _student("slice:12-8-11x0.48@160", 390_000, 0.95, left_out=["not size<=300KB"]),
    ]  # fmt: skip
    gain = {"value": 0.008, "low": -0.003, "high": 0.019}
    step = {"of": "size", "student": students[0]["student"], "next_student": students[2]["student"], "cost": 40_000.0,
            "gain": gain, "n": 234}  # fmt: skip
    return {
        "schema": 1, "metric": "accuracy", "students": students, "teacher": students[2]["accuracy"], "shared_s": 100.0,
        "column_s": 20.0, "winner": students[0]["student"], "stopped": [],
        "pick": {"conditions": ["size<=300KB", "p50[ssh:pi@pi5]<=5ms"], "by": "accuracy", "rule": "Picked by photos."},
        "steps": [step, {**step, "of": "latency", "cost": 1.25}],
        "references": [
            {"row": "teacher_int8", "title": "teacher, int8", "size_bytes": 3_650_000,
             "accuracy": students[2]["accuracy"]}
        ],
    }  # fmt: skip


def test_the_report_says_who_was_left_out_and_why(sweep: dict[str, Any], tmp_path: Path) -> None:
    storage.write_json(tmp_path / "sweep.json", sweep)
    line = render_sweep(tmp_path).replace("\u00a0", " ")
    assert line == (
        "slice:12-8-11x0.20@128: 150 kB and 88.0 % of the test photos, of 3 students; 2 of them can't be picked"
    )
    left_out = pick_sentences(sweep)[1].replace("\u00a0", " ")
    assert left_out == (
        "Left out: slice:12-8-11x0.35@128 (93.0 % on the validation photos): the gate int8_tflite: loss failed; not "
        "p50[ssh:pi@pi5]<=5ms."
    )
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Left out: slice:12-8-11x0.35@128" in page and "(picked)" in page
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert (
        "Left out: slice:12-8-11x0.48@160" in markdown
        and "for 40.0\u00a0kB more +0.8 points (−0.3 to +1.9)" in markdown
    )
    assert step_sentences(sweep)[1].replace("\u00a0", " ").endswith("for 1.25 ms more +0.8 points (−0.3 to +1.9).")
    assert "Held against, on the test photos: teacher, int8 3.65\u00a0MB, 95.0\u00a0% (90.0–98.0)." in markdown
    cells = sweep_cells(sweep)
    assert cells.header[1] == "verdict" and [row[1] for row in cells.rows] == ["picked", "left out", "left out, front"]
    assert cells.header[7:9] == ("on ssh:pi@pi5", "agreement") and cells.rows[0][7:9] == ("3.20\u00a0ms", "95.0\u00a0%")


def test_a_sweep_from_before_is_still_rendered(sweep: dict[str, Any], tmp_path: Path) -> None:
    later = {"devices", "agreement", "left_out"}
    old = {key: value for key, value in sweep.items() if key not in ("pick", "steps", "references")}
    old["students"] = [{k: v for k, v in one.items() if k not in later} for one in sweep["students"]]
    storage.write_json(tmp_path / "sweep.json", json.loads(json.dumps(old)))
    render_sweep(tmp_path)
    assert [row[1] for row in sweep_cells(old).rows] == ["picked", "gate failed", "front"]
    assert "The gate int8_tflite: loss failed" not in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_scores_on_tags_are_no_shares_of_photos(sweep: dict[str, Any]) -> None:
    tags = {**sweep, "metric": "macro_f1"}
    assert "88.0 % macro F1 on the test photos, of 3 students" in headline(tags).replace("\u00a0", " ")
    assert "none beats" in headline({**tags, "winner": None})
    assert "size and macro F1" in headline({**tags, "winner": None})
    assert "size and accuracy" in headline({**sweep, "winner": None, "metric": "balanced_accuracy"})
