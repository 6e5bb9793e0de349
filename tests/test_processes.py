"""Children end: at their time, at their limit, with all that they started, and with this process."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgekd import processes
from edgekd.parent_death import find_setpriv

# A command whose child holds its pipes open and outlives it, as a wrapper around ssh or adb may.
WRAPPER = "sleep 300 & echo $! > {pid}; {rest}"


def test_a_command_that_ends_by_itself() -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    assert processes.run([sys.executable, "-c", code], 60) == processes.Ended(3, b"out\n", b"err\n")
    assert processes.run(["sh", "-c", "kill -9 $$"], 60).status == -9
    with pytest.raises(FileNotFoundError):
        processes.run(["no-such-command-here"], 60)


@pytest.mark.parametrize(
    "content", [b"echo a script without a line that names its shell\n", b"\x7fELF\x02" + bytes(60)]
)
def test_what_the_kernel_does_not_execute_is_not_given_to_a_shell(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "program").write_bytes(content)
    (tmp_path / "program").chmod(0o755)
    with pytest.raises(OSError, match="Exec format error"):
        processes.run([str(tmp_path / "program")], 60)


@pytest.mark.parametrize("rest", ["wait", "exit 0"])
def test_a_late_one_is_killed_with_all_that_it_started(tmp_path: Path, rest: str) -> None:
    begin = time.monotonic()
    script = WRAPPER.format(pid=tmp_path / "pid", rest=f"echo started; {rest}")
    ended = processes.run(["sh", "-c", script], 1.0)
    assert (ended.killed, ended.stdout) == ("late", b"started\n")
    assert time.monotonic() - begin < 20
    assert gone(int((tmp_path / "pid").read_text()))


def test_what_a_wrapper_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    script = f"sleep 300 >/dev/null 2>&1 & echo $! > {tmp_path / 'pid'}; echo done"
    ended = processes.run(["sh", "-c", script], 60)
    assert (ended.killed, ended.status, ended.stdout) == (None, 0, b"done\n")
    assert gone(int((tmp_path / "pid").read_text()))


def test_a_file_that_is_written_without_end_stays_small(tmp_path: Path) -> None:
    with (tmp_path / "messages").open("w+b") as messages:
        process = processes.start(["yes"], stdout=messages, stderr=subprocess.DEVNULL)
        assert processes.wait(process, 60, written=messages, limit_bytes=1 << 20) == "too much"
        assert process.returncode == -signal.SIGKILL


def test_one_that_leaves_the_group_and_holds_the_pipes_is_not_waited_for(tmp_path: Path) -> None:
    script = f"setsid sleep 300 & echo $! > {tmp_path / 'pid'}; sleep 300"
    assert processes.run(["sh", "-c", script], 0.5).killed == "late"
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


@pytest.mark.parametrize("stream", [1, 2])
def test_output_without_end_stays_within_its_limit(tmp_path: Path, stream: int) -> None:
    script = WRAPPER.format(pid=tmp_path / "pid", rest=f"cat /dev/zero >&{stream}")
    ended = processes.run(["sh", "-c", script], 60, limit_bytes=1 << 20)
    assert ended.killed == "too much"
    assert max(len(ended.stdout), len(ended.stderr)) <= 1 << 20
    assert gone(int((tmp_path / "pid").read_text()))


def test_a_sink_and_the_grace_to_clean_up() -> None:
    sink = io.BytesIO()
    process = processes.start(["sh", "-c", "echo before; cat; echo after"], stdin=subprocess.PIPE)
    ended = processes.collect(process, 0.5, sink=sink, grace_s=30)
    assert (ended.status, ended.killed, ended.stdout, sink.getvalue()) == (0, "late", b"", b"before\nafter\n")
    assert processes.collect(process, 1).status == 0


def test_a_sink_that_is_full_ends_the_command(tmp_path: Path) -> None:
    process = processes.start(["cat", "/dev/zero"])
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(OSError, match="No space left"):
        processes.collect(process, 60, sink=full)
    assert process.returncode == -9


@pytest.mark.skipif(find_setpriv() is None, reason="util-linux's setpriv is not there")
def test_children_end_with_a_killed_parent(tmp_path: Path) -> None:
    code = (
        "import sys; from edgekd import processes\n"
        'script = \'echo $$ > "$1.new"; mv "$1.new" "$1"; exec sleep 300\'\n'
        "processes.run(['sh', '-c', script, 'sh', sys.argv[1]], 300)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "pid")])
    end = time.monotonic() + 60
    while not (tmp_path / "pid").exists() and time.monotonic() < end:
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    assert gone(int((tmp_path / "pid").read_text()))


def gone(pid: int) -> bool:
    """Until that process has ended, at most 10 s; a zombie has."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False
