"""What one export makes, and how its files are written before they are published."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from edgekd._version import __version__
from edgekd.decisions.fit import FileDecision
from edgekd.errors import ExportError, UnsupportedOpError
from edgekd.export import onnx_pack
from edgekd.export.options import Batch, ExportOptions, Layout, needs_onnx
from edgekd.export.record import Record
from edgekd.export.verify import ParityRecord
from edgekd.formats.artifact import Artifact
from edgekd.formats.decision import Decision
from edgekd.preprocess import Preprocessing
from edgekd.quantize.float_model import FloatModel
from edgekd.storage import write_bytes

T = TypeVar("T")
# A file and its parity record.
Checked = tuple[Artifact, ParityRecord]
# The least probability of a tag, where nothing else is known of it.
_THRESHOLD = 0.5


@dataclass(frozen=True)
class Job:
    """One export: a model, what is stored in its files, and the temporary ``directory`` that they are written to.

    ``skipped`` collects why files are left out, where that is allowed. ``decisions`` are what was fitted, by precision.
    """

    float_model: FloatModel
    directory: Path
    stem: str
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    provenance: dict[str, str]
    weights_sha256: str
    options: ExportOptions
    formats: tuple[str, ...]
    skipped: list[str] | None
    decisions: Mapping[str, FileDecision] = field(default_factory=dict)
    none_label: str | None = None

    @property
    def wants_onnx(self) -> bool:
        """Whether a format is made from ONNX."""
        return needs_onnx(self.formats)

    @property
    def tflite_batch(self) -> Batch:
        """Images at a time in a .tflite."""
        return self.options.batch or 1

    @property
    def onnx_batch(self) -> Batch:
        """Images at a time in an .onnx."""
        return self.options.batch or "dynamic"

    def record(self, precision: str, conversion: Mapping[str, Any], layout: Layout = "nhwc") -> Record:
        """The record of a file of this precision."""
        facts = {
            "edgekd": __version__,
            "parameters": self.float_model.parameters,
            "weights_sha256": self.weights_sha256,
            **conversion,
        }
        return Record(
            self.labels, self.preprocessing, precision, self.float_model.range_in_graph, self.provenance | facts,
            layout, self.options.license, self.options.version,
            self.file_decision(precision).rule_or_none or self.decision,
        )  # fmt: skip

    def file_decision(self, precision: str) -> FileDecision:
        """What was fitted for the files of a precision; nothing by default."""
        return self.decisions.get(precision.removesuffix("-mixed"), FileDecision())

    @property
    def decision(self) -> Decision | None:
        """How an answer follows from the files' probabilities; None for the most probable class."""
        if self.float_model.task == "single-label":
            return None if self.none_label is None else Decision(none_label=self.none_label)
        return Decision("multi-label", (_THRESHOLD,) * len(self.labels))

    def write(self, precision: str, kind: str, content: bytes) -> Artifact:
        """Write a file and open it."""
        path = self.directory / f"{self.stem}.{precision}.{kind}"
        write_bytes(path, content)
        return Artifact.open(path)

    def attempt(self, make: Callable[[], list[T]]) -> list[T]:
        """Make files, or note why they are skipped where that is allowed."""
        try:
            return make()
        except (ExportError, UnsupportedOpError) as error:
            if self.skipped is None:
                raise
            self.skipped.append(str(error))
            return []

    def write_onnx(self, precision: str, content: bytes) -> list[Artifact]:
        """Write the .onnx and the .ort, as far as requested."""
        name, artifacts = f"{self.stem}.{precision}", []
        if "onnx" in self.formats:
            artifacts.append(self.write(precision, "onnx", content))
        if "ort" in self.formats:
            artifacts.append(self.write(precision, "ort", onnx_pack.pack_ort(content, name=name)))
        return artifacts
