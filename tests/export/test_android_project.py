"""The demo as a Gradle project, which no build here runs, and every command that the app names."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import click
import pytest

from edgekd.cli import group

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "android_demo"
STRINGS = ElementTree.parse(DEMO / "app/src/main/res/values/strings.xml").getroot()
COMMANDS = [
    *(line for text in STRINGS.itertext() for line in re.findall(r"“(edgekd [^”]+)”", text)),
    *re.findall(r"`(edgekd [^`]+)`", (DEMO / "README.md").read_text(encoding="utf-8")),
    *re.findall(r"`(edgekd [^`]+)`", (DEMO / "screenshots/make.py").read_text(encoding="utf-8")),
]


def properties(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return {key: value for key, _, value in (line.partition("=") for line in lines if not line.startswith("#"))}


def test_the_app_and_its_readme_name_commands() -> None:
    assert sum("--android" in line for line in COMMANDS) >= 3


@pytest.mark.parametrize("line", sorted(set(COMMANDS)))
def test_a_command_that_is_named_is_one(line: str) -> None:
    _, name, *arguments = shlex.split(line)
    command = group.get_command(click.Context(group), name)
    assert command is not None
    if arguments:
        command.make_context(name, arguments)  # Raises where an option or argument does not exist, or lacks.


def test_studio_finds_its_gradle() -> None:
    wrapper = properties(DEMO / "gradle/wrapper/gradle-wrapper.properties")
    url = wrapper["distributionUrl"].replace("\\:", ":")
    assert re.fullmatch(r"https://services\.gradle\.org/distributions/gradle-8\.\d+-bin\.zip", url)
    assert re.fullmatch("[0-9a-f]{64}", wrapper["distributionSha256Sum"])
    assert properties(DEMO / "gradle.properties")["android.useAndroidX"] == "true"
    tracked = subprocess.run(["git", "ls-files", DEMO], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not [path for path in tracked.splitlines() if path.endswith((".jar", ".apk", ".aar", ".so"))]


def test_delegates_are_looked_up_by_name_alone() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (DEMO / "app/src").rglob("*.kt")]
    imported = re.compile(r"^import org\.tensorflow\.lite\.(nnapi|gpu)\b", re.MULTILINE)
    assert not [text for text in sources if imported.search(text)]
    assert sum('"org.tensorflow.lite.gpu.GpuDelegate"' in text for text in sources) == 2
    # Android deprecated it in version 15.
    main = [path.read_text(encoding="utf-8") for path in (DEMO / "app/src/main").rglob("*.kt")]
    assert not [text for text in main if "nnapi" in text.lower()]


def test_gradle_and_the_one_command_build_the_same_app() -> None:
    gradle = (DEMO / "app/build.gradle.kts").read_text(encoding="utf-8")
    pom = (DEMO / "pom.xml").read_text(encoding="utf-8")
    for key, tag in (("minSdk", "min.sdk"), ("targetSdk", "target.sdk")):
        assert re.search(rf"{key} = (\d+)", gradle)[1] == re.search(rf"<{tag}>(\d+)<", pom)[1]  # type: ignore[index]
