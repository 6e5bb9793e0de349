"""The Android demo's benchmark activity as the agent on a phone: installed, driven and removed over adb's shell.

The activity answers a plan in its own folder on the shared storage with a reply beside it, in a fresh process for
every launch. What must go when the phone can't be reached any more lies in a script in the workspace: the phone runs
it itself when the workspace ends (see ``edgekd.devices.adb``).
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekd import storage
from edgekd.bench.agents.protocol import files_of, plan_of
from edgekd.bench.agents.reply import read_reply
from edgekd.devices.adb import AT_END
from edgekd.devices.protocol import Completed, Device
from edgekd.errors import DeviceError, DeviceTimeout, UsageError
from edgekd.text import last_line

if TYPE_CHECKING:
    from edgekd.bench.targets import BenchTarget

PACKAGE = "org.edgekd.demo"
ACTIVITY = f"{PACKAGE}/.BenchmarkActivity"
FILES = f"/sdcard/Android/data/{PACKAGE}/files"
FOLDER = f"{FILES}/bench"
PLAN = "plan.json"

_SHORT_TIMEOUT_S = 60.0
_INSTALL_TIMEOUT_S = 300.0

# Run by us at the end, or by the phone where we are gone.
_CLEAN = f'am force-stop {PACKAGE}; rm -rf {FOLDER}; %s rm -f "$0"\n'
# $1: what to wait for, $2: the package, $3: how many looks without a process are enough. It must not disturb what is
# measured meanwhile: once the process is known, a look costs two system calls and a sleep. The brackets keep the
# pattern from finding this script itself. Android 7's ps knows no options and lists all; its second column is the
# process too. Ends with 3 when the process is gone and the file is not there.
_WAIT = """n=0; p=
while [ ! -e "$1" ]; do
  if [ -z "$p" ] || [ ! -d "/proc/$p" ]; then
    p=$(ps -A -o PID,ARGS 2>/dev/null | grep "$2[:]benchmark" | { read -r pid rest; echo "$pid"; })
    [ -n "$p" ] || p=$(ps | grep "$2[:]benchmark" | { read -r user pid rest; echo "$pid"; })
    if [ -n "$p" ]; then n=0; else n=$((n+1)); fi
    [ "$n" -le "$3" ] || { [ -e "$1" ] && exit 0; exit 3; }
  fi
  sleep 0.5
