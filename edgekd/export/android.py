"""Adds a .tflite and its golden vectors to the assets of an Android project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekd.errors import UsageError
from edgekd.formats.artifact import Artifact
from edgekd.golden import make_golden
from edgekd.progress import Progress
from edgekd.storage import write_bytes

# Where a project's folder, or one of its modules, keeps its sources.
_SOURCES = ("app/src/main", "src/main")
_DEPENDENCY = 'implementation("com.google.ai.edge.litert:litert:1.4.0")'
_NO_COMPRESS = 'androidResources { noCompress += "tflite" }'


@dataclass(frozen=True)
class AndroidAssets:
    """The written files: the model, and the directory of its golden vectors, which only tests and checks need."""

    model: Path
    golden: Path
    golden_size_bytes: int

    def gradle_lines(self) -> tuple[str, ...]:
        """Lines for the module's build.gradle.kts: the runtime, and no compression of the model, which is mapped."""
        return (f"dependencies {{ {_DEPENDENCY} }}", f"android {{ {_NO_COMPRESS} }}")


def assets_folder(project: Path) -> Path:
    """Find the assets folder of a project or module, or take the folder itself if it is one. Raises UsageError."""
    for sources in _SOURCES:
        if (project / sources).is_dir():
            return project / sources / "assets"
    if project.name == "assets" and project.parent.is_dir():
        return project
    raise UsageError(
        f"{project} is not an Android project: it has neither {' nor '.join(_SOURCES)}, and is not a folder named "
        "assets. Give the folder of the project, of a module or of its assets"
    )


def add_to_android(artifact: Artifact, project: Path, *, progress: Progress | None = None) -> AndroidAssets:
    """Put a .tflite and its golden vectors into ``assets`` and ``assets/golden/<name>``, each whole or not at all.

    An older one of the same name is replaced. Raises: UsageError if the folder is not an Android project, the file is
    not a .tflite, or other files than golden vectors are in their place.
    """
    name = artifact.path.name
    if artifact.format != "tflite":
        raise UsageError(
            f"an Android app takes a .tflite, and {name} is {artifact.format}. Export with --format tflite"
        )
    if artifact.inputs[0].shape[0] not in (1, "N"):
        raise UsageError(
            f"{name} takes {artifact.inputs[0].shape[0]} photos at a time, and an app passes one. Use --batch 1"
        )
    assets = assets_folder(project)
    content = artifact.content()
    golden = assets / "golden" / name.removesuffix(".tflite")
    manifest = make_golden(artifact, golden, progress=progress)
    write_bytes(assets / name, content)
    return AndroidAssets(assets / name, golden, sum(entry.size_bytes for entry in manifest.files()))
