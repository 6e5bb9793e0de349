"""Resuming an interrupted measurement: which launches may be kept, and what belongs to another measurement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from edgekd import storage
from edgekd.bench.records import Measurement, Resumption
from edgekd.bench.result import BenchResult
from edgekd.bench.sameness import RESUMABLE, SAME_MACHINE, describe_request, differences
from edgekd.errors import EdgekdError

Note = Callable[[str], None]


def load_earlier(path: Path, wanted: BenchResult, note: Note) -> BenchResult | None:
    """What ``path`` holds of the measurement ``wanted`` (a result without launches and facts); None where nothing.

    A file of another measurement, or a damaged one, is set aside with a note.
    """
    if not path.is_file():
        return None
    try:
        earlier = BenchResult.load(path)
        why = find_difference(earlier, wanted)
    except EdgekdError as error:
        why = str(error)
    if why is None:
        return earlier
    set_aside(path, why, note)
    return None


def find_difference(earlier: BenchResult, wanted: BenchResult) -> str | None:
    """What makes ``earlier`` another measurement than ``wanted``, in words; None where they are the same."""
    # Those of the record and the plan come before those of a file.
    first = next(differences(earlier, wanted, RESUMABLE), None)
    if first is not None and first.file is None:
        if first.field in RESUMABLE.plan:
            return f"it was measured with {first.field} {first.first}, not {first.second}"
        return f"its {first.name} is {first.first}"
    if earlier.names != wanted.names:
        return f"it is of {', '.join(earlier.names)}"
    return None if first is None else f"{first.file} has another {first.name} now"


def resume_from(earlier: BenchResult, fresh: BenchResult, path: Path, note: Note) -> BenchResult:
    """``fresh`` (with the device's facts of now) with the launches of ``earlier``; failed launches are tried again.

    On another machine under the same address the measurement starts anew: ``path`` is set aside.
    """
    for change in differences(earlier, fresh, SAME_MACHINE):
        set_aside(path, f"{change.name} was {change.first} there and is {change.second}", note)
        return fresh
    count = sum(len(measurement.launches) for measurement in earlier.measurements)
    if count == 0:
        return fresh
    note(f"{fresh.device}: {count} launches of {earlier.facts_before.get('time_utc') or path} are kept")
    return replace(
        fresh,
        facts_before=earlier.facts_before,
        order=earlier.order,
        measurements=tuple(map(_with_launches, fresh.measurements, earlier.measurements)),
        resumed=(*earlier.resumed, Resumption(count, fresh.facts_before)),
        polled=earlier.polled,
        energy=earlier.energy,
    )


def set_aside(path: Path, why: str, note: Note) -> None:
    """Rename a file of another measurement instead of overwriting it, with a note."""
    number = 1
    while (other := path.with_name(f"{path.name.removesuffix('.partial.json')}.{number}.partial.json")).exists():
        number += 1
    path.rename(other)
    note(f"{path.name} is not of this measurement ({why}): it is now {other.name}")


class Ledger:
    """Which devices of a command are done, in ``folder/.unfinished``; removed when all of them are.

    It tells a complete result of this command from one of an earlier command.
    """

    def __init__(self, folder: Path, request: Sequence[BenchResult | str], anew: bool) -> None:
        self._path = folder / ".unfinished"
        self._request = storage.digest([each if isinstance(each, str) else describe_request(each) for each in request])
        self._whole = [] if anew else self._earlier()

    def is_whole(self, address: str) -> bool:
        """Whether the interrupted command had measured this device to the end."""
        return address in self._whole

    def begin(self) -> None:
        """The command starts to measure."""
        self._write()

    def add(self, address: str) -> None:
        """This device is measured to the end."""
        if address not in self._whole:
            self._whole.append(address)
            self._write()

    def end(self) -> None:
        """Every device is."""
        self._path.unlink(missing_ok=True)

    def _earlier(self) -> list[str]:
        try:
            ledger = storage.read_json(self._path)
        except EdgekdError:
            return []
        if not isinstance(ledger, dict) or ledger.get("request") != self._request:
            return []
        whole = ledger.get("whole")
        return [address for address in whole if isinstance(address, str)] if isinstance(whole, list) else []

    def _write(self) -> None:
        storage.write_json(self._path, {"request": self._request, "whole": self._whole})


def _with_launches(fresh: Measurement, earlier: Measurement) -> Measurement:
    return replace(fresh, launches=earlier.launches)
