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
from edgekd.text import first_line

SOURCE = Path(__file__).with_name("insncount.c")
QEMU = "qemu-aarch64"
COMPILERS = ("gcc", "cc", "clang")
# From this version on a plugin has to be of the second interface.
SECOND_INTERFACE = 9


def find_qemu(address: str) -> Path:
    """The qemu-user that can load plugins. Raises: DeviceNotFound naming the package."""
    qemu = shutil.which(QEMU)
    if qemu is None:
        raise DeviceNotFound(
            f"{address}: {QEMU} is not on the PATH. On Debian 12: apt-get install qemu-user "
            "(qemu-user-static cannot load the plugin that counts instructions)",
            address=address,
        )
    if not _has_plugins(qemu):
        raise DeviceNotFound(
            f"{address}: {qemu} was built without plugins and cannot count instructions. Debian 12's package "
            "qemu-user has them, Debian 13's does not: there, build QEMU with --enable-plugins and put it on the PATH",
            address=address,
        )
    return Path(qemu)


def find_compiler(address: str) -> str:
    """A C compiler of this machine. Raises: DeviceNotFound naming the package."""
    for name in COMPILERS:
        if compiler := shutil.which(name):
            return compiler
    raise DeviceNotFound(
        f"{address}: the plugin that counts instructions has to be compiled, and the PATH has no C compiler "
        f"({', '.join(COMPILERS)}). On Debian: apt-get install gcc libc6-dev",
        address=address,
    )


def plugin_file(folder: Path, qemu: Path, source: Path = SOURCE) -> Path:
    """Where the plugin for ``qemu`` lies in ``folder``: its name holds what it was compiled from and for."""
    key = storage.digest([storage.sha256_file(source), _interface(qemu), platform.machine()])
    return folder / f"{source.stem}-{key[:16]}.so"


def compile_plugin(folder: Path, qemu: Path, address: str, source: Path = SOURCE) -> Path:
    """Compile a plugin into ``folder`` if it is not there. Raises: DeviceError with the compiler's message."""
    target = plugin_file(folder, qemu, source)
    if target.is_file():
        return target
    compiler = find_compiler(address)
    try:
        with storage.replacing(target) as temporary:
            options = ["-O2", "-shared", "-fPIC", f"-DQEMU_API={_interface(qemu)}"]
            argv = [compiler, *options, "-o", str(temporary), str(source)]
            done = HostDevice().run(argv, 120)
            if done.status != 0:
                errors = "\n".join(line for line in done.stderr.splitlines() if "error" in line)
                reason = first_line(errors or done.stderr)
                raise done.failure(
                    f"{address}: {compiler} could not compile {source.name}: {reason}. "
                    "On Debian: apt-get install gcc libc6-dev",
                    address=address,
                    argv=argv,
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
    match = re.search(r"version (\d+)\.", qemu_version(qemu))
    return 2 if match and int(match[1]) >= SECOND_INTERFACE else 1
