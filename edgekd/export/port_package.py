"""What every package of a port holds beside its sources: golden vectors, and texts from templates."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from edgekd.errors import UsageError
from edgekd.export.app_files import AppChanges, require_one_photo
from edgekd.formats import onnx_file, tflite_file
from edgekd.formats.artifact import ONNX_RECORD, TFLITE_RECORD, Artifact
from edgekd.golden import make_golden
from edgekd.progress import Progress

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class PortPackage:
    """A written package: its folder, the model in it, what became of the files, and how many golden vectors it has."""

    folder: Path
    model: Path
    vectors: int
    changes: AppChanges


@dataclass(frozen=True)
class GoldenFiles:
    """A directory of golden vectors: how many, and the contents by path, which begins with ``golden/``."""

    count: int
    contents: Mapping[str, bytes]


def golden_files(artifact: Artifact, progress: Progress | None = None) -> GoldenFiles:
    """Golden vectors of a file, made now; ``progress(done, total)`` is called after each."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "golden"
        manifest = make_golden(artifact, folder, all_pixels=True, progress=progress)
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        contents = {path.relative_to(parent).as_posix(): path.read_bytes() for path in paths}
    return GoldenFiles(len(manifest.vectors), contents)


def require_single_photo(artifact: Artifact, what: str) -> None:
    """Raise UsageError unless a file is one of edgekd's that takes a photo at a time and has a plain name."""
    if artifact.feed is not None or artifact.format not in ("tflite", "onnx"):
        raise UsageError(
            f"{artifact.path} carries no record of edgekd, and {what} reads labels and preprocessing from it. Give a "
            ".tflite or .onnx that edgekd exported"
        )
    require_one_photo(artifact, f"{what} gives one")
    _require_channels_last(artifact, what)
    _require_plain_name(artifact)


def _require_plain_name(artifact: Artifact) -> None:
    """A file's name stands in source code, addresses and YAML of its package."""
    if not _PLAIN_NAME.fullmatch(artifact.path.name):
        raise UsageError(
            f"{artifact.path}: a package for an app takes a file whose name has letters, digits, dots, dashes and "
            "underscores alone. Copy the file to such a name"
        )


def _require_channels_last(artifact: Artifact, what: str) -> None:
    if artifact.layout != "nhwc":
        raise UsageError(
            f"{artifact.path} takes channels first, and {what} gives them last. Export it with --layout nhwc"
        )


def record_license(artifact: Artifact) -> str:
    """The licence that a file's record states."""
    content, where = artifact.content(), str(artifact.path)
    if artifact.format == "tflite":
        text = tflite_file.read(content, where).metadata[TFLITE_RECORD].decode("utf-8")
    else:
        text = onnx_file.read(content, where).metadata[ONNX_RECORD]
    return str(json.loads(text).get("license", "not stated"))


def render(template: Path, **values: Any) -> bytes:
    """A text of ours with its values; it is no HTML, so that nothing is escaped."""
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)  # noqa: S701
    return environment.from_string(template.read_text(encoding="utf-8")).render(**values).encode()
