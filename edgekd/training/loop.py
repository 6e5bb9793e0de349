"""The training loop: one step function for every model and every objective, resumable to the bit.

The same code trains a Keras 3 and a tf_keras model: it needs a callable, its trainable variables and an optimizer.
In float32: on the CPUs that were measured, those with bfloat16 instructions too, mixed_bfloat16 made a step slower
(benchmarks/kd_speed).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.progress import Progress
from edgekd.quiet import import_keras
from edgekd.task import Metric
from edgekd.training.batches import Batch, BatchStream
from edgekd.training.checkpoint import TrainingState, assign, copy_values, load_state, save_state
from edgekd.training.epoch_choice import LAST, counts, describe_choice
from edgekd.training.replicas import gather_outputs, parts_of, replicas, run_on_each, synchronize_norms
from edgekd.training.schedule import Schedule
from edgekd.training.scores import validation_scores

NOT_DECAYED = ("gamma", "beta", "bias")
"""Parts of the names of weights that weight decay leaves alone."""


_PACE_STEPS = 4


class Loss(Protocol):
    """What training minimizes: labels int32 [B] (-1: none), student and teacher logits [B, C], to losses [B].

    Where photos have tags, labels are int32 [B, C], and a row of -1 where there are none.
    Where training has taps, ``student`` and ``teacher`` are sequences of the logits and of features [B, ...].
    """

    def __call__(self, labels: Any, student: Any, teacher: Any) -> Any:
        """Loss of each photo [B]."""


@runtime_checkable
class TrustingLoss(Protocol):
    """A loss that counts some photos for less than others."""

    def trust(self, labels: Any, teacher: Any, sure: Any) -> Any:
        """Factor of each photo's loss [B]; ``sure`` is the batch's, None where no view is mixed."""


@dataclass(frozen=True)
class Validation:
    """Photos that steer training but never feed it: ``images`` uint8 [N, H, W, 3], ``labels`` int [N] or tags [N, C].

    Where only the rest of a network is trained, ``images`` are what its frozen part gives. The best epoch is by the
    ``metric``, see `edgekd.training.epoch_choice`; with no photos (N = 0) it is the last.
    """

    images: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    metric: Metric = "accuracy"


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Handling:
    """What training a model takes that is more than a Keras 3 model trained by gradients alone.

    ``optimizer`` has the interface of Keras' AdamW. ``settle`` is called before the model is judged and brings what is
    no weight (ranges, masks) up to the weights; all of it must be among the model's variables. With ``judge_start`` the
    model as it came is judged as well, as the history's entry 0, and may be the best. Entries before number
    ``choose_from`` are never the best.
    """

    optimizer: Any = None
    settle: Callable[[], None] = _nothing
    judge_start: bool = False
    choose_from: int = 0


@dataclass(frozen=True)
class History:
    """One entry an epoch; ``wait_share`` is the share of the time that the model waited for its input.

    Where the start was judged, it is entry 0, without a loss. ``choice`` says by which rule the best epoch was chosen.
    """

    epochs: list[dict[str, float]]
    best_epoch: int
    seconds: float
    steps: int
    wait_share: float
    choice: str = LAST

    def to_json(self) -> dict[str, Any]:
        """JSON-able form, as a run directory stores it."""
        return dict(vars(self))


def make_deterministic(seed: int) -> None:
    """Make what TensorFlow does from here on in this process a function of ``seed``."""
    import_keras()
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def train(
    model: Any,
    loss: Loss,
    stream: BatchStream,
    validation: Validation,
    schedule: Schedule,
    *,
    steps_per_epoch: int,
    checkpoint: Path,
    key: str,
    tapped: Any = None,
    progress: Progress | None = None,
    epoch_done: Callable[[dict[str, float]], None] | None = None,
    predicted: Callable[[float], None] | None = None,
    handling: Handling | None = None,
) -> History:
    """Train ``model`` (pixels 0..255 to logits) in place and leave it with the weights of its best epoch.

    ``tapped``, where the loss asks for features, gives logits and features by the layers of ``model`` and perhaps some
    of its own, which are trained along. Of epochs that validation can't tell apart the latest is the best.
    ``handling`` is for models of another Keras. Called in `replicas.on_every_gpu`, every GPU takes a part of a batch.

    After every epoch the whole state goes to ``checkpoint``, and ``epoch_done`` gets the epoch's entry of the history;
    a later call with the same ``key`` goes on from there and ends in the same weights. ``predicted`` gets the seconds
    that the steps still to come will take, once a few have been measured.

    Raises ModelError where the loss stops being a number.
    """
    import keras

    learner, handling = model if tapped is None else tapped, handling or Handling()
    optimizer = handling.optimizer or keras.optimizers.AdamW(schedule.learning_rate, weight_decay=schedule.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=list(NOT_DECAYED))
    optimizer.build(learner.trainable_variables)
    state = load_state(checkpoint, key) or TrainingState(key)
    if state.epoch:
        assign(learner.variables, state.model)
        assign(optimizer.variables, state.optimizer)
    elif handling.judge_start:
        handling.settle()
        _judge(state, model, learner, {}, validation, handling.choose_from)
    step_fn = step_function(learner, loss, optimizer)
    total = schedule.epochs * steps_per_epoch
    first = state.epoch * steps_per_epoch
    with synchronize_norms(learner):
        for epoch in range(state.epoch, schedule.epochs):
            started, waited, losses = time.perf_counter(), 0.0, []
            requested_at = time.perf_counter()
            for step, batch in enumerate(stream.range(epoch * steps_per_epoch, (epoch + 1) * steps_per_epoch)):
                waited += time.perf_counter() - requested_at
                optimizer.learning_rate.assign(schedule.rate(epoch * steps_per_epoch + step, total))
                losses.append(float(step_fn(batch)))
                done = epoch * steps_per_epoch + step + 1
                if predicted and done - first == 1:
                    # In the first step TensorFlow traces the function.
                    measured_from = time.perf_counter()
                elif predicted and done - first == _PACE_STEPS:
                    predicted((time.perf_counter() - measured_from) / (_PACE_STEPS - 1) * (total - done))
                if progress:
                    progress(done, total)
                requested_at = time.perf_counter()
            handling.settle()
            _finish_epoch(state, model, learner, optimizer, losses, validation, handling.choose_from)
            state.seconds += time.perf_counter() - started
            state.waited_s += waited
            save_state(checkpoint, state)
            if epoch_done:
                epoch_done(state.history[-1])
    assign(learner.variables, state.best)
    wait_share = state.waited_s / state.seconds if state.seconds else 0.0
    choice = describe_choice(state, validation.metric)
    return History(state.history, state.best_epoch, state.seconds, total, wait_share, choice)


def _finish_epoch(
    state: TrainingState,
    model: Any,
    learner: Any,
    optimizer: Any,
    losses: list[float],
    valid: Validation,
    choose_from: int = 0,
) -> None:
    mean_loss = float(np.mean(losses))
    if not np.isfinite(mean_loss):
        raise ModelError(
            f"the training loss became {mean_loss} in epoch {state.epoch}. Lower learning_rate in the recipe."
        )
    _judge(state, model, learner, {"loss": mean_loss}, valid, choose_from)
    state.optimizer = copy_values(optimizer.variables)
    state.epoch += 1


def _judge(
    state: TrainingState, model: Any, learner: Any, metrics: dict[str, float], valid: Validation, choose_from: int
) -> None:
    """Add an entry to the history, and take the weights as the best so far if its epoch counts."""
    number = len(state.history)
    entry = {"epoch": number, **metrics}
    state.history.append(entry)
    state.model, chosen = copy_values(learner.variables), True
    if len(valid.labels):
        logits = logits_of(model, valid.images)
        entry |= validation_scores(logits, valid.labels, valid.metric)
        chosen = counts(state, logits, valid.labels, valid.metric, choose_from)
    if chosen:
        state.best, state.best_epoch = state.model, number


def step_function(model: Any, loss: Loss, optimizer: Any) -> Callable[[Batch], Any]:
    """One optimizer step as a compiled function of a batch; gives its mean loss."""
    import tensorflow as tf

    several = replicas()

    def replica_step(images: Any, labels: Any, teacher: Any, *mixed: Any) -> Any:
        fixed = tf.nest.map_structure(tf.stop_gradient, teacher)
        with tf.GradientTape() as tape:
            student = model(tf.cast(images, tf.float32), training=True)
            if several > 1:
                student = gather_outputs(student)
            value = tf.reduce_mean(_weighted_loss(loss, labels, student, fixed, *mixed))
            # Each device has the loss of the whole batch, and the optimizer adds what comes of all of them.
            goal = value / several if several > 1 else value
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(goal, variables), variables, strict=True))
        return value

    # As in Keras' own fit, without AutoGraph: there is no Python condition on a tensor, and it is slow.
    @tf.function(reduce_retracing=True, autograph=False)  # type: ignore[untyped-decorator]
    def step(images: Any, *rest: Any) -> Any:
        return run_on_each(replica_step, images, *rest) if several > 1 else replica_step(images, *rest)

    def call(batch: Batch) -> Any:
        mixed = () if batch.second is None else (batch.second, batch.share, batch.sure)
        teacher = (batch.teacher, *batch.features) if batch.features else batch.teacher
        images = parts_of(batch.images) if several > 1 else tf.convert_to_tensor(batch.images)
        return step(images, *tf.nest.map_structure(tf.convert_to_tensor, (batch.labels, teacher, *mixed)))

    return call


def _weighted_loss(
    loss: Loss, labels: Any, student: Any, teacher: Any, second: Any = None, share: Any = None, sure: Any = None
) -> Any:
    """Losses [B], each times how far it is trusted."""
    value = _mixed_loss(loss, labels, student, teacher, second, share)
    return value * loss.trust(labels, teacher, sure) if isinstance(loss, TrustingLoss) else value


def _mixed_loss(loss: Loss, labels: Any, student: Any, teacher: Any, second: Any = None, share: Any = None) -> Any:
    """Losses [B]; those of a view of two photos are the losses of either label, weighted by the photos' shares.

    What does not look at labels is in both and so keeps its weight of 1; cross-entropies are mixed as in
    arXiv:1710.09412.
    """
    first = loss(labels, student, teacher)
    return first if second is None else share * first + (1 - share) * loss(second, student, teacher)


def logits_of(model: Any, images: npt.NDArray[Any], batch_size: int = 64) -> npt.NDArray[np.float32]:
    """Run a Keras model over uint8 [N, H, W, 3], or over what a part of it gave, in inference mode; float32 [N, C]."""
    import tensorflow as tf

    # A new tf.function a call would be traced again and again, so it is kept with the model.
    forward = getattr(model, "_edgekd_forward", None)
    if forward is None:
        shape = tf.TensorSpec((None, *images.shape[1:]), images.dtype)
        forward = tf.function(
            lambda x: model(tf.cast(x, tf.float32), training=False), input_signature=[shape], autograph=False
        )
        model._edgekd_forward = forward
    parts = [
        np.asarray(forward(tf.convert_to_tensor(images[i : i + batch_size]))) for i in range(0, len(images), batch_size)
    ]
    return np.concatenate(parts).astype(np.float32) if parts else np.zeros((0, model.output_shape[-1]), np.float32)
