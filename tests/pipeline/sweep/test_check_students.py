"""A sweep's students are looked at before any is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekd.data.dataset import Dataset
from edgekd.data.duplicates import DuplicateSummary
from edgekd.errors import UsageError
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.stage import Workspace
from edgekd.pipeline.sweep.check_students import check_students
from edgekd.recipe import Recipe, parse_recipe

DATASET = Dataset(("a", "b"), (), (), DuplicateSummary(0, 0, 0, 0, 0, ()))


class Notes:
    """A watcher that remembers what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def started(self, stage: str) -> None: ...

    def skipped(self, stage: str) -> None:
        self.notes.append(f"{stage} unchanged")

    def progress(self, done: int, total: int) -> None: ...

    def finished(self, stage: str, seconds: float) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)


def recipe(tmp_path: Path, freeze_blocks: int) -> Recipe:
    table = {
        "data": {"source": "photos"}, "teacher": {"input_size": 64, "fine_tune_blocks": 0},
        "student": {"freeze_blocks": freeze_blocks},
    }  # fmt: skip
    return parse_recipe(table, tmp_path / "recipe.toml")


def context(tmp_path: Path, freeze_blocks: int, watcher: Notes | None = None) -> RunContext:
    """A sweep's context whose data stage is done."""
    folder = tmp_path / "sweep"
    DATASET.save(folder / "data" / "dataset.json")
    return RunContext(Workspace(folder, watcher or Notes()), recipe(tmp_path, freeze_blocks))


def test_one_error_lists_every_student_that_cannot_be_trained(tmp_path: Path) -> None:
    (tmp_path / "broken.keras").write_text("not a model")
    good = "cnn:4@32"
    bad = ("slize:3", "slice:99@32", "slice:2-1@32", "slice:stem_rely@32", "nowhere.keras", f"{tmp_path}/broken.keras",
           "slice:1x0.5@32", "no_such_module:build", "auto")  # fmt: skip
    with pytest.raises(UsageError) as caught:
        check_students(context(tmp_path, 0), (good, *bad))
    lines = str(caught.value).splitlines()
    assert lines[0] == "9 of 10 students can't be trained; nothing has been trained yet:"
    assert good not in str(caught.value)
    for text, told in zip(bad, (
        "a student is slice:BLOCKS", "has 16 blocks", "can't be left out", "did you mean 'stem_relu'",
        "the file does not exist", "broken.keras", "no inverted residual blocks",
        "Is its module on PYTHONPATH", "it needs a limit in the recipe's [student.budget]",
    ), strict=True):  # fmt: skip
        assert any(line.startswith(f"  {text}: ") and told in line for line in lines), (text, told)


def test_freezing_goes_as_far_as_a_student_has_blocks(tmp_path: Path) -> None:
    students = ("slice:5@32", "cnn:4@32", "slice:3@32", "slice:4-3x0.5@32", "slice:stem_relu@32")
    watcher = Notes()
    sweep = context(tmp_path, 3, watcher)
    expected = {"slice:5@32": 3, "cnn:4@32": 0, "slice:3@32": 2, "slice:4-3x0.5@32": 2, "slice:stem_relu@32": 0}
    found = check_students(sweep, students)
    assert found == expected and tuple(found) == students
    assert [note.split(":  ")[0].split(" is ")[0] for note in watcher.notes] == [
        f"student {name}: freeze_blocks" for name in students[1:]
    ]
    assert check_students(sweep, students) == expected and "students unchanged" in watcher.notes
