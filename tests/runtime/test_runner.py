from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgekd.errors import ArtifactError, UsageError
from edgekd.preprocess import Preprocessing
from edgekd.runtime import open_runner
from edgekd.runtime.runner import put_rows

NAMES = ("float32.tflite", "int8.tflite", "float32.onnx", "int8.onnx")


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_probabilities(exported: dict[str, Any], images: NDArray[np.uint8], name: str) -> None:
    runner = open_runner(exported[name], threads=2)
    rows = runner.run(images)
    assert (rows.shape, rows.dtype) == ((48, 3), np.float32)
    assert rows.min() >= 0
    assert np.abs(rows.sum(axis=1) - 1).max() < (0.01 if "int8" in name else 1e-5)
    assert runner.artifact is exported[name]
    assert runner.run(images[:0]).shape == (0, 3)
    # A view that is not contiguous, and a batch over ONNX Runtime's share.
    assert (runner.run(images[::-1][:17]) == rows[::-1][:17]).all()


@pytest.mark.parametrize("name", ["int8.tflite", "int8.onnx"])
@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((1, 48, 48, 3), np.float32),
        np.zeros((48, 48, 3), np.uint8),
        np.zeros((1, 48, 32, 3), np.uint8),
        np.zeros((1, 3, 48, 48), np.uint8),
        [[1]],
    ],
)
def test_another_input_is_refused(exported: dict[str, Any], name: str, wrong: Any) -> None:
    with pytest.raises(UsageError, match=rf"tiny\.{name} takes uint8 \[N, 48, 48, 3\], got "):
        open_runner(exported[name]).run(wrong)


def test_a_record_that_does_not_fit_its_graph_is_refused(exported: dict[str, Any]) -> None:
    artifact = exported["int8.onnx"]
    with pytest.raises(ArtifactError, match="for 2 labels"):
        open_runner(replace(artifact, labels=("a", "b")))
    with pytest.raises(ArtifactError, match=r"uint8 \[N, 64, 64, 3\]"):
        open_runner(replace(artifact, preprocessing=Preprocessing(height=64, width=64)))
    with pytest.raises(UsageError, match="threads must be >= 1, got 0"):
        open_runner(artifact, threads=0)


def test_running_imports_neither_tensorflow_nor_keras(exported: dict[str, Any]) -> None:
    code = (
        "import sys, os; from pathlib import Path; import numpy as np\n"
        "from edgekd.formats.artifact import Artifact; from edgekd.runtime import open_runner\n"
        "import edgekd.evaluation.score, edgekd.metrics\n"
        "assert 'onnxruntime' not in sys.modules and 'ai_edge_litert.interpreter' not in sys.modules\n"
        f"for path in ({str(exported['int8.tflite'].path)!r}, {str(exported['int8.onnx'].path)!r}):\n"
        "    open_runner(Artifact.open(Path(path))).run(np.zeros((1, 48, 48, 3), np.uint8))\n"
        "print(sorted({'tensorflow', 'keras', 'tf_keras', 'onnx', 'tf2onnx'} & set(sys.modules)), "
        "os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] 1"


@pytest.mark.parametrize("name", ["int8.tflite", "float32.onnx"])
@pytest.mark.parametrize(("batch", "said"), [(1 << 20, "1,048,576"), (0, "0")])
def test_a_batch_of_none_or_that_fills_the_memory_is_refused(
    exported: dict[str, Any], name: str, batch: int, said: str
) -> None:
    image = exported[name].inputs[0]
    crafted = replace(exported[name], inputs=(replace(image, shape=(batch, *image.shape[1:])),))
    with pytest.raises(ArtifactError, match=f"takes {said} images at once; 1 to 1,024 are possible"):
        open_runner(crafted)


@pytest.mark.parametrize("name", ["int8.tflite", "float32.onnx"])
def test_a_file_that_fails_on_a_photo_is_one_error(exported: dict[str, Any], name: str) -> None:
    runner: Any = open_runner(exported[name])
    # A file's own record may say another batch than its graph takes, as a crafted one does.
    image = exported[name].inputs[0]
    lies = replace(exported[name], inputs=(replace(image, shape=(3, *image.shape[1:])),), layout="nchw")
    runner._artifact = lies
    with pytest.raises(ArtifactError, match=rf"does not run .*tiny\.{name} on a photo: .*Export it again"):
        runner.run(np.zeros((3, 48, 48, 3), np.uint8))


@pytest.mark.parametrize("shape", [(1, 24), (1,), (0, 3), (8, 8, 3)])
def test_outputs_of_another_size_than_the_file_says_are_refused(
    exported: dict[str, Any], shape: tuple[int, ...]
) -> None:
    rows = np.zeros((1, 3), np.float32)
    with pytest.raises(ArtifactError, match="not what it says of itself"):
        put_rows(rows, slice(0, 1), np.zeros(shape, np.float32), exported["int8.tflite"])
