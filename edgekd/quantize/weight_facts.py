"""Sparsity of weights: zeros, 2:4 zeros and distinct values, of a kernel and of a file."""

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
        """Whether the kernel counts as clustered; not for kernels of an int8 file, which have 255 values at most."""
        return self.distinct <= MOST_CLUSTERS and self.distinct * WEIGHTS_A_CLUSTER <= self.size

    def to_json(self) -> dict[str, Any]:
        """JSON-able form, as a record stores it."""
        return dict(vars(self)) | {"zeros": round(self.zeros, 4)}


def describe_kernel(name: str, kernel: NDArray[Any], axis: int) -> WeightFacts:
    """Facts of a kernel whose output channels are along ``axis``, and whose input channels are last of the others."""
    rows = np.moveaxis(kernel, axis, 0).reshape(kernel.shape[axis], -1)
    inputs = np.moveaxis(kernel, axis, 0).shape[-1] if kernel.ndim > 1 else 1
    fours = rows.reshape(-1, inputs)
    two_in_four = inputs % 4 == 0 and bool(((fours.reshape(-1, 4) == 0).sum(axis=1) >= 2).all())
    return WeightFacts(
        name, int(kernel.size), float(np.mean(kernel == 0)), two_in_four, len(np.unique(kernel)),
        max(len(np.unique(row)) for row in rows),
    )  # fmt: skip


def read_weights(content: bytes) -> list[WeightFacts]:
    """Facts of every constant kernel of a .tflite, in the order of its ops."""
    graph = tflite_file.read(content, "the .tflite")
    kernels = []
    for op in graph.ops:
        if op.name in _AXIS and graph.tensors[op.inputs[1]].data is not None:
            tensor = graph.tensors[op.inputs[1]]
            kernels.append(describe_kernel(f"{op.name} {op.index}", np.asarray(tensor.data), _AXIS[op.name]))
    return kernels


def check_preserved(before: list[WeightFacts], after: list[WeightFacts], *, zeros: bool, clusters: bool) -> None:
    """Raise ExportError unless a file's kernels have the zeros and clusters that they had before."""
    zeros_before, zeros_after = (sum(fact.zeros * fact.size for fact in facts) for facts in (before, after))
    if zeros and zeros_after < zeros_before:
        raise ExportError(
            f"the int8 file has {zeros_after:.0f} zero weights where the student had {zeros_before:.0f}: the converter "
            "lost them. Report this with the model"
        )
    cluster_counts = [fact.distinct for fact in before if fact.clustered]
    clustered_kernels = sum(fact.distinct <= max(cluster_counts, default=0) for fact in after)
    if clusters and clustered_kernels < len(cluster_counts):
        raise ExportError(
            f"the int8 file has {clustered_kernels} kernels of at most {max(cluster_counts)} different values where "
            f"the student had {len(cluster_counts)}: the converter lost the clusters. Report this with the model"
        )
