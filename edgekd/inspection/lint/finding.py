"""A lint rule's input and output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from edgekd.inspection.description import Description
from edgekd.inspection.network import Network, Op

Severity = Literal["error", "warning", "note"]
_SHOWN = 4


@dataclass(frozen=True)
class Finding:
    """One mistake: the rule that found it, its severity, what and where, and the fix."""

    rule: str
    severity: Severity
    message: str
    fix: str


class Message(str):
    """What a rule says of one file, with another severity or another fix than its usual ones."""

    severity: Severity | None
    fix: str | None

    def __new__(cls, text: str, severity: Severity | None = None, fix: str | None = None) -> Message:
        """The text, and what differs."""
        message = super().__new__(cls, text)
        message.severity, message.fix = severity, fix
        return message


@dataclass(frozen=True, eq=False)
class Subject:
    """The input of every rule. ``macs`` and ``delegated`` are by the op's index; ``delegated`` is None for an .onnx.

    ``version`` is the schema version of a .tflite, the opset of an .onnx. ``failed`` is the reason why it does not run,
    with ``guessed`` sizes where it leaves them free, or with those that the user has ``chosen``; ``ran`` is whether it
    did, and ``shapes`` are those of its inputs then. ``external`` are files of its weights.
    """

    network: Network
    description: Description
    version: int
    macs: Mapping[int, int | None] = field(default_factory=dict)
    delegated: frozenset[int] | None = None
    failed: str | None = None
    ran: bool = False
    guessed: bool = False
    chosen: bool = False
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    external: tuple[str, ...] = ()

    @property
    def is_tflite(self) -> bool:
        """Whether it is a .tflite."""
        return self.network.format == "tflite"

    @property
    def accumulating(self) -> tuple[Op, ...]:
        """The convolutions, dense layers and matrix products."""
        return tuple(op for op in self.network.ops if op.kind in ("conv", "depthwise", "dense", "matmul"))

    @property
    def is_integer(self) -> bool:
        """Whether convolutions or dense layers compute in 8-bit integers."""
        return any(op.precision in ("int8", "uint8") for op in self.accumulating)


def name_ops(ops: tuple[Op, ...] | list[Op]) -> str:
    """Describe ops, the first few by name."""
    names = ", ".join(f"{op.type} {op.name!r}" if op.name else op.type for op in ops[:_SHOWN])
    return names + (f" and {len(ops) - _SHOWN} more" if len(ops) > _SHOWN else "")
