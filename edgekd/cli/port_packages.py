"""What the commands that write a file into an app or a package share: which file, and what they say of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from edgekd.export.port_package import PortPackage
    from edgekd.formats.artifact import Artifact


def write_package(
    source: Path, folder: Path, rows: tuple[str, ...], write: Callable[[Artifact, Path], PortPackage], as_json: bool
) -> PortPackage:
    """Write a file, or of a run the first of ``rows`` that it has, into a package, and say what was done."""
    from edgekd.cli.console import line, print_json
    from edgekd.formats.artifact import Artifact
    from edgekd.formats.coreml_file import is_package
    from edgekd.pipeline.run_files import shipped_file
    from edgekd.storage import require_writable

    is_run = source.is_dir() and not is_package(source)
    artifact = shipped_file(source, rows) if is_run else Artifact.open(source)
    require_writable(folder)
    package = write(artifact, folder)
    if as_json:
        print_json(
            {
                "folder": str(package.folder), "model": str(package.model), "sha256": artifact.sha256,
                "vectors": package.vectors, "files": package.changes.as_json(),
            }
        )  # fmt: skip
        return package
    counts = ", ".join(f"{len(paths)} {name}" for name, paths in vars(package.changes).items() if paths)
    line(f"{package.folder}: {artifact.path.name} and {package.vectors} golden vectors; files: {counts}")
    say_edited(package.folder, package.changes.edited)
    return package


def say_edited(folder: Path, paths: Iterable[str], to: Console | None = None) -> None:
    """Name the files of ours that somebody edited, on ``to`` or among the results."""
    from edgekd.cli.console import RESULT, line

    for path in paths:
        line(f"edited since, so left as it is: {folder / path}. To have it written again, delete it", to=to or RESULT)


def say_next(package: PortPackage, test: str) -> None:
    """Say where the package is described, and the commands that test it."""
    import shlex

    from edgekd.cli.console import line

    line(f"how to use it: {package.folder / 'README.md'}; to test it: cd {shlex.quote(str(package.folder))} && {test}")
