"""A trained network in a file of any format: what is known of it, and one call from inputs to outputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.formats.artifact import LARGEST_BATCH, LARGEST_MODEL_BYTES
from edgekd.models.outputs import Ending
from edgekd.storage import digest, require_regular_file, sha256_file
from edgekd.teacher.files import InputSettings
from edgekd.teacher.pixels import Pixels

Layout = Literal["nhwc", "nchw"]
Shape = tuple[int | str | None, ...]
BATCH = 32


@dataclass(frozen=True)
class NetworkFacts:
    """What a file says of itself. ``shape`` is its input's, a free size being no positive number.

    ``dtype`` is the input's; a quantized one has ``scale`` and ``zero_point``. ``step`` is the distance of the values
    of its output, 0 for float32. ``labels``, ``pixels`` and ``crop`` are None where it does not say; a ``sealed`` file
    is an export of edgekd's.
    """

    where: str
    key: str
    size_bytes: int
    parameters: int
    shape: Shape
    dtype: str
    scale: float | None = None
    zero_point: int = 0
    ending: Ending = "unknown"
    step: float = 0.0
    labels: tuple[str, ...] | None = None
    pixels: Pixels | None = None
    crop: str | None = None
    sealed: bool = False

    @property
    def batch(self) -> int | None:
        """Images a call; None where that is free."""
        return _fixed_size(self.shape[0])


class NotAClassifierError(ModelError):
    """A file that takes no RGB photos, or gives no class scores."""


class Network(Protocol):
    """A loaded file."""

    @property
    def facts(self) -> NetworkFacts:
        """What is known of it."""

    def run(self, inputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Raw outputs, one row an image, of a batch in the layout and dtype that the file takes."""


def layout_of(facts: NetworkFacts, settings: InputSettings) -> Layout:
    """Whether channels come first or last. Raises ModelError where the shape fits no RGB image, or either layout."""
    shape = facts.shape
    if len(shape) != 4:
        raise NotAClassifierError(
            f"{facts.where} takes {_format_shape(shape)}; an image classifier takes one RGB image, [N, H, W, 3]"
        )
    if (facts.batch or 1) > LARGEST_BATCH:
        raise ModelError(
            f"{facts.where} takes {facts.batch:,} images at once, of which {LARGEST_BATCH:,} are the most. "
            "Export it with a batch of 1"
        )
    first, last = _fixed_size(shape[1]), _fixed_size(shape[3])
    possible: list[Layout] = [name for name, size in _places(first, last) if size in (3, None)]
    if settings.layout is not None:
        if settings.layout not in possible:
            raise ModelError(
                f"{facts.where} takes {_format_shape(shape)}, which is not {settings.name_of('layout')} "
                f"{settings.layout}"
            )
        return settings.layout
    certain: list[Layout] = [name for name, size in _places(first, last) if size == 3]
    if len(certain) == 1:
        return certain[0]
    if not possible:
        raise NotAClassifierError(
            f"{facts.where} takes {_format_shape(shape)}; an image classifier takes RGB images: 3 channels, "
            "first or last"
        )
    raise ModelError(
        f"{facts.where} takes {_format_shape(shape)}: where are the channels? "
        + settings.how_to_add("layout", '"nhwc" or "nchw"')
    )


def size_of(facts: NetworkFacts, layout: Layout, settings: InputSettings) -> tuple[int, int]:
    """(height, width) in pixels. Raises ModelError where neither file nor recipe says, or they say different things."""
    height, width = (_fixed_size(size) for size in (facts.shape[1:3] if layout == "nhwc" else facts.shape[2:4]))
    return resolve_size(height, width, settings, facts.where)


def resolve_size(height: int | None, width: int | None, settings: InputSettings, where: str) -> tuple[int, int]:
    """The file's size, or ``input_size`` where it leaves it open. Raises ModelError."""
    requested = settings.input_size
    if (height is None or width is None) and requested is None:
        raise ModelError(
            f"{where} takes images of any size. {settings.how_to_add('input_size', '224')}, or the size that it was "
            "trained at"
        )
    size = (height or requested or 0, width or requested or 0)
    if requested is not None and requested not in size:
        raise ModelError(
            f"{where} takes {size[0]} x {size[1]} pixels. {settings.how_to_remove('input_size', requested)}"
        )
    return size


def check_file(path: Path) -> Path:
    """The path, if a file is there. Raises ModelError."""
    if not path.is_file():
        raise ModelError(f"{path} does not exist. Correct [teacher] model: a path is relative to the recipe")
    try:
        require_regular_file(path, LARGEST_MODEL_BYTES)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}. Correct [teacher] model") from None
    return path


def folder_hash(path: Path) -> str:
    """Hash of every file in a directory by its name."""
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return digest([(file.relative_to(path).as_posix(), sha256_file(file)) for file in files])


def _places(first: int | None, last: int | None) -> tuple[tuple[Layout, int | None], ...]:
    return ("nhwc", last), ("nchw", first)


def _fixed_size(size: int | str | None) -> int | None:
    return size if isinstance(size, int) and size > 0 else None


def _format_shape(shape: Shape) -> str:
    return f"[{', '.join('?' if _fixed_size(size) is None else str(size) for size in shape)}]"


def run_in_batches(inputs: npt.NDArray[Any], run: Any, batch: int | None) -> npt.NDArray[Any]:
    """``run`` over parts of ``batch`` images (1 to `BATCH` where that is free); a short last part is filled up."""
    size = batch or BATCH
    parts = []
    for start in range(0, len(inputs), size):
        part = inputs[start : start + size]
        count = len(part)
        if batch is not None and count < batch:
            part = np.concatenate([part, np.repeat(part[-1:], batch - count, axis=0)])
        parts.append(np.asarray(run(np.ascontiguousarray(part)))[:count])
    return np.concatenate(parts)
