"""Narrow a slice: fewer channels within each inverted residual block, and weights that are solved for, not trained.

Of the channels between a block's expansion and its projection those go that the block's output misses least, and the
projection of the others is fitted by least squares to what the teacher gives there, on real photos without labels. Each
block sees what the narrowed ones before it give, so that it also compensates for what they lost.

Source: He et al., Channel Pruning for Accelerating Very Deep Neural Networks, arXiv:1707.06168 (channels chosen for a
least squares reconstruction); Hassibi & Stork, Optimal Brain Surgeon (1993), for the order in which they go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.models.rebuild import apply_copy, copy_state, input_like
from edgekd.students.bottleneck import Bottleneck, bottlenecks_of
from edgekd.students.spec import share_of

# Kernels of every runtime take channels by eights.
_STEP = 8
RIDGE = 1e-6
_BATCH = 32
_PIXELS = 128
# Matrices are made smaller when so much of them is left.
_SHRUNK = 0.9

Floats = npt.NDArray[np.float64]


def leave_out(model: Any, blocks: Sequence[str]) -> Any:
    """``model`` without the residual blocks of these names: what goes into one comes out of it.

    Raises ModelError for a block that is not an inverted residual with a skip connection.
    """
    import keras

    branches = {block.merged: block.project[1] for block in bottlenecks_of(model) if block.merged}
    merged = {name: next((add for add in branches if add.startswith(f"{name}_")), None) for name in blocks}
    missing = [name for name, add in merged.items() if add is None]
    if missing:
        possible = ", ".join(map(str, branches))
        raise ModelError(
            f"{', '.join(missing)} can't be left out of {model.name}: no skip connection bypasses it. Blocks that can "
            f"be left out have an addition at their end: {possible or 'none'}"
        )
    if not blocks:
        return model

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if layer.name in merged.values():
            return next(tensor for tensor in args[0] if tensor._keras_history.operation.name != branches[layer.name])
        return layer(*args, **kwargs)

    image = input_like(model)
    return keras.Model(image, apply_copy(model, image, call=call), name=model.name)


def narrowable_blocks(model: Any) -> list[Bottleneck]:
    """The blocks of ``model`` that can be narrowed. Raises ModelError where there are none."""
    blocks = bottlenecks_of(model)
    if not blocks:
        raise ModelError(
            f"{model.name} has no inverted residual blocks (1x1, depthwise, 1x1) that could be narrowed: leave the "
            "share of channels out, as in slice:8"
        )
    return blocks


def hidden_channels(model: Any, block: Bottleneck) -> int:
    """How many channels a block has between its expansion and its projection."""
    return int(model.get_layer(block.depthwise[0]).input.shape[-1])


def width_at(hidden: int, share: float) -> int:
    """How many of the hidden channels a share of them is: a multiple of 8, where there are as many."""
    return min(hidden, max(_STEP, round(hidden * share / _STEP) * _STEP))


def widths(blocks: Sequence[Bottleneck], model: Any, keep: Sequence[float]) -> list[int]:
    """How many hidden channels each block keeps. Raises ModelError where there are more shares than blocks."""
    if len(keep) > len(blocks):
        raise ModelError(
            f"{len(keep)} shares of channels are given, and {len(blocks)} blocks of {model.name} can be narrowed. Give "
            "as many or fewer; the last one holds for all that follow"
        )
    return [width_at(hidden_channels(model, block), share_of(keep, n)) for n, block in enumerate(blocks)]


def narrow(model: Any, whole: Any, keep: Sequence[float], images: npt.NDArray[np.uint8] | None) -> Any:
    """``model`` with the shares ``keep`` of its blocks' hidden channels, in multiples of 8.

    ``keep`` has a share for each block in order, and the last one holds for all that follow.
    ``whole`` says what each block ought to give: the model itself, or one with more blocks and the same names.
    ``images`` uint8 [N, H, W, 3] are real photos of the input size; a few hundred are enough. With None, the model only
    has the right shapes, to see what it costs. Layers keep their names.
    Raises ModelError where the model has no inverted residual block, or fewer than there are shares.
    """
    narrowed, blocks = model, narrowable_blocks(model)
    planned = widths(blocks, model, keep)
    cut = [
        (block, width) for block, width in zip(blocks, planned, strict=True) if width < hidden_channels(model, block)
    ]
    goals = {} if images is None else _goals(whole, [block for block, _ in cut], images)
    for number, (block, width) in enumerate(cut):
        if images is None:
            outputs = int(model.get_layer(block.project[0]).filters)
            # Different in every block: a converter stores equal weights once.
            solution = np.random.default_rng(number).normal(0, 0.05, (width + 1, outputs))
            channels = np.arange(width)
        else:
            gram, target = _moments(narrowed, block, images, goals.pop(block.output))
            channels, solution = eliminate(gram, target, width)
        narrowed = _rebuild(narrowed, _Cut(block, channels, solution))
    return narrowed


def eliminate(gram: Floats, target: Floats, keep_count: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """Backward elimination in the least squares problem of hidden maps [P, D + 1] onto outputs [P, E].

    ``gram`` [D + 1, D + 1] and ``target`` [D + 1, E] are its moments; the last row is the constant, which stays.
    Returns the ``keep_count`` channels in order and the solution [keep_count + 1, E] for them. Each step
    takes the channel whose loss costs least, w_j^2 / (gram^-1)_jj summed over outputs, and updates the inverse by one
    rank.
    """
    count = len(gram) - 1
    inverse = np.linalg.inv(gram + RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram)))
    weights = inverse @ target
    # The channels that rows stand for, the constant behind them, and whether they are still there.
    rows = np.arange(count + 1)
    alive, update = np.ones(count + 1, bool), np.empty_like(inverse)
    for _ in range(count - keep_count):
        cost = (weights**2).sum(axis=1) / np.where(alive, np.diag(inverse), 1)
        cost[~alive] = np.inf
        weakest = int(cost[:-1].argmin())
        column = inverse[:, weakest].copy()
        weights -= np.outer(column, weights[weakest] / column[weakest])
        inverse -= np.multiply.outer(column, column / column[weakest], out=update)
        alive[weakest] = False
        # Rounding must not bring it back.
        weights[weakest], inverse[weakest], inverse[:, weakest] = 0, 0, 0
        if alive.sum() < _SHRUNK * len(alive):
            # Rows that are gone cost time.
            weights, inverse, rows = weights[alive], inverse[np.ix_(alive, alive)], rows[alive]
            alive, update = alive[alive], np.empty_like(inverse)
    return rows[alive][:-1], weights[alive]


def _batches(images: npt.NDArray[np.uint8]) -> Iterator[npt.NDArray[np.float32]]:
    return (images[start : start + _BATCH].astype(np.float32) for start in range(0, len(images), _BATCH))


def _some(maps: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Maps [B, H, W, C] at some places of each photo, [B * P, C]: neighbouring pixels say nearly the same."""
    places = maps.shape[1] * maps.shape[2]
    positions = rng.choice(places, min(places, _PIXELS), replace=False)
    return maps.reshape(len(maps), places, -1)[:, positions].reshape(-1, maps.shape[-1])


