"""How the files that ship are laid out and labelled."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Batch = Literal["dynamic"] | Annotated[int, Field(ge=1, le=1024)]
Layout = Literal["nhwc", "nchw"]
# Those made of an .onnx, in the order in which they are made.
_ONNX_FORMATS = ("onnx", "ort")


def make_onnx(formats: Iterable[str]) -> bool:
    """Whether any of these formats is an .onnx or made of one."""
    return any(kind in _ONNX_FORMATS for kind in formats)


class ExportOptions(BaseModel):
    """``batch``: images at a time, or "dynamic"; None is 1 in .tflite and dynamic in .onnx, as their readers expect.

    ``layout`` is of the .onnx input; a .tflite is always NHWC. ``license`` and ``version`` go into the metadata.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch: Batch | None = None
    layout: Layout = "nhwc"
    license: str = Field("not stated", min_length=1)
    version: str = Field("1", min_length=1)
