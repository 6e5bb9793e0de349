"""Run an .onnx or .ort by ONNX Runtime."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.errors import ArtifactError
from edgekd.formats.artifact import Artifact
from edgekd.runtime.runner import batches, check_images, put_rows, read_scores, to_probabilities
from edgekd.text import first_line

# On by default since 1.31; it must be off before the import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

_BATCH = 16
_ERRORS_ONLY = 3
# A uint8 output of ours is a softmax's: 1/256 a step, from 0.
_SOFTMAX_SCALE = 1 / 256


def session(content: bytes, threads: int, optimized: str | None = None) -> Any:
    """An inference session on the CPU; ``optimized`` is where to write the graph that ONNX Runtime made of it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    if optimized is not None:
        options.optimized_model_filepath = optimized
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def save_as_ort(content: bytes, path: Path) -> None:
    """Write an .onnx in ONNX Runtime's format, with the fusions that hold on any CPU."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.optimized_model_filepath = str(path)
    # "All" would also choose memory layouts for the CPU that converts.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


class OrtRunner:
    """An .onnx or .ort in a session, in batches."""

    def __init__(self, artifact: Artifact, threads: int) -> None:
        self._artifact = artifact
        try:
            self._session = session(artifact.content(), threads)
        except Exception as error:  # its own exception types share no base but this
            raise ArtifactError(f"ONNX Runtime does not load {artifact.path}: {error}. Export it again") from None

    @property
    def artifact(self) -> Artifact:
        """What is loaded."""
        return self._artifact

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities float32 [N, C] of images uint8 [N, H, W, 3]. Raises UsageError, ArtifactError."""
        check_images(images, self._artifact)
        rows = np.zeros((len(images), len(self._artifact.labels)), np.float32)
        for part, batch in batches(images, self._artifact, _BATCH):
            try:
                values = self._session.run([self._artifact.outputs[0].name], {self._artifact.inputs[0].name: batch})[0]
            except Exception as error:  # its own exception types share no base but this
                raise ArtifactError(
                    f"ONNX Runtime does not run {self._artifact.path} on a photo: {first_line(error)}. Export it again"
                ) from None
            if self._artifact.feed is not None:
                probabilities = read_scores(values, self._artifact)
            else:
                probabilities = to_probabilities(values, _SOFTMAX_SCALE, 0)
            put_rows(rows, part, probabilities, self._artifact)
        return rows
