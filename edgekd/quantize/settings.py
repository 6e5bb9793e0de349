"""The recipe's [quantize]: how the student is quantized."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, model_validator

from edgekd.quantize.calibration_method import Ranges
from edgekd.quantize.precisions import Extra
from edgekd.quantize.qat import QatSettings
from edgekd.quantize.sparsity import Sparsity
from edgekd.section import Section


class QuantizeSection(Section):
    """How the trained student becomes an int8 file. An int8 .tflite is always written."""

    FORMER: ClassVar[dict[str, str]] = {"aware": "qat"}
    LATER: ClassVar[tuple[str, ...]] = ("per_channel",)

    ranges: Ranges = "best"
    """How calibration sets the range of an activation that 256 int8 values cover.

    "min-max" covers every value seen; "percentile" leaves out the outermost 0.01 %; "mse" minimizes the mean squared
    error of the quantized values. The last two cut outliers off and give the rest finer steps. "best" makes all three,
    each with and without corrected biases, and takes the one that agrees most with the float student on validation and
    calibration photos.
    """
    float_ops: tuple[str, ...] = ()
    """Ops that stay float32 in the int8 file: by kind ("HARD_SWISH"), layer ("stem_conv") or "KIND:layer".

    Leave it empty for hardware that runs integers only.
    """
    per_channel: bool = True
    """One scale per output channel of a layer's weights, or (false) one per tensor, which some NPUs ask for.

    One per tensor is coarser: what it costs in predictions is measured on photos and said.
    """
    precisions: tuple[Extra, ...] = ()
    """Further .tflite files to write: "float16", "dynamic" (int8 weights, float activations), "int16x8"."""
    max_drop: float | None = Field(None, ge=0, le=100, examples=[0.5])
    """Largest loss of the int8 file against the float student, in points of the recipe's metric on validation photos.

    edgekd tries int8 conversions in order of cost until one holds: calibrations, then the most sensitive ops in float,
    then quantization-aware training. If none holds, the run ends with exit code 3.
    """
    qat: QatSettings | None = None
    """Quantization-aware training. With max_drop it is the last resort; without, it is always done."""
    sparsity: Sparsity | None = None
    """Prune or cluster the student's weights before quantization; the float files keep the dense weights."""

    @model_validator(mode="after")
    def _check_combination(self) -> QuantizeSection:
        if self.max_drop is not None and (self.float_ops or self.ranges != "best"):
            raise ValueError("max_drop chooses ranges and float_ops itself: leave those out, or leave max_drop out")
        if self.max_drop is None and self.qat is not None and (self.float_ops or self.ranges != "best"):
            raise ValueError("qat trains its own ranges, and every op in int8: leave ranges and float_ops out")
        if self.qat is not None and not self.per_channel:
            raise ValueError("qat trains one scale per channel: leave qat out, or per_channel = false")
        return self

    @property
    def needs_stage(self) -> bool:
        """Whether the int8 file needs more than one conversion, or training."""
        return self.max_drop is not None or self.qat is not None or self.sparsity is not None

    def qat_settings(self) -> QatSettings:
        """The QAT settings of the last step; by default the method that preserves what ``sparsity`` made."""
        if self.qat is not None:
            return self.qat
        methods = {None: "qat", "prune": "pqat", "prune-2:4": "pqat", "cluster": "cqat", "prune-cluster": "pcqat"}
        return QatSettings.model_validate({"method": methods[self.sparsity.method if self.sparsity else None]})
