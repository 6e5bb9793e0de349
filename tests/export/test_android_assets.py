from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from edgekd.errors import UsageError
from edgekd.export.android import add_to_android, assets_folder
from edgekd.golden import check_golden

DEMO = Path(__file__).parents[2] / "android_demo"


def test_the_model_and_its_vectors_stand_in_the_assets(exported: dict[str, Any], tmp_path: Path) -> None:
    artifact = exported["int8.tflite"]
    (tmp_path / "app/src/main").mkdir(parents=True)
    for _ in range(2):  # the second time over the first
        made = add_to_android(artifact, tmp_path)
        assets = tmp_path / "app/src/main/assets"
        assert made.model == assets / artifact.path.name
        assert made.model.read_bytes() == artifact.path.read_bytes()
        assert made.golden == assets / "golden" / artifact.path.name.removesuffix(".tflite")
        assert check_golden(artifact, made.golden).passed
    files = [path for path in made.golden.rglob("*") if path.is_file() and path.name != "manifest.json"]
    assert made.golden_size_bytes == sum(path.stat().st_size for path in files)
    assert {path.name for path in assets.iterdir()} == {"golden", artifact.path.name}


def test_the_gradle_lines_are_those_of_the_demo(exported: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "src/main").mkdir(parents=True)
    dependency, resources = add_to_android(exported["float32.tflite"], tmp_path).gradle_lines()
    text = (DEMO / "app/build.gradle.kts").read_text()
    assert dependency == 'dependencies { implementation("com.google.ai.edge.litert:litert:1.4.0") }'
    assert resources == 'android { androidResources { noCompress += "tflite" } }'
    assert dependency[15:-2] in text
    assert resources[10:-2] in text


def test_a_project_its_module_and_its_assets_are_all_taken(tmp_path: Path) -> None:
    sources = tmp_path / "app/src/main"
    sources.mkdir(parents=True)
    assert {assets_folder(folder) for folder in (tmp_path, tmp_path / "app", sources / "assets")} == {
        sources / "assets"
    }


def test_another_folder_or_file_is_refused_and_nothing_is_written(exported: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not an Android project: it has neither app/src/main nor src/main"):
        add_to_android(exported["int8.tflite"], tmp_path)
    (tmp_path / "src/main").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"takes a \.tflite, and tiny\.int8\.onnx is onnx"):
        add_to_android(exported["int8.onnx"], tmp_path)
    many = exported["int8.tflite"]
    many = dataclasses.replace(many, inputs=(dataclasses.replace(many.inputs[0], shape=(4, 48, 48, 3)),))
    with pytest.raises(UsageError, match=r"takes 4 photos at a time, and an app passes one\. Use --batch 1"):
        add_to_android(many, tmp_path)
    assert list((tmp_path / "src/main").iterdir()) == []
    (tmp_path / "src/main/assets/golden/tiny.int8").mkdir(parents=True)
    (tmp_path / "src/main/assets/golden/tiny.int8/mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="holds files that are not golden vectors"):
        add_to_android(exported["int8.tflite"], tmp_path)
    assert not (tmp_path / "src/main/assets/tiny.int8.tflite").exists()
