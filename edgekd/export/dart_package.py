"""A .tflite as a Dart package: the model, the port in pure Dart, and golden vectors with their test."""

from __future__ import annotations

import json
import re
from pathlib import Path

from edgekd._version import __version__
from edgekd.errors import UsageError
from edgekd.export.app_files import write_app_files
from edgekd.export.port_package import PortPackage, golden_files, record_license, render, require_single_photo
from edgekd.formats.artifact import Artifact

_HERE = Path(__file__).parents[1] / "dart"
# Templates by the path that each has in a package.
_TEXTS = {
    "pubspec.yaml": "pubspec.yaml",
    "analysis_options.yaml": "analysis_options.yaml",
    "README.md": "README.md",
    "lib/{name}.dart": "library.dart",
    "test/golden_test.dart": "golden_test.dart",
}
# Words that Dart keeps for itself, and names that a package may not have.
_RESERVED = (
    "assert", "break", "case", "catch", "class", "const", "continue", "default", "do", "else", "enum", "extends",
    "false", "final", "finally", "for", "if", "in", "is", "new", "null", "rethrow", "return", "super",
    "switch", "this", "throw", "true", "try", "var", "void", "while", "with", "test", "crypto",
    "flutter", "dart",
)  # fmt: skip


def write_dart_package(artifact: Artifact, folder: Path) -> PortPackage:
    """Write a folder that an app's pubspec.yaml names by its path, or bring it up to date.

    Args:
        artifact: A .tflite of edgekd; it is copied byte for byte.
        folder: The folder of the package; files in it that somebody edited, and others' files, stay as they are.

    Returns:
        What was written, and what became of each file.

    Raises:
        UsageError: The file is no .tflite of edgekd or takes several photos at a time, or other files stand in the way.
    """
    require_single_photo(artifact, "a Dart package")
    if artifact.format != "tflite":
        raise UsageError(f"a Dart package takes a .tflite, and {artifact.path.name} is {artifact.format}")
    golden, model, name = golden_files(artifact), f"lib/model/{artifact.path.name}", package_name(folder)
    values = {
        "name": name,
        "version": __version__.split(".dev")[0],
        "folder": json.dumps(folder.resolve().name),
        "model": artifact.path.name,
        "height": artifact.preprocessing.height,
        "width": artifact.preprocessing.width,
        "classes": len(artifact.labels),
        "vectors": golden.count,
        "license": record_license(artifact),
    }
    files = {
        **{
            path.format(name=name): render(_HERE / "package" / f"{text}.jinja", **values)
            for path, text in _TEXTS.items()
        },
        **{f"lib/src/{path.name}": path.read_bytes() for path in sorted((_HERE / "src").glob("*.dart"))},
        model: artifact.content(),
        **golden.contents,
    }
    changes = write_app_files(folder, files)
    return PortPackage(folder, folder / model, golden.count, changes)


def package_name(folder: Path) -> str:
    """A name that Dart takes, after the folder's: lower case letters, digits and underscores.

    >>> package_name(Path("apps/Litter-Classifier 2")), package_name(Path("apps/test"))
    ('litter_classifier_2', 'test_classifier')
    """
    name = re.sub(r"[^a-z0-9]+", "_", folder.resolve().name.lower()).strip("_")
    if not name or name in _RESERVED:
        return f"{name or 'edgekd'}_classifier"
    return name if not name[0].isdigit() else f"classifier_{name}"
