"""A .tflite and its golden vectors among the assets of an Android project."""

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
    """What was written: the model and the directory of its golden vectors, which only tests and a check need."""

    model: Path
    golden: Path
    golden_size_bytes: int

    def gradle_lines(self) -> tuple[str, ...]:
        """What the module's build.gradle.kts needs: the runtime, and the model left uncompressed to be mapped."""
        return (f"dependencies {{ {_DEPENDENCY} }}", f"android {{ {_NO_COMPRESS} }}")


def assets_folder(project: Path) -> Path:
    """The assets of a project, of one of its modules, or the folder itself if it is one. Raises UsageError."""
    for sources in _SOURCES:
        if (project / sources).is_dir():
            return project / sources / "assets"
    if project.name == "assets" and project.parent.is_dir():
        return project
    raise UsageError(
        f"{project} is no Android project: it has neither {' nor '.join(_SOURCES)}, and is no folder named assets. "
        "Give the project's folder, its module's, or its assets folder"
    )


def add_to_android(artifact: Artifact, project: Path, *, progress: Progress | None = None) -> AndroidAssets:
    """Put a .tflite and its golden vectors into ``assets`` and ``assets/golden/<name>``, each whole or not at all.

    An older one of the same name is replaced. Raises: UsageError where the folder is no Android project, where another
    file than a .tflite is given, or where other files than golden vectors stand in their place.
    """
    name = artifact.path.name
    if artifact.format != "tflite":
        raise UsageError(
            f"an Android app takes a .tflite, and {name} is {artifact.format}. Export with --format tflite"
        )
    if artifact.inputs[0].shape[0] not in (1, "N"):
        raise UsageError(f"{name} takes {artifact.inputs[0].shape[0]} photos at a time, an app one. Use --batch 1")
    assets = assets_folder(project)
    content = artifact.content()
    golden = assets / "golden" / name.removesuffix(".tflite")
    manifest = make_golden(artifact, golden, progress=progress)
    write_bytes(assets / name, content)
    return AndroidAssets(assets / name, golden, sum(entry.size_bytes for entry in manifest.files()))
