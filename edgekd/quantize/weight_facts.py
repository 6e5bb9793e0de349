"""What there is to save in weights: zeros, two zeros in every four, few different values; in a kernel and in a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ExportError
from edgekd.formats import tflite_file

MOST_CLUSTERS, WEIGHTS_A_CLUSTER = 256, 8
"""A kernel with no more values than that, and as many weights for each, counts as clustered."""

# Where the output channels are in the kernels of a .tflite; depthwise ones [1, H, W, C] have them last.
_AXIS = {"CONV_2D": 0, "FULLY_CONNECTED": 0, "DEPTHWISE_CONV_2D": 3}


@dataclass(frozen=True)
class WeightFacts:
    """One kernel: ``size`` weights, the share of ``zeros``, whether ``two_in_four`` in a row of inputs are 0, and how
    many values are ``distinct``, in all and at most in one output channel.
    """

    name: str
    size: int
    zeros: float
    two_in_four: bool
    distinct: int
    distinct_a_channel: int

    @property
    def clustered(self) -> bool:
        """Whether so few values can be no accident; not for the kernels of a file, which have 255 at most."""
        return self.distinct <= MOST_CLUSTERS and self.distinct * WEIGHTS_A_CLUSTER <= self.size

    def to_json(self) -> dict[str, Any]:
        """JSON-able form, as a record stores it."""
        return dict(vars(self)) | {"zeros": round(self.zeros, 4)}


def facts_of(name: str, kernel: NDArray[Any], axis: int) -> WeightFacts:
    """Facts of a kernel whose output channels are along ``axis``, and whose input channels are last of the others."""
    rows = np.moveaxis(kernel, axis, 0).reshape(kernel.shape[axis], -1)
    inputs = np.moveaxis(kernel, axis, 0).shape[-1] if kernel.ndim > 1 else 1
    fours = rows.reshape(-1, inputs)
    two_in_four = inputs % 4 == 0 and bool(((fours.reshape(-1, 4) == 0).sum(axis=1) >= 2).all())
    return WeightFacts(
        name, int(kernel.size), float(np.mean(kernel == 0)), two_in_four, len(np.unique(kernel)),
        max(len(np.unique(row)) for row in rows),
    )  # fmt: skip


def weights_in(content: bytes) -> list[WeightFacts]:
    """Facts of every constant kernel of a .tflite, in the order of its ops."""
    graph = tflite_file.read(content, "the .tflite")
    found = []
    for op in graph.ops:
        if op.name in _AXIS and graph.tensors[op.inputs[1]].data is not None:
            tensor = graph.tensors[op.inputs[1]]
            found.append(facts_of(f"{op.name} {op.index}", np.asarray(tensor.data), _AXIS[op.name]))
    return found


def check_kept(before: list[WeightFacts], after: list[WeightFacts], *, zeros: bool, clusters: bool) -> None:
    """Raise ExportError unless a file's kernels have the zeros and clusters that they had before."""
    had, has = (sum(fact.zeros * fact.size for fact in facts) for facts in (before, after))
    if zeros and has < had:
        raise ExportError(
            f"the int8 file has {has:.0f} zero weights where the student had {had:.0f}: the converter lost them. "
            "Report this with the model"
        )
    few = [fact.distinct for fact in before if fact.clustered]
    kept = sum(fact.distinct <= max(few, default=0) for fact in after)
    if clusters and kept < len(few):
        raise ExportError(
            f"the int8 file has {kept} kernels of at most {max(few)} different values where the student had "
            f"{len(few)}: the converter lost the clusters. Report this with the model"
        )
