from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgekd.devices import Completed, probe
from edgekd.devices.host import HostDevice
from edgekd.errors import DeviceError

M = "edgekd-0123"
SHELLS = [["dash"], ["bash", "--posix"], ["busybox", "sh"], ["mksh"]]
PI5 = {
    "cpuinfo": "processor\t: 0\nCPU part\t: 0xd0b\nprocessor\t: 1\n",
    "meminfo": "MemTotal:        8245120 kB\nMemAvailable:    7000000 kB\n",
    "stat": "cpu  100 20 30 800 10 5 5 30 40 0\n",
    "loadavg": "0.25 0.10 0.05 1/200 1234\n",
    "os_release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    "uname": "6.6.31+rpt-rpi-v8 aarch64\n",
    "nproc": "4\n",
    "cpufreq": "cpu0/cpufreq/scaling_governor:ondemand\ncpu1/cpufreq/scaling_governor:ondemand\n"
    "cpu0/cpufreq/scaling_cur_freq:1500000\ncpu0/cpufreq/cpuinfo_max_freq:2400000\n",
    "thermal": "thermal_zone0/type:cpu-thermal\nthermal_zone0/temp:48312\n",
    "df": "Filesystem     1024-blocks  Used Available Capacity Mounted on\n/dev/root 59 12 40 21% /\n",
    "model": "Raspberry Pi 5 Model B Rev 1.0\0\n",
    "throttled": "throttled=0x50000\n",
    "ticks": "100\n",
    "date": "2026-05-05T10:00:00+00:00\n",
    "end": "",
}


def reply(**changed: str) -> str:
    return "Welcome!\n" + "".join(f"{M} {name}\n{body}" for name, body in {**PI5, **changed}.items())


def test_a_pis_reply() -> None:
    facts = probe.parse(reply(), M)
    assert facts == {
        "board": "Raspberry Pi 5 Model B Rev 1.0",
        "cpu_model": "Cortex-A76",
        "core_models": {"0": "Cortex-A76"},
        "machine": "aarch64",
        "cores": 4,
        "cpu_flags": [],
        "os": "Debian GNU/Linux 12 (bookworm)",
        "kernel": "6.6.31+rpt-rpi-v8",
        "memory_total_bytes": 8_443_002_880,
        "memory_available_bytes": 7_168_000_000,
        "governor": "ondemand",
        "frequency_mhz": 1500.0,
        "max_frequency_mhz": 2400.0,
        "temperature_c": 48.312,
        "load_1min": 0.25,
        "disk_free_bytes": 40960,
        "cpu_busy_s": 1.6,
        "cpu_steal_s": 0.3,
        "cpu_total_s": 10.0,
        "time_utc": "2026-05-05T10:00:00+00:00",
        "thermal_status": None,
        "throttled_now": False,
        "throttled_since_boot": True,
        "throttling": ["under-voltage earlier", "throttled earlier"],
    }


@pytest.mark.parametrize("junk", ["", "\x1b[2J\x1b]0;pwned\x07", "9" * 10_000, "\0" * 100, "nan", "-1", "{}", "é" * 99])
def test_junk_in_every_place_becomes_none(junk: str) -> None:
    facts = probe.parse(reply(**dict.fromkeys(PI5, junk + "\n")), M)
    numbers = [key for key in facts if key.endswith(("_bytes", "_mhz", "_c", "_s", "cores", "load_1min", "time_utc"))]
    assert len(numbers) == 12 and not any(facts[key] for key in numbers)
    assert facts["throttled_now"] is None
    assert json.dumps(facts, allow_nan=False).isprintable()
    assert all(len(str(value)) <= 200 for value in facts.values())


def test_a_reply_cut_anywhere_is_still_read() -> None:
    whole = reply()
    for end in range(whole.index(M) + len(M) + 1, len(whole)):
        probe.parse(whole[:end], M)


