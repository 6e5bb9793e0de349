"""Opening the runtime that a file needs."""

from __future__ import annotations

import os
from pathlib import Path

from edgekd.errors import ArtifactError, UsageError
from edgekd.formats.artifact import LARGEST_BATCH, Artifact
from edgekd.runtime.runner import Runner


def open_runner(artifact: Artifact | str | os.PathLike[str], *, threads: int = 1) -> Runner:
    """Load an exported file, or that of a path, into its runtime: LiteRT or ONNX Runtime, on the CPU.

    An .mlpackage is computed op by op in NumPy, slowly: Core ML is a part of Apple's systems.

    Args:
        artifact: An exported .tflite, .onnx, .ort or .mlpackage, or its path; for another tool's, what ``open_model``
            gives.
        threads: Threads of the runtime.

    Returns:
        A runner: ``run(images)`` takes uint8 RGB [N, H, W, 3] and gives probabilities, float32 [N, C].

    Raises:
        ArtifactError: The runtime refuses the file.
        ArtifactChangedError: Its bytes changed since it was opened.

    Example:
        >>> open_runner("student.int8.tflite").run(images).shape  # doctest: +SKIP
        (16, 3)
    """
    artifact = artifact if isinstance(artifact, Artifact) else Artifact.open(Path(artifact))
    if threads < 1:
        raise UsageError(f"threads must be >= 1, got {threads}")
    if artifact.feed is None:
        check_specs(artifact)
    # A runtime is imported when its format is asked for, not before.
    if artifact.format == "tflite":
        from edgekd.runtime.litert import LitertRunner

        return LitertRunner(artifact, threads)
    if artifact.format == "mlpackage":
        from edgekd.runtime.coreml import CoremlRunner

        return CoremlRunner(artifact)
    from edgekd.runtime.ort import OrtRunner

    return OrtRunner(artifact, threads)


def check_specs(artifact: Artifact) -> None:
    """Raise ArtifactError unless an artifact maps uint8 [N, H, W, 3] to one value per label.

    Core ML has no tensors of bytes: there they are int32.
    """
    dtype = "int32" if artifact.format == "mlpackage" else "uint8"
    height, width = artifact.preprocessing.height, artifact.preprocessing.width
    size = (3, height, width) if artifact.layout == "nchw" else (height, width, 3)
    image, scores = artifact.inputs[0], artifact.outputs[0]
    if len(artifact.inputs) != 1 or image.dtype != dtype or image.shape[1:] != size:
        raise ArtifactError(
            f"{artifact.path} takes {image.dtype} {list(image.shape)}, and its record says {dtype} [N, "
            f"{', '.join(map(str, size))}]. Export it again"
        )
    if isinstance(image.shape[0], int) and not 1 <= image.shape[0] <= LARGEST_BATCH:
        raise ArtifactError(
            f"{artifact.path} takes {image.shape[0]:,} images at once; 1 to {LARGEST_BATCH:,} are possible. "
            "Export it with a batch of 1"
        )
    if len(scores.shape) != 2 or scores.shape[1] != len(artifact.labels) or scores.dtype not in ("float32", "uint8"):
        raise ArtifactError(
            f"{artifact.path} gives {scores.dtype} {list(scores.shape)} for {len(artifact.labels)} labels. "
            "Export it again"
        )
