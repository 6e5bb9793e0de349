"""``emulated:cortex-a76``: executed instructions, not time, on a core that this machine does not have.

qemu's user emulation runs the program inside the root that ``arm_root`` makes, and a plugin counts the instructions
that it executes into a file which the program maps: the first 8 bytes, little endian, of the file that
$EDGEKD_INSTRUCTION_COUNTER names. Only the program itself is emulated, not other programs that it starts.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import re
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from edgekd import storage
from edgekd.devices import facts as read
from edgekd.devices import insncount
from edgekd.devices.arm_root import PYTHON, is_current, make_root, prefix_of
from edgekd.devices.emulated_cpus import CPUS, Cpu
from edgekd.devices.facts import Facts
from edgekd.devices.host import HostDevice
from edgekd.devices.protocol import Completed, Device
from edgekd.errors import DeviceError, DeviceNotFound, DeviceTimeout, UsageError
from edgekd.progress import Progress
from edgekd.storage import cache_folder
from edgekd.temporary import shared_folder
from edgekd.text import last_line

COUNTER_VARIABLE = "EDGEKD_INSTRUCTION_COUNTER"
COUNTER_BYTES = 4096
MOST_AT_ONCE = 1000
_PATH = ("usr/local/bin", "usr/bin", "bin", "usr/sbin", "sbin")
# All that a program sees of an environment: the same on every machine, one thread, no random hashes.
_ENVIRONMENT = {
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "TZ": "UTC",
}


def open_device(address: str) -> Device:
    """The emulated core that ``address`` names.

    Raises: UsageError for a core that is not in the table, DeviceNotFound if it was not set up on this machine.
    """
    cpu = _cpu(address)
    qemu, root = insncount.find_qemu(address), root_folder()
    if not is_current(root):
        raise DeviceNotFound(
            f"{address}: {root} is not an arm64 root of this edgekd. Make it with: edgekd devices setup {address}",
            address=address,
        )
    plugin = insncount.plugin_file(cache_folder(), qemu)
    if not plugin.is_file():
        raise DeviceNotFound(
            f"{address}: the plugin that counts instructions was not compiled for {qemu}. "
            f"Compile it with: edgekd devices setup {address}",
            address=address,
        )
    return EmulatedDevice(cpu, root, qemu, plugin)


def reachable() -> tuple[str, ...]:
    """The cores that were set up on this machine."""
    addresses = tuple(f"emulated:{cpu}" for cpu in CPUS)
    try:
        open_device(addresses[0])
    except DeviceError:
        return ()
    return addresses


def setup(address: str, progress: Progress | None = None) -> str:
    """Make the arm64 root and compile the plugin, unless they exist; returns a sentence that says what is there.

    Raises: UsageError for a core that is not in the table, DeviceError naming the package that is missing.
    """
    cpu = _cpu(address)
    qemu = insncount.find_qemu(address)
    # First what is quick to fail.
    plugin = insncount.compile_plugin(cache_folder(), qemu, address)
    root = root_folder()
    if not is_current(root):
        make_root(root, cpu.board, progress)
    machine = EmulatedDevice(cpu, root, qemu, plugin).run(["uname", "-m"], 60).stdout.strip()
    return f"{address} is set up: uname reports {machine}, its root is {root}"


def root_folder() -> Path:
    """Where the arm64 root is: $EDGEKD_ARM_ROOT, else in the user's cache."""
    root = os.environ.get("EDGEKD_ARM_ROOT")
    return Path(root).absolute() if root else cache_folder() / "arm-root"


