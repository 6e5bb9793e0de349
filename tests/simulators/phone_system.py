"""The arm64 system of the simulated phones: AOSP's adbd, Android's shell and tools, a Python with the runtimes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = (
    *("adbd", "base-files", "coreutils", "findutils", "grep", "libc-bin", "libgomp1", "libstdc++6", "mksh"),
    *("procps", "python3", "sed", "toybox"),
)
PYTHON = "3.13"
# What the agents, the app and its stand-ins load there. A phone does not write to its system, and would compile each
# of these modules at every launch.
IMPORTS = (
    "import gc, importlib.metadata, json, math, mmap, pathlib, platform, resource, runpy, struct, time, zipimport\n"
    "import numpy, ai_edge_litert.interpreter, PIL.Image\n"
    "PIL.Image.preinit()"
)


def make_root(dest: Path, wheels: list[str]) -> None:
    """Make the system at ``dest`` by this machine's own apt sources and pip, with ``wheels`` for its Python."""
    uris = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    if not uris:
        pytest.skip("simulated phones need a Debian whose package lists are there: apt-get update")
    make = ["mmdebstrap", "--mode=root", "--skip=check/qemu", "--variant=extract", "--architectures=arm64"]
    _run(*make, f"--include={','.join(PACKAGES)}", "trixie", str(dest), uris[0])
    (dest / "etc/passwd").write_text("root:x:0:0:root:/:/bin/sh\nshell:x:2000:2000::/:/bin/sh\n")
    (dest / "etc/group").write_text("root:x:0:\nshell:x:2000:\n")
    (dest / "usr/bin/sh").unlink(missing_ok=True)
    (dest / "usr/bin/sh").symlink_to("mksh")
    for folder in ("data/local/tmp", "sdcard", "system/bin"):
        (dest / folder).mkdir(parents=True)
    packed = PYTHON.replace(".", "")
    tags = [word for minor in range(17, 42) for word in ("--platform", f"manylinux_2_{minor}_aarch64")]
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-compile", "--only-binary=:all:"]
    python = ["--implementation", "cp", "--python-version", PYTHON, "--abi", f"cp{packed}", "--abi", "abi3"]
    platform = ["--abi", "none", "--platform", "manylinux2014_aarch64", *tags]
    _run(*pip, *python, *platform, "--target", str(dest / "usr/lib/python3/dist-packages"), *wheels)
    # Leaves the compiled modules behind.
    qemu = ["qemu-aarch64-static", "-cpu", "cortex-a76", "-L", str(dest), str(dest / f"usr/bin/python{PYTHON}")]
    _run("env", "-i", "ORT_DISABLE_TELEMETRY=1", "OMP_NUM_THREADS=1", "HOME=/nonexistent", *qemu, "-c", IMPORTS)


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, f"{argv[0]} failed: {done.stderr[-2000:]}"
