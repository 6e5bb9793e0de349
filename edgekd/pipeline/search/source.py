"""What candidates are cut from, and candidates as Keras models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.models import efficientnet_lite
from edgekd.models.blocks import blocks_of
from edgekd.models.load import load_model
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.stages.start import narrowing_photos, teacher_of
from edgekd.students.bottleneck import bottlenecks_of
from edgekd.students.build import build_student
from edgekd.students.spec import parse_student

_SIZES = (64, 96, 128, 160, 192, 224)
_LITE0_SIZE = 224
# Fewer than the student that is trained gets: candidates are only compared.
_NARROW_PHOTOS = 128


@dataclass(frozen=True, eq=False)
class Source:
    """The ``network`` that slices are cut from (None: none can be), and ``cut_from`` as the recipe then has it."""

    network: Any | None
    cut_from: str | None
    teacher: Any
    sizes: tuple[int, ...]
    most_parameters: float


def open_source(context: RunContext) -> Source:
    """The network that candidates are cut from: the teacher where its blocks can be narrowed, else the built-in one."""
    recipe = context.recipe
    teacher, section = teacher_of(context), recipe.student
    fixed = recipe.teacher.is_fixed
    side = int(teacher.input_size if fixed else teacher.input_shape[1])
    sizes = tuple(size for size in _SIZES if size <= side) or (side,)
    most = float("inf") if section.allow_larger else float(teacher.parameters if fixed else teacher.count_params())
    if name := recipe.cut_network:
        return Source(efficientnet_lite.build(_LITE0_SIZE, name=name), name, teacher, sizes, most)
    assert not fixed
    # As it is loaded for its student, so that both are cut from the same layers.
    network = load_model(context.path / "teacher" / "teacher.keras")
    if bottlenecks_of(network) or section.cut_from == "teacher":
        return Source(network if blocks_of(network) else None, section.cut_from, teacher, sizes, most)
    return Source(efficientnet_lite.build(_LITE0_SIZE), efficientnet_lite.LITE0, teacher, sizes, most)


def build(context: RunContext, source: Source, student: str, *, shapes_only: bool = False) -> Any:
    """A candidate, untrained; with ``shapes_only`` quickly, and only to be measured."""

    def photos(size: tuple[int, int]) -> npt.NDArray[np.uint8]:
        return narrowing_photos(context, size, _NARROW_PHOTOS)

    return build_student(
        parse_student(student), source.teacher, len(context.dataset.classes), cut_from=source.network,
        allow_larger=True, photos=None if shapes_only else photos, shapes_only=shapes_only,
    )  # fmt: skip
