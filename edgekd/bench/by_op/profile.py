"""The ops of a file and what share of it each takes: time on this machine, measured here, or instructions."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edgekd.bench.prepared import PreparedInputs
from edgekd.bench.targets import BenchTarget
from edgekd.errors import DeviceError
from edgekd.processes import run
from edgekd.text import last_line

Unit = Literal["us", "instructions"]
How = Literal["cut at each op's output", "ONNX Runtime's profile"]
# Of --seconds, what each cut of a .tflite gets: a file has dozens.
_CUT_SHARE = 0.1
_LOAD_S = 300.0
_OPS_LIMIT = 2000


@dataclass(frozen=True)
class OpTime:
    """An op: the ``name`` of its result or node, its ``kind``, and its ``share`` of what the file takes, 0 to 1."""

    name: str
    kind: str
    share: float


@dataclass(frozen=True)
class FileProfile:
    """A file's ops in the order in which they run.

    ``total`` is an inference without any profiling, in ``unit``: microseconds of this machine, or instructions of an
    emulated core.
    """

    name: str
    runtime: str
    how: How
    total: float
    ops: tuple[OpTime, ...]
    unit: Unit = "us"
    device: str = "host"

    def heaviest(self, count: int = 5) -> tuple[OpTime, ...]:
        """The ops that take the most, the heaviest first."""
        return tuple(sorted(self.ops, key=lambda op: -op.share)[:count])


def profile(target: BenchTarget, *, seconds: float = 1.0, threads: int = 1) -> FileProfile:
    """Time the ops of a file in a child process on its first input; a .tflite takes a tenth of ``seconds`` an op.

    Raises: DeviceError with the runtime's own words where the file does not run.
    """
    is_tflite = target.format == "tflite"
    with tempfile.TemporaryDirectory(prefix="edgekd-by-op-") as directory:
        folder = Path(directory)
        plan = {
            "model": str(target.path), "format": target.format, "inputs": str(_write_inputs(target, folder)),
            "threads": target.threads or threads, "seconds": seconds * _CUT_SHARE if is_tflite else seconds,
        }  # fmt: skip
        (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        words = [sys.executable, "-m", "edgekd.bench.by_op.child", str(folder / "plan.json"), str(folder / "out.json")]
        limit_s = _LOAD_S + _OPS_LIMIT * seconds * _CUT_SHARE
        ended = run(words, limit_s)
        if ended.status != 0:
            words_of_runtime = last_line(ended.stderr.decode("utf-8", "replace"))
            reason = f"it took more than {limit_s:.0f} s" if ended.killed == "late" else words_of_runtime
            raise DeviceError(f"{target.name}: its ops cannot be timed: {reason}", address="host")
        measured = json.loads((folder / "out.json").read_text(encoding="utf-8"))
    ops = tuple(OpTime(op["name"], op["kind"], op["share"]) for op in measured["ops"])
    how: How = "cut at each op's output" if is_tflite else "ONNX Runtime's profile"
    return FileProfile(target.name, measured["runtime"], how, measured["total_us"], ops)


def _write_inputs(target: BenchTarget, folder: Path) -> Path:
    inputs = target.inputs
    if isinstance(inputs, PreparedInputs):
        path = folder / "inputs.npz"
        arrays: dict[str, Any] = {str(number): array[:1] for number, array in enumerate(inputs.arrays)}
        np.savez(path, **arrays)
    else:
        path = folder / "inputs.npy"
        np.save(path, inputs[:1])
    return path
