"""What a user says of a file whose own metadata does not: the keys of ``[teacher]`` as options of a command."""

from __future__ import annotations

from typing import Literal

from edgekd.teacher.settings import InputSettings

PIXEL_HINT = (
    "Add --pixel-range 0,1 (or -1,1, or 0,255: what black and white become), and with it --mean and --std where the "
    "channels were normalized (torchvision's networks: --pixel-range 0,1 --mean 0.485,0.456,0.406 "
    "--std 0.229,0.224,0.225)"
)
_EXAMPLES = {"layout": "nhwc or nchw", "input_size": "224", "classes": "a,b,c or labels.txt", "output": "NAME"}


class FileOptions(InputSettings):
    """What another tool's file takes and gives, where it does not say: pixels, size, layout, channels, classes."""

    crop: Literal["whole", "center"] = "whole"
    """The part of a photo that the model is shown."""

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
