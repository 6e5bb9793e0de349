"""How much of each block's output survives with fewer hidden channels: the least squares of `narrow`, for every width.

Each block is looked at alone, in the whole network, so that one pass over a few photos serves every slice.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.students.bottleneck import Bottleneck, bottlenecks_of
from edgekd.students.narrow import RIDGE, Floats

_BATCH = 16
_PIXELS = 64
# Channels go in groups of this share of those that are left; one at a time takes minutes in wide blocks.
_GROUP = 1 / 24
_LEAST = 8


def block_losses(whole: Any, images: npt.NDArray[np.uint8]) -> dict[str, Floats]:
    """For each narrowable block (by its depthwise layer) the share of its output that is lost, by channels kept.

    Args:
        whole: The network at the size of ``images``.
        images: Real photos uint8 [N, H, W, 3]; about a hundred are enough.

    Returns:
        Arrays [D + 1]: with D channels nothing is lost, with 0 all that the block adds to what goes into it.
    """
    blocks = bottlenecks_of(whole)
    return {
        block.depthwise[0]: _losses(gram, cross, squares, total)
        for block, (gram, cross, squares, total) in zip(blocks, _moments(whole, blocks, images), strict=True)
    }


def eliminated_losses(gram: Floats, cross: Floats) -> Floats:
    """What is lost [D + 1] of a least squares problem as the weakest hidden maps go, in groups; arguments are those of
    `narrow.eliminate`. Entry 0 is left at the loss with the fewest channels that were tried.
    """
    count = len(gram) - 1
    inverse = np.linalg.inv(gram + RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram)))
    weights = inverse @ cross
    alive, lost, widths, losses = np.arange(count), 0.0, [count], [0.0]
    while len(alive) > _LEAST:
        group = min(len(alive) - _LEAST, max(_LEAST, round(len(alive) * _GROUP)))
        cost = (weights[alive] ** 2).sum(axis=1) / np.diag(inverse)[alive]
        weakest = alive[np.argsort(cost, kind="stable")[:group]]
        part = inverse[:, weakest]
        solved = np.linalg.solve(part[weakest], weights[weakest])
        lost += float((weights[weakest] * solved).sum())
        weights = weights - part @ solved
        inverse = inverse - part @ np.linalg.solve(part[weakest], part.T)
        alive = np.setdiff1d(alive, weakest, assume_unique=True)
        widths.append(len(alive))
        losses.append(lost)
    grown: Floats = np.interp(np.arange(count + 1), widths[::-1], losses[::-1])
    return grown


def _losses(gram: Floats, cross: Floats, squares: float, total: float) -> Floats:
    """The losses as shares of the variance ``total`` of the block's output; ``squares`` is what the block adds."""
    losses = eliminated_losses(gram, cross) / max(total, 1e-12)
    losses[0] = max(squares / max(total, 1e-12), float(losses[1]))
    grown: Floats = np.clip(losses, 0.0, 1.0)
    return grown


def _moments(
    whole: Any, blocks: list[Bottleneck], images: npt.NDArray[np.uint8]
) -> list[tuple[Floats, Floats, float, float]]:
    """Of each block: moments of its hidden maps with a constant, and with its branch; both variances."""
    import keras

    names = [(block.hidden, block.project[1], block.output) for block in blocks]
    maps = keras.Model(whole.inputs[0], [[whole.get_layer(name).output for name in trio] for trio in names])
    rng, sums, pixels = np.random.default_rng(0), [_Sums() for _ in blocks], [0] * len(blocks)
    for start in range(0, len(images), _BATCH):
        batch = images[start : start + _BATCH].astype(np.float32)
        outputs = [np.asarray(output) for output in keras.tree.flatten(maps(batch, training=False))]
        for number in range(len(blocks)):
            hidden, branch, output = outputs[3 * number : 3 * number + 3]
            places = hidden.shape[1] * hidden.shape[2]
            chosen = rng.choice(places, min(places, _PIXELS), replace=False)
            rows, goals, results = (
                x.reshape(len(batch), places, -1)[:, chosen].reshape(-1, x.shape[-1]).astype(np.float64)
                for x in (hidden, branch, output)
            )
            sums[number].add(np.concatenate([rows, np.ones((len(rows), 1))], axis=1), goals, results)
            pixels[number] += len(rows)
    return [one.means(count) for one, count in zip(sums, pixels, strict=True)]


class _Sums:
    """Sums over pixels, from which moments and variances follow."""

    def __init__(self) -> None:
        self.gram: Any = 0.0
        self.cross: Any = 0.0
        self.first: list[Any] = [0.0, 0.0]
        self.second: list[Any] = [0.0, 0.0]

    def add(self, rows: Floats, goals: Floats, results: Floats) -> None:
        self.gram, self.cross = self.gram + rows.T @ rows, self.cross + rows.T @ goals
        for place, values in enumerate((goals, results)):
            self.first[place] = self.first[place] + values.sum(axis=0)
            self.second[place] = self.second[place] + (values**2).sum(axis=0)

    def means(self, count: int) -> tuple[Floats, Floats, float, float]:
        branch, output = (
            float((second / count - (first / count) ** 2).sum())
            for first, second in zip(self.first, self.second, strict=True)
        )
        return self.gram / count, self.cross / count, branch, output
