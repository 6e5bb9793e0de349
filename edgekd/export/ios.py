"""Writes a Swift package with a tested file, its golden vectors and what reads it, into the folder of an iOS app."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from edgekd.errors import UsageError
from edgekd.export.app_files import require_one_photo, write_app_files
from edgekd.export.c_array import PREPROCESS_HEADER
from edgekd.export.port_package import PortPackage, golden_files
from edgekd.formats.artifact import Artifact
from edgekd.progress import Progress

PACKAGE = "EdgekdClassifier"
"""The folder of the package in an app's folder, and the name of its library."""
_HEADER = f"Sources/CEdgekd/include/{PREPROCESS_HEADER.name}"
_MODEL = "Sources/EdgekdClassifier/Model"
_GOLDEN = "Sources/EdgekdGolden/Golden"


def write_ios_package(artifact: Artifact, app: Path, *, progress: Progress | None = None) -> PortPackage:
    """Write or update ``EdgekdClassifier``, a Swift package with the file byte for byte, in an app's folder.

    Args:
        artifact: A .tflite or .mlpackage of edgekd's.
        app: The folder of the Xcode project, or any other; it must exist.
        progress: Called as ``progress(done, total)`` after each golden vector.

    Returns:
        The folder and what became of each file. What somebody edited is left as it is.

    Raises:
        UsageError: The file or the folder cannot be used, or another file is in the place of one of the package's.
    """
    _check(artifact, app)
    contents = {path: template.read_bytes() for path, template in _templates(files("edgekd") / "apple", "")}
    contents[_HEADER] = PREPROCESS_HEADER.read_bytes()
    if artifact.format == "mlpackage":
        parts = artifact.package().items()
        contents |= {f"{_MODEL}/{artifact.path.name}/{path}": content for path, content in parts}
    else:
        contents[f"{_MODEL}/{artifact.path.name}"] = artifact.content()
    golden = golden_files(artifact, progress)
    contents |= {f"{_GOLDEN}/{path.removeprefix('golden/')}": content for path, content in golden.contents.items()}
    folder = app / PACKAGE
    changes = write_app_files(folder, contents)
    return PortPackage(folder, folder / _MODEL / artifact.path.name, golden.count, changes)


def _check(artifact: Artifact, app: Path) -> None:
    name = artifact.path.name
    if artifact.format not in ("tflite", "mlpackage"):
        raise UsageError(f"an iOS app takes a .tflite or .mlpackage, and {name} is {artifact.format}")
    require_one_photo(artifact, "an app passes one")
    if not app.is_dir():
        raise UsageError(f"{app} is not a folder. Give --into the folder of the app's Xcode project")


def _templates(folder: Traversable, prefix: str) -> list[tuple[str, Traversable]]:
    """Every file of the package that does not depend on a model, with its path in it."""
    found: list[tuple[str, Traversable]] = []
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        path = f"{prefix}{entry.name}"
        found += _templates(entry, f"{path}/") if entry.is_dir() else [(path, entry)]
    return found
