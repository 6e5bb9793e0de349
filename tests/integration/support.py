"""What the integration tests share: a user's folder, and how edgekd is called in it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from warm import edgekd

ROOT = Path(__file__).parents[2]
# The README and the pages that it leads to; recipe.md is generated, and tested beside what generates it.
PAGES = (
    ROOT / "README.md",
    *(ROOT / "edgekd" / "reference" / f"{name}.md" for name in ("training", "int8", "devices", "embedding", "scale")),
)
README = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def blocks(language: str) -> list[str]:
    """The README's blocks in a language, and those of its pages."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


LINES = list(dict.fromkeys(line for block in blocks("sh") for line in block.splitlines() if line))
"""The commands of the README and its pages."""
SET_UPS, OTHERS = [x for x in LINES if "pip install" in x], [x for x in LINES if "pip install" not in x]
# Simulated machines stand in for those of the README.
ELSEWHERE = re.compile(r"ssh:|adb:|emulated:|^edgekd devices$")
COMMANDS, ON_DEVICES = [x for x in OTHERS if not ELSEWHERE.search(x)], [x for x in OTHERS if ELSEWHERE.search(x)]

RECIPE = """
name = "{name}"
metric = "balanced_accuracy"

[data]
source = "photos"
unlabelled = "more"
[data.split]
val = 0.25
test = 0.3
[data.views]
views = 2

[teacher]
input_size = 64
fine_tune_blocks = 0
self_train = "off"

[student]
model = "{student}"

[distill.schedule]
epochs = {epochs}
batch_size = 16

[export]
teacher_int8 = {teacher_int8}

[gates]
# A test of the path, not of the accuracy: a student of 800 steps less flips a photo or two of 40.
min_agreement = 0.8

[bench]
launches = 2
seconds_per_launch = 0.05
warmup_max_s = 0.05
end_to_end = true
"""


@dataclass(frozen=True)
class Project:
    """A user's folder with ``photos``, ``more`` and recipes in it."""

    folder: Path

    def recipe(self, name: str, *, student: str = "cnn:4@32", epochs: int = 16, teacher_int8: bool = False) -> Path:
        """Write a recipe; the teacher is converted to int8 where that is looked at, since it takes its time."""
        path = self.folder / f"{name}.toml"
        path.write_text(recipe_text(name, student, epochs, teacher_int8), encoding="utf-8")
        return path

    def edgekd(self, *arguments: str | Path, without_tensorflow: bool = False) -> subprocess.CompletedProcess[str]:
        if not without_tensorflow:
            return edgekd(*arguments, cwd=self.folder)
        return subprocess.run(
            self.argv(*arguments), cwd=self.folder, capture_output=True, text=True, env=self.without_tensorflow(),
            timeout=600,
        )  # fmt: skip

    @staticmethod
    def argv(*arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "edgekd", *map(str, arguments)]

    def without_tensorflow(self) -> dict[str, str]:
        """An environment in which importing TensorFlow or Keras fails."""
        blocker = self.folder / "blocker"
        for name in ("tensorflow", "keras", "tf_keras"):
            (blocker / name).mkdir(parents=True, exist_ok=True)
            (blocker / name / "__init__.py").write_text(f"raise ImportError('{name} was imported')\n")
        return {**os.environ, "PYTHONPATH": str(blocker)}


def recipe_text(name: str, student: str = "cnn:4@32", epochs: int = 16, teacher_int8: bool = False) -> str:
    """A recipe for the folder of a project."""
    return RECIPE.format(name=name, student=student, epochs=epochs, teacher_int8=str(teacher_int8).lower())


def weights(stage: Path) -> list[np.ndarray]:
    """Every weight of a stage's student."""
    from edgekd.models.load import load_model

    return list(load_model(stage / "student.keras").get_weights())
