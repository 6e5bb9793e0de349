"""The heads of encoders: fitted to labels, linear or an MLP, whichever held-out photos are for, and their file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict

import numpy as np
import numpy.typing as npt

from edgekd.errors import RunError
from edgekd.metrics import Interval
from edgekd.scoring import score
from edgekd.storage import sha256_file, write_bytes
from edgekd.task import Metric, Task
from edgekd.teacher.average import Average
from edgekd.teacher.cross_validation import FOLDS, assign_folds
from edgekd.teacher.encoder import Features
from edgekd.teacher.encoder_teacher import FittedHeads, Head, apply_heads
from edgekd.teacher.head import LinearHead, fit_head, moments_of
from edgekd.teacher.mlp_head import MlpHead, fit_mlp_head
from edgekd.teacher.staged import Judgement, Labels, Logits, judge
from edgekd.teacher.words import WordsRecord
from edgekd.teacher.words_head import WordsHead, fit_words_head
from edgekd.text import first_line
from edgekd.training.scores import tag_probabilities

HEADS = "heads.npz"
HeadKind = Literal["words", "linear", "mlp", "both"]
Numbers = npt.NDArray[np.int64]
_ARRAYS: dict[type, tuple[str, ...]] = {
    LinearHead: ("kernel", "bias"),
    MlpHead: ("hidden_kernel", "hidden_bias", "kernel", "bias"),
    WordsHead: ("vectors", "scale", "offset", "kernel", "bias"),
}
_NAMES: dict[HeadKind, str] = {
    "words": "class words alone", "linear": "a linear head", "mlp": "an MLP", "both": "class words with labels",
}  # fmt: skip


class HeadRecord(TypedDict):
    """What a kind of head scored on the ``n`` photos that judged it, and whether it is the one that was taken.

    ``score`` is the recipe's metric, ``low`` to ``high`` its 95 % interval, ``loss`` the mean cross-entropy in nats.
    """

    head: HeadKind
    score: float
    low: float
    high: float
    loss: float
    n: int
    cross_validated: bool
    kept: bool


@dataclass(frozen=True)
class HeadTraining:
    """The answers for the validation photos, logits [N, C], how the kinds of heads that were tried did, and how long
    features and heads took.

    ``words`` says which class words took part; words alone take no training.
    """

    logits: Logits
    records: list[HeadRecord]
    seconds: float | None
    words: WordsRecord | None = None

    def facts(self) -> dict[str, Any]:
        """What a summary holds of it."""
        return {"heads": self.records, **({} if self.words is None else {"words": self.words})}


@dataclass(frozen=True)
class LabelledFeatures:
    """Features of N labelled photos in V views, [N, V, D] of each encoder; ``labels`` are [N] or tags [N, C].

    View 0 is the photo as it is.
    """

    views: tuple[npt.NDArray[np.float16], ...]
    labels: Labels

    def rows(self, photos: Numbers) -> tuple[list[Features], Labels]:
        """All views of some photos, view by view: features [V * M, D] of each encoder, and their labels."""
        features = [part[photos].swapaxes(0, 1).reshape(-1, part.shape[-1]).astype(np.float32) for part in self.views]
        return features, np.concatenate([self.labels[photos]] * self.views[0].shape[1])

    def plain(self, photos: Numbers) -> tuple[list[Features], Labels]:
        """View 0 of some photos: features [M, D] of each encoder, and their labels."""
        return [part[photos, 0].astype(np.float32) for part in self.views], self.labels[photos]


@dataclass(frozen=True)
class HeadTrainer:
    """Fits heads to labels on ``features``: one on those of all encoders, or with ``average`` one an encoder.

    ``words`` is the head of class words alone, where there are class words.
    """

    features: LabelledFeatures
    classes: int
    average: Average | None
    task: Task
    metric: Metric
    seed: int
    words: WordsHead | None = None

    def fit(self, kind: HeadKind, photos: Numbers, held_out: Numbers) -> list[Head]:
        """Heads of ``photos``, whose penalty is chosen on the photos ``held_out``; nothing else is."""
        rows, labels = self.features.rows(photos)
        plain, truth = self.features.plain(held_out)
        if self.average is None:
            rows, plain = [np.concatenate(rows, axis=1)], [np.concatenate(plain, axis=1)]
        return [self._fit_one(kind, part, labels, (other, truth)) for part, other in zip(rows, plain, strict=True)]

    def answers(self, heads: Sequence[Head], photos: Numbers) -> Logits:
        """Logits [M, C] of photos as they are."""
        return apply_heads(heads, self.features.plain(photos)[0], self.average, self.task)

    def _fit_one(self, kind: HeadKind, rows: Features, labels: Labels, held_out: tuple[Features, Labels]) -> Head:
        if kind in ("words", "both"):
            assert self.words is not None
            if kind == "words":
                return self.words
            return fit_words_head(self.words, rows, labels, held_out, self.classes)
        if kind == "linear":
            return fit_head(rows, labels, held_out, self.classes)
        return fit_mlp_head(rows, labels, held_out, self.classes, self.seed)


def train_heads(
    trainer: HeadTrainer,
    kinds: Sequence[HeadKind],
    training: Numbers,
    held_out: Numbers,
    groups: Numbers | None = None,
) -> tuple[list[Head], list[HeadRecord]]:
    """Fit the best of some kinds of heads on the photos ``training``; the first wins where no other does better.

    Args:
        trainer: Its features are of the training and the validation photos.
        kinds: What to choose from.
        training: Numbers of the photos to learn from.
        held_out: Numbers of the validation photos, which judge, unless ``groups`` is given.
        groups: The group of duplicates of every photo: then cross-validation over all of them judges.

    Returns:
        The heads, and a record a kind; none where there is nothing to choose.
    """
    if len(kinds) == 1:
        return trainer.fit(kinds[0], training, held_out), []
    labels = trainer.features.labels
    judged_on = held_out if groups is None else np.arange(len(labels))
    records: list[HeadRecord] = []
    best: Judgement | None = None
    for kind in kinds:
        if groups is None:
            answers = trainer.answers(trainer.fit(kind, training, held_out), held_out)
        else:
            answers = _cross_validated(trainer, kind, groups)
        judged = judge(answers, labels[judged_on], trainer.metric)
        kept = judged.beats(best)
        best = judged if kept else best
        interval = _interval(trainer, answers, labels[judged_on])
        records.append(
            {"head": kind, "score": judged.score, "low": interval.low, "high": interval.high, "loss": judged.loss,
             "n": len(judged_on), "cross_validated": groups is not None, "kept": kept}
        )  # fmt: skip
    chosen = [record["head"] for record in records if record["kept"]][-1]
    return trainer.fit(chosen, training, held_out), [{**r, "kept": r["head"] == chosen} for r in records]


def describe_heads(records: Sequence[HeadRecord]) -> str:
    """How the kinds of heads did, in a sentence; empty where there was no choice."""
    if not records:
        return ""
    judged = "cross-validated" if records[0]["cross_validated"] else "on validation photos"
    scores = ", ".join(f"{_NAMES[record['head']]} {record['score']:.1%}" for record in records)
    return f"teacher: {scores} ({judged}); taken: {next(_NAMES[r['head']] for r in records if r['kept'])}"


def save_heads(path: Path, heads: Sequence[Head], features: Sequence[Features]) -> None:
    """Write heads, and the moments of the encoders' features [N, D] that they were fitted to, as an .npz file."""
    mean, scale = (np.concatenate(parts) for parts in zip(*map(moments_of, features), strict=True))
    arrays: dict[str, Any] = {"mean": mean, "scale": scale}
    for number, head in enumerate(heads):
        values = {name: getattr(head, name) for name in _ARRAYS[type(head)]}
        arrays |= {f"{number}.{name}": value for name, value in values.items() if value is not None}
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    write_bytes(path, stream.getvalue())


