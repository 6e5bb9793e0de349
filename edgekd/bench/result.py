"""A benchmark's result: what was recorded, what may be concluded of it, and its versioned JSON file.

``edgekd/bench/result.schema.json`` is its JSON Schema, generated from these classes by ``json_schema``.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from edgekd import storage
from edgekd.bench.records import READABLE, SCHEMA, BenchRecord, first_problem
from edgekd.bench.statistics import Comparison, Summary, compare, summarize
from edgekd.bench.validity import Validity, validity
from edgekd.errors import EdgekdError


@dataclass(frozen=True)
class BenchResult(BenchRecord):
    """Measurements taken side by side on one device, with their statistics.

    Example: 7 launches each of a teacher and a student; in every round the student takes a quarter of the time.

    >>> from edgekd.bench import BenchPlan, BenchResult, Launch, Measurement
    >>> def measured(name, medians_ms):
    ...     launches = tuple(
    ...         Launch(round=k, timings_ns=(round(ms * 1e6),), load_ms=9.0, first_ms=3.0, warmup_n=16,
    ...                warmup_steady=True, threads=1, runtime="example", import_ms=1.0, peak_memory_bytes=None,
    ...                memory_before_load_bytes=None, cpu={}, answers=None)
    ...         for k, ms in enumerate(medians_ms)
    ...     )
    ...     return Measurement(name, f"{name}.tflite", "tflite", "0" * 64, 1000, (64, 64), 8, "0" * 64, 1,
    ...                        launches=launches)
    >>> rounds = (8.0, 8.1, 8.0, 7.9, 8.0, 8.2, 8.0)
    >>> result = BenchResult(
    ...     device="host", baseline="teacher", plan=BenchPlan(), order=(), facts_before={}, facts_after={},
    ...     measurements=(measured("teacher", rounds), measured("student", [ms / 4 for ms in rounds])),
    ... )
    >>> result.names
    ('teacher', 'student')
    >>> result.median_ms("student")
    2.0
    >>> ratio = result.ratio("student")
    >>> f"{ratio.value:.2f} ({ratio.low:.2f}-{ratio.high:.2f}): {ratio.verdict}, {ratio.standing}"
    '0.25 (0.25-0.25): faster, valid'
    >>> f"{result.ratio('teacher', over='student').value:.1f}"
    '4.0'
    """

    @property
    def names(self) -> tuple[str, ...]:
        """The names of what was measured, in the order in which they were given."""
        return tuple(measurement.name for measurement in self.measurements)

    def median_ms(self, name: str) -> float | None:
        """Median latency in ms: over launches, of each launch's median.

        None where the file has no launch, or where instructions were counted instead of time.
        Raises: EdgekdError for a name that was not measured.
        """
        summary = self.summary(name)
        return None if summary is None else summary.p50_ms

    def summary(self, name: str) -> Summary | None:
        """Median, tails (ms), loading time and memory of one file; None where it has no launch.

        Raises: EdgekdError for a name that was not measured.
        """
        return summarize(self.measurement(name))

    def ratio(self, name: str, *, over: str | None = None) -> Comparison:
        """Latency (or instructions) of ``name`` relative to ``over``.

        Args:
            name: the file whose ratio is wanted.
            over: the file in the denominator; the result's baseline if None.

        Returns: ``value`` with the bounds ``low`` and ``high`` of its 95 % interval (None where there are too few
        launches for one), the ``verdict`` and, with its ``reasons``, the ``standing``: valid, semi-valid or invalid.

        Raises: EdgekdError for a name that was not measured.
        """
        base = self.baseline if over is None else self.measurement(over).name
        return compare(replace(self, baseline=base), self.measurement(name).name)

    def validity(self, name: str) -> Validity:
        """Whether the measurement of ``name`` may be believed, and why not.

        Raises: EdgekdError for a name that was not measured.
        """
        return validity(self, self.measurement(name))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the versioned JSON to ``path``, whole or not at all; on one line, since timings are many."""
        value = {**asdict(self), "plan": self.plan.model_dump()}
        storage.write_text(Path(path), json.dumps(value, sort_keys=True, allow_nan=False) + "\n")

    @staticmethod
    def load(path: str | os.PathLike[str]) -> BenchResult:
        """Read what ``save`` wrote. Raises: EdgekdError for another schema or a damaged file."""
        path = Path(path)
        value = storage.read_json(path)
        schema = value.get("schema") if isinstance(value, dict) else None
        if schema not in READABLE or isinstance(schema, bool):
            raise EdgekdError(
                f"{path} has schema {schema!r}, this edgekd reads {' and '.join(map(str, READABLE))}. "
                "Measure again: edgekd bench"
            )
        try:
            return _RESULT.validate_python({**_of_older_schema(value), "schema": SCHEMA})
        except ValidationError as error:
            raise EdgekdError(
                f"{path} is not a whole benchmark result: {first_problem(error)}. Measure again"
            ) from None


def _of_older_schema(value: dict[str, Any]) -> dict[str, Any]:
    """Before schema 4 every inference was timed alone."""
    if value["schema"] == SCHEMA or not isinstance(value.get("plan"), dict):
        return value
    return {**value, "plan": {"sample_ms": 0.0, **value["plan"]}}


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a saved result."""
    schema = _RESULT.json_schema()
    schema["description"] = BenchRecord.__doc__
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


_RESULT = TypeAdapter(BenchResult)
