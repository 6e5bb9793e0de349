from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edgekd.devices import Completed, Device
from edgekd.devices.host import HostDevice
from edgekd.errors import DeviceError, DeviceTimeout


def test_run_returns_status_and_both_streams() -> None:
    device = HostDevice()
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    assert device.run([device.python, "-c", code], 60) == Completed(3, "out\n", "err\n")


def test_bytes_that_are_not_utf8_do_not_raise() -> None:
    done = HostDevice().run([sys.executable, "-c", "import sys; sys.stdout.buffer.write(b'a\\xff')"], 60)
    assert done.stdout == "a\ufffd"


def test_a_command_that_does_not_exist_names_itself() -> None:
    with pytest.raises(DeviceError, match=r"no-such-command-here.*cannot be started") as caught:
        HostDevice().run(["no-such-command-here", "x"], 5)
    assert caught.value.argv == ("no-such-command-here", "x")
    assert caught.value.address == "host"


def test_timeout_kills_the_children_too_and_keeps_the_output(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE);"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid)); print('started', flush=True); p.wait()"
    )
    with pytest.raises(DeviceTimeout, match=r"did not end within 1\.5 s") as caught:
        HostDevice().run([sys.executable, "-c", code], 1.5)
    assert caught.value.stdout == "started\n"
    # communicate() returned, so nothing holds the pipe any more; a zombie may linger until init reaps it.
    state = Path(f"/proc/{(tmp_path / 'pid').read_text()}/stat")
    # On a busy machine the killed one takes its time to die.
    until = time.monotonic() + 10
    while alive(state) and time.monotonic() < until:
        time.sleep(0.05)
    assert not alive(state)


def test_output_without_end_is_cut_and_named() -> None:
    with pytest.raises(DeviceError, match=r"host: cat wrote more than 64 MiB of output and was killed\. Find out"):
        HostDevice().run(["cat", "/dev/zero"], 60)


def alive(state: Path) -> bool:
    try:
        return state.read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_workspace_is_removed_after_a_failure() -> None:
    device = HostDevice()
    with pytest.raises(RuntimeError), device.workspace() as folder:
        (Path(folder) / "sub").mkdir()
        (Path(folder) / "sub" / "file").write_text("x")
        assert Path(folder).stat().st_mode & 0o777 == 0o700
        raise RuntimeError
    assert not Path(folder).exists()


def test_push_and_pull_carry_odd_names(tmp_path: Path) -> None:
    device = HostDevice()
    source = tmp_path / 'it\'s a "model" ü.tflite'
    source.write_bytes(b"\x00\x01")
    with device.workspace() as folder:
        device.push(str(source), f"{folder}/m 1")
        device.pull(f"{folder}/m 1", str(tmp_path / "back"))
        assert (tmp_path / "back").read_bytes() == b"\x00\x01"
        with pytest.raises(DeviceError, match="cannot pull"):
            device.pull(f"{folder}/absent", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"\x00\x01"


def test_facts_of_this_machine() -> None:
    device = HostDevice()
    assert isinstance(device, Device)
    facts = device.facts()
    assert facts["cores"] == len(os.sched_getaffinity(0))
    assert facts["runtimes"]["numpy"] == np.__version__
    assert facts["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}")
    assert facts["memory_total_bytes"] >= facts["memory_available_bytes"] > 0
    assert 0 < facts["cpu_busy_s"] < facts["cpu_total_s"]
