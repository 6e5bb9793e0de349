"""From a student's text to a Keras model with a checked input and output."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekd.errors import ModelError
from edgekd.models.load import load_model, plain_model
from edgekd.models.logits import check_classifier
from edgekd.models.on_pixels import on_pixels
from edgekd.models.pixel_evidence import find_pixel_evidence
from edgekd.models.pixel_settings import PixelSettings
from edgekd.models.rebuild import PhotosAt, images_for
from edgekd.students import cnn
from edgekd.students import slice as teacher_slice
from edgekd.students.spec import StudentSpec
from edgekd.task import Task
from edgekd.teacher.pixels import Pixels, pixels_of
from edgekd.text import first_line


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
    cut_from: Any | None = None,
    freeze_blocks: int = 0,
    allow_larger: bool = False,
    photos: PhotosAt | None = None,
    pixels: PixelSettings | None = None,
    shapes_only: bool = False,
    task: Task = "single-label",
) -> Any:
    """The student of ``spec`` as a Keras model: pixels 0..255 [N, H, W, 3] to logits [N, classes].

    ``teacher`` is the Keras teacher, or what is known of one of another kind. Slices are cut from it, or from the Keras
    network ``cut_from``. ``photos``
    are training photos, needed by a slice that keeps a share of its channels. ``pixels`` says which values a network
    of the user's own takes, where its first layers do not show it. A student that has as many parameters or more is
    refused unless ``allow_larger``. With ``shapes_only`` a narrowed slice needs no photos and has weights that mean
    nothing: it is to be measured, not trained. ``task`` says what a network of the user's own may end in: a softmax, or
    sigmoids.

    Raises ModelError naming what does not fit and what to change.
    """
    if spec.kind == "auto":
        raise ModelError('the student "auto" is found by a run of a recipe with [student.budget]: edgekd run RECIPE')
    is_fixed = isinstance(teacher, FixedTeacher)
    size = spec.input_size or int(teacher.input_size if is_fixed else teacher.input_shape[1])
    if spec.kind == "slice":
        if is_fixed and cut_from is None:
            raise ModelError(
                f"the student {spec} is a slice of its teacher, and {teacher.name} is not a Keras model that can be "
                'cut. Choose another network in [student]: model = "cnn:16@96", or your own .keras file'
            )
        images = None if photos is None else photos((size, size))
        student = teacher_slice.build(
            teacher if cut_from is None else cut_from, spec.argument, size, classes,
            freeze_blocks=freeze_blocks, without=spec.without,
            narrowing=_narrowing(spec, images, shapes_only), photos=images,
        )  # fmt: skip
    elif freeze_blocks:
        raise ModelError(f"freeze_blocks is for slices, whose first blocks are trained already; the student is {spec}")
    elif spec.kind == "cnn":
        student = cnn.build(int(spec.argument), size, classes)
    elif spec.kind == "keras":
        student = _own_network(load_model(Path(spec.argument), photos), spec, spec.input_size, pixels, photos, task)
    else:
        student = _own_network(_call(spec.argument, size, classes, photos), spec, size, pixels, photos, task)
    _check(student, spec, classes)
    most = teacher.parameters if is_fixed else teacher.count_params()
    if not allow_larger and student.count_params() >= most:
        raise ModelError(
            f"the student {spec} has {student.count_params():,} parameters, the teacher {most:,}: "
            "it would not be smaller. Take a smaller one, or set allow_larger = true in [student]"
        )
    return student


def _own_network(
    original: Any,
    spec: StudentSpec,
    size: int | None,
    pixels: PixelSettings | None,
    photos: PhotosAt | None,
    task: Task,
) -> Any:
    """The user's network as one of pixels 0..255 to logits, compared with it on ``photos``."""
    where = spec.argument
    check_classifier(original, where)
    shape = original.inputs[0].shape
    if shape[3] != 3:
        raise ModelError(f"the student {spec} must be a Keras model of RGB images, [None, H, W, 3], not of {shape}")
    evidence = find_pixel_evidence(original)
    shown = None if evidence is None else Pixels(source=evidence)
    return on_pixels(
        original, where, _size_of(spec, (shape[1], shape[2]), size),
        pixels_of(pixels or PixelSettings(), shown, where, section="student"),
        lambda at: images_for((None, *at, 3), photos), task=task,
    )  # fmt: skip


def _size_of(spec: StudentSpec, sides: tuple[int | None, int | None], size: int | None) -> tuple[int, int]:
    """The network's own (height, width), with ``size`` where it is free. Raises ModelError."""
    height, width = sides
    if (height is None or width is None) and size is None:
        raise ModelError(
            f'{spec.argument} takes images of any size. Say which in [student]: model = "{spec.argument}@96"'
        )
    if spec.input_size is not None and spec.input_size not in (height or size, width or size):
        raise ModelError(
            f"{spec.argument} takes {height} x {width} pixels, not {spec.input_size}. Leave @{spec.input_size} out"
        )
    return height or size or 0, width or size or 0


def _narrowing(
    spec: StudentSpec, images: npt.NDArray[np.uint8] | None, shapes_only: bool
) -> teacher_slice.Narrowing | None:
    if not spec.keep:
        return None
    if images is None and not shapes_only:
        raise ModelError(f"the student {spec} keeps the channels that matter on photos, and there are no photos")
    return teacher_slice.Narrowing(spec.keep, images)


def _call(reference: str, size: int, classes: int, photos: PhotosAt | None) -> Any:
    import keras

    module_name, _, function_name = reference.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except Exception as error:  # Whatever the user's own module raises.
        raise ModelError(
            f"student {reference}: {type(error).__name__}: {first_line(error)}. Is its module on PYTHONPATH?"
        ) from error
    try:
        model = function(input_size=size, classes=classes)
    except Exception as error:  # Whatever the user's own function raises.
        raise ModelError(
            f"student {reference}: called with input_size={size}, classes={classes}, it raised "
            f"{type(error).__name__}: {first_line(error)}"
        ) from error
    if not isinstance(model, keras.Model):
        raise ModelError(f"student {reference} gave a {type(model).__name__}. It must return a keras.Model")
    return plain_model(model, reference, photos)


def _check(student: Any, spec: StudentSpec, classes: int) -> None:
    shape = getattr(student, "input_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4 or shape[3] != 3 or None in shape[1:]:
        raise ModelError(f"the student {spec} must be a Keras model of RGB images of a fixed size, not of {shape}")
    if student.output_shape != (None, classes):
        raise ModelError(f"the student {spec} gives {student.output_shape} where the data has {classes} classes")
