"""Training a teacher in stages: its head, then its last blocks, then all of it, each kept only if held-out photos gain.

A fine-tune takes the weights of its last epoch: choosing the best of many epochs by the photos that then judge the
stage would flatter it against the head, which has no epochs.

Its cross-entropy must be lower beyond chance. On few photos a fine-tune ends in features that are one point a class
(neural collapse: Papyan, Han and Donoho, PNAS 2020), and its answers for other photos no longer say how sure it is,
which is what a student learns from.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from edgekd.memory import free_memory
from edgekd.models.blocks import blocks_of, last_frozen
from edgekd.progress import Progress
from edgekd.task import Metric
from edgekd.teacher.labelled_views import LabelledViews
from edgekd.teacher.transfer import fine_tune, frozen_bytes, probe
from edgekd.training.checkpoint import assign, copy_values
from edgekd.training.loop import Validation, logits_of
from edgekd.training.schedule import Schedule
from edgekd.training.scores import photo_losses, score
from edgekd.training.time_budget import describe_duration

Logits = npt.NDArray[np.float32]
Labels = npt.NDArray[np.integer]
Numbers = npt.NDArray[np.int64]
Epochs = list[dict[str, float]]

_LAST_SHARE = 1 / 3
_SIGNIFICANCE = 0.05
_FLOAT_BYTES = 4
# A weight that is trained has a gradient and AdamW's two moments beside it.
_COPIES = 4


@dataclass(frozen=True)
class TrainingStage:
    """A part of a network that is trained: the last ``blocks`` of it and its head; with 0 the head alone."""

    name: str
    blocks: int


class StageRecord(TypedDict):
    """What a stage scored on the photos that judged it, and whether its weights stay.

    ``score`` is the recipe's metric and ``loss`` the mean cross-entropy in nats over ``n`` photos.
    """

    name: str
    blocks: int
    score: float
    loss: float
    n: int
    cross_validated: bool
    kept: bool


class StageLeftOut(Exception):
    """A stage whose fine-tune is predicted to take longer than it may, or more memory than is free."""


@dataclass(frozen=True)
class Judgement:
    """The score of logits on held-out photos, and each photo's cross-entropy in nats, ``losses`` [N]."""

    score: float
    losses: npt.NDArray[np.floating]

    @property
    def loss(self) -> float:
        """The mean cross-entropy."""
        return float(np.mean(self.losses))

    def beats(self, other: Judgement | None) -> bool:
        """Whether it has the higher score or, at the same one, the lower cross-entropy."""
        return other is None or (self.score, -self.loss) > (other.score, -other.loss)

    def gains_on(self, other: Judgement) -> bool:
        """Whether it has the higher score and no higher cross-entropy."""
        return self.score > other.score and self.loss <= other.loss

    def clearly_beats(self, other: Judgement | None) -> bool:
        """Whether it has the higher score, and a cross-entropy that is lower beyond chance (p < 0.05).

        By a paired, one-sided t-test over the photos.
        """
        if other is None:
            return True
        # Slow to load.
        from scipy.stats import ttest_rel

        return self.score > other.score and bool(
            ttest_rel(self.losses, other.losses, alternative="less").pvalue < _SIGNIFICANCE
        )


