"""Going on where a killed measurement stopped: which launches may be kept, and what of another measurement may not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from edgekd import storage
from edgekd.bench.plan import BenchPlan
from edgekd.bench.result import BenchResult, Measurement, Resumption
from edgekd.errors import EdgekdError

Note = Callable[[str], None]

# Of one device these do not change from one day to the next.
_MACHINE = ("board", "cpu_model", "machine", "cores", "runtimes")
_MADE_OF = ("name", "file", "format", "sha256", "inputs_sha256", "threads", "host")


def take_up(path: Path, wanted: BenchResult, note: Note) -> BenchResult | None:
    """What ``path`` holds of the measurement ``wanted`` (a result without launches and facts); None where nothing.

    A file of another measurement, or a damaged one, is set aside with a note.
    """
    if not path.is_file():
        return None
    try:
        earlier = BenchResult.load(path)
        why = unlike(earlier, wanted)
    except EdgekdError as error:
        why = str(error)
    if why is None:
        return earlier
    set_aside(path, why, note)
    return None


def unlike(earlier: BenchResult, wanted: BenchResult) -> str | None:
    """What makes ``earlier`` another measurement than ``wanted``, in words; how long a launch may take does not."""
    for key in ("device", "agent", "baseline"):
        if getattr(earlier, key) != getattr(wanted, key):
            return f"its {key} is {getattr(earlier, key)}"
    mine, theirs = _settings(earlier.plan), _settings(wanted.plan)
    changed = sorted(key for key in mine if mine[key] != theirs[key])
    if changed:
        return f"it was measured with {changed[0]} {mine[changed[0]]}, not {theirs[changed[0]]}"
    names, others = ([one.name for one in result.measurements] for result in (earlier, wanted))
    if names != others:
        return f"it is of {', '.join(names)}"
    for one, other in zip(earlier.measurements, wanted.measurements, strict=True):
        for made_of in _MADE_OF:
            if getattr(one, made_of) != getattr(other, made_of):
                return f"{one.name} has another {_WORDS.get(made_of, made_of)} now"
    return None


def go_on(earlier: BenchResult, fresh: BenchResult, path: Path, note: Note) -> BenchResult:
    """``fresh`` (with the device's facts of now) with the launches of ``earlier``; what failed there is tried again.

    Another machine under the same address starts anew: ``path`` is set aside.
    """
    for key in _MACHINE:
        before, now = earlier.facts_before.get(key), fresh.facts_before.get(key)
        if before != now:
            set_aside(path, f"{key.replace('_', ' ')} was {before} there and is {now}", note)
            return fresh
    kept = sum(len(one.launches) for one in earlier.measurements)
    if kept == 0:
        return fresh
    note(f"{fresh.device}: {kept} launches of {earlier.facts_before.get('time_utc') or path} are kept")
    return replace(
        fresh,
        facts_before=earlier.facts_before,
        order=earlier.order,
        measurements=tuple(map(_with_launches, fresh.measurements, earlier.measurements)),
        resumed=(*earlier.resumed, Resumption(kept, fresh.facts_before)),
        polled=earlier.polled,
    )


def set_aside(path: Path, why: str, note: Note) -> None:
    """Rename what is not ours to overwrite, and say so."""
    number = 1
    while (other := path.with_name(f"{path.name.removesuffix('.partial.json')}.{number}.partial.json")).exists():
        number += 1
    path.rename(other)
    note(f"{path.name} is not of this measurement ({why}): it is now {other.name}")


class Ledger:
    """Which devices of a command are done, in ``folder/.unfinished``; gone when all of them are.

    Only with it may a whole result be taken for this command's and not for one of last week.
    """

    def __init__(self, folder: Path, request: Sequence[BenchResult | str], anew: bool) -> None:
        self._path = folder / ".unfinished"
        self._request = storage.digest([_described(one) for one in request])
        self._whole = [] if anew else self._earlier()

    def is_whole(self, address: str) -> bool:
        """Whether the killed command had measured this device to the end."""
        return address in self._whole

    def begin(self) -> None:
        """The command measures."""
        self._write()

    def add(self, address: str) -> None:
        """One device is whole."""
        if address not in self._whole:
            self._whole.append(address)
            self._write()

    def end(self) -> None:
        """All of them are."""
        self._path.unlink(missing_ok=True)

    def _earlier(self) -> list[str]:
        try:
            found = storage.read_json(self._path)
        except EdgekdError:
            return []
        if not isinstance(found, dict) or found.get("request") != self._request:
            return []
        whole = found.get("whole")
        return [one for one in whole if isinstance(one, str)] if isinstance(whole, list) else []

    def _write(self) -> None:
        storage.write_json(self._path, {"request": self._request, "whole": self._whole})


def _described(one: BenchResult | str) -> object:
    """An address that cannot be opened, or what is wanted of one that can."""
    if isinstance(one, str):
        return one
    files = [[getattr(each, key) for key in _MADE_OF if key != "host"] for each in one.measurements]
    return [one.device, one.agent, one.baseline, _settings(one.plan), files]


def _settings(plan: BenchPlan) -> dict[str, object]:
    return plan.model_dump(exclude={"launch_timeout_s"})


def _with_launches(fresh: Measurement, earlier: Measurement) -> Measurement:
    return replace(fresh, launches=earlier.launches)


_WORDS = {"sha256": "content", "inputs_sha256": "set of photos", "host": "answer on this machine"}