class EmulatedDevice:
    """One core under qemu-user; files are this machine's own, seen under the same paths."""

    # qemu's inline addition is not atomic: with two threads of the guest the count would be short.
    max_threads = 1

    def __init__(self, cpu: Cpu, root: Path, qemu: Path, plugin: Path) -> None:
        self._cpu, self._root, self._qemu = cpu, root, qemu
        self._plugins: tuple[Path, ...] = (plugin,)
        self._variables: dict[str, str] = {}
        self._prefix = prefix_of(root, cpu.board)
        self._host = HostDevice()

    @property
    def address(self) -> str:
        """Such as ``emulated:cortex-a76``."""
        return f"emulated:{self._cpu.name.lower()}"

    @property
    def python(self) -> str:
        """The root's own, with numpy and both runtimes."""
        return "/usr/bin/python3"

    @property
    def qemu(self) -> Path:
        """The emulator."""
        return self._qemu

    def with_plugin(self, plugin: Path, variables: Mapping[str, str]) -> EmulatedDevice:
        """The same core whose programs also run under ``plugin``, with ``variables`` in their environment."""
        other = EmulatedDevice(self._cpu, self._root, self._qemu, self._plugins[0])
        other._plugins, other._variables = (*self._plugins, plugin), {**self._variables, **variables}
        return other

    def facts(self) -> Facts:
        """What is emulated and by what; clocks, temperatures and load are None, because they mean nothing here."""
        return {
            "kernel": None,
            "governor": None,
            "frequency_mhz": None,
            "temperature_c": None,
            "load_1min": None,
            "memory_total_bytes": None,
            "memory_available_bytes": None,
            "cpu_busy_s": None,
            "cpu_steal_s": None,
            "cpu_total_s": None,
            "address": self.address,
            "emulated": True,
            "cpu_model": f"{self._cpu.name} (emulated)",
            "machine": "aarch64",
            "cores": 1,
            "cpu_flags": read.parse_cpu_flags((self._prefix / "proc/cpuinfo").read_text(encoding="ascii")),
            "os": read.parse_os_name((self._root / "etc/os-release").read_text(encoding="utf-8")),
            "python": PYTHON,
            "runtimes": _runtimes(self._root),
            "emulator": insncount.qemu_version(self._qemu),
            "fixed_addresses": insncount.can_fix_addresses(),
            "counter_sha256": storage.sha256_file(insncount.SOURCE),
            "disk_free_bytes": shutil.disk_usage(tempfile.gettempdir()).free,
            "time_utc": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }

    def run(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Run a program of the root, or an arm64 one at an absolute path, with a counter of its own."""
        program = self._program(argv)
        with self._counter() as counter:
            try:
                done = self._host.run([*self._emulator(counter), str(program), *argv[1:]], timeout_s)
            except DeviceTimeout as error:
                raise DeviceTimeout(
                    f"{self.address}: {program.name} did not end within {timeout_s:g} s and was killed. "
                    "An emulator is many times slower than a device: allow more time",
                    address=self.address,
                    argv=argv,
                    stdout=error.stdout,
                    stderr=error.stderr,
                ) from None
            self._check_count(counter, argv, done)
        return done

    def push(self, local: str | os.PathLike[str], remote: str) -> None:
        """Copy ``local`` to ``remote``, both on this machine."""
        with self._rename_errors():
            self._host.push(local, remote)

    def pull(self, remote: str, local: str | os.PathLike[str]) -> None:
        """Copy ``remote`` to ``local``, both on this machine."""
        with self._rename_errors():
            self._host.pull(remote, local)

    @contextlib.contextmanager
    def workspace(self) -> Iterator[str]:
        """A temporary folder of this machine, at the same path for the program."""
        folder = self._first_free("edgekd-work", lambda path: path.mkdir(mode=0o700))
        try:
            yield str(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _emulator(self, counter: Path) -> list[str]:
        variables = {**_ENVIRONMENT, **self._variables, COUNTER_VARIABLE: str(counter)}
        environment = [f"{key}={value}" for key, value in variables.items()]
        fixed = ["setarch", platform.machine(), "-R"] if insncount.can_fix_addresses() else []
        options = ["-cpu", self._cpu.model, "-L", str(self._prefix), "-seed", "1"]
        # A comma in an option of qemu is written twice.
        files = [f"file={str(plugin).replace(',', ',,')}" for plugin in self._plugins]
        plugins = [word for file in files for word in ("-plugin", file)]
        return ["env", "-i", *environment, *fixed, str(self._qemu), *options, *plugins]

    def _program(self, argv: Sequence[str]) -> Path:
        name = argv[0]
        in_path = [self._prefix / path / name for path in _PATH]
        places = [self._prefix / name.lstrip("/"), Path(name)] if "/" in name else in_path
        for place in places:
            if place.is_file():
                return place
        raise DeviceError(
            f"{self.address}: {name!r} is not a program of the arm64 root {self._root}", address=self.address, argv=argv
        )

    @contextlib.contextmanager
    def _counter(self) -> Iterator[Path]:
        """A file of zeros that no other run writes to."""
        counter = self._first_free("edgekd-count", _write_zeros)
        try:
            yield counter
        finally:
            counter.unlink(missing_ok=True)

    def _first_free(self, stem: str, make: Callable[[Path], None]) -> Path:
        """A new temporary path by the lowest free number: with random names, counts would differ from run to run."""
        folder = shared_folder()
        for number in range(MOST_AT_ONCE):
            path = folder / f"{stem}-{os.getuid()}-{number:03d}"
            try:
                make(path)
            except FileExistsError:
                continue
            except OSError as error:
                raise DeviceError(
                    f"{self.address}: {path} cannot be made: {error.strerror}. Make space, or set TMPDIR",
                    address=self.address,
                ) from None
            return path
        raise DeviceError(
            f"{self.address}: {MOST_AT_ONCE} of {folder}/{stem}-{os.getuid()}-* are left over. Remove them",
            address=self.address,
        )

    def _check_count(self, counter: Path, argv: Sequence[str], done: Completed) -> None:
        if struct.unpack_from("<Q", counter.read_bytes())[0] == 0:
            raise done.failure(
                f"{self.address}: {self._qemu.name} counted no instruction: {last_line(done.stderr)}. "
                f"Set it up again: edgekd devices setup {self.address}",
                address=self.address,
                argv=argv,
            )

    @contextlib.contextmanager
    def _rename_errors(self) -> Iterator[None]:
        try:
            yield
        except DeviceError as error:
            raise DeviceError(
                f"{self.address}: {str(error).removeprefix('host: ')}", address=self.address, argv=error.argv
            ) from None


def _cpu(address: str) -> Cpu:
    name = address.partition(":")[2]
    if name not in CPUS:
        raise UsageError(f"{address}: emulated cores are {', '.join(CPUS)}. Write: emulated:cortex-a76")
    return CPUS[name]


def _runtimes(root: Path) -> dict[str, str]:
    """Versions by the names of the wheels' folders."""
    versions = {}
    for folder in (root / f"usr/local/lib/python{PYTHON}/dist-packages").glob("*.dist-info"):
        name, _, version = folder.name.removesuffix(".dist-info").partition("-")
        if (normal := re.sub(r"[-_.]+", "-", name).lower()) in read.RUNTIMES:
            versions[normal] = version
    return dict(sorted(versions.items()))


def _write_zeros(path: Path) -> None:
    with path.open("xb") as file:
        path.chmod(0o600)
        file.write(bytes(COUNTER_BYTES))
