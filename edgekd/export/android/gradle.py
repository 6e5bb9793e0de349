"""The lines that a module's build needs for a model, as that module writes its build.

They are printed and never written: a build script is a program, and only its author knows where a line belongs. What
the script already says is left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from edgekd.export.android.module import AndroidModule, read_script

Runtime = Literal["interpreter", "compiled-model"]
VERSIONS = {"interpreter": "1.4.2", "compiled-model": "2.3.0"}
"""Of com.google.ai.edge.litert:litert; the newest of each line."""
# 1.4.0 asks for 26; the AARs of 2.x say 24.
MIN_SDK = {"interpreter": 21, "compiled-model": 24}
RUNNER = "androidx.test.runner.AndroidJUnitRunner"


@dataclass(frozen=True)
class _Library:
    """A library, and its alias in the project's version catalog: that which it has there, else that to add."""

    alias: str
    module: str
    version: str
    configuration: str

    @property
    def accessor(self) -> str:
        """How a build script names it by the catalog."""
        return f"libs.{re.sub('[-_]', '.', self.alias)}"

    def line(self, *, kotlin: bool, catalog: bool) -> str:
        """The dependency as the build script writes it."""
        if catalog:
            return f"{self.configuration}({self.accessor})" if kotlin else f"{self.configuration} {self.accessor}"
        name = f"{self.module}:{self.version}"
        return f'{self.configuration}("{name}")' if kotlin else f"{self.configuration} '{name}'"

    def is_in(self, script: str) -> bool:
        """Whether a build script has it in that configuration, by the library's name or by the catalog's."""
        names = rf"{re.escape(self.module)}:|{re.escape(self.accessor)}(?![.\w])"
        return re.search(rf"\b{self.configuration}\b[\s(]*[\"']?({names})", script) is not None


def gradle_lines(module: AndroidModule, runtime: Runtime) -> tuple[str, ...]:
    """The lines to add to the module's build script and to the project's catalog; empty where all of them are there.

    Those of a file follow its path, indented.
    """
    script, kotlin = module.script_text, module.script is None or module.script.suffix == ".kts"
    catalog = None if module.catalog is None else read_script(module.catalog)
    libraries = [_with_alias(one, catalog or "") for one in _libraries(runtime)]
    missing = [one for one in libraries if not one.is_in(script)]
    lines = _android_block(script, kotlin)
    if missing:
        dependencies = (one.line(kotlin=kotlin, catalog=catalog is not None) for one in missing)
        lines += ["dependencies {", *(f"    {line}" for line in dependencies), "}"]
    path = module.script or module.folder / "build.gradle.kts"
    return (*_catalog_lines(module, missing), *([f"{path}:", *(f"    {line}" for line in lines)] if lines else []))


def warnings(module: AndroidModule, runtime: Runtime) -> tuple[str, ...]:
    """What in the build script will not do: too low a least version of Android, or no Kotlin."""
    script, found = module.script_text, []
    level = re.search(r"\bminSdk(?:Version)?\b\s*[=(]?\s*(\d+)", script)
    if level is not None and int(level[1]) < MIN_SDK[runtime]:
        needed = MIN_SDK[runtime]
        found.append(f"minSdk is {level[1]}, and LiteRT {VERSIONS[runtime]} needs {needed}: set it to {needed}")
    catalog = "" if module.catalog is None else read_script(module.catalog)
    old = re.search(r"com\.google\.ai\.edge\.litert:litert(?::|\"\s*,\s*version\s*=\s*\")(\d[\w.]*)", script + catalog)
    if old is not None and old[1] != VERSIONS[runtime]:
        found.append(
            f"the app takes LiteRT {old[1]}, and this code was written for {VERSIONS[runtime]}: take that version"
        )
    return tuple(found)


def _libraries(runtime: Runtime) -> tuple[_Library, ...]:
    return (
        _Library("litert", "com.google.ai.edge.litert:litert", VERSIONS[runtime], "implementation"),
        _Library("androidx-test-runner", "androidx.test:runner", "1.7.0", "androidTestImplementation"),
        _Library("junit", "junit:junit", "4.13.2", "androidTestImplementation"),
    )


def _with_alias(library: _Library, catalog: str) -> _Library:
    """The library by the name that a catalog has for it already."""
    found = re.search(rf"^\s*([\w-]+)\s*=[^\n]*\"{re.escape(library.module)}[\":]", catalog, re.MULTILINE)
    return library if found is None else replace(library, alias=found[1])


def _catalog_lines(module: AndroidModule, missing: Sequence[_Library]) -> list[str]:
    """What the catalog lacks of libraries that the script is to name by it."""
    if module.catalog is None:
        return []
    text = read_script(module.catalog)
    entries = [
        f'    {one.alias} = {{ module = "{one.module}", version = "{one.version}" }}'
        for one in missing
        if one.module not in text
    ]
    return [f"{module.catalog}:", "    [libraries]", *entries] if entries else []


def _android_block(script: str, kotlin: bool) -> list[str]:
    """The model is mapped from the APK, so it must not be compressed; tests need a runner."""
    lines = []
    if not re.search(r"noCompress\b.*tflite", script):
        lines.append(
            '    androidResources { noCompress += "tflite" }'
            if kotlin
            else "    androidResources { noCompress 'tflite' }"
        )
    if "testInstrumentationRunner" not in script:
        value = f'"{RUNNER}"' if kotlin else f"'{RUNNER}'"
        lines.append(f"    defaultConfig {{ testInstrumentationRunner = {value} }}")
    return ["android {", *lines, "}"] if lines else []
