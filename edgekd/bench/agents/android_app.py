"""The Android demo's benchmark activity as the agent on a phone: installed, driven and removed over adb's shell.

Model, inputs and plans lie in the workspace under /data/local/tmp, which the shell may write and apps may read; the
activity answers with a reply in its own folder on the shared storage, in a fresh process for every launch. Where a
phone keeps shell and app out of each other's folders, the app's content provider, which only the shell may call,
carries the files instead: a plan without a measurement finds that out first.

What must go when the phone can't be reached any more lies in a script in the workspace: the phone runs it itself when
the workspace ends (see ``edgekd.devices.adb_workspace``).
"""

from __future__ import annotations

import contextlib
import re
import secrets
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd import storage
from edgekd.bench.agents.android_install import INSTALL_TIMEOUT_S, app_state, explain, install
from edgekd.bench.agents.protocol import files_of, plan_of
from edgekd.bench.agents.reply import parse_reply, read_reply
from edgekd.devices.adb_workspace import AT_END
from edgekd.devices.protocol import Completed, Device
from edgekd.errors import DeviceError, DeviceNotFound, DeviceTimeout, UsageError
from edgekd.text import printable

if TYPE_CHECKING:
    from edgekd.bench.targets import BenchTarget

PACKAGE = "org.edgekd.demo"
ACTIVITY = f"{PACKAGE}/.BenchmarkActivity"
PROVIDER = f"content://{PACKAGE}.bench"
PLAN = "plan.json"

_SHORT_TIMEOUT_S = 60.0
_COPY_TIMEOUT_S = 300.0
# From starting the app for the first time to a reply that it measures nothing for.
_GREET_TIMEOUT_S = 180.0

# $1: what to wait for, $2: the package, $3: how many looks without a process are enough, $4: how many once it was seen.
# It must not disturb what is measured meanwhile: once the process is known, a look costs two system calls and a sleep.
# The brackets keep the pattern from finding this script itself. Android 7's ps knows no options and lists all; its
# second column is the process too. Ends with 3 when the process is gone and the file is not there, or not to be seen.
_WAIT = """n=0; p=; most=$3
while [ ! -e "$1" ]; do
  if [ -z "$p" ] || [ ! -d "/proc/$p" ]; then
    p=$(ps -A -o PID,ARGS 2>/dev/null | grep "$2[:]benchmark" | { read -r pid rest; echo "$pid"; })
    [ -n "$p" ] || p=$(ps | grep "$2[:]benchmark" | { read -r user pid rest; echo "$pid"; })
    if [ -n "$p" ]; then n=0; most=$4; else n=$((n+1)); fi
    [ "$n" -le "$most" ] || { [ -e "$1" ] && exit 0; exit 3; }
  fi
  sleep 0.5
done
"""
# Twenty seconds: nobody waits for the activity to be there before that is asked.
_LOOKS = 40
_LOOKS_AFTER = 4
_MESSAGES = """logcat -d -t 60 -s AndroidRuntime:E edgekd:I libc:F lmkd:I 2>/dev/null
logcat -d -t 2000 2>/dev/null | grep 'MIUILOG- Permission Denied Activity' | tail -n 1
dumpsys -t 10 trust 2>/dev/null | grep -o 'deviceLocked=[01]' | head -n 1
"""
# $1: user, $2: address, $3: file. Standard input is what content takes.
_WRITE = 'content write --user "$1" --uri "$2" < "$3"'


