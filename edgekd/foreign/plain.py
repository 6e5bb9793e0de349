"""A file that photos can't be fed to: a detector, audio, several inputs, unknown pixels. It is timed on made inputs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ArtifactError, ModelError, UsageError
from edgekd.foreign.open_model import classifier_of
from edgekd.foreign.options import FileOptions
from edgekd.foreign.read import ForeignFile, read_foreign
from edgekd.formats.artifact import Artifact, has_seal, read_content
from edgekd.inspection.probe import RefusedError, Shapes, probe

# Noise of these limits is what an 8-bit or a float input gets; other integers are counts, and get ones.
_FLOATS = ("float32", "float16", "float64")
_MAX_BYTES = 1 << 30


@dataclass(frozen=True, eq=False)
class PlainModel:
    """A file with the name, type and shape of each input. ``reason`` says why photos can't be fed to it."""

    path: Path
    format: Literal["tflite", "onnx"]
    sha256: str
    names: tuple[str, ...]
    dtypes: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    outputs_n: int
    reason: str

    def made_inputs(self, count: int) -> tuple[NDArray[Any], ...]:
        """``count`` times each input, [count, *shape]: noise 0..1 or of all bytes, ones for wider integers."""
        rng = np.random.default_rng(0)
        size = sum(count * int(np.prod(shape)) * 4 for shape in self.shapes)
        if size > _MAX_BYTES:
            raise UsageError(f"{self.path}: {count} inputs take {size / 2**30:.1f} GiB. Time fewer with --photos")
        return tuple(_made(dtype, (count, *shape), rng) for dtype, shape in zip(self.dtypes, self.shapes, strict=True))


def open_any(
    path: str | os.PathLike[str], options: FileOptions | None = None, shapes: Shapes | None = None
) -> Artifact | PlainModel:
    """Open any file to be timed: a classifier of photos where it is one, else with inputs to be made.

    Args:
        path: A .tflite or .onnx, or an export of edgekd's.
        options: What the file takes and gives, where its metadata does not say.
        shapes: Shapes of inputs by name ("" for the only one) whose sizes the file leaves free.

    Raises:
        ArtifactError: It is missing or damaged, or its runtime refuses it.
        UsageError: Options or shapes that do not fit.
    """
    path = Path(path)
    if has_seal(read_content(path)):
        return Artifact.open(path)
    file = read_foreign(path)
    # In a child first: a foreign file can crash its runtime.
    try:
        result = probe(path, file.format, shapes=shapes)
    except RefusedError as error:
        custom = sorted({op.type.removeprefix("CUSTOM ") for op in file.network.ops if not op.builtin})
        if not custom:
            raise
        raise ArtifactError(
            f"{path} holds {', '.join(custom[:3])}, which are not ops of its runtime's own: {error.why}. What to do: "
            f"edgekd inspect {path.name}"
        ) from None
    if shapes is None:
        try:
            return classifier_of(file, options or FileOptions())
        except ModelError as error:
            reason = str(error)
    else:
        reason = "its shape was given"
    if result.failed is not None:
        hint = ". Give the sizes that it leaves free: --shape 1,16000 or --shape NAME=1,16000" if result.guessed else ""
        raise ArtifactError(f"{path}: {result.failed}{hint}")
    return plain_of(file, result.shapes, reason)


def with_made_inputs(artifact: Artifact, reason: str) -> PlainModel:
    """A classifier as a file with made inputs of its size."""
    assert artifact.feed is not None, "an export of edgekd's takes photos alone"
    size = (artifact.preprocessing.height, artifact.preprocessing.width)
    shape = (1, 3, *size) if artifact.layout == "nchw" else (1, *size, 3)
    file = read_foreign(artifact.path)
    return plain_of(file, {artifact.inputs[0].name: shape}, reason)


def plain_of(file: ForeignFile, shapes: Shapes, reason: str) -> PlainModel:
    """A file with inputs of ``shapes`` by name. Raises ArtifactError for inputs that can't be made."""
    values = [file.network.values[key] for key in file.network.inputs]
    odd = [f"{value.name} ({value.dtype})" for value in values if not _can_be_made(value.dtype)]
    if odd:
        raise ArtifactError(f"{file.path} takes {', '.join(odd)}, which can't be made. Time it in its own program")
    return PlainModel(
        path=file.path,
        format=file.format,
        sha256=hashlib.sha256(file.content).hexdigest(),
        names=tuple(value.name for value in values),
        dtypes=tuple(value.dtype for value in values),
        shapes=tuple(tuple(shapes[value.name]) for value in values),
        outputs_n=len(file.network.outputs),
        reason=reason,
    )


def describe_inputs(model: PlainModel) -> str:
    """Types and shapes of the inputs in words."""
    parts: Sequence[str] = [
        f"{dtype} {'x'.join(map(str, shape)) or 'scalar'}"
        for dtype, shape in zip(model.dtypes, model.shapes, strict=True)
    ]
    return ", ".join(parts)


def _can_be_made(dtype: str) -> bool:
    return dtype in _FLOATS or dtype in ("int8", "uint8", "int16", "int32", "int64", "bool")


def _made(dtype: str, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
    if dtype in _FLOATS:
        return rng.random(shape, np.float32).astype(dtype)
    if dtype in ("int8", "uint8"):
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    return np.ones(shape, dtype)
