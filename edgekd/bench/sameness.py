"""Whether two records are of the same measurement: for resuming one, for keeping a finished one, for before and after.

Each of these uses has ``Criteria``: which fields must be equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgekd.bench.plan import BenchPlan
from edgekd.bench.records import BenchRecord, Measurement

# How long a launch may take decides nothing of what is measured.
_PLAN = tuple(sorted(name for name in BenchPlan.model_fields if name != "launch_timeout_s"))
_NAMES = {
    "sha256": "content",
    "inputs_sha256": "set of photos",
    "host": "prediction on this machine",
    "unit": "what was measured",
    "threads": "number of threads",
    "end_to_end": "set of photos from end to end",
}


@dataclass(frozen=True)
class Criteria:
    """The fields of the record, of the device's facts, of the plan and of each file that must be equal."""

    record: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    plan: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """A field that is not equal: of ``file`` where it is a file's own. ``name`` is the field in words."""

    field: str
    first: object
    second: object
    file: str | None = None

    @property
    def name(self) -> str:
        """The field in words."""
        return _NAMES.get(self.field, self.field.replace("_", " "))


# The same measurement, interrupted: its launches may be used.
RESUMABLE = Criteria(
    record=("device", "agent", "baseline"),
    plan=_PLAN,
    files=("name", "file", "format", "sha256", "inputs_sha256", "threads", "host", "end_to_end"),
)
# The same machine on another day.
SAME_MACHINE = Criteria(facts=("board", "cpu_model", "machine", "cores", "runtimes"))
# A change of latency is then the file's and not the machine's.
COMPARABLE = Criteria(
    record=("unit", "agent"),
    facts=("cpu_model", "machine", "board", "governor", "fixed_performance", "cores"),
    plan=("delegate", "mode", "affinity", "pace_ms"),
    files=("threads", "inputs_sha256"),
)


def differences(first: BenchRecord, second: BenchRecord, criteria: Criteria) -> Iterator[Difference]:
    """Every field of ``criteria`` that is not equal, in its order; of the files, those that both measured."""
    for field in criteria.record:
        yield from _compare(field, getattr(first, field), getattr(second, field))
    for field in criteria.facts:
        yield from _compare(field, first.facts_before.get(field), second.facts_before.get(field))
    for field in criteria.plan:
        yield from _compare(field, getattr(first.plan, field), getattr(second.plan, field))
    others = {measurement.name: measurement for measurement in second.measurements}
    for measurement in first.measurements:
        if measurement.name in others:
            yield from _compare_files(measurement, others[measurement.name], criteria)


def describe_request(record: BenchRecord) -> list[object]:
    """What decides whether ``record`` may be resumed, as JSON: to be hashed."""
    plan = record.plan.model_dump(include=set(RESUMABLE.plan))
    fields = [field for field in RESUMABLE.files if field not in ("host", "end_to_end")]
    files = [
        [*(getattr(measurement, field) for field in fields), *(part.sha256 for part in measurement.end_to_end)]
        for measurement in record.measurements
    ]
    return [*(getattr(record, field) for field in RESUMABLE.record), plan, files]


def _compare_files(first: Measurement, second: Measurement, criteria: Criteria) -> Iterator[Difference]:
    for field in criteria.files:
        yield from _compare(field, getattr(first, field), getattr(second, field), first.name)


def _compare(field: str, first: object, second: object, file: str | None = None) -> Iterator[Difference]:
    if first != second:
        yield Difference(field, first, second, file)
