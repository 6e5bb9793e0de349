"""What a user says of a file whose own metadata does not: the keys of ``[teacher]`` as options of a command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import model_validator

from edgekd.errors import UsageError
from edgekd.models.pixel_settings import Three
from edgekd.task import Task
from edgekd.teacher.files import InputSettings

PIXEL_HINT = (
    "Add --pixel-range 0,1 (or -1,1, or 0,255: what black and white become), and with it --mean and --std where the "
    "channels were normalized (torchvision's networks: --pixel-range 0,1 --mean 0.485,0.456,0.406 "
    "--std 0.229,0.224,0.225)"
)
_EXAMPLES = {"layout": "nhwc or nchw", "input_size": "224", "classes": "a,b,c or labels.txt", "output": "NAME"}


@dataclass(frozen=True)
class PixelOptions:
    """What a network takes: black and white become ``pixel_range``, then ``(x - mean) / std`` per channel.

    Raises UsageError for values that do not go together.
    """

    pixel_range: tuple[float, float] | None = None
    mean: Three | None = None
    std: Three | None = None

    def __post_init__(self) -> None:
        if (self.mean is None) != (self.std is None):
            raise UsageError("--mean and --std go together: give both, three numbers each, or neither")
        if self.mean is not None and self.pixel_range is None:
            raise UsageError("--mean and --std need --pixel-range: add 0,1 (torchvision's means) or 0,255")
        if self.std is not None and min(self.std) <= 0:
            raise UsageError(f"--std must be above 0, got {','.join(map(str, self.std))}")
        if self.pixel_range is not None and self.pixel_range[0] == self.pixel_range[1]:
            raise UsageError("--pixel-range takes two different numbers, what black and white become, such as 0,1")

    def __call__(self, pixels: Any) -> Any:
        """Values float [..., 3] that the model takes for pixels 0..255 [..., 3]."""
        low, high = self.pixel_range or (0.0, 255.0)
        values = np.asarray(pixels, np.float64) * ((high - low) / 255) + low
        return values if self.mean is None else (values - np.asarray(self.mean)) / np.asarray(self.std)


class FileOptions(InputSettings):
    """What another tool's file takes and gives, where it does not say: pixels, size, layout, channels, classes."""

    crop: Literal["whole", "center"] = "whole"
    """The part of a photo that the model is shown."""
    task: Task | None = None
    """What its answer is: one class (the default), or any number of tags, for scores that are independent."""
    threshold: tuple[float, ...] = ()
    """From which probability a tag is given: one number, or one a class; unset, 0.5."""

    @model_validator(mode="after")
    def _threshold_is_of_tags(self) -> FileOptions:
        if self.threshold and self.task != "multi-label":
            raise UsageError("--threshold is the probability from which a tag is given. Add --task multi-label")
        return self

    @property
    def stated(self) -> tuple[str, ...]:
        """The options that were given."""
        keys = (key for key in type(self).model_fields if getattr(self, key) not in (None, (), "whole"))
        return tuple(self.name_of(key) for key in keys)

    @property
    def source(self) -> str:
        """Where these keys are written, in words."""
        return "the options"

    def name_of(self, key: str) -> str:
        """What a message calls one of these keys."""
        return f"--{key.replace('_', '-')}"

    def how_to_add(self, key: str, value: str) -> str:
        """What to add to the command."""
        return f"Add {self.name_of(key)} {_EXAMPLES.get(key, value)}"

    def how_to_remove(self, key: str, value: object) -> str:
        """What to leave out of the command."""
        return f"Leave out {self.name_of(key)} {value}"

    @property
    def how_to_add_pixels(self) -> str:
        """What to add where nothing says which pixel values a file takes."""
        return PIXEL_HINT
