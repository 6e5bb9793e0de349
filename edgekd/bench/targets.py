"""From artifacts and photos to what is launched: photos of each file's input size, each number of threads."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgekd.bench.on_device import host_answers, host_answers_to_prepared
from edgekd.bench.prepared import PreparedInputs
from edgekd.bench.raw_photos import RawPhotos
from edgekd.bench.records import HostAnswers
from edgekd.errors import UsageError
from edgekd.foreign.plain import PlainModel
from edgekd.formats.artifact import Artifact, Format
from edgekd.formats.pixels import Feed
from edgekd.preprocess import Preprocessing

Inputs = NDArray[np.uint8] | PreparedInputs


@dataclass(frozen=True)
class Photos:
    """``images(preprocessing)`` gives uint8 RGB [n, H, W, 3]; ``labels`` are classes by name, where they are known.

    ``count`` is how many inputs are made for a file that takes no photos. ``raw`` gives the same photos as they are
    before they are decoded, where they are to be timed from end to end.
    """

    images: Callable[[Preprocessing], NDArray[np.uint8]]
    labels: Sequence[str] | None = None
    count: int = 16
    raw: Callable[[Preprocessing], RawPhotos] | None = None

    def raw_at(self, preprocessing: Preprocessing) -> RawPhotos | None:
        """Those of one input size; None where nothing is to be timed from end to end."""
        return None if self.raw is None else self.raw(preprocessing)


def make_targets(
    artifacts: Mapping[str, Artifact | PlainModel],
    timed: Photos | int,
    check: Photos | int | None,
    threads: Sequence[int],
) -> list[BenchTarget]:
    """A target for every file and number of threads; with more than one number the name says which.

    ``check`` are the photos that the device is scored on; the host's predictions for them are computed here. A number
    in place of photos is how many inputs are made for files that take no photos.

    Raises: UsageError for labels that an artifact does not have; ArtifactError.
    """
    targets = []
    inputs: dict[str, Inputs] = {}
    raws: dict[str, RawPhotos | None] = {}
    for name, file in artifacts.items():
        key = str(file.path) if isinstance(file, PlainModel) else repr((file.preprocessing, file.feed))
        if key not in inputs:
            inputs[key] = _inputs(file, timed)
            raws[key] = _raw(file, timed, inputs[key])
        check_photos = None if check is None else _check(file, check)
        for count in threads:
            photos = (inputs[key], count, check_photos, raws[key])
            targets.append(BenchTarget(title_of(name, count, threads), file.path, file.format, *photos))
    return targets


def title_of(name: str, count: int, threads: Sequence[int]) -> str:
    """A file's name in the result: with its number of threads, where it is measured with several."""
    return name if len(threads) == 1 else f"{name}, {count} thread{'s' if count > 1 else ''}"


def _raw(file: Artifact | PlainModel, photos: Photos | int, inputs: Inputs) -> RawPhotos | None:
    # From a photo to the answer: for files that take a photo's bytes as they are.
    if isinstance(file, PlainModel) or isinstance(photos, int) or not isinstance(inputs, np.ndarray):
        return None
    return photos.raw_at(file.preprocessing)


def _inputs(file: Artifact | PlainModel, photos: Photos | int) -> Inputs:
    count = photos if isinstance(photos, int) else photos.count
    if isinstance(file, PlainModel):
        return PreparedInputs(file.made_inputs(count), "made", outputs_n=file.outputs_n)
    if isinstance(photos, int):
        raise UsageError(f"{file.path.name}: which photos? Give a folder of them: --data photos")
    images = photos.images(file.preprocessing)
    if file.feed is None or _takes_photos(file, file.feed):
        return images
    size = (file.preprocessing.height, file.preprocessing.width)
    # One image a call, as everything is measured.
    return PreparedInputs((file.feed(images)[:, np.newaxis],), "photos", size)


def _takes_photos(file: Artifact, feed: Feed) -> bool:
    """Whether another tool's file takes photos as ours do, which every agent can feed."""
    sizes = file.inputs[0].shape[1:]
    fixed = all(isinstance(size, int) for size in sizes) and file.inputs[0].shape[0] in (1, "N")
    return fixed and feed.takes_bytes and file.output_index == 0 and file.scores not in ("sigmoid", "logit")


