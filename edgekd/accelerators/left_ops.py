"""The ops that a GPU accelerator leaves to the CPU, and the adapter that LiteRT chose, as its own log has them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgekd.text import one_line

_HEADER = "Following operations are not supported by GPU delegate:"
_COUNTS = re.compile(r"^(\d+|No) operations will run on the GPU, and (?:the remaining|all) (\d+) operations will run")
_ADAPTER = re.compile(r"Selected adapter: (.+), arch=.*adapterType=(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class OpsLeft:
    """Of ``ops``, those that were not taken: how many, and LiteRT's reason by type; no reasons where it gives none."""

    taken: int | None
    ops: int
    reasons: tuple[str, ...]

    @property
    def message(self) -> str:
        """In a sentence."""
        if self.taken is None:
            return "LiteRT says that ops are left to the CPU, and not which"
        left = self.ops - self.taken
        why = f": {'; '.join(self.reasons)}" if self.reasons else ""
        return f"{left} of {self.ops} ops run on the CPU (LiteRT's log){why}"


def find_left(log: str, ops_n: int) -> OpsLeft:
    """Read what LiteRT printed of the file's first graph, which has ``ops_n`` ops."""
    _, found, rest = log.partition(_HEADER)
    reasons: dict[str, None] = {}
    for line in rest.splitlines() if found else ():
        counts = _COUNTS.match(line)
        if counts:
            taken = 0 if counts[1] == "No" else int(counts[1])
            return OpsLeft(taken, taken + int(counts[2]), tuple(reasons))
        name, colon, reason = line.partition(": ")
        if colon and name.strip() and name.replace("_", "").isalnum() and reason.strip():
            reasons[f"{one_line(name, 60)}: {one_line(reason, 200).rstrip('.')}"] = None
    return OpsLeft(None, ops_n, tuple(reasons))


def adapter_of(log: str) -> tuple[str, bool] | None:
    """The adapter that LiteRT names in its log, and whether it computes on the CPU; None without one."""
    found = _ADAPTER.search(log)
    return None if found is None else (one_line(found[1], 100), "software" in found[2].lower())
