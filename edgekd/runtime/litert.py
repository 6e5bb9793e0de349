"""Run a .tflite with LiteRT."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from edgekd.errors import ArtifactError
from edgekd.formats.artifact import Artifact
from edgekd.quiet import quiet
from edgekd.runtime.runner import batches, check_images, put_rows, read_scores, to_probabilities
from edgekd.text import first_line

_BATCH = 16


def open_interpreter(
    model: str | os.PathLike[str] | bytes, *, threads: int = 1, xnnpack: bool = True, preserve_all_tensors: bool = False
) -> Any:
    """A LiteRT interpreter with its tensors allocated.

    Args:
        model: the file's path, or its bytes, which the caller must keep alive: the interpreter reads them in place.
        threads: CPU threads.
        xnnpack: False to run TFLite's own kernels, which round the layers of an int8 model differently.
        preserve_all_tensors: keep what lies between the ops readable; needs ``xnnpack=False``, since a delegate hides
            what lies between its ops.

    Raises: RuntimeError or ValueError where LiteRT does not load the file.
    """
    kernels = OpResolverType.AUTO if xnnpack else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    source = {"model_content": model} if isinstance(model, bytes) else {"model_path": os.fspath(model)}
    with quiet():
        interpreter = Interpreter(
            **source,
            num_threads=threads,
            experimental_op_resolver_type=kernels,
            experimental_preserve_all_tensors=preserve_all_tensors,
        )
        interpreter.allocate_tensors()
    return interpreter


class LitertRunner:
    """A .tflite in an interpreter, in batches of the file's size, or of any size where that is free.

    Without ``xnnpack`` it runs TFLite's own kernels, which round the layers of an int8 model differently.
    """

    def __init__(self, artifact: Artifact, threads: int, *, xnnpack: bool = True) -> None:
        self._artifact = artifact
        # The interpreter reads these bytes in place.
        self._content = artifact.content()
        try:
            self._interpreter = open_interpreter(self._content, threads=threads, xnnpack=xnnpack)
        except (RuntimeError, ValueError) as error:
            raise ArtifactError(f"LiteRT does not load {artifact.path}: {error}. Export it again") from None
        details = self._interpreter.get_input_details()[0]
        self._input, self._shape = int(details["index"]), tuple(int(size) for size in details["shape"])
        self._output = int(self._interpreter.get_output_details()[artifact.output_index]["index"])

    @property
    def artifact(self) -> Artifact:
        """What is loaded."""
        return self._artifact

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities float32 [N, C] of images uint8 [N, H, W, 3]. Raises UsageError, ArtifactError."""
        check_images(images, self._artifact)
        spec = self._artifact.outputs[0]
        rows = np.zeros((len(images), len(self._artifact.labels)), np.float32)
        for part, batch in batches(images, self._artifact, _BATCH):
            values = self._invoke(batch)
            if self._artifact.feed is not None:
                probabilities = read_scores(values, self._artifact)
            else:
                probabilities = to_probabilities(values, spec.scale or 1.0, spec.zero_point or 0)
            put_rows(rows, part, probabilities, self._artifact)
        return rows

    def _invoke(self, batch: NDArray[Any]) -> NDArray[Any]:
        try:
            self._resize(batch.shape)
            self._interpreter.set_tensor(self._input, batch)
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise ArtifactError(
                f"LiteRT does not run {self._artifact.path} on a photo: {first_line(error)}. Export it again"
            ) from None
        values: NDArray[Any] = self._interpreter.get_tensor(self._output)
        return values

    def _resize(self, shape: tuple[int, ...]) -> None:
        # Only a dimension that the file calls free is ever changed: strict refuses others.
        if shape != self._shape:
            self._interpreter.resize_tensor_input(self._input, shape, strict=True)
            self._interpreter.allocate_tensors()
            self._shape = shape
