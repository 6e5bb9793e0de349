"""The steps from each file to the next larger one that is better, and an int8 teacher that could not be made."""

from __future__ import annotations

from pathlib import Path

from edgekd import storage
from edgekd.pipeline.teacher_int8 import missing_row
from edgekd.report.collect import collect
from edgekd.report.front import front_steps, step_caption, step_sentences
from edgekd.report.render import render


def test_steps_go_up_the_front_on_the_same_photos(run_dir: Path) -> None:
    report = collect(run_dir)
    # Labels alone are larger than the int8 file and worse.
    assert [(step.row, step.next_row) for step in report.steps][-1][1] == "teacher"
    assert "labels_only" not in {name for step in report.steps for name in (step.row, step.next_row)}
    first = report.steps[0]
    assert first.row == "int8_tflite" and first.gain.low <= first.gain.value <= first.gain.high
    text = step_sentences(report)[0].replace("\u00a0", " ")
    assert text.startswith("int8 TFLite → ") and " more " in text and " points (" in text
    assert "on the same 300 test photos" in step_caption(report)


def test_a_file_that_none_beats_has_no_step() -> None:
    row = {"row": "teacher", "size_bytes": 10, "predictions": [0, 1], "accuracy": {"value": 1.0}}
    larger = {**row, "row": "distilled", "size_bytes": 20}
    assert front_steps({"metric": "accuracy", "labels": [0, 1], "rows": [row, larger]}) == ()


def test_a_teacher_that_has_no_int8_form_says_why(run_dir: Path) -> None:
    assert missing_row(run_dir) is None
    storage.write_json(run_dir / "export/teacher_int8.json", {"reason": "ops stayed float: GELU", "seconds": 3.0})
    row = missing_row(run_dir)
    check = storage.read_json(run_dir / "check/check.json")
    storage.write_json(run_dir / "check/check.json", {**check, "rows": [check["rows"][0], row, *check["rows"][1:]]})
    assert "like for like" not in str(render(run_dir))
    text = (run_dir / "report.md").read_text(encoding="utf-8")
    assert "| teacher, int8: not possible | – | – | – |" in text
    assert "teacher, int8: not possible: ops stayed float: GELU." in text
