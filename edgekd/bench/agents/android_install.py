"""Getting the demo's APK onto a phone: for the user who is in front of it, with what to do where that is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edgekd.devices.protocol import Completed, Device
from edgekd.errors import DeviceError, DeviceTimeout
from edgekd.text import last_line

_SHORT_TIMEOUT_S = 60.0
# Some phones ask on their screen first.
INSTALL_TIMEOUT_S = 300.0

# $1: the package. The user in front of the phone, whether that user's storage is open (it is not from a restart to the
# first unlocking; where am knows no such question, nothing is printed), and whether the app is there for that user.
_STATE = """u=$(am get-current-user 2>/dev/null)
echo "user $u"
am get-started-user-state "$u" 2>/dev/null
pm path --user "${u:-0}" "$1"
"""
_CANNOT_UPDATE = "Uninstall it: adb uninstall org.edgekd.demo"
_NO_ACCESS = "Shell does not have permission to access user"
# By the first of these that occurs in what Android said.
_REFUSALS = {
    "INSTALL_FAILED_UPDATE_INCOMPATIBLE": f"the demo is there in a build signed by another key. {_CANNOT_UPDATE}",
    "INSTALL_FAILED_VERSION_DOWNGRADE": f"a newer build of the demo is there. {_CANNOT_UPDATE}",
    "INSTALL_FAILED_INSUFFICIENT_STORAGE": "the phone's storage is full. Free some space on it",
    "INSTALL_FAILED_NO_MATCHING_ABIS": "the APK holds no code for this phone's processor",
    "INSTALL_FAILED_USER_RESTRICTED": "the phone forbids it, or its dialog was not accepted. Allow 'Install via USB' "
    "in its developer options (Xiaomi's also ask for an account and a SIM card), and accept the dialog when it comes",
    "INSTALL_FAILED_VERIFICATION_FAILURE": "the phone's own check refused it: Play Protect, or Auto Blocker on a "
    "Samsung. Accept its dialog, or turn off 'Verify apps over USB' in developer options, or Auto Blocker in Settings, "
    "Security and privacy, until it is installed",
    "INSTALL_FAILED_ABORTED": "its dialog was not accepted. Accept it on the phone's screen",
    "INSTALL_FAILED_OLDER_SDK": "the phone's Android is too old: the demo needs 7.0",
    "INSTALL_PARSE_FAILED": "Android does not take the file for an APK. Build it again",
    _NO_ACCESS: "the user in front of the phone may not be debugged. Switch to its owner",
}


@dataclass(frozen=True)
class AppState:
    """``user`` is the number of who is in front of the phone, ``is_installed`` whether the app is there for them."""

    user: int
    is_installed: bool


def app_state(device: Device, package: str) -> AppState:
    """Whose phone it is now, and whether the app is there.

    Raises: DeviceError where that user has not unlocked the phone since it was restarted, or may not be debugged.
    """
    done = device.run(["sh", "-c", _STATE, "edgekd", package], _SHORT_TIMEOUT_S)
    if "RUNNING_LOCKED" in done.stdout:
        raise DeviceError(
            f"{device.address}: the phone was restarted and not unlocked since: no app can start. Unlock it once",
            address=device.address,
        )
    if _NO_ACCESS in done.stderr:
        raise DeviceError(f"{device.address}: {explain(done.stderr)}", address=device.address, stderr=done.stderr)
    match = re.match(r"user ([0-9]{1,5})\s", done.stdout)
    return AppState(int(match[1]) if match else 0, "\npackage:" in done.stdout)


def install(device: Device, apk: Path, folder: str, user: int) -> None:
    """Push an APK into the workspace, install it for one user and remove it there; the app may open files there then.

    Raises: DeviceError with what to do where the phone refuses it; DeviceTimeout where its question is not answered.
    """
    remote = f"{folder}/demo.apk"
    device.push(apk, remote)
    argv = ["pm", "install", "-r", "-t", "--user", str(user), remote]
    try:
        done = device.run(argv, INSTALL_TIMEOUT_S)
    except DeviceTimeout as error:
        raise DeviceTimeout(
            f"{device.address}: the demo was not installed within {INSTALL_TIMEOUT_S:g} s. The phone may ask on its "
            "screen whether to install it: unlock it, measure again and accept",
            address=device.address,
            argv=argv,
            stdout=error.stdout,
            stderr=error.stderr,
        ) from None
    if done.status != 0 or "Success" not in f"{done.stdout}\n{done.stderr}":
        raise _refusal(device, argv, done)
    # Others may open what they know the name of, and not list it.
    device.run(["sh", "-c", 'rm -f "$1"; chmod 711 "$2"', "edgekd", remote, folder], _SHORT_TIMEOUT_S)


def explain(output: str) -> str:
    """Why Android refused something, by what it printed, and what to do; its own last line where that is not known."""
    why = next((text for sign, text in _REFUSALS.items() if sign in output), None)
    lines = [line for line in output.splitlines() if re.match(r"\s*(?:Failure|Error|.*Exception)", line)]
    last = last_line((lines or [output])[0])
    return f"{why} ({last})" if why else last


def _refusal(device: Device, argv: list[str], done: Completed) -> DeviceError:
    return DeviceError(
        f"{device.address}: the demo was not installed: {explain(f'{done.stdout}{chr(10)}{done.stderr}')}",
        address=device.address,
        argv=argv,
        status=done.status,
        stdout=done.stdout,
        stderr=done.stderr,
    )
