"""Plans, launches, statistics of latency; never imports TensorFlow."""

from __future__ import annotations

from edgekd.bench.harness import measure
from edgekd.bench.plan import BenchPlan
from edgekd.bench.result import BenchResult, Launch, Measurement
from edgekd.bench.statistics import Comparison, Summary, compare, latency_ratio, summarize
from edgekd.bench.targets import BenchTarget

__all__ = [
    "BenchPlan",
    "BenchResult",
    "BenchTarget",
    "Comparison",
    "Launch",
    "Measurement",
    "Summary",
    "compare",
    "latency_ratio",
    "measure",
    "summarize",
]
