"""The .tflite that a phone gets, of a run, of a folder of exports, or given itself."""

from __future__ import annotations

from pathlib import Path

from edgekd.errors import UsageError
from edgekd.formats.artifact import Artifact


def open_tflite(source: Path) -> Artifact:
    """Open the .tflite that ``source`` is or has: of several, the int8 one.

    Raises:
        UsageError: There is none, or several are int8.
        RunError: A run has no exported files, or no int8 .tflite.
        ArtifactError: The file cannot be used.
    """
    if not source.is_dir():
        return Artifact.open(source)
    if (source / "run.json").is_file():
        from edgekd.pipeline.run_files import shipped_file

        return shipped_file(source, ("int8_tflite",))
    paths = sorted(path for path in source.glob("*.tflite") if path.is_file())
    if not paths:
        raise UsageError(f"{source} has no .tflite. Give a run, a folder that edgekd export wrote, or a .tflite")
    found = [Artifact.open(path) for path in paths]
    int8 = [artifact for artifact in found if artifact.precision.removesuffix("-mixed") == "int8"]
    some = int8 or found
    if len(some) > 1:
        names = ", ".join(artifact.path.name for artifact in some)
        raise UsageError(f"{source} has several files that an app could take ({names}). Give the one that it is to be")
    return some[0]
