"""The ranges of a network's tensors and sums on photos, measured in a child process."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd import processes
from edgekd.accelerators.ranges import HALF_MAX, Range
from edgekd.accelerators.rules import sums_of
from edgekd.errors import ArtifactError
from edgekd.formats.artifact import Artifact
from edgekd.inspection.network import Network, Op
from edgekd.runtime.runner import batches, check_images
from edgekd.text import last_line

_TIMEOUT_S = 600.0
_ENOUGH = 2.0


@dataclass(frozen=True)
class SeenSums:
    """Of one op on the photos: what bounds its partial sums, and its largest result or complete sum."""

    partial: float | None
    largest: float | None


@dataclass(frozen=True, eq=False)
class Observed:
    """The ranges of tensors, and the exact sums of the ops for which they say too little: absolute and complete."""

    ranges: Mapping[str, Range]
    sums: Mapping[int, tuple[float, float]]

    def of(self, network: Network, op: Op) -> SeenSums:
        """What was seen of an op."""
        known = sums_of(network, op, self.ranges)
        results = [self.ranges[key].largest for key in op.outputs if key in self.ranges]
        largest = max(results) if results else None
        partial = None if known is None else known.largest
        if op.index in self.sums:
            partial, complete = self.sums[op.index]
            largest = max(complete, largest or 0.0)
        return SeenSums(partial, largest)


def observe(artifact: Artifact, network: Network, images: NDArray[np.uint8], ops: Sequence[Op]) -> Observed:
    """Measure on photos uint8 RGB [N, H, W, 3] what ``ops`` read and add up.

    Raises: UsageError for other images; ArtifactError where the file does not run.
    """
    check_images(images, artifact)
    inputs = np.stack([batch for _, batch in batches(images, artifact, 1)])
    with tempfile.TemporaryDirectory(prefix="edgekd-") as folder:
        np.save(Path(folder) / "inputs.npy", inputs)
        ranges = _ranges(Path(folder) / "ranges.npy", _run(artifact, Path(folder), ())["channels"])
        seen = Observed(ranges, {})
        close = [op.index for op in ops if not _is_settled(seen.of(network, op))]
        sums = _run(artifact, Path(folder), close)["sums"] if close else {}
        return Observed(ranges, {int(index): (float(pair[0]), float(pair[1])) for index, pair in sums.items()})


def _ranges(path: Path, channels: Sequence[tuple[str, int]]) -> dict[str, Range]:
    ends = np.load(path)
    stops = np.cumsum([count for _, count in channels])
    parts = [ends[:, stop - count : stop] for (_, count), stop in zip(channels, stops, strict=True)]
    return {key: Range(part[0], part[1]) for (key, _), part in zip(channels, parts, strict=True)}


def _is_settled(seen: SeenSums) -> bool:
    return seen.partial is not None and seen.partial * _ENOUGH <= HALF_MAX


def _run(artifact: Artifact, folder: Path, ops: Sequence[int]) -> dict[str, Any]:
    request = {
        "model": str(artifact.path.absolute()), "format": artifact.format, "inputs": str(folder / "inputs.npy"),
        "out": str(folder / "ranges.npy"), "ops": list(ops),
    }  # fmt: skip
    argv = [sys.executable, "-m", "edgekd.accelerators.observe_child", json.dumps(request)]
    ended = processes.run(argv, _TIMEOUT_S, env={**os.environ, "TMPDIR": tempfile.gettempdir()})
    lines = processes.decode(ended.stdout).splitlines()
    if ended.killed is not None or ended.status or not lines:
        why = f"took more than {_TIMEOUT_S:g} s" if ended.killed else last_line(processes.decode(ended.stderr))
        raise ArtifactError(f"{artifact.path}: its values could not be measured: {why}. Try fewer photos")
    result = json.loads(lines[-1])
    if "failed" in result:
        raise ArtifactError(f"{artifact.path} does not run with all its tensors kept: {result['failed']}")
    return dict(result)
