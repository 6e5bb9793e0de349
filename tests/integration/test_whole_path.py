"""From a folder of photos to a measured int8 model, by the command line, as a user would."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import Project, weights

from edgekd.data.dataset import Dataset
from edgekd.storage import read_json, sha256_file, write_json

EXPORTED = ("student.int8.tflite", "student.int8.onnx", "student.float32.tflite", "student.float32.onnx")


def test_a_run_ends_in_files_that_are_checked_measured_and_reported(finished: Path) -> None:
    report = json.loads((finished / "report.json").read_text())
    rows = {row["row"]: row for row in json.loads((finished / "check" / "check.json").read_text())["rows"]}
    assert list(rows) == ["teacher", "labels_only", "distilled", "int8_tflite", "int8_onnx"]
    assert rows["int8_tflite"]["size_bytes"] < 0.1 * rows["teacher"]["size_bytes"]
    assert rows["teacher"]["accuracy"]["value"] > 0.5
    assert {row["row"] for row in report["rows"]} >= set(rows)
    html = (finished / "report.html").read_text()
    assert "http://" not in html.replace("http://www.w3.org", "") and "https://" not in html
    assert all((finished / "export" / name).is_file() for name in EXPORTED)


def test_the_same_run_again_does_nothing_and_needs_no_tensorflow(project: Project, finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("stage.json")}
    again = project.edgekd("run", "whole.toml", without_tensorflow=True)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("unchanged") == len(before) == 9
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("stage.json")} == before


def test_a_changed_gate_repeats_the_check_and_nothing_before_it(project: Project, finished: Path) -> None:
    copy = finished.with_name("stricter")
    shutil.copytree(finished, copy)
    text = (project.folder / "whole.toml").read_text().replace('"whole"', '"stricter"')
    (project.folder / "stricter.toml").write_text(text.replace("min_agreement = 0.8", "min_balanced_accuracy = 1.0"))
    done = project.edgekd("run", "stricter.toml", without_tensorflow=True)
    assert done.returncode == 3, done.stderr
    assert "a gate failed" in done.stderr and "balanced accuracy" in done.stderr
    assert done.stderr.count("unchanged") == 8
    assert (copy / "report.html").is_file()


def test_killed_during_distillation_it_ends_in_the_same_student(project: Project, finished: Path) -> None:
    for name, stage in itertools.product(("unbroken", "killed"), ("data", "teacher", "soft_targets")):
        shutil.copytree(finished / stage, project.folder / "runs" / name / stage)
    whole = project.recipe("unbroken", student="slice:2@32", epochs=12)
    assert project.edgekd("distill", whole).returncode == 0
    killed = project.recipe("killed", student="slice:2@32", epochs=12)
    started = subprocess.Popen(project.argv("distill", killed), cwd=project.folder, stderr=subprocess.DEVNULL)
    checkpoint = project.folder / "runs" / "killed" / "distill" / "checkpoint.npz"
    deadline = time.monotonic() + 300
    while not checkpoint.is_file() and time.monotonic() < deadline:
        assert started.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    started.send_signal(signal.SIGKILL)
    started.wait()
    assert not (checkpoint.parent / "student.keras").exists()
    assert project.edgekd("distill", killed).returncode == 0
    one, other = (project.folder / "runs" / name / "distill" for name in ("unbroken", "killed"))
    assert [np.array_equal(a, b) for a, b in zip(weights(one), weights(other), strict=True)].count(False) == 0
    histories = [json.loads((d / "history.json").read_text())["epochs"] for d in (one, other)]
    assert histories[0] == histories[1]


def test_predict_names_what_it_sees_and_what_it_cannot_read(project: Project, finished: Path) -> None:
    photo = sorted((project.folder / "photos" / "red").iterdir())[0]
    with Image.open(photo) as image:
        image.save(project.folder / "webp named.jpg", "WEBP", lossless=True)
        image.convert("RGBA").save(project.folder / "with alpha.png")
    (project.folder / "cut short.jpg").write_bytes(photo.read_bytes()[:500])
    artifact = finished / "export" / "student.int8.tflite"
    done = project.edgekd(
        "predict", artifact, photo, "webp named.jpg", "with alpha.png", "cut short.jpg", without_tensorflow=True
    )
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    answers = [line.split(": ")[1].split("  ")[0] for line in lines]
    assert len(answers) == 3 and len(set(answers)) == 1
    assert "WEBP" in lines[1] and "RGBA" in lines[2]
    assert "cut short.jpg" in done.stderr and "1 of 4 photos could not be read" in done.stderr


def test_check_scores_and_gates(project: Project, finished: Path) -> None:
    export = finished / "export"
    arguments = ("check", export / "student.int8.onnx", "--data", "photos", "--json")
    scored = project.edgekd(
        *arguments, "--reference", export / "student.float32.tflite", "--min-agreement", "0.8", without_tensorflow=True
    )
    assert scored.returncode == 0, scored.stderr
    (row,) = json.loads(scored.stdout)
    assert 0.8 <= row["agreement"]["value"] <= 1 and len(row["predictions"]) == row["agreement"]["n"]
    strict = project.edgekd(*arguments, "--min-accuracy", "1.0", without_tensorflow=True)
    assert strict.returncode == 3 and "a gate failed" in strict.stderr


def test_check_on_a_run_uses_its_own_test_split_and_says_where_photos_were_trained_on(
    project: Project, finished: Path
) -> None:
    artifact = finished / "export" / "student.int8.tflite"
    own = project.edgekd("check", artifact, "--data", finished, "--json", without_tensorflow=True)
    told = json.loads((finished / "check" / "check.json").read_text())
    assert json.loads(own.stdout)[0]["predictions"] == told["rows"][3]["predictions"]
    assert "took part in training" not in own.stderr
    other = project.edgekd("check", artifact, "--data", "photos", "--split", "train", without_tensorflow=True)
    assert "took part in training" in other.stderr and str(finished) in other.stderr.replace("\n", "")


def test_strict_makes_a_finding_an_error(project: Project) -> None:
    (project.folder / "untidy").mkdir()
    shutil.copytree(project.folder / "photos", project.folder / "untidy" / "photos")
    victim = sorted((project.folder / "untidy" / "photos" / "red").iterdir())[0]
    victim.write_bytes(victim.read_bytes()[:300])
    recipe = project.folder / "untidy" / "untidy.toml"
    recipe.write_text('name = "untidy"\n[data]\nsource = "photos"\n')
    done = project.edgekd("train", recipe, "--strict")
    assert done.returncode == 1 and victim.name in done.stderr and "Traceback" not in done.stderr


def test_the_users_own_teacher_with_its_classes_in_another_order(project: Project, finished: Path) -> None:
    import keras

    from edgekd.models.load import load_model

    teacher = load_model(finished / "teacher" / "teacher.keras")
    head = teacher.layers[-1]
    turned = keras.layers.Dense(3, activation="softmax", name="answer")
    own = keras.Model(teacher.input, turned(head.input))
    kernel, bias = head.get_weights()
    turned.set_weights([kernel[:, [2, 0, 1]], bias[[2, 0, 1]]])
    own.save(project.folder / "own.keras")
    path = project.recipe("own")
    changed = path.read_text().replace(
        "input_size = 64", 'model = "own.keras"\ntrain = false\nclasses = ["yellow", "green", "red"]'
    )
    path.write_text(changed)
    done = project.edgekd("train", path)
    assert done.returncode == 0, done.stderr
    summaries = [
        json.loads((project.folder / "runs" / name / "teacher" / "summary.json").read_text())
        for name in ("own", "whole")
    ]
    assert summaries[0]["val_predictions"] == summaries[1]["val_predictions"]


def test_check_opens_every_file(project: Project, finished: Path) -> None:
    for name in EXPORTED:
        done = project.edgekd("check", finished / "export" / name, without_tensorflow=True)
        assert done.returncode == 0 and "opens and runs" in done.stdout, done.stderr


def test_a_changed_file_is_refused(project: Project, finished: Path) -> None:
    for name in EXPORTED[:2]:
        copy = project.folder / name
        content = bytearray((finished / "export" / name).read_bytes())
        content[len(content) // 2] ^= 1
        copy.write_bytes(bytes(content))
        shutil.copy(finished / "export" / f"{name}.json", project.folder / f"{name}.json")
        done = project.edgekd("check", copy, without_tensorflow=True)
        assert done.returncode == 1 and "has changed since it was checked" in done.stderr


def test_devices_doctor_and_report_without_tensorflow(project: Project, finished: Path) -> None:
    devices = project.edgekd("devices", "--json", without_tensorflow=True)
    assert json.loads(devices.stdout)[0]["address"] == "host"
    assert "ok" in project.edgekd("doctor", without_tensorflow=True).stdout
    (finished / "report.html").unlink()
    done = project.edgekd("report", finished, without_tensorflow=True)
    assert done.returncode == 0 and (finished / "report.html").is_file(), done.stderr


def test_export_of_the_users_own_file(project: Project, finished: Path) -> None:
    done = project.edgekd(
        "export", finished / "distill" / "student.keras", "--int8", "--data", "photos", "--out", "out",
        "--min-agreement", "0.8", "--output", "uint8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {p.name for p in (project.folder / "out").glob("*.*") if p.suffix != ".json"} == set(EXPORTED)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("run", "nowhere.toml"), 2, "nowhere.toml does not exist"),
        (("predict", "missing.tflite", "a.jpg"), 1, "missing.tflite"),
        (("bench", "missing.tflite", "--data", "photos", "--device", "hots"), 2, "did you mean 'host'"),
        (("bench", "missing.tflite", "--data", "photos"), 1, "missing.tflite"),
        (("report", "photos"), 1, "not a run directory"),
        (("export", "a.keras", "--int8", "--data", "nothing", "--out", "x"), 1, "nothing"),
        (("bnech",), 2, "bnech"),
    ],
)
def test_mistakes_end_in_one_line_and_their_exit_code(
    project: Project, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = project.edgekd(*arguments)
    assert done.returncode == code, done.stderr
    assert message in done.stderr and "Traceback" not in done.stderr


def test_a_teacher_worse_than_chance_stops_the_run(project: Project) -> None:
    path = project.recipe("hopeless")
    path.write_text(path.read_text().replace("input_size = 64", 'input_size = 64\nweights = "none"'))
    done: Any = project.edgekd("distill", path)
    assert done.returncode == 3, done.stderr
    assert "A weak teacher makes a weak student" in done.stderr
    assert not (project.folder / "runs" / "hopeless" / "distill").exists()
    accepted = project.edgekd("distill", path, "--accept-weak-teacher")
    assert accepted.returncode == 0, accepted.stderr
    gates = json.loads((project.folder / "runs" / "hopeless" / "teacher" / "gates.json").read_text())
    assert gates[0]["accepted"] and not gates[0]["passed"]


def test_labels_alone_ship_where_they_are_better(project: Project, finished: Path) -> None:
    copy = finished.with_name("better")
    shutil.copytree(finished, copy)
    (project.folder / "better.toml").write_text((project.folder / "whole.toml").read_text().replace("whole", "better"))
    # A distillation that went wrong, as the run will find it: every validation photo gets another class.
    history = copy / "distill" / "history.json"
    labels = Dataset.load(copy / "data" / "dataset.json").labels("val")
    write_json(history, {**read_json(history), "val_predictions": ((labels + 1) % 3).tolist()})
    mark = read_json(history.with_name("stage.json"))
    mark["outputs"]["history.json"] = sha256_file(history)
    write_json(history.with_name("stage.json"), mark)
    done = project.edgekd("run", "better.toml")
    assert "the student from labels alone ships: " in done.stderr, done.stderr
    assert "the student from labels alone ships: " in read_json(copy / "report.json")["headline"]["text"]
    index = read_json(copy / "export" / "index.json")
    assert index["labels_only"]["file"] == "student.float32.tflite"
    assert index["distilled"]["file"] == "distilled.float32.tflite"
    rows = {row["row"]: row for row in read_json(copy / "check" / "check.json")["rows"]}
    assert rows["int8_tflite"]["agreement"]["with"] == "student.float32.tflite"
    assert rows["labels_only"]["artifact"] == "export/student.float32.tflite"