def test_a_file_on_the_device_cannot_stand_in_for_a_section() -> None:
    facts = probe.parse(reply(cpuinfo="edgekd-4567 model\nFake board\n", throttled=f"x\n{M} model\nFake\n"), M)
    assert facts["board"] == "Raspberry Pi 5 Model B Rev 1.0"


def test_a_reply_of_something_else_is_an_error() -> None:
    with pytest.raises(DeviceError, match=r"not its facts: 'This account is \\x1b\[31mclosed'\. Check"):
        probe.parse("This account is \x1b[31mclosed\n", M)


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_script_runs_in_every_shell(shell: list[str], tmp_path: Path) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not installed (apt-get install {shell[0]})")
    command = [*shell, *probe.argv(M, str(tmp_path))[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    facts, host = probe.parse(done.stdout, M), HostDevice().facts()
    same = ("board", "cpu_model", "machine", "cores", "cpu_flags", "os", "kernel", "memory_total_bytes", "governor")
    assert {key: facts[key] for key in same} == {key: host[key] for key in same}
    assert facts["disk_free_bytes"] == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.05)
    assert facts.keys() == host.keys() - {"address", "python", "runtimes"}


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_supervisor_tells_the_status_and_kills_the_group_at_hang_up(shell: list[str], tmp_path: Path) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not installed (apt-get install {shell[0]})")

    def start(*command: str) -> subprocess.Popen[str]:
        argv = [*shell, *probe.supervise(command, M)[1:]]
        pipe = subprocess.PIPE
        return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True)

    odd = start(
        sys.executable, "-c", "import sys; print(sys.argv[1]); print('x', file=sys.stderr); sys.exit(255)", "a 'b\""
    )
    assert odd.stdin and odd.stdout and odd.stderr
    assert odd.stdout.read() == "a 'b\"\n"
    assert probe.split_status(odd.stderr.read(), M) == ("x\n", "255")
    absent = start("no-such-command-here")
    assert absent.stderr and probe.split_status(absent.stderr.read(), M) == ("", "absent")

    # The command has a child that outlives a plain kill of it; the pipe reaches its end only when both are gone.
    endless = start("sh", "-c", "sleep 300 & echo started; sleep 300")
    assert endless.stdin and endless.stdout and endless.stderr
    assert endless.stdout.readline() == "started\n"
    endless.stdin.close()
    assert endless.stdout.read() == ""
    assert probe.split_status(endless.stderr.read(), M)[1] is None
    assert endless.wait(timeout=30) == -9


def test_collect_adds_what_the_interpreter_says() -> None:
    device = HostDevice()
    facts = probe.collect(device.run, device.python)
    assert facts["runtimes"]["numpy"] == np.__version__
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    without = probe.collect(device.run, None)
    assert without["python"] is None and without["runtimes"] == {}


@pytest.mark.parametrize(
    "output",
    ["", "[" * 100_000, "{}", '{"edgekd": 1, "runtimes": [1], "python": {"a": 1}, "libc": 3, "bits": "64"}', "null\n"],
)
def test_an_interpreter_that_says_junk(output: str) -> None:
    reply = probe.parse_interpreter(output)
    assert reply is None or (reply.runtimes == {} and reply.python is None and reply.bits is None)
    hostile = json.dumps({"edgekd": 1, "runtimes": {"numpy": "2.0\x1b[2J", "onnxruntime": "1.32.0", "evil": "1"}})
    hostile_reply = probe.parse_interpreter(f"{output}\n{hostile}\n")
    assert hostile_reply and hostile_reply.runtimes == {"onnxruntime": "1.32.0"}


def test_collect_survives_an_interpreter_that_fails() -> None:
    def run(argv: object, timeout_s: float) -> Completed:
        assert isinstance(argv, list)
        return Completed(0, reply().replace(M, argv[4]), "") if argv[0] == "sh" else Completed(1, "no", "")

    assert probe.collect(run, "python3")["runtimes"] == {}
