"""What an objective is: a frozen setting that turns the outputs of student and teacher into a loss for each photo."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from edgekd.section import Section

NO_DIVISION_BY_ZERO = 1e-8


class Taps(Section):
    """Which layers' feature maps are compared."""

    student: str = Field("last", min_length=1)
    """Layer of the student: "last" (the last feature maps), "mid" (the last of a finer grid), or a layer's name."""
    teacher: str = Field("last", min_length=1)
    """Layer of the teacher: "last" (the last feature maps), "mid" (the last of a finer grid), or a layer's name."""


class LogitObjective(Section):
    """Base of objectives on logits: labels int [B] (-1: none) and logits [B, C] of both, to losses [B]."""

    def __call__(self, labels: Any, student: Any, teacher: Any) -> Any:
        """Loss of each photo [B]; the gradient reaches ``student`` only where the caller holds ``teacher`` fixed."""
        raise NotImplementedError


class FeatureObjective(Section):
    """Base of objectives on feature maps [B, H, W, D] of both, to losses [B]; labels are not looked at.

    It trains the layers up to the tap and nothing after it, so it is always one term beside one on logits.
    """

    COMPARES_PLACES: ClassVar[bool] = False

    taps: Taps = Taps()
    """Which layers' feature maps are compared."""

    def projector(self, student_channels: int, teacher_channels: int) -> Any:
        """A Keras layer that is trained along and put behind the student's tap, or None where none is needed."""
        return None

    def __call__(self, labels: Any, student: Any, teacher: Any) -> Any:
        """Loss of each photo [B]."""
        raise NotImplementedError


def stop_gradient(teacher: Any) -> Any:
    """The teacher's tensor as a constant, so that no gradient reaches it whoever calls."""
    import keras

    return keras.ops.stop_gradient(keras.ops.convert_to_tensor(teacher))


def resize_maps(maps: Any, height: int, width: int) -> Any:
    """Maps [B, H, W, D] at another grid, bilinear; unchanged where the grid is the same already."""
    import keras

    if tuple(maps.shape[1:3]) == (height, width):
        return maps
    return keras.ops.image.resize(maps, (height, width), interpolation="bilinear", antialias=True)
