"""edgekd_preprocess.h, compiled into a program that is given cases and gives tensors back; Python's answers beside."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import frame_cases
import numpy as np
from frame_cases import FrameCase
from numpy.typing import NDArray
from PIL import Image

from edgekd.export.c_array import PREPROCESS_HEADER
from edgekd.frames import ORIENTATIONS, preprocess_frame
from edgekd.photo_input import shrink
from edgekd.photo_pixels import open_photo
from edgekd.preprocess import Preprocessing

CLIENT = Path(__file__).parent / "clients/preprocess_client.c"
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow")
SANITIZERS = ("-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
# In the order of the header's constants: the channels, as a permutation of Pillow's, and Pillow's mode.
LAYOUTS = {
    "grey": ("L", [0]), "grey-alpha": ("LA", [0, 1]), "rgb": ("RGB", [0, 1, 2]), "bgr": ("RGB", [2, 1, 0]),
    "rgba": ("RGBA", [0, 1, 2, 3]), "bgra": ("RGBA", [2, 1, 0, 3]), "rgbx": ("RGB", [0, 1, 2, 0]),
    "bgrx": ("RGB", [2, 1, 0, 0]), "cmyk": ("CMYK", [0, 1, 2, 3]),
}  # fmt: skip
CODES = {name: number for number, name in enumerate(LAYOUTS)}
CROPS = {"whole": 0, "center": 1}
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Case:
    """An image as it lies in memory, and the input that is wanted of it.

    ``pixels`` is uint8 [H, W, C] in the order of the layout; ``padding`` bytes follow every row but the last; with
    ``upside_down`` the rows lie in memory from the bottom, and the stride is negative.
    """

    pixels: Pixels
    layout: str
    preprocessing: Preprocessing
    orientation: int = 1
    padding: int = 0
    upside_down: bool = False

    def encode(self, times: int) -> bytes:
        """The case as the program reads it."""
        height, width, channels = self.pixels.shape
        stride = width * channels + self.padding
        memory = np.full((height, stride), 0xA5, np.uint8)
        memory[:, : width * channels] = self.pixels.reshape(height, -1)
        if self.upside_down:
            memory, stride = memory[::-1], -stride
        content = memory.tobytes()[: memory.size - self.padding]
        target = self.preprocessing
        fields = (
            width, height, stride, CODES[self.layout], self.orientation, target.width, target.height,
            CROPS[target.crop], times, len(content),
        )  # fmt: skip
        return np.array(fields, "<i4").tobytes() + content


@dataclass(frozen=True)
class YuvCase:
    """A frame in YUV whose samples of Y lie side by side, as the header takes it."""

    case: FrameCase

    @property
    def preprocessing(self) -> Preprocessing:
        """The input that is wanted."""
        return self.case.preprocessing

    def encode(self, times: int) -> bytes:
        """The case as the program reads it: its buffers one after the other."""
        frame, target = self.case.frame, self.case.preprocessing
        y, u, v = frame.planes
        starts, content = [u.offset, v.offset], y.content
        if self.case.kind == "yuv":
            starts = [y.content.size, y.content.size + u.content.size]
            content = np.concatenate([plane.content for plane in frame.planes])
        fields = (
            frame.width, frame.height, y.row_stride, 1000, ORIENTATIONS[frame.rotation_degrees], target.width,
            target.height, CROPS[target.crop], times, content.size, *starts, u.row_stride, u.pixel_stride,
        )  # fmt: skip
        return np.array(fields, "<i4").tobytes() + content.tobytes()


AnyCase = Case | YuvCase


def yuv_cases(count: int, seed: int) -> tuple[list[YuvCase], list[Pixels]]:
    """Frames of every layout and rotation, and what Python makes of each."""
    random = frame_cases.random_cases(count, seed)
    taken = [one for one in random if one.kind != "rgba" and one.frame.planes[0].pixel_stride == 1]
    return [YuvCase(one) for one in taken], [preprocess_frame(one.frame, one.preprocessing) for one in taken]


@dataclass(frozen=True)
class Answer:
    """What the program says of a case: its status, how much scratch, how long each time took, the tensor."""

    status: int
    scratch_bytes: int
    milliseconds: tuple[float, ...]
    tensor: Pixels | None


def compile_client(compiler: Sequence[str], program: Path) -> Path:
    """Compile the program by a command such as ``("gcc", "-std=c99")``, with the header of the package."""
    argv = [*compiler, *WARNINGS, "-I", str(PREPROCESS_HEADER.parent), str(CLIENT), "-o", str(program)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stderr}"
    return program


def ask(program: Path, cases: Sequence[AnyCase], times: int = 1) -> list[Answer]:
    """Give all cases to the program, in one process."""
    done = subprocess.run(
        [str(program)], input=b"".join(case.encode(times) for case in cases), capture_output=True, timeout=300
    )
    assert done.returncode == 0, done.stderr.decode()
    return list(_read(done.stdout, cases, times))


def _read(content: bytes, cases: Sequence[AnyCase], times: int) -> Iterator[Answer]:
    at = 0
    for case in cases:
        status, scratch = np.frombuffer(content, "<u4", 2, at).tolist()
        milliseconds = tuple(np.frombuffer(content, "<f8", times, at + 8).tolist())
        at += 8 + 8 * times
        shape = (case.preprocessing.height, case.preprocessing.width, 3)
        tensor = None
        if status == 0:
            tensor = np.frombuffer(content, np.uint8, int(np.prod(shape)), at).reshape(shape)
            at += tensor.size
        yield Answer(status, scratch, milliseconds, tensor)
    assert at == len(content)


def python_answer(case: Case) -> Pixels:
    """The same by Python: a file of these pixels, decoded, turned, cropped and resized."""
    mode, order = LAYOUTS[case.layout]
    channels = np.empty((*case.pixels.shape[:2], len(Image.new(mode, (1, 1)).getbands())), np.uint8)
    for place, channel in reversed(list(enumerate(order))):
        channels[..., channel] = case.pixels[..., place]
    stream = io.BytesIO()
    image = Image.fromarray(channels if mode != "L" else channels[..., 0], mode)
    image.save(stream, "TIFF" if mode == "CMYK" else "PNG", **({} if mode == "CMYK" else {"compress_level": 0}))
    photo = open_photo(stream.getvalue(), "a case")
    return shrink(replace(photo, orientation=case.orientation), case.preprocessing)


def differing(program: Path, cases: Sequence[AnyCase], wanted: Sequence[Pixels]) -> list[AnyCase]:
    """The cases whose tensor is not the wanted one, byte for byte."""
    tensors = [answer.tensor for answer in ask(program, cases)]
    return [case for case, tensor, pixels in zip(cases, tensors, wanted, strict=True) if not _is_equal(tensor, pixels)]


def _is_equal(tensor: Pixels | None, wanted: Pixels) -> bool:
    return tensor is not None and np.array_equal(tensor, wanted)


def random_cases(count: int, seed: int, largest_area: int) -> list[Case]:
    """Images of 1 to 9000 pixels a side in every layout and orientation, with odd strides, for inputs of any size."""
    random = np.random.default_rng(seed)
    layouts = list(LAYOUTS)

    def side(most: int) -> int:
        return int(np.exp(random.uniform(0, np.log(most + 1))))

    cases = []
    for number in range(count):
        long = side(9000)
        sides = [long, side(min(9000, max(1, largest_area // long)))]
        random.shuffle(sides)
        layout = layouts[number % len(layouts)]
        target = Preprocessing(height=side(300), width=side(300), crop=("whole", "center")[int(random.integers(2))])
        pixels = random.integers(0, 256, (*sides, len(LAYOUTS[layout][1])), np.uint8)
        if number % 3 == 0:
            pixels = np.where(pixels < 128, 0, 255).astype(np.uint8)  # sums at their bounds
        orientation, padding = int(random.integers(1, 9)), int(random.integers(0, 70))
        cases.append(Case(pixels, layout, target, orientation, padding, upside_down=bool(random.integers(2))))
    return cases


def stored_case(content: bytes, name: str, target: Preprocessing) -> Case:
    """A photo's pixels as its file stores them where the header has their layout, else in RGB; not turned yet."""
    photo, image = open_photo(content, name), Image.open(io.BytesIO(content))
    layout = {mode: name for name, (mode, _) in reversed(LAYOUTS.items())}.get(image.mode)
    # Pillow turns a TIFF itself.
    if layout is None or "transparency" in image.info or image.format == "TIFF":
        return Case(np.array(photo.image), "rgb", target, photo.orientation)
    pixels = np.array(image)
    return Case(pixels if pixels.ndim == 3 else pixels[..., np.newaxis], layout, target, photo.orientation)
