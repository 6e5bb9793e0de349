"""Training on several devices is training on one with the whole batch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CLIENT = Path(__file__).parents[1] / "clients" / "replicas_client.py"


@pytest.mark.slow
def test_three_devices_learn_what_one_learns() -> None:
    done = subprocess.run([sys.executable, str(CLIENT)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["moved"] > 1e-2  # What the differences below are small against.
    for case in ("labels", "pairs"):
        assert told[case] < 1e-4
        ours, theirs = told[f"{case}_losses"]
        assert ours == pytest.approx(theirs, rel=1e-5)
    assert told["resumed_on_one"] < 1e-4
