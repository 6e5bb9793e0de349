"""Class words in a recipe: what they go with, and what is said where they don't."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekd.errors import RecipeError
from edgekd.recipe import load_recipe

DATA = '[data]\nsource = "photos"\n'
TEACHER = '[teacher]\nmodel = "clip.onnx"\nwords = "words.npz"\n'


def _load(folder: Path, text: str):  # type: ignore[no-untyped-def]
    path = folder / "r.toml"
    path.write_text(text, encoding="utf-8")
    return load_recipe(path)


def test_words_make_an_encoder_of_a_file_and_need_no_labels(tmp_path: Path) -> None:
    recipe = _load(tmp_path, DATA + TEACHER + 'prior = { a = 0.4, b = 0.6 }\n[distill]\nlabels = "none"\n')
    teacher = recipe.teacher
    assert teacher.words == str(tmp_path / "words.npz")
    assert (teacher.train, teacher.encodes, teacher.prior) == (False, True, {"a": 0.4, "b": 0.6})
    assert teacher.name == "clip.onnx with class words"
    recipe.save(tmp_path / "saved.toml")
    assert load_recipe(tmp_path / "saved.toml") == recipe
    trained = _load(tmp_path, DATA + TEACHER + "train = true\n").teacher
    assert trained.name == "clip.onnx with class words and labels"
    assert trained.prior is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (DATA + '[teacher]\nwords = "w.npz"\n', r"teacher: words: efficientnet-lite0 is not an encoder .*one \.onnx"),
        (DATA + '[teacher]\nmodel = ["a.onnx", "b.onnx"]\nwords = "w.npz"\n', r"words: a list of models is not an enc"),
        (DATA + '[teacher]\nmodel = "a.onnx"\nprior = "estimate"\n', r"prior is what class words assume: set words"),
        (DATA + TEACHER + 'prior = "guess"\n', r'teacher\.prior: must be "estimate" or shares [^\n]*got .guess.$'),
        (DATA + TEACHER + 'prior = { a = "x", b = 1 }\n', r'teacher\.prior: must be "estimate" or shares [^\n]*$'),
        (DATA + TEACHER + "prior = { a = 0.5, b = 0.6 }\n", r"teacher\.prior: must be .* sum to 1"),
        (DATA + TEACHER + 'head = "mlp"\n', r'head = "mlp" is fitted on labels: set train = true'),
        (DATA + TEACHER + 'classes = ["a", "b"]\n', r"classes: clip\.onnx gives features and is used as it is"),
        (DATA + 'task = "multi-label"\n' + TEACHER, r"teacher\.words: .*not which of several tags .*train = true"),
        (DATA + TEACHER + 'train = true\n[distill]\nlabels = "none"\n', r'labels = "none" needs a teacher'),
    ],
)
def test_what_does_not_go_with_words_is_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=message):
        _load(tmp_path, text)
