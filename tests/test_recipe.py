"""Recipes: what is wrong is named with its key, its file and the nearest valid name."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekd.errors import RecipeError
from edgekd.recipe import load_recipe

MINIMAL = 'name = "road"\n[data]\nsource = "photos"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "road.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_paths_start_at_the_recipe(tmp_path: Path) -> None:
    text = 'student.model = "own/s.keras@64"\n' + MINIMAL + 'unlabelled = "../more"\n'
    recipe = load_recipe(write(tmp_path, text))
    assert recipe.data.source == tmp_path / "photos"
    assert recipe.data.unlabelled == tmp_path.parent / "more"
    assert recipe.student.model == f"{tmp_path}/own/s.keras@64"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "unlabeled = 'x'\n", r"unknown key 'data.unlabeled'; did you mean 'unlabelled'\?"),
        (MINIMAL + "[distil]\nepochs = 3\n", r"unknown key 'distil'; did you mean 'distill'\?"),
        (MINIMAL + "[distill.schedule]\nlr = 3\n", r"unknown key 'distill.schedule.lr'; valid here: epochs"),
        (MINIMAL + "[distill.objective]\nsoftmax_temperature = 0\n", r"softmax_temperature: .*greater than 0, got 0"),
        (MINIMAL + '[student]\nmodel = "slice:0"\n', r"student.model: student 'slice:0': slice: takes a whole number"),
        (MINIMAL + '[export]\nformats = ["tfjs"]\n', r"export.formats.0: .*'tflite'.*got 'tfjs'"),
        ('name = "x"\n', r"data: Field required"),
        ('name = "../up"\n[data]\nsource = "p"\n', r"name: .*pattern"),
        ("name = \n", r"is not a TOML file"),
        (MINIMAL + "[data.split]\nval = 0.5\ntest = 0.6\n", r"val \+ test must be below 1"),
        (MINIMAL + "[data.split]\ntrain = 1.5\n", r"data.split: train is a number of labels"),
        (MINIMAL + "[data.split]\ntrain = 9\nlabelled_per_class = 3\n", r"leave one of them out"),
        (
            MINIMAL + '[distill]\nlabels = "none"\n',
            r"toml: distill.labels = \"none\" needs a teacher that already knows",
        ),
        (MINIMAL + "[data.views.mix]\nmixupp = 1\n", r"unknown key 'data.views.mix.mixupp'; did you mean 'mixup'\?"),
        ("seeds = 0\n" + MINIMAL, r"seeds: .*greater than or equal to 1, got 0"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        load_recipe(write(tmp_path, text))
    assert str(tmp_path / "road.toml") in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_missing_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="does not exist"):
        load_recipe(tmp_path / "none.toml")


def test_the_resolved_recipe_reads_back_the_same(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, MINIMAL + "[data.split]\nlabelled_per_class = 20\n"))
    recipe.save(tmp_path / "resolved.toml")
    assert load_recipe(tmp_path / "resolved.toml") == recipe


def test_the_digest_names_what_decides_the_result(tmp_path: Path) -> None:
    base = load_recipe(write(tmp_path, MINIMAL)).digest()
    elsewhere = load_recipe(write(tmp_path, MINIMAL.replace("photos", "copy").replace("road", "other"))).digest()
    hotter = MINIMAL + "[distill.objective]\nsoftmax_temperature = 4.0\n"
    assert elsewhere == base
    assert load_recipe(write(tmp_path, hotter)).digest() != base
    assert load_recipe(write(tmp_path, "seed = 1\n" + MINIMAL)).digest() != base


def test_settings_that_came_later_change_nothing_until_they_are_set(tmp_path: Path) -> None:
    base = load_recipe(write(tmp_path, MINIMAL)).digest()
    for added in (
        "seeds = 1\n" + MINIMAL,
        MINIMAL + "[data.views]\nzoom = 0.0\n",
        MINIMAL + '[distill]\nlabels = "all"\n',
        MINIMAL + "[data.views.mix]\nmixup = 0.0\n",
    ):
        assert load_recipe(write(tmp_path, added)).digest() == base
    for added in (
        "seeds = 3\n" + MINIMAL,
        MINIMAL + "[data.views]\nzoom = 0.1\n",
        MINIMAL + "[data.split]\ntrain = 30\n",
        MINIMAL + "[data.split]\ntrain = 0.5\n",
    ):
        recipe = load_recipe(write(tmp_path, added))
        assert recipe.digest() != base
        recipe.save(tmp_path / "resolved.toml")
        assert load_recipe(tmp_path / "resolved.toml") == recipe
