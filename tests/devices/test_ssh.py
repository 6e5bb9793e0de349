from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from simulators.pi import Pi

from edgekd.bench import BenchPlan, BenchTarget, measure
from edgekd.devices import Completed, Device, list_devices, open_device
from edgekd.errors import DeviceError, DeviceTimeout, UsageError

ODD = 'it\'s a "model" ü $HOME `id` -x.bin'


@pytest.mark.parametrize(
    "address",
    ["ssh:", "ssh:-oProxyCommand=x", "ssh://-oProxyCommand=x", "ssh:a b", "ssh:pi@x\n", "ssh:'x'", "ssh:a\u202eb"],
)
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(UsageError, match=r"write ssh:USER@HOST"):
        open_device(address)


def test_a_port_goes_into_a_uri() -> None:
    with pytest.raises(UsageError, match=r"with a port, write ssh://pi@pi5:2222"):
        open_device("ssh:pi@pi5:2222")
    assert open_device("ssh://pi@pi5:2222").address == "ssh://pi@pi5:2222"
    assert open_device("ssh:pi@fe80::1%eth0").address == "ssh:pi@fe80::1%eth0"


def test_facts(pi: Pi) -> None:
    device = open_device(pi.address)
    assert isinstance(device, Device)
    facts = device.facts()
    expected = {
        "address": "ssh:pi",
        "board": "Raspberry Pi 5 Model B Rev 1.0",
        "cpu_model": "Cortex-A76",
        "machine": "aarch64",
        "cpu_flags": ["asimd", "asimddp", "asimdhp"],
        "os": "Debian GNU/Linux 12 (bookworm)",
        "governor": "ondemand",
        "max_frequency_mhz": 2400.0,
        "throttled_now": False,
        "throttled_since_boot": True,
        "throttling": ["under-voltage earlier", "throttled earlier"],
        "thermal_status": None,
    }
    assert {key: facts[key] for key in expected} == expected
    assert facts["python"].startswith("3.11.")
    assert facts["runtimes"].keys() == {"numpy", "ai-edge-litert", "onnxruntime", "pillow"}
    assert facts["cores"] >= 1 and 20 < facts["temperature_c"] < 90
    assert 0 < facts["cpu_busy_s"] < facts["cpu_total_s"]
    assert facts["disk_free_bytes"] > 0


def test_commands_and_files_with_odd_names(pi: Pi, tmp_path: Path) -> None:
    device = open_device(pi.address)
    content = os.urandom(300_000)
    (tmp_path / ODD).write_bytes(content)
    with device.workspace() as folder:
        assert (pi.tmp / Path(folder).name).stat().st_mode & 0o777 == 0o700
        device.push(tmp_path / ODD, f"{folder}/{ODD}")
        device.pull(f"{folder}/{ODD}", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == content
        assert pi.left() == [Path(folder).name, f"{Path(folder).name}/{ODD}"]
        done = device.run(["sh", "-c", 'echo "$1"; echo err >&2; exit 255', "sh", ODD], 60)
        assert done == Completed(255, f"{ODD}\n", "err\n")
        with pytest.raises(DeviceError, match=r"cannot pull .*/absent: the file or folder does not exist"):
            device.pull(f"{folder}/absent", tmp_path / "back")
        with pytest.raises(DeviceError, match=r"cannot pull .*: Is not a file"):
            device.pull(folder, tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == content
        with pytest.raises(DeviceError, match=r"cannot push .* the file or folder does not exist"):
            device.push(tmp_path / ODD, f"{folder}/no/such")
    with pytest.raises(DeviceError, match=r"'no-such' cannot be started: it does not exist there"):
        device.run(["no-such"], 60)
    with pytest.raises(DeviceError, match=r"'/etc/passwd' cannot be started: .*Permission denied"):
        device.run(["/etc/passwd"], 60)


def test_timeout_kills_all_that_was_started(pi: Pi) -> None:
    device = open_device(pi.address)
    with pytest.raises(DeviceTimeout, match=r"ssh:pi: sh did not end within 2 s and was killed") as caught:
        device.run(["sh", "-c", "echo started; sleep 300 & sleep 300"], 2)
    assert caught.value.stdout in ("started\n", "") and caught.value.argv[0] == "sh"
    assert pi.processes() == []


def test_nothing_is_left_when_edgekd_itself_is_killed(pi: Pi) -> None:
    code = (
        "import sys\nfrom edgekd.devices import open_device\ndevice = open_device(sys.argv[1])\n"
        "with device.workspace() as folder:\n"
        "    device.run(['sh', '-c', 'echo > \"$1\"/file; mkfifo \"$1\"/p; cat \"$1\"/p', 'sh', folder], 300)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, pi.address])
    pi.wait(lambda: any(name.endswith("/p") for name in pi.left()))
    process.send_signal(signal.SIGKILL)
    process.wait()
    pi.wait(lambda: pi.left() == [] and pi.processes() == [])


def test_a_measurement(pi: Pi, exported: dict[str, Any], images: NDArray[np.uint8], tmp_path: Path) -> None:
    plan = BenchPlan(launches=1, seconds_per_launch=0.01, min_iterations=4, warmup_max_s=0.0, warmup_min_iterations=0)
    files = [("lite", "int8.tflite", "tflite"), ("ort", "int8.onnx", "onnx")]
    targets = [BenchTarget(name, exported[key].path, kind, images[:6]) for name, key, kind in files]  # type: ignore[arg-type]
    there = measure(targets, "lite", plan, open_device(pi.address), save_to=tmp_path / "pi.json")
    here = measure(targets, "lite", plan, open_device("host"))
    assert there.complete and there.device == "ssh:pi" and there.facts_after["board"].startswith("Raspberry Pi 5")
    for far, near in zip(there.measurements, here.measurements, strict=True):
        assert len(far.launches[0].timings_ns) >= 4
        assert far.launches[0].runtime == near.launches[0].runtime


def test_only_machines_set_up_from_here_are_listed(pi: Pi) -> None:
    assert "ssh:pi" not in [device.address for device in list_devices()]
