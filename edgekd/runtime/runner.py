"""What every runtime offers, and what they share: batches, checks, probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ArtifactError, UsageError
from edgekd.formats.artifact import Artifact


class Runner(Protocol):
    """An artifact that is loaded and ready."""

    @property
    def artifact(self) -> Artifact:
        """What is loaded."""
        ...

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities float32 [N, C] of images uint8 [N, H, W, 3]. Raises UsageError on another dtype or shape."""
        ...


def check_images(images: NDArray[np.uint8], artifact: Artifact) -> None:
    """Raise UsageError unless ``images`` is what an artifact takes."""
    shape = (artifact.preprocessing.height, artifact.preprocessing.width, 3)
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != shape:
        actual = f"{images.dtype} {list(images.shape)}" if isinstance(images, np.ndarray) else type(images).__name__
        raise UsageError(
            f"{artifact.path.name} takes uint8 [N, {shape[0]}, {shape[1]}, 3], got {actual}. "
            "Use edgekd.preprocess.preprocess on the photo's bytes"
        )


def batches(images: NDArray[np.uint8], artifact: Artifact, most: int) -> Iterator[tuple[slice, NDArray[np.uint8]]]:
    """Inputs in the file's layout and batch size (``most`` where that is free), each with the rows that it is for.

    A last part that does not fill a fixed batch is padded with its last image; the caller drops those outputs.
    """
    batch = artifact.inputs[0].shape[0]
    # Another tool's free batch is often a lie: a reshape to one image inside, which fails or mixes the images up.
    size = batch if isinstance(batch, int) else most if artifact.feed is None else 1
    if artifact.layout == "nchw" and artifact.feed is None:
        images = images.transpose(0, 3, 1, 2)
    for start in range(0, len(images), size):
        part = images[start : start + size]
        rows = slice(start, start + len(part))
        if isinstance(batch, int) and len(part) < batch:
            part = np.concatenate([part, np.repeat(part[-1:], batch - len(part), axis=0)])
        yield rows, np.ascontiguousarray(part) if artifact.feed is None else artifact.feed(part)


def read_scores(values: NDArray[np.generic], artifact: Artifact) -> NDArray[np.float32]:
    """Probabilities float32 [N, C] of another tool's output [N, ...]; independent scores stay as they are."""
    spec = artifact.outputs[0]
    rows = values.reshape(len(values), -1).astype(np.float64)
    if spec.scale is not None:
        rows = (rows - (spec.zero_point or 0)) * spec.scale
    if artifact.scores == "logits":
        powers = np.exp(rows - rows.max(axis=1, keepdims=True))
        rows = powers / powers.sum(axis=1, keepdims=True)
    if artifact.scores == "logit":
        rows = 1 / (1 + np.exp(-np.clip(rows, -700, 700)))
    if artifact.scores in ("logit", "sigmoid"):
        rows = np.concatenate([1 - rows, rows], axis=1)
    return rows.astype(np.float32)


def put_rows(rows: NDArray[np.float32], part: slice, probabilities: NDArray[np.float32], artifact: Artifact) -> None:
    """Put a batch's probabilities into their rows. Raises ArtifactError where their shape is not the file's own."""
    count = part.stop - part.start
    if probabilities.ndim != 2 or len(probabilities) < count or probabilities.shape[1] != rows.shape[1]:
        raise ArtifactError(
            f"{artifact.path} gave {list(probabilities.shape)} for {count} images and {rows.shape[1]} labels, which is "
            "not what it says of itself. Export it again"
        )
    rows[part] = probabilities[:count]


def to_probabilities(values: NDArray[np.generic], scale: float, zero_point: int) -> NDArray[np.float32]:
    """Float probabilities of an output, of which a uint8 one is ``scale * (value - zero_point)``."""
    if values.dtype == np.uint8:
        return (np.float32(scale) * (values.astype(np.int32) - zero_point)).astype(np.float32)
    return values.astype(np.float32)
