"""Settings of the user's own in what `edgekd fit` proposes: they take the place of it, and its options stay options."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from edgekd.cli.fit_command import command
from edgekd.cli.fit_settings import with_settings
from edgekd.errors import UsageError
from edgekd.recipe.choice import Choice
from edgekd.recipe.proposal import Proposal

PROPOSAL = Proposal(
    (
        Choice("", "metric", "accuracy", "equal"), Choice("data.views", "views", 8, "few"),
        Choice("teacher", "model", "efficientnet-lite0", "small"), Choice("teacher", "input_size", 96, "small photos"),
        Choice("student", "model", "auto", "looked for"),
    ), {}, (),
)  # fmt: skip


def recipe_with(tmp_path: Path, settings: str) -> dict[str, Any]:
    file, recipe = tmp_path / "own" / "own.toml", tmp_path / "runs" / "photos" / "fit.toml"
    return tomllib.loads(with_settings(PROPOSAL, tomllib.loads(settings), file, recipe).to_toml("photos", {}))


def test_settings_take_the_place_of_what_is_proposed(tmp_path: Path) -> None:
    table = recipe_with(tmp_path, "[data.views]\nflip = false\nmix = { mixup = 0.2 }\n[teacher]\ninput_size = 128")
    assert table["data"]["views"] == {"views": 8, "flip": False, "mix": {"mixup": 0.2}}
    assert table["teacher"] == {"model": "efficientnet-lite0", "input_size": 128}
    assert recipe_with(tmp_path, 'seed = 3\nmetric = "balanced_accuracy"')["metric"] == "balanced_accuracy"


def test_a_teacher_of_one_s_own_is_found_beside_the_settings(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "big.keras").touch()
    # What was proposed is about the built-in one.
    table = recipe_with(tmp_path, '[teacher]\nmodel = "big.keras"\npixel_range = [0, 255]\nprior = { "a b" = 1.0 }')
    assert table["teacher"] == {
        "model": str(tmp_path / "own" / "big.keras"), "pixel_range": [0, 255], "prior": {"a b": 1.0}
    }  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ('name = "other"', "name: the run is called as the photos are"),
        ('[data]\nnone = "others"', "data.none: give --none"),
        ('[student]\nmodel = "slice:8"', "student.model: the student is looked for"),
        ("[student.budget]\nmax_size = 1", "student.budget: the limits are options"),
        ('[["x y".z]]\na = 1', r"no table \[x y\]"),
        ("[[distill.objective.terms]]\nweight = 1", "distill.objective.terms is a list of tables.*edgekd run"),
    ],
)
def test_what_the_command_line_says_is_no_setting(tmp_path: Path, settings: str, problem: str) -> None:
    with pytest.raises(UsageError, match=rf"own\.toml: .*{problem}"):
        recipe_with(tmp_path, settings)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("--max-latency 5ms --device emulated:cortex-a76", "has no latency: give --max-instructions, or another"),
        ("--max-latency 5ms --max-instructions 3M", "--max-latency and --max-instructions need different devices"),
        ("--max-size 5KB --device host", "--device host: give --max-latency or --max-instructions too"),
        ("--max-arena 200KBs", "--max-arena: '200KBs' is not an amount"),
        ("--minutes 5", "give at least one limit, such as --max-size 150KB"),
    ],
)
def test_what_is_wrong_is_said_of_the_options(options: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=problem):
        CliRunner().invoke(command, [str(tmp_path), *options.split()], catch_exceptions=False)
