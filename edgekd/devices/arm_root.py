"""An arm64 Debian folder with the runtimes that edgekd pins, for programs that run under qemu's user emulation.

Nothing is installed on this machine, and using it does not need root. Besides the system it holds what /proc and
/sys report on a Raspberry Pi: the runtimes' cpuinfo library crashes on those of an x86 machine.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from edgekd import storage
from edgekd.devices import facts
from edgekd.devices.host import HostDevice
from edgekd.devices.pi_board import BOARDS, Board, BoardName, board_files
from edgekd.errors import DeviceError, EdgekdError
from edgekd.progress import Progress
from edgekd.temporary import owned_name
from edgekd.text import last_line

SUITE = "bookworm"
PYTHON = "3.11"
TOOLS = {"mmdebstrap": "mmdebstrap", "tar": "tar", "qemu-aarch64": "qemu-user"}
PACKAGES = (
    "base-files,bash,dash,coreutils,util-linux,procps,grep,sed,mawk,findutils,hostname,tar,gzip,libc-bin,libstdc++6,"
    "libgomp1,python3,python3-venv,openssh-sftp-server"
)
# glibc of the suite is 2.36: wheels made for any older one load.
WHEEL_TAGS = ("manylinux2014_aarch64", *(f"manylinux_2_{minor}_aarch64" for minor in range(17, 37)))
NEEDED_BYTES = 1_500_000_000
TIMEOUT_S = 1800.0
# What of the root hides this machine's own from a program under `qemu-aarch64 -L`; /tmp and /dev stay this machine's.
SYSTEM_FOLDERS = ("bin", "etc", "lib", "sbin", "usr")
STAMP = "etc/edgekd-root.json"
# Part of the stamp: raise it when what is written here changes, so that roots made before are made again.
FORMAT = 2
IMPORTS = "import numpy, ai_edge_litert.interpreter, onnxruntime, PIL.Image"
# What agents load besides.
LATER_IMPORTS = "import importlib.metadata, json, platform, zipimport; PIL.Image.preinit()"


def make_root(dest: Path, board: BoardName = "pi5", progress: Progress | None = None) -> Path:
    """Make the arm64 root at ``dest`` (about 400 MB) with the /proc and /sys of ``board``; ``dest`` if it is there.

    Built under a temporary name and renamed, so that it is whole or absent; one made by another recipe is made again.
    Needs the network: packages by this machine's own apt sources, wheels by its own pip. ``progress(done, total)``
    counts steps.

    Raises: DeviceError if this machine lacks a tool, an archive or the space, or ``dest`` is some other folder.
    """
    dest, stamp = dest.absolute(), _stamp(board)
    if read_stamp(dest) == stamp:
        return dest
    if dest.exists() and read_stamp(dest) is None and (not dest.is_dir() or any(dest.iterdir())):
        raise DeviceError(f"{dest} is not an arm64 root that edgekd made: it is left alone. Name another folder")
    _check_tools()
    archive = _debian_archive()
    steps: tuple[Callable[[Path], None], ...] = (
        lambda building: _extract_debian(building, archive),
        _write_accounts,
        _install_wheels,
        lambda building: _write_boards(building, board),
        _import_once,
        lambda building: storage.write_json(building / STAMP, stamp),
    )
    try:
        dest.parent.mkdir(parents=True, exist_ok=True)
        _check_space(dest.parent)
        _build(dest, steps, progress)
    except OSError as error:
        raise DeviceError(
            f"{dest} cannot be made: {error.strerror or error}. Check the path and the free space"
        ) from None
    return dest


def _build(dest: Path, steps: tuple[Callable[[Path], None], ...], progress: Progress | None) -> None:
    building = Path(tempfile.mkdtemp(prefix=owned_name(dest.name), dir=dest.parent))
    try:
        for done, step in enumerate(steps, start=1):
            step(building)
            if progress is not None:
                progress(done, len(steps))
        building.chmod(0o755)
        if dest.exists():
            dest.replace(Path(tempfile.mkdtemp(prefix=f".{dest.name}.old.", dir=dest.parent)))
        building.replace(dest)
    finally:
        for left in dest.parent.glob(f".{dest.name}.old.*"):
            shutil.rmtree(left, ignore_errors=True)
        shutil.rmtree(building, ignore_errors=True)


def read_stamp(root: Path) -> dict[str, object] | None:
    """What ``root`` was made from, None if edgekd did not make it or not to its end."""
    try:
        stamp = storage.read_json(root / STAMP)
    except EdgekdError:
        return None
    return stamp if isinstance(stamp, dict) else None


def is_current(root: Path) -> bool:
    """Whether ``root`` was made by the recipe of this edgekd, for whichever board."""
    stamp = read_stamp(root)
    return stamp is not None and stamp.get("recipe_sha256") == _stamp("pi5")["recipe_sha256"]


def prefix_of(root: Path, board: BoardName) -> Path:
    """A folder for ``qemu-aarch64 -L``: the root with the /proc and /sys of ``board``, whichever it was made with."""
    return root / "opt" / "edgekd" / board


def requirements() -> tuple[str, ...]:
    """The runtimes in the versions that edgekd itself asks for, such as ``onnxruntime==1.32.*``."""
    lines = importlib.metadata.requires("edgekd") or []
    # "ai-edge-litert==2.3.*" or "numpy<2.5,>=2.2"; what an extra asks for has a marker behind a semicolon.
    plain = [line for line in lines if ";" not in line]
    return tuple(sorted(line for line in plain if re.split(r"[^\w.-]", line)[0] in facts.RUNTIMES))


def _stamp(board: BoardName) -> dict[str, object]:
    recipe = {
        "format": FORMAT,
        "suite": SUITE,
        "packages": PACKAGES,
        "hides": SYSTEM_FOLDERS,
        "requirements": list(requirements()),
        "boards": {name: asdict(BOARDS[name]) for name in BOARDS},
    }
    return {"recipe_sha256": storage.digest(recipe), "board": board, "requirements": list(requirements())}


def _check_tools() -> None:
    # A user other than root unpacks in a namespace, whose ids newuidmap hands out.
    tools = TOOLS if os.geteuid() == 0 else {**TOOLS, "newuidmap": "uidmap"}
    missing = sorted({package for tool, package in tools.items() if shutil.which(tool) is None})
    if missing:
        raise DeviceError(
            f"an arm64 root cannot be made: this machine lacks {', '.join(missing)}. "
            f"On Debian: apt-get install {' '.join(missing)}"
        )


def _debian_archive() -> str:
    """Where this machine itself gets Debian from."""
    wanted = ["$(REPO_URI)", "Created-By: Packages", "Origin: Debian", "Label: Debian"]
    uris: list[str] = []
    if shutil.which("apt-get") is not None:
        done = HostDevice().run(["apt-get", "indextargets", "--format", *wanted], 60)
        uris = done.stdout.split()
    if not uris:
        raise DeviceError(
            "an arm64 root cannot be made: this machine's apt knows no Debian archive. It needs a Debian machine "
            "(apt-get update first), or a root made on one and EDGEKD_ARM_ROOT naming it"
        )
    return uris[0]


def _check_space(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES:
        raise DeviceError(
            f"an arm64 root cannot be made in {folder}: {free / 1e6:.0f} MB are free and making it takes "
            f"{NEEDED_BYTES / 1e6:.0f} MB. Make space, or set XDG_CACHE_HOME to another disk"
        )


def _extract_debian(building: Path, archive: str) -> None:
    # Through a tar file, because a user other than root unpacks in a namespace whose owners mean nothing outside it.
    packed = building / "packed.tar"
    mode = "root" if os.geteuid() == 0 else "unshare"
    _run_or_raise(
        [
            *("mmdebstrap", f"--mode={mode}", "--skip=check/qemu", "--architectures=arm64", "--variant=extract"),
            # /bin is a link to /usr/bin on a Raspberry Pi, by a package's script that does not run here.
            *(
                "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
                f"--include={PACKAGES}",
                SUITE,
                str(packed),
                archive,
            ),
        ],
        "mmdebstrap",
    )
    _run_or_raise(["tar", "-C", str(building), "--no-same-owner", "--exclude=./dev/*", "-xf", str(packed)], "tar")
    packed.unlink()


def _write_accounts(building: Path) -> None:
    """The little that the packages' scripts, which cannot run here, would have left."""
    (building / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/bash\npi:x:1000:1000::/home/pi:/bin/bash\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    )
    (building / "etc/group").write_text("root:x:0:\npi:x:1000:\nnogroup:x:65534:\n")
    (building / "etc/hostname").write_text("raspberrypi\n")
    (building / "home/pi").mkdir(parents=True, exist_ok=True)
    awk = building / "usr/bin/awk"
    if not awk.is_symlink():
        awk.symlink_to("mawk")


