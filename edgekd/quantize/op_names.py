"""Names of the ops of a converted model, as people, recipes and the quantizer write them."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from edgekd.errors import UsageError
from edgekd.formats import tflite_file

# How the main part of a fused op's name ends.
_MAIN_PARTS = ("convolution", "depthwise", "MatMul")
_CALL_NUMBER = re.compile(r"_\d+$")


@dataclass(frozen=True)
class NamedOp:
    """``kind`` such as CONV_2D, ``layer`` it comes from, and ``tensor``: the whole name of its output."""

    index: int
    kind: str
    layer: str
    tensor: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.layer}"


@dataclass(frozen=True)
class OpNames:
    """The ops of a calibrated or float .tflite, in its order."""

    ops: tuple[NamedOp, ...]

    @classmethod
    def read(cls, content: bytes) -> OpNames:
        """Read them from a file. Raises ArtifactError."""
        graph = tflite_file.read(content, "the model")
        tensors = [(op.index, op.name, graph.tensors[op.outputs[0]].name) for op in graph.ops]
        return cls(tuple(NamedOp(index, kind, find_layer(name), name) for index, kind, name in tensors))

    def match(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Output tensors of the named ops: by kind ("HARD_SWISH"), layer ("stem_conv"), or "KIND:layer".

        Raises UsageError with the nearest names.
        """
        tensors: dict[str, None] = {}
        for name in names:
            matches = [op.tensor for op in self.ops if name in (op.kind, op.layer, str(op))]
            if not matches:
                candidates = sorted({text for op in self.ops for text in (op.kind, op.layer, str(op))})
                near = difflib.get_close_matches(name, candidates, 3, 0.4)
                raise UsageError(
                    f"the model has no op {name!r}; "
                    + (f"did you mean {', '.join(near)}?" if near else f"ops: {', '.join(candidates[:20])}")
                )
            tensors.update(dict.fromkeys(matches))
        return tuple(tensors)


def find_layer(tensor: str) -> str:
    """Find the Keras layer in a converted tensor's name: a fused op's convolution, else the first part.

    "functional_1/stem_relu_1/Relu6;functional_1/stem_conv_1/convolution" is stem_conv: Keras counts its calls.
    """
    parts = [part.split("/") for part in tensor.split(";") if part]
    if not parts:
        return tensor
    main = next((part for part in parts if len(part) > 1 and part[-1] in _MAIN_PARTS), parts[0])
    return _CALL_NUMBER.sub("", main[-2] if len(main) > 1 else main[-1])
