"""How long and how often energy is measured, and in which order the blocks follow each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import ConfigDict, Field

from edgekd.errors import UsageError

Mode = Literal["flat-out", "paced"]
MODES: tuple[Mode, ...] = ("flat-out", "paced")

# Rests differ in length by so much, so that nothing periodic runs in step with them and that a meter's log fits the
# blocks at one place alone.
_REST_LENGTHS = (0.8, 1.2)


@dataclass(frozen=True)
class EnergyPlan:
    """Blocks of ``block_s`` seconds in which one file infers, each between two rests of about the same length.

    Every round has each file flat out (one inference after the other) and paced (one every ``pace_ms``), in random
    order. The first ``settle_s`` of each block are left out: clocks and regulators settle.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    block_s: Annotated[float, Field(gt=0)] = 10.0
    rounds: Annotated[int, Field(gt=0)] = 7
    pace_ms: Annotated[float, Field(gt=0)] = 1000.0
    settle_s: Annotated[float, Field(ge=0)] = 1.0
    seed: Annotated[int, Field(ge=0)] = 0

    def __post_init__(self) -> None:
        if self.block_s < 2 * self.pace_ms / 1000:
            raise UsageError(
                f"a block of {self.block_s:g} s holds fewer than two inferences at one every {self.pace_ms:g} ms. "
                f"Use --block-seconds {np.ceil(4 * self.pace_ms / 1000):g} or a faster pace"
            )
        if self.block_s < 2 * self.settle_s:
            raise UsageError(
                f"a block of {self.block_s:g} s is too short: {self.settle_s:g} s of it settle. "
                f"Use --block-seconds {4 * self.settle_s:g} or more"
            )


@dataclass(frozen=True)
class Step:
    """One block to come: the file at ``index`` in this mode, then a rest of ``rest_s``."""

    round: int
    index: int
    mode: Mode
    rest_s: float


def first_rest_s(plan: EnergyPlan) -> float:
    """The rest before the first block."""
    return plan.block_s


def steps_of(plan: EnergyPlan, files: int) -> Sequence[Step]:
    """Every block in order; each round has each file in each mode once."""
    random = np.random.default_rng([plan.seed, 0xE])
    pairs = [(index, mode) for index in range(files) for mode in MODES]
    return tuple(
        Step(round_, pairs[place][0], pairs[place][1], float(plan.block_s * random.uniform(*_REST_LENGTHS)))
        for round_ in range(plan.rounds)
        for place in random.permutation(len(pairs))
    )


@dataclass(frozen=True)
class EnergyRequest:
    """What the user asks for: the plan, a meter's log instead of the device's own source, a battery for hours."""

    plan: EnergyPlan
    power_log: Path | None = None
    battery_wh: float | None = None
