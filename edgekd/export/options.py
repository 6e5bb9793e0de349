"""Layout and metadata options of the files that ship."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from edgekd.section import Section

Batch = Literal["dynamic"] | Annotated[int, Field(ge=1, le=1024)]
Layout = Literal["nhwc", "nchw"]
CoremlWeights = Literal["float16", "int8", "palette8", "palette6", "palette4"]
# Formats made from an .onnx, in order.
_ONNX_FORMATS = ("onnx", "ort")


def needs_onnx(formats: Iterable[str]) -> bool:
    """Whether any of these formats is .onnx or made from it."""
    return any(kind in _ONNX_FORMATS for kind in formats)


class ExportOptions(Section):
    """How exported files are laid out and labelled."""

    batch: Batch | None = Field(None, examples=[1])
    """Images per inference, 1 to 1024, or "dynamic". Unset, a .tflite takes 1 and an .onnx any number."""
    layout: Layout = "nhwc"
    """Order of the .onnx input's dimensions; a .tflite is always NHWC."""
    license: str = Field("not stated", min_length=1)
    """License of the model, written into the metadata of every file."""
    version: str = Field("1", min_length=1)
    """Version of the model, written into the metadata of every file."""
    coreml_weights: tuple[CoremlWeights, ...] = Field(("float16",), min_length=1)
    """Weights of the Core ML files, one file each: "float16", "int8" (a scale for each channel), or "palette8",
    "palette6" and "palette4" (256, 64 and 16 values a tensor). All of them compute in float16.
    """
