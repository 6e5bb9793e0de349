"""What every login runs: the command that was asked for, inside the arm64 root under PRoot and qemu.

argv: the folder that holds settings.json. Faults are what that file hides, empties or adds.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import shutil
import struct
import sys
from pathlib import Path

# statx and faccessat2.
TOO_NEW = {"x86_64": (332, 439), "aarch64": (291, 439)}
ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ENOSYS = 38


class Filter(ctypes.Structure):
    """struct sock_fprog of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def refuse_new_calls() -> None:
    """PRoot 5.1 does not translate the paths of newer system calls; where a kernel lacks them, libc does without."""
    load, equal, answer = 0x20, 0x15, 0x06
    allow, fail = 0x7FFF0000, 0x00050000 | ENOSYS
    machine = platform.machine()
    statx, faccessat2 = TOO_NEW[machine]
    steps = (
        (load, 0, 0, 4),
        (equal, 0, 3, ARCHITECTURE[machine]),
        (load, 0, 0, 0),
        (equal, 2, 0, statx),
        (equal, 1, 0, faccessat2),
        (answer, 0, 0, allow),
        (answer, 0, 0, fail),
    )
    program = Filter(len(steps), b"".join(struct.pack("<HBBI", *step) for step in steps))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    no_new_privileges, seccomp, mode_filter = 38, 22, 2
    if prctl(no_new_privileges, 1, 0, 0, 0) or prctl(seccomp, mode_filter, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def main(state: Path) -> None:
    settings = json.loads((state / "settings.json").read_text(encoding="utf-8"))
    root = settings["root"]
    binds = ["/proc", "/dev", f"{root}/proc/cpuinfo:/proc/cpuinfo", f"{root}/proc/device-tree:/proc/device-tree"]
    binds += [f"{state}/tmp:/tmp", f"{state}/home:/root", f"{state}/bin:/usr/local/sbin"]
    binds += [f"/dev/null:{path}" for path in settings["hidden"]]
    binds += [f"{state}/empty:{path}" for path in settings["emptied"]]
    qemu = shutil.which("qemu-aarch64-static") or "qemu-aarch64"
    # Root here must be stopped by a folder's rights as anybody is; PRoot's own -0 would get round them.
    words = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    words += ["proot", "-q", f"{qemu} -cpu cortex-a76 -r 6.6.31+rpt-rpi-v8", "-r", root, "-w", "/root"]
    words += [word for bind in binds for word in ("-b", bind)]
    path = "/usr/local/sbin:/usr/local/bin:/usr/bin:/bin"
    words += ["/usr/bin/env", "-i", f"PATH={path}", "HOME=/root", "USER=pi", f"EDGEKD_PI={state}"]
    refuse_new_calls()
    os.environ["EDGEKD_PI"] = str(state)
    command = os.environ.get("SSH_ORIGINAL_COMMAND")
    os.execvp(words[0], [*words, "/bin/bash", *(["-c", command] if command else ["-l"])])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
