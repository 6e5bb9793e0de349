"""Runs a file that may crash its runtime in a child process."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgekd import processes
from edgekd.errors import ArtifactError, UsageError
from edgekd.formats import ort_file, tflite_file
from edgekd.formats.artifact import read_content
from edgekd.text import last_line

Shapes = Mapping[str, Sequence[int]]
TIMEOUT_S = 300.0
# Of one inference, before a file is used.
TRIAL_S = 60.0
# SHA-256 of every .tflite that ran in a child of this process. An .onnx may have weights in another file.
_RAN: set[bytes] = set()


@dataclass(frozen=True)
class Probe:
    """Result of a trial run. ``delegated`` are the ops that XNNPACK took, None if unknown.

    ``fused`` counts the ops of the graph that ONNX Runtime made of an .onnx file; ``types`` are inferred dtypes and
    shapes; ``failed`` is the reason why it did not run on zeros. ``parts`` is the number of XNNPACK's parts, ``sizes``
    the shapes of a .tflite's tensors; ``shapes`` are those that its inputs had, of which free sizes were ``guessed``,
    or ``chosen`` by the user.
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
    chosen: bool = False


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
    result = _child(path, kind, "run" if run else "read", timeout_s, shapes or {})
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
        chosen=bool(result.get("chosen")),
    )


def _child(path: Path, kind: str, mode: str, timeout_s: float, shapes: Shapes) -> dict[str, Any]:
    """What the child process says of a file. Raises as ``probe`` does."""
    argv = [sys.executable, "-m", "edgekd.inspection.probe_child", kind, str(path.absolute()), mode]
    argv.append(json.dumps({name: list(shape) for name, shape in shapes.items()}))
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
    return result


def check_runs(path: Path, *, timeout_s: float = TRIAL_S) -> None:
    """Run a file on zeros in a child process, before it is opened in this one; an .ort is not run.

    A crafted file can crash LiteRT or ONNX Runtime, and this process with it, although its structure is sound; or run
    for ever, or take all memory. It is run by one thread and by two, because some crash by one of them alone. Content
    that ran once is not run again.

    Raises: ArtifactError if it cannot be read, crashes, exceeds ``timeout_s``, or is a .tflite that fails.
    """
    content = read_content(path)
    if content[4:8] == tflite_file.IDENTIFIER:
        digest = hashlib.sha256(content).digest()
        if digest in _RAN:
            return
        result = _child(path, "tflite", "try", timeout_s, {})
        if "failed" in result:
            raise ArtifactError(_message(path, str(result["failed"])))
        _RAN.add(digest)
    elif content[4:8] != ort_file.IDENTIFIER:
        # What does not run on zeros of a guessed size may run on photos of its own.
        _child(path, "onnx", "try", timeout_s, {})


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
        return f"ended its process by {processes.signal_name(status)}"
    return f"failed: {last_line(processes.decode(stderr))}"


def _message(path: Path, why: str) -> str:
    return (
        f"{path} is damaged, or not a model for this runtime: {why.rstrip('.')}. Copy it again, or see what can be "
        f"read of it with: edgekd inspect --no-run {path.name}"
    )
