from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from synthetic_run import Synthetic, artifact, build_run

from edgekd import storage
from edgekd.errors import EdgekdError, RunError
from edgekd.report import sentences
from edgekd.report.collect import collect
from edgekd.report.plots import worst_classes
from edgekd.report.table import latency_cells, main_cells, split_cells


def test_a_whole_run_joined(run_dir: Path) -> None:
    report = collect(run_dir)
    assert report.missing == () and report.problems == ()
    assert [row.row for row in report.rows] == ["teacher", "labels_only", "distilled", "int8_tflite", "int8_onnx"]
    teacher, int8 = report.row("teacher"), report.row("int8_tflite")
    assert teacher is not None and int8 is not None and int8.latency and teacher.latency and int8.comparison
    assert int8.comparison.ratio is not None and int8.comparison.verdict == "faster"
    # Near the ratio of medians, not equal: it is the trimmed mean of the rounds' ratios.
    assert int8.comparison.ratio.value == pytest.approx(int8.latency.p50_ms / teacher.latency.p50_ms, rel=0.02)
    assert int8.comparison.ratio.low < 0.801 / 7.31 < int8.comparison.ratio.high
    assert report.row("labels_only").latency is None  # type: ignore[union-attr]
    assert int8.sha256 == storage.sha256_file(run_dir / artifact("int8_tflite"))
    assert report.distillation_gain is not None and report.distillation_gain.n == 300
    assert len(report.misclassified) == 300 - sum(line[k] for k, line in enumerate(report.confusion.counts))  # type: ignore[union-attr]
    assert (report.curves[1].epochs[0], report.curves[1].epochs[-1], report.curves[1].best_epoch) == (1, 40, 35)


def test_the_same_tables_for_every_reader(run_dir: Path) -> None:
    report = collect(run_dir)
    cells = main_cells(report)
    assert cells.header[:3] == ("model", "parameters", "size") and len(cells.rows) == 5
    assert cells.rows[0][:3] == ("teacher", "3,412,003", "13.7\u00a0MB")
    assert cells.rows[3][4] == "98.7\u00a0% (4 differ)"
    assert cells.rows[1][-2:] == ("–", "–")
    assert [row[0] for row in latency_cells(report).rows] == [
        "teacher",
        "student, distilled",
        "int8 TFLite",
        "int8 ONNX",
    ]
    splits, folded = split_cells(report)
    assert folded.rows == ()
    assert splits.header == ("class", "train", "val", "test", "unlabelled")
    assert splits.rows[-1] == ("all", "45", "15", "300", "1,000") and splits.rows[2] == ("yellow", "15", "5", "12", "–")


@pytest.mark.parametrize(
    ("absent", "left"),
    [
        ("check", "bench"),
        ("bench", "check"),
        ("data", "check"),
        ("teacher", "check"),
        ("distill", "scratch"),
        ("run.json", "check"),
    ],
)
def test_partial_runs_say_what_is_missing(run_dir: Path, absent: str, left: str) -> None:
    path = run_dir / absent
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    report = collect(run_dir)
    assert [name for name in report.missing if name.startswith(absent)]
    assert not [name for name in report.missing if name.startswith(left)]
    assert report.headline.text


def test_a_bench_alone_still_has_its_rows(run_dir: Path) -> None:
    shutil.rmtree(run_dir / "check")
    report = collect(run_dir)
    assert [row.row for row in report.rows] == ["teacher", "distilled", "int8_tflite", "int8_onnx"]
    assert report.headline.text.startswith("33x smaller and 9.")
    assert report.headline.score is None


def test_the_teachers_gates_show_before_a_check(run_dir: Path) -> None:
    shutil.rmtree(run_dir / "check")
    gate = {"name": "teacher beats chance", "value": 0.4, "bar": 0.5, "passed": False, "message": "it does not"}
    storage.write_json(run_dir / "teacher/gates.json", [gate])
    assert collect(run_dir).headline.failed_gates == ("teacher beats chance",)


def test_a_file_that_was_timed_but_is_another_now(run_dir: Path) -> None:
    (run_dir / artifact("int8_tflite")).write_bytes(b"other")
    (run_dir / artifact("teacher")).unlink()
    assert collect(run_dir).problems == (
        "export/teacher.tflite is no longer in the run directory: its numbers belong to no file.",
        "int8 TFLite: the file that was timed is not the one at export/int8_tflite.tflite. Measure it again.",
    )


def test_damaged_files_are_named(run_dir: Path) -> None:
    (run_dir / "teacher/summary.json").write_text('{"name": 3}')
    with pytest.raises(RunError, match=r"teacher/summary\.json does not have the form that a run writes"):
        collect(run_dir)
    (run_dir / "teacher/summary.json").write_text("{")
    with pytest.raises(EdgekdError, match=r"teacher/summary\.json cannot be read as JSON"):
        collect(run_dir)
    with pytest.raises(RunError, match="is not a run directory"):
        collect(run_dir / "absent")


