"""Measuring files side by side on a device; never imports TensorFlow.

plan           how long and how often to measure            targets      the files, and the photos they are measured on
harness        the launches of one device                   multi_device one plan on many devices
resume         continuing an interrupted measurement        sameness     whether two results are of one measurement
records        what was recorded                            result       the result, its statistics, its JSON file
samples        a launch in numbers                          ratio        the interval of a ratio of latencies
prepared       inputs as another tool's file takes them
raw_photos     photos and frames for it                 end_to_end   from a photo or a frame to the answer
statistics     summaries and verdicts                       validity     whether a measurement may be believed
phone_state    what a phone's battery and screen say against one
before_after   two results of one device                    on_device    accuracy where the file runs
cpu_share      whether a launch had the CPU to itself
agents/        what launches a model on a device            energy/      joules of an inference
by_op/         what each op of a file takes
"""

from __future__ import annotations

from edgekd.bench.harness import measure
from edgekd.bench.plan import BenchPlan
from edgekd.bench.records import Launch, Measurement
from edgekd.bench.result import BenchResult
from edgekd.bench.statistics import Comparison, Summary, compare, latency_ratio, summarize
from edgekd.bench.targets import BenchTarget
from edgekd.bench.validity import Validity

__all__ = [
    "BenchPlan",
    "BenchResult",
    "BenchTarget",
    "Comparison",
    "Launch",
    "Measurement",
    "Summary",
    "Validity",
    "compare",
    "latency_ratio",
    "measure",
    "summarize",
]
