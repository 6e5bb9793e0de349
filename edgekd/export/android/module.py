"""Which folder of an Android project is the module, and where its sources are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edgekd.errors import UsageError

_SCRIPTS = ("build.gradle.kts", "build.gradle")
# The plugin itself, or the block that every module has whose plugin comes from a catalog or a convention.
_ANDROID = re.compile(r"com\.android\.(application|library|dynamic-feature)|^\s*android\s*\{", re.MULTILINE)
# A project's own script names plugins for its modules.
_FOR_OTHERS = re.compile(r"^.*\bapply\s*\(?\s*false\b.*$", re.MULTILINE)
_APPLICATION = re.compile(r"com\.android\.application|android[._-]?application|applicationId", re.IGNORECASE)
_SKIPPED = {"build", "node_modules", "src"}
# app, feature/camera, android/app of React Native and Flutter.
_DEPTH = 3
_FLAVOR = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_LARGEST_SCRIPT_BYTES = 1 << 20


@dataclass(frozen=True)
class AndroidModule:
    """A module: its folder, the folder of its project, its build script, and the flavour whose assets get the model."""

    folder: Path
    project: Path
    script: Path | None
    flavor: str | None = None

    @property
    def assets(self) -> str:
        """The assets that are shipped, relative to the folder."""
        return f"src/{self.flavor or 'main'}/assets"

    @property
    def test_assets(self) -> str:
        """The assets of instrumented tests, which no shipped APK has."""
        return f"src/androidTest{self.flavor[0].upper() + self.flavor[1:] if self.flavor else ''}/assets"

    def sources(self, source_set: str) -> str:
        """Where the Kotlin files of ``main`` or ``androidTest`` are: in ``kotlin`` where there is no ``java``."""
        names = [name for name in ("java", "kotlin") if (self.folder / "src" / source_set / name).is_dir()]
        return f"src/{source_set}/{names[0] if names else 'java'}"

    @property
    def compiles_package(self) -> bool:
        """Whether it compiles the Kotlin files of this package where they are, as edgekd's own demo does."""
        return "edgekd/kotlin/classifier" in self.script_text

    @property
    def script_text(self) -> str:
        """The build script; "" where there is none."""
        return "" if self.script is None else read_script(self.script)

    @property
    def catalog(self) -> Path | None:
        """The project's version catalog, where it has one."""
        path = self.project / "gradle/libs.versions.toml"
        here = Path.cwd()
        shown = path.relative_to(here) if path.is_relative_to(here) else path
        return shown if path.is_file() else None


def find_module(app: Path, module: str | None = None, flavor: str | None = None) -> AndroidModule:
    """Find the module of a project that gets a model.

    Args:
        app: The folder of a project, or of a module.
        module: Which one of the project, by its path or as Gradle writes it: ``app``, ``:feature:camera``.
        flavor: Product flavour or build type whose assets get the model; those of ``main`` by default.

    Raises:
        UsageError: There is none, there are several and ``module`` says nothing, or it is not one of them.
    """
    if not app.is_dir():
        raise UsageError(f"{app} is not a folder. Give the folder of an Android project or of one of its modules")
    if flavor is not None and not _FLAVOR.fullmatch(flavor):
        raise UsageError(
            f"--flavor {flavor!r} is not the name of a product flavour or build type, such as free or debug"
        )
    if module is not None:
        folder = app / module.strip(":").replace(":", "/")
        if ".." in Path(module).parts or not _is_module(folder):
            raise UsageError(f"{folder} is not an Android module. {_choices(app)}")
    else:
        folder = _only_module(app)
    return AndroidModule(folder, _project_of(folder), _script_of(folder), flavor)


def read_script(path: Path) -> str:
    """A build script or catalog as text; bytes that are not UTF-8 are replaced."""
    with path.open("rb") as stream:
        return stream.read(_LARGEST_SCRIPT_BYTES).decode("utf-8", "replace")


def _only_module(app: Path) -> Path:
    if _is_module(app):
        return app
    found = _modules(app)
    if not found:
        raise UsageError(
            f"{app} is not an Android project: neither it nor a folder in it has a build.gradle or build.gradle.kts "
            "with an android block, or a src/main/AndroidManifest.xml. Give the folder of the project or of a module"
        )
    applications = [folder for folder in found if _APPLICATION.search(_text(folder))]
    for some in (applications, found):
        if len(some) == 1:
            return some[0]
    raise UsageError(f"{app} has several Android modules. {_choices(app)}")


def _choices(app: Path) -> str:
    names = ", ".join(folder.relative_to(app).as_posix() for folder in _modules(app))
    return f"Give --module with one of: {names}" if names else "It has none: give the folder of an Android project"


def _modules(folder: Path, depth: int = _DEPTH) -> list[Path]:
    """Android modules in the folders of a folder, by path."""
    found: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or not path.is_dir() or path.name.startswith(".") or path.name in _SKIPPED:
            continue
        if _is_module(path):
            found.append(path)
        elif depth > 1:
            found.extend(_modules(path, depth - 1))
    return found


def _is_module(folder: Path) -> bool:
    has_manifest = (folder / "src/main/AndroidManifest.xml").is_file()
    return has_manifest or _ANDROID.search(_FOR_OTHERS.sub("", _text(folder))) is not None


def _script_of(folder: Path) -> Path | None:
    return next((folder / name for name in _SCRIPTS if (folder / name).is_file()), None)


def _text(folder: Path) -> str:
    script = _script_of(folder)
    return "" if script is None else read_script(script)


def _project_of(folder: Path) -> Path:
    """The folder with the settings of the build, upward from a module; else the one around the module."""
    absolute = folder.absolute()
    for parent in (absolute, *absolute.parents[:_DEPTH]):
        if any((parent / name).is_file() for name in ("settings.gradle.kts", "settings.gradle")):
            return parent
    return absolute.parent
