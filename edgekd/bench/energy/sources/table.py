"""Which source is read on a device: the first of its kind that can be."""

from __future__ import annotations

from collections.abc import Callable

from edgekd.bench.energy.sources import battery, pmic, powercap, rails
from edgekd.bench.energy.sources.protocol import NotMeasured, Reader
from edgekd.devices.protocol import Device
from edgekd.errors import DeviceError, DeviceNotFound

Find = Callable[[Device], Reader]

# Counters before momentary values, what is fast before what is slow.
LINUX: tuple[Find, ...] = (pmic.find, powercap.find, battery.find)
PHONE: tuple[Find, ...] = (rails.find, battery.find)


def find_reader(device: Device, finders: tuple[Find, ...] | None = None) -> Reader:
    """The source to read on ``device``.

    Raises: NotMeasured with the reason of a source that the device has and that can't be read, else of all that it
    lacks; DeviceNotFound.
    """
    if device.address.startswith("emulated:"):
        raise NotMeasured("an emulated core takes no power of its own")
    if finders is None:
        finders = PHONE if device.address.startswith("adb:") else LINUX
    refusals: list[NotMeasured] = []
    for find in finders:
        try:
            return find(device)
        except NotMeasured as refusal:
            refusals.append(refusal)
        except DeviceNotFound:
            raise
        except DeviceError as error:
            refusals.append(NotMeasured(str(error)))
    present = [str(refusal) for refusal in refusals if refusal.present]
    if present:
        raise NotMeasured("; ".join(present), present=True)
    lacking = "; ".join(str(refusal) for refusal in refusals)
    raise NotMeasured(f"this device tells nothing of its power: {lacking}. Measure it with a USB meter: --power-log")


def battery_wh(device: Device) -> float | None:
    """Watt hours of the device's own battery, as far as it tells; None where it does not."""
    try:
        return battery.capacity_wh(device)
    except DeviceNotFound:
        raise
    except DeviceError:
        return None
