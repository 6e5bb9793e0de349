"""``[teacher]`` of a recipe: which model, and what its file does not say."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from edgekd.training.schedule import Schedule

Kind = Literal["lite0", "application", "keras", "onnx", "tflite", "savedmodel"]
LITE0 = "efficientnet-lite0"
_APPLICATION = "keras:"
_SUFFIXES: dict[str, Kind] = {".keras": "keras", ".onnx": "onnx", ".tflite": "tflite"}
_TRAINABLE = ("lite0", "application", "keras")
_DEFAULT_SIZE = 224
_TO_ONNX = (
    "a PyTorch file is a pickle, or weights without their network, and is not opened. Export the network once, in "
    'PyTorch: torch.onnx.export(model.eval(), torch.zeros(1, 3, 224, 224), "teacher.onnx"); then model = "teacher.onnx"'
)
_REFUSED = {
    **dict.fromkeys((".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle", ".safetensors", ".torchscript"), _TO_ONNX),
    **dict.fromkeys(
        (".h5", ".hdf5"), 'save it in the format of Keras 3: keras.models.load_model("old.h5").save("teacher.keras")'
    ),
    ".pb": "give the SavedModel directory that saved_model.pb lies in",
    ".ort": "give the .onnx that it was made of",
}
# What the members of an average take over from [teacher]; the first three go together.
_PIXEL_KEYS = ("pixel_range", "mean", "std")
_SHARED_KEYS = (*_PIXEL_KEYS, "input_size", "classes", "layout", "channels", "output")
_Three = tuple[float, float, float]


def kind_of(model: str) -> Kind:
    """What ``[teacher] model`` names; anything without a known suffix may be a SavedModel directory.

    Raises ValueError for formats that are never opened, saying how to convert them.
    """
    if model == LITE0:
        return "lite0"
    if model.startswith(_APPLICATION):
        return "application"
    suffix = PurePath(model).suffix.lower()
    if suffix in _REFUSED:
        raise ValueError(f"{model}: {_REFUSED[suffix]}")
    return _SUFFIXES.get(suffix, "savedmodel")


class InputSettings(BaseModel):
    """Input and outputs of a teacher's file, where the file itself does not say.

    A pixel 0..255 first becomes ``pixel_range`` (what black and white are), then ``(x - mean) / std`` in the order of
    the network's channels. ``input_size`` (pixels) is for files that leave it open, ``layout`` for shapes that
    could be either, ``output`` names one of several; ``classes`` are the names of the outputs in their order.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    input_size: int | None = Field(None, ge=16, le=1024)
    classes: tuple[str, ...] = ()
    pixel_range: tuple[float, float] | None = None
    mean: _Three | None = None
    std: _Three | None = None
    layout: Literal["nhwc", "nchw"] | None = None
    channels: Literal["rgb", "bgr"] | None = None
    output: str | None = None

    @model_validator(mode="after")
    def _pixels_are_whole(self) -> InputSettings:
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std go together: give both, three numbers each, or neither")
        if self.mean is not None and self.pixel_range is None:
            raise ValueError(
                "mean and std of pixels in which range? Add pixel_range = [0, 1] (torchvision's are of that), or "
                "pixel_range = [0, 255]"
            )
        if self.std is not None and min(self.std) <= 0:
            raise ValueError(f"std must be above 0, got {list(self.std)}")
        if self.pixel_range is not None and self.pixel_range[0] == self.pixel_range[1]:
            raise ValueError(f"pixel_range is what black and white become, got {list(self.pixel_range)}")
        return self


class TeacherFile(InputSettings):
    """One trained classifier: a .keras, .onnx or .tflite file, or a SavedModel directory."""

    model: str

    @field_validator("model")
    @classmethod
    def _is_a_file(cls, value: str) -> str:
        if kind_of(value) in ("lite0", "application"):
            raise ValueError(
                "an average is of trained files. Train this one with a separate recipe, then use its "
                "runs/NAME/teacher/teacher.keras"
            )
        return value

    @property
    def kind(self) -> Kind:
        """Its format, by its name."""
        return kind_of(self.model)


def _file_or_average(value: Any) -> str:
    return "file" if isinstance(value, str) else "average"


