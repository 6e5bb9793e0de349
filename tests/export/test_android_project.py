"""The demo as a Gradle project, which no build here runs, and every command that the app names."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
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
    assert sum(line.startswith("edgekd android ") for line in COMMANDS) >= 4


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
    assert re.fullmatch(r"https://services\.gradle\.org/distributions/gradle-9\.\d+\.\d+-bin\.zip", url)
    assert re.fullmatch("[0-9a-f]{64}", wrapper["distributionSha256Sum"])
    assert properties(DEMO / "gradle.properties")["android.useAndroidX"] == "true"
    tracked = subprocess.run(["git", "ls-files", DEMO], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not [path for path in tracked.splitlines() if path.endswith((".jar", ".apk", ".aar", ".so"))]


def test_delegates_are_looked_up_by_name_alone() -> None:
    folders = (DEMO / "app/src", ROOT / "edgekd/kotlin")
    sources = [path.read_text(encoding="utf-8") for folder in folders for path in folder.rglob("*.kt")]
    imported = re.compile(r"^import org\.tensorflow\.lite\.(nnapi|gpu)\b", re.MULTILINE)
    assert not [text for text in sources if imported.search(text)]
    assert sum('"org.tensorflow.lite.gpu.GpuDelegate"' in text for text in sources) == 2
    # Android deprecated it in version 15.
    tested = {path.read_text(encoding="utf-8") for path in (DEMO / "app/src/test").rglob("*.kt")}
    assert not [text for text in sources if "nnapi" in text.lower() and text not in tested]


def test_gradle_and_the_one_command_build_the_same_app() -> None:
    gradle = (DEMO / "app/build.gradle.kts").read_text(encoding="utf-8")
    pom = (DEMO / "pom.xml").read_text(encoding="utf-8")
    for key, tag in (("minSdk", "min.sdk"), ("targetSdk", "target.sdk")):
        assert re.search(rf"{key} = (\d+)", gradle)[1] == re.search(rf"<{tag}>(\d+)<", pom)[1]  # type: ignore[index]


def test_gradlew_runs_only_the_gradle_whose_hash_is_listed(tmp_path: Path) -> None:
    """With a distribution of one script in place of Gradle's: fetched once, checked, and started."""
    demo = tmp_path / "demo"
    shutil.copytree(DEMO / "gradle", demo / "gradle")
    shutil.copy(DEMO / "gradlew", demo)
    with zipfile.ZipFile(tmp_path / "gradle-9.9.9-bin.zip", "w") as archive:
        entry = zipfile.ZipInfo("gradle-9.9.9/bin/gradle")
        entry.external_attr = 0o755 << 16
        archive.writestr(entry, '#!/bin/sh\necho "ran $@"\n')
    content = (tmp_path / "gradle-9.9.9-bin.zip").read_bytes()

    def run(sha256: str) -> subprocess.CompletedProcess[str]:
        url = (tmp_path / "gradle-9.9.9-bin.zip").as_uri().replace(":", "\\:")
        lines = f"distributionUrl={url}\ndistributionSha256Sum={sha256}\n"
        (demo / "gradle/wrapper/gradle-wrapper.properties").write_text(lines)
        env = {**os.environ, "GRADLE_USER_HOME": str(tmp_path / "home")}
        return subprocess.run([demo / "gradlew", "build"], env=env, capture_output=True, text=True, cwd=tmp_path)

    refused = run("0" * 64)
    assert refused.returncode == 1 and "it is not run" in refused.stderr and refused.stdout == ""
    digest = hashlib.sha256(content).hexdigest()
    first, second = run(digest), run(digest)
    assert first.stdout == second.stdout == f"ran -p {demo} build\n"
    assert "fetching" in first.stderr and second.stderr == ""


def build_step(build: Path, *words: str, path: str | None = None) -> tuple[str, str]:
    """A step of the Maven build that fails: its error, and what Maven's last line is to be."""
    env = {**os.environ, **({} if path is None else {"PATH": path})}
    argv = [sys.executable, DEMO / "build.py", words[0], build, *words[1:]]
    done = subprocess.run(argv, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    return done.stderr, (build / "last-line.txt").read_text(encoding="utf-8")


def test_the_maven_build_ends_in_what_is_missing(tmp_path: Path) -> None:
    tools, build = tmp_path / "tools", tmp_path / "build"
    tools.mkdir()
    for name in ("aapt2", "java", "javac", "keytool", "zipalign"):
        (tools / name).symlink_to("/bin/true")
    told, last = build_step(build, "check", path=str(tools))
    assert told == last == "missing: apksigner. On Debian or Ubuntu: apt-get install apksigner\n"


def test_a_relative_folder_is_one_from_where_maven_is_started(tmp_path: Path) -> None:
    build = tmp_path / "build"
    build.mkdir()
    (tmp_path / "models").mkdir()
    for assets, vectors, named in (("none-here", "none", "-Dassets=none-here"), ("models", "here", "-Dvectors=here")):
        _, last = build_step(build, "resources", "android.jar", str(tmp_path), assets, vectors, "21", "36")
        assert last.startswith(f"{named} is not a directory ({tmp_path / named.partition('=')[2]}). Give ")
