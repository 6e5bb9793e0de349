"""What a process started is found and ended with all that it started, and nothing else is."""

from __future__ import annotations

import subprocess
import time
from dataclasses import replace
from pathlib import Path

from edgekd.process_tree import descendants, kill_all


def test_grandchildren_are_found_and_killed() -> None:
    child = subprocess.Popen(["sh", "-c", "sleep 300 & echo; sleep 300"], stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline()
    other = subprocess.Popen(["sleep", "300"])
    end = time.monotonic() + 10
    while len(descendants(child.pid)) < 2 and time.monotonic() < end:
        time.sleep(0.02)
    family = {child.pid, *(process.pid for process in descendants(child.pid))}
    # This process may have others, of tests before.
    tree = [process for process in descendants() if process.pid in family]
    assert tree[0].pid == child.pid and len(tree) == 3
    kill_all([replace(process, start_ticks="1") for process in tree])
    assert child.poll() is None
    kill_all(tree)
    assert child.wait(10) == -9 and other.poll() is None
    while any(_runs(process.pid) for process in tree) and time.monotonic() < end:
        time.sleep(0.02)
    assert not any(_runs(process.pid) for process in tree)
    other.kill()
    other.wait()


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
