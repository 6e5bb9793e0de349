"""A student that learns from a stored column: the photos, views and answers that the column was made of."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from cameras import RECIPE, make_cameras
from simulators.object_store import ObjectStore

from edgekd.data.dataset import Dataset
from edgekd.errors import DataError, RecipeError, RunError, UsageError
from edgekd.models.load import load_model
from edgekd.pipeline.context import pool_of
from edgekd.pipeline.label_list import label_photos
from edgekd.pipeline.run import run
from edgekd.pipeline.soft_target_views import views_at
from edgekd.pipeline.stages.extra_targets import extra_stores
from edgekd.pipeline.sweep.student_run import StudentJob, slug
from edgekd.preprocess import Preprocessing
from edgekd.progress import Silent
from edgekd.recipe import Recipe, load_recipe, parse_recipe
from edgekd.report.collect import collect
from edgekd.scale.place import open_place
from edgekd.soft_targets.joined import StoredPhotos
from edgekd.soft_targets.store import SoftTargets
from edgekd.storage import locked, read_json, write_json

PHOTOS = 300
BRIEF = "[distill.schedule]\nepochs = 2\n"
WITHOUT = RECIPE.replace('unlabelled = "cameras"\n', "")


def recipe_of(folder: Path, taught: str, change: tuple[str, str] = ("", "")) -> Recipe:
    """The recipe of the labelled photos (as unlabelled ones) and a column."""
    text = WITHOUT.replace('cnn:4@32"', 'cnn:4@32"\nallow_larger = true')
    text = text.replace("[data]", f"[data]\nsoft_labelled = [{taught!r}]").replace(*change) + BRIEF
    (folder / "taught.toml").write_text(text, encoding="utf-8")
    return load_recipe(folder / "taught.toml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A column of the list, of a teacher that only this run has."""
    here = make_cameras(tmp_path_factory.mktemp("taught"), PHOTOS)
    (here / "plain.toml").write_text(WITHOUT, encoding="utf-8")
    recipe = load_recipe(here / "plain.toml")
    run(recipe, here / "plain", until="teacher")
    told = label_photos(recipe, here / "plain", str(here / "list.txt"), str(here / "column"))
    assert (told.photos, told.failed) == (PHOTOS + 2, 2)
    return here


class Told(Silent):
    """Keeps which stages were done."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def finished(self, stage: str, seconds: float) -> None:
        """A stage ended."""
        self.done.append(stage)


class Killed(Silent):
    """Ends the process, as it were, in the second epoch of the distillation."""

    def epoch(self, stage: str, entry: dict[str, float]) -> None:
        """Told of an epoch's end."""
        if stage == "distill":
            raise KeyboardInterrupt


def weights(run_directory: Path) -> list[np.ndarray]:
    return list(load_model(run_directory / "distill" / "student.keras").get_weights())


