"""Compiles an int8 .tflite for Arm's Ethos-U NPUs with Arm's compiler Vela, an extra: pip install "edgekd[ethos-u]".

Nothing here runs an NPU: what Vela says of time and memory is its own estimate, and the accuracy of a file is that of
the int8 file that went in.

Source: https://gitlab.arm.com/artificial-intelligence/ethos-u/ethos-u-vela, OPTIONS.md and PERFORMANCE.md.
"""

from __future__ import annotations

import csv
import os
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from edgekd.errors import ExportError
from edgekd.extras import require
from edgekd.formats import tflite_file
from edgekd.formats.artifact import Artifact
from edgekd.processes import run
from edgekd.storage import write_bytes, write_json
from edgekd.text import last_line

Target = Literal["ethos-u55-128", "ethos-u55-256", "ethos-u65-256", "ethos-u85-256"]
TARGETS: tuple[Target, ...] = get_args(Target)
# Names the Python of another environment that has ethos-u-vela.
PYTHON = "EDGEKD_VELA_PYTHON"
SCHEMA = 1
_LIMIT_S, _VERSION_S = 1800.0, 60.0
_NPU_OP = "CUSTOM ethos-u"
_KIB = 1024


@dataclass(frozen=True)
class NpuFile:
    """A compiled file: which ops of the int8 file run on the NPU and which stay on the CPU, by kind.

    ``sram_bytes`` and ``flash_bytes`` are what Vela plans; ``estimated_ms`` is its own estimate, not a measurement.
    """

    path: Path
    target: Target
    source: str
    source_sha256: str
    compiler: str
    on_npu: dict[str, int]
    on_cpu: dict[str, int]
    sram_bytes: int
    flash_bytes: int
    estimated_ms: float
    clock_hz: float

    @property
    def ops(self) -> int:
        """How many ops the int8 file has."""
        return sum(self.on_npu.values()) + sum(self.on_cpu.values())

    def describe(self) -> str:
        """What it is in one line."""
        rest = ", ".join(f"{count} {kind}" for kind, count in self.on_cpu.items())
        return (
            f"{self.target}: {sum(self.on_npu.values())} of {self.ops} ops on the NPU"
            f"{f' (on the CPU: {rest})' if rest else ''}; {self.sram_bytes / _KIB:,.1f} KiB of SRAM, "
            f"{self.flash_bytes / _KIB:,.1f} KiB of flash; Vela's own estimate, not a measurement: "
            f"{self.estimated_ms:.3g} ms at {self.clock_hz / 1e6:.0f} MHz. Its accuracy is that of {self.source}"
        )

    def to_json(self) -> dict[str, Any]:
        """As written to the ``.json`` beside the file."""
        return {"schema": SCHEMA, **{**vars(self), "path": self.path.name}}


def check_installed() -> None:
    """Raise MissingExtraError unless Vela is installed."""
    _command()


def compile_for_npu(artifact: Artifact, target: Target, out: Path) -> NpuFile:
    """Compile an int8 .tflite; writes ``NAME.TARGET.tflite`` and ``NAME.TARGET.json`` to the folder ``out``.

    Raises: ExportError with Vela's own words if it refuses the file; MissingExtraError without Vela.
    """
    command = _command()
    with tempfile.TemporaryDirectory(prefix="edgekd-vela-") as directory:
        folder = Path(directory)
        source = folder / "model.tflite"
        source.write_bytes(artifact.content())
        words = [*command, str(source), "--accelerator-config", target, "--output-dir", str(folder)]
        ended = run(words, _LIMIT_S)
        compiled = folder / "model_vela.tflite"
        if ended.status != 0 or not compiled.is_file():
            reason = last_line((ended.stderr.strip() or ended.stdout).decode("utf-8", "replace"))
            raise ExportError(
                f"Vela does not compile {artifact.path.name} for {target}: {reason}. Leave out --target, or "
                "replace the layer that it names"
            )
        content, summary = compiled.read_bytes(), _summary(folder)
    version = last_line(run([*command, "--version"], _VERSION_S).stdout.decode("utf-8", "replace"))
    path = out / f"{artifact.path.stem}.{target}.tflite"
    on_npu, on_cpu = _coverage(artifact, content)
    file = NpuFile(
        path, target, artifact.path.name, artifact.sha256, f"ethos-u-vela {version}", on_npu, on_cpu,
        round(float(summary["sram_memory_used"]) * _KIB), round(_flash_kib(summary) * _KIB),
        1000 * float(summary["inference_time"]), float(summary["core_clock"]),
    )  # fmt: skip
    write_bytes(path, content)
    write_json(path.with_suffix(".json"), file.to_json())
    return file


def _command() -> list[str]:
    """How Vela is started: in a process of its own, because it is written for its command line."""
    python = os.environ.get(PYTHON)
    if not python:
        require("ethos-u", "an export for an Ethos-U")
    return [python or sys.executable, "-m", "ethosu.vela"]


def _summary(folder: Path) -> dict[str, str]:
    (path,) = folder.glob("model_summary_*.csv")
    with path.open(newline="", encoding="utf-8") as lines:
        return next(csv.DictReader(lines))


def _flash_kib(summary: dict[str, str]) -> float:
    # Off-chip memory is flash or DRAM, as the NPU's default system has it.
    return sum(float(summary[key]) for key in ("off_chip_flash_memory_used", "dram_memory_used") if summary.get(key))


def _coverage(artifact: Artifact, compiled: bytes) -> tuple[dict[str, int], dict[str, int]]:
    """Ops on the NPU and on the CPU, by kind: what is left as an op in the compiled file runs on the CPU."""
    before = tflite_file.read(artifact.content(), artifact.path.name)
    after = tflite_file.read(compiled, "Vela's file")
    on_cpu = Counter(op.name for op in after.ops if op.name != _NPU_OP)
    on_npu = Counter(op.name for op in before.ops) - on_cpu
    return dict(on_npu), dict(on_cpu)