def test_every_wrong_shape_is_an_error_of_ours(run_dir: Path) -> None:
    names = [*(str(p.relative_to(run_dir)) for p in run_dir.glob("*/*.json") if p.name != "dataset.json"), "run.json"]
    for name in names:
        whole = (run_dir / name).read_text()
        for wrong in ("[]", "3", "null", '{"schema": 1}', json.dumps(dict.fromkeys(json.loads(whole)))):
            (run_dir / name).write_text(wrong)
            with pytest.raises(EdgekdError):
                collect(run_dir)
        (run_dir / name).write_text(whole)


def test_the_worst_classes_are_chosen_in_their_order(tmp_path: Path) -> None:
    made = Synthetic(classes=tuple(f"c{k:02}" for k in range(20)), test_per_class=(3,) * 20, epochs=2)
    confusion = collect(build_run(tmp_path / "run", made)).confusion
    assert confusion is not None
    choose_photos = worst_classes(confusion, 5)
    assert choose_photos == sorted(choose_photos) and len(choose_photos) == 5
    errors = [
        sum(confusion.counts[k]) + sum(r[k] for r in confusion.counts) - 2 * confusion.counts[k][k] for k in range(20)
    ]
    assert min(errors[k] for k in choose_photos) >= max(errors[k] for k in range(20) if k not in choose_photos)


def _more_seeds(run_dir: Path, without: bool = True) -> None:
    check = storage.read_json(run_dir / "check/check.json")
    answers = {row["row"]: row["predictions"] for row in check["rows"]}
    more = [{"seed": k, "distilled": answers["distilled"]} for k in (1, 2)]
    if without:
        more = [{**one, "labels_only": answers["labels_only"]} for one in more]
    storage.write_json(run_dir / "seeds/seeds.json", {"schema": 1, "seeds": more})


def test_one_seed_is_said_to_be_one_and_labels_are_counted(run_dir: Path) -> None:
    report = collect(run_dir)
    assert report.seeds is not None and len(report.seeds.rows) == 1
    assert "One seed is one draw" in report.seeds.sentences[-1]
    assert report.labels_used.startswith("Labels used: 45 to train on and 15 to choose the epoch, and 1,000 unlabelled")


def test_what_validation_leaves_in_doubt_stands_beside_the_gain(run_dir: Path) -> None:
    path, history = run_dir / "check/check.json", run_dir / "distill/history.json"
    doubt = "15 validation photos can't tell for sure which of the two students is better"
    shipped = {"row": "labels_only", "reason": "the student from labels alone ships", "notes": [doubt]}
    storage.write_json(path, {**storage.read_json(path), "shipped": shipped})
    storage.write_json(history, {**storage.read_json(history), "choice": "the latest of the best"})
    report = collect(run_dir)
    assert report.headline.text.endswith("; the student from labels alone ships")
    assert report.to_json()["shipping_notes"] == (doubt,)
    assert sentences.gain_sentence(report).endswith(f" {doubt}.")
    assert sentences.training_sentence(report).endswith(
        "The mark is the epoch that was chosen: the latest of the best."
    )


def test_all_seeds_are_compared(run_dir: Path) -> None:
    _more_seeds(run_dir)
    report = collect(run_dir)
    assert report.seeds is not None and [row.seed for row in report.seeds.rows] == [0, 1, 2]
    row = report.row("distilled")
    assert row is not None and row.balanced_accuracy is not None
    assert report.seeds.distilled.value == pytest.approx(row.balanced_accuracy.value)
    assert report.seeds.recovered is not None and report.missing == ()


def test_a_run_without_labels_misses_no_student_from_scratch(run_dir: Path) -> None:
    _more_seeds(run_dir, without=False)
    check = storage.read_json(run_dir / "check/check.json")
    check["rows"] = [row for row in check["rows"] if row["row"] != "labels_only"]
    storage.write_json(run_dir / "check/check.json", check)
    storage.write_json(run_dir / "run.json", storage.read_json(run_dir / "run.json") | {"labels": "none"})
    (run_dir / "scratch/history.json").unlink()
    report = collect(run_dir)
    assert report.missing == () and report.distillation_gain is None
    assert report.seeds is not None and report.seeds.from_scratch is None
    assert report.labels_used.startswith("Labels used: none in training")


def test_a_damaged_record_of_the_seeds_is_named(run_dir: Path) -> None:
    storage.write_json(run_dir / "seeds/seeds.json", {"schema": 1, "seeds": [{"seed": 1, "distilled": [0, 1]}]})
    with pytest.raises(RunError, match=r"seeds\.json"):
        collect(run_dir)
