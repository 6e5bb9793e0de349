"""An energy measurement from the user's request to the record in the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from edgekd.bench.energy.clocks import place_log
from edgekd.bench.energy.plan import EnergyRequest
from edgekd.bench.energy.records import EnergyRecord
from edgekd.bench.energy.session import Setting, measure_blocks
from edgekd.bench.energy.sources import table
from edgekd.bench.energy.sources.meter import read_log
from edgekd.bench.energy.sources.protocol import NotMeasured
from edgekd.bench.result import BenchResult
from edgekd.errors import DeviceError, UsageError

Save = Callable[[BenchResult], None]


def add_energy(result: BenchResult, setting: Setting, request: EnergyRequest, save: Save) -> BenchResult:
    """``result`` with its energy; where it can't be measured, with the reason.

    Blocks that ``result`` has already and that only wait for a meter's log are not measured again.

    Args:
        result: the finished measurement of latency.
        setting: the device and what runs there.
        request: what the user asks for.
        save: writes the result so far: the blocks before a meter's log is looked at.

    Raises: DeviceError; also where the meter's log is not there or does not fit, so that the user can give another.
    """
    battery = _battery(setting, request)
    if request.power_log is not None:
        return _by_meter(result, setting, request, request.power_log, save, battery)
    try:
        reader = table.find_reader(setting.device)
        record = measure_blocks(setting, request.plan, reader)
    except NotMeasured as refusal:
        record = EnergyRecord(request.plan, not_measured=str(refusal))
    return replace(result, energy=battery.put(record))


def _by_meter(
    result: BenchResult,
    setting: Setting,
    request: EnergyRequest,
    log: Path,
    save: Save,
    battery: _Battery,
) -> BenchResult:
    record = result.energy
    if record is None or not record.blocks or record.trace is not None or record.plan != request.plan:
        try:
            record = measure_blocks(setting, request.plan, None)
        except NotMeasured as refusal:
            record = EnergyRecord(request.plan, not_measured=str(refusal))
            return replace(result, energy=battery.put(record))
    record = battery.put(record)
    result = replace(result, energy=record)
    save(result)
    again = f"The blocks are kept: the same command with the right {log.name} continues with it"
    if not log.is_file():
        raise DeviceError(
            f"{result.device}: the meter's log {log} is not there yet. Save it there. {again}", address=result.device
        )
    try:
        return replace(result, energy=place_log(record, read_log(log)))
    except (NotMeasured, UsageError) as refusal:
        raise DeviceError(f"{result.device}: {str(refusal).rstrip('.')}. {again}", address=result.device) from None


@dataclass(frozen=True)
class _Battery:
    """The battery that hours are given for, and who said how large it is."""

    wh: float | None
    source: str | None

    def put(self, record: EnergyRecord) -> EnergyRecord:
        return replace(record, battery_wh=self.wh, battery_source=self.source)


def _battery(setting: Setting, request: EnergyRequest) -> _Battery:
    """The user's, else the device's own."""
    if request.battery_wh is not None:
        return _Battery(request.battery_wh, "--battery-wh")
    own = table.battery_wh(setting.device)
    return _Battery(own, None if own is None else "the device's own")
