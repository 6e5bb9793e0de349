from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgekd.errors import ArtifactError, ExportError
from edgekd.export.onnx_pack import pack_ort
from edgekd.formats import ort_file
from edgekd.formats.artifact import Artifact
from edgekd.runtime import open_runner


@pytest.fixture(scope="module")
def ort(exported: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    folder, made = tmp_path_factory.mktemp("ort"), {}
    for precision in ("float32", "int8"):
        path = folder / f"tiny.{precision}.ort"
        path.write_bytes(pack_ort(exported[f"{precision}.onnx"].content(), name="tiny"))
        made[precision] = Artifact.open(path)
    return made


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_an_ort_file_says_and_answers_what_its_onnx_does(
    ort: dict[str, Artifact], exported: dict[str, Any], images: NDArray[np.uint8], precision: str
) -> None:
    made, source = ort[precision], exported[f"{precision}.onnx"]
    assert (made.format, made.labels, made.preprocessing) == ("ort", source.labels, source.preprocessing)
    assert (made.inputs, made.outputs) == (source.inputs, source.outputs)
    assert made.provenance == source.provenance
    difference = np.abs(open_runner(made).run(images) - open_runner(source).run(images)).max()
    assert difference < (1e-5 if precision == "float32" else 1e-9)
    assert (made.float_ops() == ()) == (precision == "int8")


def test_convolutions_are_fused_in_the_file(ort: dict[str, Artifact]) -> None:
    graph = ort_file.read(ort["int8"].content(), "x")
    ops = Counter(node.op for node in graph.nodes)
    assert ops["QLinearConv"] == 9
    assert "Conv" not in ops
    assert graph.opset == 17


def test_a_damaged_file_is_refused(ort: dict[str, Artifact], tmp_path: Path) -> None:
    content, path = ort["int8"].content(), tmp_path / "x.ort"
    for spoiled in (content[:-100], content[: len(content) // 2], content[:5000] + b"\x55" + content[5001:]):
        path.write_bytes(spoiled)
        with pytest.raises(ArtifactError, match=r"damaged|carries no edgekd record"):
            Artifact.open(path)


def test_garbage_behind_the_identifier_is_an_error_not_a_crash() -> None:
    generator = np.random.default_rng(0)
    for length in (8, 9, 100, 5000):
        with pytest.raises(ArtifactError, match="damaged or cut short"):
            ort_file.read(b"\x14\0\0\0ORTM" + generator.bytes(length), "x.ort")
    with pytest.raises(ArtifactError, match=r"is not an \.ort file"):
        ort_file.read(b"nothing at all", "x.ort")


def test_what_onnx_runtime_refuses_is_said() -> None:
    with pytest.raises(ExportError, match="does not save its format"):
        pack_ort(b"nothing", name="m")
