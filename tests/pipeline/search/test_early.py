"""A budget that can't be had is refused before a teacher is trained; one that was is not asked for again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgekd.errors import DeviceNotFound, RecipeError
from edgekd.pipeline.search.early import require_possible
from edgekd.recipe import Recipe, parse_recipe
from edgekd.storage import write_json

STAGES = ("data", "search", "check")


def recipe_with(model: str = "auto", **budget: Any) -> Recipe:
    return parse_recipe({"data": {"source": "photos"}, "student": {"model": model, "budget": budget}}, Path("r.toml"))


@pytest.mark.parametrize("model", ["auto", "cnn:8@64"])
def test_a_device_that_can_t_be_reached_is_refused(model: str, tmp_path: Path) -> None:
    recipe = recipe_with(model, max_latency="5ms", device="ssh:nowhere.invalid")
    with pytest.raises(DeviceNotFound, match=r"the budget is measured on ssh:nowhere\.invalid.*no machine is known"):
        require_possible(recipe, tmp_path, STAGES)
    # A finished run of the same recipe needs it no more; one of another recipe does.
    for name in ("search", "check"):
        write_json(tmp_path / name / "stage.json", {})
    with pytest.raises(DeviceNotFound):
        require_possible(recipe, tmp_path, STAGES)
    write_json(tmp_path / "run.json", {"recipe_digest": recipe.digest()})
    require_possible(recipe, tmp_path, STAGES)


def test_minutes_that_do_not_even_hold_what_is_always_done_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"0\.1 minutes are too few: .* Allow \d or more"):
        require_possible(recipe_with(max_size="90KB", minutes=0.1), tmp_path, STAGES)
    require_possible(recipe_with(max_size="90KB", minutes=20), tmp_path, STAGES)
    require_possible(recipe_with(max_parameters=5_000, max_arena="90KB"), tmp_path, STAGES)
    # Nothing is searched for a student that is named.
    require_possible(recipe_with("cnn:8@64", max_size="90KB", minutes=0.1), tmp_path, STAGES)
    require_possible(recipe_with(max_latency="5ms", device="ssh:nowhere.invalid"), tmp_path, ("data",))
