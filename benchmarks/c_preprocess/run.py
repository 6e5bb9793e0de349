"""Does edgekd_preprocess.h give Python's bytes by every compiler here, and how long does it take beside Pillow?

    python benchmarks/c_preprocess/run.py [--compiler CC=C++]... [--out DIR]

Needs gcc and g++; clang is taken where it is installed, and others are named by --compiler. Golden vectors and random
images run under the address and undefined-behaviour sanitizers. Times are of a frame and of a photo of 12 megapixels;
the Kotlin port's are those of benchmarks/android_resize.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import ROOT, TESTS, Parser, machine, run_script, temporary_folder, write_results

sys.path.insert(0, str(TESTS))

import c_preprocess as c
import numpy as np

from edgekd.errors import UsageError
from edgekd.golden.photos import golden_photos
from edgekd.photo_input import shrink
from edgekd.photo_pixels import StoredPhoto
from edgekd.preprocess import Preprocessing, decode, preprocess

STANDARDS = {"C99": ("-std=c99",), "C++17": ("-x", "c++", "-std=c++17")}
SIDE = 224
INPUTS = (Preprocessing(height=SIDE, width=SIDE), Preprocessing(height=96, width=160, crop="center"))
IMAGES = {"a frame of 640 x 480": (480, 640), "a photo of 4000 x 3000": (3000, 4000)}
KOTLIN = ROOT / "benchmarks/android_resize/results/android_resize.json"


@dataclass(frozen=True)
class Sizes:
    """How many random images of at most how many pixels, how many runs a time is of, and how many of ``IMAGES``."""

    random: int
    largest_area: int
    runs: int
    images: int


FULL = Sizes(random=2000, largest_area=200_000, runs=41, images=len(IMAGES))
SHORT = Sizes(random=20, largest_area=10_000, runs=3, images=1)


def main() -> None:
    """Compile, compare, time, and write the results."""
    parser = Parser(__file__, __doc__)
    parser.add_argument(
        "--compiler", action="append", default=[], metavar="CC=C++", help="one more pair, such as clang-19=clang++-19"
    )
    parser.add_argument("--kotlin", type=Path, default=KOTLIN, help="results of benchmarks/android_resize [committed]")
    arguments = parser.parse()
    sizes = SHORT if arguments.short else FULL
    pairs = [("gcc", "g++"), ("clang", "clang++"), *(tuple(pair.split("=", 1)) for pair in arguments.compiler)]
    pairs = [pair for pair in pairs if shutil.which(pair[0])]
    if not pairs:
        raise UsageError("there is no C compiler here: apt-get install gcc g++ libc6-dev, or name one by --compiler")
    questions = ask_python(sizes)
    folder = temporary_folder()
    compilers = [measure(pair, questions, folder, sizes) for pair in (pairs[:1] if arguments.short else pairs)]
    results = {
        "schema": 1,
        "machine": machine("cpu_model", "cores", "load_1min"),
        "header_lines": len(c.PREPROCESS_HEADER.read_text(encoding="utf-8").splitlines()),
        "vectors": questions.vectors,
        "random_images": sizes.random,
        "runs": sizes.runs,
        "compilers": compilers,
        "python_ms": {name: time_python(shape, sizes.runs) for name, shape in timed_images(sizes)},
        "kotlin_ms": read_kotlin(arguments.kotlin, sizes),
    }
    write_results(arguments.out, "c_preprocess", results, report(results))


@dataclass(frozen=True)
class Questions:
    """What is asked, and what Python answers: ``vectors`` golden ones come first, each twice for each input."""

    vectors: int
    cases: list[c.Case]
    wanted: list[c.Pixels]


def ask_python(sizes: Sizes) -> Questions:
    """Golden vectors as upright RGB and as their files store them, for both inputs, and random images."""
    cases, wanted = [], []
    for target in INPUTS:
        photos = golden_photos(target)
        for photo in photos:
            cases += [
                c.Case(decode(photo.content, photo.name).pixels, "rgb", target),
                c.stored_case(photo.content, photo.name, target),
            ]
            wanted += [preprocess(photo.content, photo.name, target)] * 2
    random = c.random_cases(sizes.random, 22, sizes.largest_area)
    return Questions(len(photos), cases + random, wanted + [c.python_answer(case) for case in random])


def measure(pair: Sequence[str], questions: Questions, folder: Path, sizes: Sizes) -> dict[str, Any]:
    """What a C compiler and its C++ compiler make of the header: differences, times and scratch."""
    version = subprocess.run([pair[0], "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    result: dict[str, Any] = {"compiler": version, "sanitized": {}, "ms": {}}
    golden = len(INPUTS) * questions.vectors * 2
    for (name, options), command in zip(STANDARDS.items(), pair, strict=True):
        program = c.compile_client([command, *options, "-O1", *c.SANITIZERS], folder / "sanitized")
        right = [
            answer.tensor is not None and np.array_equal(answer.tensor, tensor)
            for answer, tensor in zip(c.ask(program, questions.cases), questions.wanted, strict=True)
        ]
        vectors = np.reshape(right[:golden], (len(INPUTS), questions.vectors, 2)).all(axis=(0, 2))
        result["sanitized"][name] = {"vectors_equal": int(vectors.sum()), "random_equal": sum(right[golden:])}
    for level in ("-O2", "-O3"):
        program = c.compile_client([pair[0], "-std=c99", level], folder / "timed")
        for name, shape in timed_images(sizes):
            for layout in ("rgb", "bgrx"):
                case = c.Case(texture(shape, len(c.LAYOUTS[layout][1])), layout, INPUTS[0])
                (answer,) = c.ask(program, [case], times=sizes.runs)
                result["ms"].setdefault(name, {}).setdefault(layout, {})[level] = list(answer.milliseconds)
                result.setdefault("scratch_bytes", {})[name] = answer.scratch_bytes
    return result


def timed_images(sizes: Sizes) -> list[tuple[str, tuple[int, int]]]:
    """Names and shapes of the images that are timed."""
    return list(IMAGES.items())[: sizes.images]


def texture(shape: tuple[int, int], channels: int) -> c.Pixels:
    """Pixels whose values no branch could foresee."""
    return np.random.default_rng(0).integers(0, 256, (*shape, channels), np.uint8)


def time_python(shape: tuple[int, int], runs: int) -> list[float]:
    """Milliseconds of ``edgekd.preprocess``'s part behind decoding, which is Pillow's resize."""
    photo, times = StoredPhoto.of_pixels(texture(shape, 3)), []
    for _ in range(runs):
        start = time.perf_counter()
        shrink(photo, INPUTS[0])
        times.append((time.perf_counter() - start) * 1e3)
    return times


def read_kotlin(path: Path, sizes: Sizes) -> dict[str, Any]:
    """The Kotlin port's milliseconds for images of the same sizes, as far as they were measured, and on which CPU."""
    results = json.loads(path.read_text(encoding="utf-8"))
    keys = dict(zip(IMAGES, ("frame_ms", "port_ms"), strict=True))
    times = {name: results[keys[name]] for name, _ in timed_images(sizes) if keys[name] in results}
    return {"cpu_model": results["machine"]["cpu_model"], "times": times if results["side"] == SIDE else {}}


