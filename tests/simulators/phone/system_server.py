"""What Android's own services answer on a simulated phone, for the shell of uid 2000 and an app of a uid of its own.

The kernel keeps the two apart, as on a phone: the shell can't write into the app's folder in adb's way, and the app
can't into the shell's. Files in /system that tests put there make the phone one of a kind:

    user          who is in front of it                user-state    RUNNING_LOCKED: not unlocked since a restart
    user-closed   that user may not be debugged        installed     the demo is there (installed-10: for user 10)
    refuse        what pm install prints               prompt        pm install waits for a file called accepted
    blind         apps can't read /data/local/tmp      unseen        the shell can't see the app's folder
    keyguard      no app starts over the lock screen   no-settings   the shell may not change settings
    no-fixed      no fixed performance mode            die, stillborn   see app.py
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PACKAGE = "org.edgekd.demo"
SHELL, SDCARD_RW, EXT_DATA_RW, EVERYBODY, READPROC = 2000, 1015, 1078, 9997, 3009
APP, A_USER = 10_123, 100_000
Answer = tuple[int, str | bytes, str]


class SystemServer:
    """Answers requests in the folder ``binder``; ``start(uid, binds, argv)`` starts a program of the phone."""

    def __init__(self, places: dict[str, Path], start: Callable[[int, dict[str, str], Sequence[str]], Any]) -> None:
        self._system, self._storage, self._sdcard = places["/system"], places["/data/local/tmp"], places["/sdcard"]
        self._binder, self._closed, self._blind = places["/binder"], places["closed"], places["blind"]
        self._start = start
        self._app: subprocess.Popen[bytes] | None = None

    def serve(self) -> None:
        """Until the process ends. Each request has a thread of its own: one may wait for a dialog."""
        while True:
            for ask in self._binder.glob("*.ask"):
                words = ask.read_text(encoding="utf-8").splitlines()
                ask.unlink()
                threading.Thread(target=self._answer, args=(words, ask.with_suffix("")), daemon=True).start()
            time.sleep(0.02)

    def _answer(self, words: list[str], request: Path) -> None:
        name, verb = words[0], words[1] if len(words) > 1 else ""
        options = dict(itertools.pairwise(words))
        act = getattr(self, f"_{name}_{verb}".replace("-", "_"), None)
        try:
            status, stdout, stderr = (
                act(options, words[2:], request) if act else (255, "", f"Unknown command: {verb}\n")
            )
        except Refusal as refusal:
            status, stdout, stderr = 255, "", f"{refusal}\n"
        request.with_suffix(".out").write_bytes(stdout.encode() if isinstance(stdout, str) else stdout)
        request.with_suffix(".err").write_text(stderr, encoding="utf-8")
        part = request.with_suffix(".part")
        part.write_text(f"{status}\n", encoding="utf-8")
        part.rename(request.with_suffix(".done"))
        time.sleep(10)
        for left in self._binder.glob(f"{request.name}.*"):
            left.unlink(missing_ok=True)

    def _is(self, name: str) -> bool:
        return (self._system / name).exists()

    @property
    def _user(self) -> int:
        return int((self._system / "user").read_text()) if self._is("user") else 0

    def _asked_user(self, options: dict[str, str]) -> int:
        user = int(options.get("--user", 0))
        if self._is("user-closed") and user == self._user:
            raise Refusal(f"java.lang.SecurityException: Shell does not have permission to access user {user}")
        return user

    def _installed(self, user: int) -> Path:
        return self._system / ("installed" if user == 0 else f"installed-{user}")

    def _shared(self, user: int) -> Path:
        """The shared storage of a user: the shell is in the first one's world alone."""
        return self._sdcard if user == 0 else self._closed / str(user)

    def _bench(self, user: int) -> Path:
        """The app's folder, with Android's owners and modes."""
        uid = user * A_USER + APP
        media = self._shared(user) / "Android/media"
        for folder in (media / PACKAGE, media / PACKAGE / "bench"):
            folder.mkdir(parents=True, exist_ok=True)
            os.chown(folder, uid, uid if self._is("unseen") else EXT_DATA_RW)
            # Android 11 and later let the shell look, and refuse adb's way of writing.
            folder.chmod(0o700 if self._is("unseen") else 0o2750)
        return media / PACKAGE / "bench"

    def _am_get_current_user(self, *_: Any) -> Answer:
        return 0, f"{self._user}\n", ""

    def _am_get_started_user_state(self, *_: Any) -> Answer:
        state = (self._system / "user-state").read_text() if self._is("user-state") else "RUNNING_UNLOCKED"
        return 0, f"{state}\n", ""

    def _am_force_stop(self, *_: Any) -> Answer:
        app, self._app = self._app, None
        if app is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(app.pid, signal.SIGKILL)
            app.wait()
        return 0, "", ""

    def _am_start(self, options: dict[str, str], words: list[str], _: Path) -> Answer:
        user = self._asked_user(options)
        activity = options["-n"]
        starting = f"Starting: Intent {{ cmp={activity} (has extras) }}\n"
        if not self._installed(user).exists():
            return 0, starting, f"Error type 3\nError: Activity class {{{activity}}} does not exist.\n"
        if self._is("keyguard"):
            denied = (
                f"D ExtraActivityManagerService: MIUILOG- Permission Denied Activity : Intent {{ cmp={activity} }}\n"
            )
            (self._system / "log.txt").write_text(denied, encoding="utf-8")
            return 0, starting, ""
        extras = {words[k + 1]: words[k + 2] for k, word in enumerate(words) if word == "--es"}
        self._bench(user)
        binds = {"/sdcard": str(self._shared(user))}
        if self._is("blind"):
            binds["/data/local/tmp"] = str(self._blind)
        argv = ["python3", "/system/app.py", extras["plan"], extras["out"], extras.get("folder", "")]
        self._app = self._start(user * A_USER + APP, binds, argv)
        return 0, starting, ""

    def _pm_path(self, options: dict[str, str], *_: Any) -> Answer:
        there = self._installed(self._asked_user(options)).exists()
        return (0, "package:/data/app/base.apk\n", "") if there else (1, "", "")

    def _pm_install(self, options: dict[str, str], words: list[str], _: Path) -> Answer:
        user = self._asked_user(options)
        if self._is("refuse"):
            return 1, (self._system / "refuse").read_text(), ""
        while self._is("prompt") and not self._is("accepted"):
            time.sleep(0.05)
        with (self._storage / words[-1].removeprefix("/data/local/tmp/")).open("rb") as stream:
            if stream.read(2) != b"PK":
                return 1, "Failure [INSTALL_PARSE_FAILED_NOT_APK]\n", ""
        self._installed(user).touch()
        return 0, "Success\n", ""

    def _pm_uninstall(self, options: dict[str, str], *_: Any) -> Answer:
        user = self._asked_user(options)
        self._am_force_stop()
        self._installed(user).unlink(missing_ok=True)
        shutil.rmtree(self._shared(user) / "Android/media" / PACKAGE, ignore_errors=True)
        return 0, "Success\n", ""

    def _content(self, options: dict[str, str]) -> tuple[Path, str, int]:
        user = self._asked_user(options)
        if not self._installed(user).exists():
            raise Refusal("Error while accessing provider: java.lang.IllegalStateException: Could not find provider")
        return self._bench(user), options["--uri"].rpartition("/")[2], user * A_USER + APP

    def _content_read(self, options: dict[str, str], *_: Any) -> Answer:
        folder, name, _uid = self._content(options)
        if not (folder / name).is_file():
            raise Refusal(f"Error while accessing provider:\njava.io.FileNotFoundException: {name} is not there")
        return 0, (folder / name).read_bytes(), ""

    def _content_write(self, options: dict[str, str], words: list[str], request: Path) -> Answer:
        folder, name, uid = self._content(options)
        shutil.copyfile(request.with_suffix(".in"), folder / name)
        os.chown(folder / name, uid, uid)
        return 0, "", ""

    def _content_delete(self, options: dict[str, str], *_: Any) -> Answer:
        for path in self._content(options)[0].iterdir():
            path.unlink()
        return 0, "", ""

    def _cmd_power(self, _options: dict[str, str], words: list[str], _: Path) -> Answer:
        if words[0] != "set-fixed-performance-mode-enabled" or self._is("no-fixed"):
            return 255, "", "Failed to set FIXED_PERFORMANCE mode\n"
        (self._system / "fixed-performance").write_text(words[1], encoding="utf-8")
        return 0, "", ""

    def _setting(self, words: list[str]) -> Path:
        return self._system / f"setting-{words[0]}-{words[1]}"

    def _settings_get(self, _options: dict[str, str], words: list[str], _: Path) -> Answer:
        path = self._setting(words)
        return 0, f"{path.read_text() if path.exists() else 'null'}\n", ""

    def _settings_put(self, _options: dict[str, str], words: list[str], _: Path) -> Answer:
        if self._is("no-settings"):
            raise Refusal(
                "java.lang.SecurityException: Permission denial: writing to settings requires WRITE_SECURE_SETTINGS"
            )
        self._setting(words).write_text(words[2], encoding="utf-8")
        return 0, "", ""

    def _settings_delete(self, _options: dict[str, str], words: list[str], _: Path) -> Answer:
        self._setting(words).unlink(missing_ok=True)
        return 0, "Deleted 1 rows\n", ""

    def _input_keyevent(self, _options: dict[str, str], words: list[str], _: Path) -> Answer:
        with (self._system / "keys.txt").open("a", encoding="utf-8") as stream:
            stream.write(f"{words[0]}\n")
        awake = "Awake" if words[0].endswith("WAKEUP") else "Asleep"
        (self._system / "power.txt").write_text(f"Power Manager State:\n  mWakefulness={awake}\n", encoding="utf-8")
        return 0, "", ""


class Refusal(Exception):
    """What a service answers instead of doing what was asked."""
