"""Golden vectors: a directory that any port of the preprocessing is tested against, photo by photo.

The layout, schema 2. ``manifest.json`` lists everything else, with sizes in bytes and SHA-256:

- ``specification``: the file SPECIFICATION.md, and the version that it says.
- ``artifact``: file name, format, precision and SHA-256 of the model, and the runtime that answered.
- ``labels`` in the order of the probabilities, and ``preprocessing``: height, width, crop, resize, version.
- ``decision``: how an answer follows from the probabilities, each compared as a 64-bit float. ``task`` single-label:
  the first of the most probable labels is the answer; none of these where it is ``none_label``, or where its
  probability is below ``reject_below``; both keys may be absent. ``task`` multi-label: every label whose probability is
  at least its number in ``thresholds``, of which there are as many as labels.
- ``tolerance``: how far a probability may be off: ``same_runtime``, and ``other_runtime`` for any other format,
  version or processor. 1/256 is one quantum of a file that answers in integers. ``other_kernels``, for an int8 .tflite
  alone: what a runtime without XNNPACK may be off, whose kernels round every layer otherwise. It is twice what XNNPACK
  and TFLite's own kernels differ by on these photos. A class may change where its lead over the other is no more, and
  a tag, or none of these, where the probability is no further from its threshold. For an .mlpackage, which Core ML runs
  and edgekd computes in NumPy, ``other_runtime`` is at least 1/256, and twice what rounding to float16 changes.
- ``feed``, for another tool's model alone: what becomes of the input tensor's pixels before they are fed. Pixel x of a
  channel is ``scale * x + shift`` in float32, in the order of ``channels``; where ``quantum`` is not null the input
  holds ``round(value / quantum) + zero_point``, clipped to ``dtype``; ``layout`` nchw puts channels first.
- ``vectors``: one object a photo:

  - ``name`` says what is special about the file, and ``kind`` is its format: jpeg, png, webp, bmp, gif or tiff.
  - ``photo``: the file to decode.
  - ``pixels``: upright RGB after steps 1 to 3 of the specification, rows from the top, 3 bytes a pixel, with ``width``
    and ``height``. ``file`` is null where it would be larger than 64 KiB: compare the SHA-256.
  - ``input``: the input tensor after steps 4 and 5, height x width x 3 bytes.
  - ``probabilities``: one little-endian float32 a label; ``top`` is the index of the largest.
  - ``answer``: the labels that ``decision`` gives for them, in the order of ``labels``. Empty: none of these.

A directory of schema 1 has neither ``decision`` nor ``answer``: the label of ``top`` is the answer.

A port is right if every input tensor is equal byte for byte, and every answer but those of near ties; ``pixels`` says
whether the decoder or the resize is to blame where one is not. A format that a port does not read (a browser reads no
TIFF) is best counted and named. Decoders that come with a platform like to turn the photo, to convert it by its colour
profile, to premultiply alpha, to keep 8 of 16 bits by another rule and to enlarge chroma unsmoothed: each has a vector
here that shows it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from edgekd.errors import DataError
from edgekd.formats.decision import Answer, Decision
from edgekd.preprocess import Preprocessing
from edgekd.storage import read_regular_file

MANIFEST = "manifest.json"
_LARGEST_BYTES = 64 << 20
SPECIFICATION = "SPECIFICATION.md"
PROBABILITY = np.dtype("<f4")
_SHA256 = r"^[0-9a-f]{64}$"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _inside(file: str | None) -> str | None:
    if file is not None and (PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts or "\\" in file):
        raise ValueError(f"{file} is not a path inside the directory")
    return file


class GoldenFile(_Record):
    """A file of the directory and what its bytes must be."""

    file: str = Field(min_length=1)
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern=_SHA256)

    _file = field_validator("file")(_inside)


class GoldenPixels(_Record):
    """Upright RGB pixels; ``file`` is None where only their hash is kept."""

    file: str | None
    size_bytes: int = Field(ge=3)
    sha256: str = Field(pattern=_SHA256)
    width: int = Field(ge=1)
    height: int = Field(ge=1)

    _file = field_validator("file")(_inside)


class GoldenVector(_Record):
    """One photo: its file, its pixels, the input that they become, and what the model made of it."""

    name: str = Field(min_length=1)
    kind: str
    photo: GoldenFile
    pixels: GoldenPixels
    input: GoldenFile
    probabilities: GoldenFile
    top: int = Field(ge=0)
    answer: tuple[str, ...] | None = None

    def files(self) -> Iterator[GoldenFile]:
        """Every file of this vector that is in the directory."""
        yield from (self.photo, self.input, self.probabilities)
        if self.pixels.file is not None:
            yield GoldenFile(file=self.pixels.file, size_bytes=self.pixels.size_bytes, sha256=self.pixels.sha256)


class GoldenArtifact(_Record):
    """The model that answered, and what ran it."""

    file: str
    format: Literal["tflite", "onnx", "mlpackage"]
    precision: str
    sha256: str = Field(pattern=_SHA256)
    runtime: str


class GoldenFeed(_Record):
    """What another tool's model is fed: ``scale * pixel + shift`` by channel, in ``channels`` order and ``layout``.

    ``dtype`` is the input's; a quantized one holds ``round(value / quantum) + zero_point``.
    """

    scale: tuple[float, float, float]
    shift: tuple[float, float, float]
    channels: Literal["rgb", "bgr"]
    layout: Literal["nhwc", "nchw"]
    dtype: str
    quantum: float | None = None
    zero_point: int = 0


class Tolerance(_Record):
    """How far a probability may be off: with the same runtime, with any other, and with kernels that round otherwise.

    ``other_kernels`` is None where they were not measured.
    """

    same_runtime: float = Field(ge=0, le=1)
    other_runtime: float = Field(ge=0, le=1)
    other_kernels: float | None = Field(default=None, ge=0)


class SpecificationFile(GoldenFile):
    """The written specification and its version."""

    version: Literal[1]


class GoldenManifest(_Record):
    """Everything that is in a directory of golden vectors."""

    schema_: Literal[1, 2] = Field(alias="schema")
    artifact: GoldenArtifact
    labels: tuple[str, ...] = Field(min_length=1)
    preprocessing: Preprocessing
    specification: SpecificationFile
    tolerance: Tolerance
    vectors: tuple[GoldenVector, ...] = Field(min_length=1)
    feed: GoldenFeed | None = None
    decision: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _answers_follow(self) -> GoldenManifest:
        has_answers = {vector.answer is not None for vector in self.vectors}
        if {self.decision is not None, *has_answers} != {self.schema_ == 2}:
            raise ValueError("schema 2 has a decision, and an answer in each vector; schema 1 has neither")
        unknown = {label for vector in self.vectors for label in vector.answer or ()} - set(self.labels)
        if unknown:
            raise ValueError(f"an answer has {sorted(unknown)[0]!r}, which is not one of the labels")
        try:
            Decision.from_json(self.decision, self.labels)
        except (KeyError, TypeError) as error:
            raise ValueError(f"decision is not a rule: {error}") from None
        return self

    @property
    def rule(self) -> Decision:
        """How answers follow from probabilities; in schema 1 it is the most probable label."""
        return Decision.from_json(self.decision, self.labels)

    def answer_of(self, vector: GoldenVector) -> Answer:
        """What the model said of one photo. Raises IndexError where ``top`` is not one of the labels."""
        return Answer((self.labels[vector.top],) if vector.answer is None else vector.answer)

    def files(self) -> Iterator[GoldenFile]:
        """Every file of the directory but the manifest."""
        yield self.specification
        for vector in self.vectors:
            yield from vector.files()


def read_manifest(folder: str | os.PathLike[str]) -> GoldenManifest:
    """Read the manifest of a directory of golden vectors.

    Args:
        folder: A directory that ``make_golden`` wrote.

    Returns:
        Its record: the model, the labels, the preprocessing, the decision, the tolerances and the vectors.

    Raises:
        DataError: It is missing, or is not a manifest of schema 1 or 2.

    Example:
        >>> len(read_manifest("golden").vectors)  # doctest: +SKIP
        83
    """
    path = Path(folder) / MANIFEST
    try:
        return GoldenManifest.model_validate_json(read_regular_file(path, _LARGEST_BYTES))
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}), so {folder} is not a directory of golden vectors. "
            f"Make one: edgekd golden ARTIFACT --out {folder}"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise DataError(
            f"{path} is not a manifest of golden vectors of schema 1 or 2: {where}: {first['msg']}. "
            "Make the vectors again"
        ) from None


def read_file(folder: Path, entry: GoldenFile) -> bytes:
    """The bytes of a listed file. Raises DataError unless they are those that were listed."""
    try:
        content = (folder / entry.file).read_bytes()
    except OSError as error:
        raise DataError(
            f"{folder / entry.file} is listed in {MANIFEST} and cannot be read ({error.strerror}). "
            "Make the vectors again"
        ) from None
    if len(content) != entry.size_bytes or hashlib.sha256(content).hexdigest() != entry.sha256:
        raise DataError(
            f"{folder / entry.file} is not what {MANIFEST} lists: {len(content)} bytes for {entry.size_bytes}, or "
            "another SHA-256. Make the vectors again"
        )
    return content


def read_probabilities(folder: Path, entry: GoldenFile, count: int) -> NDArray[np.float32]:
    """A vector's probabilities float32 [count]. Raises DataError."""
    content = read_file(folder, entry)
    if len(content) != PROBABILITY.itemsize * count:
        raise DataError(f"{folder / entry.file} holds {len(content)} bytes for {count} labels. Make the vectors again")
    return np.frombuffer(content, PROBABILITY).astype(np.float32)
