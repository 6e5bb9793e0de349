"""A Core ML file, which is a folder: its parts, its hash, the record in its metadata and its program."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Never

from edgekd.errors import ArtifactError
from edgekd.formats.mil_program import MilProgram, read_program
from edgekd.formats.onnx_wire import bytes_of, fields_of

SUFFIX = ".mlpackage"
_MANIFEST = "Manifest.json"
_LARGEST_BYTES = 2 << 30
_MOST_FILES = 1000
# The fields from a model to the entries of its metadata: description, metadata, userDefined.
_METADATA = (2, 100, 100)


def is_package(path: Path) -> bool:
    """Whether a path is the folder of a Core ML file."""
    return path.suffix == SUFFIX and path.is_dir()


def read_package(path: Path) -> dict[str, bytes]:
    """Every file of a package by its path in it. Raises ArtifactError where it is damaged or too large."""
    contents: dict[str, bytes] = {}
    size = 0
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            file = Path(folder) / name
            if not file.is_file() or file.is_symlink():
                raise ArtifactError(f"{file} is not a plain file. Export {path.name} again")
            size += file.stat().st_size
            if size > _LARGEST_BYTES or len(contents) >= _MOST_FILES:
                raise ArtifactError(f"{path} is too large for a Core ML file of edgekd. Export it again")
            contents[file.relative_to(path).as_posix()] = file.read_bytes()
    if _MANIFEST not in contents:
        raise ArtifactError(f"{path} has no {_MANIFEST}, so it is not a whole .mlpackage. Copy it again")
    return contents


def package_sha256(contents: Mapping[str, bytes]) -> str:
    """Hex SHA-256 of all files: of their paths and hashes, sorted."""
    rows = [f"{path}\0{hashlib.sha256(content).hexdigest()}\n" for path, content in sorted(contents.items())]
    return hashlib.sha256("".join(rows).encode()).hexdigest()


def model_path(contents: Mapping[str, bytes], where: str) -> str:
    """Where the model's description lies in the package. Raises ArtifactError."""
    try:
        manifest = json.loads(contents[_MANIFEST])
        path = f"Data/{manifest['itemInfoEntries'][manifest['rootModelIdentifier']]['path']}"
        return path if path in contents else _refuse(where, f"{path} is missing")
    except (ValueError, KeyError, TypeError) as error:
        return _refuse(where, f"its {_MANIFEST} cannot be used ({error!r})")


def metadata(contents: Mapping[str, bytes], where: str) -> dict[str, str]:
    """The texts in a model's metadata, by their keys. Raises ArtifactError."""
    message, found = contents[model_path(contents, where)], {}
    try:
        for field in _METADATA[:-1]:
            message = next((bytes_of(value) for n, _, value in fields_of(message) if n == field), b"")
        for number, _, entry in fields_of(message):
            if number == _METADATA[-1]:
                pair = {n: bytes_of(value).decode() for n, _, value in fields_of(bytes_of(entry))}
                found[pair.get(1, "")] = pair.get(2, "")
    except (ValueError, IndexError) as error:
        return _refuse(where, f"its description cannot be read ({error})")
    return found


def program(contents: Mapping[str, bytes], where: str) -> MilProgram:
    """The program of a package. Raises ArtifactError."""
    path = model_path(contents, where)
    folder = PurePosixPath(path).parent

    def blob(name: str) -> bytes:
        return contents[str(folder / name.removeprefix("@model_path/"))]

    try:
        return read_program(contents[path], blob)
    except (ValueError, IndexError, KeyError, TypeError, struct.error) as error:
        return _refuse(where, f"its program cannot be read ({error!r})")


def _refuse(where: str, why: str) -> Never:
    raise ArtifactError(f"{where} is damaged or cut short: {why}. Copy it again, or export it again")
