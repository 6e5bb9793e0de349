"""A signal ends a command: with its children and temporary files, one line, and the signal's exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

MAIN = """
import sys, time
from edgekd import stopping

def work():
{work}

try:
    stopping.install()
    print("ready", flush=True)
    work()
except stopping.Stopped as error:
    stopping.finish()
    sys.exit(error.exit_code)
"""

# What swallows or delays an exception that a signal's handler raises.
IN_A_DESTRUCTOR = """
    class Slow:
        def __del__(self):
            time.sleep(1.5)
    Slow()
    time.sleep(60)
"""
SWALLOWED = """
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass
        if not hasattr(work, "again"):
            work.again = True
        else:
            time.sleep(60)
"""
IN_C = """
    import hashlib
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)
"""
CLEANUP_THAT_HANGS = """
    try:
        time.sleep(60)
    finally:
        time.sleep(60)
"""


def start(*argv: str, cwd: Path | None = None, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd,
        env={**os.environ, **environment}, start_new_session=True,
    )  # fmt: skip


def wait_for(what: Callable[[], Any], seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
    return value


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("work", [IN_A_DESTRUCTOR, SWALLOWED], ids=["destructor", "swallowed"])
def test_an_exception_that_is_lost_is_raised_again(number: signal.Signals, work: str) -> None:
    process = start("-c", MAIN.format(work=work))
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=10)
    assert (process.returncode, stderr) == (128 + number, "")


def test_code_that_does_not_come_back_is_ended() -> None:
    process = start("-c", MAIN.format(work=IN_C))
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    process.terminate()
    _, stderr = process.communicate(timeout=20)
    assert (process.returncode, stderr) == (143, "edgekd: stopped by SIGTERM\n")


def test_a_second_signal_ends_a_cleanup_that_hangs() -> None:
    process = start("-c", MAIN.format(work=CLEANUP_THAT_HANGS))
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=10)
    # The second comes up in the cleanup itself, or ends the process.
    assert process.returncode == 130 and "Traceback" not in stderr


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    work = "    time.sleep(1)\n    print('done', flush=True)\n"
    process = start("-c", f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n{MAIN.format(work=work)}")
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    stdout, _ = process.communicate(timeout=20)
    assert (process.returncode, stdout) == (0, "done\n")


@pytest.fixture
def measuring(exported: dict[str, Any], images_folder: Path, tmp_path: Path) -> subprocess.Popen[str]:
    """A benchmark whose launch lasts for minutes, with its agent running."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    process = start(
        "-m", "edgekd", "bench", str(exported["int8.tflite"].path), "--data", str(images_folder), "--sustained",
        "--check", "0", "--seconds", "100", TMPDIR=str(temporary),
    )  # fmt: skip
    wait_for(lambda: agents_of(process.pid))
    return process


@pytest.fixture
def images_folder(tmp_path: Path, images: Any) -> Path:
    from PIL import Image

    folder = tmp_path / "photos"
    folder.mkdir()
    for number, image in enumerate(images[:2]):
        Image.fromarray(image).save(folder / f"{number}.png")
    return folder


def agents_of(pid: int) -> list[int]:
    """The children of a process that run the agent."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            if b"agent" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
    return found


@pytest.mark.parametrize("number", [*SIGNALS, signal.SIGKILL], ids=lambda number: number.name)
def test_a_benchmark_ends_with_its_agent_and_its_files(
    measuring: subprocess.Popen[str], number: signal.Signals, tmp_path: Path
) -> None:
    (agent,) = agents_of(measuring.pid)
    measuring.send_signal(number)
    stdout, stderr = measuring.communicate(timeout=20)
    wait_for(lambda: not Path(f"/proc/{agent}").exists(), 5)
    assert stdout == "" and "Traceback" not in stderr
    if number == signal.SIGKILL:
        assert measuring.returncode == -9 and len(list((tmp_path / "temporary").iterdir())) == 1
        # What it could not remove itself goes when the next command begins.
        assert start("-m", "edgekd", "--version", TMPDIR=str(tmp_path / "temporary")).wait(60) == 0
    else:
        assert measuring.returncode == 128 + number
        photos, stopped = stderr.splitlines()
        assert photos.startswith("note: 2 photos; ")
        assert stopped == f"edgekd: stopped by {number.name}. Run the same command again"
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_command_that_is_done_ends_as_such(tmp_path: Path) -> None:
    # At the very end of a process Python takes handlers away; a module that is torn down then gets the signal.
    script = tmp_path / "last.py"
    script.write_text(
        "import os, signal\n"
        "from edgekd import stopping\n"
        "class Last:\n"
        "    def __del__(self):\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "stopping.install()\n"
        "last = Last()\n"
        "last.itself = last.__del__\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
