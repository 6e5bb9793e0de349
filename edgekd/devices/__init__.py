"""Where a model can be measured: one protocol, one file a transport."""

from __future__ import annotations

from edgekd.devices.protocol import Completed, Device
from edgekd.devices.table import list_devices, open_device

__all__ = ["Completed", "Device", "list_devices", "open_device"]
