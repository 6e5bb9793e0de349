"""Phones without a phone: AOSP's adbd, Android's shell (mksh) and tools (toybox), and a Python with the runtimes.

``boot_phone()`` starts one that a private adb server has attached as ``127.0.0.1:PORT``; ``phone`` is one of them,
``phones`` two. adbd and everything it starts are arm64 programs under qemu, so that results, exit codes and files are
real and milliseconds mean nothing. Only Android's services (pm, am, content, settings, dumpsys) are stand-ins, and the
demo's app is. Shell and app have uids of their own, so that the kernel itself refuses what Android refuses; which
phone it is files in ``system`` say (see ``phone/system_server.py``).
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from simulators.phone_system import IMPORTS, PACKAGES, PYTHON, make_root
from simulators.refusing_adbd import RefusingAdbd

from edgekd.bench.agents import device_agent
from edgekd.devices.adb import AdbDevice
from edgekd.devices.pi_board import BOARDS, board_files

TOOLS = {"adb": "adb", "mmdebstrap": "mmdebstrap", "proot": "proot", "qemu-aarch64-static": "qemu-user-static"}
# What Android has from toybox too. Its looks for the mounts that PRoot hides, so that one is coreutils'.
TOYBOX = "cat chmod cp cut date echo env grep head id kill ls mkdir mktemp mv nproc ps rm sleep stat tr true uname wc"
WHEELS = ("numpy", "ai-edge-litert", "onnxruntime", "pillow")
STORAGE_BYTES = 96 * 1024 * 1024
PROPERTIES = {
    "ro.product.manufacturer": "Google",
    "ro.product.model": "Pixel 7",
    "ro.product.cpu.abilist": "arm64-v8a,armeabi-v7a,armeabi",
    "ro.build.version.release": "14",
    "ro.build.version.sdk": "34",
    "ro.build.fingerprint": "google/panther/panther:14/UQ1A.240105.004/11206848:user/release-keys",
    "ro.soc.manufacturer": "Google",
    "ro.soc.model": "Tensor G2",
}
HERE = Path(__file__).resolve().parent / "phone"


class Phone:
    """One simulated phone, attached as ``serial``. ``storage`` is its /data/local/tmp, ``sdcard`` its /sdcard."""

    def __init__(self, root: Path, folder: Path, python: bool) -> None:
        self.folder, self.sdcard, self.log = folder, folder / "sdcard", folder / "adbd.log"
        self.system = folder / "system"
        self._bin = self.system / "bin"
        for path in (self._bin, folder / "storage", self.sdcard, folder / "empty"):
            path.mkdir(parents=True)
        self._make_system()
        settings = folder / "settings.json"
        settings.write_text(json.dumps(self._settings(root, python)), encoding="utf-8")
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "adbd_in_namespace.py"), str(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        first = self._process.stdout.readline()
        assert first.startswith("port "), f"the phone did not start: {self.log.read_text()}"
        self.serial = f"127.0.0.1:{int(first.split()[1])}"
        # A file system of its own, that only the phone's namespace sees: this is a way into it.
        self.storage = Path(f"/proc/{self._process.pid}/root{folder / 'storage'}")

    @property
    def address(self) -> str:
        """What edgekd calls it."""
        return f"adb:{self.serial}"

    @property
    def device(self) -> AdbDevice:
        """A device of its own for every use, as a process of edgekd would have."""
        return AdbDevice(self.serial)

    def left(self) -> list[str]:
        """Everything that lies in /data/local/tmp."""
        return sorted(str(path.relative_to(self.storage)) for path in self.storage.rglob("*"))

    def wait_for(self, name: str) -> bool:
        """Until that file lies in its storage; False if it does not come."""
        return _until((self.storage / name).exists)

    def until(self, holds: Callable[[], bool]) -> bool:
        """Until that holds; False if it does not come to."""
        return _until(holds)

    def emptied(self) -> bool:
        """Until nothing lies in its storage; False if something stays."""
        return _until(lambda: not self.left())

    def gone(self, *commands: str) -> bool:
        """Until none of these runs on it; False if one stays."""
        return _until(lambda: not set(commands) & self._commands())

    def order(self, word: str) -> None:
        """kill (adbd alone), restart (adbd with all that it started), start, drop (every connection), stall, flow."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"

    def attach(self) -> None:
        """Connect the adb server to it."""
        subprocess.run(["adb", "connect", self.serial], check=True, capture_output=True)
        adb = ["adb", "-s", self.serial]
        subprocess.run([*adb, "wait-for-device"], check=True, capture_output=True, timeout=60)
        # Under PRoot, one in ten fresh adbds cannot execute its second or third command (EFAULT), and never again.
        worked = 0
        for _ in range(50):
            done = subprocess.run([*adb, "shell", "-n", "-T", ":"], capture_output=True, timeout=60)
            worked = worked + 1 if done.returncode == 0 else 0
            if worked == 5:
                return
        raise AssertionError(f"no command can be run: {done.stderr!r}")

    def put(self, name: str, text: str = "") -> None:
        """A file in its /system: what kind of phone it is."""
        (self.system / name).write_text(text, encoding="utf-8")

    def has(self, name: str) -> bool:
        """Whether that file is there."""
        return (self.system / name).exists()

    def content(self, name: str) -> str:
        """What that file says."""
        return (self.system / name).read_text(encoding="utf-8")

    def fill(self, leave_bytes: int = 0) -> None:
        """Use up its storage but for so many bytes."""
        free = shutil.disk_usage(self.storage).free
        with contextlib.suppress(OSError), (self.storage / "filling").open("wb") as stream:
            stream.write(b"\0" * (free - leave_bytes))

    def stand_in(self, name: str, script: str) -> None:
        """Put a command into /system/bin: text of a program with its #! line."""
        (self._bin / name).unlink(missing_ok=True)
        (self._bin / name).write_text(script, encoding="utf-8")
        (self._bin / name).chmod(0o755)

    def say(self, service: str, text: str) -> None:
        """What ``dumpsys SERVICE`` answers from now on."""
        (self.system / f"{service}.txt").write_text(text, encoding="utf-8")

    def say_defaults(self) -> None:
        """What its services answer of an ordinary phone."""
        for service in ("thermalservice", "battery"):
            self.say(service, (HERE / f"{service}.txt").read_text(encoding="utf-8"))
        self.say("trust", ' User "Owner" (id=0, flags=0x4c13) (current): trusted=0, trustManaged=0, deviceLocked=0\n')
        self.say("power", "Power Manager State:\n  mWakefulness=Awake\n")
        self.say("log", "")

    def close(self) -> None:
        """Detach it and end all its processes."""
        subprocess.run(["adb", "disconnect", self.serial], check=False, capture_output=True)
        self._process.communicate(timeout=60)

    def _commands(self) -> set[str]:
        found = set()
        for path in Path(f"/proc/{self._process.pid}/root/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = path.read_bytes().split(b"\0")
                found.add(b" ".join(words[-3:-1]).decode("utf-8", "replace"))
        return found

    def _make_system(self) -> None:
        for name in TOYBOX.split():
            (self._bin / name).symlink_to("/usr/bin/toybox")
        (self._bin / "sh").symlink_to("/usr/bin/mksh")
        properties = "".join(f"{name}) echo '{value}';;\n" for name, value in PROPERTIES.items())
        self.stand_in("getprop", f'#!/bin/sh\ncase "$1" in\n{properties}*) echo;;\nesac\n')
        self.stand_in("dumpsys", '#!/bin/sh\n[ "$1" = -t ] && shift 2\ncat "/system/$1.txt"\n')
        for name in ("pm", "am", "content", "cmd", "settings", "input"):
            self.stand_in(name, (HERE / "ask").read_text(encoding="utf-8"))
        self.stand_in("logcat", "#!/bin/sh\ncat /system/log.txt\n")
        self.stand_in("getconf", '#!/bin/sh\n[ "$1" = PAGE_SIZE ] && echo 16384 || echo 100\n')
        shutil.copy(HERE / "app.py", self.system)
        shutil.copy(Path(device_agent.__file__), self.system)
        self.say_defaults()
        for name, content in board_files(BOARDS["pi5"]).items():
            if "device-tree" not in name and "devicetree" not in name:
                path = self.folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content.partition("Revision\t: d")[0], encoding="utf-8")

    def _settings(self, root: Path, python: bool) -> dict[str, object]:
        binds = [("storage", "/data/local/tmp"), ("sdcard", "/sdcard"), ("system", "/system"), ("sys", "/sys")]
        binds += [("proc/cpuinfo", "/proc/cpuinfo")]
        binds += [] if python else [("empty", f"/usr/lib/python{PYTHON}"), ("empty", f"/usr/bin/python{PYTHON}")]
        return {
            "root": str(root),
            "storage": str(self.folder / "storage"),
            "storage_bytes": STORAGE_BYTES,
            "log": str(self.log),
            "cpu": "cortex-a76",
            "binds": [(str(self.folder / source), target) for source, target in binds],
            "environment": {
                "PATH": "/system/bin:/usr/bin",
                "HOME": "/",
                "TMPDIR": "/data/local/tmp",
                "ORT_DISABLE_TELEMETRY": "1",
            },
        }


