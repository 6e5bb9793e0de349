"""The page on class words: its script makes a table that is read, and its recipe loads."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import edgekd
from edgekd.recipe import load_recipe
from edgekd.teacher.words import read_words

PAGE = (Path(edgekd.__file__).parent / "reference" / "teachers.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def _encode_text(texts: list[str]) -> np.ndarray:
    """A stand-in: the letters of a text, counted."""
    return np.array([[text.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts], np.float32)


def test_the_script_of_the_page_makes_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (script,) = _blocks("python")
    assert len(script.splitlines()) <= 10
    model = types.ModuleType("my_model")
    model.encode_text, model.logit_scale = _encode_text, 100.0  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "my_model", model)
    monkeypatch.chdir(tmp_path)
    exec(compile(script, "teachers.md", "exec"), {})
    words = read_words(tmp_path / "words.npz")
    assert words.classes == ("daisy", "dandelion", "roses")
    assert (words.prompts, words.dimensions, words.logit_scale) == (4, 26, 100.0)
    alone = _encode_text([f"a photo of a {name}." for name in ("daisy", "dandelion", "rose")])
    # A text of one class is most like that class.
    assert (alone @ words.vectors.T).argmax(axis=1).tolist() == [0, 1, 2]


def test_the_recipes_of_the_page_load(tmp_path: Path) -> None:
    for number, text in enumerate(_blocks("toml")):
        path = tmp_path / f"{number}.toml"
        path.write_text(text, encoding="utf-8")
        assert load_recipe(path).name
