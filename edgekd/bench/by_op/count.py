"""Instructions by op on an emulated core: a file is cut behind each op, and each cut's instructions are counted."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from edgekd import storage
from edgekd.bench.agents import device_agent
from edgekd.bench.agents.protocol import check_device
from edgekd.bench.agents.python_agent import save_inputs
from edgekd.bench.by_op import count_agent
from edgekd.bench.by_op.cuts import cut_onnx, cut_tflite, names_of_ops, non_decreasing
from edgekd.bench.by_op.profile import FileProfile, OpTime
from edgekd.bench.prepared import PreparedInputs
from edgekd.bench.targets import BenchTarget
from edgekd.devices.protocol import Device
from edgekd.errors import UsageError
from edgekd.formats import tflite_file
from edgekd.progress import Progress
from edgekd.text import last_line

CALL = "call"
# Cuts of a large file fill a disk, and take minutes: they are written and counted in groups.
_GROUP_BYTES = 256 << 20
_GROUP_INSTRUCTIONS = 5_000_000_000
_START_S = 300.0
_FILE_S = 60.0


@dataclass(frozen=True)
class _Cuttable:
    """A file's ops as (name, kind), and ``cut(n)``: the file of the first n of them."""

    ops: tuple[tuple[str, str], ...]
    cut: Callable[[int], bytes]


def count_ops(
    target: BenchTarget, device: Device, timeout_s: float | None = None, progress: Progress | None = None
) -> FileProfile:
    """Count the instructions of each op of a file on its first input.

    The first op is the call itself: what a file without ops takes, which copies its inputs in and out. An .onnx is cut
    as ONNX Runtime has rewritten it for this core.

    Args:
        target: a .tflite or .onnx, and its inputs.
        device: an emulated core.
        timeout_s: the most that a process on the core may take, in seconds; None: as long as its cuts might take.
        progress: called as ``progress(done, total)`` with cuts.

    Raises: UsageError for an .ort file or several threads; DeviceError with the runtime's own words where the file
        does not run.
    """
    if target.format == "ort":
        raise UsageError(
            f"{target.name}: an .ort file cannot be cut behind its ops. Profile the .onnx it was made from"
        )
    check_device(device, target.threads or 1, end_to_end=False)
    with device.workspace() as folder:
        counter = _Counter(device, Path(folder), target, timeout_s)
        optimized = Path(folder) / "optimized.onnx"
        is_tflite = target.format == "tflite"
        (total,) = counter.count([target.path], {} if is_tflite else {"optimized_graph": str(optimized)})
        parts = _cuttable_tflite(target) if is_tflite else _cuttable_onnx(optimized)
        counts = counter.count_cuts(parts, total, progress)
    whole = counts[-1]
    ends = [0.0, *non_decreasing([count / whole for count in counts[:-1]]), 1.0]
    shares = [end - begin for begin, end in pairwise(ends)]
    names = (("inputs and outputs copied", CALL), *parts.ops)
    ops = tuple(OpTime(name, kind, share) for (name, kind), share in zip(names, shares, strict=True))
    return FileProfile(
        target.name, counter.runtime, "cut at each op's output", float(total), ops,
        unit="instructions", device=device.address,
    )  # fmt: skip


def _cuttable_tflite(target: BenchTarget) -> _Cuttable:
    content = target.path.read_bytes()
    graph, model = tflite_file.read(content, target.path.name), tflite_file.parse(content, target.path.name)
    return _Cuttable(tuple(names_of_ops(graph)), lambda count: cut_tflite(model, count))


def _cuttable_onnx(path: Path) -> _Cuttable:
    import onnx

    model = onnx.load(str(path))
    ops = tuple((node.name or node.output[0], node.op_type) for node in model.graph.node)
    return _Cuttable(ops, lambda count: cut_onnx(model, count))


class _Counter:
    """Counts files that take the same inputs, in processes on the core."""

    def __init__(self, device: Device, folder: Path, target: BenchTarget, timeout_s: float | None) -> None:
        self._device, self._folder, self._target, self._timeout_s = device, folder, target, timeout_s
        self.runtime = ""
        device.push(device_agent.__file__, f"{folder}/agent.py")
        device.push(count_agent.__file__, f"{folder}/count_agent.py")
        first = target.inputs.first() if isinstance(target.inputs, PreparedInputs) else target.inputs[:1]
        with tempfile.TemporaryDirectory(prefix="edgekd-") as scratch:
            saved = save_inputs(first, scratch)
            self._inputs = f"{folder}/{saved.name}"
            device.push(saved, self._inputs)

    def count_cuts(self, parts: _Cuttable, whole: int, progress: Progress | None) -> list[int]:
        """Instructions of the file of no ops, of the first op, of the first two, and so on to all."""
        counts: list[int] = []
        paths: list[Path] = []
        most = max(1, _GROUP_INSTRUCTIONS // max(1, whole))
        for number in range(len(parts.ops) + 1):
            paths.append(self._folder / f"{number}.{self._target.format}")
            # An emulated core sees this machine's files under the same paths.
            paths[-1].write_bytes(parts.cut(number))
            size = sum(path.stat().st_size for path in paths)
            if number == len(parts.ops) or len(paths) == most or size > _GROUP_BYTES:
                counts += self.count(paths, {"graph_as_it_is": True})
                for path in paths:
                    path.unlink()
                paths = []
                if progress is not None:
                    progress(len(counts), len(parts.ops) + 1)
        return counts

    def count(self, paths: Sequence[Path], settings: dict[str, Any]) -> list[int]:
        """Instructions of one inference of each file."""
        plan, out = f"{self._folder}/plan.json", f"{self._folder}/out.json"
        content = {
            "format": self._target.format, "inputs": self._inputs, "threads": 1,
            "delegate": "xnnpack", "files": [str(path.absolute()) for path in paths], **settings,
        }  # fmt: skip
        storage.write_json(Path(plan), content)
        argv = [self._device.python, f"{self._folder}/count_agent.py", plan, out]
        done = self._device.run(argv, self._timeout_s or _START_S + _FILE_S * len(paths))
        if done.status != 0:
            reason = last_line(done.stderr, most=500)
            raise done.failure(
                f"{self._target.name}: its ops cannot be counted on {self._device.address}: {reason}",
                address=self._device.address,
                argv=argv,
            )
        reply = json.loads(Path(out).read_text(encoding="utf-8"))
        self.runtime = reply["runtime"]
        return [int(count) for count in reply["counts"]]