@pytest.fixture(scope="session")
def phone_root(pytestconfig: pytest.Config) -> Path:
    """The arm64 system that phones share and do not write to, made once (400 MB under pytest's cache folder)."""
    assert pytestconfig.cache is not None
    return made_root(Path(pytestconfig.cache.mkdir("phones")))


def made_root(cache: Path) -> Path:
    """The system in a folder that keeps it, made if it is not there."""
    lacking = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
    if lacking:
        pytest.skip(f"simulated phones need the Debian packages {', '.join(lacking)}")
    if os.geteuid() != 0:
        pytest.skip("simulated phones need root, for a network of their own")
    wheels = [f"{name}=={importlib.metadata.version(name)}" for name in WHEELS]
    recipe = hashlib.sha256(repr((PACKAGES, wheels, PYTHON, IMPORTS)).encode()).hexdigest()[:12]
    made = cache / recipe
    if not made.is_dir():
        building = Path(tempfile.mkdtemp(dir=made.parent))
        try:
            make_root(building / "root", wheels)
            with contextlib.suppress(OSError):  # another run was faster
                (building / "root").rename(made)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return made


@pytest.fixture(scope="session")
def adb_server_port(tmp_path_factory: pytest.TempPathFactory, phone_root: Path) -> Iterator[int]:
    """The port of an adb server of the tests' own, with a key of its own."""
    with adb_server(tmp_path_factory.mktemp("adb-home")) as port:
        yield port


