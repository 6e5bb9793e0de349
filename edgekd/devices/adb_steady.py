"""Holding a phone steady while it is measured: clocks that it can sustain, and a screen that stays on.

Android has a mode for benchmarks in which clocks stay where they can be held (fixed performance, Android 11, where the
maker supports it). A screen that goes off moves apps to slow cores. All of it is undone by a script in the workspace,
written before anything is changed (see ``edgekd.devices.adb_workspace``). Whether the mode was on before cannot be
asked: it is off afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypedDict

from edgekd.devices.adb_workspace import AT_END
from edgekd.devices.protocol import Completed


class Steadiness(TypedDict):
    """What the phone was asked for and did. Both are False where its maker does not allow or support them."""

    fixed_performance: bool
    screen_kept_on: bool


# $1: a marker, $2: the workspace. 15: whatever it is plugged into.
_SCRIPT = (
    """exec 2>/dev/null
m=$1
mode='cmd power set-fixed-performance-mode-enabled'
stay='global stay_on_while_plugged_in'
was=$(settings get $stay)
case "$was" in [0-9]|1[0-5]) undo="settings put $stay $was";; *) undo="settings delete $stay";; esac
asleep=
dumpsys -t 10 power | grep -qE 'mWakefulness=(Asleep|Dozing|Dreaming)' && asleep='input keyevent KEYCODE_SLEEP'
printf '%s\\n' "$mode false" "$undo" "$asleep" 'rm -f "$0"' > "$2/"""
    f"{AT_END}-steady"
    """" || exit 1
$mode true >/dev/null && echo "$m fixed"
[ -z "$asleep" ] || input keyevent KEYCODE_WAKEUP
settings put $stay 15
[ "$(settings get $stay)" = 15 ] && echo "$m screen"
exit 0
"""
)


def hold_steady(
    run: Callable[[Sequence[str], float], Completed], folder: str, marker: str, timeout_s: float
) -> Steadiness:
    """Ask for both until the workspace ``folder`` ends. Raises: DeviceError if nothing can be run there."""
    lines = run(["sh", "-c", _SCRIPT, "edgekd", marker, folder], timeout_s).stdout.splitlines()
    return {"fixed_performance": f"{marker} fixed" in lines, "screen_kept_on": f"{marker} screen" in lines}
