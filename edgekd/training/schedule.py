"""How long and how fast to train: typed, checked when made, part of the recipe."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from edgekd.section import Section


class Schedule(Section):
    """A budget of optimizer steps: warm-up, then a cosine to zero.

    ``epochs`` times the number of training photos (labelled and unlabelled), in batches, is the budget in steps. A
    student trained on the labels alone gets the same number of steps, except for those that stored soft targets add.
    Source: cosine decay, arXiv:1608.03983; decoupled weight decay, arXiv:1711.05101.
    """

    LEAST_WARMUP: ClassVar[int] = 0

    epochs: int = Field(20, ge=1)
    """Passes over the training photos, labelled and unlabelled. Each pass shows the next stored view of every photo."""
    batch_size: int = Field(32, ge=2)
    """Photos in an optimizer step. At least 2, because BatchNorm needs more than one."""
    learning_rate: float = Field(2e-3, gt=0)
    """Largest learning rate of AdamW, reached after the warm-up; it then falls to zero along a cosine."""
    weight_decay: float = Field(1e-4, ge=0)
    """Decoupled weight decay of AdamW; 0 switches it off."""
    warmup_share: float = Field(0.05, ge=0, lt=1)
    """Share of all steps over which the learning rate rises from near zero.

    Unless it is 0, a student's rate rises for 25 steps at least, or for a third of a training that is shorter than 75.
    """

    def steps_per_epoch(self, photos: int) -> int:
        """Number of optimizer steps an epoch over ``photos`` photos."""
        return max(1, math.ceil(photos / self.batch_size))

    def rate(self, step: int, total_steps: int) -> float:
        """Learning rate of optimizer step ``step`` (from 0) of ``total_steps``."""
        least = min(self.LEAST_WARMUP, total_steps // 3) if self.warmup_share else 0
        warmup = max(1, round(self.warmup_share * total_steps), least)
        if step < warmup:
            return self.learning_rate * (step + 1) / warmup
        share = (step - warmup) / max(1, total_steps - warmup)
        return 0.5 * self.learning_rate * (1 + math.cos(math.pi * min(1.0, share)))


class FixedStudentSchedule(Schedule):
    """A student's schedule of a fixed number of epochs.

    AdamW's first steps are as large as its rate whatever the gradient: reached within four steps, 0.002 brought a slice
    of 16 blocks from 90 % to chance in a training of 80 steps; within 24 steps, to 92 %.
    """

    LEAST_WARMUP: ClassVar[int] = 25


class StudentSchedule(FixedStudentSchedule):
    """A budget of optimizer steps: warm-up, then a cosine to zero.

    ``epochs`` times the number of training photos (labelled and unlabelled), in batches, is the budget in steps. A
    student trained on the labels alone gets the same number of steps, except for those that stored soft targets add.
    Source: cosine decay, arXiv:1608.03983; decoupled weight decay, arXiv:1711.05101.
    """

    LATER: ClassVar[tuple[str, ...]] = ("minutes",)
    STEPS: ClassVar[int] = 3_000
    LEAST_EPOCHS: ClassVar[int] = 20
    MOST_EPOCHS: ClassVar[int] = 100

    epochs: Annotated[int, Field(ge=1)] | Literal["auto"] = 20  # type: ignore[assignment]
    """Passes over the training photos, labelled and unlabelled. Each pass shows the next stored view of every photo.

    "auto" takes as many as make 3,000 steps, at least 20 and at most 100.
    """
    minutes: float | None = Field(None, gt=0, examples=[10])
    """Minutes that each training of a student may take. A few steps are measured, and fewer epochs are trained where
    all would take longer.
    """

    @property
    def most_epochs(self) -> int:
        """The epochs, or the most that "auto" stands for."""
        return self.MOST_EPOCHS if self.epochs == "auto" else self.epochs

    def patient_epochs(self, photos: int) -> int:
        """Epochs over ``photos`` photos where no time is set."""
        if self.epochs != "auto":
            return self.epochs
        wanted = math.ceil(self.STEPS / self.steps_per_epoch(photos))
        return min(self.MOST_EPOCHS, max(self.LEAST_EPOCHS, wanted))

    def with_epochs(self, epochs: int) -> FixedStudentSchedule:
        """The same schedule of a fixed number of epochs."""
        values: dict[str, Any] = self.model_dump(exclude={"epochs", "minutes"})
        return FixedStudentSchedule(epochs=epochs, **values)


class FineTuneSchedule(Schedule):
    """How the teacher's last blocks are fine-tuned; used only where fine_tune_blocks is not 0."""

    LATER: ClassVar[tuple[str, ...]] = ("minutes",)

    epochs: int = Field(30, ge=1)
    """Passes over the labelled training photos."""
    batch_size: int = Field(16, ge=2)
    """Photos in an optimizer step. At least 2, because BatchNorm needs more than one."""
    learning_rate: float = Field(1e-3, gt=0)
    """Largest learning rate of AdamW, reached after the warm-up; it then falls to zero along a cosine."""
    minutes: float | None = Field(None, gt=0, examples=[10])
    """Most minutes that the last third of the blocks, and then all of them, may each take where fine_tune_blocks =
    "auto"; what is predicted to take longer is left out. Unset, 10, or a tenth of student.budget.minutes where that is
    set, divided by the number of networks that are trained.
    """
