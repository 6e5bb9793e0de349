"""The one table of device addresses. A new transport is a file in this package and a line here."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

from edgekd.devices.protocol import Device
from edgekd.errors import UsageError

# Scheme: (module with open_device(address) and reachable(), what an address looks like).
SCHEMES: dict[str, tuple[str, str]] = {
    "host": ("edgekd.devices.host", "host"),
    "ssh": ("edgekd.devices.ssh", "ssh:pi@pi5"),
    "adb": ("edgekd.devices.adb", "adb:SERIAL"),
    "emulated": ("edgekd.devices.emulated", "emulated:cortex-a76"),
}


def open_device(address: str) -> Device:
    """The device at an address.

    Args:
        address: ``host``, ``ssh:pi@pi5``, ``adb:SERIAL`` or ``emulated:cortex-a76``.

    Returns:
        The device; most are not contacted before they are used.

    Raises:
        UsageError: The scheme does not exist, or the address is malformed.
        DeviceError: The device cannot be used.

    Example:
        >>> import edgekd
        >>> edgekd.open_device("host").address
        'host'
    """
    module: Any = importlib.import_module(check_scheme(address))
    device: Device = module.open_device(address)
    return device


def check_scheme(address: str) -> str:
    """The module of an address's transport; opens nothing. Raises: UsageError for a scheme that does not exist."""
    scheme = address.partition(":")[0]
    if scheme not in SCHEMES:
        raise UsageError(f"unknown device {address!r}: {_nearest(scheme)}")
    return SCHEMES[scheme][0]


def list_devices() -> tuple[Device, ...]:
    """List the devices that can be used now.

    Returns:
        The host, the machines behind ssh that were set up from here, attached phones, and emulated cores that were
        set up.

    Example:
        >>> list_devices()[0].address
        'host'
    """
    devices: list[Device] = []
    for module, _ in SCHEMES.values():
        transport = importlib.import_module(module)
        devices.extend(transport.open_device(address) for address in transport.reachable())
    return tuple(devices)


def _nearest(scheme: str) -> str:
    near = difflib.get_close_matches(scheme.lower(), SCHEMES, n=1, cutoff=0.5)
    examples = ", ".join(example for _, example in SCHEMES.values())
    return f"did you mean {SCHEMES[near[0]][1]!r}?" if near else f"an address looks like one of: {examples}"
