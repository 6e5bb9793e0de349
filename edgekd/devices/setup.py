"""Installs numpy, Pillow and both runtimes on a machine behind ssh: by its own pip, or from wheels sent to it.

Built under a temporary name and renamed, its marker written before that: an environment is whole or absent.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgekd import storage
from edgekd.devices import facts, probe
from edgekd.devices.arm_root import IMPORTS, requirements
from edgekd.devices.probe import Interpreter
from edgekd.devices.protocol import Completed, Device
from edgekd.devices.table import check_scheme
from edgekd.devices.wheels import Target, download, find_wheels
from edgekd.errors import DeviceError, UsageError
from edgekd.progress import Progress
from edgekd.text import last_line

# Below the home folder there.
ENVIRONMENT = ".local/share/edgekd/venv"
MARKER = "edgekd.json"
OLDEST_PYTHON = (3, 10)
# Without the variable ONNX Runtime leaves a file of its telemetry in the device's /tmp.
_IMPORTS = f"import os; os.environ['ORT_DISABLE_TELEMETRY'] = '1'; {IMPORTS}"
# $1: ENVIRONMENT, $2: MARKER. The home folder, then the marker if there is one.
_FIND = 'cd && pwd && { [ ! -f "$1/$2" ] || cat "$1/$2"; }'
# $1: new environment
_CLEAR = 'rm -rf "$1" && mkdir -p "${1%/*}"'
# $1: new environment, $2: environment, $3: MARKER, $4: its content
_INSTALL = 'echo "$4" > "$1/$3" && rm -rf "$2" && mv "$1" "$2"'
_SHORT_TIMEOUT_S, _LONG_TIMEOUT_S = 120.0, 1800.0
_OFFLINE = re.compile(
    r"name resolution|name or service|network is unreachable|connection refused|no route to host|timed out|"
    r"max retries|newconnectionerror|no matching distribution|could not find a version|certificate",
    re.IGNORECASE,
)
# argv: new environment, then file and SHA-256 of each wheel. Wheels are zip files; nothing in them is run.
_UNPACK = """import hashlib, os, shutil, sys, zipfile
target, rest = sys.argv[1], sys.argv[2:]
library, programs = os.path.join(target, "lib"), os.path.join(target, "bin")
os.makedirs(library), os.makedirs(programs)
for path, expected in zip(rest[::2], rest[1::2]):
    with open(path, "rb") as stream:
        digest = hashlib.sha256()
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    if digest.hexdigest() != expected:
        sys.exit("SHA-256 of a wheel differs after the transfer")
    with zipfile.ZipFile(path) as wheel:
        wheel.extractall(library)
for name in os.listdir(library):
    for part in ("purelib", "platlib"):
        folder = os.path.join(library, name, part)
        if name.endswith(".data") and os.path.isdir(folder):
            shutil.copytree(folder, library, dirs_exist_ok=True)
with open(os.path.join(programs, "python"), "w") as launcher:
    launcher.write('#!/bin/sh\\nPYTHONPATH="${0%/*}/../lib" exec python3 "$@"\\n')
os.chmod(os.path.join(programs, "python"), 0o755)
"""


def setup_device(address: str, progress: Progress | None = None, wheels: str | os.PathLike[str] | None = None) -> str:
    """Install on a device what measuring needs.

    Args:
        address: Such as ``ssh:pi@pi5`` or ``emulated:cortex-a76``.
        progress: Called as ``progress(done, total)`` after each step.
        wheels: A folder of wheels for an ``ssh:`` device without a network; None: its own pip, or this machine's.

    Returns: one sentence that says what was done.

    Raises: UsageError for a device that needs no setup, or that takes no wheels; DeviceError.
    """
    transport: Any = importlib.import_module(check_scheme(address))
    if not hasattr(transport, "setup"):
        raise UsageError(f"{address}: this kind of device needs no setup. See: edgekd devices --device {address}")
    if wheels is None:
        return str(transport.setup(address, progress))
    if not address.startswith("ssh:"):
        raise UsageError(f"{address}: --wheels is for ssh: devices, such as ssh:pi@pi5")
    return str(transport.setup(address, progress, Path(wheels)))


def set_up(device: Device, progress: Progress | None, wheels: Path | None) -> str:
    """Make the environment on ``device`` unless it is there; a sentence on what was done. Raises: DeviceError."""
    steps = iter(range(1, 6))

    def step() -> None:
        if progress is not None:
            progress(next(steps), 5)

    interpreter = _ask_interpreter(device)
    target = check_target(device.address, interpreter)
    wanted = {"requirements": list(requirements()), "python": interpreter.python}
    step()
    folder, marker = _find(device)
    if marker == wanted and (versions := _import(device, folder)):
        return f"{device.address} was ready: {versions} in {folder}"
    step()
    new = f"{folder}.new"
    try:
        _run_or_raise(device, ["sh", "-c", _CLEAR, "edgekd", new], "make a folder in the home folder there")
        how = _build(device, new, target, interpreter.modules, wheels)
        step()
        versions = _import(device, new)
        if versions is None:
            _run_or_raise(device, [f"{new}/bin/python", "-c", _IMPORTS], "import the runtimes")
        step()
        content = json.dumps(wanted, sort_keys=True)
        _run_or_raise(
            device, ["sh", "-c", _INSTALL, "edgekd", new, folder, MARKER, content], "put the environment in its place"
        )
    except BaseException:
        _discard(device, new)
        raise
    step()
    return f"{device.address} is ready: {versions} in {folder}, {how}"


def check_target(address: str, interpreter: Interpreter) -> Target:
    """What wheels must fit there. Raises: DeviceError where no wheel can."""
    machine, version = interpreter.machine, interpreter.python
    if interpreter.bits != 64 or machine not in ("aarch64", "x86_64"):
        bits = f"{interpreter.bits or '?'}-bit"
        raise DeviceError(
            f"{address}: its Python is {bits} on {machine}, and numpy, ai-edge-litert and onnxruntime are made for "
            "64-bit systems only. Install a 64-bit system on it (Raspberry Pi OS, 64-bit)",
            address=address,
        )
    python = _pair(version)
    if python is None or python < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        raise DeviceError(
            f"{address}: its python3 is {version}; the runtimes need {oldest} or newer. Install a newer system on it",
            address=address,
        )
    library = interpreter.libc
    glibc = _pair(library[1]) if len(library) == 2 and library[0] == "glibc" else None
    if glibc is None or not 17 <= glibc[1] < 200:
        raise DeviceError(
            f"{address}: its C library is not glibc 2.17 or newer, which the runtimes are made for. "
            "Install Raspberry Pi OS or Debian on it",
            address=address,
        )
    return Target(python, machine, glibc)


def _build(device: Device, new: str, target: Target, modules: Sequence[str], wheels: Path | None) -> str:
    """Build at ``new`` by the first way that is possible; a phrase that says by which."""
    if wheels is not None:
        _unpack(device, new, find_wheels(wheels, target, device.address))
        return f"from the wheels in {wheels}"
    reason = "its Python has no venv module"
    if {"venv", "ensurepip"} <= set(modules):
        problem = _install_there(device, new)
        if problem is None:
            return "installed by its own pip"
        reason = "its own pip reaches nothing"
        _run_or_raise(device, ["rm", "-rf", new], "clear what its pip left")
    with tempfile.TemporaryDirectory(prefix="edgekd-") as scratch:
        download(Path(scratch), target, device.address)
        _unpack(device, new, find_wheels(Path(scratch), target, device.address))
    return f"from wheels downloaded here, because {reason}"


def _install_there(device: Device, new: str) -> str | None:
    """Make a virtual environment by the device's own means; None, or what pip said if it is offline."""
    _run_or_raise(device, ["python3", "-m", "venv", new], "make a virtual environment")
    options = ["--quiet", "--no-input", "--disable-pip-version-check", "--only-binary=:all:", "--retries=1"]
    argv = [f"{new}/bin/python", "-m", "pip", "install", *options, "--timeout=15", "--", *requirements()]
    done = device.run(argv, _LONG_TIMEOUT_S)
    if done.status == 0:
        return None
    if _OFFLINE.search(done.stderr):
        return done.stderr
    raise _failure(device, argv, "install the runtimes", done)


