"""A whole search over a tiny teacher: within the budget, resumed after a kill, and what it says where nothing fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from edgekd.errors import GateFailed
from edgekd.pipeline.run import run
from edgekd.pipeline.search import looking
from edgekd.recipe import load_recipe
from edgekd.storage import read_json

RECIPE = """
[data]
source = "photos"
split = { val = 0.25, test = 0.2 }
views = { views = 2 }
[teacher]
model = "teacher.keras"
pixel_range = [0, 255]
accept_weak = true
fine_tune_blocks = 0
[student]
model = "auto"
[student.budget]
max_parameters = %s
minutes = 30
[distill]
schedule = { epochs = 2, batch_size = 8 }
"""
SIZE = 32


def teacher() -> Any:
    """Four inverted residual blocks in two stages."""
    layers = keras.layers
    keras.utils.set_random_seed(0)
    image = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(8, 3, 2, padding="same", use_bias=False, name="stem_conv")(image)
    for number, (filters, stride) in enumerate(((8, 1), (8, 1), (16, 2), (16, 1)), 1):
        name, skip = f"block{number}", x
        for part in (
            layers.Conv2D(32, 1, use_bias=False, name=f"{name}_expand"), layers.BatchNormalization(name=f"{name}_bn1"),
            layers.ReLU(6.0, name=f"{name}_relu1"),
            layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False, name=f"{name}_depthwise"),
            layers.BatchNormalization(name=f"{name}_bn2"), layers.ReLU(6.0, name=f"{name}_relu2"),
            layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project"),
            layers.BatchNormalization(name=f"{name}_bn3"),
        ):  # fmt: skip
            x = part(x)
        if stride == 1:
            x = layers.Add(name=f"{name}_add")([skip, x])
    return keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos and a teacher; the tests share their run, so that it is trained once."""
    tmp_path = tmp_path_factory.mktemp("search")
    random = np.random.default_rng(0)
    for name, low in (("dark", 60), ("light", 130)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(20):
            pixels = random.integers(low, low + 60, (SIZE, SIZE, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    teacher().save(tmp_path / "teacher.keras")
    return tmp_path


def search(folder: Path, parameters: int, until: str = "search") -> Path:
    (folder / "recipe.toml").write_text(RECIPE % parameters)
    return run(load_recipe(folder / "recipe.toml"), folder / "run", until=until).directory


def test_the_student_is_within_the_budget_and_a_killed_search_ends_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []

    def killed(_context: Any, student: Any, *_: Any) -> Any:
        trained.append(student.name)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(looking, "train_briefly", killed)
        with pytest.raises(KeyboardInterrupt):
            search(folder, 1500)
    probed = read_json(folder / "run" / "search" / "state.json")["results"]
    assert trained and any(name.startswith("probe of slice:") for name in probed)

    directory = search(folder, 1500)
    result = read_json(directory / "search" / "search.json")
    by_name = {one["student"]: one for one in result["candidates"]}
    for name, score in probed.items():
        if name.startswith("probe of "):
            assert by_name[name.removeprefix("probe of ")]["probe"] == score
    assert all(one["costs"]["parameters"] <= 1500 for one in result["candidates"])
    assert by_name[result["student"]]["trials"] and "validation photos" in result["reason"]
    # The run says which it is.
    assert read_json(directory / "run.json")["student"]["student"] == result["student"]
    chosen = load_recipe(directory / "search" / "recipe.toml")
    assert chosen.student.model == result["student"] and not chosen.student.is_auto
    # Done once, it is skipped.
    before = (directory / "search" / "stage.json").read_bytes()
    search(folder, 1500)
    assert (directory / "search" / "stage.json").read_bytes() == before


def test_where_nothing_fits_the_nearest_is_named(folder: Path) -> None:
    with pytest.raises(
        GateFailed, match=r"no student is within the budget\. The nearest is .*\(at most 50 parameters\)"
    ):
        search(folder, 50)
