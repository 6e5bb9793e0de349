"""The scripts of ``benchmarks/`` that a person runs, and their short form."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import warm

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
# A name that begins with _ is that of a program which another script starts.
SCRIPTS = sorted(
    str(path.relative_to(BENCHMARKS))
    for path in BENCHMARKS.glob("*/[!_]*.py")
    if "__main__" in path.read_text(encoding="utf-8")
)
_TRAINING = ("kd_quality", "kd_speed", "quantization", "quickstart", "road", "sweep", "teachers")
# Every script is in one of the three, each of which a test file of its own runs.
ANDROID = [script for script in SCRIPTS if script.startswith("android_")]
TRAINING = [script for script in SCRIPTS if script.startswith(_TRAINING)]
OTHERS = [script for script in SCRIPTS if script not in ANDROID + TRAINING]


def run_short(script: str, out: Path, *arguments: str | Path, environment: Mapping[str, str] | None = None) -> None:
    """Run a script's short form and check that it ends well and leaves readable results."""
    committed = _content(BENCHMARKS / Path(script).parent / "results")
    done = warm.script(
        BENCHMARKS / script, *arguments, "--short", "--out", out, env={**os.environ, **(environment or {})}, timeout=800
    )
    assert done.returncode == 0, f"{script}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    results = sorted(path for path in out.iterdir() if path.suffix in (".json", ".md"))
    assert results, f"{script} wrote no .json and no .md into --out"
    for path in results:
        text = path.read_text(encoding="utf-8")
        assert text.strip(), f"{path.name} is empty"
        if path.suffix == ".json":
            assert json.loads(text)["schema"] >= 1
    assert _content(BENCHMARKS / Path(script).parent / "results") == committed, "the committed results changed"


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*")}
