"""The README's first command."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from support import SET_UPS


def test_the_quickstart_does_the_main_job(tmp_path: Path) -> None:
    command = shlex.split(SET_UPS[0].rpartition("&&")[2])
    assert command == [".venv/bin/edgekd", "quickstart"]
    done = subprocess.run(
        [sys.executable, "-m", "edgekd", "quickstart"], cwd=tmp_path, capture_output=True, text=True, timeout=1800
    )
    assert done.returncode == 0, done.stderr
    # How much faster depends on what else runs here: a disturbed measurement has no number, and says so.
    headline = r"\d+x smaller (and \d+x faster|than the teacher).* int8, .* balanced accuracy"
    assert re.match(headline, done.stdout.strip())
    assert "x faster" in done.stdout or "the measurement is invalid" in done.stdout
    assert (tmp_path / "runs" / "quickstart" / "report.html").is_file()
