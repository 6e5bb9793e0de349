"""The teacher that a run keeps gives what the user's file gives, in whatever form it was saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from edgekd.data.images import images_of
from edgekd.models.load import load_model
from edgekd.models.rebuild import run_layers
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.stage import Workspace
from edgekd.pipeline.stage_table import stages_until
from edgekd.pipeline.teacher_training import describe_score
from edgekd.pipeline.trained_members import first_trained_file
from edgekd.progress import Silent
from edgekd.recipe import load_recipe
from edgekd.storage import read_json
from edgekd.teacher.average import average_logits
from edgekd.teacher.staged import Judgement, TrainingStage, record_of
from edgekd.training.loop import logits_of
from edgekd.training.scores import evaluate

TEXT = """
[data]
source = "photos"
split = { val = 0.2, test = 0.2 }
views = { views = 2 }
[teacher]
model = "%s"
train = %s
classes = ["dark", "light"]
pixel_range = [0, 255]
[student]
model = "cnn:2@32"
allow_larger = true
"""
SIDE = 24
HEAD_ALONE = "true\nfine_tune_blocks = 0"
STAGED = 'true\nfine_tune_blocks = "auto"\nfine_tune = { epochs = 1, batch_size = 4 }'


class Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def images(tmp_path: Path) -> np.ndarray:
    """Photos of two shades of grey that are only told apart by who knows their mean."""
    random = np.random.default_rng(0)
    photos = []
    for name, low in (("dark", 90), ("light", 130)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(12):
            pixels = random.integers(low, low + 30, (SIDE, SIDE, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
            photos.append(pixels)
    return np.stack(photos).astype(np.float32)


def network(images: np.ndarray, ending: str, layer: str = "block_1_conv") -> Any:
    """Normalized pixels to a score that is 0 at their mean: without the normalization every photo is light."""
    normalization = keras.layers.Normalization()
    normalization.adapt(images)
    image = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(4, 1, activation="linear", name=layer)(normalization(image))
    x = keras.layers.GlobalAveragePooling2D()(x)
    head = keras.layers.Dense(1 if ending != "softmax" else 2, None if ending == "logit" else ending)
    model = keras.Model(image, head(x))
    model.get_layer(layer).set_weights([np.ones((1, 1, 3, 4), np.float32), np.zeros(4, np.float32)])
    column = np.ones((4, 1), np.float32)
    head.set_weights(
        [column if ending != "softmax" else np.hstack([-column, column]), np.zeros(head.units, np.float32)]
    )
    return model


@pytest.mark.parametrize(
    ("ending", "file", "train"),
    [
        ("softmax", "t.keras", "false"), ("softmax", "t.keras", STAGED), ("softmax", "t.h5", "false"),
        ("sigmoid", "t.keras", "false"), ("logit", "t.keras", "false"), ("logit", "t.h5", HEAD_ALONE),
    ],
)  # fmt: skip
def test_the_file_that_is_kept_is_the_one_that_is_evaluated(
    tmp_path: Path, images: np.ndarray, ending: str, file: str, train: str
) -> None:
    model = network(images, ending)
    keras.Model([model.input], [model.output]).save(tmp_path / file)
    (tmp_path / "r.toml").write_text(TEXT % (file, train), encoding="utf-8")
    context = RunContext(Workspace(tmp_path / "run"), load_recipe(tmp_path / "r.toml"))
    for stage in stages_until("teacher"):
        stage.run(context)
    summary = read_json(tmp_path / "run" / "teacher" / "summary.json")
    saved = load_model(tmp_path / "run" / "teacher" / "teacher.keras")
    validation = context.validation(saved)
    accuracy, loss = evaluate(logits_of(saved, validation.images), validation.labels)
    assert (summary["val_score"]["value"], accuracy) == (1.0, 1.0)
    assert summary["val_loss"] == pytest.approx(loss, abs=1e-6)
    # The validation photos are too few to choose by.
    stages = [(stage["blocks"], stage["n"], stage["cross_validated"]) for stage in summary["stages"]]
    assert stages == ([(0, 20, True), (1, 20, True)] if train == STAGED else [])
    assert not list((tmp_path / "run" / "teacher").glob("checkpoint*"))
    if train == "false":
        logits = run_layers(saved, images)
        scores = run_layers(model, images)
        light = 1 / (1 + np.exp(-scores[:, 0])) if ending == "logit" else scores[:, -1]
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        assert powers[:, 1] / powers.sum(axis=1) == pytest.approx(light, abs=1e-5)


def test_a_file_whose_blocks_have_no_names_gets_a_head(tmp_path: Path, images: np.ndarray) -> None:
    """By default more than the head is trained, where it is known what to train."""
    network(images, "softmax", layer="features").save(tmp_path / "t.keras")
    (tmp_path / "r.toml").write_text(TEXT % ("t.keras", "true"), encoding="utf-8")
    watcher = Notes()
    context = RunContext(Workspace(tmp_path / "run", watcher=watcher), load_recipe(tmp_path / "r.toml"))
    for stage in stages_until("teacher"):
        stage.run(context)
    summary = read_json(tmp_path / "run" / "teacher" / "summary.json")
    assert summary["val_score"]["value"] == 1.0 and summary["stages"] == [] and "self_training" not in summary
    notes = [note for note in watcher.notes if "blocks" in note]
    assert notes == ["teacher: t.keras has no layers whose names show its blocks, so that its head alone is trained"]


def test_an_average_trains_what_does_not_know_the_classes(tmp_path: Path, images: np.ndarray) -> None:
    known = network(images, "softmax")
    known.save(tmp_path / "t.keras")
    text = TEXT % ("t.keras", HEAD_ALONE)
    members = '[{model = "efficientnet-lite0", input_size = 32}, "t.keras"]'
    text = text.replace('model = "t.keras"', f'model = {members}\nweights = "none"')
    (tmp_path / "r.toml").write_text(text, encoding="utf-8")
    context = RunContext(Workspace(tmp_path / "run"), load_recipe(tmp_path / "r.toml"))
    for stage in stages_until("teacher"):
        stage.run(context)
    summary = read_json(tmp_path / "run" / "teacher" / "summary.json")
    assert [member["file"] for member in summary["members"]] == ["efficientnet-lite0.keras", "t.keras"]
    member = load_model(tmp_path / "run" / "teacher" / "member-1" / "efficientnet-lite0.keras")
    file = context.path / "teacher" / "member-1" / "efficientnet-lite0.keras"
    assert first_trained_file(context.recipe.teacher, context.path) == ("efficientnet-lite0", file)
    photos = context.dataset.split("val")
    seen = [images_of(context.dataset, photos, context.preprocessing_at((side, side))) for side in (32, SIDE)]
    probabilities = known.predict(seen[1].astype(np.float32), verbose=0)
    averaged = average_logits([logits_of(member, seen[0]), np.log(probabilities + 1e-9)], "probabilities")
    assert averaged.argmax(axis=1).tolist() == summary["val_predictions"]


@pytest.mark.parametrize(
    ("loss", "why"),
    [
        (0.04, "what the last 5 blocks would gain may be chance"),
        (0.0482, "the last 5 blocks would be surer of wrong answers (cross-entropy 0.0482, 0.0425)"),
    ],
)
def test_a_higher_score_that_is_not_kept_is_explained(loss: float, why: str) -> None:
    head = record_of(
        TrainingStage("the head", 0), Judgement(0.984, np.full(187, 0.0425)), 187, True, cross_validated=True
    )
    tuned = record_of(
        TrainingStage("the last 5 blocks", 5),
        Judgement(0.989, np.full(187, loss)),
        187,
        False,
        cross_validated=True,
    )
    score = {"metric": "accuracy", "value": 1.0, "low": 0.88, "high": 1.0, "n": 27}
    said = describe_score(score, [head, tuned])
    assert said.endswith(f"the head alone 98.4%, the last 5 blocks 98.9%; trained: the head; {why}")
