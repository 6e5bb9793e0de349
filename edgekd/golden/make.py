"""Write a directory of golden vectors, whole or not at all."""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import os
import platform
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgekd import preprocess
from edgekd.errors import DataError, EdgekdError, UsageError
from edgekd.formats.artifact import Artifact
from edgekd.formats.pixels import Feed
from edgekd.golden import manifest as golden_layout
from edgekd.golden.manifest import (
    MANIFEST,
    PROBABILITY,
    SPECIFICATION,
    GoldenArtifact,
    GoldenFeed,
    GoldenFile,
    GoldenManifest,
    GoldenPixels,
    GoldenVector,
    SpecificationFile,
    Tolerance,
    read_manifest,
)
from edgekd.golden.photos import GoldenPhoto, golden_photos
from edgekd.progress import Progress
from edgekd.runtime.open import open_runner
from edgekd.runtime.runner import Runner
from edgekd.storage import read_regular_file, write_json
from edgekd.temporary import owned_folder

# Holds the pixels of all synthetic photos but the large ones; a few dozen are smaller than one photo of a phone.
MAX_PIXELS_BYTES = 64 * 1024
_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp", ".tif", ".tiff")
_KINDS = {".jpg": "jpeg", ".tif": "tiff"}
_PACKAGES = {"tflite": "ai-edge-litert", "onnx": "onnxruntime"}
# Precisions that are not quantized.
_FLOATS = ("float32", "float16")
# One step of an int8 softmax's output.
_QUANTUM = 1 / 256
_FLOAT_NOISE = 1e-4
OWN = "own-"
"""Begins the names of vectors of the user's own photos."""


def make_golden(
    artifact: Artifact | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    photos: str | os.PathLike[str] | None = None,
    all_pixels: bool = False,
    progress: Progress | None = None,
) -> GoldenManifest:
    """Write golden vectors of a file: of synthetic photos, and of every photo under ``photos``.

    The same input gives the same bytes.

    Args:
        artifact: An exported file, or its path.
        out: The directory to write; one that holds only golden vectors is replaced.
        photos: A directory of further photos; searched recursively.
        all_pixels: Also write pixels that take more than 64 KiB, for a test that has no decoder to make them.
        progress: Called as ``progress(done, total)`` after each vector.

    Returns:
        What was written.

    Raises:
        UsageError: ``out`` holds anything else, or ``photos`` has no photos.
        DecodeError: A photo does not decode; it is named.

    Example:
        >>> make_golden("student.int8.tflite", "golden").artifact.precision  # doctest: +SKIP
        'int8'
    """
    artifact = artifact if isinstance(artifact, Artifact) else Artifact.open(Path(artifact))
    out = Path(out).resolve()
    _refuse_other_content(out)
    sources = (*golden_photos(artifact.preprocessing), *(_read_photos(Path(photos)) if photos is not None else ()))
    runner = open_runner(artifact)
    out.parent.mkdir(parents=True, exist_ok=True)
    # In the folder of ``out``, so that it can be renamed into place.
    with owned_folder(out.parent, out.name) as scratch:
        folder = scratch / "new"
        vectors = []
        for number, source in enumerate(sources):
            vectors.append(_vector(folder, source, runner, all_pixels))
            if progress:
                progress(number + 1, len(sources))
        manifest = _manifest(folder, artifact, vectors)
        unused = {"feed"} if manifest.feed is None else set()
        write_json(folder / MANIFEST, manifest.model_dump(mode="json", by_alias=True, exclude=unused))
        if out.exists():
            out.rename(scratch / "old")
        folder.rename(out)
    return manifest


def specification() -> str:
    """The written specification and the layout of a directory of vectors, as Markdown."""
    if not preprocess.__doc__ or not golden_layout.__doc__:
        raise EdgekdError("the specification is a docstring, and this Python runs without (-OO). Run it without -OO")
    definition, layout = inspect.cleandoc(preprocess.__doc__), inspect.cleandoc(golden_layout.__doc__)
    text = f"# From a photo to the input of a model\n\n{definition}\n\n# This directory\n\n{layout}\n"
    return text.replace("``", "`")


def runtime_name(artifact: Artifact) -> str:
    """The runtime that runs this file here, its version, and this machine's architecture."""
    if artifact.format == "mlpackage":
        return f"edgekd's NumPy {np.__version__}, {platform.machine()}"
    package = _PACKAGES[artifact.format]
    return f"{package} {importlib.metadata.version(package)}, {platform.machine()}"


def _refuse_other_content(out: Path) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise UsageError(f"{out} is a file. Give --out a directory that does not exist yet")
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir() or path.is_symlink()}
    if not names:
        return
    try:
        manifest = read_manifest(out)
    except DataError:
        raise UsageError(
            f"{out} holds files that are not golden vectors and is not overwritten. Give --out a new directory"
        ) from None
    foreign = sorted(names - {MANIFEST, *(entry.file for entry in manifest.files())})
    if foreign:
        more = f" and {len(foreign) - 1} more files" if len(foreign) > 1 else ""
        raise UsageError(
            f"{out} holds golden vectors and also {foreign[0]}{more}, and is not overwritten. "
            "Move them away, or give --out a new directory"
        )


