"""Runs a Core ML file op by op in NumPy, on any system: what its program says, not how an Apple device rounds it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ArtifactError, UnsupportedOpError
from edgekd.formats import coreml_file
from edgekd.formats.artifact import Artifact
from edgekd.formats.mil_program import Input, MilOp, MilType
from edgekd.runtime.mil_ops import OPS
from edgekd.runtime.runner import check_images, put_rows


class CoremlRunner:
    """An .mlpackage, a photo at a time. Sums are in float32, and each op's result is rounded to the program's type.

    With ``rounded=False`` float16 results stay float32, which bounds what another order of sums can change.
    """

    def __init__(self, artifact: Artifact, *, rounded: bool = True) -> None:
        self._artifact, self._rounded = artifact, rounded
        self._program = coreml_file.program(artifact.package(), str(artifact.path))
        unknown = sorted({op.kind for op in self._program.ops} - OPS.keys())
        if unknown:
            raise UnsupportedOpError(
                f"{artifact.path.name} holds {', '.join(unknown)}, which is not run here. It can be run by Core ML "
                "itself; to check it here, replace the layers that become it"
            )
        self._constants: dict[str, Any] = {}
        self._ops: list[MilOp] = []
        for op in self._program.ops:
            if op.kind == "const" or op.kind.startswith("constexpr_"):
                self._constants.update(self._compute(op, self._constants))
            else:
                self._ops.append(op)

    @property
    def artifact(self) -> Artifact:
        """What is loaded."""
        return self._artifact

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities float32 [N, C] of images uint8 [N, H, W, 3]. Raises UsageError, ArtifactError."""
        check_images(images, self._artifact)
        rows = np.zeros((len(images), len(self._artifact.labels)), np.float32)
        ((name, kind),) = self._program.inputs
        for number, image in enumerate(images):
            values = {**self._constants, name: image[np.newaxis].astype(kind.dtype)}
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                for op in self._ops:
                    values.update(self._compute(op, values))
            probabilities = np.asarray(values[self._program.outputs[0]], np.float32)
            put_rows(rows, slice(number, number + 1), probabilities, self._artifact)
        return rows

    def _compute(self, op: MilOp, values: dict[str, Any]) -> dict[str, Any]:
        inputs = {name: _read(parts, values, is_list=name == "values") for name, parts in op.inputs.items()}
        try:
            result = OPS[op.kind](inputs)
        except (NotImplementedError, ValueError, KeyError, IndexError, TypeError) as error:
            raise ArtifactError(
                f"{self._artifact.path}: the op {op.kind} of its program cannot be computed here: {error}"
            ) from None
        ((name, kind),) = op.outputs
        return {name: self._round(result, kind)}

    def _round(self, result: Any, kind: MilType) -> Any:
        if kind.dtype == "float16":
            return (
                np.asarray(result, np.float16).astype(np.float32) if self._rounded else np.asarray(result, np.float32)
            )
        return np.asarray(result, kind.dtype) if kind.dtype.startswith(("float", "int", "uint", "bool")) else result


def _read(parts: tuple[Input, ...], values: dict[str, Any], *, is_list: bool) -> Any:
    found = [values[part] if isinstance(part, str) else part for part in parts]
    found = [
        one.astype(np.float32) if isinstance(one, np.ndarray) and one.dtype == np.float16 else one for one in found
    ]
    return found if is_list else found[0]
