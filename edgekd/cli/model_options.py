"""The options that say what another tool's file takes and gives: one group, one reader, for every command."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from edgekd.task import Task

if TYPE_CHECKING:
    from pathlib import Path

    from edgekd.foreign.options import FileOptions, PixelOptions
    from edgekd.formats.artifact import Artifact

Command = TypeVar("Command", bound=Callable[..., Any])

# As in a recipe's [teacher].
_LEAST_SIDE, _MOST_SIDE = 16, 1024


class _Side(click.ParamType[int]):
    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        is_number = isinstance(value, int) or (value.isascii() and value.isdigit())
        if is_number and _LEAST_SIDE <= int(value) <= _MOST_SIDE:
            return int(value)
        self.fail(
            f"{value!r} is not a whole number of pixels from {_LEAST_SIDE} to {_MOST_SIDE}, which is both height and "
            "width: 224", param, ctx,
        )  # fmt: skip


_OPTIONS: dict[str, Callable[[Any], Any]] = {
    "classes": click.option("--classes", help="Class names in the order of the outputs, or a text file of them."),
    "pixel_range": click.option("--pixel-range", help="What black and white become, where the file does not say: 0,1."),
    "mean": click.option("--mean", help="Mean of each channel after --pixel-range: 0.485,0.456,0.406."),
    "std": click.option("--std", help="Standard deviation of each channel after --pixel-range: 0.229,0.224,0.225."),
    "input_size": click.option("--input-size", type=_Side(), help="Height and width of a model that takes any size."),
    "layout": click.option("--layout", type=click.Choice(["nhwc", "nchw"]), help="Layout, where it could be either."),
    "channels": click.option("--channels", type=click.Choice(["rgb", "bgr"]), help="Order of the channels [rgb]."),
    "output": click.option("--output", help="Name of the output with the class scores, where there are several."),
    "crop": click.option("--crop", type=click.Choice(["whole", "center"]), default="whole", help="[whole]"),
    "task": click.option(
        "--task", type=click.Choice(get_args(Task)), help="Whether the file gives one class or any number of tags."
    ),
    "threshold": click.option(
        "--threshold", help="Probability from which a tag is given: one number, or one a class [0.5]."
    ),
}
PIXEL_OPTIONS = ("input_size", "pixel_range", "mean", "std", "classes")


def model_options(*names: str) -> Callable[[Command], Command]:
    """Add the options of those names to a command; all of them without names."""

    def add(command: Command) -> Command:
        for name in reversed(names or tuple(_OPTIONS)):
            command = _OPTIONS[name](command)
        return command

    return add


def read_file_options(values: Mapping[str, Any]) -> FileOptions:
    """What was said of a file. Raises: UsageError."""
    from pydantic import ValidationError

    from edgekd.data.class_names import read_class_names
    from edgekd.errors import UsageError
    from edgekd.foreign.options import FileOptions

    pixels = read_pixels(values["pixel_range"], values["mean"], values["std"])
    fields = {name: values[name] for name in ("input_size", "layout", "channels", "output", "crop", "task")}
    fields["threshold"] = read_thresholds(values["threshold"])
    classes = () if values["classes"] is None else read_class_names(values["classes"])
    try:
        return FileOptions(classes=classes, **vars(pixels), **fields)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        name = str(problem["loc"][0]).replace("_", "-") if problem["loc"] else "pixel-range"
        raise UsageError(f"--{name}: {problem['msg'].removeprefix('Value error, ')}") from None


def read_pixels(pixel_range: str | None, mean: str | None, std: str | None) -> PixelOptions:
    """The pixel options as numbers. Raises: UsageError for values that do not go together."""
    from edgekd.foreign.options import PixelOptions

    numbers: dict[str, Any] = {
        "pixel_range": read_numbers("--pixel-range", pixel_range, 2),
        "mean": read_numbers("--mean", mean, 3),
        "std": read_numbers("--std", std, 3),
    }
    return PixelOptions(**numbers)


def read_numbers(option: str, text: str | None, count: int) -> tuple[float, ...] | None:
    """Numbers separated by commas; one stands for all three channels. Raises: UsageError."""
    from edgekd.errors import UsageError

    if text is None:
        return None
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) == 1 and count == 3:
        numbers *= 3
    if len(numbers) != count:
        raise UsageError(f"{option} takes {count} numbers separated by commas, got {text!r}")
    return numbers


def read_thresholds(text: str | None) -> tuple[float, ...]:
    """Probabilities separated by commas; empty without any. Raises: UsageError."""
    from edgekd.errors import UsageError

    if text is None:
        return ()
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or not all(0 <= number <= 1 for number in numbers):
        raise UsageError(f"--threshold takes probabilities from 0 to 1, one or one a class, got {text!r}")
    return numbers


def read_shapes(texts: Sequence[str]) -> dict[str, tuple[int, ...]] | None:
    """``1,224,224,3`` or ``NAME=1,16000``, repeated, as shapes by name; None without any. Raises: UsageError."""
    from edgekd.errors import UsageError

    shapes: dict[str, tuple[int, ...]] = {}
    for text in texts:
        name, _, sizes = text.rpartition("=")
        try:
            shapes[name] = tuple(int(size) for size in sizes.split(","))
        except ValueError:
            shapes[name] = ()
        if not shapes[name] or min(shapes[name]) < 1:
            raise UsageError(
                f"--shape takes sizes separated by commas, as in 1,224,224,3 or NAME=1,16000, got {text!r}"
            )
    return shapes or None


shape_option = click.option(
    "--shape", "shapes", multiple=True, help="Sizes of an input that the file leaves free: 1,224,224,3 or NAME=1,16000."
)


def require_labels(artifact: Artifact) -> None:
    """Raise UsageError where nothing names the outputs."""
    from edgekd.errors import UsageError

    if not artifact.has_labels:
        raise UsageError(
            f"{artifact.path}: which output is which class? The file does not say. Add --classes a,b,c or labels.txt, "
            f"the names of its {len(artifact.labels)} outputs in their order"
        )


def open_classifier(path: Path, values: Mapping[str, Any]) -> Artifact:
    """A file of any tool as a classifier of photos, tried in a child process first. Raises: EdgekdError."""
    from edgekd.cli.console import note
    from edgekd.foreign.open_model import open_model
    from edgekd.formats.artifact import has_seal, read_content
    from edgekd.formats.coreml_file import is_package
    from edgekd.inspection.probe import check_runs

    options = read_file_options(values)
    if is_package(path):
        return open_model(path, options)
    if has_seal(read_content(path)):
        # One of ours that has changed is named as that, whatever the change did to it.
        opened = open_model(path, options)
        check_runs(path)
    else:
        check_runs(path)
        opened = open_model(path, options)
    if opened.feed is not None:
        low, high = opened.feed.pixels.limits
        names = "" if opened.has_labels else "; its outputs have no names (--classes)"
        note(f"{path.name}: another tool's; pixels {low:.4g}..{high:.4g} ({opened.feed.pixels.source}){names}")
    return opened