@pytest.mark.slow
def test_a_student_learns_from_a_stored_column_and_the_report_says_so(folder: Path, tmp_path: Path) -> None:
    recipe = recipe_of(folder, "column")
    run(recipe, tmp_path / "whole", until="distill")
    with pytest.raises(KeyboardInterrupt):
        run(recipe, tmp_path / "killed", until="distill", watcher=Killed())
    run(recipe, tmp_path / "killed", until="distill")
    for one, other in zip(weights(tmp_path / "whole"), weights(tmp_path / "killed"), strict=True):
        assert np.array_equal(one, other)
    (told,) = extra_stores(tmp_path / "whole")
    assert (told["photos"], told["left_out"]) == (PHOTOS, 2)
    history = read_json(tmp_path / "whole" / "distill" / "history.json")
    pool = len(pool_of(Dataset.load(tmp_path / "whole" / "data" / "dataset.json"), label_free=True).samples)
    assert history["steps"] == 2 * -(-(pool + PHOTOS) // 32)
    said = collect(tmp_path / "whole").labels_used
    assert f"{PHOTOS} photos with soft targets from 1 store were distilled from; 2 photos could not be read" in said


def test_views_and_answers_are_those_of_a_run_of_the_same_photos(folder: Path, tmp_path: Path) -> None:
    run(recipe_of(folder, "column"), tmp_path / "taught", until="soft_targets")
    own = load_recipe(folder / "cameras.toml")
    run(own, tmp_path / "own", until="soft_targets")
    dataset = Dataset.load(tmp_path / "own" / "data" / "dataset.json")
    pool = pool_of(dataset, label_free=True)
    places = {Path(sample.path).name: number for number, sample in enumerate(pool.samples)}
    numbers = np.asarray([places[f"{number:04d}.png"] for number in (0, 7, PHOTOS // 2, PHOTOS - 1)])
    here, views = np.asarray([0, 7, PHOTOS // 2, PHOTOS - 1]), np.asarray([0, 1, 1, 0])
    size = Preprocessing(height=32, width=32)
    photos = StoredPhotos(tmp_path / "taught" / "extra_targets", own.data.views, own.seed, size)
    assert len(photos) == PHOTOS
    (rendered,) = [np.concatenate(list(views_at(own, dataset, pool.samples)((32, 32))(0, len(pool.samples))))]
    assert np.array_equal(photos.gather(here, views), rendered[numbers, views])
    theirs = SoftTargets(tmp_path / "own" / "soft_targets")[numbers, views]
    assert np.abs(photos[here, views].astype(float) - theirs).max() < 1e-2


def test_a_column_that_is_elsewhere_is_fetched(store: ObjectStore, folder: Path, tmp_path: Path) -> None:
    place = open_place("s3://cameras/taught")
    for path in (folder / "column").iterdir():
        if not path.name.startswith("."):
            place.write(path.name, path.read_bytes())
    run(recipe_of(folder, "s3://cameras/taught"), tmp_path / "there", until="soft_targets")
    run(recipe_of(folder, "column"), tmp_path / "here", until="soft_targets")
    size, recipe = Preprocessing(height=32, width=32), recipe_of(folder, "column")
    there, here = (
        StoredPhotos(tmp_path / name / "extra_targets", recipe.data.views, recipe.seed, size)
        for name in ("there", "here")
    )
    lost, kept = (next((tmp_path / "there" / "extra_targets").rglob(f"logits-0000{number}.npy")) for number in (0, 1))
    lost.unlink()
    (tmp_path / "there" / "extra_targets" / "stage.json").unlink()
    before = kept.stat()
    run(recipe_of(folder, "s3://cameras/taught"), tmp_path / "there", until="soft_targets")
    assert lost.read_bytes() == (folder / "column" / lost.name).read_bytes()
    assert kept.stat() == before, "what was fetched is not fetched again"
    everyone, first = np.arange(PHOTOS), np.zeros(PHOTOS, int)
    assert np.array_equal(there[everyone, first], here[everyone, first])
    assert np.array_equal(there.gather(everyone[-9:], first[-9:]), here.gather(everyone[-9:], first[-9:]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("views = 2", "views = 3"), "other views than this recipe's"),
        (("[data]", '[data]\ncrop = "center"'), "other crop than this recipe's"),
        (("[data]", "seed = 3\n[data]"), "other seed than this recipe's"),
        (("pixel_range = [0, 1]", "pixel_range = [-1, 1]"), "other teacher than this recipe's"),
    ],
)
def test_a_column_of_another_recipe_is_refused(
    folder: Path, tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=f"data.soft_labelled: .* was computed with {message}"):
        run(recipe_of(folder, "column", change), tmp_path / "run", until="distill")


def test_columns_that_can_t_be_used_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone holds no finished soft targets\. Finish them: edgekd label"):
        run(recipe_of(folder, "gone"), tmp_path / "run", until="distill")
    assert not (tmp_path / "run" / "data").exists(), "it could be said before anything was done"
    manifest = read_json(folder / "column" / "manifest.json")
    write_json(tmp_path / "old" / "manifest.json", {name: manifest[name] for name in manifest if name != "about"})
    with pytest.raises(UsageError, match="old does not record what it was made from"):
        run(recipe_of(folder, str(tmp_path / "old")), tmp_path / "run", until="distill")
    manifest["about"]["classes"].append("lynx")
    write_json(tmp_path / "lynx" / "manifest.json", manifest)
    with pytest.raises(UsageError, match="lynx was computed with other classes than this recipe's"):
        run(recipe_of(folder, str(tmp_path / "lynx")), tmp_path / "run", until="distill")
    with pytest.raises(RecipeError, match=r"leave out \[data.views.mix\]"):
        recipe_of(folder, "column", ("views = { views = 2 }", "views = { views = 2, mix = { mixup = 0.2 } }"))
    terms = {"name": "weighted", "terms": [
        {"weight": 1, "objective": {"name": "hinton"}},
        {"weight": 1, "objective": {"name": "fitnet", "taps": {"student": "a", "teacher": "b"}}},
    ]}  # fmt: skip
    table = {"data": {"source": ".", "soft_labelled": ["column"]}, "distill": {"objective": terms}}
    with pytest.raises(RecipeError, match="compares features: leave out that term"):
        parse_recipe(table, folder / "x.toml")


def test_a_photo_that_is_gone_by_now_is_named(folder: Path, tmp_path: Path) -> None:
    recipe = recipe_of(folder, "column")
    run(recipe, tmp_path / "run", until="soft_targets")
    size = Preprocessing(height=32, width=32)
    photos = StoredPhotos(tmp_path / "run" / "extra_targets", recipe.data.views, recipe.seed, size)
    photo, number = folder / "cameras" / "0008.png", np.asarray([8])
    content = photo.read_bytes()
    try:
        photo.unlink()
        with pytest.raises(DataError, match=r"cameras/0008.png, a photo of the soft targets .*: No such file"):
            photos.gather(number, number * 0)
        photo.write_bytes(content[:100])
        with pytest.raises(
            DataError, match=r"cameras/0008.png, a photo of the soft targets .* cannot be read any more"
        ):
            photos.gather(number, number * 0)
    finally:
        photo.write_bytes(content)


def test_a_column_whose_list_was_replaced_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "column", tmp_path / "column")
    names = (tmp_path / "column" / "photos.txt").read_text().splitlines()
    (tmp_path / "column" / "photos.txt").write_text("\n".join([*names[1:], ""]))
    with pytest.raises(DataError, match="is not the list that the soft targets beside it were computed from"):
        run(recipe_of(folder, str(tmp_path / "column")), tmp_path / "run", until="soft_targets")


def test_a_recipe_may_name_the_column_that_it_is_yet_to_teach(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "gone.txt").write_text("gone.png\n")
    recipe, own = recipe_of(folder, str(tmp_path / "column")), tmp_path / "run"
    run(recipe, own, until="teacher")
    assert label_photos(recipe, own, str(tmp_path / "gone.txt"), str(tmp_path / "column")).failed == 1
    with pytest.raises(DataError, match="none of the photos could be read"):
        run(recipe, own, until="soft_targets")
    label_photos(recipe, own, str(folder / "list.txt"), str(tmp_path / "column"))
    run(recipe, own, until="soft_targets")
    assert [column["photos"] for column in extra_stores(own)] == [PHOTOS]


def test_a_recipe_without_columns_says_nothing_of_them(folder: Path) -> None:
    assert not (folder / "plain" / "extra_targets").exists()
    assert "soft_labelled =" not in (folder / "plain" / "recipe.toml").read_text()


@pytest.mark.slow
def test_students_of_a_sweep_share_what_was_noted_of_the_columns(folder: Path, tmp_path: Path) -> None:
    students, watcher = ("cnn:4@32", "cnn:8@32"), Told()
    job = StudentJob(recipe_of(folder, "column"), tuple((name, 0) for name in students), tmp_path, True)
    job.run(0, "soft_targets", Silent())
    job.take_over(1)
    job.run(1, "distill", watcher)
    assert watcher.done == ["start", "distill"]
    history = read_json(tmp_path / slug(students[1]) / "distill" / "history.json")
    assert history["steps"] > 2 * PHOTOS / 32


def test_two_processes_don_t_fill_one_folder(folder: Path, tmp_path: Path) -> None:
    with locked(tmp_path / "column"), pytest.raises(RunError, match="in use by another edgekd"):
        label_photos(
            load_recipe(folder / "plain.toml"), folder / "plain", str(folder / "list.txt"), str(tmp_path / "column")
        )
