"""The simulated devices of the tests, by name: ``pi`` and ``phone``; any other name is an address of edgekd's own.

They need the simulators' Debian packages and root. EDGEKD_ARM_ROOT may name an existing arm64 root.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulators.pi import Pi

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

SIMULATED = ("pi", "phone")


@contextlib.contextmanager
def started(device: str, work: Path) -> Iterator[str]:
    """The address of a device, which runs until the end where it is a simulated one; its parts lie in ``work``."""
    start = {"pi": _pi, "phone": _phone}.get(device)
    if start is None:
        yield device
        return
    with start(work) as address:
        yield address


@contextlib.contextmanager
def pi_machine(work: Path) -> Iterator[Pi]:
    """A real sshd whose logins land in an arm64 root under qemu; it can be switched off and on."""
    from simulators.pi import Pi

    from edgekd.devices.arm_root import make_root

    root = make_root(Path(os.environ.get("EDGEKD_ARM_ROOT", work / "arm-root")))
    state = work / f"pi-{time.time_ns()}"
    state.mkdir()
    machine = Pi(root, state)
    os.environ["EDGEKD_SSH_CONFIG"], os.environ["XDG_STATE_HOME"] = str(machine.config), str(state / "state")
    try:
        yield machine
    finally:
        machine.kill_sshd()


@contextlib.contextmanager
def _pi(work: Path) -> Iterator[str]:
    with pi_machine(work) as machine:
        yield machine.address


@contextlib.contextmanager
def _phone(work: Path) -> Iterator[str]:
    """AOSP's adbd with Android's shell and a Python, under qemu."""
    from simulators.phone import Phone, adb_server, made_root

    for name in ("phones", "adb"):
        (work / name).mkdir(exist_ok=True)
    with adb_server(work / "adb") as port:
        os.environ["ANDROID_ADB_SERVER_PORT"] = str(port)
        machine = Phone(made_root(work / "phones"), work / f"phone-{time.time_ns()}", python=True)
        machine.attach()
        try:
            yield machine.address
        finally:
            machine.close()
