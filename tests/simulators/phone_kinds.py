"""Phones as people have them: what Android, its makers and its owners allow, each staged on the simulated phone."""

from __future__ import annotations

import shutil
import threading
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from simulators.faults import Bench
from simulators.phone import Phone

from edgekd.bench.agents import android_install
from edgekd.bench.result import BenchResult
from edgekd.bench.validity import validity

BATTERY = "Current Battery Service state:\n  USB powered: true\n  level: {}\n  scale: 100\n  temperature: 298\n"
LOCKED = ' User "Owner" (id=0, flags=0x4c13) (current): trusted=0, trustManaged=0, deviceLocked=1\n'


@dataclass(frozen=True)
class Kind:
    """``files`` make the phone one (see ``phone/system_server.py``); ``says`` is its one error, None where it works.

    ``accepted_after_s`` is when somebody accepts the dialog on its screen; ``standing`` is what a measurement there is
    worth, None where nothing speaks against it.
    """

    name: str
    files: Mapping[str, str] = field(default_factory=dict)
    says: str | None = None
    accepted_after_s: float | None = None
    standing: str | None = None

    def stage(self, phone: Phone) -> None:
        """Make the phone one of this kind."""
        for name, text in self.files.items():
            phone.put(name, text)
        if self.accepted_after_s is not None:
            threading.Timer(self.accepted_after_s, phone.put, ("accepted",)).start()

    def reset(self, phone: Phone) -> None:
        """Make it an ordinary one again."""
        for name in (*self.files, "accepted"):
            (phone.system / name).unlink(missing_ok=True)
        phone.say_defaults()


KINDS = (
    Kind("stock Android 14"),
    Kind("apps may not read /data/local/tmp (SELinux)", {"blind": ""}),
    Kind("the shell may not see the app's folder", {"unseen": ""}),
    Kind("neither sees the other's, and a second user is in front", {"blind": "", "unseen": "", "user": "10"}),
    Kind("a second user who may not be debugged", {"user": "10", "user-closed": ""},
         r"the user in front of the phone may not be debugged\. Switch to its owner \(java\.lang\.SecurityException"),
    Kind("asks on its screen before it installs, and is told yes", {"prompt": ""}, accepted_after_s=2.0),
    Kind("asks on its screen before it installs, and nobody looks", {"prompt": ""},
         r"the demo was not installed within \d+ s\. The phone may ask on its screen"),
    Kind("locked, stock Android", {"trust.txt": LOCKED}),
    Kind("locked, MIUI", {"trust.txt": LOCKED, "keyguard": ""},
         r"ended without a reply: the phone starts no app over its lock screen\. Unlock it"),
    Kind("restarted and not unlocked since", {"user-state": "RUNNING_LOCKED"},
         r"the phone was restarted and not unlocked since: no app can start\. Unlock it once"),
    Kind("MIUI without 'Install via USB'",
         {"refuse": "Failure [INSTALL_FAILED_USER_RESTRICTED: Install canceled by user]\n"},
         r"not installed: the phone forbids it.*Allow 'Install via USB'.*\(Failure \[INSTALL_FAILED_USER_RESTRICTED"),
    Kind("Auto Blocker or Play Protect",
         {"refuse": "Failure [INSTALL_FAILED_VERIFICATION_FAILURE: Install not allowed for file:///data/app/x.tmp]\n"},
         r"not installed: the phone's own check refused it: Play Protect, or Auto Blocker.*FAILED_VERIFICATION"),
    Kind("an app that dies before it reads anything", {"stillborn": ""}, r"the app ended without a reply: it crashed"),
    Kind("allows neither fixed performance nor changed settings", {"no-fixed": "", "no-settings": ""}),
    Kind("battery saver on", {"setting-global-low_power": "1"}, standing="invalid"),
    Kind("battery at 9 %", {"battery.txt": BATTERY.format(9)}, standing="semi-valid"),
    Kind("battery at 4 %", {"battery.txt": BATTERY.format(4)}, standing="invalid"),
)  # fmt: skip

# Nobody looks at a simulated phone.
DIALOG_S = 20.0


@dataclass(frozen=True)
class Outcome:
    """What ``edgekd bench`` did on a phone of that kind, and everything that it left there."""

    code: int
    stderr: str
    standing: str | None
    reasons: tuple[str, ...]
    fixed_performance: bool | None
    screen_kept_on: bool | None
    left: tuple[str, ...]


def measure_kind(kind: Kind, bench: Bench) -> Outcome:
    """Run the command with the demo on a phone of that kind."""
    apk = bench.folder / "demo.apk"
    with zipfile.ZipFile(apk, "w") as archive:
        archive.writestr("AndroidManifest.xml", "x")
    file = bench.folder / f"model{bench.file.suffix}"
    shutil.copy(bench.file, file)
    shutil.copy(f"{bench.file}.json", f"{file}.json")
    kind.stage(bench.phone)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(android_install, "INSTALL_TIMEOUT_S", DIALOG_S)
        code, stderr = bench.run(file, "--device", bench.phone.address, "--apk", apk)
    saved = bench.partial(bench.phone.address)
    whole = saved.with_name(saved.name.replace(".partial", ""))
    result = BenchResult.load(whole) if whole.is_file() else None
    found = None if result is None else validity(result, result.measurements[0])
    facts = result.facts_before if result else {}
    bench.phone.emptied()
    left = _left(bench.phone)
    kind.reset(bench.phone)
    return Outcome(
        code, stderr, found and found.standing, found.reasons if found else (), facts.get("fixed_performance"),
        facts.get("screen_kept_on"), left,
    )  # fmt: skip


def _left(phone: Phone) -> tuple[str, ...]:
    """Files in the shell's folder and in the app's, the app itself, and settings that are not as they were."""
    files = [
        *phone.left(),
        *(str(path.relative_to(phone.sdcard)) for path in phone.sdcard.rglob("*") if path.is_file()),
    ]
    apps = [path.name for path in phone.system.glob("installed*")]
    on = (
        ["fixed performance"]
        if phone.has("fixed-performance") and phone.content("fixed-performance") != "false"
        else []
    )
    stays = ["screen kept on"] if phone.has("setting-global-stay_on_while_plugged_in") else []
    return (*files, *apps, *on, *stays)