@dataclass(frozen=True)
class StageTrainer:
    """Trains stages of a model on views of labelled photos.

    ``directory`` holds a checkpoint of every fine-tune until ``tidy``: killed, a later call with the same ``key`` goes
    on from there. ``note`` is called with sentences for a person, ``progress`` with steps. A stage that is predicted to
    take more than ``most_s`` seconds, or more memory than is free, is left out.
    """

    views: LabelledViews
    schedule: Schedule
    seed: int
    directory: Path
    key: str
    note: Callable[[str], None]
    progress: Progress | None = None
    most_s: float | None = None

    def fit(
        self, model: Any, stage: TrainingStage, photos: Numbers, validation: Validation, part: str = "", fits: float = 1
    ) -> Epochs:
        """Train one stage of ``model`` in place on ``photos`` (their numbers among the views); returns the epochs.

        The penalty of a head is chosen on ``validation``; nothing else is. ``part`` sets checkpoints apart;
        all fits of the stage take ``fits`` times as long as this one. Raises StageLeftOut.
        """
        if stage.blocks == 0:
            probe(model, self.views, validation, self.progress, photos=photos)
            return []

        needed = training_bytes(model, stage.blocks, self.schedule.batch_size)
        needed += frozen_bytes(model, self.views, stage.blocks)
        free = free_memory()
        memory = f"about {max(0.1, needed / 1e9):.1f} GB of memory"
        if self.most_s is not None and free is not None and needed > free[0]:
            self.note(
                f"teacher: fine-tuning {stage.name} would take {memory}, and {free[0] / 1e9:.1f} GB are free: it is "
                "left out. A smaller teacher.fine_tune.batch_size takes less"
            )
            raise StageLeftOut(stage.name)

        def say_duration(seconds: float) -> None:
            where = f" for {part}" if part else ""
            if self.most_s is not None and seconds * fits > self.most_s:
                self.note(
                    f"teacher: fine-tuning {stage.name} would take {describe_duration(seconds * fits)}, more than the "
                    f"{self.most_s / 60:.1f} minutes that it may: it is left out"
                )
                raise StageLeftOut(stage.name)
            self.note(f"teacher: fine-tuning {stage.name}{where} takes {describe_duration(seconds)} and {memory}")

        nothing = Validation(validation.images[:0], validation.labels[:0], validation.metric)
        return fine_tune(
            model, self.views, nothing, self.schedule, last_blocks=stage.blocks, seed=self.seed, photos=photos,
            checkpoint=self.checkpoint(stage, part), key=self.key, progress=self.progress, predicted=say_duration,
        ).epochs  # fmt: skip

    def checkpoint(self, stage: TrainingStage, part: str = "") -> Path:
        """Where the state of a stage's fine-tune is."""
        return self.directory / f"checkpoint-{'-'.join([*part.split(), str(stage.blocks)])}.npz"

    def tidy(self) -> None:
        """Remove what was there to be resumed from."""
        for path in self.directory.glob("checkpoint*.npz"):
            path.unlink()


def stages_of(model: Any) -> tuple[TrainingStage, ...]:
    """The head, the last third of the blocks, and all of them; of a network without blocks, the head."""
    count = len(blocks_of(model))
    last = round(_LAST_SHARE * count)
    stages = [TrainingStage("the head", 0)]
    if last:
        stages.append(TrainingStage(f"the last {last} blocks" if last > 1 else "the last block", last))
    if count > last:
        stages.append(TrainingStage(f"all {count} blocks" if count > 1 else "its block", count))
    return tuple(stages)


def judge(logits: Logits, labels: Labels, metric: Metric) -> Judgement:
    """Score and cross-entropy of logits [N, C] against labels [N] or tags [N, C]."""
    return Judgement(score(logits, labels, metric), photo_losses(logits, labels))


def train_stages(
    model: Any, trainer: StageTrainer, photos: Numbers, validation: Validation
) -> tuple[list[StageRecord], Epochs]:
    """Train the stages on ``photos``, one after the other, in place, and end with the weights of the last one kept.

    Each begins with the weights of the best so far, and is kept where it clearly beats them on ``validation``.

    Returns:
        A record a stage, and the epochs of the fine-tune that was kept.
    """
    records: list[StageRecord] = []
    best: Judgement | None = None
    weights, best_epochs = copy_values(model.variables), Epochs()
    for stage in stages_of(model):
        try:
            epochs = trainer.fit(model, stage, photos, validation)
        except StageLeftOut:
            # The stages after it take longer.
            assign(model.variables, weights)
            break
        judged = judge(logits_of(model, validation.images), validation.labels, validation.metric)
        kept = judged.clearly_beats(best)
        records.append(record_of(stage, judged, len(validation.labels), kept))
        if kept:
            best, weights, best_epochs = judged, copy_values(model.variables), epochs
        else:
            assign(model.variables, weights)
    return records, best_epochs


def record_of(
    stage: TrainingStage, judged: Judgement, count: int, kept: bool, *, cross_validated: bool = False
) -> StageRecord:
    """The record of a stage that was judged on ``count`` photos."""
    return {
        "name": stage.name, "blocks": stage.blocks, "score": judged.score, "loss": judged.loss, "n": count,
        "cross_validated": cross_validated, "kept": kept,
    }  # fmt: skip


def training_bytes(model: Any, last_blocks: int, batch_size: int) -> int:
    """Bytes that training the last blocks of a flat Keras model takes.

    They are what the trained layers are given for a batch, which their gradients need, and beside each weight its
    gradient and moments. BatchNorm is frozen and needs neither; of the layers before these blocks nothing is kept.
    """
    import keras

    first = last_frozen(model, last_blocks)
    trains, inputs, weights = first is None, 0, 0
    for layer in model.layers:
        if trains and layer.weights and not isinstance(layer, keras.layers.BatchNormalization):
            inputs += sum(
                math.prod(size or 1 for size in tensor.shape[1:]) for tensor in keras.tree.flatten(layer.input)
            )
            weights += layer.count_params()
        trains = trains or layer.name == first
    return _FLOAT_BYTES * (inputs * batch_size + _COPIES * weights)
