from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from test_statistics import constant, result

import edgekd.bench.result as results
from edgekd.accelerators.left_ops import OpsLeft
from edgekd.accelerators.records import AcceleratorCheck, Flip
from edgekd.accelerators.vulkan import Driver
from edgekd.bench.result import BenchResult, json_schema
from edgekd.errors import EdgekdError


def test_the_schema_beside_the_code_is_that_of_the_code() -> None:
    path = Path(results.__file__).with_name("result.schema.json")
    assert json.loads(path.read_text(encoding="utf-8")) == json.loads(json.dumps(json_schema()))


def test_what_is_saved_is_read_and_holds_to_the_schema(tmp_path: Path) -> None:
    made = result(constant("a", 1.0, 2.0))
    made.save(tmp_path / "a.json")
    assert BenchResult.load(tmp_path / "a.json") == made
    value = json.loads((tmp_path / "a.json").read_text())
    assert value["schema"] == 4 and set(value) == set(json_schema()["properties"])


def test_what_accelerators_showed_is_saved_and_read(tmp_path: Path) -> None:
    driver, left = Driver("SwiftShader", "software", False), OpsLeft(3, 6, ("L2_POOL_2D: no",))
    flips = (Flip(2, 0, 1, 0.2), Flip(3, 0, 1, None))
    checks = (
        AcceleratorCheck("a", "gpu", driver, False, left, 8, 0.1, flips, 1, None),
        AcceleratorCheck("a", "cpu-fp16", None, None, None, 8, 0.0, (), 0, 0.5, right=7),
    )
    made = replace(result(constant("a", 1.0)), accelerators=checks)
    made.save(tmp_path / "a.json")
    assert BenchResult.load(tmp_path / "a.json").accelerators == checks


def test_a_result_of_before_was_timed_one_by_one(tmp_path: Path) -> None:
    made = result(constant("a", 1.0))
    made.save(tmp_path / "a.json")
    value = json.loads((tmp_path / "a.json").read_text())
    del value["plan"]["sample_ms"], value["plan"]["end_to_end"], value["measurements"][0]["end_to_end"]
    (tmp_path / "a.json").write_text(json.dumps({**value, "schema": 3}))
    loaded = BenchResult.load(tmp_path / "a.json")
    assert loaded.plan.sample_ms == 0 and loaded.measurements == made.measurements


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"measurements": 3}, "measurements"),
        ({"unknown": 1}, "unknown"),
        ({"plan": {"launches": 0}}, "plan.launches"),
    ],
)
def test_a_changed_file_is_refused_by_name(tmp_path: Path, change: dict[str, object], told: str) -> None:
    path = tmp_path / "a.json"
    result(constant("a", 1.0)).save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(EdgekdError, match=rf"not a whole benchmark result: {told}"):
        BenchResult.load(path)


def test_a_file_of_schema_2_is_read(tmp_path: Path) -> None:
    made = result(constant("a", 1.0, 2.0))
    made.save(tmp_path / "a.json")
    value = json.loads((tmp_path / "a.json").read_text())
    for key in ("resumed", "polled"):
        del value[key]
    for launch in value["measurements"][0]["launches"]:
        del launch["session"]
    (tmp_path / "a.json").write_text(json.dumps({**value, "schema": 2}))
    assert BenchResult.load(tmp_path / "a.json") == made
