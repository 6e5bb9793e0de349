"""Features of a run's photos: those of its teacher, computed once, of every kind of teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from tiny_student import LABELS, SIZE, smooth_images

import edgekd
from edgekd.cli.audit_command import command
from edgekd.data.dataset import Dataset
from edgekd.data.images import images_of
from edgekd.errors import DataError, RunError
from edgekd.models.load import load_model
from edgekd.pipeline import feature_table
from edgekd.pipeline.feature_table import run_features
from edgekd.preprocess import Preprocessing
from edgekd.progress import Silent
from edgekd.recipe import parse_recipe
from edgekd.storage import read_json
from edgekd.teacher.transfer import features_of
from edgekd.training.loop import logits_of

# A file that is used as it is.
CLASSIFIER = {"train": False, "classes": list(LABELS)}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for number, pixels in enumerate(smooth_images(24, SIZE)):
        path = folder / "photos" / LABELS[number % len(LABELS)] / f"{number}.png"
        path = folder / "more" / f"{number}.png" if number >= 21 else path
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return folder


def run_teacher(photos: Path, run: Path, teacher: dict[str, Any]) -> Dataset:
    data = {"source": "photos", "unlabelled": "more", "views": {"views": 1}, "crop": "center"}
    table = {
        "data": data,
        "teacher": {"fine_tune_blocks": 0, "self_train": "off", **teacher},
        "student": {"model": "cnn:8@32"},
    }
    edgekd.run(parse_recipe(table, photos / "recipe.toml"), run, until="teacher", watcher=Silent())
    return Dataset.load(run / "data" / "dataset.json")


def test_features_are_those_before_the_last_layer_and_are_computed_once(
    student: Any, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    student.save(tmp_path / "t.keras")
    dataset = run_teacher(photos, tmp_path / "run", {**CLASSIFIER, "model": str(tmp_path / "t.keras")})
    table = run_features(tmp_path / "run")
    images = images_of(dataset, dataset.samples, Preprocessing(height=SIZE, width=SIZE, crop="center"))
    assert np.allclose(table.features, logits_of(features_of(student), images), rtol=2e-3, atol=1e-3)
    assert table.source == "what the teacher's last dense layer takes" and table.classes == dataset.classes
    assert table.samples == dataset.samples and table.splits.count("unlabelled") == 3
    assert np.array_equal(table.truth, dataset.truth_of(dataset.samples)) and len(table.labelled) == 21

    # Killed before its end it goes on; finished, it opens no teacher.
    (tmp_path / "run" / "audit" / "features" / "manifest.json").unlink()
    shard = tmp_path / "run" / "audit" / "features" / "logits-00000.npy"
    written = shard.stat().st_mtime_ns
    assert np.array_equal(run_features(tmp_path / "run").features, table.features)
    assert shard.stat().st_mtime_ns == written
    with monkeypatch.context() as patch:
        patch.setattr(feature_table, "open_extractors", None)
        assert np.array_equal(run_features(tmp_path / "run").features, table.features)
        check_that_the_command_says_what_is_next(tmp_path / "run", tmp_path / "out")

    # A photo that has changed since is named.
    shard.unlink()
    (tmp_path / "run" / "audit" / "features" / "manifest.json").unlink()
    Image.fromarray(smooth_images(1, SIZE, seed=9)[0]).save(dataset.samples[0].path)
    with pytest.raises(DataError, match="has changed since it was listed"):
        run_features(tmp_path / "run")


def check_that_the_command_says_what_is_next(run: Path, out: Path) -> None:
    done = CliRunner().invoke(command, [str(run), "--suggest", "2", "--out", str(out)])
    assert done.exit_code == 0, done.output
    record = read_json(out / "audit.json")
    names = [photo["photo"] for photo in record["suggestions"]["photos"]]
    assert len(names) == 2 and all(name in (out / "audit.html").read_text(encoding="utf-8") for name in names)
    assert (out / "suggestions.csv").read_text(encoding="utf-8").splitlines()[1].startswith(f"{names[0]},")
    assert "photos to label first: 2 of 3" in done.output
    assert "too few" in record["next"]["reason"]


def test_a_file_gives_its_logits_and_an_average_all_features_side_by_side(
    student: Any, exported: dict[str, Any], photos: Path, tmp_path: Path
) -> None:
    student.save(tmp_path / "t.keras")
    onnx = {"model": str(exported["float32.onnx"].path)}
    run_teacher(photos, tmp_path / "run", {**CLASSIFIER, "model": [str(tmp_path / "t.keras"), onnx]})
    table = run_features(tmp_path / "run")
    width = features_of(load_model(tmp_path / "t.keras")).output_shape[-1]
    assert table.features.shape == (24, width + len(LABELS)) and "logits" in table.source


def test_an_encoder_gives_the_features_that_its_head_is_fitted_on(
    exported: dict[str, Any], photos: Path, tmp_path: Path
) -> None:
    file = exported["float32.onnx"].path
    dataset = run_teacher(photos, tmp_path / "run", {"model": str(file), "train": True, "accept_weak": True})
    table = run_features(tmp_path / "run")
    expected = [list(p.probabilities.values()) for p in edgekd.predict(file, [s.path for s in dataset.samples[:5]])]
    assert np.allclose(table.features[:5], expected, atol=2e-3) and table.source == "the encoder's features"


def test_what_is_no_finished_run_is_named(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is not a run directory: it has no run.json\. Make one"):
        run_features(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(RunError, match=r"has no finished teacher\. Train it: edgekd train RECIPE"):
        run_features(tmp_path)
