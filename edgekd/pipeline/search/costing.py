"""Candidates within the budget: found by prediction, and verified by measuring the file of each that is left."""

from __future__ import annotations

import functools
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekd.export.convertible import convert_untrained
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.search.candidates import (
    Design,
    Losses,
    designs_at,
    ends_of_stages,
    rank,
    smallest_at,
    uniform_at,
)
from edgekd.pipeline.search.measure import device_costs, file_costs, needs_file
from edgekd.pipeline.search.predict import Measured, Predictor, excess
from edgekd.pipeline.search.quality import images_at
from edgekd.pipeline.search.record import Record
from edgekd.pipeline.search.source import Source, build
from edgekd.recipe.budget import Budget
from edgekd.scoring import has_tags
from edgekd.storage import digest
from edgekd.students import cnn
from edgekd.students.cost import NetworkShape, cnn_cost

# The record of the ranges that are chosen makes a trained file this many bytes larger, at most.
_SIZE_MARGIN = 512
_BENCH_PHOTOS = 8
_CNN_WIDTHS = (96, 64, 48, 32, 24, 16, 12, 8, 6, 4)
_TRIES = 4


class Costing:
    """The budget of one search: predicts what designs cost, and measures those that matter.

    ``conversion_s`` are the seconds that the last conversion took; None before the first.
    """

    def __init__(self, context: RunContext, source: Source, record: Record, directory: Path) -> None:
        budget = context.recipe.student.budget
        assert budget is not None
        self._context, self._source, self._record, self._directory = context, source, record, directory
        self.budget: Budget = budget
        self.limits = dict(budget.limits())
        if "size" in self.limits:
            self.limits["size"] -= _SIZE_MARGIN
        self._classes = len(context.dataset.classes)
        self._measured: dict[str, Measured] = {}
        self.conversion_s: float | None = None

    @property
    def predictor(self) -> Predictor:
        """By all that was measured so far."""
        return Predictor(self.limits, list(self._measured.values()))

    def measure_pilots(self, shapes: Mapping[int, NetworkShape], losses: Losses) -> None:
        """Measure a small, a middle and a large slice, from which the costs of all others are predicted."""
        if not needs_file(self.limits):
            return
        sizes = sorted(shapes)
        cuts = ends_of_stages(shapes[sizes[0]])
        middle = sizes[len(sizes) // 2], cuts[len(cuts) // 2]
        for size, cut, share in ((sizes[0], cuts[0], 0.35), (*middle, 0.25), (sizes[-1], cuts[-1], 0.12)):
            self.measure(uniform_at(shapes[size], cut, self._classes, losses, share))

    def measure(self, design: Design) -> dict[str, float]:
        """What the design's untrained file costs; converted and measured once."""
        values: dict[str, float] = self._record.once(f"cost of {design.student}", lambda: self._costs(design))
        self._measured[design.student] = Measured(design.cost, values)
        return values

    def all_designs(self, shapes: Mapping[int, NetworkShape], losses: Losses) -> list[Design]:
        """Every design that fills the predicted budget, of every size and number of blocks."""
        predictor = self.predictor
        found: dict[str, Design] = {}
        for shape in shapes.values():
            for cut in ends_of_stages(shape):
                for design in designs_at(shape, cut, self._classes, losses, predictor.price, self._fits(predictor)):
                    found.setdefault(design.student, design)
        return list(found.values())

    def verified(self, design: Design, shapes: Mapping[int, NetworkShape], losses: Losses) -> Design | None:
        """The design, or one like it, whose measured file is within the budget; None where a few tries give none."""
        limits = dict(self.limits)
        for _ in range(_TRIES):
            values = self.measure(design)
            if excess(values, self.limits) <= 1:
                return design
            # As much smaller as it was too large.
            limits = {name: limit * min(1.0, 0.99 * self.limits[name] / values[name]) for name, limit in limits.items()}
            predictor = Predictor(limits, list(self._measured.values()))
            shape = shapes[design.size]
            others = designs_at(shape, design.cut, self._classes, losses, predictor.price, self._fits(predictor))
            others = [one for one in others if one.student not in self._measured]
            if not others:
                return None
            design = max(others, key=lambda one: one.survives)
        return None

    def cnn_designs(self) -> list[Design]:
        """Of each input size the widest of the small CNNs that is within the measured budget."""
        found = []
        for size in self._source.sizes[:3]:
            for width in _CNN_WIDTHS:
                design = self._cnn(width, size)
                if self._fits(self.predictor)(design.cost) and excess(self.measure(design), self.limits) <= 1:
                    found.append(design)
                    break
        return found

    def nearest(self, shapes: Mapping[int, NetworkShape], losses: Losses) -> tuple[Design, dict[str, float]]:
        """The cheapest design there is, by how far it exceeds the budget, and its measured costs."""
        designs = [self._cnn(_CNN_WIDTHS[-1], self._source.sizes[0])]
        for shape in shapes.values():
            designs += [smallest_at(shape, cut, self._classes, losses) for cut in ends_of_stages(shape)[:2]]
        predictor = self.predictor
        designs.sort(key=lambda one: excess(predictor.values(one.cost), self.limits))
        measured = [(one, self.measure(one)) for one in designs[:2]]
        return min(measured, key=lambda pair: excess(pair[1], self.limits))

    def _fits(self, predictor: Predictor) -> Callable[[Any], bool]:
        most = self._source.most_parameters
        return lambda cost: cost.parameters < most and predictor.fits(cost)

    @functools.cache  # noqa: B019  as long as the search
    def _cnn(self, width: int, size: int) -> Design:
        return Design(f"cnn:{width}@{size}", size, 0, cnn_cost(cnn.build(width, size, self._classes)), 1.0)

    def _costs(self, design: Design) -> dict[str, float]:
        """Exact costs by name; a file is made only where a limit needs one."""
        values = {"parameters": float(design.cost.parameters), "macs": float(design.cost.macs)}
        if not needs_file(self.limits):
            return values
        recipe, context = self._context.recipe, self._context
        student = build(context, self._source, design.student, shapes_only=True)
        folder, started = self._directory / "files" / digest(design.student)[:12], time.monotonic()
        try:
            artifact = convert_untrained(
                student, folder, "student", labels=context.dataset.classes,
                preprocessing=context.preprocessing(student), options=recipe.export, output=recipe.export.output,
                provenance={
                    "run": recipe.name, "recipe": recipe.digest(), "photos": context.dataset.digest(),
                    "model": "labels_only", "calibration_seed": str(recipe.seed),
                },
            )  # fmt: skip
            self.conversion_s = time.monotonic() - started
            values |= file_costs(artifact) | {"parameters": float(student.count_params())}
            images = images_at(context, context.pool.samples[:_BENCH_PHOTOS], design.size)
            costs = device_costs({"student": artifact}, self.budget, {"student": images}, folder)["student"]
            return values | {name: cost.value for name, cost in costs.items()}
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def best_first(designs: Sequence[Design], quality: Mapping[tuple[int, int], float], chance: float) -> list[Design]:
    """Designs by what they promise: first the best of each number of blocks, then of each size too, then the others.

    What a narrow deep design regains in training is not known before it is trained, so that its promise is uncertain.
    """

    def promise(design: Design) -> float:
        ends = [cut for size, cut in quality if size == design.size and cut >= design.cut]
        return rank(design, quality[design.size, min(ends)], chance)

    kinds, cuts = set[tuple[int, int]](), set[int]()
    first, second, rest = list[Design](), list[Design](), list[Design]()
    for design in sorted(designs, key=promise, reverse=True):
        kind = design.size, design.cut
        (first if design.cut not in cuts else second if kind not in kinds else rest).append(design)
        kinds.add(kind)
        cuts.add(design.cut)
    return [*first, *second, *rest]


def chance_of(labels: Any, metric: str) -> float:
    """The score of guessing: the largest class's share, or one over the classes; of tags their mean share of photos."""
    if has_tags(labels):
        return float(labels[:, labels.any(axis=0)].mean()) if labels.any() else 0.0
    counts = np.bincount(labels)
    return float(1 / np.count_nonzero(counts) if metric == "balanced_accuracy" else counts.max() / counts.sum())
