"""Where a model can be measured: one protocol, a file for each transport.

protocol      what every device can do                     table         addresses, and the transport of each
host          this machine                                 ssh           a machine behind ssh (ssh_client, ssh_errors)
adb           an Android phone (adb_link, adb_facts,       emulated      an arm64 core under qemu (arm_root, insncount)
              adb_workspace, adb_steady)                   arm_parts     names of ARM cores
facts         reading what Linux reports                   probe         asking any Linux-like device for its facts
setup         runtimes on a machine behind ssh             wheels        packages for another machine
setup_record  which machines were set up from here         pi_board      what /proc and /sys hold on a board
fake          a device for tests                           emulated_cpus which cores are emulated
"""

from __future__ import annotations

from edgekd.devices.protocol import Completed, Device
from edgekd.devices.table import list_devices, open_device

__all__ = ["Completed", "Device", "list_devices", "open_device"]
