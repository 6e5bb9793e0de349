"""Milliseconds of a core that is only emulated: an estimate, never a measurement. Experimental.

estimate      joins the parts into milliseconds                cores        the cores, their boards and clocks
trace         what an inference executes and misses            scheduling   cycles of recorded code, by LLVM
memory        cycles that cache lines cost                     accuracy     how far off published times it was
coretrace.c   the plugin for qemu that records                 trace_agent  what runs on the emulated core
"""

from __future__ import annotations

from edgekd.core_time.estimate import add_estimates, estimate_time

__all__ = ["add_estimates", "estimate_time"]
