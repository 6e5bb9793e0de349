"""The teacher's answers on photos without labels, and how often a student's file gives the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekd.data.dataset import Dataset, Sample
from edgekd.evaluation.score import probabilities, thresholds_of
from edgekd.formats.artifact import Artifact
from edgekd.pipeline.context import RunContext
from edgekd.scoring import agreement
from edgekd.soft_targets.store import SoftTargets
from edgekd.training.scores import tag_probabilities

# Enough to tell students apart by a few points, few enough for seconds.
_MOST_PHOTOS = 500


@dataclass(frozen=True)
class PoolAnswers:
    """Photos without labels and the teacher's probabilities [N, C] for each, over all of its views."""

    samples: tuple[Sample, ...]
    teacher: NDArray[np.floating]

    def agreement(self, artifact: Artifact, dataset: Dataset) -> float:
        """Share of the photos for which a file predicts the teacher's class, or of decisions on tags that are alike."""
        answers = probabilities(artifact, dataset, list(self.samples), threads=2)
        # The teacher gives a tag from 0.5 on.
        thresholds = thresholds_of(artifact, dataset)
        return agreement(answers, self.teacher, dataset.task, thresholds=thresholds, other_thresholds=0.5).value


def pool_size(dataset: Dataset) -> int:
    """How many photos without labels `pool_answers` takes."""
    return min(len(dataset.split("unlabelled")), _MOST_PHOTOS)


def pool_answers(context: RunContext) -> PoolAnswers:
    """The stored answers of the run's teacher on at most 500 of its photos without labels, chosen by the seed.

    A photo's answer follows from the mean probability over its stored views.
    """
    samples = context.pool.samples
    places = np.array([place for place, sample in enumerate(samples) if sample.split == "unlabelled"], np.int64)
    rng = np.random.default_rng(context.recipe.seed)
    places = np.sort(rng.choice(places, min(_MOST_PHOTOS, len(places)), replace=False))
    stored = SoftTargets(context.path / "soft_targets")
    views = stored.shape[1]
    logits = stored[np.repeat(places, views), np.tile(np.arange(views), len(places))].astype(np.float64)
    logits = logits.reshape(len(places), views, -1)
    if context.dataset.task == "multi-label":
        shares = tag_probabilities(logits)
    else:
        shares = np.exp(logits - logits.max(axis=2, keepdims=True))
        shares /= shares.sum(axis=2, keepdims=True)
    return PoolAnswers(tuple(samples[place] for place in places), shares.mean(axis=1))
