"""Runs a file that may crash its runtime in a child process."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgekd import processes
from edgekd.errors import ArtifactError, UsageError
from edgekd.formats import onnx_file, ort_file, tflite_file
from edgekd.formats.artifact import read_content
from edgekd.text import last_line

Shapes = Mapping[str, Sequence[int]]
TIMEOUT_S = 300.0
# Of one inference, before a file is used.
TRIAL_S = 60.0
# What classifiers are mostly made of; not among them: loops, and ops whose constants say how large a result is.
_BOUNDED = frozenset((
    "Abs", "Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Constant", "Conv",
    "DequantizeLinear", "Div", "Dropout", "Elu", "Erf", "Exp", "Flatten", "Gather", "Gemm", "GlobalAveragePool",
    "GlobalMaxPool", "HardSigmoid", "HardSwish", "Identity", "LayerNormalization", "LeakyRelu", "Log", "LogSoftmax",
    "MatMul", "Max", "MaxPool", "Min", "Mul", "Neg", "Pow", "PRelu", "QuantizeLinear", "ReduceMax", "ReduceMean",
    "ReduceSum", "Relu", "Reshape", "Shape", "Sigmoid", "Slice", "Softmax", "Split", "Sqrt", "Squeeze", "Sub",
    "Sum", "Tanh", "Transpose", "Unsqueeze",
))  # fmt: skip


@dataclass(frozen=True)
class Probe:
    """Result of a trial run. ``delegated`` are the ops that XNNPACK took, None if unknown.

    ``fused`` counts the ops of the graph that ONNX Runtime made of an .onnx file; ``types`` are inferred dtypes and
    shapes; ``failed`` is the reason why it did not run on zeros. ``parts`` is the number of XNNPACK's parts, ``sizes``
    the shapes of a .tflite's tensors; ``shapes`` are those that its inputs had, of which free sizes were ``guessed``.
    """

    ran: bool = False
    delegated: frozenset[int] | None = None
    fused: dict[str, int] = field(default_factory=dict)
    types: dict[str, tuple[str, tuple[int | str, ...] | None]] = field(default_factory=dict, repr=False)
    failed: str | None = None
    parts: int | None = None
    sizes: dict[str, tuple[int, ...]] = field(default_factory=dict, repr=False)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    guessed: bool = False


class RefusedError(ArtifactError):
    """The runtime does not load the file; ``why`` is its reason."""

    def __init__(self, message: str, why: str) -> None:
        super().__init__(message)
        self.why = why


def probe(
    path: Path, kind: str, *, run: bool = True, timeout_s: float = TIMEOUT_S, shapes: Shapes | None = None
) -> Probe:
    """Load ``path`` ("tflite" or "onnx") and run it once on zeros; without ``run`` only infer an .onnx file's shapes.

    ``shapes`` are those of its inputs by name ("" for the only one), where the file leaves sizes free.

    Raises: RefusedError if the runtime does not load it; ArtifactError if it crashes or exceeds ``timeout_s``;
        UsageError for shapes that do not fit.
    """
    argv = [sys.executable, "-m", "edgekd.inspection.probe_child", kind, str(path.absolute()), "run" if run else "read"]
    argv.append(json.dumps({name: list(shape) for name, shape in (shapes or {}).items()}))
    ended = processes.run(argv, timeout_s, env={**os.environ, "TMPDIR": tempfile.gettempdir()})
    doing, result = _parse_progress(ended.stdout)
    if ended.killed is not None:
        why = f"took more than {timeout_s:g} s" if ended.killed == "late" else "wrote output without end"
        raise ArtifactError(_message(path, f"{doing} {why} and was stopped"))
    if result is None:
        raise ArtifactError(_message(path, f"{doing} {_death(ended.status, ended.stderr)}"))
    if "misfit" in result:
        raise UsageError(f"{path}: {result['misfit']}")
    if "refused" in result:
        raise RefusedError(_message(path, str(result["refused"])), str(result["refused"]))
    delegated = result.get("delegated")
    return Probe(
        ran=run,
        delegated=None if delegated is None else frozenset(delegated),
        fused=dict(result.get("fused", {})),
        types={k: (v[0], None if v[1] is None else tuple(v[1])) for k, v in result.get("types", {}).items()},
        failed=result.get("failed"),
        parts=result.get("parts"),
        sizes={key: tuple(shape) for key, shape in result.get("sizes", {}).items()},
        shapes={name: tuple(shape) for name, shape in result.get("shapes", {}).items()},
        guessed=bool(result.get("guessed")),
    )


def check_runs(path: Path, *, timeout_s: float = TRIAL_S) -> None:
    """Run a file once on zeros in a child process, before it is opened in this one; other formats are not run.

    A crafted .tflite can crash LiteRT, and this process with it, although its structure is sound. ONNX Runtime checks
    what it loads, so an .onnx is run only where an op of it could run for ever or take all memory.

    Raises: ArtifactError if it cannot be read, crashes, exceeds ``timeout_s``, or is a .tflite that fails.
    """
    content = read_content(path)
    if content[4:8] == tflite_file.IDENTIFIER:
        failure = probe(path, "tflite", timeout_s=timeout_s).failed
        if failure is not None:
            raise ArtifactError(_message(path, failure))
    elif content[4:8] != ort_file.IDENTIFIER and _is_unbounded(content, str(path)):
        probe(path, "onnx", timeout_s=timeout_s)


def _is_unbounded(content: bytes, name: str) -> bool:
    """Whether an .onnx holds an op that is not known to end soon in memory in proportion to what it takes."""
    return any(node.op not in _BOUNDED for node in onnx_file.read(content, name).nodes)


def _parse_progress(stdout: bytes) -> tuple[str, dict[str, Any] | None]:
    doing, result = "starting the runtime", None
    for line in stdout.decode("utf-8", "replace").splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        doing, result = value.get("doing", doing), value.get("done", result)
    return doing, result


def _death(status: int, stderr: bytes) -> str:
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        return f"ended its process by {name}"
    return f"failed: {last_line(stderr.decode('utf-8', 'replace'))}"


def _message(path: Path, why: str) -> str:
    return (
        f"{path} is damaged, or not a model for this runtime: {why.rstrip('.')}. Copy it again, or see what can be "
        f"read of it with: edgekd inspect --no-run {path.name}"
    )
