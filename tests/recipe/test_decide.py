from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgekd.cli.export_command import _decide
from edgekd.errors import RecipeError, UsageError
from edgekd.pipeline.stage_table import STAGES
from edgekd.pipeline.stages.decide import check
from edgekd.recipe import Recipe, parse_recipe


def recipe(decide: dict[str, Any] | None = None, **data: Any) -> Recipe:
    table = {"data": {"source": "photos", **data}, **({"decide": decide} if decide else {})}
    return parse_recipe(table, Path("recipe.toml"))


@pytest.mark.parametrize(
    ("decide", "data", "expected"),
    [
        ({}, {}, (False, False, False)),
        ({}, {"none": "others"}, (True, True, True)),
        ({}, {"task": "multi-label"}, (True, False, True)),
        ({"reject": True}, {}, (True, True, True)),
        ({"calibrate": True}, {}, (True, False, True)),
        ({"calibrate": False, "reject": False}, {"none": "others"}, (False, False, True)),
        ({"calibrate": False}, {"task": "multi-label"}, (False, False, True)),
    ],
)
def test_what_is_fitted_follows_from_the_photos_unless_the_recipe_says_it(
    decide: dict[str, Any], data: dict[str, Any], expected: tuple[bool, bool, bool]
) -> None:
    made = recipe(decide, **data)
    assert (made.calibrates, made.rejects, made.decides) == expected
    stages = {stage.name for stage in STAGES if stage.when(made)}
    # A default run makes its int8 file in the export, as ever.
    assert ("decide" in stages, "quantize" in stages) == (expected[2], expected[2])


def test_rejection_is_for_one_class_a_photo() -> None:
    with pytest.raises(RecipeError, match=r"decide\.reject: a photo with tags"):
        recipe({"reject": True}, task="multi-label")


def test_nothing_is_fitted_without_labels() -> None:
    labelled = recipe({"reject": True})
    check(labelled)
    label_free = labelled.model_copy(update={"distill": labelled.distill.model_copy(update={"labels": "none"})})
    with pytest.raises(RecipeError, match="uses no label"):
        check(label_free)


def test_without_labels_tags_have_thresholds_that_nothing_fitted() -> None:
    tags = recipe(task="multi-label")
    label_free = tags.model_copy(update={"distill": tags.distill.model_copy(update={"labels": "none"})})
    assert tags.decides and not label_free.decides and not label_free.calibrates
    check(label_free)


def test_the_options_of_export() -> None:
    assert _decide(False, False, None) is None
    options = _decide(False, True, None)
    assert options is not None and (options.calibrate, options.reject, options.keep) == (False, True, 0.95)
    with pytest.raises(UsageError, match="--keep needs --reject"):
        _decide(True, False, 0.9)
