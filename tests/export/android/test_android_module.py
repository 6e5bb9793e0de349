"""Which folder is the module, and the lines that its build lacks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgekd.errors import UsageError
from edgekd.export.android import find_module, gradle_lines
from edgekd.export.android.gradle import warnings

APPLICATION = 'plugins { id("com.android.application") }\n'
LIBRARY = "plugins { id 'com.android.library' }\n"


def project(folder: Path, **scripts: str) -> Path:
    """A project with a module for each script, by its path with _ for /, and a script of its own that names plugins."""
    (folder / "settings.gradle").write_text("")
    (folder / "build.gradle").write_text("plugins { id 'com.android.application' version '9.4.1' apply false }")
    for path, text in scripts.items():
        script = folder / path.replace("_", "/") / f"build.gradle{'.kts' if '(' in text else ''}"
        script.parent.mkdir(parents=True)
        script.write_text(text)
    return folder


def test_the_only_application_is_the_module(tmp_path: Path) -> None:
    root = project(tmp_path, app=APPLICATION, feature_camera=LIBRARY)
    assert find_module(root).folder == tmp_path / "app" == find_module(tmp_path / "app").folder
    for name in ("feature/camera", ":feature:camera"):
        module = find_module(root, name)
        assert (module.folder, module.project) == (tmp_path / "feature/camera", tmp_path)


@pytest.mark.parametrize(
    ("app", "module", "flavor", "message"),
    [
        ("", None, None, r"several Android modules\. Give --module with one of: one, two"),
        ("", "three", None, r"three is not an Android module\. Give --module with one of: one, two"),
        ("", "../one", None, r"is not an Android module"),
        ("one/src", None, None, r"is not an Android project: neither it nor a folder in it has a build\.gradle"),
        ("missing", None, None, r"missing is not a folder"),
        ("one", None, "no/where", r"--flavor 'no/where' is not the name of a product flavour"),
    ],
)
def test_what_is_not_one_module_is_refused(
    tmp_path: Path, app: str, module: str | None, flavor: str | None, message: str
) -> None:
    project(tmp_path, one=LIBRARY, two=LIBRARY)
    (tmp_path / "one/src").mkdir()
    with pytest.raises(UsageError, match=message):
        find_module(tmp_path / app, module, flavor)


def test_a_flavour_gets_the_assets_and_its_tests_the_vectors(tmp_path: Path) -> None:
    module = find_module(project(tmp_path, app=APPLICATION), flavor="free")
    assert (module.assets, module.test_assets) == ("src/free/assets", "src/androidTestFree/assets")
    (tmp_path / "app/src/main/kotlin").mkdir(parents=True)
    assert module.sources("main") == "src/main/kotlin" and module.sources("androidTest") == "src/androidTest/java"


def added_lines(root: Path, runtime: str = "interpreter") -> str:
    return "\n".join(line.strip() for line in gradle_lines(find_module(root), runtime))  # type: ignore[arg-type]


def test_lines_are_written_as_the_module_writes_its_build(tmp_path: Path) -> None:
    for name in ("kotlin", "groovy", "catalog"):
        (tmp_path / name).mkdir()
    kotlin = added_lines(project(tmp_path / "kotlin", app=APPLICATION))
    assert 'implementation("com.google.ai.edge.litert:litert:1.4.2")' in kotlin
    assert 'androidResources { noCompress += "tflite" }' in kotlin
    groovy = added_lines(project(tmp_path / "groovy", app="plugins { id 'com.android.application' }"), "compiled-model")
    assert "implementation 'com.google.ai.edge.litert:litert:2.3.0'" in groovy and "noCompress 'tflite'" in groovy
    root = project(tmp_path / "catalog", app=APPLICATION)
    (root / "gradle").mkdir()
    (root / "gradle/libs.versions.toml").write_text(
        '[libraries]\nmy_junit = { module = "junit:junit", version = "4.13.2" }'
    )
    catalog = added_lines(root)
    assert 'litert = { module = "com.google.ai.edge.litert:litert", version = "1.4.2" }' in catalog
    assert (
        "implementation(libs.litert)" in catalog and "androidTestImplementation(libs.androidx.test.runner)" in catalog
    )
    assert "androidTestImplementation(libs.my.junit)" in catalog and "junit = {" not in catalog


def test_what_the_build_has_is_not_asked_for(tmp_path: Path) -> None:
    root = project(tmp_path, app=APPLICATION)
    script = root / "app/build.gradle.kts"
    script.write_text(
        APPLICATION + "\n".join(re.sub(r"^\S.*:$", "", line) for line in gradle_lines(find_module(root), "interpreter"))
    )
    assert gradle_lines(find_module(root), "interpreter") == ()


def test_too_old_an_android_or_litert_is_said(tmp_path: Path) -> None:
    root = project(
        tmp_path, app=APPLICATION + 'android { minSdk = 23 }\nimplementation("com.google.ai.edge.litert:litert:1.4.0")'
    )
    assert warnings(find_module(root), "interpreter") == (
        "the app takes LiteRT 1.4.0, and this code was written for 1.4.2: take that version",
    )
    assert warnings(find_module(root), "compiled-model")[0] == "minSdk is 23, and LiteRT 2.3.0 needs 24: set it to 24"


def test_the_versions_are_those_of_the_demo() -> None:
    demo = Path(__file__).parents[3] / "android_demo"
    module = find_module(demo)
    assert gradle_lines(module, "interpreter") == () and warnings(module, "interpreter") == ()
