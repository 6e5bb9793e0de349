"""Reads a power source on the device itself, about ten times a second, into a file in the workspace.

One constant shell text for every device: it runs under dash, bash, busybox's ash and Android's mksh, and needs nothing
but ``sleep`` beside the source's own command. The pauses differ, so that readings never run in step with paced
inferences. It reads during rests and blocks alike: what it takes itself is subtracted with the rest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

# Seconds since the device's start, and those that its cores were idle, all cores added up. Source: proc(5).
CLOCK = "/proc/uptime"

# $1: where readings go, $2: a file that ends it, $3: how many readings at most, $4: the clock's file; then "files" and
# files whose first lines are one reading, or "run" and a command whose output is one.
SCRIPT = """export LC_ALL=C
out=$1 stop=$2 left=$3 clock=$4 how=$5; shift 5
exec >"$out" 2>/dev/null </dev/null
n=0
while [ ! -e "$stop" ] && [ "$left" -gt 0 ]; do
  left=$((left-1)); n=$(((n+1)%7))
  read -r up rest <"$clock"; echo "@ $up"
  if [ "$how" = files ]; then
    for file in "$@"; do line=-; read -r line <"$file"; echo "$line"; done
  else "$@"; fi
  read -r up rest <"$clock"; echo ". $up"
  case $n in 0) s=0.07;; 1) s=0.12;; 2) s=0.09;; 3) s=0.11;; 4) s=0.08;; 5) s=0.13;; *) s=0.10;; esac
  sleep "$s" || exit 1
done
"""
# The shortest pause of SCRIPT.
_SHORTEST_S = 0.07
# A reading of any source has fewer characters.
_READING_LIMIT = 1 << 16
_TIME = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,9})?")


@dataclass(frozen=True)
class SamplerCommand:
    """What one reading is: the first lines of these files, or the output of this command."""

    how: Literal["files", "run"]
    words: tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """The text of one reading and when it was taken, in seconds since the device's start."""

    time_s: float
    text: str


def argv(command: SamplerCommand, out: str, stop: str, seconds: float) -> list[str]:
    """The command that samples into ``out`` until ``stop`` exists, at most for about ``seconds`` (then it ends)."""
    most = str(int(seconds / _SHORTEST_S) + 1)
    return ["sh", "-c", SCRIPT, "edgekd", out, stop, most, CLOCK, command.how, *command.words]


def parse(text: str) -> tuple[Reading, ...]:
    """The readings in a sampler's file; a last one that was cut off is left out.

    A reading's time is the middle between its start and its end.
    """
    readings: list[Reading] = []
    start: float | None = None
    lines: list[str] = []
    for line in text.split("\n"):
        mark, _, rest = line.partition(" ")
        if mark == "@" and _TIME.fullmatch(rest):
            start, lines = float(rest), []
        elif mark == "." and _TIME.fullmatch(rest) and start is not None:
            readings.append(Reading((start + float(rest)) / 2, "\n".join(lines)[:_READING_LIMIT]))
            start = None
        elif start is not None:
            lines.append(line)
    return tuple(readings)


def parse_clock(text: str) -> tuple[float, float] | None:
    """(seconds since the start, idle seconds of all cores) of ``CLOCK``'s text; None where it makes no sense."""
    words: Sequence[str] = text.split()
    if len(words) < 2 or not all(_TIME.fullmatch(word) for word in words[:2]):
        return None
    return float(words[0]), float(words[1])
