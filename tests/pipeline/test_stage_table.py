"""One table gives the order of the stages, what ``--until`` does, and where each stage's code is."""

from __future__ import annotations

import importlib.util

import pytest

from edgekd.errors import UsageError
from edgekd.pipeline.stage_table import NAMES, SHARED, STAGES, stages_until


def test_every_stage_is_a_module_of_its_name_and_needs_earlier_ones() -> None:
    for number, stage in enumerate(STAGES):
        assert importlib.util.find_spec(f"edgekd.pipeline.stages.{stage.name}") is not None
        assert set(stage.needs) <= set(NAMES[:number]), f"{stage.name} needs a stage that comes after it"


def test_a_shared_stage_needs_shared_ones_alone() -> None:
    assert all(set(stage.needs) <= set(SHARED) for stage in STAGES if stage.shared)


@pytest.mark.parametrize(
    ("until", "names"),
    [
        ("teacher", ["data", "teacher"]),
        ("soft_targets", ["data", "teacher", "extra_targets", "soft_targets"]),
        ("column", ["data", "teacher", "extra_targets", "soft_targets"]),
        ("scratch", ["data", "teacher", "search", "start", "scratch"]),
        ("report", list(NAMES)),
    ],
)
def test_until_does_a_stage_and_all_that_it_needs(until: str, names: list[str]) -> None:
    assert [stage.name for stage in stages_until(until)] == names


def test_an_unknown_stage_is_named_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"there is no stage 'distil'\. The stages are: data, teacher"):
        stages_until("distil")
