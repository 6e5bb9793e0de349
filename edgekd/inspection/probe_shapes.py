"""Sizes to try where a file leaves those of its inputs free."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

_MAX_INPUT_BYTES = 256 << 20
# Tried in turn for free heights and widths, with the channels where these are free too, and for free lengths.
_SIDES = (224, 32, 64, 96, 128, 160, 192, 256, 299, 320)
_CHANNELS = (3, 1)
_LENGTHS = (1, 16, 64, 128, 256, 512, 1024, 16000)
_MOST_TRIES = 24

Say = Callable[[dict[str, Any]], None]
Shape = list[int]


class ShapeError(ValueError):
    """The shapes that the user gave do not fit."""


def attempts(free: dict[str, list[Any]], given: dict[str, Shape]) -> Iterator[dict[str, Shape]]:
    """Shapes to try for inputs of these shapes, whose free sizes are no positive numbers.

    A batch is 1. Raises ShapeError where ``given`` does not fit.
    """
    given = {name or next(iter(free)): shape for name, shape in given.items()} if len(free) == 1 else given
    unknown = [name or "(without a name)" for name in given if name not in free]
    if unknown:
        raise ShapeError(f"--shape names the input {unknown[0]}, and the inputs are {', '.join(free)}")
    for name, shape in given.items():
        if len(shape) != len(free[name]) or any(is_size(a) and a != b for a, b in zip(free[name], shape, strict=True)):
            raise ShapeError(f"--shape {','.join(map(str, shape))} does not fit {name}, which is {free[name]}")
    seen: list[dict[str, Shape]] = []
    batches = {shape[0] for shape in free.values() if shape and isinstance(shape[0], str)}
    known = {name: [1 if size in batches else size for size in shape] for name, shape in free.items()}
    for side, channels, length in _guesses():
        # What is not the first input is often a state, with the batch in any place.
        lengths = [length if number == 0 else 1 for number in range(len(known))]
        filled = zip(known.items(), lengths, strict=True)
        shapes = {name: given.get(name) or _fill(shape, side, channels, most) for (name, shape), most in filled}
        if shapes not in seen:
            seen.append(shapes)
            yield shapes


def _guesses() -> Iterator[tuple[int, tuple[int, int], int]]:
    places = [(channels, axis) for channels in _CHANNELS for axis in (1, 3)]
    for number, length in enumerate(_LENGTHS):
        yield _SIDES[number], places[0], length
    for place in places:
        for side in _SIDES:
            yield side, place, _LENGTHS[0]


def _fill(shape: list[Any], side: int, place: tuple[int, int], length: int) -> Shape:
    if len(shape) != 4:
        return [size if is_size(size) else 1 if i == 0 else length for i, size in enumerate(shape)]
    filled = [size if is_size(size) else 1 if i == 0 else side for i, size in enumerate(shape)]
    if not any(is_size(size) for size in shape[1:]):
        filled[place[1]] = place[0]
    return filled


def is_size(size: Any) -> bool:
    """Whether a size is a number, and not free."""
    return isinstance(size, int) and size > 0


def small_enough(shape: Shape, itemsize: int) -> bool:
    """Whether zeros of that shape may be made."""
    count = itemsize
    for size in shape:
        count *= size
    return count <= _MAX_INPUT_BYTES


def run_first(free: dict[str, list[Any]], given: dict[str, Shape], run: Callable[[dict[str, Shape]], None]) -> Any:
    """The first shapes with which ``run`` works, or its first error."""
    first: Exception | None = None
    for number, shapes in enumerate(attempts(free, given)):
        if number == _MOST_TRIES:
            break
        try:
            run(shapes)
        except ShapeError:
            raise
        except Exception as error:  # a runtime's own exception types share no base but this
            first = first or error
            continue
        return shapes
    raise first if first is not None else ValueError("it has no input")
