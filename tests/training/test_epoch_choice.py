"""Which epoch counts: few photos don't make the luckiest one the best, and many show a clear loss."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekd import scoring
from edgekd.task import Metric
from edgekd.training.checkpoint import TrainingState, load_state, save_state
from edgekd.training.epoch_choice import counts, describe_choice
from edgekd.training.scores import tag_probabilities, validation_scores

LUCKY = (15, 12, 12, 13, 12, 14, 13, 13)


def logits_right(right: int, n: int) -> Any:
    """Logits [n, 2] that answer the first ``right`` photos of class 1, 0, 1, 0 ... rightly."""
    labels = np.arange(n) % 2
    answers = np.where(np.arange(n) < right, labels, 1 - labels)
    return np.eye(2, dtype=np.float32)[answers], labels


def chosen_epoch(epochs: Sequence[Any], labels: Any, metric: Metric, choose_from: int = 0, folder: Any = None) -> Any:
    """The state after epochs with these logits; with a ``folder`` it is stored and read between any two of them."""
    state = TrainingState("k")
    for number, logits in enumerate(epochs):
        state.history.append({"epoch": number, **validation_scores(logits, labels, metric)})
        if counts(state, logits, labels, metric, choose_from):
            state.best_epoch = number
        if folder is not None:
            save_state(folder / "state.npz", state)
            read = load_state(folder / "state.npz", "k")
            assert read is not None
            state = read
    return state


@pytest.mark.parametrize(("photos", "best"), [(15, 7), (1500, 0)])
def test_the_luckiest_epoch_counts_only_where_photos_can_tell(photos: int, best: int) -> None:
    rows = [logits_right(right * photos // 15, photos) for right in LUCKY]
    for metric in ("accuracy", "balanced_accuracy"):
        assert chosen_epoch([logits for logits, _ in rows], rows[0][1], metric).best_epoch == best  # type: ignore[arg-type]


def test_an_epoch_that_is_clearly_worse_never_counts() -> None:
    rows = [logits_right(right, 15) for right in (8, 15, 14, 8, 11)]
    state = chosen_epoch([logits for logits, _ in rows], rows[0][1], "accuracy")
    assert (state.best_epoch, state.highest_epoch) == (2, 1)
    assert describe_choice(state, "accuracy") == (
        "the latest whose accuracy on the validation photos is within the 95% interval of the highest"
    )
    assert state.floor == pytest.approx(15 / (15 + 1.959964**2))
    assert describe_choice(TrainingState("k"), "accuracy") == "the last, because there are no validation photos"


@pytest.mark.parametrize("metric", ["mean_average_precision", "macro_f1"])
def test_epochs_of_tags_are_told_apart_by_the_interval_of_their_metric(metric: Metric) -> None:
    rng = np.random.default_rng(0)
    for photos, best in ((20, 1), (2000, 0)):
        tags = (rng.random((photos, 3)) < 0.4).astype(np.int8)
        # The second epoch orders and decides a little worse, the third by chance alone.
        noise = rng.normal(size=tags.shape)
        epochs = [np.float32((tags - 0.5) * sharp + noise) for sharp in (4.0, 3.0, 0.0)]
        assert chosen_epoch(epochs, tags, metric).best_epoch == best


def test_epochs_before_the_first_that_may_be_chosen_set_no_bar() -> None:
    rows = [logits_right(right, 150) for right in (150, 140, 90, 95, 60)]
    logits, labels = [one for one, _ in rows], rows[0][1]
    assert chosen_epoch(logits[:2], labels, "accuracy", choose_from=2).best_epoch == 1
    assert chosen_epoch(logits, labels, "accuracy", choose_from=2).best_epoch == 3


def test_judged_one_by_one_and_resumed_the_epoch_is_that_of_the_whole_history(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for metric in ("balanced_accuracy", "macro_f1"):
        for _ in range(6):
            labels = (rng.random((40, 3)) < 0.4).astype(np.int8) if metric == "macro_f1" else rng.integers(0, 3, 40)
            spread = labels if labels.ndim == 2 else np.eye(3)[labels]
            epochs = [np.float32((spread - 0.5) * rng.uniform(0, 5) + rng.normal(size=(40, 3))) for _ in range(8)]
            answers = [tag_probabilities(one) if labels.ndim == 2 else one.argmax(axis=1) for one in epochs]
            scores = [scoring.score(metric, labels, one) for one in answers]  # type: ignore[arg-type]
            highest = max(scores, key=lambda score: score.value)
            expected = max(number for number, score in enumerate(scores) if score.value >= highest.low)
            state = chosen_epoch(epochs, labels, metric, folder=tmp_path)  # type: ignore[arg-type]
            assert state.best_epoch == expected
            assert state == chosen_epoch(epochs, labels, metric)  # type: ignore[arg-type]