def _read_photos(folder: Path) -> Sequence[GoldenPhoto]:
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a directory of photos. Give --photos one")
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix.lower() in _SUFFIXES)
    if not paths:
        raise UsageError(f"{folder} holds no photos ({', '.join(_SUFFIXES)}). Give --photos another directory")
    golden = []
    for number, path in enumerate(paths):
        suffix = path.suffix.lower()
        try:
            content = read_regular_file(path, preprocess.MAX_BYTES)
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}. Make it readable or remove it") from None
        preprocess.decode(content, str(path))  # its error names the user's file, and nothing is written
        golden.append(GoldenPhoto(f"{OWN}{number:04d}", _KINDS.get(suffix, suffix[1:]), content))
    return golden


def _vector(folder: Path, source: GoldenPhoto, runner: Runner, all_pixels: bool) -> GoldenVector:
    pixels = preprocess.decode(source.content, f"{source.name}.{source.kind}").pixels
    image = preprocess.resize(pixels, runner.artifact.preprocessing)
    row = runner.run(image[np.newaxis])[0]
    raw = pixels.tobytes()
    name = f"pixels/{source.name}.rgb"
    file = _write(folder, name, raw).file if all_pixels or len(raw) <= MAX_PIXELS_BYTES else None
    return GoldenVector(
        name=source.name,
        kind=source.kind,
        photo=_write(folder, f"photos/{source.name}.{source.kind}", source.content),
        pixels=GoldenPixels(
            file=file,
            size_bytes=len(raw),
            sha256=hashlib.sha256(raw).hexdigest(),
            width=pixels.shape[1],
            height=pixels.shape[0],
        ),
        input=_write(folder, f"inputs/{source.name}.rgb", image.tobytes()),
        probabilities=_write(folder, f"probabilities/{source.name}.f32", row.astype(PROBABILITY).tobytes()),
        top=int(row.argmax()),
        answer=runner.artifact.decision.decide(row, runner.artifact.labels).labels,
    )


def _write(folder: Path, name: str, content: bytes) -> GoldenFile:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return GoldenFile(file=name, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def _manifest(folder: Path, artifact: Artifact, vectors: Sequence[GoldenVector]) -> GoldenManifest:
    text = _write(folder, SPECIFICATION, specification().encode())
    exact, quantized = artifact.precision == "int8" and artifact.feed is None, artifact.precision not in _FLOATS
    other_runtime = _QUANTUM if quantized else _FLOAT_NOISE
    if artifact.format == "mlpackage":
        other_runtime = max(_QUANTUM, 2 * _float16_noise(folder, artifact, vectors))
    return GoldenManifest(
        schema=2,
        artifact=GoldenArtifact(
            file=artifact.path.name,
            format=artifact.format,
            precision=artifact.precision,
            sha256=artifact.sha256,
            runtime=runtime_name(artifact),
        ),
        labels=artifact.labels,
        preprocessing=artifact.preprocessing,
        specification=SpecificationFile(**text.model_dump(), version=artifact.preprocessing.version),
        tolerance=Tolerance(
            same_runtime=0.0 if exact else _FLOAT_NOISE,
            other_runtime=other_runtime,
            other_kernels=_other_kernels(folder, artifact, vectors),
        ),
        vectors=tuple(vectors),
        feed=None if artifact.feed is None else _feed(artifact.feed),
        decision=artifact.decision.as_json(),
    )


def _feed(feed: Feed) -> GoldenFeed:
    pixels = feed.pixels
    return GoldenFeed(
        scale=pixels.scale,
        shift=pixels.shift,
        channels="bgr" if pixels.bgr else "rgb",
        layout=feed.layout,
        dtype=feed.dtype,
        quantum=feed.scale,
        zero_point=feed.zero_point,
    )


def _float16_noise(folder: Path, artifact: Artifact, vectors: Sequence[GoldenVector]) -> float:
    """The largest difference between a Core ML program with its roundings to float16 and without."""
    from edgekd.runtime.coreml import CoremlRunner

    return _largest_difference(folder, CoremlRunner(artifact, rounded=False), vectors)


def _largest_difference(folder: Path, runner: Runner, vectors: Sequence[GoldenVector]) -> float:
    """Between a runner's probabilities and those of the vectors."""
    shape = (1, runner.artifact.preprocessing.height, runner.artifact.preprocessing.width, 3)
    largest = 0.0
    for vector in vectors:
        image = np.frombuffer((folder / vector.input.file).read_bytes(), np.uint8).reshape(shape)
        row = np.frombuffer((folder / vector.probabilities.file).read_bytes(), PROBABILITY)
        largest = max(largest, float(np.abs(runner.run(image)[0] - row).max()))
    return largest


def _other_kernels(folder: Path, artifact: Artifact, vectors: Sequence[GoldenVector]) -> float | None:
    """Twice the largest difference between TFLite's own kernels and XNNPACK's; None for floats and .onnx."""
    if artifact.format != "tflite" or artifact.precision in _FLOATS:
        return None
    from edgekd.runtime.litert import LitertRunner

    return max(_QUANTUM, 2 * _largest_difference(folder, LitertRunner(artifact, 1, xnnpack=False), vectors))