class AndroidApp:
    """An ``Agent`` (see protocol) over the demo's APK on a phone."""

    name = "android-app"
    formats: tuple[str, ...] = ("tflite",)
    takes_prepared = False

    def __init__(self, device: Device, apk: Path) -> None:
        if not apk.is_file() or not zipfile.is_zipfile(apk):
            raise UsageError(f"{apk} is not an APK. Build one: mvn -f android_demo package")
        self._device, self._apk, self._folder, self._user = device, apk, "", 0
        self._targets: tuple[BenchTarget, ...] = ()
        # Whether the app reads the workspace, and the shell the app's folder.
        self._reads, self._is_seen = True, True

    def prepare(self, folder: str, targets: Sequence[BenchTarget]) -> None:
        """Install the app where it is not, and put every file where it can read it.

        Raises: UsageError for files that the app cannot run, DeviceError.
        """
        others = [target.name for target in targets if target.format != "tflite"]
        if others:
            raise UsageError(f"the Android demo runs .tflite files alone. Leave out {', '.join(others)}")
        self._folder, self._targets = folder, tuple(targets)
        state = app_state(self._device, PACKAGE)
        self._user = state.user
        with tempfile.TemporaryDirectory(prefix="edgekd-") as scratch:
            clean = Path(scratch) / "clean.sh"
            storage.write_text(clean, self._clean_script(state.is_installed))
            self._device.push(clean, f"{folder}/{AT_END}-app")
            install(self._device, self._apk, folder, self._user)
            self._stop()
            self._greet()
            for name, content in files_of(targets).items():
                local = content
                if not isinstance(content, Path):
                    local = Path(scratch) / "inputs.npy"
                    np.save(local, content, allow_pickle=False)
                self._put(local, name)

    def launch(self, index: int, round_: int, settings: Mapping[str, Any], timeout_s: float) -> Any:
        """Start the activity in a fresh process and wait for its reply."""
        # Every reply has its own name, so that an old one is never read.
        reply = f"reply-{round_}-{index}.json"
        return self._answer({**plan_of(self._targets, index, settings, ""), "out": reply}, PLAN, timeout_s)

    def finish(self) -> None:
        """Remove the files, and the app unless it was there before."""
        with contextlib.suppress(DeviceError):
            self._device.run(["sh", f"{self._folder}/{AT_END}-app"], INSTALL_TIMEOUT_S)

    @property
    def _replies(self) -> str:
        """The app's folder as the shell sees it, if it does."""
        storage_ = "/sdcard" if self._user == 0 else f"/storage/emulated/{self._user}"
        return f"{storage_}/Android/media/{PACKAGE}/bench"

    def _clean_script(self, stays: bool) -> str:
        """Run by us at the end, or by the phone where we are gone."""
        empty = f"content delete --user {self._user} --uri {PROVIDER}/"
        end = empty if stays else f"pm uninstall --user {self._user} {PACKAGE}"
        stop = f"am force-stop {PACKAGE}"
        # The app empties its folder where the shell does not see it.
        return f'{stop}; rm -rf {self._replies}; {end}; {stop}; rm -f "$0"\n'

    def _greet(self) -> None:
        """Find out which way files go. Raises: DeviceError if there is none."""
        for self._reads in (True, False):
            word = secrets.token_hex(8)
            plan = {"hello": word, "out": f"hello-{word}.json"}
            reply = self._answer(plan, f"{word}.json", _GREET_TIMEOUT_S)
            if isinstance(reply, dict) and reply.get("hello") == word:
                return
        refused = printable(str(reply.get("error") if isinstance(reply, dict) else reply), 300)
        raise DeviceError(
            f"{self._device.address}: the app can read neither {self._folder} nor what its content provider is given: "
            f"{refused}. Measure with Google's benchmark_model (--benchmark-model PATH), which needs no app",
            address=self._device.address,
        )

    def _answer(self, plan: Mapping[str, Any], name: str, timeout_s: float) -> Any:
        """Put a plan there, start the app, wait, and fetch its reply."""
        reply = str(plan["out"])
        with tempfile.TemporaryDirectory(prefix="edgekd-") as scratch:
            local = Path(scratch) / PLAN
            storage.write_json(local, plan)
            self._put(local, name)
            if not self._reads:
                # The provider's process, so that nothing runs beside what is measured.
                self._stop()
            self._start(name, reply)
            try:
                waited = self._wait(f"{self._replies}/{reply}", timeout_s)
            finally:
                self._stop()
            return self._fetch(reply, Path(scratch) / reply, is_there=waited.status == 0)

    def _fetch(self, name: str, local: Path, is_there: bool) -> Any:
        """The reply, out of the app's folder or by its provider."""
        if is_there and self._is_seen:
            try:
                self._device.pull(f"{self._replies}/{name}", local)
                return read_reply(local, self._device.address)
            except DeviceNotFound:
                raise
            except DeviceError:
                self._is_seen = False
        done = self._content("read", name)
        self._stop()
        if not done.stdout.lstrip().startswith("{"):
            raise self._death(done)
        self._is_seen = False
        return parse_reply(done.stdout.encode(), self._device.address)

    def _put(self, local: Path, name: str) -> None:
        """A file into the workspace, and from there to the app where it does not read that."""
        remote = f"{self._folder}/{name}"
        self._device.push(local, remote)
        if self._reads:
            return
        address = f"{PROVIDER}/{name}"
        done = self._device.run(["sh", "-c", _WRITE, "edgekd", str(self._user), address, remote], _COPY_TIMEOUT_S)
        self._device.run(["rm", "-f", remote], _SHORT_TIMEOUT_S)
        if done.status != 0 or done.stderr.strip():
            raise DeviceError(
                f"{self._device.address}: the app does not take {name}: {explain(done.stderr or done.stdout)}",
                address=self._device.address,
                status=done.status,
                stderr=done.stderr,
            )

    def _content(self, verb: str, name: str) -> Completed:
        argv = ["content", verb, "--user", str(self._user), "--uri", f"{PROVIDER}/{name}"]
        return self._device.run(argv, _COPY_TIMEOUT_S)

    def _start(self, plan: str, out: str) -> None:
        # "start" is what every Android's am knows; with -W it would wait for a locked phone to be unlocked.
        argv = ["am", "start", "--user", str(self._user), "-n", ACTIVITY, "--es", "plan", plan, "--es", "out", out]
        argv += ["--es", "folder", self._folder] if self._reads else []
        done = self._device.run(argv, _SHORT_TIMEOUT_S)
        output = f"{done.stdout}\n{done.stderr}"
        # am's status is 0 whatever it says in older versions.
        if done.status != 0 or re.search(r"^(?:Error|java\.lang|.*Exception:)", output, re.MULTILINE):
            errors = [line for line in output.splitlines() if re.match(r"Error|.*Exception:", line)]
            raise done.failure(
                f"{self._device.address}: the demo's benchmark did not start: {explain((errors or [output])[-1])}",
                address=self._device.address,
                argv=argv,
            )

    def _wait(self, remote: str, timeout_s: float) -> Completed:
        argv = ["sh", "-c", _WAIT, "edgekd", remote, PACKAGE, str(_LOOKS), str(_LOOKS_AFTER)]
        try:
            return self._device.run(argv, timeout_s)
        except DeviceTimeout as error:
            raise DeviceTimeout(
                f"{self._device.address}: the app gave no reply within {timeout_s:g} s. Unlock the phone and keep its "
                "screen on, or allow more time",
                address=self._device.address,
                argv=error.argv,
                stdout=error.stdout,
                stderr=error.stderr,
            ) from None

    def _stop(self) -> None:
        self._device.run(["am", "force-stop", PACKAGE], _SHORT_TIMEOUT_S)

    def _death(self, read: Completed) -> DeviceError:
        """The error for an app that ended without a reply; ``read`` is what its provider said."""
        messages = self._last_messages()
        return DeviceError(
            f"{self._device.address}: the app ended without a reply: {why_silent(messages)}. "
            f"See: adb -s {self._device.address.removeprefix('adb:')} logcat -d",
            address=self._device.address,
            stderr=f"{messages}\n{read.stderr[-500:]}",
        )

    def _last_messages(self) -> str:
        with contextlib.suppress(DeviceError):
            return self._device.run(["sh", "-c", _MESSAGES], _SHORT_TIMEOUT_S).stdout[-6000:]
        return ""


def why_silent(messages: str) -> str:
    """What kept an app from answering, by the system's last messages and the state of its lock."""
    if "MIUILOG- Permission Denied Activity" in messages:
        return (
            "the phone starts no app over its lock screen. Unlock it and keep its screen on, or allow 'Show on Lock "
            "screen' to the app 'edgekd demo' (Settings > Apps > Permissions > Other permissions)"
        )
    if "deviceLocked=1" in messages:
        return "the phone is locked. Unlock it and keep its screen on"
    return (
        "it crashed, Android killed it, the phone's storage is full, or the APK is of an earlier edgekd: build it anew"
    )
