from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from simulators.pi import SITE_PACKAGES, Pi

from edgekd.cli.devices_command import command
from edgekd.devices import Completed, list_devices, open_device, setup
from edgekd.devices.fake import FakeDevice
from edgekd.devices.probe import Interpreter
from edgekd.devices.setup import check_target, set_up, setup_device
from edgekd.devices.wheels import Target, find_wheels
from edgekd.errors import DeviceError, UsageError

PI5 = Target((3, 11), "aarch64", (2, 36))
INTERPRETER = Interpreter("3.11.2", {}, 64, "aarch64", ("glibc", "2.36"), ("venv", "ensurepip"))
# Wheels, each with the package in it.
NAMES = {"numpy": "numpy", "ai_edge_litert": "ai_edge_litert", "onnxruntime": "onnxruntime", "pillow": "PIL"}


def write_wheels(folder: Path, tags: str = "cp311-cp311-manylinux_2_28_aarch64", code: str = "") -> Path:
    """Wheels of the four packages with next to nothing in them."""
    folder.mkdir(exist_ok=True)
    for name, package in NAMES.items():
        with zipfile.ZipFile(folder / f"{name}-9.8.7-{tags}.whl", "w") as wheel:
            wheel.writestr(f"{package}/__init__.py", code)
            for module in ("interpreter", "Image"):
                wheel.writestr(f"{name}-9.8.7.data/purelib/{package}/{module}.py", "here = True\n")
            wheel.writestr(f"{name}-9.8.7.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.8.7\n")
    return folder


def test_setup_from_wheels_is_whole_and_done_once(pi: Pi, tmp_path: Path) -> None:
    pi.settings(emptied=(SITE_PACKAGES,))
    wheels = write_wheels(tmp_path / "it's wheels")
    seen: list[tuple[int, int]] = []
    done = setup_device(pi.address, lambda *at: seen.append(at), wheels)
    folder = "/root/.local/share/edgekd/venv"
    versions = "ai-edge-litert 9.8.7, onnxruntime 9.8.7, numpy 9.8.7, pillow 9.8.7"
    assert done == f"ssh:pi is ready: {versions} in {folder}, from the wheels in {wheels}"
    assert seen == [(step, 5) for step in range(1, 6)]
    assert setup_device(pi.address) == f"ssh:pi was ready: {versions} in {folder}"
    assert sorted(path.name for path in (pi.home / ".local/share/edgekd").iterdir()) == ["venv"]
    assert "ssh:pi" in [device.address for device in list_devices()]
    device = open_device(pi.address)
    assert device.python == f"{folder}/bin/python"
    code = "import numpy.interpreter, sys; print(numpy.interpreter.here, sys.argv[1])"
    assert device.run([device.python, "-c", code, "a b"], 60).stdout == "True a b\n"


def test_a_setup_that_fails_leaves_nothing(pi: Pi, tmp_path: Path) -> None:
    broken = write_wheels(tmp_path / "broken", code="raise ImportError('wrong processor')")
    with pytest.raises(DeviceError, match="cannot import the runtimes: ImportError: wrong processor"):
        setup_device(pi.address, None, broken)
    assert list((pi.home / ".local/share/edgekd").iterdir()) == []
    pi.command("cat", '#!/bin/sh\nif [ $# = 0 ]; then /bin/cat | tr 9 8; else exec /bin/cat "$@"; fi\n')
    with pytest.raises(DeviceError, match="cannot unpack the wheels: SHA-256 of a wheel differs after the transfer"):
        setup_device(pi.address, None, write_wheels(tmp_path / "wheels"))
    assert list((pi.home / ".local/share/edgekd").iterdir()) == []
    assert not [device for device in list_devices() if device.address == "ssh:pi"]


def test_without_python(pi: Pi) -> None:
    pi.settings(hidden=("/usr/bin/python3", "/usr/bin/python3.11"))
    with pytest.raises(DeviceError, match=r"ssh:pi: it has no python3\. Install it there"):
        setup_device(pi.address)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"bits": 32},
            r"its Python is 32-bit on aarch64, .* Install a 64-bit system on it \(Raspberry Pi OS, 64-bit\)",
        ),
        ({"bits": 32, "machine": "armv7l"}, "32-bit on armv7l"),
        ({"python": "3.9.2"}, r"its python3 is 3\.9\.2; the runtimes need 3\.10 or newer"),
        ({"libc": ("", "")}, "its C library is not glibc"),
        ({"libc": ("glibc", "junk")}, "its C library is not glibc"),
    ],
)
def test_machines_that_no_wheel_fits(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DeviceError, match=message):
        check_target("ssh:pi", replace(INTERPRETER, **changes))
    assert check_target("ssh:pi", INTERPRETER) == PI5