def _install_wheels(building: Path) -> None:
    tags = [f"--platform={tag}" for tag in WHEEL_TAGS]
    abis = [f"--abi={abi}" for abi in (f"cp{PYTHON.replace('.', '')}", "abi3", "none")]
    packages = building / f"usr/local/lib/python{PYTHON}/dist-packages"
    _run_or_raise(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--only-binary=:all:"),
            *("--python-version", PYTHON, "--implementation", "cp", *abis, *tags),
            *("--target", str(packages), *requirements()),
        ],
        "pip",
    )


def _write_boards(building: Path, board: BoardName) -> None:
    _write_board(building, BOARDS[board])
    for name in BOARDS:
        prefix = prefix_of(building, name)
        prefix.mkdir(parents=True)
        for folder in SYSTEM_FOLDERS:
            (prefix / folder).symlink_to(Path("../../..") / folder)
        _write_board(prefix, BOARDS[name])


def _write_board(root: Path, board: Board) -> None:
    for path, content in board_files(board).items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)


def _import_once(building: Path) -> None:
    """The proof that the root works; it leaves the compiled modules behind that later runs would each compile."""
    prefix = prefix_of(building, "pi5")
    _run_or_raise(
        [
            *("env", "-i", "ORT_DISABLE_TELEMETRY=1", "HOME=/nonexistent"),
            *(
                "qemu-aarch64",
                "-cpu",
                "cortex-a76",
                "-L",
                str(prefix),
                f"{building}/usr/bin/python{PYTHON}",
                "-c",
                f"{IMPORTS}\n{LATER_IMPORTS}",
            ),
        ],
        "importing the runtimes under qemu-aarch64",
    )


def _run_or_raise(argv: list[str], what: str) -> None:
    done = HostDevice().run(argv, TIMEOUT_S)
    if done.status == 0:
        return
    output = done.stderr or done.stdout
    errors = [
        line for line in output.splitlines() if re.search(r"error|^E:|cannot|No space|denied", line, re.IGNORECASE)
    ]
    full = "No space left" in done.stderr
    reason = last_line(errors[-1] if errors else output)
    raise done.failure(
        f"an arm64 root cannot be made: {what} ended with status {done.status}: {reason}"
        + (". Make space on this disk, or set XDG_CACHE_HOME to another one" if full else ""),
        argv=argv,
    )
