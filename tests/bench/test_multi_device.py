from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_harness import answer, targets

from edgekd.bench import BenchPlan, BenchResult
from edgekd.bench.agents.protocol import names_of
from edgekd.bench.agents.python_agent import PythonAgent
from edgekd.bench.multi_device import measure_many, slug
from edgekd.bench.on_device import device_score
from edgekd.bench.records import HostAnswers
from edgekd.bench.targets import BenchTarget, CheckPhotos
from edgekd.devices import Completed, Device
from edgekd.devices.fake import FakeDevice
from edgekd.errors import DeviceError, DeviceNotFound, UsageError
from edgekd.progress import Silent


def opener(failing: str = "", gone_after: int = 3) -> dict[str, FakeDevice]:
    def script(argv: Sequence[str], files: dict[str, bytes]) -> Completed:
        if failing and len(devices[failing].calls) > gone_after and devices[failing].files is files:
            raise DeviceNotFound(f"{failing} is gone", address=failing)
        return answer(argv, files)

    devices = {address: FakeDevice(script, address=address) for address in ("host", "ssh:pi@it's", "adb:1")}
    return devices


def test_every_device_gets_its_turn_and_its_file(tmp_path: Path) -> None:
    devices = opener()
    outcomes = measure_many(targets(tmp_path, "a", "b"), "a", BenchPlan(launches=2), list(devices), tmp_path / "out",
                            open_=devices.__getitem__)  # fmt: skip
    assert [(one.address, one.error) for one in outcomes] == [(address, None) for address in devices]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["adb_1.json", "host.json", "ssh_pi@it_s.json"]
    assert all(BenchResult.load(one.path) == one.result for one in outcomes)


def test_what_completes_a_result_is_written_and_its_failure_leaves_what_was_measured(tmp_path: Path) -> None:
    devices, plan, out = opener(), BenchPlan(launches=1), tmp_path / "out"

    def complete(result: BenchResult, _: Sequence[BenchTarget], device: Device) -> BenchResult:
        if device.address == "adb:1":
            raise DeviceError("LLVM is missing", address="adb:1")
        return replace(result, agent="more") if device.address == "host" else result

    outcomes = measure_many(targets(tmp_path, "a"), "a", plan, list(devices), out, open_=devices.__getitem__,
                            complete=complete)  # fmt: skip
    assert [str(one.error or "") for one in outcomes] == ["", "", "LLVM is missing"]
    assert [BenchResult.load(one.path).agent for one in outcomes] == ["more", "python", "python"]


def test_a_device_that_goes_leaves_its_part_and_the_others_go_on(tmp_path: Path) -> None:
    made, plan, out = targets(tmp_path, "a", "b"), BenchPlan(launches=4), tmp_path / "out"
    devices = opener()
    measure_many(made, "a", plan, list(devices), out, open_=devices.__getitem__)
    before = (out / "ssh_pi@it_s.json").read_bytes()
    devices = opener(failing="ssh:pi@it's")
    outcomes = measure_many(made, "a", plan, list(devices), out, open_=devices.__getitem__)
    host, pi, phone = outcomes
    assert host.error is None and phone.error is None
    assert isinstance(pi.error, DeviceNotFound) and str(pi.error) == "ssh:pi@it's is gone"
    assert pi.result is not None and not pi.result.complete
    assert sum(len(one.launches) for one in pi.result.measurements) == 3
    # What was whole before stays.
    assert (out / "ssh_pi@it_s.json").read_bytes() == before
    assert pi.path == out / "ssh_pi@it_s.partial.json"
    assert devices["ssh:pi@it's"].workspaces_left == []


def test_where_the_baselines_format_does_not_run_another_file_is_the_baseline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class TfliteAlone(PythonAgent):
        formats = ("tflite",)

    def choose(device: Device, choice: object = None) -> PythonAgent:
        return (TfliteAlone if device.address == "adb:1" else PythonAgent)(device)

    monkeypatch.setattr("edgekd.bench.multi_device.choose_agent", choose)
    teacher, float_student, student = targets(tmp_path, "teacher", "float", "int8")
    files = [BenchTarget("teacher", teacher.path, "onnx", teacher.inputs)]
    files += [BenchTarget(one.name, one.path, "tflite", one.inputs) for one in (float_student, student)]
    notes, devices = Notes(), opener()
    host, phone = measure_many(
        files, "teacher", BenchPlan(launches=1), ["host", "adb:1"], tmp_path / "out", open_=devices.__getitem__,
        watcher=notes,
    )  # fmt: skip
    assert host.result is not None and host.result.baseline == "teacher"
    assert phone.result is not None and phone.result.baseline == "float" and phone.result.names == ("float", "int8")
    assert notes.said == [
        "adb:1: its python agent does not run teacher, so it is left out there and the others are compared with float"
    ]