def _goals(
    whole: Any, blocks: Sequence[Bottleneck], images: npt.NDArray[np.uint8]
) -> dict[str, list[npt.NDArray[np.float32]]]:
    """What blocks ought to give, by their output layer: a batch's at some places, in one pass over the photos."""
    import keras

    if not blocks:
        return {}
    names = [block.output for block in blocks]
    maps = keras.Model(whole.inputs[0], [whole.get_layer(name).output for name in names])
    # Every block sees the same places of a photo as if it were alone.
    generators = [np.random.default_rng(0) for _ in names]
    found: dict[str, list[npt.NDArray[np.float32]]] = {name: [] for name in names}
    for batch in _batches(images):
        outputs = keras.tree.flatten(maps(batch, training=False))
        for name, rng, output in zip(names, generators, outputs, strict=True):
            found[name].append(_some(np.asarray(output), rng))
    return found


def _moments(
    student: Any, block: Bottleneck, images: npt.NDArray[np.uint8], goals: list[npt.NDArray[np.float32]]
) -> tuple[Floats, Floats]:
    """Of the block's hidden maps in ``student``, with a constant behind, and of what its projection ought to give."""
    import keras

    outputs = [student.get_layer(name).output for name in (block.hidden, *([block.skip] if block.skip else []))]
    source_maps = keras.Model(student.inputs[0], outputs)
    gram: Any = 0.0
    cross: Any = 0.0
    pixels, rng, skip_rng = 0, np.random.default_rng(0), np.random.default_rng(0)
    for batch, goal in zip(_batches(images), goals, strict=True):
        maps = [np.asarray(output) for output in keras.tree.flatten(source_maps(batch, training=False))]
        rows = _some(maps[0], rng)
        rest = goal - _some(maps[1], skip_rng) if block.skip else goal
        rows = np.concatenate([rows, np.ones((len(rows), 1), np.float32)], axis=1).astype(np.float64)
        gram, cross = gram + rows.T @ rows, cross + rows.T @ rest
        pixels += len(rows)
    return gram / pixels, cross / pixels


