"""The preprocessing in C by this machine's compilers: Python's bytes for golden vectors and for random images."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import c_preprocess as c
import numpy as np
import pytest
from support import blocks

from edgekd.export.c_array import PREPROCESS_HEADER, write_c_array
from edgekd.golden import make_golden
from edgekd.preprocess import Preprocessing, decode

# The last one has fused multiply-add, and fuses what it may.
COMPILERS = {
    "C99 by gcc": ("gcc", "-std=c99", "-O1", *c.SANITIZERS),
    "C99 by clang": ("clang", "-std=c99", "-O1", *c.SANITIZERS),
    "C++17": ("g++", "-x", "c++", "-std=c++17", "-O1", *c.SANITIZERS),
    "for this processor": ("gcc", "-std=gnu11", "-O3", "-march=native", "-ffp-contract=fast"),
}
# clang is tried where it is installed.
HERE = [name for name, argv in COMPILERS.items() if argv[0] != "clang" or shutil.which("clang")]
# An image of 4 rows of 3 pixels RGB as the program is given it, and where its fields are.
PLAIN = (3, 4, 9, c.CODES["rgb"], 1, 2, 2, c.CROPS["whole"], 1, 36)
WIDTH, HEIGHT, STRIDE, LAYOUT, ORIENTATION, INPUT_WIDTH, INPUT_HEIGHT, CROP, _, BYTES = range(10)
Questions = tuple[list[c.Case], list[c.Pixels]]
Build = Callable[[str], Path]


@pytest.fixture(scope="module")
def questions(exported: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Questions:
    """Golden vectors as upright RGB and as their files store them, random images, and what Python makes of each."""
    folder = tmp_path_factory.mktemp("golden")
    manifest = make_golden(exported["int8.tflite"], folder)
    cases, wanted = [], []
    for vector in manifest.vectors:
        content = (folder / vector.photo.file).read_bytes()
        shape = (vector.pixels.height, vector.pixels.width, 3)
        if vector.pixels.file:
            pixels = np.frombuffer((folder / vector.pixels.file).read_bytes(), np.uint8).reshape(shape)
        else:
            pixels = decode(content, vector.photo.file).pixels
        assert hashlib.sha256(pixels.tobytes()).hexdigest() == vector.pixels.sha256
        target = manifest.preprocessing
        cases += [c.Case(pixels, "rgb", target), c.stored_case(content, vector.photo.file, target)]
        tensor = np.frombuffer((folder / vector.input.file).read_bytes(), np.uint8)
        wanted += [tensor.reshape(target.height, target.width, 3)] * 2
    assert len(cases) == 2 * 72
    assert {case.layout for case in cases} == {"rgb", "rgba", "grey", "grey-alpha", "cmyk"}
    assert {case.orientation for case in cases} == set(range(1, 9))
    random = c.random_cases(200, seed=1, largest_area=80_000)
    assert {case.layout for case in random} == set(c.LAYOUTS)
    return cases + random, wanted + [c.python_answer(case) for case in random]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The program by one of the compilers, each compiled once."""

    @cache
    def compile_by(name: str) -> Path:
        argv = COMPILERS[name]
        if shutil.which(argv[0]) is None:
            pytest.skip(f"{argv[0]} is not installed")
        return c.compile_client(argv, tmp_path_factory.mktemp("client") / "client")

    return compile_by


@pytest.mark.parametrize("name", HERE)
def test_tensors_are_the_same_bytes_as_in_python(name: str, build: Build, questions: Questions) -> None:
    assert c.differing(build(name), *questions) == []


@pytest.mark.parametrize("name", HERE)
def test_frames_in_yuv_are_the_same_bytes_as_in_python(name: str, build: Build) -> None:
    cases, wanted = c.yuv_cases(160, seed=4)
    assert {(one.case.kind, one.case.frame.rotation_degrees) for one in cases} == {
        (kind, rotation) for kind in ("yuv", "nv21", "nv12", "i420") for rotation in (0, 90, 180, 270)
    }
    assert c.differing(build(name), cases, wanted) == []


def test_a_frame_whose_samples_overlap_is_refused(build: Build) -> None:
    case = next(one.case for one in c.yuv_cases(40, seed=4)[0] if one.case.frame.width > 2)
    y, u, v = case.frame.planes
    planes = (y, *(replace(plane, row_stride=(case.frame.width - 1) // 2 * plane.pixel_stride) for plane in (u, v)))
    overlapping = c.YuvCase(replace(case, frame=replace(case.frame, planes=planes)))
    (answer,) = c.ask(build("C99 by gcc"), [overlapping])
    assert (answer.status, answer.tensor) == (1, None)


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        (BYTES, 0, 1), (WIDTH, 0, 1), (HEIGHT, -1, 1), (STRIDE, 8, 1), (STRIDE, -8, 1),
        (LAYOUT, -1, 1), (LAYOUT, 9, 1), (HEIGHT, 33_333_334, 1), (ORIENTATION, 0, 0), (ORIENTATION, 9, 0),
        (INPUT_WIDTH, 8193, 2), (INPUT_HEIGHT, 0, 2), (CROP, 2, 2), (CROP, -1, 2),
    ],
)  # fmt: skip
def test_arguments_without_a_meaning_are_refused(build: Build, field: int, value: int, status: int) -> None:
    fields = np.array(PLAIN, "<i4")
    fields[field] = value
    content = fields.tobytes() + bytes(range(36))[: fields[BYTES]]
    done = subprocess.run([build("C99 by gcc")], input=content, capture_output=True, check=True, timeout=60)
    found, scratch_bytes = np.frombuffer(done.stdout, "<u4", 2)
    assert found == status and (scratch_bytes == 0) == (status != 0)


def test_scratch_is_a_seventieth_of_a_frame(build: Build) -> None:
    """Rows are taken one by one, so that no second image is stored."""
    frame = c.Case(np.zeros((480, 640, 4), np.uint8), "bgrx", Preprocessing(height=224, width=224))
    (answer,) = c.ask(build("C99 by gcc"), [frame])
    assert 0 < answer.scratch_bytes <= frame.pixels.size // 70


def test_the_lines_of_the_reference_compile(exported: dict[str, Any], tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    (lines,) = blocks("c")
    made = write_c_array(exported["int8.tflite"], tmp_path)
    constants = made.header.read_text().replace(made.name.upper(), "STUDENT_INT8")
    (tmp_path / "student_int8.h").write_text(constants)
    (tmp_path / "fill.c").write_text(lines)
    argv = ["gcc", "-std=c99", *c.WARNINGS, "-fsyntax-only", "fill.c"]
    subprocess.run(argv, cwd=tmp_path, check=True, timeout=60)


@pytest.mark.parametrize("flags", ["-ffast-math", "-fassociative-math -fno-signed-zeros -fno-trapping-math"])
def test_options_that_change_bytes_are_refused(flags: str) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    argv = ["gcc", "-O2", *flags.split(), "-fsyntax-only", "-x", "c", str(PREPROCESS_HEADER)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "-ffast-math" in done.stderr


def test_a_common_level_of_optimization_gives_no_warnings(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    c.compile_client(("gcc", "-std=c99", "-O2", "-S"), tmp_path / "client.s")
