"""A killed measurement goes on: nothing is measured twice, nothing is lost, nothing foreign is taken."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_harness import answer, targets

from edgekd.bench import BenchPlan, BenchResult
from edgekd.bench.multi_device import Outcome, measure_many
from edgekd.devices import Completed
from edgekd.devices.fake import FakeDevice
from edgekd.errors import DeviceNotFound

PLAN = BenchPlan(launches=4, seed=3)


class Notes:
    """A watcher that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def started(self, stage: str) -> None:
        """Nothing to draw."""

    def progress(self, done: int, total: int) -> None:
        """Nothing to draw."""

    def finished(self, stage: str, seconds: float) -> None:
        """Nothing to draw."""

    def note(self, text: str) -> None:
        self.said.append(text)


class Killed(BaseException):
    """In the place of a signal."""


def device(address: str = "fake", killed_after: int | None = None, facts: dict[str, Any] | None = None) -> FakeDevice:
    def script(argv: Sequence[str], files: dict[str, bytes]) -> Completed:
        if killed_after is not None and len(made.calls) > killed_after:
            raise Killed
        return answer(argv, files)

    made = FakeDevice(script, facts or {"cpu_model": "Fake", "time_utc": "2026-01-01"}, address)
    return made


def run(folder: Path, *devices: FakeDevice, notes: Notes | None = None, **changed: Any) -> list[Outcome]:
    by_address = {one.address: one for one in devices}
    folder.mkdir(exist_ok=True)
    made = targets(folder, *changed.pop("names", ("a", "b", "c")))
    plan = changed.pop("plan", PLAN)
    return measure_many(made, "a", plan, list(by_address), folder / "out", open_=by_address.__getitem__,
                        watcher=notes, **changed)  # fmt: skip


def but_for_sessions(result: BenchResult | None) -> BenchResult:
    assert result is not None
    measurements = tuple(
        replace(one, launches=tuple(replace(launch, session=0) for launch in one.launches))
        for one in result.measurements
    )
    return replace(result, measurements=measurements, resumed=())


@pytest.mark.parametrize("killed_after", [0, 1, 5, 6, 11])
def test_only_missing_launches_are_run_and_the_result_is_that_of_one_go(tmp_path: Path, killed_after: int) -> None:
    (whole,) = run(tmp_path / "whole", device())
    with pytest.raises(Killed):
        run(tmp_path, device(killed_after=killed_after))
    kept = BenchResult.load(tmp_path / "out" / "fake.partial.json")
    assert sum(len(one.launches) for one in kept.measurements) == killed_after
    later = device(facts={"cpu_model": "Fake", "time_utc": "2026-01-02"})
    (outcome,) = run(tmp_path, later)
    assert len(later.calls) == 12 - killed_after
    assert outcome.result is not None and outcome.result.complete
    told = [(one.launches_before, one.facts_before["time_utc"]) for one in outcome.result.resumed]
    assert told == ([(killed_after, "2026-01-02")] if killed_after else [])
    assert whole.result is not None
    same = {"facts_before": {}, "facts_after": {}}
    assert replace(but_for_sessions(outcome.result), **same) == replace(but_for_sessions(whole.result), **same)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["fake.json"]


def test_killed_twice(tmp_path: Path) -> None:
    for killed_after in (2, 3):
        with pytest.raises(Killed):
            run(tmp_path, device(killed_after=killed_after))
    (outcome,) = run(tmp_path, later := device())
    assert outcome.result is not None and len(later.calls) == 7
    assert [one.launches_before for one in outcome.result.resumed] == [2, 5]
    sessions = [launch.session for one in outcome.result.measurements for launch in one.launches]
    assert sorted(sessions) == [0] * 2 + [1] * 3 + [2] * 7


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"plan": BenchPlan(launches=5, seed=3)}, "launches 4, not 5"),
        ({"names": ("a", "b")}, "it is of a, b, c"),
        ({"facts": {"cpu_model": "Other"}}, "cpu model was Fake there and is Other"),
        ({"content": b"other"}, "b has another content now"),
        ({"damaged": True}, "cannot be read as JSON"),
    ],
)
def test_a_partial_of_something_else_is_set_aside_with_a_note(
    tmp_path: Path, changed: dict[str, Any], why: str
) -> None:
    with pytest.raises(Killed):
        run(tmp_path, device(killed_after=4))
    partial = tmp_path / "out" / "fake.partial.json"
    if changed.pop("damaged", False):
        partial.write_text("{")
    before, notes = partial.read_bytes(), Notes()
    content = changed.pop("content", None)
    if content:
        changed["names"] = ("a", "b", "c")
        made = targets(tmp_path, "a", "b", "c")
        made[1].path.write_bytes(content)
        later = device()
        (outcome,) = measure_many(made, "a", PLAN, ["fake"], tmp_path / "out", open_=lambda _: later, watcher=notes)
    else:
        later = device(facts=changed.pop("facts", None))
        (outcome,) = run(tmp_path, later, notes=notes, **changed)
    assert outcome.result is not None and outcome.result.complete and outcome.result.resumed == ()
    assert len(later.calls) == sum(len(one.launches) for one in outcome.result.measurements)
    (said,) = notes.said
    assert why in said and said.endswith("it is now fake.1.partial.json")
    assert (tmp_path / "out" / "fake.1.partial.json").read_bytes() == before


def test_devices_that_were_done_stay_and_one_of_an_earlier_command_does_not(tmp_path: Path) -> None:
    run(tmp_path, device("one"), device("two"))
    again = device("one")
    with pytest.raises(Killed):
        run(tmp_path, again, device("two", killed_after=2))
    assert len(again.calls) == 12, "a whole command before is no part of this one"
    notes = Notes()
    one, two = run(tmp_path, done := device("one"), rest := device("two"), notes=notes)
    assert (len(done.calls), len(rest.calls)) == (0, 10)
    assert one.result is not None and two.result is not None and two.result.complete
    assert any(said.startswith("one: measured at 2026-01-01, kept (--anew") for said in notes.said)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one.json", "two.json"]


def test_anew_keeps_nothing_and_deletes_nothing(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(tmp_path, device("one"), device("two", killed_after=2))
    run(tmp_path, one := device("one"), two := device("two"), anew=True)
    assert (len(one.calls), len(two.calls)) == (12, 12)
    assert (tmp_path / "out" / "two.1.partial.json").is_file()


def test_a_device_that_was_lost_goes_on_and_what_failed_is_tried_again(tmp_path: Path) -> None:
    def script(argv: Sequence[str], files: dict[str, bytes]) -> Completed:
        if len(first.calls) == 8:
            raise DeviceNotFound("fake is gone", address="fake")
        if files[json.loads(files[argv[2]])["model"]] == b"c":
            return Completed(1, "", "ValueError: out of memory")
        return answer(argv, files)

    first = FakeDevice(script, {"cpu_model": "Fake", "time_utc": "2026-01-01"}, "fake")
    (outcome,) = run(tmp_path, first)
    assert isinstance(outcome.error, DeviceNotFound)
    (outcome,) = run(tmp_path, later := device())
    assert outcome.result is not None and outcome.result.complete and outcome.result.failures == ()
    assert [[launch.round for launch in one.launches] for one in outcome.result.measurements] == [[0, 1, 2, 3]] * 3
    assert len(later.calls) == 12 - 6


def test_another_time_limit_is_no_other_measurement(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(tmp_path, device(killed_after=5))
    run(tmp_path, later := device(), plan=PLAN.model_copy(update={"launch_timeout_s": 9.0}))
    assert len(later.calls) == 7
