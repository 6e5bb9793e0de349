"""What one inference executes on an emulated core: windows of its code, and the misses of a model of its caches."""

from __future__ import annotations

import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgekd import storage
from edgekd.bench.agents import device_agent
from edgekd.bench.agents.python_agent import save_inputs
from edgekd.bench.prepared import PreparedInputs
from edgekd.core_time.cores import Core
from edgekd.devices import insncount
from edgekd.devices.emulated import EmulatedDevice
from edgekd.storage import cache_folder
from edgekd.text import last_line

if TYPE_CHECKING:
    from edgekd.bench.targets import BenchTarget

SOURCE = Path(__file__).with_name("coretrace.c")
AGENT = Path(__file__).with_name("trace_agent.py")
VARIABLE = "EDGEKD_CORE_TRACE"
LEVELS, MOST_PARTS, MARK = 3, 1024, 2**32 - 1
LINE_BYTES = 64
_HEADER = struct.Struct("<4Q6Q")
_PART = struct.Struct("<2Q9Q")


@dataclass(frozen=True)
class Misses:
    """Lines that a cache had to fetch, and dirty ones that it wrote back; ``streamed`` ones follow their neighbours."""

    streamed: int
    scattered: int
    written: int

    @property
    def lines(self) -> int:
        """All that crossed the level's outer side."""
        return self.streamed + self.scattered + self.written


@dataclass(frozen=True)
class Part:
    """A part of the inference: how many instructions it executed, the code of one window of it, and its misses."""

    instructions: int
    window: tuple[bytes, ...]
    misses: tuple[Misses, ...]


@dataclass(frozen=True)
class Sampling:
    """Into how many parts of equal length an inference is divided, and how many instructions of each are recorded."""

    parts: int = 128
    window: int = 1000


def record(device: EmulatedDevice, core: Core, target: BenchTarget, sampling: Sampling, timeout_s: float) -> list[Part]:
    """One inference of ``target`` with warm caches.

    Raises: DeviceError if the plugin cannot be compiled or the file does not run.
    """
    plugin = insncount.compile_plugin(cache_folder(), device.qemu, device.address, SOURCE)
    with tempfile.TemporaryDirectory(prefix="edgekd-") as scratch, device.workspace() as folder:
        control = write_control(Path(scratch) / "trace", core, sampling)
        first = target.inputs.first() if isinstance(target.inputs, PreparedInputs) else target.inputs[:1]
        inputs = save_inputs(first, scratch)
        plan = {
            "model": str(target.path.absolute()), "format": target.format, "inputs": str(inputs), "threads": 1,
            "delegate": "xnnpack" if target.format == "tflite" else "none",
        }  # fmt: skip
        storage.write_json(Path(folder) / "plan.json", plan)
        device.push(device_agent.__file__, f"{folder}/agent.py")
        device.push(AGENT, f"{folder}/trace_agent.py")
        argv = [device.python, f"{folder}/trace_agent.py", f"{folder}/plan.json"]
        done = device.with_plugin(plugin, {VARIABLE: str(control)}).run(argv, timeout_s)
        if done.status != 0:
            raise done.failure(
                f"{device.address}: {target.name} was not traced: {last_line(done.stderr, most=500)}",
                address=device.address,
                argv=argv,
            )
        return read_parts(control, sampling)


def write_control(path: Path, core: Core, sampling: Sampling) -> Path:
    """A new file for the plugin, which describes the core's caches; returns its path."""
    path.write_bytes(_header(core, sampling) + bytes(_PART.size * MOST_PARTS))
    return path


def read_parts(control: Path, sampling: Sampling) -> list[Part]:
    """What the plugin left in ``control`` and beside it.

    A part that ended before its window began belongs to the one before it.
    """
    numbers = _PART.iter_unpack(control.read_bytes()[_HEADER.size : _HEADER.size + _PART.size * sampling.parts])
    blocks = dict(_block(line) for line in _beside(control, "blocks").read_text(encoding="ascii").splitlines())
    windows = _windows(np.fromfile(_beside(control, "windows"), dtype="<u4"))
    parts: list[Part] = []
    for index, (instructions, _accesses, *misses) in enumerate(numbers):
        levels = tuple(Misses(*misses[3 * k : 3 * k + 3]) for k in range(LEVELS))
        code = tuple(blocks[number] for number in windows.get(index, ()))
        part = Part(instructions, code, levels)
        if code or not parts:
            parts.append(part)
        else:
            parts[-1] = _joined(parts[-1], part)
    return parts


def _joined(first: Part, second: Part) -> Part:
    misses = tuple(
        Misses(one.streamed + other.streamed, one.scattered + other.scattered, one.written + other.written)
        for one, other in zip(first.misses, second.misses, strict=True)
    )
    return Part(first.instructions + second.instructions, first.window or second.window, misses)


def _beside(control: Path, ending: str) -> Path:
    return control.with_name(f"{control.name}.{ending}")


def _block(line: str) -> tuple[int, bytes]:
    number, _, code = line.partition(" ")
    return int(number), bytes.fromhex(code)


def _windows(numbers: NDArray[np.uint32]) -> dict[int, list[int]]:
    """The blocks of each part's window, by the part's number."""
    windows = (window.tolist() for window in np.split(numbers, np.flatnonzero(numbers == MARK)))
    return {part: blocks for _, part, *blocks in (window for window in windows if len(window) > 1)}


def _header(core: Core, sampling: Sampling) -> bytes:
    caches = [value for cache in core.caches for value in (cache.size_bytes, cache.ways)]
    caches += [0, 0] * (LEVELS - len(core.caches))
    return _HEADER.pack(0, 0, sampling.parts, sampling.window, *caches)
