"""What a student's int8 file will cost, from its shapes and the files that were measured so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from edgekd.students.cost import Cost

# What is known without a measurement, and what a measured cost follows from.
_EXACT = ("parameters", "macs")
_FEATURES: dict[str, tuple[str, ...]] = {
    "arena": ("peak",),
    "latency": ("macs", "activations"),
    "instructions": ("macs", "activations"),
}
# Of a .tflite beside its weights: bias, scales and zero points of a channel, an op with its tensors, the rest. Measured
# files say by what factor this is too much or too little.
_SIZE = {"channels": 17.0, "ops": 370.0, "": 800.0}


@dataclass(frozen=True)
class Measured:
    """A student's shapes and what its untrained file costs, by the names of `recipe.budget.QUANTITIES`."""

    cost: Cost
    values: Mapping[str, float]


class Predictor:
    """Predicts the costs that ``limits`` are about; ``measured`` files make it exact."""

    def __init__(self, limits: Mapping[str, float], measured: Sequence[Measured] = ()) -> None:
        self._limits = limits
        self._factors = {name: _fit(name, measured) for name in limits if name not in _EXACT}

    def values(self, cost: Cost) -> dict[str, float]:
        """The predicted costs by name; those that can't be predicted yet are left out."""
        values = {name: float(getattr(cost, name)) for name in self._limits if name in _EXACT}
        for name, factors in self._factors.items():
            if factors is not None:
                values[name] = factors[""] + _linear(name, factors, cost)
        return values

    def fits(self, cost: Cost) -> bool:
        """Whether every predicted cost is within its limit."""
        return all(value <= self._limits[name] for name, value in self.values(cost).items())

    def price(self, cost: Cost) -> float:
        """What a part of a student costs, as a share of the budget summed over the limits."""
        total = sum(cost_of / self._limits[name] for name, cost_of in self._parts(cost).items())
        # Where nothing can be predicted, work is what costs.
        return total if self._parts(cost) else cost.macs / 1e8

    def _parts(self, cost: Cost) -> dict[str, float]:
        parts = {name: float(getattr(cost, name)) for name in self._limits if name in _EXACT}
        for name, factors in self._factors.items():
            # The largest activation is not a sum over blocks.
            if factors is not None and name != "arena":
                parts[name] = _linear(name, factors, cost)
        return parts


def excess(values: Mapping[str, float], limits: Mapping[str, float]) -> float:
    """By what factor the cost that is furthest from its limit exceeds it; at most 1 is within the budget."""
    return max((values[name] / limit for name, limit in limits.items() if name in values), default=0.0)


def _linear(name: str, factors: Mapping[str, float], cost: Cost) -> float:
    value = float(sum(factor * getattr(cost, feature) for feature, factor in factors.items() if feature))
    return value + (cost.weights if name == "size" else 0.0)


def _fit(name: str, measured: Sequence[Measured]) -> dict[str, float] | None:
    """Factors of the features that a cost follows from, and of a constant (""); None where none is known."""
    rows = [one for one in measured if name in one.values]
    if name == "size":
        known = [_linear("", _SIZE, one.cost) + _SIZE[""] for one in rows]
        ratios = [(one.values[name] - one.cost.weights) / part for one, part in zip(rows, known, strict=True)]
        scaled = float(np.mean(ratios)) if ratios else 1.0
        return {feature: scaled * factor for feature, factor in _SIZE.items()}
    if not rows:
        return {"peak": 1.0, "": 0.0} if name == "arena" else None
    values = np.array([one.values[name] for one in rows])
    features = _FEATURES[name]
    table = np.array([[*(getattr(one.cost, feature) for feature in features), 1.0] for one in rows], np.float64)
    scale = table.max(axis=0).clip(1e-9)
    # Relative errors count: a small student is to be predicted as well as a large one.
    weight = 1 / np.maximum(values, 1e-9)
    solution, _ = nnls(table / scale * weight[:, None], values * weight)
    return dict(zip([*features, ""], solution / scale, strict=True))
