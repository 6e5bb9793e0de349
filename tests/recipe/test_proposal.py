from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from edgekd.cli.init_command import command
from edgekd.recipe import load_recipe


def write_photos(folder: Path, counts: dict[str, int], side: int = 110) -> Path:
    noise = np.random.default_rng(len(str(folder)))
    for name, count in counts.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.fromarray(noise.integers(0, 256, (side, side + 20, 3), np.uint8)).save(
                folder / name / f"{number}.png"
            )
    return folder


def init(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


def test_the_recipe_follows_from_the_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path / "roads", {"clean": 30, "littered": 12})
    write_photos(tmp_path / "more", {"": 20})
    done = init("roads", "--unlabelled", "more")
    assert done.exit_code == 0, done.output
    assert "42 labelled photos of 2 classes: clean 30, littered 12" in done.output
    assert "next: edgekd run roads.toml" in done.output
    text = (tmp_path / "roads.toml").read_text()
    assert "clean has 2.5 times the photos of littered" in text.replace("\n# ", " ")
    recipe = load_recipe("roads.toml")
    assert (recipe.name, recipe.metric) == ("roads", "balanced_accuracy")
    # Few labels: a larger test split. Photos of 110 px: no teacher of 224.
    assert recipe.data.split.test == 0.25 and tomllib.loads(text)["teacher"]["input_size"] == 96
    assert recipe.teacher.self_train == "auto" and recipe.teacher.fine_tune_blocks == "auto"
    assert tomllib.loads(text)["data"] | {"split": 0, "views": 0} == {
        "source": "roads", "unlabelled": "more", "split": 0, "views": 0
    }  # fmt: skip


def test_splits_of_the_data_stay_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for split, count in (("train", 9), ("test", 4)):
        write_photos(tmp_path / "split" / split, {"a": count, "b": count})
    assert init("split", "--out", "own.toml").exit_code == 0
    table = tomllib.loads((tmp_path / "own.toml").read_text())
    assert set(table["data"]["split"]) == {"val"}
    # There is no pool whose photos could be answered.
    assert "self_train" not in table["teacher"]
    text = (tmp_path / "own.toml").read_text()
    assert "splits: train 14, val 4, test 8" in text
    # Of the photos that are left, not a share of all.
    assert "int8 ranges: about 4\n" in text


def test_a_class_s_name_is_no_line_of_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path / "odd", {'a\n[student]\nmodel = "os:system"\n#': 9, "b": 9})
    done = init("odd")
    assert done.exit_code == 0, done.output
    assert load_recipe("odd.toml").student.model.startswith("slice:")


def test_a_recipe_that_exists_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path / "photos", {"a": 8, "b": 8})
    (tmp_path / "photos.toml").write_text("mine")
    with pytest.raises(Exception, match=r"photos\.toml exists.*--force"):
        init("photos")
    assert (tmp_path / "photos.toml").read_text() == "mine"
    assert init("photos", "--force").exit_code == 0
    assert load_recipe("photos.toml").name == "photos"


def test_too_few_photos_are_said_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path / "few", {"a": 2, "b": 8})
    with pytest.raises(Exception, match="class 'a' has 2 photos to split"):
        init("few")
    assert not (tmp_path / "few.toml").exists()


def test_tags_and_photos_of_none_of_the_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path / "all", {"": 24})
    tags = ["|".join(t for t, every in (("wet", 2), ("dark", 3)) if n % every == 0) for n in range(24)]
    rows = "".join(f"{n}.png,{names}\n" for n, names in enumerate(tags))
    (tmp_path / "tags.csv").write_text(f"filename,labels\n{rows}")
    done = init("tags.csv", "--images", "all")
    assert "24 labelled photos of 2 tags: dark 8, wet 12" in done.output
    assert "photos have any number of tags: 4 have several, 8 none" in (tmp_path / "tags.toml").read_text()
    recipe = load_recipe("tags.toml")
    assert (recipe.data.task, recipe.metric) == ("multi-label", "mean_average_precision")
    write_photos(tmp_path / "roads", {"clean": 12, "littered": 12}, side=60)
    done = init("roads", "--none", "all")
    assert "48 labelled photos of 3 classes: clean 12, littered 12, none of these 24" in done.output
    assert load_recipe("roads.toml").data.none == tmp_path / "all"
    assert init("roads", "--task", "multi-label", "--out", "two.toml").exit_code == 0
    assert load_recipe("two.toml").data.task == "multi-label"