class Notes(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


def test_an_address_that_cannot_be_opened(tmp_path: Path) -> None:
    def open_(address: str) -> Device:
        if address == "adb:1":
            raise DeviceNotFound("adb:1 is not attached", address=address)
        if address == "nonsense":
            raise UsageError("unknown device")
        return FakeDevice(answer, address=address)

    made = targets(tmp_path, "a")
    outcomes = measure_many(made, "a", BenchPlan(launches=1), ["adb:1", "host"], tmp_path, open_=open_)
    assert str(outcomes[0].error) == "adb:1 is not attached" and outcomes[0].result is None
    assert outcomes[1].error is None
    with pytest.raises(UsageError, match="unknown device"):
        measure_many(made, "a", BenchPlan(launches=1), ["host", "nonsense"], tmp_path, open_=open_)
    with pytest.raises(UsageError, match="given twice"):
        measure_many(made, "a", BenchPlan(launches=1), ["host", "host"], tmp_path, open_=open_)


def test_a_slug_holds_no_separator() -> None:
    assert slug("ssh:../../etc/pass wd") == "ssh_.._.._etc_pass_wd"


def checked(tmp_path: Path, near_ties: tuple[int, ...]) -> list[BenchTarget]:
    (one,) = targets(tmp_path, "a")
    photos = np.zeros((3, 2, 2, 3), np.uint8)
    host = HostAnswers(answers=(0, 1, 2), near_ties=near_ties, labels=(0, 1, 1))
    return [BenchTarget(one.name, one.path, one.format, one.inputs, check=CheckPhotos(photos, host))]


@pytest.mark.parametrize(
    ("answers", "near_ties", "differing", "tied", "passed"),
    [([0, 1, 2], (), 0, 0, True), ([0, 1, 1], (), 1, 0, False), ([0, 1, 1], (2,), 1, 1, True)],
)
def test_a_device_is_held_against_the_host(
    tmp_path: Path, answers: list[int], near_ties: tuple[int, ...], differing: int, tied: int, passed: bool
) -> None:
    def script(argv: Sequence[str], files: dict[str, bytes]) -> Completed:
        done = answer(argv, files)
        plan, reply = json.loads(files[argv[2]]), json.loads(files[argv[3]])
        reply["check_answers"] = answers if plan["check_inputs"] else None
        files[argv[3]] = json.dumps(reply).encode()
        return done

    device = FakeDevice(script)
    (outcome,) = measure_many(
        checked(tmp_path, near_ties), "a", BenchPlan(launches=2), ["fake"], tmp_path / "out", open_=lambda _: device
    )
    assert outcome.result is not None
    (measurement,) = outcome.result.measurements
    assert [launch.check_answers is not None for launch in measurement.launches] == [True, False]
    score = device_score(measurement)
    assert score is not None and score.accuracy is not None and score.host_accuracy is not None
    assert (score.n, score.differing, score.tied, score.passed) == (3, differing, tied, passed)
    assert score.host_accuracy.value == pytest.approx(2 / 3)
    assert ("Do not ship" in score.message("fake")) == (not passed)


def test_an_answer_too_many_is_refused(tmp_path: Path) -> None:
    def script(argv: Sequence[str], files: dict[str, bytes]) -> Completed:
        done = answer(argv, files)
        files[argv[3]] = json.dumps({**json.loads(files[argv[3]]), "check_answers": [0, 1, 2, 0]}).encode()
        return done

    (outcome,) = measure_many(
        checked(tmp_path, ()), "a", BenchPlan(launches=1), ["fake"], tmp_path, open_=lambda _: FakeDevice(script)
    )
    assert isinstance(outcome.error, DeviceError) and "4 answers to 3 photos" in str(outcome.error)


def test_files_and_photos_that_targets_share_go_once(tmp_path: Path) -> None:
    one, other = targets(tmp_path, "a", "b")
    again = BenchTarget("a, 2 threads", one.path, one.format, one.inputs, threads=2)
    found = [names_of([one, other, again], k) for k in range(3)]
    assert [names["model"] for names in found] == ["0.onnx", "1.onnx", "0.onnx"]
    assert [names["inputs"] for names in found] == ["0.npy", "1.npy", "0.npy"]


@pytest.mark.parametrize(
    "raised", [KeyError("steal_s"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), OSError(28, "full")]
)
def test_whatever_a_device_does_the_others_go_on(tmp_path: Path, raised: Exception) -> None:
    def script(argv: Sequence[str], files: dict[str, bytes]) -> Completed:
        if len(devices["adb:1"].calls) == 3:
            raise raised
        return answer(argv, files)

    devices = opener()
    devices["adb:1"] = FakeDevice(script, address="adb:1")
    addresses = ["adb:1", "host"]
    phone, host = measure_many(
        targets(tmp_path, "a"), "a", BenchPlan(launches=4), addresses, tmp_path, open_=devices.__getitem__
    )
    assert isinstance(phone.error, DeviceError) and str(phone.error).startswith("adb:1: ")
    assert phone.result is not None and len(phone.result.measurements[0].launches) == 2
    assert host.error is None and devices["adb:1"].workspaces_left == []
