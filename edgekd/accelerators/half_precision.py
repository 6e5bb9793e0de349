"""Whether a network can overflow in half precision (fp16), as GPUs, NPUs and XNNPACK compute it.

A number past 65,504 becomes infinite there, and its difference from another infinite one is not a number. First by
interval arithmetic for all photos there are, pixels being bounded; where that does not settle it, by the ranges on
given photos.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgekd.accelerators.graph import read_graph
from edgekd.accelerators.observe import Observed, observe
from edgekd.accelerators.ranges import HALF_MAX, Range, of
from edgekd.accelerators.rules import activated, stored, sums_of
from edgekd.foreign.plain import PlainModel
from edgekd.formats.artifact import Artifact
from edgekd.formats.pixels import Feed
from edgekd.inspection.network import INTEGERS_8, Network, Op, Value

Verdict = Literal["proved", "measured", "may overflow", "overflows", "unknown"]
# Photos unlike the measured ones may have larger values, but hardly twice as large.
MARGIN = 2.0


@dataclass(frozen=True)
class HalfOp:
    """One op in half precision.

    ``limit`` is the largest partial sum that any photo can give, by interval arithmetic and with rounding; None where
    that is not known. ``measured`` bounds those on the measured photos, ``largest`` is the largest result or complete
    sum among them.
    """

    index: int
    type: str
    name: str
    verdict: Verdict
    limit: float | None
    measured: float | None
    largest: float | None

    @property
    def title(self) -> str:
        """What a message calls it."""
        return f"{self.type} {self.name!r} (op {self.index})"


@dataclass(frozen=True)
class HalfPrecision:
    """The verdict on a file: that of its worst op. ``photos`` is how many were measured."""

    file: str
    ops: tuple[HalfOp, ...]
    photos: int

    @property
    def worst(self) -> HalfOp | None:
        """The op that decides: the worst verdict, and of those the largest values."""
        order: dict[Verdict, int] = {"proved": 0, "measured": 1, "unknown": 2, "may overflow": 3, "overflows": 4}
        return max(self.ops, key=lambda op: (order[op.verdict], _size(op)), default=None)

    @property
    def safe(self) -> bool:
        """Whether no op is known to be able to overflow, by proof or by measurement with its margin."""
        return all(op.verdict in ("proved", "measured") for op in self.ops)

    @property
    def proved(self) -> bool:
        """Whether that holds for all photos there are."""
        return all(op.verdict == "proved" for op in self.ops)

    @property
    def message(self) -> str:
        """The verdict in a sentence."""
        worst = self.worst
        if worst is None or self.proved:
            largest = max((_size(op) for op in self.ops), default=0.0)
            return (
                f"safe in half precision for every photo: no sum in any order passes {_number(largest)} of "
                f"{_number(HALF_MAX)} (interval arithmetic, rounding included)"
            )
        if self.safe:
            measured = max(op.measured or 0.0 for op in self.ops if op.verdict == "measured")
            proved_n = sum(op.verdict == "proved" for op in self.ops)
            return (
                f"safe in half precision on {self.photos} photos: no sum in any order passes {_number(measured)} of "
                f"{_number(HALF_MAX)}, a margin of {HALF_MAX / measured if measured else np.inf:.1f} times; for every "
                f"photo it is proved of {proved_n} of {len(self.ops)} ops"
            )
        return _warning(worst, self.photos)

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON; an infinite limit is null."""
        return {
            "verdict": self.worst.verdict if self.worst else "proved", "safe": self.safe, "message": self.message,
            "photos": self.photos, "limit": HALF_MAX, "ops": [_finite(asdict(op)) for op in self.ops],
        }  # fmt: skip


def prove_half_precision(model: Artifact | PlainModel, images: NDArray[np.uint8] | None = None) -> HalfPrecision:
    """Find out whether a file's values stay in the range of half precision.

    Args:
        model: An exported file, or what ``open_model`` gives for another tool's; a .tflite or an .onnx.
        images: Photos uint8 RGB [N, H, W, 3] of its size, for the ops that interval arithmetic does not settle.

    Returns:
        The verdict, with every op's limits.

    Raises:
        ArtifactError: The file cannot be read, or does not run on the photos.
        UsageError: Images of another size.

    Example:
        >>> import edgekd
        >>> edgekd.prove_half_precision(edgekd.Artifact.open("student.int8.tflite")).message  # doctest: +SKIP
        'safe in half precision for every photo: no sum in any order passes 8,301 of 65,504 ...'
    """
    network = read_graph(model.path)
    limits = propagate(network, inputs_of(network, model))[1]
    open_ops = [op for op in network.ops if not _is_proved(limits[op.index]) and _is_float(network, op)]
    observed = None
    if open_ops and images is not None and len(images) and isinstance(model, Artifact):
        observed = observe(model, network, images, open_ops)
    rows = [_row(network, op, limits[op.index], observed) for op in network.ops if _is_float(network, op)]
    return HalfPrecision(
        model.path.name, tuple(rows), len(images) if observed is not None and images is not None else 0
    )


