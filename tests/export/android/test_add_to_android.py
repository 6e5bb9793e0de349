"""A tested file in an Android app: what is written, what a second time changes, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from edgekd.cli.android_command import command
from edgekd.cli.shipped_tflite import open_tflite
from edgekd.errors import RunError, UsageError
from edgekd.export.android import add_to_android, find_module
from edgekd.golden import check_golden

KOTLIN = Path(__file__).parents[3] / "edgekd/kotlin"
CODE = "src/main/java/org/edgekd/classifier"
TEST = "src/androidTest/java/org/edgekd/classifier"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one application."""
    folder = tmp_path_factory.mktemp("android_app")
    (folder / "app/src/main").mkdir(parents=True)
    (folder / "settings.gradle.kts").write_text('include(":app")')
    (folder / "build.gradle.kts").write_text('plugins { id("com.android.application") version "9.4.1" apply false }')
    (folder / "app/build.gradle.kts").write_text('plugins { id("com.android.application") }\nandroid { minSdk = 21 }')
    return folder


@pytest.fixture(scope="module")
def added(exported: dict[str, Any], app: Path) -> dict[str, Any]:
    """What the command said of the first time."""
    path = exported["int8.tflite"].path
    done = CliRunner().invoke(command, [str(path), "--into", str(app), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_the_file_its_code_and_its_test_are_in_the_module(
    exported: dict[str, Any], app: Path, added: dict[str, Any]
) -> None:
    artifact, module = exported["int8.tflite"], app / "app"
    assert (module / added["model"]).read_bytes() == artifact.path.read_bytes()
    shipped = {path.relative_to(module / "src/main").as_posix() for path in (module / "src/main").rglob("*.*")}
    code = {"InterpreterRuntime.kt", *(path.name for path in (KOTLIN / "classifier").iterdir())}
    assert code >= {"ImageClassifier.kt", "Preprocessing.kt"}
    assert shipped == {f"assets/{artifact.path.name}", *(f"java/org/edgekd/classifier/{name}" for name in code)}
    assert {path.name for path in (module / TEST).iterdir()} == {"GoldenTest.kt", "TestedRuntime.kt"}
    assert (module / CODE / "Preprocessing.kt").read_bytes() == (KOTLIN / "classifier/Preprocessing.kt").read_bytes()
    assert check_golden(artifact, module / added["golden"]).passed
    assert added["golden"].startswith("src/androidTest/assets/golden/")
    assert len(added["added"]) == sum(path.is_file() for path in (module / "src").rglob("*"))


def test_again_only_what_changed_is_written(exported: dict[str, Any], app: Path, added: dict[str, Any]) -> None:
    module = find_module(app)
    before = {path: path.stat().st_mtime_ns for path in (app / "app/src").rglob("*") if path.is_file()}
    preprocessing = app / "app" / CODE / "Preprocessing.kt"
    text = preprocessing.read_text(encoding="utf-8")
    preprocessing.write_text(text + "// mine\n", encoding="utf-8")
    kept = add_to_android(exported["int8.tflite"], module, runtime="compiled-model").changes
    assert kept.edited == (f"{CODE}/Preprocessing.kt",) and preprocessing.read_text(encoding="utf-8").endswith("mine\n")
    assert kept.added == (f"{CODE}/CompiledModelRuntime.kt",) and kept.removed == (f"{CODE}/InterpreterRuntime.kt",)
    assert kept.updated == (f"{TEST}/TestedRuntime.kt",)
    unchanged = {path: time for path, time in before.items() if path.exists() and path.stat().st_mtime_ns == time}
    assert before.keys() - unchanged.keys() == {
        preprocessing, app / "app" / CODE / "InterpreterRuntime.kt", app / "app" / TEST / "TestedRuntime.kt"
    }  # fmt: skip


def test_other_files_than_ours_and_other_models_are_refused(exported: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "src/main/assets").mkdir(parents=True)
    (tmp_path / "src/main/AndroidManifest.xml").write_text("<manifest/>")
    module = find_module(tmp_path)
    with pytest.raises(UsageError, match=r"takes a \.tflite, and tiny\.int8\.onnx is onnx"):
        add_to_android(exported["int8.onnx"], module)
    many = exported["int8.tflite"]
    many = dataclasses.replace(many, inputs=(dataclasses.replace(many.inputs[0], shape=(4, 48, 48, 3)),))
    with pytest.raises(UsageError, match=r"takes 4 photos at a time, and an app passes one\. Use --batch 1"):
        add_to_android(many, module)
    with pytest.raises(UsageError, match=r"--name 'a/b' is not a name for a file"):
        add_to_android(exported["int8.tflite"], module, name="a/b")
    (tmp_path / "src/main/assets/tiny.int8.tflite").write_text("mine")
    with pytest.raises(UsageError, match=r"tiny\.int8\.tflite would be overwritten, and edgekd did not write it"):
        add_to_android(exported["int8.tflite"], module)
    assert not (tmp_path / CODE).exists()


def test_the_demo_compiles_the_files_of_the_package() -> None:
    assert find_module(Path(__file__).parents[3] / "android_demo").compiles_package


def test_of_a_folder_the_int8_file_is_taken(exported: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no \.tflite\. Give a run, a folder that edgekd export wrote, or"):
        open_tflite(tmp_path)
    for name in ("float32.tflite", "int8.tflite"):
        shutil.copy(exported[name].path, tmp_path)
    assert open_tflite(tmp_path).path == tmp_path / exported["int8.tflite"].path.name
    assert open_tflite(tmp_path / exported["float32.tflite"].path.name).precision == "float32"
    shutil.copy(exported["int8.tflite"].path, tmp_path / "other.tflite")
    with pytest.raises(UsageError, match=r"several files that an app could take \(other\.tflite, tiny\.int8\.tflite\)"):
        open_tflite(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(RunError, match=r"\(no export/index\.json\)\. Make them: edgekd run RECIPE"):
        open_tflite(tmp_path)
