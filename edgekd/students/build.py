"""From a student's text to a Keras model with a checked input and output."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.models.load import load_model
from edgekd.models.logits import apply_squash, logits_model
from edgekd.models.rebuild import check_rebuilt, probe_images
from edgekd.students import cnn
from edgekd.students import slice as teacher_slice
from edgekd.students.spec import StudentSpec
from edgekd.teacher.file_teacher import PhotosAt


@dataclass(frozen=True)
class FixedTeacher:
    """A teacher that is not a Keras model: no slice can be cut from it. ``input_size`` in pixels."""

    name: str
    input_size: int
    parameters: int


def build_student(
    spec: StudentSpec,
    teacher: Any,
    classes: int,
    *,
    freeze_blocks: int = 0,
    allow_larger: bool = False,
    photos: PhotosAt | None = None,
) -> Any:
    """The student of ``spec`` as a Keras model: pixels 0..255 [N, H, W, 3] to logits [N, classes].

    ``teacher`` is the Keras teacher, from which slices are cut, or what is known of one of another kind. ``photos``
    are training photos, needed by a slice that keeps a share of its channels. A student that has as many parameters or
    more is refused unless ``allow_larger``.

    Raises ModelError naming what does not fit and what to change.
    """
    is_fixed = isinstance(teacher, FixedTeacher)
    size = spec.input_size or int(teacher.input_size if is_fixed else teacher.input_shape[1])
    if spec.kind == "slice":
        if is_fixed:
            raise ModelError(
                f"the student {spec} is a slice of its teacher, and {teacher.name} is not a Keras model that can be "
                'cut. Choose another network in [student]: model = "cnn:16@96", or your own .keras file'
            )
        images = None if photos is None else photos((size, size))
        student = teacher_slice.build(
            teacher, spec.argument, size, classes,
            freeze_blocks=freeze_blocks, without=spec.without, narrowing=_narrowing(spec, images), photos=images,
        )  # fmt: skip
    elif freeze_blocks:
        raise ModelError(f"freeze_blocks is for slices, whose first blocks are trained already; the student is {spec}")
    elif spec.kind == "cnn":
        student = cnn.build(int(spec.argument), size, classes)
    elif spec.kind == "keras":
        student = _with_logits(load_model(Path(spec.argument)), spec, photos)
    else:
        student = _with_logits(_call(spec.argument, size, classes), spec, photos)
    _check(student, spec, classes)
    most = teacher.parameters if is_fixed else teacher.count_params()
    if not allow_larger and student.count_params() >= most:
        raise ModelError(
            f"the student {spec} has {student.count_params():,} parameters, the teacher {most:,}: "
            "it would not be smaller. Take a smaller one, or set allow_larger = true in [student]"
        )
    return student


def _with_logits(original: Any, spec: StudentSpec, photos: PhotosAt | None) -> Any:
    """The user's network as one that ends in logits, compared with it on ``photos``."""
    student = logits_model(original, spec.argument)
    if student is not original:
        images = _photos_for(student, photos)
        check_rebuilt(original, student, images, spec.argument, finish=apply_squash(original, spec.argument))
    return student


def _photos_for(student: Any, photos: PhotosAt | None) -> Any:
    """Photos of the student's input size, or seeded images where there are none."""
    shape = student.inputs[0].shape
    return probe_images(shape) if photos is None or None in shape[1:] or shape[3] != 3 else photos(tuple(shape[1:3]))


def _narrowing(spec: StudentSpec, images: npt.NDArray[np.uint8] | None) -> teacher_slice.Narrowing | None:
    if spec.keep == 1:
        return None
    if images is None:
        raise ModelError(f"the student {spec} keeps the channels that matter on photos, and there are no photos")
    return teacher_slice.Narrowing(spec.keep, images)


def _call(reference: str, size: int, classes: int) -> Any:
    module_name, _, function_name = reference.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError) as error:
        raise ModelError(f"student {reference}: {error}. Is its module on PYTHONPATH?") from error
    return function(input_size=size, classes=classes)


def _check(student: Any, spec: StudentSpec, classes: int) -> None:
    shape = getattr(student, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4 or shape[3] != 3 or None in shape[1:]:
        raise ModelError(f"the student {spec} must be a Keras model of RGB images of a fixed size, not of {shape}")
    if student.output_shape != (None, classes):
        raise ModelError(f"the student {spec} gives {student.output_shape} where the data has {classes} classes")