def report(results: Mapping[str, Any]) -> str:
    """The differences by compiler, and the times by image."""
    found = results["machine"]
    return f"""`edgekd_preprocess.h`, {results["header_lines"]} lines, with every warning an error, under the address \
and undefined-behaviour
sanitizers. A golden vector counts where its upright RGB and its pixels as the file stores them (turned, with alpha,
grey, CMYK) both give the tensor byte for byte, for two inputs. Random images have 1 to 9000 pixels a side, all layouts
and orientations, odd and negative strides.

| compiler | as | golden vectors | random images |
|---|---|---|---|
{chr(10).join(equal_rows(results))}

To {SIDE} x {SIDE}, milliseconds on one core of {found["cpu_model"]}: the median, and the least of \
{results["runs"]} runs, which other work
disturbs least (the load was {found["load_1min"]} on {found["cores"]} cores at the end):

| image | by | RGB | BGRX | scratch in bytes |
|---|---|---|---|---|
{chr(10).join(time_rows(results))}
"""


def equal_rows(results: Mapping[str, Any]) -> list[str]:
    """How many tensors were equal, by compiler and language."""
    return [
        f"| {one['compiler']} | {name} | {row['vectors_equal']} of {results['vectors']} | "
        f"{row['random_equal']:,} of {results['random_images']:,} |"
        for one in results["compilers"]
        for name, row in one["sanitized"].items()
    ]


def time_rows(results: Mapping[str, Any]) -> list[str]:
    """Times by image: each compiler at two levels, Python, and Kotlin where it was measured."""
    rows = []
    for name, python in results["python_ms"].items():
        for one in results["compilers"]:
            program = one["compiler"].split(" (")[0].split(" version")[0].removeprefix("Debian ")
            for level in ("-O2", "-O3"):
                rgb, bgrx = (describe(one["ms"][name][layout][level]) for layout in ("rgb", "bgrx"))
                rows.append(f"| {name} | {program} {level} | {rgb} | {bgrx} | {one['scratch_bytes'][name]:,} |")
        rows.append(f"| {name} | Python, by Pillow | {describe(python)} | | |")
        kotlin = results["kotlin_ms"]
        if name in kotlin["times"]:
            rows.append(f"| {name} | Kotlin, a JVM on {kotlin['cpu_model']} | {describe(kotlin['times'][name])} | | |")
    return rows


def describe(milliseconds: Sequence[float]) -> str:
    """The median and the least."""
    return f"{statistics.median(milliseconds):.2f}, {min(milliseconds):.2f}"


if __name__ == "__main__":
    run_script(main)