def load_heads(path: Path) -> FittedHeads:
    """The heads in a file that `save_heads` wrote. Raises RunError where it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: np.asarray(file[name], np.float32) for name in file.files}
        heads: list[Head] = []
        while part := _part(arrays, f"{len(heads)}."):
            heads.append(_head_of(part))
        return FittedHeads(tuple(heads), arrays["mean"], arrays["scale"], sha256_file(path))
    except Exception as error:  # NumPy's reader raises many kinds on a damaged file.
        raise RunError(
            f"{path} is damaged ({first_line(error)}). Delete its folder to train the teacher again"
        ) from None


def _interval(trainer: HeadTrainer, logits: Logits, labels: Labels) -> Interval:
    answers = tag_probabilities(logits) if trainer.task == "multi-label" else logits.argmax(axis=1)
    return score(trainer.metric, labels, answers)


def _part(arrays: dict[str, Features], prefix: str) -> dict[str, Features]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _head_of(arrays: dict[str, Features]) -> Head:
    if "vectors" in arrays:
        scale = float(arrays["scale"])
        return WordsHead(arrays["vectors"], scale, arrays["offset"], arrays.get("kernel"), arrays.get("bias"))
    kernel, bias = arrays["kernel"], arrays["bias"]
    if "hidden_kernel" in arrays:
        return MlpHead(arrays["hidden_kernel"], arrays["hidden_bias"], kernel, bias)
    return LinearHead(kernel, bias, 0.0)


def _cross_validated(trainer: HeadTrainer, kind: HeadKind, groups: Numbers) -> Logits:
    """Logits [N, C] of every photo, by heads that were fitted to those of the other folds."""
    labels = trainer.features.labels
    folds = assign_folds(labels, groups, trainer.seed)
    logits = np.zeros((len(labels), trainer.classes), np.float32)
    for number in range(FOLDS):
        held_out, others = np.flatnonzero(folds == number), np.flatnonzero(folds != number)
        logits[held_out] = trainer.answers(trainer.fit(kind, others, held_out), held_out)
    return logits