def propagate(network: Network, inputs: Mapping[str, Range]) -> tuple[dict[str, Range], list[float | None]]:
    """The ranges of tensors in half precision for all inputs in theirs, and each op's largest partial sum if known."""
    ranges: dict[str, Range] = dict(inputs)
    limits: list[float | None] = []
    for op in network.ops:
        known = sums_of(network, op, ranges)
        computed = None if known is None else known.rounded()
        limits.append(None if computed is None else computed.largest)
        for key in op.outputs:
            result = None if computed is None else activated(op, computed.result)
            kept = stored(network, key, result)
            if kept is not None and np.isfinite(kept.largest):
                ranges[key] = kept
    return ranges, limits


def inputs_of(network: Network, model: Artifact | PlainModel) -> dict[str, Range]:
    """The values that each input may have: of photos, or of its type; nothing of others."""
    feed = model.feed if isinstance(model, Artifact) else None
    ranges = {}
    for key in network.inputs:
        value = network.values[key]
        known = _of_photos(feed) if feed is not None and len(network.inputs) == 1 else None
        kept = stored(network, key, known) or _of_type(value)
        if kept is not None:
            ranges[key] = kept
    return ranges


def _of_photos(feed: Feed) -> Range:
    ends = np.array([feed.pixels.shift, np.array(feed.pixels.scale) * 255 + feed.pixels.shift], np.float64)
    return Range(ends.min(axis=0), ends.max(axis=0))


def _of_type(value: Value) -> Range | None:
    if value.dtype not in INTEGERS_8:
        return None
    limits = np.iinfo(value.dtype)
    return of(float(limits.min), float(limits.max))


def _is_float(network: Network, op: Op) -> bool:
    """Whether it computes real numbers, and not shapes or indices."""
    keys = [key for key in op.outputs if key]
    return any(network.values[key].dtype in ("float32", "float16", "?", *INTEGERS_8) for key in keys)


def _is_proved(limit: float | None) -> bool:
    return limit is not None and limit <= HALF_MAX


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity: what is infinite is null there, beside its verdict."""
    return {key: None if isinstance(value, float) and not np.isfinite(value) else value for key, value in row.items()}


def _row(network: Network, op: Op, limit: float | None, observed: Observed | None) -> HalfOp:
    seen = None if observed is None else observed.of(network, op)
    measured, largest = (None, None) if seen is None else (seen.partial, seen.largest)
    return HalfOp(op.index, op.type, op.name, _judge(limit, measured, largest), limit, measured, largest)


def _judge(limit: float | None, measured: float | None, largest: float | None) -> Verdict:
    if _is_proved(limit):
        return "proved"
    if largest is not None and not largest <= HALF_MAX:
        return "overflows"
    if measured is not None:
        return "measured" if measured * MARGIN <= HALF_MAX else "may overflow"
    return "unknown" if limit is None else "may overflow"


def _size(op: HalfOp) -> float:
    sizes: Sequence[float | None] = (op.largest, op.measured, op.limit)
    if op.verdict == "proved":
        sizes = (op.limit,)
    elif op.verdict == "measured":
        sizes = (op.measured,)
    return next((size for size in sizes if size is not None), 0.0)


def _warning(op: HalfOp, photos: int) -> str:
    if op.verdict == "overflows":
        return (
            f"overflows in half precision: {op.title} reaches {_number(op.largest)} on {photos} photos, and "
            f"{_number(HALF_MAX)} is the largest number. Keep float32 there (enforce_f32, or the CPU), ship the int8 "
            "file, or scale that layer's weights down and the next one's up"
        )
    if op.verdict == "unknown":
        why = "there is no rule for it" if photos else "what it takes is not known. Give photos to measure it on"
        return f"not known in half precision: nothing bounds the sums of {op.title}: {why}"
    if op.measured is not None:
        on_photos = f": on {photos} photos its partial sums may reach {_number(op.measured)}"
        largest = "" if op.largest is None else f" and its results {_number(op.largest)}"
        return f"may overflow in half precision: {op.title}{on_photos}{largest}, of {_number(HALF_MAX)} at most"
    return (
        f"may overflow in half precision: intervals bound the sums of {op.title} by {_number(op.limit)} alone, and "
        f"{_number(HALF_MAX)} is the largest number. Give photos to measure it on"
    )


def _number(value: float | None) -> str:
    if value is None or not np.isfinite(value):
        return "infinity"
    return f"{value:,.0f}" if value < 1e9 else f"{value:.2g}"
