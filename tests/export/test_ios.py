"""`edgekd ios`: the Swift package in an app's folder, and what holds of it without a Swift compiler."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from edgekd.cli.ios_command import command
from edgekd.errors import UsageError
from edgekd.export.c_array import PREPROCESS_HEADER
from edgekd.export.ios import write_ios_package
from edgekd.export.port_package import PortPackage
from edgekd.export.record import Record
from edgekd.formats.artifact import Artifact
from edgekd.golden import read_manifest

TEMPLATE = Path(__file__).parents[2] / "edgekd/apple"
SWIFT = sorted(TEMPLATE.rglob("*.swift"))


@pytest.fixture(scope="module")
def package(exported: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> PortPackage:
    return write_ios_package(exported["int8.tflite"], tmp_path_factory.mktemp("app"))


def test_the_package_holds_the_tested_file_byte_for_byte_and_its_vectors(
    package: PortPackage, exported: dict[str, Any]
) -> None:
    assert package.folder.name == "EdgekdClassifier" and package.vectors == 72
    assert package.model.read_bytes() == exported["int8.tflite"].content()
    header = package.folder / "Sources/CEdgekd/include/edgekd_preprocess.h"
    assert header.read_bytes() == PREPROCESS_HEADER.read_bytes()
    golden = package.folder / "Sources/EdgekdGolden/Golden"
    manifest = read_manifest(golden)
    assert manifest.artifact.sha256 == exported["int8.tflite"].sha256
    for vector in manifest.vectors:
        # Without a decoder the pixels must all be there.
        assert vector.pixels.file is not None
        assert hashlib.sha256((golden / vector.pixels.file).read_bytes()).hexdigest() == vector.pixels.sha256
    for path in TEMPLATE.rglob("*"):
        if path.is_file():
            assert (package.folder / path.relative_to(TEMPLATE)).read_bytes() == path.read_bytes()


def test_writing_again_updates_what_is_ours(
    exported: dict[str, Any], copied: Callable[[str], Path], tmp_path: Path
) -> None:
    runner = CliRunner()
    arguments = ["--into", str(tmp_path), "--json"]
    first = json.loads(runner.invoke(command, [str(copied("int8.tflite")), *arguments]).stdout)
    screen = tmp_path / "EdgekdClassifier/App/ClassifierScreen.swift"
    screen.write_text("// ours now")
    done = runner.invoke(command, [str(exported["float32.tflite"].path), *arguments])
    second = json.loads(done.stdout)["files"]
    assert len(first["files"]["added"]) > 300
    assert second["edited"] == ["App/ClassifierScreen.swift"] and screen.read_text() == "// ours now"
    assert second["removed"] == ["Sources/EdgekdClassifier/Model/copy.int8.tflite"]
    assert second["added"] == [f"Sources/EdgekdClassifier/Model/{exported['float32.tflite'].path.name}"]
    assert any(path.endswith("manifest.json") for path in second["updated"])
    assert not any(path.startswith("Sources/CEdgekd") for path in (*second["updated"], *second["removed"]))


def test_what_an_app_cannot_take_is_refused(exported: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"takes a \.tflite or \.mlpackage, and tiny\.int8\.onnx is onnx"):
        write_ios_package(exported["int8.onnx"], tmp_path)
    with pytest.raises(UsageError, match=r"is not a folder\. Give --into"):
        write_ios_package(exported["int8.tflite"], tmp_path / "missing")
    file = exported["int8.tflite"]
    four = replace(file, inputs=(replace(file.inputs[0], shape=(4, *file.inputs[0].shape[1:])),))
    with pytest.raises(UsageError, match="takes 4 photos at a time"):
        write_ios_package(four, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_fact_about_a_model_stands_in_swift(exported: dict[str, Artifact]) -> None:
    text = "\n".join(path.read_text() for path in SWIFT if "Tests" not in path.parts)
    for label in exported["int8.tflite"].labels:
        assert f'"{label}"' not in text
    assert ".int8." not in text and '.tflite"' not in text.replace('pathExtension == "tflite"', "")


def test_swift_uses_names_that_are_there(exported: dict[str, Any]) -> None:
    """Names of the header, of a record and of a manifest, which no Swift compiler could check."""
    sources = {path.name: path.read_text() for path in SWIFT}
    header = PREPROCESS_HEADER.read_text()
    used = set(re.findall(r"EDGEKD_[A-Z_]+", sources["Preprocessing.swift"]))
    layouts = set(re.findall(r"EDGEKD_[A-Z_]+", header[header.index("EDGEKD_GREY") : header.index("EDGEKD_OK")]))
    assert layouts - {"EDGEKD_BAD_IMAGE"} < used and all(name in header for name in used)
    file: Artifact = exported["int8.tflite"]
    record = json.loads(Record(
        file.labels, file.preprocessing, file.precision, {}, {}, decision=file.decision,
    ).to_json())  # fmt: skip
    assert {"schema", "labels", "preprocessing", "precision", "decision", "seal"} <= record.keys()
    for name in record["preprocessing"]:
        assert re.search(rf"let (?:\w+, )?{name}\b", sources["Preprocessing.swift"]), name
    for name in ("task", "thresholds", "reject_below", "none_label"):
        assert name in sources["Decision.swift"]
    assert json.dumps(record["preprocessing"]["resize"]) in sources["ModelRecord.swift"]


@pytest.mark.parametrize("path", SWIFT, ids=lambda path: path.name)
def test_swift_is_balanced_and_its_platforms_are_guarded(path: Path) -> None:
    text = re.sub(r'//.*|#"(?:[^"]|"(?!#))*"#|"(?:\\.|[^"\\])*"', "", path.read_text())
    for opening, closing in ("{}", "()", "[]"):
        assert text.count(opening) == text.count(closing), f"{path}: {opening}{closing}"
    assert text.count("#if ") == text.count("#endif")
    guarded = {"CoreML", "ImageIO", "TensorFlowLite", "SwiftUI", "PhotosUI", "CryptoKit"}
    for match in re.finditer(r"^import (\w+)", text, re.MULTILINE):
        if match[1] in guarded:
            assert "#if" in text[: match.start()], f"{path} imports {match[1]}, which other systems lack"
