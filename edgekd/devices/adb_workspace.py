"""A folder on a phone that removes itself: a script on the phone holds it until its standard input ends.

In the folder, scripts called ``AT_END`` with anything behind it undo what was changed elsewhere (an app, a setting).
They run when the workspace ends, when edgekd is killed and when the cable is pulled. Where the script that holds the
folder was killed with them (adbd was restarted, the phone was), the next workspace on that phone runs them first.
"""

from __future__ import annotations

import re

WORKSPACES = "/data/local/tmp"
AT_END = ".edgekd-at-end"

# $1: a folder. Undoes what was changed, and removes it.
_END = (
    f'end() {{ for s in "$1"/{AT_END}*; do [ -f "$s" ] && sh "$s" >/dev/null 2>&1 </dev/null; done; '
    'rm -rf "$1" || { sleep 1; rm -rf "$1"; }; }; '
)
# $1: the folder, which so stands among this process's arguments: that is how others see that it is in use.
_KEEP = f"trap '' HUP; {_END}" + (
    'printf "edgekd-folder %s\\n" "$1"; cat >/dev/null; end "$1"; printf "edgekd-removed\\n"'
)
_QUOTED_KEEP = _KEEP.replace("'", "'\\''")
_CLEAR = (
    f"for d in {WORKSPACES}/edgekd-*; do "
    # Twice: one that is just being made has no process with its name for an instant.
    '[ -d "$d" ] && ! used "$d" && sleep 1 && ! used "$d" && end "$d"; done; '
)
HOLD = (
    f"trap '' HUP; {_END}"
    'used() { grep -qF "$1" /proc/[0-9]*/cmdline 2>/dev/null; }; '
    f"{_CLEAR}"
    f"d=$(mktemp -d {WORKSPACES}/edgekd-XXXXXXXX) || exit 1; "
    f"exec sh -c '{_QUOTED_KEEP}' edgekd \"$d\""
)
_FOLDER = re.compile(rb"\Aedgekd-folder (" + WORKSPACES.encode() + rb"/edgekd-[A-Za-z0-9]{6,16})\n\Z")


def read_folder(line: bytes) -> str | None:
    """The folder in the first line of ``HOLD``; None where it is something else."""
    match = _FOLDER.search(line)
    return match[1].decode("ascii") if match else None
