from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekd.errors import ArtifactChangedError, ArtifactError
from edgekd.formats.artifact import Artifact, TensorSpec, sidecar_path
from edgekd.preprocess import Preprocessing

NAMES = ("float32.tflite", "int8.tflite", "float32.onnx", "int8.onnx")


@pytest.mark.parametrize("name", NAMES)
def test_a_file_says_what_it_is(exported: dict[str, Any], name: str) -> None:
    artifact = Artifact.open(exported[name].path)
    precision, kind = name.split(".")
    assert (artifact.format, artifact.precision) == (kind, precision)
    assert artifact.labels == ("crossing", "kerb & gutter", "Straße")
    assert artifact.preprocessing == Preprocessing(height=48, width=48, crop="center")
    assert artifact.provenance["run"] == "test"
    assert artifact.provenance["range_in_graph"] == {"scale": 1 / 128, "offset": -127 / 128}
    assert artifact.size_bytes == artifact.path.stat().st_size
    batch = "N" if kind == "onnx" else 1
    quantization = (1 / 128, 127) if name == "int8.tflite" else (None, None)
    assert artifact.inputs == (TensorSpec("image", "uint8", (batch, 48, 48, 3), *quantization),)
    assert artifact.outputs == (TensorSpec("probabilities", "float32", (batch, 3)),)
    assert artifact.parity is not None


def test_float_ops_are_listed_from_the_file(exported: dict[str, Any]) -> None:
    assert exported["int8.tflite"].float_ops() == ()
    assert exported["int8.onnx"].float_ops() == ()
    assert [op.split(" ")[0] for op in exported["float32.tflite"].float_ops()][:4] == ["CAST", "MUL", "ADD", "CONV_2D"]
    assert any(op.startswith("Conv ") for op in exported["float32.onnx"].float_ops())


@pytest.mark.parametrize("name", NAMES)
def test_no_damage_goes_unnoticed(copied: Callable[[str], Path], name: str) -> None:
    path = copied(name)
    whole = path.read_bytes()
    Artifact.open(path)
    generator = np.random.default_rng(3)
    for _ in range(60):
        spoiled = bytearray(whole)
        for place in generator.integers(0, len(whole), 3):
            spoiled[place] ^= 1 << int(generator.integers(8))
        path.write_bytes(spoiled)
        with pytest.raises(ArtifactError, match=r"copy\."):
            Artifact.open(path)
    for size in (0, 1, 7, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ArtifactError, match=r"copy\."):
            Artifact.open(path)


def test_other_files_are_refused_by_name(tmp_path: Path, student: Any) -> None:
    for content, said in (
        (b"", "not an .onnx file"),
        (b"not a model at all", "not an .onnx file"),
        (b"\x1c\0\0\0TFL3" + bytes(100), "no edgekd record"),
        (b"\x08\x0a\x12\x04test:\x00", "not an .onnx file|no graph"),
    ):
        path = tmp_path / "other.tflite"
        path.write_bytes(content)
        with pytest.raises(ArtifactError, match=said):
            Artifact.open(path)
    with pytest.raises(ArtifactError, match="does not exist"):
        Artifact.open(tmp_path / "missing.onnx")


def test_a_foreign_model_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    import onnx
    from onnx import helper

    value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3])
    other = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 3])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [value], [other])
    path = tmp_path / "foreign.onnx"
    path.write_bytes(helper.make_model(graph).SerializeToString())
    with pytest.raises(ArtifactError, match="no edgekd record"):
        Artifact.open(path)


def test_a_sidecar_of_another_file_is_noticed(copied: Callable[[str], Path], exported: dict[str, Any]) -> None:
    path = copied("int8.tflite")
    artifact = Artifact.open(path)
    assert artifact.parity is None
    assert artifact.write_sidecar({"photos": 3}).parity == {"photos": 3}
    record = json.loads(sidecar_path(path).read_text())
    assert record == {
        "schema": 1,
        "sha256": artifact.sha256,
        "size_bytes": artifact.size_bytes,
        "parity": {"photos": 3},
    }
    assert Artifact.open(path).parity == {"photos": 3}
    path.write_bytes(exported["int8.onnx"].path.read_bytes())
    with pytest.raises(ArtifactChangedError, match="changed since it was checked"):
        Artifact.open(path)
    sidecar_path(path).write_text("[]")
    with pytest.raises(ArtifactError, match="not the sidecar"):
        Artifact.open(path)


def test_bytes_that_change_after_opening_are_not_run(copied: Callable[[str], Path]) -> None:
    path = copied("int8.onnx")
    artifact = Artifact.open(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ArtifactChangedError, match="since it was opened"):
        artifact.content()


def test_onnx_metadata_is_readable_by_onnx_runtime_alone(exported: dict[str, Any]) -> None:
    from edgekd.runtime.ort import session

    metadata = session(exported["int8.onnx"].content(), 1).get_modelmeta().custom_metadata_map
    record = json.loads(metadata["edgekd"])
    assert record["labels"] == metadata["labels"].split("\n") == list(exported["int8.onnx"].labels)
    assert record["preprocessing"]["crop"] == "center"


def test_opening_imports_no_runtime(exported: dict[str, Any]) -> None:
    code = (
        "import sys; from pathlib import Path; from edgekd.formats.artifact import Artifact\n"
        "light = {'tensorflow', 'keras', 'onnx', 'onnxruntime', 'ai_edge_litert'} & set(sys.modules)\n"
        f"Artifact.open(Path({str(exported['int8.onnx'].path)!r})).float_ops()\n"
        f"Artifact.open(Path({str(exported['int8.tflite'].path)!r})).float_ops()\n"
        "print(sorted(light), sorted({'tensorflow', 'keras', 'onnx', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"
