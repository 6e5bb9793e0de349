"""A file as an npm package: the model, the port in plain JavaScript, and golden vectors with their test."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from edgekd._version import __version__
from edgekd.export.app_files import write_app_files
from edgekd.export.port_package import PortPackage, golden_files, record_license, render, require_single_photo
from edgekd.formats.artifact import Artifact

_SOURCES = Path(__file__).parents[1] / "js"
_TEMPLATES = _SOURCES / "package"


def write_js_package(artifact: Artifact, folder: Path) -> PortPackage:
    """Write a folder that ``npm install FOLDER`` takes, or bring it up to date.

    Args:
        artifact: A .tflite or .onnx of edgekd; it is copied byte for byte.
        folder: The folder of the package; files in it that somebody edited, and others' files, stay as they are.

    Returns:
        What was written, and what became of each file.

    Raises:
        UsageError: The file takes several photos at a time or is another tool's, or other files stand in the way.
    """
    require_single_photo(artifact, "a JavaScript package")
    golden, model = golden_files(artifact), f"model/{artifact.path.name}"
    files = {
        "package.json": _manifest(package_name(folder), artifact.path.name),
        "README.md": _readme(artifact, folder, golden.count),
        model: artifact.content(),
        "model/model.json": _json({"name": artifact.path.name, "sha256": artifact.sha256}),
        **_scripts("src", _SOURCES),
        **_scripts("test", _TEMPLATES),
        **golden.contents,
    }
    changes = write_app_files(folder, files)
    return PortPackage(folder, folder / model, golden.count, changes)


def _scripts(folder: str, source: Path) -> dict[str, bytes]:
    """The modules, types and pages of a folder, as .js and .d.ts: Metro, React Native's bundler, knows no .mjs."""
    paths = sorted(path for path in source.iterdir() if path.suffix in (".mjs", ".mts", ".html"))
    names = {path: path.name.replace(".mjs", ".js").replace(".mts", ".ts") for path in paths}
    return {f"{folder}/{names[path]}": path.read_bytes().replace(b".mjs'", b".js'") for path in paths}


def _readme(artifact: Artifact, folder: Path, vectors: int) -> bytes:
    return render(
        _TEMPLATES / "README.md.jinja",
        name=package_name(folder),
        folder=shlex.quote(f"./{folder.resolve().name}"),
        model=artifact.path.name,
        kind=artifact.format,
        height=artifact.preprocessing.height,
        width=artifact.preprocessing.width,
        classes=len(artifact.labels),
        vectors=vectors,
        license=record_license(artifact),
    )


def package_name(folder: Path) -> str:
    """A name that npm takes, after the folder's: lower case letters, digits and dashes.

    >>> package_name(Path("apps/Litter_Classifier 2"))
    'litter-classifier-2'
    """
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    return name or "edgekd-classifier"


def _manifest(name: str, model: str) -> bytes:
    """The package.json. It is private, so that nobody publishes a model by mistake."""
    entry = {"types": "./src/index.d.ts", "default": "./src/index.js"}
    return _json(
        {
            "name": name,
            "version": __version__.split(".dev")[0],
            "description": f"The image classifier {model}: from pixels to its input, from its output to an answer",
            "license": "Apache-2.0",
            "private": True,
            "type": "module",
            "sideEffects": False,
            "exports": {
                ".": entry,
                "./browser": _side("browser"),
                "./node": _side("node"),
                "./model/*": "./model/*",
                "./package.json": "./package.json",
            },
            "main": entry["default"],
            "types": entry["types"],
            "files": ["src", "model"],
            "scripts": {"test": "node --test"},
            "engines": {"node": ">=18"},
        }
    )


def _side(name: str) -> dict[str, str]:
    return {"types": f"./src/platform_{name}.d.ts", "default": f"./src/platform_{name}.js"}


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
