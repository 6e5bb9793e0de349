"""A whole search over a tiny teacher: within the budget, resumed after a kill, and what it says where nothing fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_search import RECIPE, make_search

from edgekd.errors import GateFailed
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.run import run
from edgekd.pipeline.search import looks
from edgekd.pipeline.search.looks import LookInputs
from edgekd.pipeline.search.source import open_source
from edgekd.pipeline.stage import Workspace
from edgekd.recipe import load_recipe
from edgekd.storage import read_json


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos and a teacher; the tests share their run, so that it is trained once."""
    return make_search(tmp_path_factory.mktemp("search"))


def search(folder: Path, parameters: int, until: str = "search") -> Path:
    (folder / "recipe.toml").write_text(RECIPE % parameters)
    return run(load_recipe(folder / "recipe.toml"), folder / "run", until=until).directory


def test_the_student_is_within_the_budget_and_a_killed_search_ends_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []

    def killed(_context: Any, student: Any, *_: Any) -> Any:
        trained.append(student.name)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(looks, "train_briefly", killed)
        with pytest.raises(KeyboardInterrupt):
            search(folder, 1500)
    probed = read_json(folder / "run" / "search" / "state.json")["results"]
    assert trained and any(name.startswith("probe of slice:") for name in probed)

    directory = search(folder, 1500)
    result = read_json(directory / "search" / "search.json")
    by_name = {one["student"]: one for one in result["candidates"]}
    for name, score in probed.items():
        if name.startswith("probe of "):
            assert by_name[name.removeprefix("probe of ")]["probe"] == score
    assert all(one["costs"]["parameters"] <= 1500 for one in result["candidates"])
    assert by_name[result["student"]]["trials"] and "validation photos" in result["reason"]
    # The run says which it is.
    assert read_json(directory / "run.json")["student"]["student"] == result["student"]
    chosen = load_recipe(directory / "search" / "recipe.toml")
    assert chosen.student.model == result["student"] and not chosen.student.is_auto
    # Done once, it is skipped.
    before = (directory / "search" / "stage.json").read_bytes()
    search(folder, 1500)
    assert (directory / "search" / "stage.json").read_bytes() == before


def test_where_nothing_fits_the_nearest_is_named(folder: Path) -> None:
    with pytest.raises(
        GateFailed, match=r"no student is within the budget\. The nearest is .*\(at most 50 parameters\)"
    ):
        search(folder, 50)


def test_a_candidate_that_is_prepared_again_is_the_same(folder: Path) -> None:
    directory = search(folder, 1500)
    student = read_json(directory / "search" / "search.json")["student"]
    context = RunContext(Workspace(directory), load_recipe(folder / "recipe.toml"))
    photos = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype("float32")

    def prepare() -> LookInputs:
        return LookInputs(context, open_source(context), directory / "search")

    inputs = prepare()
    first, kept, anew = inputs.build(student), inputs.build(student), prepare().build(student)
    assert first.model is not kept.model and first.seconds == kept.seconds
    size = first.model.input_shape[1]
    for other in (kept, anew):
        assert other.score == first.score
        np.testing.assert_array_equal(other.model(photos[:, :size, :size]), first.model(photos[:, :size, :size]))
