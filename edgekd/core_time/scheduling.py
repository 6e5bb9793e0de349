"""Cycles of recorded code by LLVM's scheduling models: llvm-mc disassembles, llvm-mca simulates the pipeline."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekd.devices.host import HostDevice
from edgekd.errors import DeviceNotFound, EdgekdError
from edgekd.text import first_line

# The first whose models of the cores are whole: older ones have no Neoverse N1.
OLDEST, PACKAGE = 17, "llvm-19"
NEWEST = 40
TIMEOUT_S = 600.0
_TRIPLE = "aarch64"
_FEATURES = "--mattr=+v8.2a,+dotprod,+fullfp16,+crc,+lse,+rdm"
# Twice as many iterations cost twice the steady cycles, so that filling and draining the pipeline drop out.
_ITERATIONS = (1, 2)
_REGION = "window"


class SchedulingError(EdgekdError):
    """LLVM's tools could not read or simulate the code."""


@dataclass(frozen=True)
class Tools:
    """llvm-mc and llvm-mca of one version."""

    disassembler: Path
    simulator: Path
    version: str


def find_tools(address: str) -> Tools:
    """The newest llvm-mc and llvm-mca on the PATH. Raises: DeviceNotFound naming the package."""
    for suffix in (*(f"-{version}" for version in range(NEWEST, OLDEST - 1, -1)), ""):
        found = [shutil.which(f"{name}{suffix}") for name in ("llvm-mc", "llvm-mca")]
        if found[0] and found[1]:
            text = HostDevice().run([found[1], "--version"], 30).stdout
            match = re.search(r"version (\d+)[.\d]*", text)
            if match and int(match[1]) >= OLDEST:
                return Tools(Path(found[0]), Path(found[1]), match[0].removeprefix("version "))
    raise DeviceNotFound(
        f"{address}: an estimate of time needs llvm-mc and llvm-mca of LLVM {OLDEST} or newer on the PATH. "
        f"On Debian 12: apt-get install {PACKAGE}",
        address=address,
    )


def count_cycles(tools: Tools, schedule: str, windows: Sequence[Sequence[bytes]]) -> list[float]:
    """Cycles of each window in the steady state of the core ``schedule``, all its loads hitting the first cache.

    Args:
        tools: What ``find_tools`` found.
        schedule: A processor of LLVM, such as ``cortex-a72``.
        windows: The machine code of the blocks that were executed one after the other.

    Raises: SchedulingError with the first line that LLVM writes.
    """
    instructions = disassemble(tools, sorted({block for window in windows for block in window}))
    with tempfile.TemporaryDirectory(prefix="edgekd-") as scratch:
        source = Path(scratch) / "windows.s"
        source.write_text(_assembly(instructions, windows), encoding="ascii")
        once, twice = (_simulate(tools, schedule, source, iterations) for iterations in _ITERATIONS)
    if not len(once) == len(twice) == len(windows):
        raise SchedulingError(f"{tools.simulator.name} simulated {len(once)} of {len(windows)} pieces of code")
    return [float(second - first) for first, second in zip(once, twice, strict=True)]


def _simulate(tools: Tools, schedule: str, source: Path, iterations: int) -> list[int]:
    options = (f"--mtriple={_TRIPLE}", f"--mcpu={schedule}", _FEATURES, f"--iterations={iterations}", "--json")
    quiet = ("--resource-pressure=0", "--instruction-info=0", "--skip-unsupported-instructions=lack-sched")
    return parse_cycles(_run([str(tools.simulator), *options, *quiet, str(source)]))


def parse_cycles(output: str) -> list[int]:
    """Total cycles of each region in the JSON that llvm-mca writes, in order.

    >>> parse_cycles('{"CodeRegions": [{"SummaryView": {"TotalCycles": 12}}]}')
    [12]
    """
    try:
        regions = json.loads(output)["CodeRegions"]
        return [int(region["SummaryView"]["TotalCycles"]) for region in regions]
    except (ValueError, KeyError, TypeError) as error:
        raise SchedulingError(f"llvm-mca wrote something else than its JSON: {first_line(output)!r}") from error


def disassemble(tools: Tools, blocks: Iterable[bytes]) -> dict[bytes, tuple[str, ...]]:
    """Each block's instructions as assembly text. Raises: SchedulingError if llvm-mc leaves any out."""
    blocks = list(blocks)
    with tempfile.TemporaryDirectory(prefix="edgekd-") as scratch:
        source = Path(scratch) / "code.txt"
        words = (code[k : k + 4] for code in blocks for k in range(0, len(code), 4))
        source.write_text("".join(" ".join(f"0x{byte:02x}" for byte in word) + "\n" for word in words))
        output = _run([str(tools.disassembler), "--disassemble", f"--triple={_TRIPLE}", _FEATURES, str(source)])
    lines = [line.strip() for line in output.splitlines() if line.strip() and not line.strip().startswith(".text")]
    if len(lines) != sum(len(code) // 4 for code in blocks):
        raise SchedulingError(f"{tools.disassembler.name} read {len(lines)} instructions of other code than was given")
    position, found = 0, {}
    for code in blocks:
        found[code] = tuple(lines[position : position + len(code) // 4])
        position += len(code) // 4
    return found


def _assembly(instructions: dict[bytes, tuple[str, ...]], windows: Sequence[Sequence[bytes]]) -> str:
    lines = [".text"]
    for number, window in enumerate(windows):
        lines.append(f"# LLVM-MCA-BEGIN {_REGION}{number}")
        lines += [instruction for block in window for instruction in instructions[block]]
        lines.append("# LLVM-MCA-END")
    return "\n".join(lines) + "\n"


def _run(argv: list[str]) -> str:
    done = HostDevice().run(argv, TIMEOUT_S)
    if done.status != 0:
        raise SchedulingError(f"{Path(argv[0]).name} ended with status {done.status}: {first_line(done.stderr)}")
    return done.stdout
