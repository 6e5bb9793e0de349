"""One phone: AOSP's adbd with an arm64 userland under PRoot and qemu, in namespaces of its own.

``adbd_in_namespace.py SETTINGS.json`` prints ``port N`` once an adb server can connect to 127.0.0.1:N. adbd listens on
every interface, so it gets a network with nothing in it; the listening socket made beforehand stays in the machine's
own network, and every connection to it is pumped into the namespace. Lines on standard input are orders (see
``Phone``); its end ends everything. adbd and the shell have Android's uid 2000, apps one of their own (see
``system_server``). Needs root, proot and qemu-aarch64-static.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from system_server import EVERYBODY, EXT_DATA_RW, READPROC, SDCARD_RW, SHELL, SystemServer

NEW_MOUNTS, NEW_PIDS, NEW_NET = 0x20000, 0x20000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
# Where a uid without rights finds what lies in folders of this machine's root. In this namespace alone.
PLACES = Path("/mnt")
GROUPS = {SHELL: [SDCARD_RW, EXT_DATA_RW, EVERYBODY, READPROC]}
SET_DEATH_SIGNAL, SET_SECCOMP, SET_NO_NEW_PRIVS = 1, 22, 38
# statx and faccessat2: PRoot 5.1 does not translate their paths; told that they are not there, glibc asks otherwise.
UNTRANSLATED = {"x86_64": (332, 439), "aarch64": (291, 439)}[os.uname().machine]
INNER_PORT = 5555

LIBC = ctypes.CDLL(None, use_errno=True)


def main(settings_path: str) -> int:
    """Make the namespaces; the child is their first process, so that all of them die with it."""
    settings = json.loads(Path(settings_path).read_text(encoding="utf-8"))
    listener = socket.create_server(("127.0.0.1", 0))
    _checked(LIBC.unshare(NEW_NET | NEW_MOUNTS | NEW_PIDS))
    _checked(LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
    options = f"size={settings['storage_bytes']},mode=0771,uid={SHELL},gid={SHELL}".encode()
    _checked(LIBC.mount(b"tmpfs", os.fsencode(settings["storage"]), b"tmpfs", 0, options))
    places = _make_places(settings)
    child = os.fork()
    if child == 0:
        LIBC.prctl(SET_DEATH_SIGNAL, signal.SIGKILL)
        _checked(LIBC.mount(b"proc", b"/proc", b"proc", 0, None))
        _loopback_up()
        # The first process inherits orphans: they go at once, as with Android's init.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        Phone(listener, settings, places).serve()
        os._exit(0)
    listener.close()
    os.waitpid(child, 0)
    return 0


class Phone:
    """Runs adbd and pumps connections to it, as the orders say."""

    def __init__(self, listener: socket.socket, settings: dict[str, Any], places: dict[str, Path]) -> None:
        self._listener, self._settings, self._places = listener, settings, places
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._flowing = threading.Event()
        self._flowing.set()
        self._adbd = 0

    def serve(self) -> None:
        """Obey until standard input ends. Every order is answered by one line."""
        self.start()
        threading.Thread(target=self._accept, daemon=True).start()
        threading.Thread(target=SystemServer(self._places, self.start_app).serve, daemon=True).start()
        _say(f"port {self._listener.getsockname()[1]}")
        orders = {"start": self.start, "kill": self.kill, "restart": self.restart, "drop": self.drop}
        orders |= {"stall": self.stall, "flow": self.flow}
        for line in sys.stdin:
            orders[line.strip()]()
            _say("done")

    def start(self) -> None:
        """Start adbd and wait until it listens."""
        self._adbd = os.fork()
        if self._adbd == 0:
            log = os.open(self._settings["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            null = os.open("/dev/null", os.O_RDONLY)
            for target, source in ((0, null), (1, log), (2, log)):
                os.dup2(source, target)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _become(SHELL)
            os.execvp("proot", self._argv({}, ["/usr/sbin/adbd"]))
        for _ in range(400):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", INNER_PORT)):
                return
            time.sleep(0.05)
        raise TimeoutError("adbd does not listen")

    def start_app(self, uid: int, binds: Mapping[str, str], argv: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a program as an app of that uid, which sees other folders at the targets of ``binds``."""
        null = subprocess.DEVNULL
        with Path(self._settings["log"]).open("ab") as log:
            return subprocess.Popen(
                self._argv(binds, argv), stdin=null, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=lambda: _become(uid),  # noqa: PLW1509  nothing of it takes a lock
            )  # fmt: skip

    def _argv(self, binds: Mapping[str, str], command: Sequence[str]) -> list[str]:
        """A program of the phone under PRoot and qemu."""
        settings = self._settings
        seen = {str(target): str(place) for target, place in self._places.items() if target.startswith("/")}
        words = [word for target, place in {**seen, **binds}.items() for word in ("-b", f"{place}:{target}")]
        environment = [f"{name}={value}" for name, value in settings["environment"].items()]
        proot = ["proot", "-q", f"qemu-aarch64-static -cpu {settings['cpu']}", "-r", str(self._places["root"])]
        start = ["/usr/bin/env", "-i", f"ADBD_PORT={INNER_PORT}", *environment, *command]
        return [*proot, "-b", "/proc", "-b", "/dev", *words, "-w", "/", *start]

    def kill(self) -> None:
        """Kill adbd alone, as Android's low-memory killer would: what it started goes on."""
        for status in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = status.read_bytes().split(b"\0")
                if words[0].endswith(b"qemu-aarch64-static") and words[-2] == b"/usr/sbin/adbd":
                    os.kill(int(status.parent.name), signal.SIGKILL)
        self.drop()

    def restart(self) -> None:
        """Kill adbd with all that it started and start it again, as Android's init does when USB changes its mode."""
        for status in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if status.stat().st_uid == SHELL:
                    os.kill(int(status.name), signal.SIGKILL)
        self.drop()
        self.start()

    def drop(self) -> None:
        """Cut every connection, as when the cable is pulled."""
        pairs, self._pairs = self._pairs, []
        for one in (end for pair in pairs for end in pair):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def stall(self) -> None:
        """Carry nothing any more, without a word."""
        self._flowing.clear()

    def flow(self) -> None:
        """End a stall."""
        self._flowing.set()

    def _accept(self) -> None:
        while True:
            outer, _ = self._listener.accept()
            try:
                inner = socket.create_connection(("127.0.0.1", INNER_PORT))
            except OSError:
                outer.close()
                continue
            self._pairs.append((outer, inner))
            for source, sink in ((outer, inner), (inner, outer)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(65536):
                self._flowing.wait()
                sink.sendall(content)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _make_places(settings: dict[str, Any]) -> dict[str, Path]:
    """What the phone's programs see, by its path there; under names without a slash, what is ours."""
    _checked(LIBC.mount(b"tmpfs", os.fsencode(PLACES), b"tmpfs", 0, b"mode=0755"))
    sources = {"root": settings["root"], **{target: source for source, target in settings["binds"]}}
    places = {}
    for number, (target, source) in enumerate(sources.items()):
        place = PLACES / str(number)
        place.mkdir() if Path(source).is_dir() else place.touch()
        _checked(LIBC.mount(os.fsencode(source), os.fsencode(place), None, MS_BIND | MS_REC, None))
        places[target] = place
    for name, mode in (("/binder", 0o1777), ("temporary", 0o1777), ("closed", 0o711), ("blind", 0o700)):
        places[name] = PLACES / name.strip("/")
        places[name].mkdir()
        places[name].chmod(mode)
    os.environ["PROOT_TMP_DIR"] = str(places["temporary"])
    return places


def _become(uid: int) -> None:
    os.setgroups(GROUPS.get(uid, [EVERYBODY]))
    os.setgid(uid)
    os.setuid(uid)
    _hide_untranslated()


def _hide_untranslated() -> None:
    """Let two system calls fail with ENOSYS."""
    load_number, fail, allow = (0x20, 0, 0, 0), (0x06, 0, 0, 0x50000 | 38), (0x06, 0, 0, 0x7FFF0000)
    first, second = UNTRANSLATED
    lines = (load_number, (0x15, 2, 0, first), (0x15, 1, 0, second), allow, fail)
    program = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *line) for line in lines))
    header = struct.pack("HxxxxxxP", len(lines), ctypes.addressof(program))
    _checked(LIBC.prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _checked(LIBC.prctl(SET_SECCOMP, 2, ctypes.create_string_buffer(header), 0, 0))


def _loopback_up() -> None:
    get_flags, set_flags, up = 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        request = struct.pack("16sh14x", b"lo", 0)
        _, flags = struct.unpack("16sh14x", fcntl.ioctl(one, get_flags, request))
        fcntl.ioctl(one, set_flags, struct.pack("16sh14x", b"lo", flags | up))


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
