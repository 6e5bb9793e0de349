"""A mistyped key finds its neighbours in the whole recipe."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekd.errors import RecipeError
from edgekd.recipe import load_recipe
from edgekd.recipe.keys import all_keys
from edgekd.recipe.mistakes import SECTION_SYNONYMS, SYNONYMS, suggest

MINIMAL = '[data]\nsource = "photos"\n'
CASES = [
    (MINIMAL + "[distill]\ntemperature = 3\n", "distill.temperature", ["distill.objective.softmax_temperature"]),
    (MINIMAL + "[train]\nepochs = 3\n", "train.epochs", ["distill.schedule.epochs", "teacher.fine_tune.epochs"]),
    (MINIMAL + "[distill]\nalpha = 0.5\n", "distill.alpha", ["distill.objective.label_weight"]),
    (
        MINIMAL + "[training]\nlr = 0.1\n",
        "training.lr",
        ["distill.schedule.learning_rate", "teacher.fine_tune.learning_rate"],
    ),
    (MINIMAL + "[distill]\nbatch = 8\n", "distill.batch", ["distill.schedule.batch_size"]),
    (MINIMAL + "[distill]\nepochs = 8\n", "distill.epochs", ["distill.schedule.epochs"]),
    (MINIMAL + "[quantization]\nmax_drop = 1\n", "quantization.max_drop", ["quantize.max_drop"]),
    (MINIMAL + '[model]\nstudent_model = "cnn:8"\n', "model.student_model", ["student.model"]),
    (MINIMAL + "val_split = 0.1\n", "data.val_split", ["data.split.val"]),
    ("image_size = 96\n" + MINIMAL, "image_size", ["student.model", "teacher.input_size"]),
    (MINIMAL + "[teacher]\nresolution = 96\n", "teacher.resolution", ["teacher.input_size"]),
    (MINIMAL + "[quantize]\nqatt = {}\n", "quantize.qatt", ["quantize.qat"]),
    (MINIMAL + "[train]\nseed = 3\n", "train.seed", ["seed", "data.split.seed", "bench.seed"]),
    (MINIMAL + "[distil]\nepochs = 3\n", "distil", ["distill"]),
    (MINIMAL + "[distill.objective]\ntemprature = 3\n", "distill.objective.temprature",
     ["distill.objective.softmax_temperature"]),
    (MINIMAL + "[dataset]\nunlabeled = 'x'\n", "dataset.unlabeled", ["data.unlabelled"]),
    (MINIMAL + "[bench]\nrepeats = 3\n", "bench.repeats", ["bench.launches"]),
]  # fmt: skip


def message(folder: Path, text: str) -> str:
    (folder / "r.toml").write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        load_recipe(folder / "r.toml")
    return str(caught.value).removeprefix(f"{folder / 'r.toml'}: ")


@pytest.mark.parametrize(("text", "key", "meant"), CASES, ids=[key for _, key, _ in CASES])
def test_a_mistyped_key_finds_its_neighbours(tmp_path: Path, text: str, key: str, meant: list[str]) -> None:
    shown = " or ".join([", ".join(map(repr, meant[:-1])), repr(meant[-1])] if meant[1:] else [repr(meant[0])])
    assert message(tmp_path, text) == f"unknown key {key!r}; did you mean {shown}?"


def test_every_key_of_a_table_that_does_not_exist_is_answered(tmp_path: Path) -> None:
    answer = message(tmp_path, MINIMAL + "[train]\nepochs = 3\nlr = 0.1\n")
    assert "'train.epochs'; did you mean 'distill.schedule.epochs' or" in answer
    assert "'train.lr'; did you mean 'distill.schedule.learning_rate' or" in answer


def test_a_key_of_another_objective(tmp_path: Path) -> None:
    text = MINIMAL + '[distill.objective]\nname = "labels"\nsoftmax_temperature = 2\n'
    assert message(tmp_path, text) == (
        'key \'distill.objective.softmax_temperature\' belongs to name = "hinton" or name = "standardized" or '
        'name = "dkd" or name = "dist"; valid here: name'
    )


def test_what_resembles_nothing_gets_the_valid_keys(tmp_path: Path) -> None:
    assert message(tmp_path, MINIMAL + "[distill.schedule]\nxyzzy = 1\n") == (
        "unknown key 'distill.schedule.xyzzy'; valid here: "
        "epochs, batch_size, learning_rate, weight_decay, warmup_share, minutes"
    )
    assert suggest("xyzzy") == []


def test_every_synonym_leads_to_a_key() -> None:
    paths = {key.path for key in all_keys()}
    for name, targets in SYNONYMS.items():
        assert all(any(path == t or path.endswith(f".{t}") for path in paths) for t in targets), name
        assert suggest(name), name
    for name, targets in SECTION_SYNONYMS.items():
        assert set(targets) <= paths, name
        assert suggest(name, is_table=True) == list(targets)
