"""The search itself: shapes, survival, heads on features, short trainings; each look is at fewer candidates."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgekd.errors import GateFailed
from edgekd.models.blocks import blocks_of
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.search.candidates import Design, Losses, ends_of_stages
from edgekd.pipeline.search.costing import Costing, best_first, chance_of
from edgekd.pipeline.search.looks import LookInputs, ProbeLook, TrainingLook, WholeLook
from edgekd.pipeline.search.predict import excess
from edgekd.pipeline.search.record import Record
from edgekd.pipeline.search.source import Source, open_source
from edgekd.pipeline.search.taking import take_looks
from edgekd.pipeline.search.timing import Clock, seconds_after
from edgekd.pipeline.search.trainings import predict_trainings
from edgekd.pipeline.stages.start import narrowing_photos
from edgekd.recipe.budget import amount
from edgekd.students.cost import NetworkShape, at_size, shape_of
from edgekd.students.survival import block_losses

# Candidates whose features are probed, those that are trained, and the photos by which blocks are compared.
_PROBED, _TRAINED, _SURVIVAL_PHOTOS = 8, 4, 96
_SURVIVAL_SIZE = 128
# Steps of a first short training, as a share of a full one and at most; those of the last one are as many times more.
_SHARE_OF_STEPS, _MOST_STEPS, _LONGER = 0.125, 120, 2.5
# Of its time the search gives this share to what comes before the trainings.
_LOOKING_SHARE, _SIZES_SHARE = 0.5, 0.25


@dataclass
class Candidate:
    """What is known of one candidate: its design, measured costs, scores, and the seconds of its steps."""

    design: Design
    costs: dict[str, float] = field(default_factory=dict)
    probe: float | None = None
    trials: list[dict[str, float]] = field(default_factory=list)

    @property
    def score(self) -> float:
        """The score of its last training; before one, of the head on its features."""
        return self.trials[-1]["score"] if self.trials else self.probe or 0.0

    def to_json(self, limits: Iterable[str]) -> dict[str, Any]:
        """As search.json has it; in words are the costs that the budget limits."""
        return {
            "student": self.design.student, "size": self.design.size, "costs": self.costs,
            "costs_text": ", ".join(amount(name, self.costs[name]) for name in limits),
            "survives": round(self.design.survives, 4), "probe": self.probe, "trials": self.trials,
        }  # fmt: skip


class Search:
    """One search, in ``directory``; what it computes goes to ``record`` at once.

    Looks that do not depend on each other are done by the workers of the workspace, all else here.
    """

    def __init__(self, context: RunContext, directory: Path, record: Record, clock: Clock) -> None:
        self._context, self._directory, self._record, self._clock = context, directory, record, clock
        self._say = context.workspace.watcher.note
        self._source: Source = open_source(context)
        self._inputs = LookInputs(context, self._source, directory)
        self._costing = Costing(context, self._source, record, directory)
        self._shapes: dict[int, NetworkShape] = {}
        self._losses: Losses = {}
        self._considered: list[Design] = []

    def run(self) -> dict[str, Any]:
        """Look for the student; gives what search.json holds. Raises GateFailed where nothing is within the budget."""
        candidates = self._candidates()
        if not candidates:
            self._fail()
        self._probe(candidates)
        trained = self._train(candidates)
        winner = max(trained, key=lambda one: (len(one.trials), one.score))
        return self._result(winner, candidates)

    def _candidates(self) -> list[Candidate]:
        """Those within the measured budget, the most promising first."""
        designs: list[Design] = []
        if self._source.network is not None:
            self._look_at_shapes()
            self._costing.measure_pilots(self._shapes, self._losses)
            self._clock.after_s = float(self._record.once("seconds afterwards", self._seconds_afterwards))
            self._considered = self._costing.all_designs(self._shapes, self._losses)
            quality = self._qualities() if self._considered else {}
            photos = self._inputs.photos
            ordered = best_first(self._considered, quality, chance_of(photos.labels, photos.metric))
            designs = self._verified(ordered)
        if not designs:
            designs = self._costing.cnn_designs()
            self._considered += designs
        return [Candidate(design, self._costing.measure(design)) for design in designs]

    def _seconds_afterwards(self) -> float:
        """What follows the trainings, predicted from how long a conversion takes on this machine now."""
        return seconds_after(self._context.recipe, self._costing.conversion_s)

    def _look_at_shapes(self) -> None:
        context, network = self._context, self._source.network
        self._shapes = {size: shape_of(network, size) for size in self._source.sizes}
        size = min(self._source.sizes, key=lambda one: abs(one - _SURVIVAL_SIZE))
        images = narrowing_photos(context, (size, size), _SURVIVAL_PHOTOS)
        by_layer = block_losses(at_size(network, size), images)
        names = {number: block.name for number, block in enumerate(blocks_of(network), 1)}
        self._losses = {
            number: losses
            for number, name in names.items()
            for layer, losses in by_layer.items()
            if layer.startswith(f"{name}_")
        }

    def _qualities(self) -> dict[tuple[int, int], float]:
        """What a linear head scores behind each number of blocks at each size, of the whole network."""
        sizes = sorted({design.size for design in self._considered}, key=lambda one: abs(one - _SURVIVAL_SIZE))
        cuts = {size: ends_of_stages(self._shapes[size]) for size in sizes}

        def looks() -> Iterator[WholeLook]:
            for number, size in enumerate(sizes):
                if number and not self._has_time(f"look at {size} px", _SIZES_SHARE):
                    continue
                yield WholeLook(size, tuple(cuts[size]))

        scores = {
            look.size: result for look, result in take_looks(looks(), self._inputs, self._record, len(sizes)).items()
        }
        qualities: dict[tuple[int, int], float] = {}
        for size in sizes:
            if size not in scores:
                # As the nearest size that was looked at.
                near = min({known for known, _ in qualities}, key=lambda known: abs(known - size))
                qualities |= {(size, cut): qualities[near, cut] for cut in cuts[size]}
            else:
                qualities |= {(size, int(cut)): float(score) for cut, score in scores[size].items()}
        return qualities

    def _verified(self, ordered: Sequence[Design]) -> list[Design]:
        designs: dict[str, Design] = {}
        for design in ordered[: 2 * _PROBED]:
            if len(designs) == _PROBED or (designs and not self._has_time(f"verify {design.student}", _LOOKING_SHARE)):
                break
            found = self._costing.verified(design, self._shapes, self._losses)
            if found is not None:
                designs.setdefault(found.student, found)
        return list(designs.values())

    def _has_time(self, what: str, share: float) -> bool:
        """Whether the search has used less than this share of its time; decided once, so that a resumed one agrees."""
        clock = self._clock

        def decide() -> bool:
            left = clock.search_left_s()
            return left == float("inf") or clock.elapsed_s() < share * (clock.elapsed_s() + left)

        return bool(self._record.once(f"time to {what}", decide))

    def _probe(self, candidates: list[Candidate]) -> None:
        """Score the features of slices; a small CNN has none before it is trained."""
        slices = {ProbeLook(one.design.student): one for one in candidates if one.design.cut}

        def looks() -> Iterator[ProbeLook]:
            for number, look in enumerate(slices):
                if number and not self._has_time(f"probe {look.student}", _LOOKING_SHARE):
                    return
                yield look

        probes = take_looks(looks(), self._inputs, self._record, len(slices))
        for look, one in slices.items():
            if look in probes:
                one.probe = float(probes[look])

    def _train(self, candidates: list[Candidate]) -> list[Candidate]:
        """Short trainings of the best few, and longer ones of the better half of them."""
        schedule = self._context.recipe.distill.schedule
        photos = len(self._context.pool.samples)
        full = schedule.patient_epochs(photos) * schedule.steps_per_epoch(photos)
        steps = max(4, min(_MOST_STEPS, round(_SHARE_OF_STEPS * full)))
        known = [one for one in candidates if one.probe is not None or not one.design.cut]
        left = sorted(known, key=lambda one: one.score, reverse=True)[:_TRAINED]
        for steps_now in (steps, round(_LONGER * steps)):
            done = self._round(left, steps_now)
            if not done:
                break
            # What the trainings of the slowest do not need is for the search.
            self._clock.trainings_s = max(predict_trainings(self._context, one.trials).total_s for one in done)
            left = sorted(done, key=lambda one: one.score, reverse=True)[: max(1, len(done) // 2)]
            if len(left) == 1:
                break
        trained = [one for one in known if one.trials]
        return trained or left[:1]

    def _round(self, candidates: Sequence[Candidate], steps: int) -> list[Candidate]:
        """Train candidates anew for so many steps; gives those for which there was time."""
        trainings = {TrainingLook(one.design.student, steps): one for one in candidates}

        def looks() -> Iterator[TrainingLook]:
            for look, one in trainings.items():
                per_step = one.trials[-1]["seconds"] / one.trials[-1]["steps"] if one.trials else 0.0
                left_s = self._clock.search_left_s()
                if self._record.once(f"time for {look.name}", functools.partial(operator.gt, left_s, per_step * steps)):
                    yield look

        results = take_looks(looks(), self._inputs, self._record, len(trainings))
        for look, result in results.items():
            trainings[look].trials.append(result)
        return [one for look, one in trainings.items() if look in results]

    def _result(self, winner: Candidate, candidates: list[Candidate]) -> dict[str, Any]:
        costing, photos = self._costing, self._inputs.photos
        minutes_each = self._minutes_each(winner)
        near = sum(1 for one in candidates if one.trials)
        costs = ", ".join(amount(name, winner.costs[name]) for name in costing.budget.limits())
        how = f"the best of {near} short trainings" if near else "the best head on its features"
        return {
            "schema": 1,
            "student": winner.design.student,
            "cut_from": self._source.cut_from if winner.design.cut else None,
            "minutes_each": minutes_each,
            "reason": f"{how}, by {self._inputs.judged.described if near else photos.described}; it costs {costs}",
            "limits": costing.budget.limits(),
            "device": costing.budget.where,
            "metric": photos.metric,
            "considered": [
                {
                    "student": one.student, "survives": round(one.survives, 4),
                    "predicted": costing.predictor.values(one.cost),
                }
                for one in self._considered
            ],
            "candidates": [one.to_json(costing.budget.limits()) for one in candidates],
            "seconds": round(self._clock.elapsed_s(), 1),
        }  # fmt: skip

    def _minutes_each(self, winner: Candidate) -> float | None:
        """Minutes for each training of the winner, so that the whole run keeps its time; None without a bound."""
        clock = self._clock
        if clock.minutes is None:
            return None
        trainings = predict_trainings(self._context, winner.trials)
        minutes = float(self._record.once("minutes of each training", lambda: trainings.minutes_each(clock)))
        self._say(f"{winner.design.student}: {trainings.describe(clock, minutes)}")
        return minutes

    def _fail(self) -> None:
        """Nothing is within the budget: name the nearest. Raises GateFailed."""
        costing = self._costing
        design, values = costing.nearest(self._shapes, self._losses)
        parts = [
            f"{amount(name, values[name])} (at most {amount(name, limit)})"
            for name, limit in costing.budget.limits().items()
        ]
        raise GateFailed(
            f"no student is within the budget. The nearest is {design.student}: {', '.join(parts)}, "
            f"{excess(values, costing.budget.limits()):.2g} times what is allowed. Raise the limits of [student.budget]"
        )
