"""The cores that ``emulated`` offers."""

from __future__ import annotations

from dataclasses import dataclass

from edgekd.devices.pi_board import BoardName


@dataclass(frozen=True)
class Cpu:
    """A core that qemu emulates and the board whose /proc and /sys go with it.

    ``model`` is qemu's name of a core with the same instructions: not every version of qemu has a Cortex-A55.
    """

    name: str
    board: BoardName
    model: str


CPUS = {
    "cortex-a53": Cpu("Cortex-A53", "pi3", "cortex-a53"),
    "cortex-a55": Cpu("Cortex-A55", "rock3", "cortex-a76"),
    "cortex-a72": Cpu("Cortex-A72", "pi4", "cortex-a72"),
    "cortex-a76": Cpu("Cortex-A76", "pi5", "cortex-a76"),
}
