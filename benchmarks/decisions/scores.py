"""Other numbers that could tell own photos from foreign ones, of a file's logits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgekd.decisions.graph import cut_to_logits
from edgekd.decisions.rejection import separation
from edgekd.formats.artifact import Artifact
from edgekd.quantize.run_tflite import run_tflite

Logits = NDArray[np.float64]


def separations(artifact: Artifact, own: NDArray[np.uint8], foreign: NDArray[np.uint8]) -> dict[str, float | None]:
    """How often each number is larger for an own photo than for a foreign one; inputs uint8 [N, H, W, 3]."""
    content = cut_to_logits(artifact.content())
    of_own, of_foreign = (run_tflite(content, images).astype(np.float64) for images in (own, foreign))
    return {name: separation(score(of_own), score(of_foreign)) for name, score in SCORES.items()}


def _powers(logits: Logits) -> Logits:
    return np.asarray(np.exp(logits - logits.max(axis=1, keepdims=True)))


def _shares(logits: Logits) -> Logits:
    return np.asarray(_powers(logits) / _powers(logits).sum(axis=1, keepdims=True))


def _margin(logits: Logits) -> Logits:
    ordered = np.sort(_shares(logits), axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2])


def _certainty(logits: Logits) -> Logits:
    shares = np.maximum(_shares(logits), 1e-12)
    return np.asarray((shares * np.log(shares)).sum(axis=1))


SCORES = {
    "best probability": lambda logits: _shares(logits).max(axis=1),
    "margin": _margin,
    "entropy": _certainty,
    "largest logit": lambda logits: logits.max(axis=1),
    "energy": lambda logits: logits.max(axis=1) + np.log(_powers(logits).sum(axis=1)),
}
