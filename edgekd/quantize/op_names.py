"""What the ops of a converted model are called: for people, in a recipe, and by the quantizer."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from edgekd.errors import UsageError
from edgekd.formats import tflite_file

# What the parts of a fused op's name end in where they are its heart.
_HEARTS = ("convolution", "depthwise", "MatMul")
_COUNTED = re.compile(r"_\d+$")


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
    def of(cls, content: bytes) -> OpNames:
        """Read them from a file. Raises ArtifactError."""
        graph = tflite_file.read(content, "the model")
        tensors = [(op.index, op.name, graph.tensors[op.outputs[0]].name) for op in graph.ops]
        return cls(tuple(NamedOp(index, kind, layer_of(name), name) for index, kind, name in tensors))

    def matching(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """Output tensors of the ops that are meant: by kind ("HARD_SWISH"), layer ("stem_conv"), or "KIND:layer".

        Raises UsageError naming what is near.
        """
        found: dict[str, None] = {}
        for name in wanted:
            meant = [op.tensor for op in self.ops if name in (op.kind, op.layer, str(op))]
            if not meant:
                known = sorted({text for op in self.ops for text in (op.kind, op.layer, str(op))})
                near = difflib.get_close_matches(name, known, 3, 0.4)
                raise UsageError(
                    f"no op of the model is {name!r}; "
                    + (f"did you mean {', '.join(near)}?" if near else f"ops: {', '.join(known[:20])}")
                )
            found.update(dict.fromkeys(meant))
        return tuple(found)


def layer_of(tensor: str) -> str:
    """The layer that a converted tensor's name tells of: a fused one's convolution, else its first part.

    "functional_1/stem_relu_1/Relu6;functional_1/stem_conv_1/convolution" is stem_conv: Keras counts its calls.
    """
    parts = [part.split("/") for part in tensor.split(";") if part]
    if not parts:
        return tensor
    heart = next((part for part in parts if len(part) > 1 and part[-1] in _HEARTS), parts[0])
    return _COUNTED.sub("", heart[-2] if len(heart) > 1 else heart[-1])
