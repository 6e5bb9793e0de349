"""A Raspberry Pi 5 that is not there: a real sshd on the loopback whose logins land in an arm64 root under qemu."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ENTER = Path(__file__).parent / "pi" / "enter.py"
SSHD = "/usr/sbin/sshd"
PACKAGES = {SSHD: "openssh-server", "ssh": "openssh-client", "proot": "proot", "qemu-aarch64": "qemu-user"}
SITE_PACKAGES = "/usr/local/lib/python3.11/dist-packages"
VCGENCMD = '#!/bin/sh\n[ "$1" = get_throttled ] && echo throttled=0x50000\n'


class Pi:
    """The machine, its address, and what can be wrong with it. Its /tmp and home are folders of this machine."""

    address = "ssh:pi"

    def __init__(self, root: Path, state: Path) -> None:
        self.state, self.root = state, root
        self.tmp, self.home, self.bin = state / "tmp", state / "home", state / "bin"
        self.config = state / "ssh_config"
        self.log: list[str] = []
        for folder in (self.tmp, self.home, self.bin, state / "empty"):
            folder.mkdir()
        for name in ("host_key", "user_key", "other_key"):
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(state / name)]
            subprocess.run(words, check=True, timeout=60)
        shutil.copy(state / "user_key.pub", state / "authorized_keys")
        self.port = free_port()
        self.known_hosts = self.write_known_hosts("known_hosts", "host_key")
        self._sshd: subprocess.Popen[str] | None = None
        self.reset()

    def reset(self) -> None:
        """As it should be: nothing hidden, no files of earlier tests, sshd running."""
        self.settings()
        for folder in (self.tmp, self.home, self.bin):
            folder.chmod(0o755)
            for child in folder.iterdir():
                shutil.rmtree(child) if child.is_dir() else child.unlink()
        self.command("vcgencmd", VCGENCMD)
        self.write_config()
        if self._sshd is None or self._sshd.poll() is not None:
            self.start()

    def settings(self, hidden: tuple[str, ...] = (), emptied: tuple[str, ...] = ()) -> None:
        """Paths there that are hidden, and folders there that are empty, for every login from now on."""
        settings = {"root": str(self.root), "hidden": hidden, "emptied": emptied}
        (self.state / "settings.json").write_text(json.dumps(settings))

    def command(self, name: str, script: str) -> None:
        """Put a program first in the Pi's PATH."""
        (self.bin / name).write_text(script)
        (self.bin / name).chmod(0o755)

    def write_config(self, **changed: str) -> Path:
        """The user's ssh config for this Pi, with the words given changed."""
        words = {
            "HostName": "127.0.0.1",
            "Port": str(self.port),
            "User": getpass.getuser(),
            "IdentityFile": str(self.state / "user_key"),
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "UserKnownHostsFile": str(self.known_hosts),
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
        }
        lines = [f" {key} {value}" for key, value in {**words, **changed}.items()]
        self.config.write_text("\n".join(["Host pi", *lines, ""]))
        return self.config

    def write_known_hosts(self, name: str, key: str) -> Path:
        """A known_hosts file that takes ``key`` for the Pi's."""
        path = self.state / name
        kind, public, *_ = (self.state / f"{key}.pub").read_text().split()
        path.write_text(f"[127.0.0.1]:{self.port} {kind} {public}\n")
        return path

    def start(self) -> None:
        """Start sshd and wait until it listens."""
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        settings = {
            "ListenAddress": "127.0.0.1",
            "Port": self.port,
            "HostKey": self.state / "host_key",
            "PidFile": "none",
            "AuthorizedKeysFile": self.state / "authorized_keys",
            "PermitRootLogin": "prohibit-password",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "UsePAM": "no",
            "StrictModes": "no",
            "PrintMotd": "no",
            "ForceCommand": shlex.join([sys.executable, str(ENTER), str(self.state)]),
        }
        config = self.state / "sshd_config"
        config.write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
        # sshd goes when the tests do, also when they are killed.
        words = ["setpriv", "--pdeathsig", "KILL", SSHD, "-D", "-e", "-f", str(config)]
        self._sshd = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True)
        assert self._sshd.stderr is not None
        for line in self._sshd.stderr:
            self.log.append(line)
            if "Server listening" in line:
                break
        else:
            raise RuntimeError(f"sshd did not start: {''.join(self.log[-5:])}")
        threading.Thread(target=self.log.extend, args=(self._sshd.stderr,), daemon=True).start()

    def kill_sshd(self) -> None:
        """Kill sshd with all its connections, as a power cut of the network would; what runs in a login lives on."""
        assert self._sshd is not None
        doomed = [self._sshd.pid]
        for pid in doomed:
            # Each connection is a child, or a child's child, in a session of its own.
            doomed += _children(pid)
        for pid in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._sshd.wait()

    def processes(self) -> list[int]:
        """What runs in logins now, by this machine's process ids."""
        found = []
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                if f"EDGEKD_PI={self.state}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
        return found

    def left(self) -> list[str]:
        """Files in its /tmp."""
        return sorted(str(path.relative_to(self.tmp)) for path in self.tmp.rglob("*"))

    def wait(self, condition: Callable[[], bool]) -> None:
        """Until the machine has got there, at most a minute."""
        end = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < end, f"still there: {self.left()}, {self.processes()}"
            time.sleep(0.05)

    @contextlib.contextmanager
    def small_disk(self, size_kib: int) -> Iterator[None]:
        """A /tmp of so many KiB, which needs the right to mount."""
        words = ["mount", "-t", "tmpfs", "-o", f"size={size_kib}k,mode=0755", "edgekd-pi", str(self.tmp)]
        mounted = subprocess.run(words, capture_output=True, text=True, timeout=60)
        if mounted.returncode != 0:
            pytest.skip(f"a full disk cannot be staged: {mounted.stderr.strip()} (run as root)")
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", str(self.tmp)], check=True, timeout=60)


def _children(parent: int) -> list[int]:
    """Processes of sshd with this parent, by proc_pid_stat(5)."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            name, _, rest = (folder / "stat").read_text().partition("(")[2].rpartition(")")
            if name.startswith("sshd") and int(rest.split()[1]) == parent:
                found.append(int(folder.name))
    return found


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.fixture(scope="session")
def pi_machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pi]:
    """The simulated Pi, started once; use ``pi``."""
    for tool, package in PACKAGES.items():
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed: apt-get install {package}")
    machine = Pi(request.getfixturevalue("arm_root"), tmp_path_factory.mktemp("pi"))
    yield machine
    machine.kill_sshd()


@pytest.fixture
def pi(pi_machine: Pi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Pi]:
    """The simulated Pi as it should be; after the test nothing may be left in its /tmp and nothing may run there."""
    pi_machine.reset()
    monkeypatch.setenv("EDGEKD_SSH_CONFIG", str(pi_machine.config))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield pi_machine
    assert pi_machine.left() == []
