"""What a tap means, and a training with taps: projectors learn along, and a kill leaves no trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from edgekd.distill.attention_transfer import AttentionTransfer
from edgekd.distill.bind import BoundObjective, bind, feature_model, find_tap
from edgekd.distill.confidence import ConfidenceThreshold
from edgekd.distill.fitnet import FitNet
from edgekd.distill.hinton import Hinton
from edgekd.distill.objective import Taps
from edgekd.distill.table import Term, Weighted
from edgekd.distill.vectors import VectorTeacher
from edgekd.errors import ModelError
from edgekd.training.batches import BatchStream
from edgekd.training.labels import LabelsOnly
from edgekd.training.loop import Validation, _weighted_loss, make_deterministic, train
from edgekd.training.schedule import Schedule


def network(width: int, name: str) -> Any:
    image = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(1 / 128, -1.0, name="rescale")(image)
    x = keras.layers.Conv2D(width, 3, padding="same", name="fine_conv")(x)
    x = keras.layers.ReLU(name="fine")(x)
    x = keras.layers.Conv2D(2 * width, 3, 2, padding="same", name="coarse_conv")(x)
    x = keras.layers.ReLU(name="coarse")(x)
    return keras.Model(image, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x)), name=name)


def both() -> tuple[Any, Any]:
    make_deterministic(1)
    return network(3, "student"), network(5, "teacher")


HINTS = Weighted(
    terms=(
        Term(objective=Hinton()),
        Term(weight=0.5, objective=FitNet()),
        Term(weight=2.0, objective=AttentionTransfer(taps=Taps(student="mid", teacher="fine"))),
        Term(objective=AttentionTransfer()),
    )
)


def test_last_is_the_last_maps_and_mid_the_last_of_a_finer_grid() -> None:
    student, _ = both()
    assert [find_tap(student, name, "student") for name in ("last", "mid", "fine_conv")] == [
        "coarse",
        "fine",
        "fine_conv",
    ]
    with pytest.raises(
        ModelError, match="student student has no layer of feature maps for the tap 'corse'; nearest: coarse"
    ):
        find_tap(student, "corse", "student")


def test_mid_of_a_network_of_one_grid_is_an_error() -> None:
    image = keras.Input((8, 8, 3))
    flat = keras.Model(image, keras.layers.Flatten()(keras.layers.Conv2D(2, 3, strides=2)(image)), name="flat")
    with pytest.raises(ModelError, match="teacher flat has no layer of feature maps for the tap 'mid'"):
        find_tap(flat, "mid", "teacher")


def test_a_sum_is_the_weighted_losses_of_its_terms() -> None:
    student, teacher = both()
    bound = bind(HINTS, student, teacher)
    assert bound.teacher_layers == ("coarse", "fine")  # Asked for twice, brought once.
    images = tf.random.uniform((4, 8, 8, 3), maxval=255, seed=1)
    ours = bound.tapped(images)
    theirs = [teacher(images), *feature_model(teacher, bound.teacher_layers)(images)]
    labels = tf.constant([0, 1, -1, -1])
    projected = bound.tapped.get_layer("hint_6_to_10")(student.get_layer("coarse").output)
    assert ours[1].shape == (4, *projected.shape[1:])
    expected = (
        Hinton()(labels, ours[0], theirs[0])
        + 0.5 * FitNet()(labels, ours[1], theirs[1])
        + 2.0 * AttentionTransfer()(labels, ours[2], theirs[2])
        + AttentionTransfer()(labels, ours[3], theirs[1])
    )
    assert np.asarray(bound(labels, ours, theirs)) == pytest.approx(np.asarray(expected), rel=1e-5)


def test_trust_multiplies_the_loss_of_unlabelled_photos() -> None:
    student, _ = both()
    teacher = tf.math.log([[0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    labels, logits = tf.constant([-1, -1, 0]), tf.zeros((3, 2))
    trusting = bind(Hinton(), student)
    filtering = bind(Hinton(), student, confidence=ConfidenceThreshold(at_least=0.8))
    whole = np.asarray(_weighted_loss(trusting, labels, logits, teacher))
    assert whole == pytest.approx(np.asarray(trusting(labels, logits, teacher)))
    assert np.asarray(_weighted_loss(filtering, labels, logits, teacher)).tolist() == [whole[0], 0.0, whole[2]]
    # Of mixed views what counts is how sure the teacher is of the photos, not of the mixture.
    mixed = (labels, tf.constant([0.5, 0.5, 0.5]), tf.constant([0.7, 0.95, 0.7]))
    assert np.asarray(_weighted_loss(filtering, labels, logits, teacher, *mixed)).tolist() == [0.0, whole[1], whole[2]]


def test_features_of_a_teacher_that_shows_none_are_an_error() -> None:
    student, _ = both()
    with pytest.raises(ModelError, match=r"fitnet compares features, and this teacher shows only its logits"):
        bind(HINTS, student)


class Photos:
    views = 2

    def gather(self, photos: Any, views: Any) -> Any:
        values = np.random.default_rng(3).integers(0, 255, (20, 2, 8, 8, 3), np.uint8)
        return values[photos, views]


class Online:
    """What the teacher gives for a view, computed when it is asked for."""

    def __init__(self, model: Any, output: int) -> None:
        self.model, self.output = model, output

    def __getitem__(self, where: tuple[Any, Any]) -> Any:
        return self.model(Photos().gather(*where).astype(np.float32))[self.output].numpy()


def learn(folder: Path, *, stop_after: int | None = None) -> tuple[BoundObjective, Any, list[Any]]:
    student, teacher = both()
    bound = bind(HINTS, student, teacher)
    features = feature_model(teacher, bound.teacher_layers)
    logits = keras.Model(teacher.input, [teacher.output])
    stream = BatchStream(
        Photos(), np.arange(20), np.repeat([0, 1, -1, -1], 5), Online(logits, 0), batch_size=8, seed=2,
        features=[Online(features, 0), Online(features, 1)],
    )  # fmt: skip

    def progress(done: int, _total: int) -> None:
        if done == stop_after:
            raise KeyboardInterrupt

    history = train(
        student, bound, stream, Validation(Photos().gather([0, 1], [0, 0]), np.array([0, 0])),
        Schedule(epochs=4, batch_size=8, learning_rate=0.01), steps_per_epoch=3,
        checkpoint=folder / "checkpoint.npz", key="k", tapped=bound.tapped, progress=progress,
    )  # fmt: skip
    return bound, history, [v.numpy() for v in bound.tapped.variables]


def test_projectors_learn_along_and_an_interrupted_training_ends_in_the_same_weights(tmp_path: Path) -> None:
    student, teacher = both()
    before = bind(HINTS, student, teacher).tapped.get_layer("hint_6_to_10").kernel.numpy()
    whole, history, expected = learn(tmp_path / "a")
    assert np.abs(whole.tapped.get_layer("hint_6_to_10").kernel.numpy() - before).max() > 1e-3
    assert history.epochs[-1]["loss"] < history.epochs[0]["loss"]
    with pytest.raises(KeyboardInterrupt):
        learn(tmp_path / "b", stop_after=8)
    _, _, weights = learn(tmp_path / "b")
    assert all((a == b).all() for a, b in zip(weights, expected, strict=True))


def test_without_validation_photos_the_last_epoch_is_kept(tmp_path: Path) -> None:
    student, _ = both()
    nothing = Validation(np.zeros((0, 8, 8, 3), np.uint8), np.zeros(0, np.int64))
    stream = BatchStream(Photos(), np.arange(20), np.repeat([0, 1], 10), None, batch_size=8, seed=2)
    history = train(
        student, LabelsOnly(), stream, nothing, Schedule(epochs=3, batch_size=8), steps_per_epoch=2,
        checkpoint=tmp_path / "c.npz", key="k",
    )  # fmt: skip
    assert history.best_epoch == 2
    assert set(history.epochs[0]) == {"epoch", "loss"}


def test_an_encoders_vectors_are_compared_with_the_mean_over_all_places() -> None:
    student, _ = both()
    teacher = VectorTeacher(4)
    objective = Weighted(terms=(Term(objective=Hinton()), Term(weight=0.5, objective=FitNet())))
    bound = bind(objective, student, teacher)
    assert (bound.teacher_layers, bound.layer_of_term) == (("features",), (0,))
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype(np.float32)
    logits, hint = (np.asarray(part) for part in bound.tapped(images))
    maps = np.asarray(feature_model(student, ("coarse",))(images))
    projector = next(layer for layer in bound.tapped.layers if layer.name.startswith("hint_"))
    kernel, bias = projector.get_weights()
    np.testing.assert_allclose(hint[:, 0, 0], maps.mean(axis=(1, 2)) @ kernel[0, 0] + bias, rtol=1e-4, atol=1e-4)
    vectors = np.random.default_rng(1).normal(size=(3, 1, 1, 4)).astype(np.float32)
    loss = np.asarray(bound(np.array([-1, -1, -1]), (logits, hint), (logits, vectors)))
    expected = 0.5 * ((hint - vectors) ** 2).mean(axis=(1, 2, 3))
    # Logits that are the teacher's leave what the entropy is, the same for every objective on features.
    same = np.asarray(bound(np.array([-1, -1, -1]), (logits, hint), (logits, hint)))
    np.testing.assert_allclose(loss - same, expected, rtol=1e-3, atol=1e-3)
    middle = Weighted(terms=(Term(objective=Hinton()), Term(objective=FitNet(taps=Taps(teacher="mid")))))
    with pytest.raises(ModelError, match=r"the teacher encoder has no layer .* for the tap 'mid'; .*features"):
        bind(middle, student, teacher)
