"""Looks at candidates that do not depend on each other: done here, or by a worker that sees the same folders."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from edgekd.pipeline.context import RunContext
from edgekd.pipeline.search.quality import ProbePhotos, probe_photos, whole_quality
from edgekd.pipeline.search.source import Source, build, open_source
from edgekd.pipeline.search.trial import TrialPhotos, probe_student, train_briefly, trial_photos
from edgekd.pipeline.stage import Workspace
from edgekd.recipe import Recipe
from edgekd.storage import digest
from edgekd.students.spec import parse_student
from edgekd.training.loop import make_deterministic


@dataclass(frozen=True, eq=False)
class LookInputs:
    """What looks need of a run, loaded once in a process.

    Short trainings write below ``directory``; where others train at the same time (``shared``), each in its own folder.
    """

    context: RunContext
    source: Source
    directory: Path
    shared: bool = False

    @functools.cached_property
    def photos(self) -> ProbePhotos:
        """The photos that features are judged on."""
        return probe_photos(self.context)

    @functools.cached_property
    def judged(self) -> TrialPhotos:
        """The photos of short trainings, and those that judge them."""
        return trial_photos(self.context)

    def folder(self, student: str) -> Path:
        """Where a short training of ``student`` writes."""
        return self.directory / "trials" / digest(student)[:12] if self.shared else self.directory

    def build(self, student: str) -> Prepared:
        """A candidate, untrained; a slice with a head that is fitted to its features.

        It is a function of the recipe's seed, whatever was done before. Narrowing and fitting take longer than a short
        training, and a candidate has several: what they gave is kept as long as the process.
        """
        make_deterministic(self.context.recipe.seed)
        known = self._prepared.get(student)
        if known is not None:
            model = build(self.context, self.source, student, shapes_only=True)
            model.set_weights(known.weights)
            return Prepared(model, known.score, known.seconds)
        started = time.monotonic()
        model = build(self.context, self.source, student)
        is_slice = parse_student(student).kind == "slice"
        score = probe_student(self.context, model, self.photos) if is_slice else None
        seconds = time.monotonic() - started
        self._prepared[student] = _Kept(model.get_weights(), score, seconds)
        return Prepared(model, score, seconds)

    @functools.cached_property
    def _prepared(self) -> dict[str, _Kept]:
        return {}


@dataclass(frozen=True, eq=False)
class Prepared:
    """A candidate before its short training, the ``score`` of the head on its features (None for a small CNN), and the
    ``seconds`` that both took when they were first done.
    """

    model: Any
    score: float | None
    seconds: float


@dataclass(frozen=True, eq=False)
class _Kept:
    weights: list[Any]
    score: float | None
    seconds: float


class Look(Protocol):
    """One look, a value that can be pickled and compared; its result is a JSON-able value."""

    @property
    def name(self) -> str:
        """Its name in the record."""

    def __call__(self, inputs: LookInputs) -> Any:
        """Take the look. Doing it again does no harm."""


@dataclass(frozen=True)
class WholeLook:
    """A linear head behind each of the ``cuts`` (numbers of blocks) of the whole network, at one input size."""

    size: int
    cuts: tuple[int, ...]

    @property
    def name(self) -> str:
        """Its name in the record."""
        return f"whole at {self.size}"

    def __call__(self, inputs: LookInputs) -> dict[int, float]:
        """The scores by number of blocks."""
        return whole_quality(inputs.context, inputs.source.network, self.size, self.cuts, inputs.photos)


@dataclass(frozen=True)
class ProbeLook:
    """A linear head on the features of an untrained slice."""

    student: str

    @property
    def name(self) -> str:
        """Its name in the record."""
        return f"probe of {self.student}"

    def __call__(self, inputs: LookInputs) -> float:
        """Its score."""
        score = inputs.build(self.student).score
        assert score is not None
        return score


@dataclass(frozen=True)
class TrainingLook:
    """A short training of so many steps."""

    student: str
    steps: int

    @property
    def name(self) -> str:
        """Its name in the record."""
        return f"{self.steps} steps of {self.student}"

    def __call__(self, inputs: LookInputs) -> dict[str, float]:
        """Its score and seconds, as search.json has them."""
        built = inputs.build(self.student)
        outcome = train_briefly(inputs.context, built.model, inputs.judged, self.steps, inputs.folder(self.student))
        return {
            "steps": self.steps, "score": outcome.score, "seconds": round(outcome.seconds, 2),
            "step_s": round(outcome.step_s, 5), "view_s": round(outcome.view_s, 5), "built_s": round(built.seconds, 1),
        }  # fmt: skip


@dataclass(frozen=True)
class LooksJob:
    """What takes the looks of a ``run`` on a worker; the run's directory and its photos must be visible there."""

    recipe: Recipe
    run: Path
    directory: Path

    def __call__(self) -> LookTaker:
        """Load the photos and the network that candidates are cut from."""
        context = RunContext(Workspace(self.run), self.recipe)
        return LookTaker(LookInputs(context, open_source(context), self.directory, shared=True))


@dataclass(frozen=True)
class LookTaker:
    """Takes looks with what was loaded for them."""

    inputs: LookInputs

    def __call__(self, look: Look) -> Any:
        """The look's result."""
        return look(self.inputs)
