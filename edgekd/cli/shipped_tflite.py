"""The .tflite that a phone gets, of a run, of a folder of exports, or given itself."""

from __future__ import annotations

from pathlib import Path

from edgekd.errors import RunError, UsageError
from edgekd.formats.artifact import Artifact


def open_tflite(source: Path) -> Artifact:
    """Open the .tflite that ``source`` is or has: of several, the int8 one.

    Raises:
        UsageError: There is none, or several are int8.
        RunError: A run's folder has no exported files.
        ArtifactError: The file cannot be used.
    """
    if not source.is_dir():
        return Artifact.open(source)
    # A run holds its files in export, with an index.
    is_run = (source / "run.json").is_file()
    folder = source / "export" if is_run else source
    if is_run and not folder.is_dir():
        raise RunError(f"{source} has no exported files. Make them: edgekd run RECIPE")
    paths = sorted(path for path in folder.glob("*.tflite") if path.is_file()) if folder.is_dir() else []
    if not paths:
        raise UsageError(f"{folder} has no .tflite. Give a run, a folder that edgekd export wrote, or a .tflite")
    found = [Artifact.open(path) for path in paths]
    int8 = [artifact for artifact in found if artifact.precision.removesuffix("-mixed") == "int8"]
    some = int8 or found
    if len(some) > 1:
        names = ", ".join(artifact.path.name for artifact in some)
        raise UsageError(f"{folder} has several files that an app could take ({names}). Give the one that it is to be")
    return some[0]