def _check(file: Artifact | PlainModel, photos: Photos | int) -> CheckPhotos:
    inputs = _inputs(file, photos)
    if isinstance(inputs, PreparedInputs):
        labels = (
            None if isinstance(photos, int) or isinstance(file, PlainModel) else _labels(file, photos, strict=False)
        )
        return CheckPhotos(inputs, host_answers_to_prepared(file.path, file.format, inputs, labels))
    assert isinstance(file, Artifact) and not isinstance(photos, int)
    labels = _labels(file, photos, strict=file.feed is None)
    return CheckPhotos(inputs, host_answers(file, inputs, labels))


def _labels(artifact: Artifact, photos: Photos, *, strict: bool) -> list[int] | None:
    """The photos' classes as outputs of the artifact; None where they have none, or it has others and is a guest."""
    if photos.labels is None or (not strict and len(artifact.outputs) != 1):
        return None
    unknown = sorted(set(photos.labels) - set(artifact.labels))
    if unknown and not strict:
        return None
    if unknown:
        raise UsageError(
            f"{artifact.path} has no class {', '.join(unknown)} (it has: {', '.join(artifact.labels)}). "
            "Check it on photos of its own classes"
        )
    return [artifact.labels.index(label) for label in photos.labels]


@dataclass(frozen=True, eq=False)
class CheckPhotos:
    """Photos that a device is scored on and held against the host, and what the host says."""

    inputs: Inputs
    host: HostAnswers


@dataclass(frozen=True, eq=False, init=False)
class BenchTarget:
    """A file to measure and the photos to measure it on.

    Args:
        name: what it is called in the result.
        path: the file, as a string or a path.
        format: tflite, onnx or ort.
        inputs: uint8 RGB [n, H, W, 3], already of the file's input size; for another tool's file prepared ones.
        threads: CPU threads; None for the plan's.
        check: photos that the device's predictions are checked on.
        raw: photos and frames that are timed from end to end.

    Raises: UsageError for another format, images of another kind, or a path without a file.
    """

    name: str
    path: Path
    format: Format
    inputs: Inputs
    threads: int | None = None
    check: CheckPhotos | None = None
    raw: RawPhotos | None = None

    def __init__(
        self,
        name: str,
        path: str | os.PathLike[str],
        format: Format,
        inputs: Inputs,
        threads: int | None = None,
        check: CheckPhotos | None = None,
        raw: RawPhotos | None = None,
    ) -> None:
        values = {"name": name, "path": Path(path), "format": format, "inputs": inputs}
        for field, value in {**values, "threads": threads, "check": check, "raw": raw}.items():
            object.__setattr__(self, field, value)
        if self.format == "mlpackage":
            raise UsageError(
                f"{self.name}: only an Apple device times {self.path}, in Xcode's performance report. Give the .tflite"
            )
        if self.format not in ("tflite", "onnx", "ort"):
            raise UsageError(f"{self.name}: format must be tflite, onnx or ort, got {self.format!r}")
        if isinstance(self.inputs, PreparedInputs):
            pass
        elif (
            self.inputs.dtype != np.uint8 or self.inputs.ndim != 4 or self.inputs.shape[3] != 3 or not len(self.inputs)
        ):
            raise UsageError(
                f"{self.name}: inputs must be uint8 RGB [n, H, W, 3] with n > 0, "
                f"got {self.inputs.dtype} {list(self.inputs.shape)}"
            )
        if not self.path.is_file():
            raise UsageError(f"{self.name}: {self.path} is not a file")

    @property
    def outputs_n(self) -> int:
        """How many answers a device gives to one input."""
        return self.inputs.outputs_n if isinstance(self.inputs, PreparedInputs) else 1

    @property
    def source(self) -> Literal["photos", "made"]:
        """What the inputs are."""
        return self.inputs.source if isinstance(self.inputs, PreparedInputs) else "photos"

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width in pixels; zeros where the inputs are no images."""
        if isinstance(self.inputs, PreparedInputs):
            return self.inputs.input_size
        return int(self.inputs.shape[1]), int(self.inputs.shape[2])

    def inputs_sha256(self) -> str:
        """Hash of the inputs' bytes."""
        if isinstance(self.inputs, PreparedInputs):
            return self.inputs.sha256()
        return hashlib.sha256(self.inputs.tobytes()).hexdigest()
