"""How the student becomes integers: the recipe's [quantize]."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from edgekd.quantize.precisions import Extra
from edgekd.quantize.qat import QatSettings
from edgekd.quantize.ranges import RangeMethod
from edgekd.quantize.sparsity import Sparsity


class QuantizeSection(BaseModel):
    """``ranges``: what int8 activations are spread over. ``float_ops`` stay float, by layer or kind (``op_names``).

    ``max_drop`` is a guarantee: the int8 file that ships loses at most so many points of the recipe's metric against
    the float student on validation photos, by the first step of ``ladder`` that holds, or the run ends with exit code
    3. ``aware`` trains the student in int8 before it is converted; with ``max_drop`` that is the ladder's last step, by
    these settings or by the usual ones. ``sparsity`` prunes or clusters the float student before; the float files stay
    those of the student as it was. ``precisions`` are written as .tflite too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    ranges: RangeMethod = "min-max"
    float_ops: tuple[str, ...] = ()
    precisions: tuple[Extra, ...] = ()
    max_drop: float | None = Field(None, ge=0, le=100)
    aware: QatSettings | None = None
    sparsity: Sparsity | None = None

    @model_validator(mode="after")
    def _one_way(self) -> QuantizeSection:
        if self.max_drop is not None and (self.float_ops or self.ranges != "min-max"):
            raise ValueError("max_drop chooses ranges and float_ops by itself: give it alone, or leave it out")
        if self.max_drop is None and self.aware is not None and (self.float_ops or self.ranges != "min-max"):
            raise ValueError("aware trains its own ranges, and every op in int8: leave ranges and float_ops out")
        return self

    @property
    def staged(self) -> bool:
        """Whether more than one conversion, or a training, decides the int8 file."""
        return self.max_drop is not None or self.aware is not None or self.sparsity is not None

    def last_step(self) -> QatSettings:
        """The training in int8 that is asked for; where nothing is said, one that keeps what ``sparsity`` made."""
        if self.aware is not None:
            return self.aware
        kept = {None: "qat", "prune": "pqat", "prune-2:4": "pqat", "cluster": "cqat", "prune-cluster": "pcqat"}
        return QatSettings.model_validate({"method": kept[self.sparsity.method if self.sparsity else None]})
