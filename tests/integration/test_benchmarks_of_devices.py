"""The benchmarks that measure files and devices run in their shortest form."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmark_scripts import OTHERS, run_short

# What these take instead of making a small one themselves: the session's own run, and its arm64 root.
RUNS = {
    "harness/run.py": (),
    "instructions/run.py": ("--run",),
    "core_time/run.py": ("--run",),
    "whole_way/run.py": (),
}
ON_TAGS = {"same_answers/run.py"}
ON_A_FILE = {"faults/run.py", "swift_port/run.py"}
ON_ARM = {"core_time/run.py", "faults/run.py", "instructions/run.py", "int8_runtimes/run.py"}


@pytest.mark.parametrize("script", OTHERS)
def test_a_benchmark_runs_in_its_short_form(script: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    arguments: list[str | Path] = []
    if script in RUNS:
        arguments = [*RUNS[script], request.getfixturevalue("finished")]
    if script in ON_TAGS:
        arguments = [request.getfixturevalue("tags_run"), "--most", "12"]
    if script in ON_A_FILE:
        arguments = [request.getfixturevalue("exported")["int8.tflite"].path]
    environment = {}
    if script in ON_ARM:
        environment["EDGEKD_ARM_ROOT"] = str(request.getfixturevalue("arm_root"))
        # Where the plugin that counts instructions is compiled to.
        environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    if script == "faults/run.py":
        # Skips where what the simulated phones need is not installed.
        arguments += ["--phones", request.getfixturevalue("phone_root").parent]
    run_short(script, tmp_path / "out", *arguments, environment=environment)