done
"""
# Twenty seconds: nobody waits for the activity to be there before that is asked.
_LOOKS = 40
_REFUSALS = {
    "INSTALL_FAILED_UPDATE_INCOMPATIBLE": "another build of the demo, signed by another key, is there. Uninstall it",
    "INSTALL_FAILED_VERSION_DOWNGRADE": "a newer build of the demo is there. Uninstall it",
    "INSTALL_FAILED_INSUFFICIENT_STORAGE": "the phone's storage is full. Free some space on it",
    "INSTALL_FAILED_NO_MATCHING_ABIS": "the APK holds no code for this phone's processor",
    "INSTALL_FAILED_USER_RESTRICTED": "the phone forbids it. Allow 'Install via USB' in its developer options",
    "INSTALL_FAILED_OLDER_SDK": "the phone's Android is too old: the demo needs 7.0",
    "INSTALL_PARSE_FAILED": "Android does not take the file for an APK. Build it again",
}


class AndroidApp:
    """An ``Agent`` (see protocol) over the demo's APK on a phone."""

    name = "android-app"
    formats: tuple[str, ...] = ("tflite",)

    def __init__(self, device: Device, apk: Path) -> None:
        if not apk.is_file() or not zipfile.is_zipfile(apk):
            raise UsageError(f"{apk} is not an APK. Build one: mvn -f android_demo package")
        self._device, self._apk, self._folder = device, apk, ""
        self._targets: tuple[BenchTarget, ...] = ()

    def prepare(self, folder: str, targets: Sequence[BenchTarget]) -> None:
        """Install the app where it is not, and put every file into its folder.

        Raises: UsageError for files that the app cannot run, DeviceError.
        """
        others = [target.name for target in targets if target.format != "tflite"]
        if others:
            raise UsageError(f"the Android demo runs .tflite files alone. Leave out {', '.join(others)}")
        self._folder, self._targets = folder, tuple(targets)
        there = self._device.run(["pm", "path", PACKAGE], _SHORT_TIMEOUT_S).stdout.startswith("package:")
        with tempfile.TemporaryDirectory(prefix="edgekd-") as scratch:
            clean = Path(scratch) / "clean.sh"
            storage.write_text(clean, _CLEAN % ("" if there else f"pm uninstall {PACKAGE};"))
            self._device.push(clean, f"{folder}/{AT_END}")
            self._install()
            self._make_folder()
            for name, content in files_of(targets).items():
                local = content
                if not isinstance(content, Path):
                    local = Path(scratch) / "inputs.npy"
                    np.save(local, content, allow_pickle=False)
                self._device.push(local, f"{FOLDER}/{name}")

    def launch(self, index: int, round_: int, settings: Mapping[str, Any], timeout_s: float) -> Any:
        """Start the activity in a fresh process and wait for its reply."""
        # Every reply has its own name, so that an old one is never read.
        reply = f"reply-{round_}-{index}.json"
        plan = {**plan_of(self._targets, index, settings, ""), "out": reply}
        with tempfile.TemporaryDirectory(prefix="edgekd-") as scratch:
            local_plan, local_reply = Path(scratch) / PLAN, Path(scratch) / reply
            storage.write_json(local_plan, plan)
            self._stop()
            self._device.push(local_plan, f"{FOLDER}/{PLAN}")
            self._start(PLAN)
            try:
                waited = self._wait(f"{FOLDER}/{reply}", timeout_s)
            finally:
                self._stop()
            if waited.status != 0:
                raise self._death("the app ended without a reply")
            self._device.pull(f"{FOLDER}/{reply}", local_reply)
            return read_reply(local_reply, self._device.address)

    def finish(self) -> None:
        """Remove the files, and the app unless it was there before."""
        with contextlib.suppress(DeviceError):
            self._device.run(["sh", f"{self._folder}/{AT_END}"], _INSTALL_TIMEOUT_S)

    def _install(self) -> None:
        remote = f"{self._folder}/demo.apk"
        self._device.push(self._apk, remote)
        done = self._device.run(["pm", "install", "-r", "-t", remote], _INSTALL_TIMEOUT_S)
        output = f"{done.stdout}\n{done.stderr}"
        if done.status != 0 or "Success" not in output:
            code = re.search(r"INSTALL_[A-Z_]+", output)
            why = next((text for name, text in _REFUSALS.items() if code and code[0].startswith(name)), None)
            last = last_line(output)
            raise DeviceError(
                f"{self._device.address}: the demo was not installed: {f'{why} ({last})' if why else last}",
                address=self._device.address,
                argv=("pm", "install", "-r", "-t", remote),
                status=done.status,
                stdout=done.stdout,
                stderr=done.stderr,
            )
        self._device.run(["rm", "-f", remote], _SHORT_TIMEOUT_S)

    def _make_folder(self) -> None:
        """The app must make its folder itself: one that the shell makes first is closed to it from Android 11 on."""
        self._start("none.json")
        try:
            waited = self._wait(FILES, _SHORT_TIMEOUT_S)
        finally:
            self._stop()
        if waited.status != 0:
            raise self._death(f"the app was started and made no folder {FILES}")
        script = 'mkdir -p "$1" && chmod 777 "$1"'
        done = self._device.run(["sh", "-c", script, "edgekd", FOLDER], _SHORT_TIMEOUT_S)
        if done.status != 0:
            raise DeviceError(
                f"{self._device.address}: the app's folder {FOLDER} cannot be made: {last_line(done.stderr)}",
                address=self._device.address,
                status=done.status,
                stderr=done.stderr,
            )

    def _start(self, plan: str) -> None:
        # "start" is what every Android's am knows; with -W it would wait for a locked phone to be unlocked.
        argv = ["am", "start", "-n", ACTIVITY, "--es", "plan", plan]
        done = self._device.run(argv, _SHORT_TIMEOUT_S)
        output = f"{done.stdout}\n{done.stderr}"
        # am's status is 0 whatever it says in older versions.
        if done.status != 0 or re.search(r"^(?:Error|java\.lang|.*Exception:)", output, re.MULTILINE):
            errors = [line for line in output.splitlines() if re.match(r"Error|.*Exception:", line)]
            raise DeviceError(
                f"{self._device.address}: the demo's benchmark did not start: {last_line((errors or [output])[-1])}",
                address=self._device.address,
                argv=argv,
                status=done.status,
                stdout=done.stdout,
                stderr=done.stderr,
            )

    def _wait(self, remote: str, timeout_s: float) -> Completed:
        argv = ["sh", "-c", _WAIT, "edgekd", remote, PACKAGE, str(_LOOKS)]
        try:
            return self._device.run(argv, timeout_s)
        except DeviceTimeout as error:
            raise DeviceTimeout(
                f"the app gave no reply within {timeout_s:g} s. Unlock the phone and keep its screen on, "
                "or allow more time",
                address=self._device.address,
                argv=error.argv,
                stdout=error.stdout,
                stderr=error.stderr,
            ) from None

    def _stop(self) -> None:
        self._device.run(["am", "force-stop", PACKAGE], _SHORT_TIMEOUT_S)

    def _death(self, what: str) -> DeviceError:
        return DeviceError(
            f"{what}: it crashed, Android killed it, or the phone's storage is full. "
            f"See: adb -s {self._device.address.removeprefix('adb:')} logcat -d",
            address=self._device.address,
            stderr=self._last_words(),
        )

    def _last_words(self) -> str:
        with contextlib.suppress(DeviceError):
            argv = ["logcat", "-d", "-t", "60", "-s", "AndroidRuntime:E", "edgekd:I", "libc:F", "lmkd:I"]
            return self._device.run(argv, _SHORT_TIMEOUT_S).stdout[-4000:]
        return ""
