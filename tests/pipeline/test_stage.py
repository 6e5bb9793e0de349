"""Stages: done once, again when something changed, and never counted as done by half."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekd.errors import RunError
from edgekd.pipeline.search.timing import seconds_before
from edgekd.pipeline.stage import Workspace, stage_seconds
from edgekd.storage import locked, write_json


class Counter:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, directory: Path, key: str) -> None:
        self.calls += 1
        (directory / "out.txt").write_text(f"{self.calls}")


def stage(path: Path, work: Counter, depends: object = 1) -> str:
    workspace = Workspace(path)
    workspace.stage("a", depends, ("out.txt",), work)
    return workspace.hashes["a"]


def test_skipped_while_nothing_changed(tmp_path: Path) -> None:
    work = Counter()
    assert stage(tmp_path, work) == stage(tmp_path, work)
    assert work.calls == 1


@pytest.mark.parametrize("damage", ["depends", "output", "missing", "mark"])
def test_done_again_when_something_changed(tmp_path: Path, damage: str) -> None:
    work = Counter()
    first = stage(tmp_path, work)
    directory = tmp_path / "a"
    if damage == "output":
        (directory / "out.txt").write_text("edited by hand")
    elif damage == "missing":
        (directory / "out.txt").unlink()
    elif damage == "mark":
        (directory / "stage.json").write_text("{")
    assert stage(tmp_path, work, 2 if damage == "depends" else 1) != first
    assert work.calls == 2


def test_a_failure_leaves_the_stage_to_be_done(tmp_path: Path) -> None:
    def fail(directory: Path, key: str) -> None:
        (directory / "out.txt").write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        Workspace(tmp_path).stage("a", 1, ("out.txt",), fail)
    work = Counter()
    stage(tmp_path, work)
    assert work.calls == 1


def test_a_stage_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"without writing out\.txt"):
        Workspace(tmp_path).stage("a", 1, ("out.txt",), lambda directory, key: None)


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(RunError, match="in use by another edgekd"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_the_seconds_of_a_stage_are_with_those_of_a_teachers_members(tmp_path: Path) -> None:
    for place, seconds in (("teacher", 1.5), ("teacher/member-1", 20), ("teacher/member-2", 30), ("start", 100)):
        (tmp_path / place).mkdir()
        write_json(tmp_path / place / "stage.json", {"seconds": seconds})
    assert stage_seconds(tmp_path, "teacher") == 51.5
    assert seconds_before(tmp_path) == pytest.approx(51.5 + 15)
    assert stage_seconds(tmp_path, "search") == 0
    (tmp_path / "teacher" / "stage.json").write_text("{")
    assert stage_seconds(tmp_path, "teacher") == 50
