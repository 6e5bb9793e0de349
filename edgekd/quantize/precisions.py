"""Descriptions of the precisions, for the report and for choosing one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Extra = Literal["float16", "dynamic", "int16x8"]


@dataclass(frozen=True)
class Precision:
    """``title`` in a table, what it ``means``, and a ``warning`` if there is one."""

    title: str
    means: str
    warning: str = ""


PRECISIONS: dict[str, Precision] = {
    "float32": Precision("float32", "weights and arithmetic in float32"),
    "float16": Precision("float16", "weights in float16; a CPU computes in float32, a GPU may in float16"),
    "dynamic": Precision(
        "dynamic range",
        "int8 weights; activations in float32, quantized again in every op",
        "on x86 a dynamic-range file can be several times slower than the float32 one: measure it before it ships",
    ),
    "int8": Precision(
        "int8", "integers only: uint8 pixels in, int8 activations, int8 weights with one scale per channel"
    ),
    "int8-mixed": Precision("int8, some ops float", "as int8, except for named ops that compute in float32"),
    "int16x8": Precision(
        "int16x8",
        "int16 activations, int8 weights",
        "few runtimes have fast kernels for int16 activations, and no .onnx is made of it",
    ),
}