@pytest.mark.parametrize(
    ("tags", "fits"),
    [
        ("cp311-cp311-manylinux_2_27_aarch64.manylinux_2_28_aarch64", True),
        ("cp311-abi3-manylinux2014_aarch64", True),
        ("cp310-abi3-manylinux2014_aarch64", True),
        ("py3-none-any", True),
        ("py2.py3-none-any", True),
        ("cp312-abi3-manylinux2014_aarch64", False),
        ("cp312-cp312-manylinux_2_28_aarch64", False),
        ("cp311-cp311-manylinux_2_38_aarch64", False),
        ("cp311-cp311-manylinux_2_28_x86_64", False),
        ("cp311-cp311-linux_armv7l", False),
    ],
)
def test_wheels_of_another_machine_are_refused(tags: str, fits: bool, tmp_path: Path) -> None:
    folder = write_wheels(tmp_path / "wheels", tags)
    if fits:
        assert len(find_wheels(folder, PI5, "ssh:pi")) == 4
        return
    with pytest.raises(DeviceError, match=r"they do not fit: .* Python 3\.11 on aarch64 with glibc 2\.36"):
        find_wheels(folder, PI5, "ssh:pi")


def test_a_folder_without_wheels(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="no wheel of ai-edge-litert, onnxruntime, numpy, pillow"):
        find_wheels(tmp_path, PI5, "ssh:pi")


def fake(pip: Completed) -> FakeDevice:
    """A device on which everything works but pip, which answers as given."""

    def script(argv: Sequence[str], files: dict[str, bytes]) -> Completed:
        if "pip" in argv:
            return pip
        return Completed(0, "/home/pi\n" if argv[0] == "sh" else json.dumps({"edgekd": 1, **vars(INTERPRETER)}), "")

    return FakeDevice(script)


def test_its_own_pip_is_first(monkeypatch: pytest.MonkeyPatch) -> None:
    device = fake(Completed(0, "", ""))
    assert set_up(device, None, None).endswith("installed by its own pip")
    pip = next(" ".join(call) for call in device.calls if "pip" in call)
    assert re.search(r" -- ai-edge-litert==[0-9.]+\* numpy.*onnxruntime==", pip)
    last = device.calls[-1]
    assert last[4:7] == ("/home/pi/.local/share/edgekd/venv.new", "/home/pi/.local/share/edgekd/venv", "edgekd.json")
    assert json.loads(last[7])["python"] == "3.11.2"
    assert device.workspaces_left == []


def test_wheels_are_sent_where_pip_is_offline_and_the_result_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(folder: Path, target: Target, address: str) -> None:
        assert target == PI5
        write_wheels(folder)

    monkeypatch.setattr(setup, "download", download)
    device = fake(Completed(1, "", "ERROR: Could not find a version that satisfies the requirement numpy"))
    done = set_up(device, None, None)
    assert done.endswith("from wheels downloaded here, because its own pip reaches nothing")
    with pytest.raises(DeviceError, match=r"ERROR: No space left on device\. Free some"):
        set_up(fake(Completed(1, "", "ERROR: No space left on device\n")), None, None)


def test_what_needs_no_setup() -> None:
    with pytest.raises(UsageError, match="host: this kind of device needs no setup"):
        setup_device("host")
    with pytest.raises(UsageError, match="--wheels is for ssh: devices"):
        setup_device("emulated:cortex-a76", None, Path())


def test_a_device_that_fails_is_shown_beside_the_others(pi: Pi) -> None:
    pi.write_config(IdentityFile=str(pi.state / "other_key"))
    done = CliRunner().invoke(command, ["--json", "--device", "ssh:pi", "--device", "host"])
    assert done.exit_code == 4
    failed, host = json.loads(done.stdout)
    assert failed["address"] == "ssh:pi" and "refuses the login" in failed["error"]
    assert host["address"] == "host" and host["runtimes"]
    table = CliRunner().invoke(command, ["--device", "ssh:pi", "--device", "host"])
    assert table.exit_code == 4
    assert "failed" in table.output and "refuses the login" in table.output and "onnxruntime" in table.output
