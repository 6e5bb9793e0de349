"""What tells a device's power, a file each.

protocol     what a source gives                          table        which one is read on a device
powercap     RAPL's counters (Linux on x86)               pmic         the Raspberry Pi 5's rails
battery      current times voltage of a battery           rails        Android's rail counters
meter        the log of a USB power meter
"""

from __future__ import annotations
