"""Published ways of choosing photos to label, which the package's is held against."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]


def k_centre(x: Floats, distance: Floats, count: int) -> Numbers:
    """The photo farthest from all labelled and chosen ones, again and again (O. Sener, S. Savarese, ICLR 2018)."""
    chosen: list[int] = []
    for _ in range(count):
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, ((x - x[chosen[-1]]) ** 2).sum(axis=1))
        distance[chosen] = -1.0
    return np.array(chosen)


def by_gradients(x: Floats, probabilities: Floats, count: int, rng: np.random.Generator) -> Numbers:
    """The seeding of k-means++ on gradients of the head's last layer (J. Ash et al., ICLR 2020)."""
    residual = probabilities.copy()
    residual[np.arange(len(residual)), residual.argmax(axis=1)] -= 1
    inputs = np.column_stack([x, np.ones(len(x))])
    length = (residual**2).sum(axis=1) * (inputs**2).sum(axis=1)
    distance, chosen = length.copy(), []
    for _ in range(count):
        chosen.append(int(rng.choice(len(x), p=distance / distance.sum())))
        last = chosen[-1]
        away = length + length[last] - 2 * (residual @ residual[last]) * (inputs @ inputs[last])
        distance = np.maximum(np.minimum(distance, away), 0.0)
        distance[chosen] = 0.0
    return np.array(chosen)
