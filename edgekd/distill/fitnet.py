"""Hints: Romero, Ballas, Kahou, Chassang, Gatta & Bengio, "FitNets: Hints for Thin Deep Nets".

Source: arXiv:1412.6550.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from edgekd.distill.objective import FeatureObjective, resize_maps, stop_gradient


class FitNet(FeatureObjective):
    """Mean square of (projected student's maps - teacher's maps) over grid and channels.

    Called with the projected student's maps [B, h, w, D] and the teacher's [B, H, W, D]; gives [B]. The projector is a
    1x1 convolution from the student's channels to the teacher's, learned along with the student and left behind after
    it; where there are as many channels it starts as the identity, so that a slice of the teacher begins with what it
    already shares. The teacher's maps are resized to the student's grid. The paper takes half the sum in a stage of its
    own before the rest; here it is a mean, so that its weight means the same at every size, and a term beside the
    others. All photos take part, labelled or not.

    Example:
        Squares of the differences 0, 2, 3 and 4, and their mean.

        >>> import numpy as np
        >>> student, teacher = np.float32([[[[1, 2], [3, 4]]]]), np.float32([[[[1, 0], [0, 0]]]])
        >>> float(FitNet()(np.array([-1]), student, teacher)[0])  # doctest: +SKIP
        7.25
    """

    name: Literal["fitnet"] = "fitnet"
    """The objective: hints, which match the teacher's feature maps through a learned 1x1 convolution."""

    def projector(self, student_channels: int, teacher_channels: int) -> Any:
        """1x1 convolution from ``student_channels`` to ``teacher_channels``."""
        import keras

        same = keras.initializers.Constant(np.eye(teacher_channels)[None, None])
        return keras.layers.Conv2D(
            teacher_channels, 1, name=f"hint_{student_channels}_to_{teacher_channels}",
            kernel_initializer=same if student_channels == teacher_channels else "glorot_uniform",
        )  # fmt: skip

    def __call__(self, labels: Any, student: Any, teacher: Any) -> Any:
        """Loss of each photo [B]."""
        import keras

        difference = student - resize_maps(stop_gradient(teacher), *student.shape[1:3])
        return keras.ops.mean(difference * difference, axis=(1, 2, 3))
