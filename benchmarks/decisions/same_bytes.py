"""Whether a default run gives the same files by two checkouts of edgekd."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from sets import PhotoSet

from edgekd.errors import RunError
from edgekd.storage import sha256_file

_PROGRAM = """\
import sys
from pathlib import Path
import edgekd
from edgekd.recipe import parse_recipe
photos, directory = sys.argv[1:]
table = {
    "name": "default", "data": {"source": photos, "views": {"views": 1}},
    "teacher": {"model": "efficientnet-lite0", "input_size": 64, "accept_weak": True,
                "fine_tune_blocks": 0, "self_train": "off"},
    "student": {"model": "cnn:4@48"}, "distill": {"schedule": {"epochs": 2}},
    "export": {"formats": ["tflite", "onnx", "ort", "c"], "teacher_int8": False},
    "quantize": {"precisions": ["float16"]}, "gates": {"min_agreement": 0.0},
}
edgekd.run(parse_recipe(table, Path(photos)), directory, until="check")
print(edgekd.__file__)
"""


def compare_checkouts(photos: PhotoSet, old: Path, work: Path) -> dict[str, Any]:
    """Run one recipe without any decision by both checkouts; names of the files, and of those that differ."""
    new = Path(__file__).resolve().parents[2]
    folders = {name: work / "same-bytes" / name for name in ("old", "new")}
    for name, checkout in (("old", old), ("new", new)):
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, str(photos.folder), str(folders[name])],
            env={**os.environ, "PYTHONPATH": str(checkout)}, capture_output=True, text=True, cwd=work,
        )  # fmt: skip
        if done.returncode or not done.stdout.strip().endswith(str(checkout / "edgekd" / "__init__.py")):
            raise RunError(f"the run by {checkout} failed: {done.stdout[-500:]} {done.stderr[-2000:]}")
    files = {name: _hashes(folder / "export") for name, folder in folders.items()}
    names = sorted(set(files["old"]) | set(files["new"]))
    return {
        "files": names,
        "different": [name for name in names if files["old"].get(name) != files["new"].get(name)],
        "checks_equal": _hashes(folders["old"] / "check") == _hashes(folders["new"] / "check"),
    }


def _hashes(folder: Path) -> dict[str, str]:
    # A stage's mark holds the seconds that it took.
    return {path.name: sha256_file(path) for path in folder.iterdir() if path.name != "stage.json"}


def text_of_bytes(same: dict[str, Any]) -> str:
    """What ``compare_checkouts`` gave, in words."""
    return (
        f"{len(same['files'])} files of a default run by two checkouts; different: "
        f"{', '.join(same['different']) or 'none'}. The check is {'' if same['checks_equal'] else 'not '}the same.\n\n"
        "ONNX Runtime never writes an .ort with the same bytes twice, not even of one .onnx in one process; its "
        "sidecar and index.json hold its hash.\n"
    )