@dataclass(frozen=True)
class _Cut:
    """What becomes of a block: hidden ``channels`` that stay, and the projection [kept + 1, E] with its constant."""

    block: Bottleneck
    channels: npt.NDArray[np.int64]
    projection: Floats

    @property
    def changed(self) -> tuple[str, ...]:
        """The layers whose weights differ from the model's."""
        return (*self.block.expand, *self.block.depthwise, *self.block.project)


def _rebuild(model: Any, cut: _Cut) -> Any:
    """A copy of the model with one block narrowed."""
    import keras

    block, width = cut.block, len(cut.channels)

    def copy(layer: Any) -> Any:
        config = layer.get_config()
        if layer.name == block.expand[0]:
            config["filters"] = width
        return type(layer).from_config(config)

    def fill(layer: Any, clone: Any) -> None:
        if layer.name in cut.changed:
            clone.set_weights(_weights(layer, cut, model))
        else:
            copy_state(layer, clone)

    image = input_like(model)
    return keras.Model(image, apply_copy(model, image, copy=copy, fill=fill), name=model.name)


def _weights(layer: Any, cut: _Cut, model: Any) -> list[npt.NDArray[Any]]:
    block, old = cut.block, list[npt.NDArray[Any]](layer.get_weights())
    if layer.name in (block.expand[0], *block.expand[1:], block.depthwise[1]):
        # The channels are the last axis of a 1x1 kernel [1, 1, C, D], of a bias and of BatchNorm's four.
        return [value[..., cut.channels] for value in old]
    if layer.name == block.depthwise[0]:
        return [old[0][:, :, cut.channels], *(value[cut.channels] for value in old[1:])]
    if layer.name == block.project[0]:
        scale = _scale(model.get_layer(block.project[1]))
        kernel = (cut.projection[:-1] / scale)[np.newaxis, np.newaxis]
        return [kernel.astype(np.float32), *(np.zeros_like(value) for value in old[1:])]
    if layer.name == block.project[1]:
        return _shift_norm(layer, cut.projection[-1])
    return old


def _scale(norm: Any) -> Floats:
    """What BatchNorm multiplies by [E]; where that is next to nothing, a little, so that it can be divided by."""
    variance = np.asarray(norm.moving_variance, np.float64)
    gamma = np.asarray(norm.gamma, np.float64) if norm.scale else np.ones_like(variance)
    scale = gamma / np.sqrt(variance + norm.epsilon)
    least = 1e-3 * np.abs(scale).max()
    bounded_scale: Floats = np.where(np.abs(scale) < least, np.where(scale < 0, -least, least), scale)
    return bounded_scale


def _shift_norm(norm: Any, constant: Floats) -> list[npt.NDArray[Any]]:
    """BatchNorm's weights so that it multiplies by ``_scale`` and adds ``constant``; gamma and beta as they are."""
    scale = _scale(norm)
    variance = np.asarray(norm.moving_variance, np.float64)
    weights = {}
    for variable, value in zip(norm.weights, norm.get_weights(), strict=True):
        weights[variable.name] = value
    if norm.scale:
        weights["gamma"] = (scale * np.sqrt(variance + norm.epsilon)).astype(np.float32)
    beta = np.asarray(norm.beta, np.float64) if norm.center else np.zeros_like(scale)
    weights["moving_mean"] = ((beta - constant) / scale).astype(np.float32)
    return [weights[variable.name] for variable in norm.weights]