@contextlib.contextmanager
def adb_server(home: Path) -> Iterator[int]:
    """An adb server on a free port, with its key in ``home``."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    environment = {**os.environ, "ANDROID_ADB_SERVER_PORT": str(port), "HOME": str(home), "ADB_MDNS": "0"}
    null = subprocess.DEVNULL
    subprocess.run(["adb", "start-server"], env=environment, check=True, stdout=null, stderr=null)
    try:
        yield port
    finally:
        subprocess.run(["adb", "kill-server"], env=environment, check=False, stdout=null, stderr=null)


@pytest.fixture
def boot_phone(
    phone_root: Path,
    adb_server_port: int,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., Phone]]:
    """Starts phones: ``boot_phone(python=True)``. adb, here and in subprocesses, sees these alone."""
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(adb_server_port))
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)
    booted: list[Phone] = []

    def boot(python: bool = True) -> Phone:
        booted.append(Phone(phone_root, tmp_path_factory.mktemp("phone"), python))
        booted[-1].attach()
        return booted[-1]

    yield boot
    for one in booted:
        one.close()


@pytest.fixture
def phone(boot_phone: Callable[..., Phone]) -> Phone:
    """One phone."""
    return boot_phone()


@pytest.fixture
def phones(boot_phone: Callable[..., Phone]) -> tuple[Phone, Phone]:
    """Two phones on one adb server."""
    return boot_phone(), boot_phone()


@pytest.fixture
def refused_serial(boot_phone: Callable[..., Phone]) -> Iterator[str]:
    """A phone beside the others whose owner never accepts the dialog."""
    refusing = RefusingAdbd()
    subprocess.run(["adb", "connect", f"127.0.0.1:{refusing.port}"], check=False, capture_output=True, timeout=60)
    yield f"127.0.0.1:{refusing.port}"
    subprocess.run(["adb", "disconnect", f"127.0.0.1:{refusing.port}"], check=False, capture_output=True)
    refusing.close()


def _until(holds: Callable[[], bool], seconds: float = 120.0) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
