"""``edgekd bench``, ``compare`` and joined reports from the command line, on this machine and on devices that fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import Project

ONCE = ("--launches", "1", "--seconds", "0.02", "--photos", "2", "--check", "4")


def test_bench_measures_without_tensorflow(project: Project, finished: Path) -> None:
    export = finished / "export"
    done = project.edgekd(
        "bench", export / "teacher.float32.tflite", export / "student.int8.tflite", "--data", "photos",
        "--photos", "2", "--launches", "2", "--seconds", "0.05", "--out", "bench.json", "--json",
        without_tensorflow=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (device,) = json.loads(done.stdout)["devices"]
    assert (device["device"], device["baseline"], device["unit"]) == ("host", "teacher.float32.tflite", "ns")
    told = device["files"]["student.int8.tflite"]
    assert told["comparison"]["estimate"] < 1
    assert (told["device_score"]["n"], told["device_score"]["differing"]) == (16, 0)
    assert json.loads((project.folder / "bench.json").read_text())["complete"]
    assert not list(project.folder.glob(".bench*"))


def test_a_run_on_a_device_that_works_and_one_that_does_not(project: Project, finished: Path) -> None:
    done = project.edgekd(
        "bench", finished, *ONCE, "--device", "host", "--device", "adb:not-attached", "--out", "devices",
        without_tensorflow=True,
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    assert "adb:not-attached" in done.stderr and "Traceback" not in done.stderr
    page = (project.folder / "devices" / "report.html").read_text()
    assert "teacher" in page and "int8 ONNX" in page and "adb:not-attached" in page
    assert (project.folder / "devices" / "host.json").is_file()
    again = project.edgekd("report", "devices", without_tensorflow=True)
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(
    ("arguments", "launches", "present"),
    [
        (("--paced", "5"), 1, "late_n"),
        (("--sustained",), 1, "curve"),
        (("--delegate", "none", "--affinity", "0"), 1, "answers"),
    ],
)
def test_modes_leave_what_they_promise(
    project: Project, finished: Path, arguments: tuple[str, ...], launches: int, present: str
) -> None:
    file = finished / "export" / "student.int8.tflite"
    common = ("--data", finished, "--seconds", "0.1", "--launches", "1", "--out", "mode.json")
    done = project.edgekd("bench", file, *common, *arguments, without_tensorflow=True)
    assert done.returncode == 0, done.stderr
    (measurement,) = json.loads((project.folder / "mode.json").read_text())["measurements"]
    assert len(measurement["launches"]) == launches
    assert measurement["launches"][0][present] is not None


def test_a_sweep_of_threads_draws_itself(project: Project, finished: Path) -> None:
    file = finished / "export" / "student.float32.tflite"
    done = project.edgekd(
        "bench", file, "--data", "photos", *ONCE, "--threads", "1,2", "--out", "threads", without_tensorflow=True
    )
    assert done.returncode == 0, done.stderr
    assert (project.folder / "threads" / "plots" / "threads.png").is_file()


def test_compare_and_its_gate(project: Project, finished: Path) -> None:
    export = finished / "export"
    files = (export / "teacher.float32.tflite", export / "student.int8.tflite")
    for name in ("before", "after"):
        done = project.edgekd("bench", *files, "--data", "photos", *ONCE, "--out", f"{name}.json")
        assert done.returncode == 0, done.stderr
    done = project.edgekd("compare", "before.json", "after.json", "--json", without_tensorflow=True)
    assert done.returncode == 0, done.stderr
    assert [change["comparison"]["verdict"] for change in json.loads(done.stdout)] == ["inconclusive"] * 2
    slower = json.loads((project.folder / "after.json").read_text())
    # As on a machine where nothing else runs, which decides nothing otherwise.
    cpu = {"own_s": 9.0, "busy_s": 9.0, "wall_s": 9.0, "wait_s": 0.0, "total_s": 18.0, "steal_s": 0.0}
    quiet = {"cpu": cpu, "switched_out": []}
    for measurement in slower["measurements"]:
        measurement["launches"] = [
            {**measurement["launches"][0], "round": k, "timings_ns": [9_000_000_000 + k], **quiet} for k in range(9)
        ]
    (project.folder / "slower.json").write_text(json.dumps(slower))
    nine = json.loads(json.dumps(slower).replace("900000000", "100000000"))
    (project.folder / "nine.json").write_text(json.dumps(nine))
    done = project.edgekd("compare", "nine.json", "slower.json", "--max-slowdown", "1.5", without_tensorflow=True)
    assert done.returncode == 3 and "slower than 1.5 times before: teacher.float32.tflite (" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--paced", "33", "--sustained"), 2, "exclude each other"),
        (("--threads", "1,x"), 2, "list of numbers"),
        (("--threads", "0"), 2, "too small"),
        (("--apk", "no.apk"), 2, "no.apk: there is no such file"),
        (("--delegate", "gpu", "--launches", "1"), 4, "no delegate 'gpu'"),
        (("--device", "host", "--device", "host"), 2, "given twice"),
        (("--device", "host", "--device", "ssh:x@y", "--out", "a.json"), 2, "Give a folder"),
        (("--affinity", "999", "--launches", "1"), 4, "Invalid argument"),
    ],
)
def test_mistakes(project: Project, finished: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    done = project.edgekd("bench", finished / "export" / "student.int8.tflite", "--data", "photos", *arguments)
    assert done.returncode == code, done.stderr
    assert message in done.stderr and "Traceback" not in done.stderr
