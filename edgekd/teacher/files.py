"""A teacher's file in a recipe: its format, and what it takes and gives where it does not say so itself."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from edgekd.models.efficientnet_lite import VARIANTS
from edgekd.models.pixel_settings import PixelSettings

Kind = Literal["lite", "application", "keras", "onnx", "tflite", "savedmodel"]
_APPLICATION = "keras:"
_SUFFIXES: dict[str, Kind] = {".keras": "keras", ".h5": "keras", ".hdf5": "keras", ".onnx": "onnx", ".tflite": "tflite"}
TRAINABLE = ("lite", "application", "keras")
BUILT_IN = ("lite", "application")
_DEFAULT_SIZE = 224
_TO_ONNX = (
    "a PyTorch file is a pickle, or weights without their network, and is not opened. Export the network once, in "
    'PyTorch: torch.onnx.export(model.eval(), torch.zeros(1, 3, 224, 224), "teacher.onnx"); then model = "teacher.onnx"'
)
_REFUSED = {
    **dict.fromkeys((".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle", ".safetensors", ".torchscript"), _TO_ONNX),
    ".pb": "give the SavedModel directory that saved_model.pb lies in",
    ".ort": "give the .onnx that it was made from",
}
# What the members of an average take over from [teacher]; the first three go together.
PIXEL_KEYS = ("pixel_range", "mean", "std")
SHARED_KEYS = (*PIXEL_KEYS, "input_size", "classes", "layout", "channels", "output")


def kind_of(model: str) -> Kind:
    """What ``[teacher] model`` names; anything without a known suffix may be a SavedModel directory.

    Raises ValueError for formats that are never opened, saying how to convert them.
    """
    if model in VARIANTS:
        return "lite"
    if model.startswith(_APPLICATION):
        return "application"
    suffix = PurePath(model).suffix.lower()
    if suffix in _REFUSED:
        raise ValueError(f"{model}: {_REFUSED[suffix]}")
    return _SUFFIXES.get(suffix, "savedmodel")


def _or_text(schema: dict[str, Any]) -> None:
    """In a file, the list may also be the path of a text file that has it."""
    names = {key: schema.pop(key) for key in ("items", "type")}
    schema["anyOf"] = [names, {"type": "string"}]


class InputSettings(PixelSettings):
    """What a teacher's file takes and gives, where the file itself does not say.

    A pixel 0..255 first becomes ``pixel_range``, then ``(x - mean) / std`` in the order of the network's channels.
    """

    OUTPUT: ClassVar[str] = "class scores"

    input_size: int | None = Field(None, ge=16, le=1024, examples=[224])
    """Side of the teacher's square input, in pixels.

    Unset, keras:NAME and efficientnet-lite0 take 224, -lite1 240 and -lite2 260; 32 is the least. Other files state
    their size; set it for one that leaves it open.
    """
    classes: tuple[str, ...] = Field((), json_schema_extra=_or_text)
    """Names of the outputs in their order, or the path of a text file with one name per line.

    They are matched to the data's classes by name. Leave it out where the file has labels or training adds a new head.
    """
    layout: Literal["nhwc", "nchw"] | None = Field(None, examples=["nchw"])
    """Order of the input's dimensions, for shapes that could be either."""
    channels: Literal["rgb", "bgr"] | None = Field(None, examples=["bgr"])
    """Order of the colour channels. Unset, "rgb"; OpenCV models often take "bgr"."""
    output: str | None = Field(None, examples=["logits"])
    """Name of the output with the class scores, or with an encoder's features, in a file with several outputs."""

    def name_of(self, key: str) -> str:
        """What a message calls one of these keys."""
        return f"[teacher] {key}"

    def how_to_add(self, key: str, value: str) -> str:
        """The line to write for a key; ``value`` is how a recipe has it."""
        return f"Add to [teacher]: {key} = {value}"

    def how_to_remove(self, key: str, value: object) -> str:
        """What to do where a key contradicts the file."""
        return f"Remove {key} = {value} from [teacher]"


class TeacherFile(InputSettings):
    """A member of an average: a file of a trained classifier, or a built-in network that is trained on the labels."""

    model: str
    """Path of a .keras, .h5, .onnx or .tflite file or of a SavedModel directory, relative to the recipe, which is used
    as it is; or the name of a built-in network or "keras:NAME", which is trained on the labelled photos first.
    """

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, fields: Any) -> Any:
        return {**default_size(fields["model"]), **fields} if names_model(fields) else fields

    @model_validator(mode="after")
    def _fits_its_kind(self) -> TeacherFile:
        check_built_in(self, self.model)
        return self

    @property
    def is_trained(self) -> bool:
        """Whether it is a built-in network, which is trained on the labels first."""
        return self.kind in BUILT_IN

    @property
    def kind(self) -> Kind:
        """Its format, by its name."""
        return kind_of(self.model)


class EncoderFile(TeacherFile):
    """A file whose output is features."""

    OUTPUT: ClassVar[str] = "features"


def names_model(fields: Any) -> bool:
    return isinstance(fields, dict) and isinstance(fields.get("model"), str)


def default_size(model: str) -> dict[str, int]:
    """The input size of a built-in network; nothing for a file."""
    if model in VARIANTS:
        return {"input_size": VARIANTS[model].input_size}
    return {"input_size": _DEFAULT_SIZE} if kind_of(model) in BUILT_IN else {}


def check_built_in(settings: InputSettings, name: str) -> None:
    """Raises ValueError where a built-in network is told what it knows, or is too small."""
    if kind_of(name) not in BUILT_IN:
        return
    if settings.input_size is None or settings.input_size < 32:
        raise ValueError(f"input_size of {name} must be at least 32 pixels, got {settings.input_size}")
    stray = [key for key in SHARED_KEYS if key != "input_size" and getattr(settings, key)]
    if stray:
        raise ValueError(f"{', '.join(stray)}: for a teacher's file; {name} has them already")


def as_encoder(file: TeacherFile) -> EncoderFile:
    """The same file, its output understood as features."""
    return EncoderFile.model_validate(file.model_dump())
