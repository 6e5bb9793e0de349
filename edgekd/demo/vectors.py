"""Golden vectors as a page carries them: photos, hashes of inputs, probabilities and answers."""

from __future__ import annotations

import base64
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from edgekd.formats.artifact import Artifact
from edgekd.golden.make import make_golden
from edgekd.golden.manifest import GoldenManifest, GoldenVector, read_file
from edgekd.preprocess import decode


@dataclass(frozen=True)
class PageVectors:
    """``rows`` is what the page reads; a probability may be off by ``tolerance``. ``runtime`` is what ran it here."""

    rows: list[dict[str, Any]]
    tolerance: float
    runtime: str


def page_vectors(artifact: Artifact) -> PageVectors:
    """Golden vectors of a file, made now."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "golden"
        manifest = make_golden(artifact, folder)
        rows = [_row(folder, manifest, vector) for vector in manifest.vectors]
    return PageVectors(rows, manifest.tolerance.other_runtime, manifest.artifact.runtime)


def _row(folder: Path, manifest: GoldenManifest, vector: GoldenVector) -> dict[str, Any]:
    photo = read_file(folder, vector.photo)
    return {
        "name": vector.name,
        "photo": _text(photo),
        "pixels": _text(_pixels_as_png(photo, vector)) if _is_decoded_otherwise(photo) else None,
        "input": vector.input.sha256,
        "probabilities": _text(read_file(folder, vector.probabilities)),
        "answer": list(manifest.answer_of(vector).labels),
    }


def _is_decoded_otherwise(photo: bytes) -> bool:
    """Whether browsers are known not to decode a photo to Python's pixels: no TIFF, and CMYK by another formula."""
    with Image.open(io.BytesIO(photo)) as image:
        return image.format == "TIFF" or image.mode == "CMYK"


def _pixels_as_png(photo: bytes, vector: GoldenVector) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(decode(photo, vector.name).pixels).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
