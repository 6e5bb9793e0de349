"""Designs of slices that fill a budget: for each number of blocks and input size the widths of the blocks.

A block's width is a matter of what its channels cost and of how much of its output they carry. The same price of loss
for every block (a Lagrange multiplier) gives the widths that lose least at a given cost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekd.students.cost import Cost, NetworkShape, Part
from edgekd.students.narrow import width_at
from edgekd.students.spec import StudentSpec, shortest

SHARES = (0.03, 0.05, 0.07, 0.09, 0.12, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_PRICES = tuple(float(price) for price in np.logspace(4, -5, 37))
Losses = Mapping[int, npt.NDArray[np.float64]]
"""Of each block by its number from 1: what is lost with 0, 1, ... hidden channels."""
Price = Callable[[Cost], float]
"""A cost as a share of the budget, linear: the sum over the limits."""
Fits = Callable[[Cost], bool]


@dataclass(frozen=True)
class Design:
    """A student by its text, what it costs, and the share of its blocks' outputs that ``survives``."""

    student: str
    size: int
    cut: int
    cost: Cost
    survives: float


@dataclass(frozen=True)
class _Choice:
    """What a block may be: its share (0: left out), hidden channels, loss and price."""

    share: float
    width: int
    loss: float
    price: float


def designs_at(shape: NetworkShape, cut: int, classes: int, losses: Losses, price: Price, fits: Fits) -> list[Design]:
    """Slices of the first ``cut`` blocks that fill the budget: with a share for each block, and with one for all.

    Empty where even the narrowest does not fit.
    """
    parts = shape.narrowable(cut)
    if not parts:
        cost = shape.cost(cut, classes)
        return [Design(_text(cut, shape.size, parts, {}), shape.size, cut, cost, 1.0)] if fits(cost) else []
    choices = [_choices(part, losses[part.number], price) for part in parts]
    found: dict[str, Design] = {}
    dropped: set[int] = set()

    def design_of(chosen: Sequence[_Choice]) -> Design:
        shares = {part.number: one.share for part, one in zip(parts, chosen, strict=True)}
        return _design(shape, cut, classes, shares, losses)

    for chosen in _allocations(choices):
        if fits(design_of(chosen).cost):
            filled = _filled(chosen, choices, lambda some: fits(design_of(some).cost))
            design = design_of(filled)
            found[design.student] = design
            dropped = {part.number for part, one in zip(parts, filled, strict=True) if one.share == 0}
            break
    for without in (set[int](), dropped):
        for share in reversed(SHARES):
            same = {part.number: 0.0 if part.number in without else share for part in parts}
            design = _design(shape, cut, classes, same, losses)
            if fits(design.cost):
                found.setdefault(design.student, design)
                break
    return list(found.values())


def ends_of_stages(shape: NetworkShape) -> list[int]:
    """Numbers of blocks behind which a slice may end: those that the next block changes the shape of, and the last.

    Others follow from leaving out blocks at the end.
    """
    count = len(shape.parts) - 1
    return [n for n in range(min(2, count), count + 1) if n == count or not shape.parts[n + 1].skipped]


def smallest_at(shape: NetworkShape, cut: int, classes: int, losses: Losses) -> Design:
    """The cheapest slice of the first ``cut`` blocks."""
    parts = shape.narrowable(cut)
    return _design(shape, cut, classes, {p.number: 0.0 if p.skipped else SHARES[0] for p in parts}, losses)


def uniform_at(shape: NetworkShape, cut: int, classes: int, losses: Losses, share: float) -> Design:
    """The slice of the first ``cut`` blocks with one share for all."""
    return _design(shape, cut, classes, {part.number: share for part in shape.narrowable(cut)}, losses)


def _choices(part: Part, losses: npt.NDArray[np.float64], price: Price) -> list[_Choice]:
    widths = {width_at(part.hidden, share): share for share in SHARES}
    choices = [_Choice(share, width, float(losses[width]), price(part.cost(width))) for width, share in widths.items()]
    # A block that is left out costs nothing, not even its ops.
    return [_Choice(0.0, 0, float(losses[0]), 0.0), *choices] if part.skipped else choices


def _allocations(choices: Sequence[Sequence[_Choice]]) -> list[tuple[_Choice, ...]]:
    """What each block may be, the most expensive first: at each price of loss what is best for every block alone."""
    found: dict[tuple[_Choice, ...], None] = {}
    for weight in _PRICES[::-1]:
        found.setdefault(tuple(min(block, key=lambda one: one.loss + weight * one.price) for block in choices))
    return list(found)


def _filled(
    chosen: Sequence[_Choice], choices: Sequence[Sequence[_Choice]], fits: Callable[[Sequence[_Choice]], bool]
) -> list[_Choice]:
    """``chosen`` with blocks widened as long as the budget allows, first where most is regained for the price.

    Between two prices of loss whole steps of width lie, which would leave a part of the budget unused.
    """
    now, open_blocks = list(chosen), set(range(len(chosen)))
    while open_blocks:
        wider = {number: _next_wider(now[number], choices[number]) for number in open_blocks}
        worth = {
            number: (now[number].loss - one.loss) / max(one.price - now[number].price, 1e-12)
            for number, one in wider.items()
            if one is not None
        }
        open_blocks &= worth.keys()
        for number in sorted(worth, key=lambda number: -worth[number]):
            one = wider[number]
            assert one is not None
            changed = [*now[:number], one, *now[number + 1 :]]
            if fits(changed):
                now = changed
                break
            # What is left of the budget only gets less.
            open_blocks.discard(number)
    return now


def _next_wider(now: _Choice, block: Sequence[_Choice]) -> _Choice | None:
    wider = [one for one in block if one.width > now.width and one.loss < now.loss]
    return min(wider, key=lambda one: one.width, default=None)


def _design(shape: NetworkShape, cut: int, classes: int, shares: Mapping[int, float], losses: Losses) -> Design:
    while cut > 1 and shares.get(cut) == 0:
        # A last block that is left out is not there.
        cut -= 1
    if shares.get(cut) == 0:
        # Something must be left.
        shares = {**shares, cut: SHARES[0]}
    parts = {part.number: part for part in shape.narrowable(cut)}
    shares = {number: share for number, share in shares.items() if number <= cut}
    widths = {number: width_at(parts[number].hidden, share) if share else 0 for number, share in shares.items()}
    survives = float(np.prod([1 - losses[number][width] for number, width in widths.items()]))
    return Design(
        _text(cut, shape.size, list(parts.values()), shares),
        shape.size,
        cut,
        shape.cost(cut, classes, widths),
        survives,
    )


def _text(cut: int, size: int, parts: Sequence[Part], shares: Mapping[int, float]) -> str:
    without = tuple(part.number for part in parts if shares.get(part.number, 1.0) == 0)
    keep = [shares.get(part.number, 1.0) for part in parts if part.number not in without]
    return str(StudentSpec("slice", str(cut), size, without, shortest(keep) if keep else ()))


def rank(design: Design, quality: float, chance: float) -> float:
    """How good a design promises to be: the quality of whole features, less what is lost of them.

    Most of what a narrow block loses is regained in training, so that a quarter of it (in logarithms) counts.
    """
    return chance + max(0.0, quality - chance) * math.pow(design.survives, 0.25)
