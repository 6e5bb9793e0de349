"""A small whole distillation on features: stored or online, the teacher's maps are the same, and both are said."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from edgekd.errors import ModelError
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.stage import Workspace
from edgekd.pipeline.stage_table import stages_until
from edgekd.pipeline.stages import features
from edgekd.pipeline.stages.features import OnlineFeatures, StoredFeatures, open_features
from edgekd.progress import Silent
from edgekd.recipe import load_recipe
from edgekd.storage import read_json

TEXT = """
[data]
source = "photos"
split = { val = 0.2, test = 0.2 }
views = { views = 2 }
[teacher]
model = "teacher.keras"
train = false
classes = ["dark", "light"]
[student]
model = "cnn:2@32"
allow_larger = true
[distill]
schedule = { epochs = 2, batch_size = 8 }
store_features_mb = %d
[distill.objective]
name = "weighted"
[[distill.objective.terms]]
objective = { name = "standardized" }
[[distill.objective.terms]]
objective = { name = "fitnet" }
"""


@dataclass
class Noting(Silent):
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)


def project(folder: Path) -> None:
    random = np.random.default_rng(0)
    for name, low in (("dark", 0), ("light", 128)):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(15):
            pixels = random.integers(low, low + 128, (6, 6, 3)).astype(np.uint8)
            Image.fromarray(pixels).resize((40, 40)).save(folder / "photos" / name / f"{number}.png")
    keras.utils.set_random_seed(0)
    image = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(5, 3, 8, activation="relu", name="maps")(keras.layers.Rescaling(1 / 255)(image))
    logits = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x))
    keras.Model(image, logits).save(folder / "teacher.keras")


def run_until_distilled(folder: Path, store_features_mb: int) -> RunContext:
    (folder / "r.toml").write_text(TEXT % store_features_mb, encoding="utf-8")
    recipe = load_recipe(folder / "r.toml")
    context = RunContext(Workspace(folder / f"run{store_features_mb}", Noting()), recipe, accept_weak_teacher=True)
    for stage in stages_until("distill"):
        if stage.when(recipe):
            stage.run(context)
    return context


def test_stored_and_online_features_are_the_same_and_the_run_says_which(tmp_path: Path) -> None:
    project(tmp_path)
    sources = []
    for limit in (1, 0):
        context = run_until_distilled(tmp_path, limit)
        (entry,) = read_json(context.path / "distill" / "history.json")["features"]
        sources.append(open_features(context).sources[0])
        assert (entry["layer"], entry["shape"], entry["stored"]) == ("maps", [4, 4, 5], limit == 1)
        assert isinstance(context.workspace.watcher, Noting)
        notes = context.workspace.watcher.notes
        assert any("runs along with the training" in note for note in notes) == (limit == 0)
    stored, online = sources
    assert isinstance(stored, StoredFeatures) and isinstance(online, OnlineFeatures)
    photos, views = np.array([3, 0, 7]), np.array([1, 0, 0])
    maps = online[photos, views]
    assert maps.shape == (3, 4, 4, 5) and maps.std() > 0.01
    assert stored[photos, views] == pytest.approx(maps, abs=2e-3)


def test_an_objective_on_logits_needs_no_features(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('[data]\nsource = "photos"\n', encoding="utf-8")
    features.run(RunContext(Workspace(tmp_path), load_recipe(tmp_path / "r.toml")))
    assert not (tmp_path / "features").exists()


def test_a_teacher_that_is_not_a_keras_model_has_no_features(tmp_path: Path) -> None:
    (tmp_path / "t.onnx").write_bytes(b"")
    (tmp_path / "r.toml").write_text(TEXT.replace("teacher.keras", "t.onnx") % 1, encoding="utf-8")
    work = Workspace(tmp_path, hashes={"soft_targets": ""})
    with pytest.raises(ModelError, match="fitnet compares features, and this teacher shows only its logits"):
        features.run(RunContext(work, load_recipe(tmp_path / "r.toml")))