class TeacherSection(InputSettings):
    """``model``: efficientnet-lite0, keras:NAME, a .keras, .onnx or .tflite file, a SavedModel, or a list of files.

    ``train`` fits a head for the data's classes, and with ``fine_tune_blocks`` its last blocks: Keras models only, and
    the default for these. A list is averaged, as ``average`` says; its members, file names or tables, take
    what they do not say from here. ``accept_weak`` continues with a teacher that failed its gates.
    """

    # With a tag, so that an error is about the form that was written and not about the other one too.
    model: Annotated[
        Annotated[str, Tag("file")] | Annotated[tuple[TeacherFile, ...], Tag("average")],
        Discriminator(_file_or_average),
    ] = LITE0
    average: Literal["probabilities", "logits"] = "probabilities"
    weights: str = "imagenet"
    train: bool = True
    fine_tune_blocks: int = Field(0, ge=0)
    fine_tune: Schedule = Schedule(epochs=30, batch_size=16, learning_rate=1e-3)
    accept_weak: bool = False

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, fields: Any) -> Any:
        if not isinstance(fields, dict):
            return fields
        model = fields.get("model", LITE0)
        if isinstance(model, (list, tuple)):
            return _with_members(fields, list(model))
        kind = kind_of(model) if isinstance(model, str) else "savedmodel"
        defaults: dict[str, Any] = {"train": kind in _TRAINABLE}
        if kind in ("lite0", "application"):
            defaults["input_size"] = _DEFAULT_SIZE
        return {**defaults, **fields}

    @model_validator(mode="after")
    def _fits_its_kind(self) -> TeacherSection:
        if isinstance(self.model, tuple) and not self.model:
            raise ValueError("model = [] names no teacher")
        name = "an average of files" if isinstance(self.model, tuple) else self.model
        kind = None if isinstance(self.model, tuple) else kind_of(self.model)
        if self.train and kind not in _TRAINABLE:
            raise ValueError(
                f"train = true: {name} is a fixed teacher (inference only); leave train out. To train a network for "
                f'these classes, give it as a .keras file, or take model = "{LITE0}" or "keras:NAME"'
            )
        if self.fine_tune_blocks and not self.train:
            raise ValueError(f"fine_tune_blocks = {self.fine_tune_blocks} needs train = true, a Keras model's")
        if kind in ("lite0", "application"):
            if self.input_size is None or self.input_size < 32:
                raise ValueError(f"input_size of {name} must be at least 32 pixels, got {self.input_size}")
            stray = [key for key in _SHARED_KEYS if key != "input_size" and getattr(self, key)]
            if stray:
                raise ValueError(f"{', '.join(stray)}: for a teacher's file; {name} has them already")
        return self

    @property
    def is_fixed(self) -> bool:
        """Whether it is a fixed teacher (inference only): not a Keras model that can be cut, trained or converted."""
        return isinstance(self.model, tuple) or kind_of(self.model) not in _TRAINABLE

    @property
    def name(self) -> str:
        """What a report calls it."""
        if isinstance(self.model, str):
            return PurePath(self.model).name if self.members() else self.model
        return f"the average of {', '.join(PurePath(member.model).name for member in self.model)}"

    def members(self) -> tuple[TeacherFile, ...]:
        """The files that it is made of; of efficientnet-lite0 and keras:NAME, none."""
        if isinstance(self.model, tuple):
            return self.model
        if kind_of(self.model) in ("lite0", "application"):
            return ()
        return (TeacherFile(model=self.model, **{key: getattr(self, key) for key in _SHARED_KEYS}),)


def _with_members(fields: dict[str, Any], models: list[Any]) -> dict[str, Any]:
    """``given`` with every member a table that has taken over what it does not say itself."""
    shared = {key: fields[key] for key in _SHARED_KEYS if key in fields}
    members = []
    for model in models:
        if not isinstance(model, (str, dict)):
            members.append(model)
            continue
        member_values = {"model": model} if isinstance(model, str) else dict(model)
        taken = dict(shared)
        if any(key in member_values for key in _PIXEL_KEYS):
            taken = {key: value for key, value in shared.items() if key not in _PIXEL_KEYS}
        members.append({**taken, **member_values})
    rest = {key: value for key, value in fields.items() if key not in shared}
    return {"train": False, **rest, "model": members}
