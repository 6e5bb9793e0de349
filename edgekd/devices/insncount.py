"""qemu-user on this machine, and the plugin (insncount.c) with which it counts executed instructions."""

from __future__ import annotations

import functools
import platform
import re
import shutil
from pathlib import Path

from edgekd import storage
from edgekd.devices.host import HostDevice
from edgekd.errors import DeviceError, DeviceNotFound

SOURCE = Path(__file__).with_name("insncount.c")
QEMU = "qemu-aarch64"
COMPILERS = ("gcc", "cc", "clang")
# From this version on a plugin has to be of the second interface.
SECOND_INTERFACE = 9


def find_qemu(address: str) -> Path:
    """The qemu-user that can load plugins. Raises: DeviceNotFound naming the package."""
    found = shutil.which(QEMU)
    if found is None:
        raise DeviceNotFound(
            f"{address}: {QEMU} is not on the PATH. On Debian 12: apt-get install qemu-user "
            "(qemu-user-static cannot load the plugin that counts instructions)",
            address=address,
        )
    if not _has_plugins(found):
        raise DeviceNotFound(
            f"{address}: {found} was built without plugins and cannot count instructions. Debian 12's package "
            "qemu-user has them, Debian 13's has not: there, build QEMU with --enable-plugins and put it on the PATH",
            address=address,
        )
    return Path(found)


def find_compiler(address: str) -> str:
    """A C compiler of this machine. Raises: DeviceNotFound naming the package."""
    for name in COMPILERS:
        if found := shutil.which(name):
            return found
    raise DeviceNotFound(
        f"{address}: the plugin that counts instructions has to be compiled and there is no C compiler "
        f"({', '.join(COMPILERS)}) on the PATH. On Debian: apt-get install gcc libc6-dev",
        address=address,
    )


def plugin_file(folder: Path, qemu: Path) -> Path:
    """Where the plugin for ``qemu`` lies in ``folder``: its name holds what it was compiled from and for."""
    key = storage.digest([storage.sha256_file(SOURCE), _interface(qemu), platform.machine()])
    return folder / f"insncount-{key[:16]}.so"


def compile_plugin(folder: Path, qemu: Path, address: str) -> Path:
    """Compile the plugin into ``folder`` if it is not there. Raises: DeviceError with what the compiler said."""
    target = plugin_file(folder, qemu)
    if target.is_file():
        return target
    compiler = find_compiler(address)
    try:
        with storage.replacing(target) as temporary:
            options = ["-O2", "-shared", "-fPIC", f"-DQEMU_API={_interface(qemu)}"]
            argv = [compiler, *options, "-o", str(temporary), str(SOURCE)]
            done = HostDevice().run(argv, 120)
            if done.status != 0:
                told = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()
                said = told[0].strip() if told else "no error output"
                raise DeviceError(
                    f"{address}: {compiler} could not compile {SOURCE.name}: {said}. "
                    "On Debian: apt-get install gcc libc6-dev",
                    address=address,
                    argv=argv,
                    status=done.status,
                    stdout=done.stdout,
                    stderr=done.stderr,
                )
    except OSError as error:
        raise DeviceError(
            f"{address}: {target} cannot be written: {error.strerror}. Check the path and the free space, "
            "or set XDG_CACHE_HOME to another folder",
            address=address,
        ) from None
    return target


@functools.cache
def qemu_version(qemu: Path) -> str:
    """Such as ``qemu-aarch64 version 7.2.22 (Debian 1:7.2+dfsg-7)``."""
    return HostDevice().run([str(qemu), "--version"], 30).stdout.partition("\n")[0].strip()


@functools.cache
def can_fix_addresses() -> bool:
    """Whether a program may be started without randomized addresses; some containers forbid it."""
    return (
        shutil.which("setarch") is not None
        and HostDevice().run(["setarch", platform.machine(), "-R", "true"], 30).status == 0
    )


@functools.cache
def _has_plugins(qemu: str) -> bool:
    return "QEMU_PLUGIN" in HostDevice().run([qemu, "-h"], 30).stdout


def _interface(qemu: Path) -> int:
    found = re.search(r"version (\d+)\.", qemu_version(qemu))
    return 2 if found and int(found[1]) >= SECOND_INTERFACE else 1