def _unpack(device: Device, new: str, wheels: Sequence[Path]) -> None:
    with device.workspace() as folder:
        words = []
        for index, wheel in enumerate(wheels):
            device.push(wheel, f"{folder}/{index}.whl")
            words += [f"{folder}/{index}.whl", storage.sha256_file(wheel)]
        _run_or_raise(device, ["python3", "-c", _UNPACK, new, *words], "unpack the wheels")


def _find(device: Device) -> tuple[str, object]:
    """(the environment's folder there, the content of its marker; None where it has none)."""
    argv = ["sh", "-c", _FIND, "edgekd", ENVIRONMENT, MARKER]
    home, _, content = _run_or_raise(device, argv, "find the home folder").stdout.partition("\n")
    if not re.fullmatch(r"/[^\0\n]{0,1024}", home) or not home.isprintable():
        raise DeviceError(f"{device.address}: the user has no home folder there. Make one", address=device.address)
    try:
        marker = json.loads(content)
    except (ValueError, RecursionError):
        marker = None
    return f"{home.rstrip('/')}/{ENVIRONMENT}", marker


def _import(device: Device, folder: str) -> str | None:
    """The versions that its interpreter imports, as text; None if it cannot import them."""
    argv = [f"{folder}/bin/python", "-c", f"{_IMPORTS}\n{probe.INTERPRETER}", *facts.RUNTIMES]
    done = device.run(argv, _LONG_TIMEOUT_S)
    reply = probe.parse_interpreter(done.stdout) if done.status == 0 else None
    return ", ".join(f"{name} {version}" for name, version in reply.runtimes.items()) if reply else None


def _ask_interpreter(device: Device) -> Interpreter:
    reply = probe.parse_interpreter(
        _run_or_raise(
            device, ["python3", "-c", probe.INTERPRETER, *facts.RUNTIMES], "ask its python3 what it is"
        ).stdout
    )
    if reply is None or reply.python is None:
        raise DeviceError(
            f"{device.address}: its python3 does not answer as Python does. Install python3 on it",
            address=device.address,
        )
    return reply


def _discard(device: Device, new: str) -> None:
    try:
        device.run(["rm", "-rf", new], _SHORT_TIMEOUT_S)
    except DeviceError:
        # The next setup clears it first; the error being raised says why this one failed.
        return


def _run_or_raise(device: Device, argv: list[str], doing: str) -> Completed:
    done = device.run(argv, _LONG_TIMEOUT_S)
    if done.status != 0:
        raise _failure(device, argv, doing, done)
    return done


def _failure(device: Device, argv: list[str], doing: str, done: Completed) -> DeviceError:
    hint = ". Free some space on it" if "No space left" in done.stderr else ""
    return done.failure(
        f"{device.address}: cannot {doing}: {last_line(done.stderr)}{hint}",
        address=device.address,
        argv=argv,
    )


def _pair(version: object) -> tuple[int, int] | None:
    match = re.match(r"([0-9]{1,3})\.([0-9]{1,3})", version) if isinstance(version, str) else None
    return (int(match[1]), int(match[2])) if match else None
