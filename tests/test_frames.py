"""Frames of cameras: the specification by a loop over its words, and what cannot be a frame."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from frame_cases import KINDS, ROTATIONS, camera_frame, packed, random_cases, random_frame
from PIL import Image

import edgekd
from edgekd.errors import DataError
from edgekd.frames import SPECIFICATION_VERSION, Frame, Plane, frame_pixels, preprocess_frame
from edgekd.preprocess import Preprocessing, resize


def pixel(frame: Frame, x: int, y: int) -> tuple[int, int, int]:
    """One pixel by the words of F1 and F2."""

    def sample(plane: Plane, column: int, row: int) -> int:
        return int(plane.content[plane.offset + row * plane.row_stride + column * plane.pixel_stride])

    if frame.layout == "rgba":
        (plane,) = frame.planes
        start = plane.offset + y * plane.row_stride + x * plane.pixel_stride
        return tuple(int(value) for value in plane.content[start : start + 3])  # type: ignore[return-value]
    luma = sample(frame.planes[0], x, y)
    d, e = (sample(plane, x >> 1, y >> 1) - 128 for plane in frame.planes[1:])
    values = (91881 * e, -22554 * d - 46802 * e, 116130 * d)
    red, green, blue = (min(255, max(0, luma + (value + 32768 >> 16))) for value in values)
    return red, green, blue


def test_every_kind_stride_and_rotation_is_what_the_words_say() -> None:
    turns = {0: 0, 90: -1, 180: 2, 270: 1}
    cases = random_cases(40, seed=5, longest_side=20)
    assert {(case.kind, case.frame.rotation_degrees) for case in cases} == {(k, r) for k in KINDS for r in ROTATIONS}
    for case in cases:
        frame = case.frame
        pixels = [[pixel(frame, x, y) for x in range(frame.width)] for y in range(frame.height)]
        upright = np.rot90(np.array(pixels, np.uint8), turns[frame.rotation_degrees])
        wanted = resize(np.ascontiguousarray(upright), case.preprocessing)
        np.testing.assert_array_equal(preprocess_frame(frame, case.preprocessing), wanted, str(case))


def test_the_colours_are_those_of_libjpeg() -> None:
    """A JPEG of full chroma holds the same planes, which libjpeg turns into the same pixels."""
    random = np.random.default_rng(7)
    planes = random.integers(0, 256, (16, 16, 3), np.uint8)
    # Four pixels share their chroma.
    planes[..., 1:] = planes[::2, ::2, 1:].repeat(2, axis=0).repeat(2, axis=1)
    frame = packed("nv12", planes[..., 0], planes[::2, ::2, 1], planes[::2, ::2, 2], 0)
    wanted = np.array(Image.fromarray(planes, "YCbCr").convert("RGB"))
    assert np.abs(frame_pixels(frame).astype(int) - wanted).max() <= 1  # Pillow rounds by a table of its own


def test_a_camera_sees_what_a_photo_shows() -> None:
    stream = io.BytesIO()
    gradient = np.stack(np.meshgrid(np.arange(64) * 3, np.arange(48) * 4), -1)
    Image.fromarray(np.dstack([gradient, gradient[..., :1] // 2 + 60]).astype(np.uint8)).save(stream, "PNG")
    upright = np.array(Image.open(stream))
    target = Preprocessing(height=12, width=16)
    photo = resize(upright, target).astype(int)
    for rotation in ROTATIONS:
        frame = camera_frame(upright, rotation)
        assert (frame.width, frame.height) == ((48, 64) if rotation % 180 else (64, 48))
        assert np.abs(preprocess_frame(frame, target) - photo).max() <= 3


def test_every_port_names_these_versions() -> None:
    root = Path(__file__).parents[1]
    kotlin, header = (
        (root / name).read_text(encoding="utf-8")
        for name in ("edgekd/kotlin/classifier/Preprocessing.kt", "edgekd/export/edgekd_preprocess.h")
    )
    assert f"const val FRAME_SPECIFICATION_VERSION = {SPECIFICATION_VERSION}\n" in kotlin
    assert f"#define EDGEKD_FRAME_SPECIFICATION_VERSION {SPECIFICATION_VERSION}\n" in header
    assert f'const val EDGEKD_VERSION = "{edgekd.__version__}"\n' in kotlin
    assert f"Specification of frames, version {SPECIFICATION_VERSION}." in str(edgekd.frames.__doc__)


def test_what_cannot_be_a_frame_is_refused() -> None:
    frame = random_frame(np.random.default_rng(1), "yuv", 7, 5, 0, padding=True)
    y, u, v = frame.planes
    short = replace(v, content=v.content[:-1])
    overlapping = replace(y, row_stride=frame.width * y.pixel_stride - y.pixel_stride - 1)
    for planes, message in (((y, u, short), "needs"), ((overlapping, u, v), "overlap")):
        with pytest.raises(DataError, match=message):
            frame_pixels(replace(frame, planes=planes))
    for change, message in (
        ({"rotation_degrees": 45}, "0, 90, 180 or 270"), ({"width": 0}, "pixels"), ({"planes": (y,)}, "3 planes"),
        ({"width": 100_001, "height": 1000}, "pixels"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=message):
            replace(frame, **change)
