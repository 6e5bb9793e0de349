"""From artifacts and photos to what is launched: photos of each file's input size, each number of threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgekd.bench.on_device import host_answers
from edgekd.bench.raw_photos import RawPhotos
from edgekd.bench.records import HostAnswers
from edgekd.errors import UsageError
from edgekd.formats.artifact import Artifact
from edgekd.preprocess import Preprocessing


@dataclass(frozen=True)
class Photos:
    """``images(preprocessing)`` gives uint8 RGB [n, H, W, 3]; ``labels`` are classes by name, where they are known.

    ``raw`` gives the same photos from before they are decoded, where they are to be timed from end to end.
    """

    images: Callable[[Preprocessing], NDArray[np.uint8]]
    labels: Sequence[str] | None = None
    raw: Callable[[Preprocessing], RawPhotos] | None = None

    def raw_at(self, preprocessing: Preprocessing) -> RawPhotos | None:
        """Those of one input size; None where nothing is to be timed from end to end."""
        return None if self.raw is None else self.raw(preprocessing)


def make_targets(
    artifacts: Mapping[str, Artifact], timed: Photos, check: Photos | None, threads: Sequence[int]
) -> list[BenchTarget]:
    """A target for every artifact and number of threads; with more than one number the name says which.

    ``check`` are the photos that the device is scored on; the host's predictions for them are computed here.

    Raises: UsageError for labels that an artifact does not have; ArtifactError.
    """
    targets = []
    images: dict[str, NDArray[np.uint8]] = {}
    raws: dict[str, RawPhotos | None] = {}
    for name, artifact in artifacts.items():
        key = repr(artifact.preprocessing)
        if key not in images:
            images[key] = timed.images(artifact.preprocessing)
            raws[key] = timed.raw_at(artifact.preprocessing)
        check_photos = None if check is None else _check(artifact, check)
        for count in threads:
            photos = (images[key], count, check_photos, raws[key])
            targets.append(BenchTarget(title_of(name, count, threads), artifact.path, artifact.format, *photos))
    return targets


def title_of(name: str, count: int, threads: Sequence[int]) -> str:
    """A file's name in the result: with its number of threads, where it is measured with several."""
    return name if len(threads) == 1 else f"{name}, {count} thread{'s' if count > 1 else ''}"


def _check(artifact: Artifact, photos: Photos) -> CheckPhotos:
    images = photos.images(artifact.preprocessing)
    if photos.labels is None:
        return CheckPhotos(images, host_answers(artifact, images))
    unknown = sorted(set(photos.labels) - set(artifact.labels))
    if unknown:
        raise UsageError(
            f"{artifact.path} has no class {', '.join(unknown)} (it has: {', '.join(artifact.labels)}). "
            "Check it on photos of its own classes"
        )
    labels = [artifact.labels.index(label) for label in photos.labels]
    return CheckPhotos(images, host_answers(artifact, images, labels))


@dataclass(frozen=True, eq=False)
class CheckPhotos:
    """Photos that a device is scored on and held against the host: uint8 RGB [n, H, W, 3], and what the host says."""

    inputs: NDArray[np.uint8]
    host: HostAnswers


@dataclass(frozen=True, eq=False, init=False)
class BenchTarget:
    """A file to measure and the photos to measure it on.

    Args:
        name: what it is called in the result.
        path: the file, as a string or a path.
        format: tflite, onnx or ort.
        inputs: uint8 RGB [n, H, W, 3], already of the file's input size.
        threads: CPU threads; None for the plan's.
        check: photos that the device's predictions are checked on.
        raw: photos and frames that are timed from end to end.

    Raises: UsageError for another format, images of another kind, or a path without a file.
    """

    name: str
    path: Path
    format: Literal["tflite", "onnx", "ort"]
    inputs: NDArray[np.uint8]
    threads: int | None = None
    check: CheckPhotos | None = None
    raw: RawPhotos | None = None

    def __init__(
        self,
        name: str,
        path: str | os.PathLike[str],
        format: Literal["tflite", "onnx", "ort"],
        inputs: NDArray[np.uint8],
        threads: int | None = None,
        check: CheckPhotos | None = None,
        raw: RawPhotos | None = None,
    ) -> None:
        values = {"name": name, "path": Path(path), "format": format, "inputs": inputs}
        for field, value in {**values, "threads": threads, "check": check, "raw": raw}.items():
            object.__setattr__(self, field, value)
        if self.format not in ("tflite", "onnx", "ort"):
            raise UsageError(f"{self.name}: format must be tflite, onnx or ort, got {self.format!r}")
        if self.inputs.dtype != np.uint8 or self.inputs.ndim != 4 or self.inputs.shape[3] != 3 or not len(self.inputs):
            raise UsageError(
                f"{self.name}: inputs must be uint8 RGB [n, H, W, 3] with n > 0, "
                f"got {self.inputs.dtype} {list(self.inputs.shape)}"
            )
        if not self.path.is_file():
            raise UsageError(f"{self.name}: {self.path} is not a file")
