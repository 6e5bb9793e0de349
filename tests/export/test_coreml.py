from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgekd.errors import MissingExtraError
from edgekd.export.exporter import export, extra_files
from edgekd.preprocess import Preprocessing

LABELS, SIZE = ("crossing", "kerb & gutter", "Straße"), 48


def export_coreml(model: Any, out: Path, images: NDArray[np.uint8]) -> list[Path]:
    export(
        model, out, "tiny", labels=LABELS, preprocessing=Preprocessing(height=SIZE, width=SIZE), calibration=images,
        precisions=("float32",), formats=("tflite", "coreml"),
    )  # fmt: skip
    return extra_files(out, "tiny", ("coreml",))


def test_without_coremltools_nothing_is_begun(
    student: Any, images: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    missing = {"coremltools"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in missing else find_spec(name))
    with pytest.raises(MissingExtraError, match=r"Install it: pip install 'edgekd\[coreml\]'"):
        export_coreml(student, tmp_path, images)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_mlpackage_is_an_image_classifier(student: Any, images: NDArray[np.uint8], tmp_path: Path) -> None:
    coremltools = pytest.importorskip("coremltools", reason="coremltools is not installed (the coreml extra)")
    for _ in range(2):  # The second replaces the first.
        (path,) = export_coreml(student, tmp_path, images)
    spec = coremltools.models.MLModel(str(path), skip_model_load=True).get_spec()
    (image,) = spec.description.input
    assert (image.name, image.type.imageType.width, image.type.imageType.height) == ("image", SIZE, SIZE)
    assert spec.description.predictedFeatureName == "classLabel"
    told = spec.description.metadata.userDefined
    assert json.loads(told["edgekd"])["labels"] == list(LABELS)
    (block,) = spec.mlProgram.functions["main"].block_specializations.values()
    ops = [op.type for op in block.operations]
    assert ops.count("conv") == 9
    assert ops.count("softmax") == 1
    # The range is in the graph, once.
    assert ops.index("mul") < ops.index("conv")
