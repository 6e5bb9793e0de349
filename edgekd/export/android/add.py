"""Writes a tested .tflite, the Kotlin that runs it and an instrumented test into a module of an app."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekd.errors import UsageError
from edgekd.export.android.gradle import Runtime, gradle_lines, warnings
from edgekd.export.android.module import AndroidModule
from edgekd.export.app_files import AppChanges, check_app_files, require_one_photo, write_app_files
from edgekd.formats.artifact import Artifact
from edgekd.golden import make_golden
from edgekd.progress import Progress

_KOTLIN = Path(__file__).parents[2] / "kotlin"
_PACKAGE = "org/edgekd/classifier"
_CODE_RECORD = "edgekd-kotlin.json"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class AndroidFiles:
    """What was written into a module: paths in its folder, and lines that its build still lacks.

    ``golden_size_bytes`` is that of the vectors, which only tests have.
    """

    module: AndroidModule
    model: str
    golden: str
    golden_size_bytes: int
    code: AppChanges
    content: AppChanges
    gradle_lines: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def changes(self) -> AppChanges:
        """The files of code and of the model in one."""
        both = zip(vars(self.code).items(), vars(self.content).values(), strict=True)
        return AppChanges(**{name: tuple(sorted(one + other)) for (name, one), other in both})

    def as_json(self) -> dict[str, Any]:
        """The record as a JSON object."""
        return {
            "module": str(self.module.folder), "model": self.model, "golden": self.golden,
            "golden_size_bytes": self.golden_size_bytes, **self.changes.as_json(),
            "gradle_lines": list(self.gradle_lines), "warnings": list(self.warnings),
        }  # fmt: skip


def add_to_android(
    artifact: Artifact,
    module: AndroidModule,
    *,
    runtime: Runtime = "interpreter",
    name: str | None = None,
    progress: Progress | None = None,
) -> AndroidFiles:
    """Put a .tflite into a module, byte for byte, with the code that runs it and a test of both.

    A later call updates what an earlier one wrote, but for files that somebody edited. Records in the module's folder
    say what is ours.

    Args:
        artifact: A .tflite that takes one photo at a time.
        module: Where to.
        runtime: The LiteRT that the app has: ``interpreter`` (1.4) or ``compiled-model`` (2.x).
        name: The model's name in the app, without a suffix; that of the file by default.
        progress: Told how many golden vectors are made.

    Raises:
        UsageError: The file is not a .tflite, takes several photos, or files that are not ours are in their place.
    """
    _require_tflite(artifact)
    if name is not None and not _NAME.fullmatch(name):
        raise UsageError(
            f"--name {name!r} is not a name for a file: give letters, digits, dots, dashes and underscores"
        )
    stem = name or artifact.path.name.removesuffix(".tflite")
    model, golden = f"{module.assets}/{stem}.tflite", f"{module.test_assets}/golden/{stem}"
    with tempfile.TemporaryDirectory() as scratch:
        make_golden(artifact, Path(scratch) / "golden", progress=progress)
        vectors = read_folder(Path(scratch) / "golden", golden)
    content = {model: artifact.content(), **vectors}
    code = _code(module, runtime)
    record = f"edgekd-model-{stem}.json"
    check_app_files(module.folder, content, record)
    code_changes = write_app_files(module.folder, code, _CODE_RECORD)
    content_changes = write_app_files(module.folder, content, record)
    return AndroidFiles(
        module, model, golden, sum(map(len, vectors.values())), code_changes, content_changes,
        gradle_lines(module, runtime), (*warnings(module, runtime), *_shipped_vectors(module, stem)),
    )  # fmt: skip


def read_folder(folder: Path, prefix: str) -> dict[str, bytes]:
    """Every file of a folder, by ``prefix`` and its path in the folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {f"{prefix}/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in paths}


def _code(module: AndroidModule, runtime: Runtime) -> dict[str, bytes]:
    """The Kotlin files by their paths in the module; of the runtimes, the one that the app has."""
    if module.compiles_package:
        return {}
    suffix = runtime.replace("-", "_")
    main, test = (f"{module.sources(source_set)}/{_PACKAGE}" for source_set in ("main", "androidTest"))
    return {
        **read_folder(_KOTLIN / "classifier", main),
        **read_folder(_KOTLIN / suffix, main),
        **read_folder(_KOTLIN / "android_test", test),
        **read_folder(_KOTLIN / f"{suffix}_test", test),
    }


def _require_tflite(artifact: Artifact) -> None:
    name = artifact.path.name
    if artifact.format != "tflite":
        raise UsageError(
            f"an Android app takes a .tflite, and {name} is {artifact.format}. Export with --format tflite"
        )
    if artifact.feed is not None:
        raise UsageError(
            f"{name} carries no record of its labels and preprocessing, which the app reads from the file: another "
            "tool's model. Export the Keras model with: edgekd export"
        )
    require_one_photo(artifact, "an app passes one")


def _shipped_vectors(module: AndroidModule, stem: str) -> tuple[str, ...]:
    """Golden vectors among the assets, where they make the APK larger for nothing."""
    folder = module.folder / module.assets / "golden" / stem
    if not (folder / "manifest.json").is_file():
        return ()
    return (f"{folder} has golden vectors, which the APK ships: delete it, since tests have their own now",)
