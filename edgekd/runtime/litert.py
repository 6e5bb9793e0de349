"""Run a .tflite by LiteRT."""

from __future__ import annotations

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from edgekd.artifact import Artifact
from edgekd.errors import ArtifactError
from edgekd.runtime.runner import check_images, to_probabilities


class LitertRunner:
    """A .tflite in an interpreter, image by image."""

    def __init__(self, artifact: Artifact, threads: int) -> None:
        self._artifact = artifact
        # The interpreter reads these bytes in place.
        self._content = artifact.content()
        try:
            self._interpreter = Interpreter(model_content=self._content, num_threads=threads)
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise ArtifactError(f"LiteRT does not load {artifact.path}: {error}. Export it again") from None
        self._input = int(self._interpreter.get_input_details()[0]["index"])
        self._output = int(self._interpreter.get_output_details()[0]["index"])

    @property
    def artifact(self) -> Artifact:
        """What is loaded."""
        return self._artifact

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities float32 [N, C] of images uint8 [N, H, W, 3]. Raises UsageError."""
        check_images(images, self._artifact)
        spec = self._artifact.outputs[0]
        rows = np.zeros((len(images), len(self._artifact.labels)), np.float32)
        for row, image in zip(rows, images, strict=True):
            self._interpreter.set_tensor(self._input, image[np.newaxis])
            self._interpreter.invoke()
            values = self._interpreter.get_tensor(self._output)[0]
            row[:] = to_probabilities(values, spec.scale or 1.0, spec.zero_point or 0)
        return rows
