"""What running a file on an accelerator of this machine showed, against the CPU."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pydantic import ConfigDict

from edgekd.accelerators.left_ops import OpsLeft
from edgekd.accelerators.run_on import TITLES, Accelerator
from edgekd.accelerators.vulkan import Driver

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
# What half precision (11 bits of a number), or another order of additions, may change of a score.
_TIE = 2.0**-9
# Of a file without class scores: the share of an output's range that it may differ by, 6 of half precision's 11 bits.
SHARE = 2.0**-6


@dataclass(frozen=True)
class Flip:
    """A photo that an accelerator answers otherwise: classes by number; ``margin`` is the CPU's score between them.

    Of a file of tags it is the tag that differs most clearly, as the answer of the one that gives it and -1 as that of
    the other; ``margin`` is the distance of the CPU's score from the tag's threshold. It is None where the CPU's own
    scores are not finite.
    """

    __pydantic_config__ = _STRICT

    photo: int
    cpu: int
    accelerator: int
    margin: float | None

    @property
    def is_of_tag(self) -> bool:
        """Whether only one of the two gives a tag."""
        return -1 in (self.cpu, self.accelerator)

    @property
    def tied(self) -> bool:
        """Whether rounding alone decides it on the CPU."""
        return self.margin is not None and self.margin <= _TIE


@dataclass(frozen=True)
class AcceleratorCheck:
    """One file on one accelerator, against the CPU.

    ``largest_difference`` is that of all finite outputs, as real numbers; ``not_finite`` counts the photos with a score
    that is finite on the CPU alone. ``latency_ms`` is the median, None where the accelerator is not what it is called:
    a GPU driver that computes on the CPU, emulated half precision. ``right`` counts right answers, where classes
    are known; ``share`` is the largest difference as a share of its output's range, of files without class scores,
    which have no flips.
    """

    __pydantic_config__ = _STRICT

    file: str
    accelerator: Accelerator
    driver: Driver | None
    accelerated: bool | None
    left: OpsLeft | None
    photos: int
    largest_difference: float
    flips: tuple[Flip, ...]
    not_finite: int
    latency_ms: float | None
    right: int | None = None
    share: float | None = None

    @property
    def passed(self) -> bool:
        """Whether it answers as the CPU does, ties aside."""
        near = self.share is None or self.share <= SHARE
        return not self.not_finite and near and all(flip.tied for flip in self.flips)

    @property
    def where(self) -> str:
        """The accelerator, a GPU with its driver's name."""
        return TITLES[self.accelerator] if self.driver is None else f"GPU: {self.driver.name}"

    @property
    def remark(self) -> str | None:
        """What else must be known of where it ran."""
        if self.driver is None or self.driver.kind == "GPU":
            return None
        half = "" if self.driver.half_precision else " and has no half precision, on which the ranges decide"
        return f"{self.driver.name} computes on the CPU{half}: its answers count; its times, not a GPU's, are not shown"

    @property
    def message(self) -> str:
        """The gate's sentence."""
        where = f"{self.file} on {TITLES[self.accelerator]}"
        if self.not_finite:
            return f"{where} gives scores that are not finite for {self.not_finite} of {self.photos} photos"
        if self.share is not None:
            return f"{where} differs from the CPU by {self.share:.2g} of an output's range at most, for made inputs"
        if not self.flips:
            return f"{where} answers all {self.photos} photos as the CPU does"
        clear = max(self.flips, key=lambda flip: float("inf") if flip.margin is None else flip.margin)
        ties = sum(flip.tied for flip in self.flips)
        tied = f" ({ties} of them ties that rounding decides)" if ties else ""
        score = "CPU's score is not finite" if clear.margin is None else f"CPU's score is {clear.margin:.3g} higher"
        if clear.is_of_tag and clear.margin is not None:
            score = f"CPU's score of a tag is {clear.margin:.3g} from its threshold"
        return (
            f"{where} answers {len(self.flips)} of {self.photos} photos otherwise than the CPU{tied}; the clearest is "
            f"photo {clear.photo + 1}, where the {score}"
        )

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON."""
        return asdict(self) | {"passed": self.passed, "message": self.message}
